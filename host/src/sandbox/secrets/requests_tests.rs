//! Where values go, and where they do not.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;

use super::requests::Outgoing;
use super::tests::asked;
use crate::sandbox::grants::{HttpScheme, RequestTarget};

const PUBLIC: &str = "93.184.216.34";
const HERE: &str = "127.0.0.1";

fn outgoing(url: &str, headers: &[(&'static str, String)]) -> Outgoing {
    let uri: http::Uri = url.parse().unwrap();
    let scheme = if uri.scheme_str() == Some("https") { HttpScheme::Https } else { HttpScheme::Http };
    let target = RequestTarget {
        scheme,
        host: uri.host().unwrap().to_owned(),
        port: uri.port_u16().unwrap_or(scheme.default_port()),
        method: "GET".into(),
        path: uri.path().to_owned(),
        is_overridden: false,
    };
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    Outgoing { target, headers: map, path_and_query: uri.path_and_query().unwrap().clone() }
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_value_is_put_into_headers_basic_credentials_and_the_query() {
    let (secrets, given) = asked(&["gh"], &["gh"]);
    let placeholder = &given[0];
    let basic = format!("Basic {}", STANDARD.encode(format!("user:{placeholder}")));
    let headers = [("x-token", format!("token {placeholder}!")), ("authorization", basic), ("accept", "*/*".into())];
    let mut request = outgoing(&format!("https://api.example.com/a?key={placeholder}&x=1"), &headers);
    let redaction = secrets.put_into(&mut request, &addresses(&[PUBLIC])).unwrap();
    assert_eq!(request.headers["x-token"], "token value-of-gh.KEY!");
    assert!(request.headers["x-token"].is_sensitive() && !request.headers["accept"].is_sensitive());
    let coded = STANDARD.encode("user:value-of-gh.KEY");
    assert_eq!(request.headers["authorization"], format!("Basic {coded}").as_str());
    assert_eq!(request.path_and_query, "/a?key=value-of-gh.KEY&x=1");
    let said = redaction.text(format!("{coded} value-of-gh.KEY"));
    assert_eq!(said, "[redacted] [redacted]");
    let noted = secrets.audit.accesses();
    let noted: Vec<_> = noted.iter().map(|access| (access.target.as_str(), access.detail.as_deref(), access.allowed)).collect();
    assert_eq!(noted, [("gh.KEY → api.example.com:443", Some("version 3"), true)]);
}

#[test]
fn a_value_in_a_query_is_escaped() {
    let (secrets, _) = asked(&["gh"], &[]);
    let opened = super::OpenedSecret { key: "KEY".into(), version: 1, value: "a&b=c d/é".to_owned().into() };
    let placeholder = secrets.give("gh", opened).unwrap();
    let mut request = outgoing(&format!("https://api.example.com/?k={placeholder}"), &[]);
    secrets.put_into(&mut request, &addresses(&[PUBLIC])).unwrap();
    assert_eq!(request.path_and_query, "/?k=a%26b%3Dc%20d%2F%C3%A9");
}

#[test]
fn a_request_without_placeholders_stays_as_it_is() {
    let (secrets, _) = asked(&["gh", "c=reveal"], &["gh", "c"]);
    let headers = [("authorization", "Bearer value-of-c.KEY".to_owned()), ("x", "kitaru_secret_0".into())];
    let mut request = outgoing("http://elsewhere.example/?a=b", &headers);
    assert!(secrets.put_into(&mut request, &addresses(&[PUBLIC])).unwrap().is_empty());
    assert_eq!(request.headers["authorization"], "Bearer value-of-c.KEY", "what was revealed is the guest's to send");
}

/// What happens to a placeholder of a secret that is granted as `grant` in a request to `url`.
fn sent(grant: &str, url: &str, at: &[&str]) -> Result<(), Vec<String>> {
    let (secrets, given) = asked(&[grant], &["gh"]);
    let headers = [("authorization", format!("Bearer {}", given[0]))];
    let mut request = outgoing(url, &headers);
    match secrets.put_into(&mut request, &addresses(at)) {
        Ok(_) => Ok(()),
        Err(_) => {
            assert!(!format!("{:?}", request.headers).contains("value-of"), "nothing is put into what is not sent");
            let noted = secrets.audit.accesses();
            assert!(noted.iter().all(|access| !access.allowed && !access.target.contains(&given[0])), "{noted:?}");
            Err(secrets.audit.denials())
        }
    }
}

#[test]
fn a_value_goes_to_the_hosts_that_its_grant_names() {
    for grant in ["gh", "gh.KEY", "gh@api.example.com", "gh@api.example.com:443", "gh@*.example.com"] {
        assert_eq!(sent(grant, "https://api.example.com/", &[PUBLIC]), Ok(()), "{grant}");
    }
    for grant in ["gh@example.com", "gh@api.example.com:8443", "gh@api.example.com.evil.example", "gh@10.0.0.1"] {
        let denials = sent(grant, "https://api.example.com/", &[PUBLIC]).unwrap_err();
        let said =
            "the secret gh.KEY in a request to api.example.com:443 (grant it with --allow-secret=gh.KEY@api.example.com:443)";
        assert_eq!(denials, [said], "{grant}");
    }
}

#[test]
fn a_value_goes_unencrypted_to_a_named_server_of_this_machine_only() {
    assert_eq!(sent("gh@localhost:8080", "http://localhost:8080/", &[HERE, "::1"]), Ok(()));
    assert_eq!(sent("gh@127.0.0.1", "http://127.0.0.1:8080/", &[HERE]), Ok(()));
    let refused: [(&str, &str, &[&str]); 4] = [
        ("gh", "http://localhost:8080/", &[HERE]),
        ("gh@api.example.com", "http://api.example.com/", &[PUBLIC]),
        ("gh@api.example.com", "http://api.example.com/", &[HERE, PUBLIC]),
        ("gh@api.example.com", "http://api.example.com/", &[]),
    ];
    for (grant, url, at) in refused {
        let denials = sent(grant, url, at).unwrap_err();
        assert!(denials[0].contains("gh.KEY") && denials[0].contains("without encryption"), "{grant} {url}: {denials:?}");
    }
}

#[test]
fn a_placeholder_in_another_place_stops_the_request() {
    let (secrets, given) = asked(&["gh"], &["gh"]);
    let placeholder = given[0].clone();
    let leaked: &'static str = Box::leak(placeholder.clone().into_boxed_str());
    let urls = [format!("https://a.example/{placeholder}"), format!("https://{placeholder}.a.example/")];
    let requests = urls.iter().map(|url| outgoing(url, &[])).chain([outgoing("https://a.example/", &[(leaked, "1".into())])]);
    for mut request in requests {
        assert!(secrets.put_into(&mut request, &addresses(&[PUBLIC])).is_err(), "{:?}", request.target);
    }
    assert!(secrets.audit.denials()[0].contains("outside of headers and the query"), "{:?}", secrets.audit.denials());
}

#[test]
fn a_value_that_cannot_stand_in_a_header_is_not_sent() {
    let (secrets, _) = asked(&["gh"], &[]);
    let opened = super::OpenedSecret { key: "KEY".into(), version: 1, value: "two\r\nX-Injected: lines".to_owned().into() };
    let placeholder = secrets.give("gh", opened).unwrap();
    let mut request = outgoing("https://a.example/", &[("x", placeholder)]);
    assert!(secrets.put_into(&mut request, &addresses(&[PUBLIC])).is_err());
    let denials = secrets.audit.denials();
    assert!(denials[0].contains("line breaks") && !denials[0].contains("Injected"), "{denials:?}");
}
