//! `wasi:sockets/ip-name-lookup`, over the library's own: only granted names are looked up, and what they resolve to is noted for the check
//! of the connection.

use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, Host, HostResolveAddressStream, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, SocketError};
use wasmtime_wasi::sockets::WasiSocketsView as _;

use crate::sandbox::AccessKind;
use crate::sandbox::state::HostState;

pub(super) struct Lookup<'a>(pub(super) &'a mut HostState);

pub(super) struct HasLookup;

/// Names that one instance may look up at a time.
const LOOKUPS: usize = 16;

impl HasData for HasLookup {
    type Data<'a> = Lookup<'a>;
}

pub(super) fn add_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    ip_name_lookup::add_to_linker::<HostState, HasLookup>(linker, |state| Lookup(state))
}

/// The interface's errors are the network interface's, whose conversion is the library's.
impl network::Host for Lookup<'_> {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        self.0.sockets().convert_error_code(error)
    }

    fn network_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.0.sockets().network_error_code(error)
    }
}

impl network::HostNetwork for Lookup<'_> {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        network::HostNetwork::drop(&mut self.0.sockets(), network)
    }
}

impl Host for Lookup<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        let grants = self.0.network.may_resolve(&name);
        // An address in the place of a name tells nobody anything, and is checked when it is used.
        if grants.is_empty() && name.parse::<std::net::IpAddr>().is_err() {
            return Err(ErrorCode::AccessDenied.into());
        }
        // Each occupies a thread of the host for as long as the resolver takes.
        if self.0.lookups.len() >= LOOKUPS {
            return Err(ErrorCode::TemporaryResolverFailure.into());
        }
        if !grants.is_empty() {
            self.0.audit.used(AccessKind::Net, &name);
        }
        let stream = self.0.sockets().resolve_addresses(network, name)?;
        self.0.lookups.insert(stream.rep(), grants);
        Ok(stream)
    }
}

impl HostResolveAddressStream for Lookup<'_> {
    fn resolve_next_address(&mut self, stream: Resource<ResolveAddressStream>) -> Result<Option<IpAddress>, SocketError> {
        let rep = stream.rep();
        let address = self.0.sockets().resolve_next_address(stream)?;
        if let (Some(address), Some(grants)) = (&address, self.0.lookups.get(&rep)) {
            let ip = match *address {
                IpAddress::Ipv4((a, b, c, d)) => [a, b, c, d].into(),
                IpAddress::Ipv6((a, b, c, d, e, f, g, h)) => [a, b, c, d, e, f, g, h].into(),
            };
            self.0.network.resolved(ip, grants);
        }
        Ok(address)
    }

    fn subscribe(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<Resource<DynPollable>> {
        self.0.sockets().subscribe(stream)
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.0.lookups.remove(&stream.rep());
        HostResolveAddressStream::drop(&mut self.0.sockets(), stream)
    }
}
