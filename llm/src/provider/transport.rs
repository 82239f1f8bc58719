//! The HTTP client: one POST for each call, to the address that was checked, within limits of time and size. It follows no redirects, keeps no
//! cookies, unpacks nothing, and repeats nothing; repeating is the business of [`retry`](crate::retry).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::HeaderValue;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

use super::address::{AddressPolicy, GuardedNames, NameService, Refusal};
use super::answer::{Answer, innermost};
use super::endpoint::is_this_machine;
use super::error::{Phase, TransportError};
use super::failure;
use super::patience::Patience;
use super::prepared::PreparedRequest;
use super::stream::EventStream;
use super::timeouts::{SizeLimits, Timeouts};
use super::tls;
use super::wire::Delivery;

/// How a transport behaves.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// How long looking a name up, connecting and agreeing on keys may take together.
    pub connect: Duration,
    /// How long an answer may take, where an endpoint does not say otherwise.
    pub timeouts: Timeouts,
    /// How large an answer may be.
    pub limits: SizeLimits,
    /// Whether the proxy settings of the system (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` and their like) are respected.
    pub system_proxy: bool,
    /// Certificates that are trusted beside the system's, as DER: for a gateway with an own authority.
    pub extra_roots: Vec<Vec<u8>>,
}

impl Default for TransportConfig {
    /// Ten seconds for connecting; the system's proxies; no extra certificates.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            timeouts: Timeouts::default(),
            limits: SizeLimits::default(),
            system_proxy: true,
            extra_roots: Vec::new(),
        }
    }
}

/// A transport cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no HTTP client: {reason}")]
pub struct TransportSetupError {
    pub(super) reason: String,
}

/// Sends prepared requests. One serves all endpoints: connections are kept and shared. Cheap to clone.
#[derive(Clone)]
pub struct Transport {
    /// Looks names up behind the policy, and never uses a proxy.
    direct: Client,
    /// Used only where the settings name a proxy for the address.
    proxied: Option<(Client, Arc<Matcher>)>,
    names: GuardedNames,
    connect: Duration,
    timeouts: Timeouts,
    limits: SizeLimits,
}

/// An answer that came as a whole.
#[derive(Clone, PartialEq)]
pub struct Reply {
    /// The document.
    pub body: Value,
    /// The provider's identifier of the request, for its support.
    pub request_id: Option<String>,
    /// How large the body was, in bytes.
    pub received: u64,
}

impl fmt::Debug for Reply {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request_id, received, .. } = self;
        formatter.debug_struct("Reply").field("request_id", request_id).field("received", received).finish_non_exhaustive()
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connect, timeouts, limits, .. } = self;
        let fields = [("connect", connect as &dyn fmt::Debug), ("timeouts", timeouts), ("limits", limits)];
        let mut shown = formatter.debug_struct("Transport");
        fields.into_iter().for_each(|(name, value)| _ = shown.field(name, value));
        shown.finish_non_exhaustive()
    }
}

impl Transport {
    /// A transport that looks names up with `names` and connects where `policy` allows.
    ///
    /// # Errors
    ///
    /// [`TransportSetupError`] if an extra certificate cannot be used.
    pub fn new(
        config: &TransportConfig,
        names: Arc<dyn NameService>,
        policy: Arc<dyn AddressPolicy>,
    ) -> Result<Self, TransportSetupError> {
        let names = GuardedNames::new(names, policy);
        let tls = tls::config(&config.extra_roots).map_err(|reason| TransportSetupError { reason })?;
        let builder = || {
            Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .connect_timeout(config.connect)
                // Another crate of the program may switch it on for all clients: the header would be in no record, and limits count what arrives.
                .no_gzip()
                .http1_only()
        };
        let build =
            |builder: reqwest::ClientBuilder| builder.build().map_err(|error| TransportSetupError { reason: innermost(&error) });
        let direct = build(builder().no_proxy().dns_resolver(Arc::new(names.clone())))?;
        let proxied = match config.system_proxy {
            true => Some((build(builder())?, Arc::new(Matcher::from_system()))),
            false => None,
        };
        Ok(Self { direct, proxied, names, connect: config.connect, timeouts: config.timeouts, limits: config.limits })
    }

    /// Sends `request` and reads its answer as one document.
    ///
    /// # Errors
    ///
    /// [`TransportError`]. The request may have been carried out and charged even so, unless it is [`TransportError::Unreachable`] or
    /// [`TransportError::Refused`].
    pub async fn send(&self, request: &PreparedRequest) -> Result<Reply, TransportError> {
        let mut answer = self.begin(request).await?;
        let body = answer.whole().await?;
        let mut body: Value = serde_json::from_slice(&body).map_err(|error| TransportError::BadBody {
            host: answer.host.clone(),
            expected: "a JSON document",
            reason: format!("line {} column {} ({:?} error)", error.line(), error.column(), error.classify()),
        })?;
        if let Some(error) = failure::of_document(&answer.host, &body, &answer.redaction) {
            return Err(Box::new(error).into());
        }
        answer.redaction.document(&mut body).map_err(|crowded| TransportError::BadBody {
            host: answer.host.clone(),
            expected: "a JSON document",
            reason: crowded.to_string(),
        })?;
        let request_id = failure::request_id(answer.response.headers(), &answer.redaction);
        Ok(Reply { body, request_id, received: answer.received })
    }

