//! `wasi:sockets/ip-name-lookup`: only granted names are looked up, once each, where the host looks up names for requests too; and what they resolve to
//! is noted for the check of the connection.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::vec;

use wasmtime::component::{HasData, Linker, Resource};
use wasmtime_wasi::p2::bindings::sockets::ip_name_lookup::{self, Host, HostResolveAddressStream, ResolveAddressStream};
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddress, Network};
use wasmtime_wasi::p2::{DynPollable, Pollable, SocketError, subscribe};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, poll_noop, spawn};
use wasmtime_wasi::sockets::WasiSocketsView as _;

use crate::sandbox::AccessKind;
use crate::sandbox::grants::NetGrant;
use crate::sandbox::network::NetPolicy;
use crate::sandbox::requests::Names;
use crate::sandbox::state::HostState;

pub(super) struct Lookup<'a>(pub(super) &'a mut HostState);

pub(super) struct HasLookup;

/// Look-ups that one instance may have open.
const LOOKUPS: usize = 16;

impl HasData for HasLookup {
    type Data<'a> = Lookup<'a>;
}

pub(super) fn add_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    ip_name_lookup::add_to_linker::<HostState, HasLookup>(linker, |state| Lookup(state))
}

/// A look-up, as a guest holds it. The interface's own type cannot be made here; a guest has the number of either in its hands, and no function of the
/// library's ever sees it.
struct Found {
    /// Under which the name was looked up.
    grants: Vec<NetGrant>,
    state: State,
}

enum State {
    Waiting(AbortOnDropJoinHandle<io::Result<Vec<IpAddr>>>),
    Done(Result<vec::IntoIter<IpAddr>, ErrorCode>),
}

impl Found {
    /// Begins to look up `name`, which `grants` are for.
    fn begin(names: Arc<dyn Names>, name: &str, grants: Vec<NetGrant>) -> Result<Self, ErrorCode> {
        let host = normal(name).ok_or(ErrorCode::InvalidArgument)?;
        let state = match host.parse::<IpAddr>() {
            Ok(address) => State::Done(Ok(vec![address].into_iter())),
            Err(_) => State::Waiting(spawn(async move { names.addresses(&host).await })),
        };
        Ok(Self { grants, state })
    }

    fn answered(&mut self, answer: io::Result<Vec<IpAddr>>) {
        self.state = State::Done(answer.map(Vec::into_iter).map_err(|_| ErrorCode::NameUnresolvable));
    }

    /// The next address, which may be connected to from then on as far as the grants are for it.
    fn next(&mut self, network: &NetPolicy) -> Result<Option<IpAddr>, ErrorCode> {
        if let State::Waiting(task) = &mut self.state {
            let answer = poll_noop(std::pin::Pin::new(task)).ok_or(ErrorCode::WouldBlock)?;
            self.answered(answer);
        }
        let State::Done(found) = &mut self.state else { return Err(ErrorCode::WouldBlock) };
        let address = found.as_mut().map_err(|error| *error)?.next().map(|address| address.to_canonical());
        if let Some(address) = address {
            network.resolved(address, &self.grants);
        }
        Ok(address)
    }
}

#[async_trait::async_trait]
impl Pollable for Found {
    async fn ready(&mut self) {
        if let State::Waiting(task) = &mut self.state {
            let answer = task.await;
            self.answered(answer);
        }
    }
}

/// A name as resolvers are asked for it, or an address; none for what is neither. Letters beyond ASCII are for the guest to put into Punycode, as it
/// does for requests: grants are of names as they are asked for.
fn normal(name: &str) -> Option<String> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let fits = (1..=253).contains(&name.len()) && name.bytes().all(is_name);
    fits.then(|| name.to_ascii_lowercase())
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

/// The same look-up by its own type.
fn own(stream: &Resource<ResolveAddressStream>) -> Resource<Found> {
    Resource::new_borrow(stream.rep())
}

