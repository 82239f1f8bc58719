//! Who is at the other end of a connection, and whose request it hands on.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use super::Settings;
use crate::access::Source;

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// Whether what is said is encrypted.
    pub is_encrypted: bool,
}

impl Peer {
    /// Where a request comes from. Headers are believed where the peer is trusted to hand requests on, and then from the end: what stands before
    /// the last address that is no such proxy's, anybody may have written.
    pub(super) fn source(&self, headers: &HeaderMap, settings: &Settings) -> Source {
        let mut at = self.address.ip();
        let said: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok()).collect();
        for part in said.iter().rev().flat_map(|value| value.rsplit(',')) {
            let Some(before) = address(part).filter(|_| (settings.is_trusted_proxy)(at)) else { break };
            at = before;
        }
        Source::at(at)
    }

    /// Whether a cookie may say that it is for encrypted connections alone.
    pub(super) fn is_secure(&self, headers: &HeaderMap, settings: &Settings) -> bool {
        let said = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
        self.is_encrypted || ((settings.is_trusted_proxy)(self.address.ip()) && said == Some("https"))
    }
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn only_those_who_are_trusted_say_whose_request_they_hand_on() {
        let mut settings = Settings::new(std::env::temp_dir());
        let from = |peer: &str, said: &[&str], settings: &Settings| {
            let mut headers = HeaderMap::new();
            for value in said {
                headers.append("x-forwarded-for", value.parse().unwrap());
            }
            let peer = Peer { address: peer.parse().unwrap(), is_encrypted: false };
            peer.source(&headers, settings).to_string()
        };
        assert_eq!(from("10.0.0.1:9", &["192.0.2.7"], &settings), "10.0.0.1", "nobody is trusted");
        settings.is_trusted_proxy = Arc::new(|ip| ip.to_string().starts_with("10."));
        for (peer, said, expected) in [
            ("10.0.0.1:9", &["192.0.2.7"] as &[&str], "192.0.2.7"),
            ("10.0.0.1:9", &["1.2.3.4, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            ("10.0.0.1:9", &["1.2.3.4", "192.0.2.7"], "192.0.2.7"),
            ("10.0.0.1:9", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("10.0.0.1:9", &["nobody"], "10.0.0.1"),
            ("10.0.0.1:9", &[], "10.0.0.1"),
            ("192.0.2.9:9", &["192.0.2.7"], "192.0.2.9"),
        ] {
            assert_eq!(from(peer, said, &settings), expected, "{peer} {said:?}");
        }
    }
}
