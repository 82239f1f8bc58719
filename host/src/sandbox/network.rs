//! Which network addresses an instance may reach: those that a grant names, and those that a granted name was resolved to in this very
//! instance. So a name is resolved once, and the address that was checked is the one that is connected to. And which requests it may make.

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use super::addresses::is_special;
use super::audit::{AccessKind, Audit};
use super::grants::{NetGrant, RequestTarget, allows, allows_at};
use crate::mutex::lock;

/// The network policy of one instance.
#[derive(Debug)]
pub(super) struct NetPolicy {
    grants: Vec<NetGrant>,
    /// What is declared to be needed; a grant counts only where that is for the same. None where nothing is declared.
    needs: Option<Vec<NetGrant>>,
    resolved: Mutex<Vec<(IpAddr, NetGrant)>>,
    audit: Audit,
}

impl NetPolicy {
    pub(super) fn new(grants: &[NetGrant], audit: &Audit) -> Self {
        Self { grants: grants.to_vec(), needs: None, resolved: Mutex::default(), audit: audit.clone() }
    }

    /// The same policy, for a checkpoint that declares what it needs.
    pub(super) fn narrowed_by(self, needs: Option<&[NetGrant]>) -> Self {
        Self { needs: needs.map(<[NetGrant]>::to_vec), ..self }
    }

    /// The grants under which `name` may be looked up for a socket. A look-up tells the world a name, so it needs a grant itself.
    pub(super) fn may_resolve(&self, name: &str) -> Vec<NetGrant> {
        let granted = self.for_sockets().filter(|grant| grant.covers_name(name));
        let needed =
            self.needed_for_sockets().map(|needs| needs.filter(|need| need.covers_name(name)).cloned().collect::<Vec<_>>());
        let found: Vec<NetGrant> = match &needed {
            None => granted.cloned().collect(),
            // Both are for this name: what is left are their ports.
            Some(needed) => granted.flat_map(|grant| needed.iter().filter_map(|need| on_ports_of(grant, need))).collect(),
        };
        if found.is_empty() && name.parse::<IpAddr>().is_err() {
            let name: String = name.chars().take(253).collect();
            let name = name.escape_debug().to_string();
            self.deny(&name, needed.is_none_or(|needed| !needed.is_empty()));
        }
        found
    }

    /// Notes a refusal. `is_needed`: the checkpoint may need it as far as it declares anything, so that a grant would help.
    fn deny(&self, target: &str, is_needed: bool) {
        let wanted = format!("network access to {target}");
        // A guest chose the text: a flag is told only for what is one host, and not where more flags, or a pattern, stand in its place.
        let is_host = !target.contains('*') && target.parse::<NetGrant>().is_ok_and(|grant| grant.is_for_sockets());
        if is_needed && !is_host {
            self.audit.refused(AccessKind::Net, target, format!("{wanted} (that is no host, so it cannot be granted)"));
        } else if is_needed {
            self.audit.denied(AccessKind::Net, target, &wanted, &format!("--allow-net={target}"));
        } else {
            self.audit.undeclared(AccessKind::Net, target, &wanted);
        }
    }

    /// Notes what a name that `grants` cover was resolved to.
    pub(super) fn resolved(&self, address: IpAddr, grants: &[NetGrant]) {
        let mut known = lock(&self.resolved);
        for grant in grants {
            let entry = (address.to_canonical(), grant.clone());
            // A guest that looks names up in a loop must not fill the host's memory.
            if known.len() < 4096 && !known.contains(&entry) {
                known.push(entry);
            }
        }
    }

    /// Whether a socket may bind `address`. A local address that the system chooses reaches nobody: who connects, listens or sends is asked
    /// again, with the address that counts.
    pub(super) fn may_bind(&self, address: SocketAddr) -> bool {
        (address.ip().is_unspecified() && address.port() == 0) || self.may_reach(address)
    }

    /// Whether a socket may connect to, listen on, or exchange data with `address`; either is noted.
    pub(super) fn may_reach(&self, address: SocketAddr) -> bool {
        let allowed = self.covers(address);
        let target = address.to_string();
        if allowed {
            self.audit.used(AccessKind::Net, &target);
        } else {
            // A name that is needed may stand for any public address.
            let is_public = !is_special(address.ip().to_canonical());
            let may_be = |need: &NetGrant| {
                let by_name = || is_public && port_fits(need, address) && need.host.parse::<IpAddr>().is_err();
                names(need, address) || by_name()
            };
            let is_needed = self.needed_for_sockets().is_none_or(|mut needs| needs.any(may_be));
            self.deny(&target, is_needed);
        }
        allowed
    }

    /// Whether a request may be made, wherever its host leads; a refusal is noted. `shown` names it for people.
    pub(super) fn may_request(&self, request: &RequestTarget, shown: &str) -> bool {
        let is_needed = self.needs.as_ref().is_none_or(|needs| allows(needs, request));
        let allowed = is_needed && allows(&self.grants, request);
        if !is_needed {
            self.audit.undeclared(AccessKind::Net, shown, &format!("the request {shown}"));
        } else if !allowed {
            let flag = format!("--allow-net={}", request.origin());
            self.audit.denied(AccessKind::Net, shown, &format!("the request {shown}"), &flag);
        }
        allowed
    }

