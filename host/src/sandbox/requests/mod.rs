//! HTTP requests of checkpoints: `wasi:http/outgoing-handler`, sent by the host.
//!
//! One request is one connection, to an address that was looked up once and checked: nothing is kept open from one to the next, no proxy of the
//! host's environment stands between, no cookies are kept, and redirects are the guest's to follow, so that each of its requests is checked. Bodies
//! stream in both directions; the host holds a piece of them and never the whole.

mod body;
mod client;
mod connect;
mod hooks;
mod names;
mod read;
mod send;
#[cfg(test)]
mod send_tests;

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::p2::{TcpSocket, UdpSocket};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::state::HostState;

pub(super) use client::Client;
pub(super) use hooks::Hooks;
pub(super) use names::Names;

/// What the headers of one request or response may take in the host's memory, in bytes.
const HEADERS: usize = 64 * 1024;

/// The HTTP of one instance.
pub(super) struct HttpState {
    ctx: WasiHttpCtx,
    pub(super) hooks: Hooks,
}

impl HttpState {
    /// One that sends with `client`; without one nothing is sent.
    pub(super) fn new(client: Option<Arc<Client>>) -> Self {
        let mut ctx = WasiHttpCtx::new();
        ctx.set_field_size_limit(HEADERS);
        Self { ctx, hooks: Hooks::new(client) }
    }
}

impl WasiHttpView for HostState {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.http.hooks, table: &mut self.table, ctx: &mut self.http.ctx }
    }
}

/// Sockets that an instance has open.
pub(super) fn sockets(table: &mut ResourceTable) -> usize {
    table.iter_mut().filter(|entry| entry.is::<TcpSocket>() || entry.is::<UdpSocket>()).count()
}
