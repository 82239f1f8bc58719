//! Network addresses, and requests to them.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::path::PathPattern;

/// The protocol of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpScheme {
    /// Without encryption.
    Http,
    /// With TLS.
    Https,
}

impl HttpScheme {
    /// Its word in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of a URL that names none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A host to reach: `name`, `*.name`, an address, or `*` for any public one, each with an optional `:port`. With a scheme, a path or methods it
/// is for HTTP requests alone: `GET,HEAD https://api.example.com/v1/*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetGrant {
    /// Name, address or `*`.
    pub host: String,
    /// The only port; absent for all, or for that of the scheme.
    pub port: Option<u16>,
    /// The only scheme; absent for both.
    pub scheme: Option<HttpScheme>,
    /// The only methods; empty for all.
    pub methods: Vec<String>,
    /// The only paths; absent for all.
    pub path: Option<PathPattern>,
}

/// A request, as far as grants decide about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestTarget {
    /// Its scheme.
    pub scheme: HttpScheme,
    /// A name in lower case without a dot at its end, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The method, as it is sent.
    pub method: String,
    /// The path, as it is sent, without the query.
    pub path: String,
    /// A header tells the server to take another method or path: then nothing that names either covers it.
    pub is_overridden: bool,
}

impl RequestTarget {
    /// The address, where the host is one.
    pub(in crate::sandbox) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// `host`, or `host:port` where that is not the scheme's own: for the `Host` header and for grants.
    pub(in crate::sandbox) fn authority(&self) -> String {
        match self.port == self.scheme.default_port() {
            true => bracketed(&self.host),
            false => self.host_and_port(),
        }
    }

    /// `host:port`.
    pub(in crate::sandbox) fn host_and_port(&self) -> String {
        format!("{}:{}", bracketed(&self.host), self.port)
    }

    /// The narrowest grant by which people would know the server: `https://host[:port]`.
    pub(in crate::sandbox) fn origin(&self) -> String {
        format!("{}://{}", self.scheme.as_str(), self.authority())
    }

    /// The same for an address that its name stands for.
    pub(in crate::sandbox) fn origin_at(&self, address: IpAddr) -> String {
        Self { host: address.to_string(), ..self.clone() }.origin()
    }
}

impl fmt::Display for RequestTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, scheme, path, .. } = self;
        write!(f, "{method} {}://{}{path}", scheme.as_str(), self.host_and_port())
    }
}

/// The host of a URL: an address of IPv6 is in brackets.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

impl NetGrant {
    /// Whether the grant is for sockets of any protocol, and not for HTTP requests alone.
    pub(in crate::sandbox) fn is_for_sockets(&self) -> bool {
        self.scheme.is_none() && self.methods.is_empty() && self.path.is_none()
    }

    /// Whether the grant names this very address.
    pub(in crate::sandbox) fn names_address(&self, address: IpAddr) -> bool {
        self.host.parse::<IpAddr>().is_ok_and(|granted| granted.to_canonical() == address.to_canonical())
    }

    /// Whether the grant is for this host name.
    pub(in crate::sandbox) fn covers_name(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        match self.host.strip_prefix("*.") {
            // The dot belongs to the suffix: `*.example.com` is not `badexample.com`.
            Some(_) => self.host.strip_prefix('*').is_some_and(|suffix| name.ends_with(suffix) && name.len() > suffix.len()),
            None => self.host == name || (self.is_any() && name != "localhost"),
        }
    }

    /// The hosts that both are for, of grants that are for sockets; none where there is none.
    pub(in crate::sandbox) fn socket_overlap(&self, other: &Self) -> Option<Self> {
        let port = match (self.port, other.port) {
            (Some(one), Some(another)) if one != another => return None,
            (one, another) => one.or(another),
        };
        let narrower = if self.covers_name(&other.host) { other } else { self };
        let meet = self.host == other.host || self.covers_name(&other.host) || other.covers_name(&self.host);
        meet.then(|| Self { port, ..narrower.clone() })
    }

    /// Whether the grant is for any public address.
    pub(in crate::sandbox) fn is_any(&self) -> bool {
        self.host == "*"
    }

