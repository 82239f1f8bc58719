//! Which machines a request may reach: every address is asked for before it is connected to, and the address that was asked for is the one
//! that is connected to, so that a name cannot change its meaning in between.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Decides which addresses may be connected to.
///
/// A connection that is kept open for further requests to the same host is not asked for again: whoever changes its mind makes a new
/// [`Transport`](super::Transport).
pub trait AddressPolicy: Send + Sync {
    /// Whether `address`, which `host` stands for, may be connected to.
    ///
    /// # Errors
    ///
    /// The reason why not, for the error that the caller of the model gets.
    fn check(&self, host: &str, address: IpAddr) -> Result<(), String>;

    /// Whether `host` may be asked for through the proxy that the system's settings name. The proxy looks the name up, so there is no address
    /// to check. Refused where a policy does not say otherwise: a rule about addresses would not hold.
    ///
    /// # Errors
    ///
    /// The reason why not.
    fn check_proxied(&self, host: &str) -> Result<(), String> {
        let _ = host;
        Err("a proxy would look the name up, and its address could not be checked".to_owned())
    }
}

/// Every address may be connected to. For programs whose base URLs come from nobody but their operator.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnyAddress;

impl AddressPolicy for AnyAddress {
    fn check(&self, _host: &str, _address: IpAddr) -> Result<(), String> {
        Ok(())
    }

    fn check_proxied(&self, _host: &str) -> Result<(), String> {
        Ok(())
    }
}

/// Looks names up.
#[async_trait]
pub trait NameService: Send + Sync {
    /// The addresses of `host`, in the order in which they are to be tried.
    ///
    /// # Errors
    ///
    /// Whatever the look-up ran into.
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's look-up.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemNames;

#[async_trait]
impl NameService for SystemNames {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// A policy refused every address of a host.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub(super) struct Refusal {
    pub(super) host: String,
    pub(super) address: Option<IpAddr>,
    pub(super) reason: String,
}

/// A name service behind an address policy.
#[derive(Clone)]
pub(super) struct GuardedNames {
    names: Arc<dyn NameService>,
    policy: Arc<dyn AddressPolicy>,
}

impl fmt::Debug for GuardedNames {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("GuardedNames")
    }
}

impl GuardedNames {
    pub(super) fn new(names: Arc<dyn NameService>, policy: Arc<dyn AddressPolicy>) -> Self {
        Self { names, policy }
    }

    /// Checks a host that is an address already: the HTTP client connects to those without looking anything up.
    pub(super) fn check_literal(&self, host: &str) -> Result<(), Refusal> {
        match literal(host) {
            Some(address) => self.ask(host, address),
            None => Ok(()),
        }
    }

    pub(super) fn check_proxied(&self, host: &str) -> Result<(), Refusal> {
        let refusal = |reason| Refusal { host: host.to_owned(), address: None, reason };
        self.check_literal(host)?;
        self.policy.check_proxied(host).map_err(refusal)
    }

    fn ask(&self, host: &str, address: IpAddr) -> Result<(), Refusal> {
        // The form in which a v4 address travels in v6 must not get past a rule for v4.
        let canonical = address.to_canonical();
        let refusal = |reason| Refusal { host: host.to_owned(), address: Some(canonical), reason };
        self.policy.check(host, canonical).map_err(refusal)
    }

    /// The addresses of `host` that may be connected to.
    async fn allowed(&self, host: &str) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let mut allowed = Vec::new();
        let mut refused = None;
        for address in self.names.addresses(host).await? {
            match self.ask(host, address) {
                // Port 0 stands for the URL's.
                Ok(()) => allowed.push(SocketAddr::new(address, 0)),
                Err(refusal) => refused = refused.or(Some(refusal)),
            }
        }
        match refused {
            Some(refusal) if allowed.is_empty() => Err(refusal.into()),
            _ if allowed.is_empty() => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address").into()),
            _ => Ok(allowed),
        }
    }
}

impl Resolve for GuardedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let guarded = self.clone();
        Box::pin(async move {
            let addresses: Addrs = Box::new(guarded.allowed(name.as_str()).await?.into_iter());
            Ok(addresses)
        })
    }
}

/// The address that `host` of a URL is, if it is one.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Planned(Vec<IpAddr>);

    #[async_trait]
    impl NameService for Planned {
        async fn addresses(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
            Ok(self.0.clone())
        }
    }

    struct NoLoopback;

    impl AddressPolicy for NoLoopback {
        fn check(&self, _host: &str, address: IpAddr) -> Result<(), String> {
            if address.is_loopback() { Err("loopback".into()) } else { Ok(()) }
        }
    }

    fn guarded(addresses: &[&str]) -> GuardedNames {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        GuardedNames::new(Arc::new(Planned(addresses)), Arc::new(NoLoopback))
    }

    #[tokio::test]
    async fn only_what_is_allowed_is_handed_on() {
        let found = guarded(&["127.0.0.1", "192.0.2.1", "::ffff:127.0.0.1"]).allowed("x.example").await.unwrap();
        assert_eq!(found, ["192.0.2.1:0".parse().unwrap()]);
        let refused = guarded(&["::ffff:127.0.0.1"]).allowed("x.example").await.unwrap_err();
        let refusal = refused.downcast::<Refusal>().unwrap();
        assert_eq!((refusal.address, refusal.host.as_str()), (Some("127.0.0.1".parse().unwrap()), "x.example"));
        assert!(guarded(&[]).allowed("x.example").await.unwrap_err().downcast::<io::Error>().is_ok());
    }

    #[test]
    fn literals_are_asked_for() {
        let names = guarded(&[]);
        for refused in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(names.check_literal(refused).is_err() && names.check_proxied(refused).is_err(), "{refused}");
        }
        assert!(names.check_literal("192.0.2.1").is_ok() && names.check_literal("localhost").is_ok());
        assert!(names.check_proxied("x.example").is_err(), "a policy that says nothing of proxies allows none");
        assert!(GuardedNames::new(Arc::new(Planned(Vec::new())), Arc::new(AnyAddress)).check_proxied("x.example").is_ok());
    }
}
