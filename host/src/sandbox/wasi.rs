//! The WASI of a checkpoint body: real clocks and random, and of files, environment and network what was granted.

use std::sync::Arc;

use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{FsPerms, WasiCtx};

use super::grants::Grants;
use super::network::NetPolicy;
use super::stdio::LogStream;
use crate::journal::Failure;

/// The WASI of a checkpoint attempt.
pub(super) fn checkpoint_wasi(
    grants: &Grants,
    stdout: LogStream,
    stderr: LogStream,
    network: &Arc<NetPolicy>,
) -> Result<WasiCtx, Failure> {
    let mut builder = WasiCtx::builder();
    builder.stdout(stdout).stderr(stderr);
    let folders = grants.read.iter().map(|folder| (folder, FsPerms::ReadOnly, "--allow-read"));
    let folders = folders.chain(grants.write.iter().map(|folder| (folder, FsPerms::ReadWrite, "--allow-write")));
    for (folder, perms, flag) in folders {
        builder.preopened_dir(&folder.host, &folder.guest, perms).map_err(|error| {
            let path = folder.host.display();
            Failure::runtime("capability", format!("the folder `{path}`, granted with {flag}, cannot be opened: {error:#}"))
        })?;
    }
    for name in &grants.env {
        if let Ok(value) = std::env::var(name) {
            builder.env(name, &value);
        }
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
    Ok(builder.build())
}