    /// Whether the grant is for requests like this one, wherever they go.
    fn fits(&self, request: &RequestTarget) -> bool {
        let port = self.port.or(self.scheme.map(HttpScheme::default_port));
        let is_narrow = !self.methods.is_empty() || self.path.is_some();
        self.scheme.is_none_or(|scheme| scheme == request.scheme)
            && port.is_none_or(|port| port == request.port)
            && (self.methods.is_empty() || self.methods.contains(&request.method))
            && self.path.as_ref().is_none_or(|path| path.covers(&request.path))
            && !(is_narrow && request.is_overridden)
    }

    /// Whether the grant is for this request, as far as its words say: where its host stands for an address that is not public, that address
    /// has to be granted too.
    pub(in crate::sandbox) fn covers(&self, request: &RequestTarget) -> bool {
        let covers_host = match request.address() {
            Some(address) => self.names_address(address) || self.is_any(),
            None => self.covers_name(&request.host),
        };
        covers_host && self.fits(request)
    }

    /// Whether the grant lets this request go to `address`, though that is not public: it names the address, or it is for `localhost`.
    fn vouches_for(&self, request: &RequestTarget, address: IpAddr) -> bool {
        let is_own = self.host == "localhost" && address.to_canonical().is_loopback() && self.covers(request);
        is_own || (self.names_address(address) && self.fits(request))
    }
}

/// Whether some of `grants` is for this request. It says nothing of where its host leads: see [`allows_at`].
pub(in crate::sandbox) fn allows(grants: &[NetGrant], request: &RequestTarget) -> bool {
    grants.iter().any(|grant| grant.covers(request))
}