    /// Those of the `addresses` of its host that a request may go to; that there are none is noted.
    pub(super) fn may_go_to(&self, request: &RequestTarget, shown: &str, addresses: &[IpAddr]) -> Vec<IpAddr> {
        let may = |address: &&IpAddr| allows_at(&self.grants, request, **address, is_special(**address));
        let allowed: Vec<IpAddr> = addresses.iter().filter(may).copied().collect();
        if let Some(refused) = addresses.first().filter(|_| allowed.is_empty()) {
            let wanted = format!("the request {shown}, whose host is {refused}, no address of the public Internet");
            let flag = format!("--allow-net={}", request.origin_at(refused.to_canonical()));
            self.audit.denied(AccessKind::Net, shown, &wanted, &flag);
        }
        allowed
    }

    /// Those that are not for requests alone.
    fn for_sockets(&self) -> impl Iterator<Item = &NetGrant> {
        self.grants.iter().filter(|grant| grant.is_for_sockets())
    }

    /// Those of what is declared, where anything is.
    fn needed_for_sockets(&self) -> Option<impl Iterator<Item = &NetGrant>> {
        self.needs.as_ref().map(|needs| needs.iter().filter(|need| need.is_for_sockets()))
    }

    fn covers(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let special = is_special(ip);
        let is_needed = || self.needed_for_sockets().is_none_or(|mut needs| needs.any(|need| names(need, address)));
        if self.for_sockets().any(|grant| names(grant, address)) && is_needed() {
            return true;
        }
        // A public name that resolves to a private address is an attack, or a mistake; `localhost` says what it means.
        let trusted = |grant: &NetGrant| !special || (grant.host == "localhost" && ip.is_loopback());
        let known = lock(&self.resolved);
        known.iter().any(|(resolved, grant)| *resolved == ip && port_fits(grant, address) && trusted(grant))
    }
}

fn port_fits(grant: &NetGrant, address: SocketAddr) -> bool {
    grant.port.is_none_or(|port| port == address.port())
}

/// Whether a grant is for this address as it stands, without a look-up.
fn names(grant: &NetGrant, address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    port_fits(grant, address) && (grant.names_address(ip) || (grant.is_any() && !is_special(ip)))
}