impl Host for Lookup<'_> {
    fn resolve_addresses(
        &mut self,
        network: Resource<Network>,
        name: String,
    ) -> Result<Resource<ResolveAddressStream>, SocketError> {
        let grants = self.0.network.may_resolve(&name);
        // An address in the place of a name tells nobody anything, and is checked when it is used.
        if grants.is_empty() && name.parse::<IpAddr>().is_err() {
            return Err(ErrorCode::AccessDenied.into());
        }
        // Whoever has no network at all is told so at once.
        let names = self.0.http.hooks.client().ok_or(ErrorCode::PermanentResolverFailure)?.names();
        // Without it there is no network to look anything up in.
        let _: &Network = self.0.table.get(&network)?;
        if self.0.lookups >= LOOKUPS {
            return Err(ErrorCode::TemporaryResolverFailure.into());
        }
        if !grants.is_empty() {
            self.0.audit.used(AccessKind::Net, &name);
        }
        let stream = self.0.table.push(Found::begin(names, &name, grants)?)?;
        self.0.lookups += 1;
        Ok(Resource::new_own(stream.rep()))
    }
}

impl HostResolveAddressStream for Lookup<'_> {
    fn resolve_next_address(&mut self, stream: Resource<ResolveAddressStream>) -> Result<Option<IpAddress>, SocketError> {
        let found = self.0.table.get_mut(&own(&stream))?;
        Ok(found.next(&self.0.network)?.map(IpAddress::from))
    }

    fn subscribe(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<Resource<DynPollable>> {
        subscribe(&mut self.0.table, own(&stream))
    }

    fn drop(&mut self, stream: Resource<ResolveAddressStream>) -> wasmtime::Result<()> {
        self.0.table.delete(Resource::<Found>::new_own(stream.rep()))?;
        self.0.lookups = self.0.lookups.saturating_sub(1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Mutex;

    use async_trait::async_trait;

    use super::*;
    use crate::mutex::lock;
    use crate::sandbox::audit::Audit;

    /// A resolver whose answers change.
    struct Changing(Mutex<Vec<Vec<&'static str>>>);

    #[async_trait]
    impl Names for Changing {
        async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
            assert_eq!(host, "rebound.example", "as resolvers are asked");
            let answer = lock(&self.0).remove(0);
            Ok(answer.into_iter().map(|address| address.parse().unwrap()).collect())
        }
    }

    async fn all(names: &Arc<Changing>, network: &NetPolicy) -> Vec<String> {
        let grants = network.may_resolve("Rebound.example");
        let mut found = Found::begin(names.clone(), "Rebound.example", grants).unwrap();
        found.ready().await;
        std::iter::from_fn(|| found.next(network).unwrap()).map(|address| address.to_string()).collect()
    }

    /// DNS rebinding: a name that leads to a public address when it is looked at, and to a private one when it is used; or to both at once. What is
    /// connected to is an address and not a name, and it is checked as one.
    #[tokio::test]
    async fn a_name_that_changes_its_address_reaches_nothing_that_is_not_public() {
        let answers = [vec!["1.1.1.1"], vec!["127.0.0.1", "::ffff:10.0.0.1", "1.0.0.1"], vec!["169.254.169.254"]];
        let names = Arc::new(Changing(Mutex::new(answers.to_vec())));
        let network = NetPolicy::new(&["rebound.example:80".parse().unwrap()], &Audit::default());
        let reach = |address: &str| network.may_reach(address.parse::<SocketAddr>().unwrap());
        assert!(!reach("1.1.1.1:80"), "before it is looked up");
        assert_eq!(all(&names, &network).await, ["1.1.1.1"]);
        assert!(reach("1.1.1.1:80") && !reach("1.1.1.1:81"));
        assert_eq!(all(&names, &network).await, ["127.0.0.1", "10.0.0.1", "1.0.0.1"], "the guest may know");
        assert!(reach("1.0.0.1:80") && reach("1.1.1.1:80"), "both were checked");
        assert_eq!(all(&names, &network).await, ["169.254.169.254"]);
        for private in ["127.0.0.1:80", "10.0.0.1:80", "[::ffff:10.0.0.1]:80", "169.254.169.254:80", "[::1]:80"] {
            assert!(!reach(private), "{private}");
        }
    }

    #[test]
    fn names_are_as_resolvers_know_them() {
        for (name, normal_form) in [
            ("Example.COM", "example.com"),
            ("xn--bcher-kva.example.", "xn--bcher-kva.example."),
            // What a resolver makes of it is an address, and is checked as one.
            ("127.1", "127.1"),
            ("::1", "::1"),
            ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
        ] {
            assert_eq!(normal(name).as_deref(), Some(normal_form), "{name}");
        }
        for bad in ["", "a b", "a/b", "a@b", "a:80", "user:x@b", "[::1]", "a%2fb", "a\u{0}b", "a#b", "bücher.example"] {
            assert_eq!(normal(bad), None, "{bad:?}");
        }
    }
}
