//! OTLP over HTTP with binary protobuf.

use std::time::Duration;

use prost::Message;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode};

use super::message::Answer;
use crate::telemetry::OtlpSettings;

/// How often a request is sent, at most.
const TRIES: u32 = 3;
/// The pause before it is sent again; then twice as long.
const PAUSE: Duration = Duration::from_millis(500);
/// So much of an answer is read.
const MOST: usize = 64 * 1024;

/// Where requests go.
pub(super) struct Collector {
    client: Client,
    headers: HeaderMap,
}

impl Collector {
    /// # Errors
    /// Why there can be none, for people.
    pub(super) fn new(settings: &OtlpSettings) -> Result<Self, String> {
        let client = kitaru_llm::provider::plain_client(settings.timeout).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        for (name, value) in settings.headers() {
            // Neither name nor value is told: a list that is written wrongly may have a key where a name should be.
            let unusable = || "OTEL_EXPORTER_OTLP_HEADERS has a header that cannot be sent".to_owned();
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| unusable())?;
            value.set_sensitive(true);
            headers.append(name, value);
        }
        Ok(Self::with(client, headers))
    }

    /// A collector that is told nothing but what it is sent.
    ///
    /// # Errors
    /// Why there can be none, for people.
    pub(super) fn plain(timeout: Duration) -> Result<Self, String> {
        let client = kitaru_llm::provider::plain_client(timeout).map_err(|error| error.to_string())?;
        Ok(Self::with(client, HeaderMap::new()))
    }

    fn with(client: Client, mut headers: HeaderMap) -> Self {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        Self { client, headers }
    }

    /// Sends `body` once, with a header more; tells how much of it was refused.
    ///
    /// # Errors
    /// Why it was not accepted, for people, and whether another try may end differently.
    pub(super) async fn send_once(
        &self,
        url: &str,
        body: &impl Message,
        header: Option<(HeaderName, HeaderValue)>,
    ) -> Result<u64, (String, bool)> {
        let mut headers = self.headers.clone();
        headers.extend(header);
        self.try_with(url, headers, bytes::Bytes::from(body.encode_to_vec())).await
    }

    /// Sends `body` to `url`; tells how much of it was refused.
    ///
    /// # Errors
    /// Why it was not accepted, for people; without headers and addresses, which may have keys in them.
    pub(super) async fn send(&self, url: &str, body: &impl Message) -> Result<u64, String> {
        let body = bytes::Bytes::from(body.encode_to_vec());
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.try_once(url, body.clone()).await {
                Err((why, true)) => tracing::debug!(why, "a request to the collector is sent again"),
                done => return done.map_err(|(why, _)| why),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.try_once(url, body).await.map_err(|(why, _)| why)
    }

    /// The error says whether another try may end differently.
    async fn try_once(&self, url: &str, body: bytes::Bytes) -> Result<u64, (String, bool)> {
        self.try_with(url, self.headers.clone(), body).await
    }

    async fn try_with(&self, url: &str, headers: HeaderMap, body: bytes::Bytes) -> Result<u64, (String, bool)> {
        let sent = self.client.post(url).headers(headers).body(body).send().await;
        let mut response = sent.map_err(|error| (innermost(&error.without_url()), true))?;
        let status = response.status();
        if !status.is_success() {
            let again = [
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::BAD_GATEWAY,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ];
            return Err((format!("the collector answered with HTTP status {}", status.as_u16()), again.contains(&status)));
        }
        let mut answer = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            if answer.len().saturating_add(chunk.len()) > MOST {
                return Ok(0);
            }
            answer.extend_from_slice(&chunk);
        }
        // Whatever else a collector says with success, it has taken what it was sent.
        let partial = Answer::decode(answer.as_slice()).ok().and_then(|answer| answer.partial_success);
        match partial {
            Some(partial) if partial.rejected > 0 => Ok(u64::try_from(partial.rejected).unwrap_or(0)),
            _ => Ok(0),
        }
    }
}

/// What the chain of causes ends with: that says what is wrong.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
