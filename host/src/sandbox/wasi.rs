//! The WASI of a checkpoint body: real clocks and random, and of environment and network what was granted. Files are `folders`' and `host/files`'.

use std::sync::Arc;

use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::sockets::SocketAddrUse;

use super::audit::{AccessKind, Audit};
use super::grants::Grants;
use super::network::NetPolicy;
use super::stdio::LogStream;

/// The WASI of a checkpoint attempt.
pub(super) fn checkpoint_wasi(
    grants: &Grants,
    stdout: LogStream,
    stderr: LogStream,
    network: &Arc<NetPolicy>,
    audit: &Audit,
) -> WasiCtx {
    let mut builder = WasiCtx::builder();
    builder.stdout(stdout).stderr(stderr);
    for name in &grants.env {
        if let Ok(value) = std::env::var(name) {
            builder.env(name, &value);
            audit.used(AccessKind::Env, name);
        }
    }
    // Which variables a body looks at cannot be seen, so what it declares counts as asked for.
    let declared = grants.narrowed.needs().map(|needs| needs.env.as_slice()).unwrap_or_default();
    for name in declared.iter().filter(|name| !grants.env.contains(name)) {
        audit.withheld(AccessKind::Env, name);
    }
    // Sockets may be made, and each address that they use is checked, so that a denial can name what was tried.
    builder.allow_tcp(true).allow_udp(true).allow_ip_name_lookup(!grants.net.is_empty());
    let network = network.clone();
    builder.socket_addr_check(move |address, reason| {
        let allowed = match reason {
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => network.may_bind(address),
            _ => network.may_reach(address),
        };
        Box::pin(async move { allowed })
    });
    builder.build()
}