    /// Sends `request` and gives its answer as a stream of events, of which none has been read yet.
    ///
    /// # Errors
    ///
    /// [`TransportError`], as [`send`](Self::send).
    pub async fn open(&self, request: &PreparedRequest) -> Result<EventStream, TransportError> {
        let mut answer = self.begin(request).await?;
        let kind = answer.response.headers().get(reqwest::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_owned());
        let wanted = request.translation.map_or("text/event-stream", |translation| translation.media_type(Delivery::Stream));
        if let Some(kind) = kind.filter(|kind| !kind.eq_ignore_ascii_case(wanted)) {
            // Some say in a document, with success, that they failed.
            let body = answer.beginning().await;
            let document = serde_json::from_slice(&body).ok();
            let error = document.and_then(|document| failure::of_document(&answer.host, &document, &answer.redaction));
            return Err(error.map_or_else(
                || TransportError::BadBody {
                    host: answer.host.clone(),
                    expected: "a stream of events",
                    reason: answer.redaction.line(&kind, 60).to_ascii_lowercase(),
                },
                |error| Box::new(error).into(),
            ));
        }
        Ok(EventStream::new(answer, request, self.limits.event_bytes))
    }

    /// Sends `request` and waits for the headers of an answer with success.
    async fn begin(&self, request: &PreparedRequest) -> Result<Answer, TransportError> {
        let redaction = request.redaction();
        let client = self.route(request)?;
        let mut sent = match &request.body {
            Some(body) => client.request(Method::POST, request.url.clone()).body(body.clone()),
            None => client.request(Method::GET, request.url.clone()),
        };
        for (name, value) in &request.headers {
            sent = sent.header(name, value);
        }
        if let Some((name, value)) = key_header(request) {
            sent = sent.header(name, value);
        }
        let mut patience = Patience::new(request.timeouts.unwrap_or(self.timeouts));
        let response = patience.for_first(&request.host, sent.send()).await?;
        let response = response.map_err(|error| self.not_answered(request, &error))?;
        let status = response.status();
        let host = request.host.clone();
        let mut answer = Answer { host, redaction, response, patience, limit: self.limits.answer_bytes, received: 0 };
        if status.is_success() && status != StatusCode::NO_CONTENT {
            return Ok(answer);
        }
        let body = answer.beginning().await;
        let headers = answer.response.headers();
        Err(Box::new(failure::of_status(&answer.host, status.as_u16(), headers, &body, &answer.redaction)).into())
    }

    /// The client for the address of `request`, if the policy allows it.
    fn route(&self, request: &PreparedRequest) -> Result<&Client, TransportError> {
        let name = request.url.host_str().unwrap_or_default();
        let uri = request.url.as_str().parse::<http::Uri>().ok();
        // What runs on this machine is not asked of another: it would be another's, and a key that may go unencrypted here may not go there.
        let through = self.proxied.as_ref().filter(|_| !is_this_machine(name));
        let through = through.filter(|(_, matcher)| uri.is_some_and(|uri| matcher.intercept(&uri).is_some()));
        let (client, checked) = match through {
            Some((client, _)) => (client, self.names.check_proxied(name)),
            None => (&self.direct, self.names.check_literal(name)),
        };
        checked.map_err(refused)?;
        Ok(client)
    }

    fn not_answered(&self, request: &PreparedRequest, error: &reqwest::Error) -> TransportError {
        let host = request.host.clone();
        if let Some(refusal) = find::<Refusal>(error) {
            return refused(refusal.clone());
        }
        let reason = request.redaction().line(&innermost(error), 200);
        match (error.is_connect(), error.is_timeout()) {
            (true, true) => TransportError::Timeout { host, phase: Phase::Connecting, limit: self.connect },
            (true, false) => TransportError::Unreachable { host, reason },
            (false, _) => TransportError::CutOff { host, received: 0, reason },
        }
    }
}

/// A client for requests that are no model calls, such as those to a collector of telemetry: with the same TLS and the system's proxies, for
/// addresses that the operator of this process names. A request that takes longer than `timeout` fails. It follows no redirects.
///
/// # Errors
///
/// [`TransportSetupError`] if TLS cannot be used.
pub fn plain_client(timeout: Duration) -> Result<Client, TransportSetupError> {
    let tls = tls::config(&[]).map_err(|reason| TransportSetupError { reason })?;
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .timeout(timeout)
        .no_gzip()
        .http1_only();
    builder.build().map_err(|error| TransportSetupError { reason: innermost(&error) })
}

/// The same for a server of whoever runs this process, whose answers may be long: only connecting has a limit, which is `connect`. Certificates in
/// `authorities` (PEM) are trusted beside the system's. With `direct` no proxy is used.
///
/// # Errors
///
/// [`TransportSetupError`] if TLS or one of the certificates cannot be used.
pub fn patient_client(connect: Duration, authorities: &[u8], direct: bool) -> Result<Client, TransportSetupError> {
    let tls = tls::in_pem(authorities).and_then(|extra| tls::config(&extra)).map_err(|reason| TransportSetupError { reason })?;
    let builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(connect)
        // Less than servers keep a connection on which nothing is asked, so that none is used that is just being closed.
        .pool_idle_timeout(Duration::from_secs(5))
        .no_gzip()
        .http1_only();
    let builder = if direct { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| TransportSetupError { reason: innermost(&error) })
}

/// The header with the key. It is marked as sensitive, so that the HTTP client does not show it either.
fn key_header(request: &PreparedRequest) -> Option<(&'static str, HeaderValue)> {
    let (name, before) = request.scheme.header()?;
    let key = request.key.as_ref()?;
    let text = zeroize::Zeroizing::new(format!("{before}{}", key.expose()));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some((name, value))
}

fn refused(refusal: Refusal) -> TransportError {
    let Refusal { host, address, reason } = refusal;
    TransportError::Refused { host, address, reason }
}

/// The error of type `T` among `error` and its causes.
fn find<'a, T: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a T> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}