/// A grant on the ports that a need leaves of it; none where there is no such port.
fn on_ports_of(grant: &NetGrant, need: &NetGrant) -> Option<NetGrant> {
    match (grant.port, need.port) {
        (Some(granted), Some(needed)) if granted != needed => None,
        (granted, needed) => Some(NetGrant { port: granted.or(needed), ..grant.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::grants::HttpScheme;

    fn policy(grants: &[&str]) -> NetPolicy {
        let grants: Vec<NetGrant> = grants.iter().map(|text| text.parse().unwrap()).collect();
        NetPolicy::new(&grants, &Audit::default())
    }

    fn reach(grants: &[&str], address: &str) -> bool {
        policy(grants).may_reach(address.parse().unwrap())
    }

    #[test]
    fn addresses_are_reached_where_a_grant_names_them() {
        assert!(reach(&["127.0.0.1:80"], "127.0.0.1:80"));
        assert!(!reach(&["127.0.0.1:80"], "127.0.0.1:81"));
        assert!(reach(&["127.0.0.1"], "[::ffff:127.0.0.1]:81"));
        assert!(!reach(&["*"], "127.0.0.1:80"));
        assert!(!reach(&["*"], "169.254.169.254:80"));
        assert!(reach(&["*:443"], "1.1.1.1:443"));
        assert!(!reach(&["*:443"], "1.1.1.1:80"));
        assert!(!reach(&[], "1.1.1.1:443"));
        assert!(!reach(&[], "0.0.0.0:8080"), "listening is reaching");
        assert!(policy(&[]).may_bind("0.0.0.0:0".parse().unwrap()) && !policy(&[]).may_bind("0.0.0.0:8080".parse().unwrap()));
    }

    #[test]
    fn a_name_reaches_what_it_was_resolved_to_and_nothing_else() {
        let policy = policy(&["*.example.com:443", "localhost:80", "plain.example"]);
        let look_up = |name: &str, address: &str| policy.resolved(address.parse().unwrap(), &policy.may_resolve(name));
        let reach = |address: &str| policy.may_reach(address.parse().unwrap());
        assert!(!reach("1.1.1.1:443"), "not resolved yet");
        look_up("API.example.com.", "1.1.1.1");
        assert!(reach("1.1.1.1:443") && !reach("1.1.1.1:80"));
        look_up("localhost", "127.0.0.1");
        assert!(reach("127.0.0.1:80") && !reach("127.0.0.1:81"));
        // DNS rebinding: a granted public name that answers with a private address.
        look_up("plain.example", "169.254.169.254");
        assert!(!reach("169.254.169.254:80"));
        for refused in ["example.com", "badexample.com", "api.example.com.evil.org", "other"] {
            assert!(policy.may_resolve(refused).is_empty(), "{refused}");
        }
        assert!(policy.audit.denials().iter().any(|denial| denial.contains("--allow-net=badexample.com")));
    }

    #[test]
    fn a_grant_counts_only_where_the_need_is_for_the_same() {
        let needs = |needs: &[&str]| needs.iter().map(|text| text.parse().unwrap()).collect::<Vec<NetGrant>>();
        let narrowed = |grants: &[&str], declared: &[&str]| policy(grants).narrowed_by(Some(&needs(declared)));
        let reach = |grants: &[&str], declared: &[&str], address: &str| {
            let policy = narrowed(grants, declared);
            (policy.may_reach(address.parse().unwrap()), policy.audit.denials().concat())
        };
        assert!(reach(&["127.0.0.1"], &["127.0.0.1:80"], "127.0.0.1:80").0);
        let (allowed, told) = reach(&["127.0.0.1"], &["127.0.0.1:80"], "127.0.0.1:81");
        assert!(!allowed && told.contains("does not declare") && !told.contains("--allow-net"), "{told}");
        let (allowed, told) = reach(&["*"], &[], "1.1.1.1:443");
        assert!(!allowed && told.contains("does not declare"), "{told}");
        let (allowed, told) = reach(&[], &["1.1.1.1:443"], "1.1.1.1:443");
        assert!(!allowed && told.contains("--allow-net=1.1.1.1:443"), "{told}");

        let policy = narrowed(&["*.example.com", "other.org"], &["api.example.com:443"]);
        let look_up = |name: &str, address: &str| policy.resolved(address.parse().unwrap(), &policy.may_resolve(name));
        look_up("api.example.com", "1.1.1.1");
        assert!(policy.may_reach("1.1.1.1:443".parse().unwrap()) && !policy.may_reach("1.1.1.1:80".parse().unwrap()));
        assert!(policy.may_resolve("www.example.com").is_empty() && policy.may_resolve("other.org").is_empty());
        let told = policy.audit.denials();
        assert!(told.iter().any(|denial| denial.contains("other.org") && !denial.contains("--allow-net")), "{told:?}");
        assert!(narrowed(&["example.com:80"], &["example.com:443"]).may_resolve("example.com").is_empty(), "no port is left");
    }

    #[test]
    fn a_grant_for_requests_opens_no_socket() {
        let policy = policy(&["https://a.example", "GET 127.0.0.1:80", "127.0.0.2:80/x", "http://*"]);
        for name in ["a.example", "b.example"] {
            assert!(policy.may_resolve(name).is_empty(), "{name}");
        }
        for address in ["127.0.0.1:80", "127.0.0.2:80", "1.1.1.1:80"] {
            assert!(!policy.may_reach(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn a_request_is_made_only_where_it_is_declared_too() {
        let request = |host: &str, path: &str| RequestTarget {
            scheme: HttpScheme::Https,
            host: host.into(),
            port: 443,
            method: "GET".into(),
            path: path.into(),
            is_overridden: false,
        };
        let needs: Vec<NetGrant> = vec!["GET https://a.example/v1/*".parse().unwrap()];
        let policy = policy(&["*.example:443", "a.example"]).narrowed_by(Some(&needs));
        assert!(policy.may_request(&request("a.example", "/v1/x"), "one"));
        assert!(
            !policy.may_request(&request("a.example", "/v2"), "two")
                && !policy.may_request(&request("b.example", "/v1/x"), "three")
        );
        let told = policy.audit.denials();
        assert!(told.len() == 2 && told.iter().all(|denial| denial.contains("does not declare")), "{told:?}");
        assert!(policy.may_resolve("a.example").is_empty(), "a need of requests is none of sockets");
    }

    #[test]
    fn a_text_that_is_no_host_is_told_without_a_flag() {
        for text in ["x --allow-write=/", "GET --allow-needs", "*", "*.org", "x/*", "https://x"] {
            let policy = policy(&[]);
            assert!(policy.may_resolve(text).is_empty(), "{text}");
            let told = policy.audit.denials().concat();
            assert!(told.contains("is no host") && !told.contains("--allow-net"), "{told}");
        }
    }

    #[test]
    fn what_is_used_is_noted() {
        let policy = policy(&["127.0.0.1:80"]);
        let _ = (policy.may_reach("127.0.0.1:80".parse().unwrap()), policy.may_reach("127.0.0.1:81".parse().unwrap()));
        let noted: Vec<_> = policy.audit.accesses().into_iter().map(|access| (access.target, access.allowed)).collect();
        assert_eq!(noted, [("127.0.0.1:80".to_owned(), true), ("127.0.0.1:81".to_owned(), false)]);
    }
}
