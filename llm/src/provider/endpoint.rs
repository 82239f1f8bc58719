//! A place that answers model calls: a base URL, a protocol, a key. Turns requests into the bytes that are sent.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::chat::{RawRequest, is_credential_header};
use crate::codec::Api;

use super::known::{AuthScheme, known_provider};
use super::prepared::PreparedRequest;
use super::redaction::Redaction;
use super::secret::Secret;
use super::timeouts::Timeouts;
#[cfg(feature = "genai")]
use super::translation::Translation;
use super::wire::Delivery;

/// What providers see as the program that asks.
const USER_AGENT: &str = concat!("kitaru-llm/", env!("CARGO_PKG_VERSION"));
/// Headers that belong to the connection or to the way in which the answer is read.
const RESERVED: [&str; 14] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "expect",
    "accept",
    "accept-encoding",
    "user-agent",
];

/// A place that answers model calls.
#[derive(Clone, Debug)]
pub struct Endpoint {
    base: Url,
    api: Api,
    scheme: AuthScheme,
    key: Option<Secret>,
    headers: BTreeMap<String, String>,
    timeouts: Option<Timeouts>,
    plain_http: bool,
}

/// An endpoint or a request to it cannot be used as configured. No text here holds a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Nobody knows the prefix, or everyone has an own address there.
    #[error("the provider `{provider}` has no address of its own: name a base URL")]
    NoBaseUrl {
        /// The prefix.
        provider: String,
    },
    /// The base URL cannot be used.
    #[error("the base URL cannot be used: {reason}")]
    BaseUrl {
        /// Why.
        reason: &'static str,
    },
    /// A key would go over the network for everyone to read.
    #[error("the base URL is not encrypted and {host} is not this machine: use https, or allow it for this endpoint")]
    PlainHttp {
        /// Host of the base URL.
        host: String,
    },
    /// The key has characters that no header can have.
    #[error("the key has characters that no key has")]
    Key,
    /// A header cannot be sent.
    #[error("the header `{name}` cannot be sent: {reason}")]
    Header {
        /// Its name.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// The body cannot be sent.
    #[error("the body of a request is a JSON object")]
    Body,
}

impl Endpoint {
    /// An endpoint that speaks `api` at `base_url`, without a key. A query of the base URL (Azure's `api-version`) stays with every request.
    ///
    /// # Errors
    ///
    /// [`EndpointError::BaseUrl`] for anything but `http` and `https`, and for a URL with a user, a password or a fragment.
    pub fn new(api: Api, base_url: &str) -> Result<Self, EndpointError> {
        let refuse = |reason| EndpointError::BaseUrl { reason };
        // The parser's own words may quote the URL, and somebody may have put a key into it.
        let base = Url::parse(base_url.trim()).map_err(|_| refuse("it is not a URL"))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(refuse("it begins with neither https nor http"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refuse("it has a user or a password: a key is given separately"));
        }
        if base.fragment().is_some() {
            return Err(refuse("it has a fragment"));
        }
        if base.query_pairs().any(|(name, _)| name == "key" || is_credential_header(&name)) {
            return Err(refuse("its query has a key: a key is given separately"));
        }
        let headers = BTreeMap::new();
        Ok(Self { base, api, scheme: AuthScheme::None, key: None, headers, timeouts: None, plain_http: false })
    }

    /// The endpoint of a known provider, at `base_url` if one is given (a gateway, Azure, another machine), with its key if it takes one.
    ///
    /// # Errors
    ///
    /// [`EndpointError::NoBaseUrl`] for an unknown provider; see [`Endpoint::new`] and [`Endpoint::with_key`] for the others.
    pub fn of_provider(prefix: &str, base_url: Option<&str>, key: Option<Secret>) -> Result<Self, EndpointError> {
        let missing = || EndpointError::NoBaseUrl { provider: prefix.to_owned() };
        let known = known_provider(prefix).ok_or_else(missing)?;
        let base_url = base_url.unwrap_or(known.base_url);
        if base_url.is_empty() {
            return Err(missing());
        }
        let endpoint = Self::new(known.api, base_url)?;
        match (key, known.auth) {
            (None, _) => Ok(endpoint),
            // A local server behind a gateway may want a key after all.
            (Some(key), AuthScheme::None) => endpoint.with_key(AuthScheme::Bearer, key),
            (Some(key), scheme) => endpoint.with_key(scheme, key),
        }
    }

