//! What two patterns are both for. The policies ask a grant and a need one after the other; people are shown what passes both.

use std::net::IpAddr;

use super::net::NetGrant;
use super::{ModelGrant, PathPattern};
use crate::sandbox::addresses::is_special;

/// What grants and needs are both for, each once.
pub(super) fn meets<T: PartialEq>(grants: &[T], needs: &[T], meet: impl Fn(&T, &T) -> Option<T>) -> Vec<T> {
    let mut met = Vec::new();
    for one in grants.iter().flat_map(|grant| needs.iter().filter_map(|need| meet(grant, need))) {
        if !met.contains(&one) {
            met.push(one);
        }
    }
    met
}

impl NetGrant {
    /// The hosts and requests that both are for; none where there are none.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let methods = match (self.methods.is_empty(), other.methods.is_empty()) {
            (true, _) => other.methods.clone(),
            (_, true) => self.methods.clone(),
            _ => self.methods.iter().filter(|method| other.methods.contains(method)).cloned().collect(),
        };
        if methods.is_empty() && !(self.methods.is_empty() && other.methods.is_empty()) {
            return None;
        }
        let scheme = same(self.scheme, other.scheme)?;
        // A grant with a scheme and no port is for the port of the scheme.
        let port = |grant: &Self| grant.port.or(grant.scheme.map(super::HttpScheme::default_port));
        let port = match (self.port, other.port) {
            (None, None) => None,
            _ => same(port(self), port(other))?,
        };
        let path = match (&self.path, &other.path) {
            (Some(one), Some(another)) => Some(one.meet(another)?),
            (one, another) => one.as_ref().or(another.as_ref()).cloned(),
        };
        Some(Self { host: hosts(self, other)?.to_owned(), port, scheme, methods, path })
    }
}

fn hosts<'a>(one: &'a NetGrant, other: &'a NetGrant) -> Option<&'a str> {
    let covers = |wide: &NetGrant, narrow: &NetGrant| match narrow.host.parse::<IpAddr>() {
        Ok(address) => wide.names_address(address) || (wide.is_any() && !is_special(address)),
        Err(_) => {
            wide.host == narrow.host || wide.covers_name(narrow.host.trim_start_matches("*.")) && covers_below(wide, narrow)
        }
    };
    if covers(one, other) { Some(&other.host) } else { covers(other, one).then_some(&one.host) }
}

/// Whether all names that a pattern is for are those of a wider one: `*.a.example.com` is within `*.example.com`, and not the other way round.
fn covers_below(wide: &NetGrant, narrow: &NetGrant) -> bool {
    !narrow.host.starts_with("*.") || wide.is_any() || wide.host.starts_with("*.")
}

fn same<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<Option<T>> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => None,
        (one, other) => Some(one.or(other)),
    }
}

impl PathPattern {
    /// The paths that both are for.
    fn meet(&self, other: &Self) -> Option<Self> {
        if self.contains(other) { Some(other.clone()) } else { other.contains(self).then(|| self.clone()) }
    }
}

impl ModelGrant {
    /// The models that both are for. An alias is the narrower of an alias and a provider's models: what it stands for has to be among these.
    pub(super) fn meet(&self, other: &Self) -> Option<Self> {
        let (one, another) = (self.to_string(), other.to_string());
        match (one.contains('/'), another.contains('/')) {
            _ if one == Self::ALL => Some(other.clone()),
            _ if another == Self::ALL => Some(self.clone()),
            (false, false) => (one == another).then(|| self.clone()),
            (false, true) => Some(self.clone()),
            (true, false) => Some(other.clone()),
            (true, true) => {
                let within = |narrow: &str, wide: &str| {
                    narrow == wide || wide.strip_suffix('*').is_some_and(|start| narrow.starts_with(start))
                };
                if within(&another, &one) { Some(other.clone()) } else { within(&one, &another).then(|| self.clone()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(one: &str, other: &str) -> Option<String> {
        let parse = |text: &str| text.parse::<NetGrant>().unwrap();
        let (met, turned) = (parse(one).meet(&parse(other)), parse(other).meet(&parse(one)));
        assert_eq!(met, turned, "{one} and {other}");
        met.map(|grant| grant.to_string())
    }

    #[test]
    fn hosts_are_narrowed() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(net("*", "api.example.com:443"), some("api.example.com:443"));
        assert_eq!(net("*.example.com", "api.example.com:443"), some("api.example.com:443"));
        assert_eq!(net("api.example.com", "api.example.com:443"), some("api.example.com:443"));
        assert_eq!(net("*.example.com", "*.a.example.com:1"), some("*.a.example.com:1"));
        assert_eq!(net("a.example.com:1", "a.example.com:2"), None);
        assert_eq!(net("*.example.com", "example.com"), None);
        assert_eq!(net("a.example.com", "*.a.example.com"), None);
        assert_eq!((net("*", "localhost"), net("*", "127.0.0.1:80")), (None, None), "those are granted by name");
        assert_eq!(net("*", "1.1.1.1:443"), some("1.1.1.1:443"));
        assert_eq!(net("127.0.0.1", "127.0.0.1:80"), some("127.0.0.1:80"));
    }

    #[test]
    fn requests_are_narrowed() {
        let met = |one, other| net(one, other).map(|text| text.parse::<NetGrant>().unwrap());
        let grant = |text: &str| Some(text.parse::<NetGrant>().unwrap());
        assert_eq!(met("a.example", "GET https://a.example/v1/*"), grant("GET https://a.example/v1/*"));
        assert_eq!(met("GET,HEAD a.example/v1/*", "GET,POST https://a.example/v1/x"), grant("GET https://a.example/v1/x"));
        assert_eq!(met("GET a.example", "POST a.example"), None);
        assert_eq!(met("http://a.example", "https://a.example"), None);
        assert_eq!(met("https://a.example", "a.example:80"), None);
        assert_eq!(met("a.example/v1/*", "a.example/v2"), None);
    }

    #[test]
    fn models_are_narrowed() {
        let met = |one: &str, other: &str| {
            let parse = |text: &str| text.parse::<ModelGrant>().unwrap();
            let (met, turned) = (parse(one).meet(&parse(other)), parse(other).meet(&parse(one)));
            assert_eq!(met, turned, "{one} and {other}");
            met.map(|grant| grant.to_string())
        };
        for (one, other, both) in [
            ("*", "fast", Some("fast")),
            ("openai/*", "openai/a", Some("openai/a")),
            ("openrouter/*", "openrouter/x/*", Some("openrouter/x/*")),
            ("fast", "openai/*", Some("fast")),
            ("fast", "smart", None),
            ("openai/*", "groq/a", None),
        ] {
            assert_eq!(met(one, other).as_deref(), both, "{one} and {other}");
        }
    }
}
