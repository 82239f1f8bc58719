//! Network grants as text: `[METHOD[,METHOD…] ][scheme://]host[:port][/path]`.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::net::{HttpScheme, NetGrant, bracketed};
use super::path::PathPattern;
use super::text::{GrantError, text_form};

/// Methods that are never sent: one asks a proxy for a tunnel, the other asks for the request itself, with all that was put into it.
pub(in crate::sandbox) const REFUSED_METHODS: [&str; 2] = ["CONNECT", "TRACE"];

impl FromStr for NetGrant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|problem| GrantError { text: text.to_owned(), problem })
    }
}

fn parse(text: &str) -> Result<NetGrant, &'static str> {
    let (methods, url) = text.split_once(' ').map_or(("", text), |(methods, url)| (methods, url.trim_start()));
    let methods = if text.contains(' ') { parse_methods(methods)? } else { Vec::new() };
    let (scheme, rest) = match url.split_once("://") {
        Some(("http", rest)) => (Some(HttpScheme::Http), rest),
        Some(("https", rest)) => (Some(HttpScheme::Https), rest),
        Some(_) => return Err("the scheme must be `http` or `https`; for any other protocol, name the host alone"),
        None => (None, url),
    };
    let (authority, path) = match rest.find('/').map(|at| rest.split_at(at)) {
        Some((authority, path)) => (authority, Some(path)),
        None => (rest, None),
    };
    let no_path = "the path must be a plain one, which may end in `*`: no `.`, `..`, `//`, `?`";
    let path = path.map(|path| PathPattern::parse(path).ok_or(no_path));
    let (host, port) = parse_authority(authority)?;
    // What the scheme says already is not said twice, so that the same grant has one form.
    let port = port.filter(|port| scheme.is_none_or(|scheme| scheme.default_port() != *port));
    Ok(NetGrant { host, port, scheme, methods, path: path.transpose()? })
}

fn parse_methods(text: &str) -> Result<Vec<String>, &'static str> {
    let mut methods: Vec<String> = Vec::new();
    for method in text.split(',') {
        let is_plain = method.chars().all(|c| c.is_ascii_uppercase() || matches!(c, '-' | '_'));
        if method.is_empty() || !is_plain {
            return Err("methods are words in capitals with commas between them, such as `GET,HEAD`");
        }
        if REFUSED_METHODS.contains(&method) {
            return Err("the methods CONNECT and TRACE are never sent");
        }
        if !methods.iter().any(|known| known == method) {
            methods.push(method.to_owned());
        }
    }
    Ok(methods)
}

fn parse_authority(text: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("`[` has no `]`")?;
        if host.parse::<Ipv6Addr>().is_err() || !(after.is_empty() || after.starts_with(':')) {
            return Err("an address of IPv6 stands in brackets, and nothing but a port comes after it");
        }
        (host, after.strip_prefix(':'))
    } else if text.parse::<Ipv6Addr>().is_ok() {
        (text, None)
    } else {
        text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let is_number = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.map(|port| Some(port).filter(is_number).and_then(|port| port.parse().ok()));
    if port == Some(None) {
        return Err("the port must be a number from 0 to 65535");
    }
    let name = host.strip_prefix("*.").unwrap_or(host);
    let is_address = host.parse::<Ipv6Addr>().is_ok();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    if host != "*" && !is_name && !is_address {
        return Err("the host must be a name, an address or `*`");
    }
    Ok((host.to_ascii_lowercase(), port.flatten()))
}

impl fmt::Display for NetGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.methods.is_empty() {
            write!(f, "{} ", self.methods.join(","))?;
        }
        if let Some(scheme) = self.scheme {
            write!(f, "{}://", scheme.as_str())?;
        }
        match self.port {
            Some(port) => write!(f, "{}:{port}", bracketed(&self.host))?,
            // An address alone has been written without brackets, as long as nothing comes after it.
            None if self.is_for_sockets() => f.write_str(&self.host)?,
            None => f.write_str(&bracketed(&self.host))?,
        }
        self.path.as_ref().map_or(Ok(()), |path| path.fmt(f))
    }
}

text_form!(NetGrant);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn grants_are_shown_as_they_are_written() {
        for good in [
            "example.com",
            "*.example.com:443",
            "127.0.0.1:80",
            "[::1]:80",
            "::1",
            "*",
            "*:443",
            "https://example.com",
            "http://example.com:8080/v1/*",
            "GET,HEAD https://[::1]:8443/a",
            "PURGE example.com",
            "example.com/x",
            "https://*/robots.txt",
            "http://[::1]",
        ] {
            assert_eq!(good.parse::<NetGrant>().unwrap().to_string(), good);
        }
        let same = |written: &str, shown: &str| assert_eq!(written.parse::<NetGrant>().unwrap().to_string(), shown);
        same("https://Example.com:443", "https://example.com");
        same("GET,GET  http://example.com:80/%61", "GET http://example.com/a");
        same("http://example.com:443", "http://example.com:443");
        same("[::1]", "::1");
    }

    #[test]
    fn what_is_no_grant() {
        for bad in [
            "",
            "a:b",
            "a:+80",
            "a b",
            "[::1",
            "[::1]80",
            "[a]",
            "*.",
            "a*",
            "ftp://example.com",
            "HTTPS://example.com",
            "https://",
            "https:///x",
            "https://user@example.com",
            "get example.com",
            "GET, example.com",
            "CONNECT example.com",
            "GET,TRACE example.com",
            " example.com",
            "GET",
            "GET ",
            "example.com/../x",
            "example.com/a*b",
            "example.com/x?y",
            "example.com\\x",
            "exämple.com",
        ] {
            let parsed = bad.parse::<NetGrant>();
            assert!(parsed.is_err() || bad == "GET", "{bad}: {parsed:?}");
        }
        assert_eq!("GET".parse::<NetGrant>().unwrap().host, "get", "a word alone is a host");
    }

    proptest! {
        #[test]
        fn a_grant_is_read_as_it_is_shown(
            methods in proptest::collection::vec("[A-Z]{3,6}", 0..3),
            scheme in proptest::option::of(prop_oneof![Just(HttpScheme::Http), Just(HttpScheme::Https)]),
            host in "([*][.])?[a-z0-9-]{1,8}([.][a-z0-9]{1,8}){0,2}|[*]|::1|fd00::[1-9]|10[.]0[.]0[.][1-9]",
            port in proptest::option::of(any::<u16>()),
            path in proptest::option::of("(/[a-zA-Z0-9_~-]{1,6}){1,3}[*]?"),
        ) {
            let methods = methods.into_iter().fold(Vec::new(), |mut all: Vec<String>, method| {
                if !all.contains(&method) && !REFUSED_METHODS.contains(&method.as_str()) {
                    all.push(method);
                }
                all
            });
            let port = port.filter(|port| scheme.is_none_or(|scheme| scheme.default_port() != *port));
            let path = path.map(|path| PathPattern::parse(&path).unwrap());
            let grant = NetGrant { host, port, scheme, methods, path };
            prop_assert_eq!(grant.to_string().parse::<NetGrant>(), Ok(grant));
        }

        #[test]
        fn no_text_is_a_panic(text in "\\PC{0,40}") {
            let _ = text.parse::<NetGrant>();
        }
    }
}