    /// With a key, in the header of `scheme`.
    ///
    /// # Errors
    ///
    /// [`EndpointError::Key`] for a key that no header can take.
    pub fn with_key(mut self, scheme: AuthScheme, key: Secret) -> Result<Self, EndpointError> {
        if key.is_empty() || HeaderValue::from_str(key.expose()).is_err() {
            return Err(EndpointError::Key);
        }
        self.scheme = scheme;
        self.key = Some(key);
        Ok(self)
    }

    /// With a header on every request. A request's own header of the same name goes before it.
    ///
    /// # Errors
    ///
    /// [`EndpointError::Header`] for a header that carries a credential or belongs to the connection.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, EndpointError> {
        let (name, value) = checked_header(name, value)?;
        self.headers.insert(name, value);
        Ok(self)
    }

    /// With other time limits than the transport's.
    #[must_use]
    pub fn with_timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = Some(timeouts);
        self
    }

    /// A document that was put together of what came from here, once more without the key: its pieces may have been other texts than they make
    /// together. Null where that cannot be told.
    pub(crate) fn without_key(&self, mut document: Value) -> Value {
        let _ = Redaction::of(self.key.as_ref()).document(&mut document);
        document
    }

    /// Lets a key go over an unencrypted connection to another machine: for a network that is trusted.
    #[must_use]
    pub fn allow_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// What it speaks.
    pub fn api(&self) -> Api {
        self.api
    }

    /// Its base URL.
    pub fn base_url(&self) -> &str {
        self.base.as_str()
    }

    /// Its host and its port (`server.address` and `server.port` of OpenTelemetry).
    pub fn host(&self) -> (&str, Option<u16>) {
        (self.base.host_str().unwrap_or_default(), self.base.port_or_known_default())
    }

    /// The bytes of a call of `model`: record them, then hand them to a [`Transport`](super::Transport).
    ///
    /// The body is `request.content`, whose field `stream` is set to fit `delivery` where the protocol has it (and `stream_options`, which is
    /// refused beside an answer that is not streamed, goes); nothing else is touched, nor is the model's name. `model` matters only to protocols
    /// that have it in the address: there neither `model` nor `stream` stays in the body.
    ///
    /// # Errors
    ///
    /// [`EndpointError`]: nothing was sent, and the same request will not do better.
    pub fn prepare(&self, request: &RawRequest, model: &str, delivery: Delivery) -> Result<PreparedRequest, EndpointError> {
        let mut content = request.content.as_object().ok_or(EndpointError::Body)?.clone();
        if self.api.has_stream_field() {
            set_stream(&mut content, delivery);
        } else {
            // The codec carries them in the body; the protocol has them in the address, and refuses the second as a field that it does not know.
            for key in ["model", "stream"] {
                content.shift_remove(key);
            }
        }
        let body = serde_json::to_vec(&content).map_err(|_| EndpointError::Body)?;
        let (path, query) = self.api.call_path(model, delivery);
        let accept = match delivery {
            Delivery::Whole => "application/json",
            Delivery::Stream => "text/event-stream",
        };
        let headers = self.headers_of(request, accept)?;
        self.complete(&path, query, headers, Some(body.into()), delivery)
    }

    /// The same where `body` is what a translator made of `request`. It is sent as it is.
    ///
    /// # Errors
    ///
    /// As [`prepare`](Self::prepare).
    #[cfg(feature = "genai")]
    pub(crate) fn prepare_translated(
        &self,
        translation: Translation,
        request: &RawRequest,
        model: &str,
        delivery: Delivery,
        body: Bytes,
    ) -> Result<PreparedRequest, EndpointError> {
        let headers = self.headers_of(request, translation.media_type(delivery))?;
        let prepared = self.complete(&translation.call_path(model, delivery), None, headers, Some(body), delivery)?;
        Ok(PreparedRequest { translation: Some(translation), ..prepared })
    }

    fn headers_of(&self, request: &RawRequest, accept: &str) -> Result<BTreeMap<String, String>, EndpointError> {
        let mut headers = self.fixed_headers(accept);
        headers.insert("content-type".to_owned(), "application/json".to_owned());
        for (name, value) in &request.headers {
            let (name, value) = checked_header(name, &header_text(name, value)?)?;
            headers.insert(name, value);
        }
        Ok(headers)
    }

    /// The request for the list of models.
    pub(super) fn prepare_models(&self) -> Result<PreparedRequest, EndpointError> {
        let (path, query) = self.api.models_path();
        self.complete(&path, query, self.fixed_headers("application/json"), None, Delivery::Whole)
    }

    fn fixed_headers(&self, accept: &str) -> BTreeMap<String, String> {
        let fixed = [("accept", accept), ("user-agent", USER_AGENT)].into_iter().chain(self.api.fixed_header());
        let mut headers: BTreeMap<String, String> = fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        headers.extend(self.headers.clone());
        headers
    }

    fn complete(
        &self,
        path: &[String],
        query: Option<&str>,
        headers: BTreeMap<String, String>,
        body: Option<Bytes>,
        delivery: Delivery,
    ) -> Result<PreparedRequest, EndpointError> {
        let host = self.base.host_str().unwrap_or_default();
        let exposes = self.key.is_some() && self.base.scheme() == "http" && !self.plain_http && !is_this_machine(host);
        if exposes {
            return Err(EndpointError::PlainHttp { host: host.to_owned() });
        }
        let host = self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(PreparedRequest {
            host,
            url: join(&self.base, path, query)?,
            api: self.api,
            translation: None,
            delivery,
            headers: headers.into_iter().collect(),
            body,
            scheme: self.scheme,
            key: self.key.clone(),
            timeouts: self.timeouts,
        })
    }
}

