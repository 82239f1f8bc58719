//! A request as its bytes go out, ready to be recorded before it is sent.

use std::fmt;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::codec::Api;

use super::known::AuthScheme;
use super::redaction::Redaction;
use super::secret::Secret;
use super::timeouts::Timeouts;
use super::translation::Translation;
use super::wire::Delivery;

/// One request to a provider, complete but for the header with the key, which is added when it is sent.
///
/// What [`url`](Self::url), [`headers`](Self::headers) and [`body`](Self::body) give is what the provider gets, byte for byte, beside that
/// header and `host`, `content-length` and `connection`, which belong to the connection.
#[derive(Clone)]
pub struct PreparedRequest {
    pub(super) host: String,
    pub(super) url: reqwest::Url,
    pub(super) api: Api,
    pub(super) translation: Option<Translation>,
    pub(super) delivery: Delivery,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Bytes>,
    pub(super) scheme: AuthScheme,
    pub(super) key: Option<Secret>,
    pub(super) timeouts: Option<Timeouts>,
}

impl PreparedRequest {
    /// Where it goes. Never holds a credential.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Its headers, sorted by name, names in lower case, without the one with the key.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Its body.
    pub fn body(&self) -> &[u8] {
        self.body.as_deref().unwrap_or_default()
    }

    /// The SHA-256 of the body, in hexadecimal digits.
    pub fn body_sha256(&self) -> String {
        Sha256::digest(self.body()).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What it speaks; what it was translated from, if it was.
    pub fn api(&self) -> Api {
        self.api
    }

    /// What it was translated into.
    pub fn translation(&self) -> Option<Translation> {
        self.translation
    }

    /// Whether it asks for a stream.
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// Host and port of the address, as errors name it.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn redaction(&self) -> Redaction {
        Redaction::of(self.key.as_ref())
    }
}

impl fmt::Debug for PreparedRequest {
    /// Leaves the body out: prompts do not belong into logs.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PreparedRequest")
            .field("url", &self.url.as_str())
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("body_bytes", &self.body().len())
            .finish_non_exhaustive()
    }
}
