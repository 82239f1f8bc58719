//! What a guest asks for, read once, before anybody is asked whether it may: what is ambiguous is no request.

use std::net::{IpAddr, Ipv6Addr};

use http::header::{CONTENT_LENGTH, HOST, HeaderName};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};
use wasmtime_wasi_http::{Error, Result};

use crate::sandbox::grants::{HttpScheme, REFUSED_METHODS, RequestTarget};
use crate::sandbox::secrets::Outgoing;

/// Headers by which some servers take another method or another path than those of the request.
const OVERRIDES: [&str; 5] = ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];
/// The longest path and query, in bytes.
const LONGEST: usize = 16 * 1024;

/// The request in `parts`.
pub(super) fn read(parts: Parts) -> Result<Outgoing> {
    let Parts { method, uri, mut headers, .. } = parts;
    if REFUSED_METHODS.iter().any(|refused| method.as_str().eq_ignore_ascii_case(refused)) {
        return Err(Error::HttpRequestMethodInvalid);
    }
    let scheme = match uri.scheme_str() {
        Some("http") => HttpScheme::Http,
        Some("https") => HttpScheme::Https,
        _ => return Err(Error::HttpProtocolError),
    };
    let (host, port) = host_and_port(&uri).ok_or(Error::HttpRequestUriInvalid)?;
    let path_and_query = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let path_and_query = rooted(path_and_query).ok_or(Error::HttpRequestUriInvalid)?;
    if path_and_query.as_str().len() > LONGEST {
        return Err(Error::HttpRequestUriTooLong);
    }
    // How the body is framed is said once. The library checks the one value.
    if headers.get_all(CONTENT_LENGTH).iter().count() > 1 {
        return Err(Error::HttpRequestBodySize(None));
    }
    let is_overridden = OVERRIDES.iter().any(|name| headers.contains_key(*name));
    let path = path_and_query.path().to_owned();
    let target = RequestTarget {
        scheme,
        host,
        port: port.unwrap_or(scheme.default_port()),
        method: method.to_string(),
        path,
        is_overridden,
    };
    let authority = HeaderValue::from_str(&target.authority()).map_err(|_| Error::HttpRequestUriInvalid)?;
    headers.insert::<HeaderName>(HOST, authority);
    Ok(Outgoing { target, headers, path_and_query })
}

/// The host in its one form, and the port where one is named. Nobody's name and password stand before it.
fn host_and_port(uri: &Uri) -> Option<(String, Option<u16>)> {
    let authority = uri.authority()?;
    let (host, port) = (authority.host(), authority.port_u16());
    // What is more than these two is a user name, or a port that is no number.
    let plain = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    if authority.as_str() != plain {
        return None;
    }
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?;
        return Some((address.to_string(), port));
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    // Two dots in a row are no name, and libraries differ in what they make of them.
    let is_name = is_plain && name.len() <= 253 && name.split('.').all(|label| !label.is_empty());
    is_name.then(|| (name.parse::<IpAddr>().map_or(name, |address| address.to_string()), port))
}

/// A path that begins with `/`, in ASCII.
fn rooted(path_and_query: PathAndQuery) -> Option<PathAndQuery> {
    let text = path_and_query.as_str();
    match text.is_ascii() {
        true if text.starts_with('/') => Some(path_and_query),
        true if text.is_empty() || text.starts_with('?') => format!("/{text}").parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(method: &str, url: &str, headers: &[(&str, &str)]) -> Result<Outgoing> {
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.body(()).unwrap().into_parts().0)
    }

    fn shown(url: &str) -> String {
        parsed("GET", url, &[]).map_or_else(|error| format!("{error:?}"), |outgoing| outgoing.target.to_string())
    }

    #[test]
    fn one_form_for_each_server() {
        assert_eq!(shown("https://API.Example.com./a?b"), "GET https://api.example.com:443/a");
        assert_eq!(shown("http://a.example"), "GET http://a.example:80/");
        assert_eq!(shown("http://[0:0:0:0:0:FFFF:7f00:1]:8080/"), "GET http://[::ffff:127.0.0.1]:8080/");
        assert_eq!(shown("http://127.0.0.1/"), "GET http://127.0.0.1:80/");
        // These are names to us: nobody but the resolver reads them as an address, and that is checked then.
        assert_eq!(shown("http://0x7f.1/"), "GET http://0x7f.1:80/");
        assert_eq!(shown("http://2130706433/"), "GET http://2130706433:80/");
        let outgoing = parsed("GET", "https://API.Example.com.:443/a?b=c", &[]).unwrap();
        assert_eq!((outgoing.headers["host"].to_str().unwrap(), outgoing.path_and_query.as_str()), ("api.example.com", "/a?b=c"));
        let outgoing = parsed("GET", "http://[::1]:8080/", &[("host", "other.example")]).unwrap();
        assert_eq!(outgoing.headers.get_all("host").iter().collect::<Vec<_>>(), ["[::1]:8080"]);
    }

    #[test]
    fn what_is_ambiguous_is_no_request() {
        for url in [
            "http://user@a.example/",
            "http://user:password@a.example/",
            "http://a.example@evil.example/",
            "http://a..example/",
            "http://.a.example/",
            "http://a.example../",
            "http://[fe80::1%25eth0]/",
            "http://a%2eexample/",
            "http://[1.2.3.4]/",
            "http://a.example:/",
            "http://a.example:80000/",
            "ftp://a.example/",
        ] {
            let Ok(request) = http::Request::builder().uri(url).body(()) else { continue };
            assert!(read(request.into_parts().0).is_err(), "{url}");
        }
        for method in ["CONNECT", "TRACE", "connect", "Trace"] {
            assert!(matches!(parsed(method, "http://a.example/", &[]), Err(Error::HttpRequestMethodInvalid)), "{method}");
        }
        let long = format!("http://a.example/{}", "a".repeat(LONGEST));
        assert!(matches!(parsed("GET", &long, &[]), Err(Error::HttpRequestUriTooLong)));
        let twice = [("content-length", "5"), ("content-length", "6")];
        assert!(parsed("POST", "http://a.example/", &twice).is_err());
    }

    #[test]
    fn headers_that_say_something_else_are_seen() {
        for name in OVERRIDES {
            assert!(parsed("POST", "http://a.example/", &[(name, "x")]).unwrap().target.is_overridden, "{name}");
        }
        assert!(!parsed("POST", "http://a.example/", &[("x-other", "x")]).unwrap().target.is_overridden);
    }
}