/// `base` with more path. Segments are encoded, so a model's name cannot lead elsewhere.
fn join(base: &Url, path: &[String], query: Option<&str>) -> Result<Url, EndpointError> {
    let refuse = |reason| EndpointError::BaseUrl { reason };
    let mut url = base.clone();
    // Anthropic's base URL is written with and without its version.
    let ends_in_version = base.path().trim_end_matches('/').ends_with("/v1");
    let path = match path.split_first() {
        Some((first, rest)) if first == "v1" && ends_in_version => rest,
        _ => path,
    };
    if path.iter().any(|segment| segment.is_empty() || segment == "." || segment == "..") {
        return Err(refuse("the model's name cannot be a part of it"));
    }
    url.path_segments_mut().map_err(|()| refuse("it has no path"))?.pop_if_empty().extend(path);
    if let Some(query) = query {
        let all = url.query().map_or_else(|| query.to_owned(), |given| format!("{given}&{query}"));
        url.set_query(Some(&all));
    }
    Ok(url)
}

fn set_stream(content: &mut Map<String, Value>, delivery: Delivery) {
    if delivery == Delivery::Whole {
        content.shift_remove("stream_options");
    }
    match (delivery, content.get("stream")) {
        (Delivery::Stream, _) => {
            content.insert("stream".to_owned(), Value::Bool(true));
        }
        (Delivery::Whole, Some(Value::Bool(false)) | None) => {}
        (Delivery::Whole, Some(_)) => {
            content.insert("stream".to_owned(), Value::Bool(false));
        }
    }
}

fn header_text(name: &str, value: &Value) -> Result<String, EndpointError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
        _ => Err(EndpointError::Header { name: shown(name), reason: "its value is not a text" }),
    }
}

fn checked_header(name: &str, value: &str) -> Result<(String, String), EndpointError> {
    let refuse = |reason| EndpointError::Header { name: shown(name), reason };
    let parsed: HeaderName = name.trim().parse().map_err(|_| refuse("it is not a header's name"))?;
    if is_credential_header(parsed.as_str()) {
        return Err(refuse("it carries a credential: a key is given with the endpoint"));
    }
    if RESERVED.contains(&parsed.as_str()) || parsed.as_str().starts_with("proxy-") {
        return Err(refuse("it belongs to the connection"));
    }
    let value = value.trim();
    if HeaderValue::from_str(value).is_err() {
        return Err(refuse("its value has characters that no header has"));
    }
    Ok((parsed.as_str().to_owned(), value.to_owned()))
}

/// A name as errors show it: somebody may have mixed up name and value.
fn shown(name: &str) -> String {
    name.chars().filter(|char| !char.is_control()).take(40).collect()
}

/// Whether `host` is the machine itself, by what its name promises.
pub(super) fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
#[path = "endpoint_tests.rs"]
mod tests;
