//! Putting values in the place of placeholders, in a request that is about to be sent.

use std::net::IpAddr;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue};
use secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::redaction::replaced;
use super::{Asked, Redaction, Secrets};
use crate::mutex::lock;
use crate::sandbox::audit::AccessKind;
use crate::sandbox::grants::{HttpScheme, RequestTarget};

/// A request, as far as values may stand in it.
pub(in crate::sandbox) struct Outgoing {
    pub(in crate::sandbox) target: RequestTarget,
    pub(in crate::sandbox) headers: HeaderMap,
    pub(in crate::sandbox) path_and_query: PathAndQuery,
}

/// The request must not be sent. Why is noted.
#[derive(Debug)]
pub(in crate::sandbox) struct Refused;

impl Secrets {
    /// Puts values in the place of the placeholders in `outgoing`, which goes to one of `addresses`. Answers what must not be read from its
    /// response.
    ///
    /// A placeholder on its way to where its value may not go is a mistake or an attack, so that request is not sent at all.
    pub(in crate::sandbox) fn put_into(&self, outgoing: &mut Outgoing, addresses: &[IpAddr]) -> Result<Redaction, Refused> {
        let mut redaction = Redaction::default();
        for asked in lock(&self.asked).iter() {
            let Some(placeholder) = asked.placeholder.as_deref().filter(|placeholder| outgoing.holds(placeholder)) else {
                continue;
            };
            self.check(asked, placeholder, outgoing, addresses)?;
            let value = asked.value.expose_secret();
            outgoing.put(placeholder, value, &mut redaction).map_err(|why| self.refuse(asked, outgoing, why))?;
            redaction.add(value);
            self.audit.used_with(AccessKind::Secret, &route(asked, outgoing), format!("version {}", asked.version));
        }
        Ok(redaction)
    }

    /// Whether the value may go to where the request goes, and stand where its placeholder stands.
    fn check(&self, asked: &Asked, placeholder: &str, outgoing: &Outgoing, addresses: &[IpAddr]) -> Result<(), Refused> {
        let Outgoing { target, headers, path_and_query } = outgoing;
        let covering: Vec<_> = asked.grants.iter().filter(|grant| grant.covers_host(target)).collect();
        if covering.is_empty() {
            let (to, route) = (target.host_and_port(), route(asked, outgoing));
            let flag = format!("--allow-secret={}@{to}", asked.name);
            self.audit.denied(AccessKind::Secret, &route, &format!("the secret {} in a request to {to}", asked.name), &flag);
            return Err(Refused);
        }
        // Without encryption only within this machine, and only where somebody said so.
        let is_at_home = !addresses.is_empty() && addresses.iter().all(|address| address.to_canonical().is_loopback());
        if target.scheme == HttpScheme::Http && !(is_at_home && covering.iter().any(|grant| grant.names_host())) {
            let why = "without encryption, which it may only to a server on this machine that its grant names";
            return Err(self.refuse(asked, outgoing, why));
        }
        let is_named = headers.keys().any(|name| name.as_str().contains(placeholder));
        if path_and_query.path().contains(placeholder) || target.host.contains(placeholder) || is_named {
            return Err(self.refuse(asked, outgoing, "outside of headers and the query, where it is never put"));
        }
        Ok(())
    }

    fn refuse(&self, asked: &Asked, outgoing: &Outgoing, why: &str) -> Refused {
        let text = format!("the secret {} was about to be sent to {} {why}", asked.name, outgoing.target.host_and_port());
        self.audit.refused(AccessKind::Secret, &route(asked, outgoing), text);
        Refused
    }
}

/// What the record of uses says.
fn route(asked: &Asked, outgoing: &Outgoing) -> String {
    format!("{} → {}", asked.name, outgoing.target.host_and_port())
}

impl Outgoing {
    fn holds(&self, placeholder: &str) -> bool {
        let in_url = self.path_and_query.as_str().contains(placeholder) || self.target.host.contains(placeholder);
        let in_header = |bytes: &[u8]| bytes.windows(placeholder.len()).any(|window| window == placeholder.as_bytes());
        in_url
            || self.headers.keys().any(|name| name.as_str().contains(placeholder))
            || self.headers.values().any(|value| in_header(value.as_bytes()))
            || self.headers.get_all(AUTHORIZATION).iter().filter_map(basic).any(|text| in_header(&text))
    }

    fn put(&mut self, placeholder: &str, value: &str, redaction: &mut Redaction) -> Result<(), &'static str> {
        let unfit = "in a header, where its value cannot stand: it has line breaks or other control characters";
        for (name, held) in &mut self.headers {
            if let Some(clear) = basic(held).filter(|_| *name == AUTHORIZATION)
                && let Some(clear) = replaced(&clear, placeholder.as_bytes(), value.as_bytes())
            {
                let coded = Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(&*clear));
                *held = sensitive(format!("Basic {}", *coded).as_bytes()).ok_or(unfit)?;
                redaction.add(&coded);
            }
            if let Some(bytes) = replaced(held.as_bytes(), placeholder.as_bytes(), value.as_bytes()) {
                *held = sensitive(&bytes).ok_or(unfit)?;
            }
        }
        if let Some(query) = self.path_and_query.query().filter(|query| query.contains(placeholder)) {
            let escaped = Zeroizing::new(percent_encoded(value));
            let query = Zeroizing::new(query.replace(placeholder, &escaped));
            let text = Zeroizing::new(format!("{}?{}", self.path_and_query.path(), *query));
            self.path_and_query = text.parse().map_err(|_| "in a query that would be too long")?;
            redaction.add(&escaped);
        }
        Ok(())
    }
}

fn sensitive(bytes: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(bytes).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The user name and password of `Basic` authentication (RFC 7617).
fn basic(value: &HeaderValue) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, coded) = value.to_str().ok()?.trim().split_once(' ')?;
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoder = GeneralPurpose::new(&STANDARD, config);
    scheme.eq_ignore_ascii_case("basic").then(|| decoder.decode(coded.trim()).ok().map(Zeroizing::new)).flatten()
}

/// All but what may stand anywhere in a URL (RFC 3986, section 2.3).
fn percent_encoded(value: &str) -> String {
    let mut out = String::with_capacity(value.len() * 3);
    for byte in value.bytes() {
        match byte {
            b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.extend(['%', hex(byte >> 4), hex(byte & 15)]),
        }
    }
    out
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or('0').to_ascii_uppercase()
}