/// Whether `grants` let this request go to `address`, which its host stands for. `is_special` says whether that is none of the public Internet.
pub(in crate::sandbox) fn allows_at(grants: &[NetGrant], request: &RequestTarget, address: IpAddr, is_special: bool) -> bool {
    allows(grants, request) && (!is_special || grants.iter().any(|grant| grant.vouches_for(request, address)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn request(text: &str) -> RequestTarget {
        let (method, url) = text.split_once(' ').unwrap();
        let (scheme, rest) = url.split_once("://").unwrap();
        let scheme = if scheme == "https" { HttpScheme::Https } else { HttpScheme::Http };
        let (authority, path) = rest.split_at(rest.find('/').unwrap());
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']').map(|(host, port)| (host, port.strip_prefix(':'))).unwrap(),
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(scheme.default_port(), |port| port.parse().unwrap());
        let (method, host, path) = (method.to_owned(), host.to_owned(), path.to_owned());
        RequestTarget { scheme, host, port, method, path, is_overridden: false }
    }

    fn covers(grant: &str, asked: &str) -> bool {
        grant.parse::<NetGrant>().unwrap().covers(&request(asked))
    }

    #[test]
    fn each_part_of_a_grant_counts() {
        let asked = "GET https://api.example.com/v1/users";
        for grant in [
            "*",
            "*:443",
            "api.example.com",
            "*.example.com:443",
            "https://api.example.com",
            "https://api.example.com/v1/*",
            "GET https://api.example.com/v1/users",
            "HEAD,GET api.example.com",
            "api.example.com/v1/*",
        ] {
            assert!(covers(grant, asked), "{grant}");
        }
        for grant in [
            "example.com",
            "api.example.com:80",
            "http://api.example.com",
            "https://api.example.com:8443",
            "https://api.example.com/v2/*",
            "POST api.example.com",
            "GET https://api.example.com/v1",
        ] {
            assert!(!covers(grant, asked), "{grant}");
        }
        assert!(!covers("GET api.example.com", "get https://api.example.com/"), "methods are told apart by case");
        assert!(
            !covers("https://api.example.com", "GET https://api.example.com:8443/"),
            "a scheme without a port is for its own"
        );
        assert!(covers("GET api.example.com/", "GET https://api.example.com:8443/"));
    }

    #[test]
    fn a_header_that_says_something_else_is_covered_by_nothing_narrow() {
        let asked = RequestTarget { is_overridden: true, ..request("POST https://api.example.com/v1/users") };
        let covers = |grant: &str| grant.parse::<NetGrant>().unwrap().covers(&asked);
        assert!(covers("https://api.example.com") && covers("*"));
        assert!(!covers("POST https://api.example.com") && !covers("https://api.example.com/v1/*"));
    }

    #[test]
    fn an_address_that_is_not_public_is_named_or_refused() {
        let at = |grants: &[&str], asked: &str, address: &str| {
            let grants: Vec<NetGrant> = grants.iter().map(|grant| grant.parse().unwrap()).collect();
            allows_at(&grants, &request(asked), address.parse().unwrap(), true)
        };
        let asked = "GET http://intranet.example/";
        assert!(!at(&["*"], asked, "10.0.0.1") && !at(&["intranet.example"], asked, "10.0.0.1"));
        assert!(at(&["intranet.example", "10.0.0.1"], asked, "10.0.0.1"));
        assert!(at(&["intranet.example", "http://10.0.0.1"], asked, "::ffff:10.0.0.1"));
        assert!(!at(&["10.0.0.1"], asked, "10.0.0.1"), "the name was not granted");
        for other in ["10.0.0.1:81", "https://10.0.0.1", "POST 10.0.0.1", "10.0.0.2", "localhost"] {
            assert!(!at(&["intranet.example", other], asked, "10.0.0.1"), "{other}");
        }
        assert!(at(&["localhost:8080"], "GET http://localhost:8080/", "::1"));
        assert!(!at(&["localhost:8080"], "GET http://localhost:8080/", "10.0.0.1"));
        assert!(!at(&["localhost:8080", "a.example"], "GET http://a.example/", "127.0.0.1"));
        assert!(!at(&["*"], "GET http://127.0.0.1/", "127.0.0.1") && at(&["127.0.0.1"], "GET http://127.0.0.1/", "127.0.0.1"));
        assert!(at(&["127.0.0.1:80"], "GET http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1"));
        assert!(!at(&["*", "10.0.0.1"], "GET http://10.0.0.2/", "10.0.0.2"));
    }

    #[test]
    fn a_request_is_shown_without_its_query_and_granted_by_its_origin() {
        let asked = request("GET https://api.example.com/v1/users");
        assert_eq!(asked.to_string(), "GET https://api.example.com:443/v1/users");
        assert_eq!((asked.origin().as_str(), asked.authority().as_str()), ("https://api.example.com", "api.example.com"));
        let asked = request("PUT http://[::1]:8080/");
        assert_eq!((asked.to_string().as_str(), asked.origin().as_str()), ("PUT http://[::1]:8080/", "http://[::1]:8080"));
        for origin in [asked.origin(), asked.host_and_port()] {
            assert!(origin.parse::<NetGrant>().unwrap().covers(&asked), "{origin}");
        }
        assert_eq!(asked.origin_at("10.0.0.1".parse().unwrap()), "http://10.0.0.1:8080");
    }

    proptest! {
        /// Whatever a grant names, a request that differs in it is not covered.
        #[test]
        fn nothing_is_covered_that_differs_in_what_is_named(
            https in any::<bool>(), port in proptest::option::of(1_u16..), host in "[a-c]{1,3}([.][a-c]{1,3}){0,2}",
            path in "(/[a-c]{1,3}){1,3}", method in "(GET|PUT|PURGE)",
            other_host in "[a-c]{1,3}([.][a-c]{1,3}){0,2}", other_path in "(/[a-c]{1,3}){1,3}", other_port in 1_u16..,
        ) {
            let scheme = if https { HttpScheme::Https } else { HttpScheme::Http };
            let port = port.unwrap_or(scheme.default_port());
            let asked = RequestTarget { scheme, host, port, method, path, is_overridden: false };
            let grant: NetGrant = format!("{} {}{}", asked.method, asked.origin(), asked.path).parse().unwrap();
            prop_assert!(grant.covers(&asked));
            let other_scheme = if https { HttpScheme::Http } else { HttpScheme::Https };
            let others = [
                RequestTarget { scheme: other_scheme, ..asked.clone() },
                RequestTarget { host: other_host, ..asked.clone() },
                RequestTarget { port: other_port, ..asked.clone() },
                RequestTarget { path: other_path, ..asked.clone() },
                RequestTarget { method: "DELETE".into(), ..asked.clone() },
                RequestTarget { is_overridden: true, ..asked.clone() },
            ];
            for other in others {
                prop_assert_eq!(grant.covers(&other), other == asked, "{:?}", other);
            }
        }
    }
}
