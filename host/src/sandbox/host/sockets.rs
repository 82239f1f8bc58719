//! `wasi:sockets/tcp-create-socket` and `udp-create-socket`, over the library's own: sockets are counted together with requests.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::{tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{SocketError, TcpSocket, UdpSocket};
use wasmtime_wasi::sockets::WasiSocketsView as _;

use super::lookup::{HasLookup, Lookup};
use crate::sandbox::requests::sockets;
use crate::sandbox::state::HostState;

pub(super) fn add_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    tcp_create_socket::add_to_linker::<HostState, HasLookup>(linker, |state| Lookup(state))?;
    udp_create_socket::add_to_linker::<HostState, HasLookup>(linker, |state| Lookup(state))
}

impl Lookup<'_> {
    /// Whether one more socket may be opened. A scope without a client has no network, which the library says in its own way.
    fn check(&mut self) -> Result<(), SocketError> {
        let open = sockets(&mut self.0.table);
        let has_room = self.0.http.hooks.client().is_none_or(|client| client.has_room(open));
        if has_room { Ok(()) } else { Err(ErrorCode::NewSocketLimit.into()) }
    }
}

impl tcp_create_socket::Host for Lookup<'_> {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> Result<Resource<TcpSocket>, SocketError> {
        self.check()?;
        self.0.sockets().create_tcp_socket(family)
    }
}

impl udp_create_socket::Host for Lookup<'_> {
    async fn create_udp_socket(&mut self, family: IpAddressFamily) -> Result<Resource<UdpSocket>, SocketError> {
        self.check()?;
        self.0.sockets().create_udp_socket(family).await
    }
}
