//! Requests on their way, and answers as they come: sent again where that is safe, and never waited for without an end.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use reqwest::{Body, Client, Response};
use tokio::time::{Instant, timeout};

use super::ClientSettings;
use super::backoff::Backoff;
use super::problem;
use super::request::Ask;
use crate::config::ServerConnection;
use crate::secrets::{ExposeSecret as _, SecretString};
use crate::service::{RemoteError, ServiceError};

/// The largest answer that is read as a whole.
pub(super) const LARGEST: usize = 1024 * 1024 * 1024;
/// After so long nobody is asked again.
const LONGEST: Duration = Duration::from_secs(150);
/// A key that is shorter could be any word.
const SHORTEST_KEY: usize = 8;

/// Where a server is, and what proves to it who asks. Shows the first only.
pub(super) struct Address {
    url: String,
    key: SecretString,
}

impl Address {
    pub(super) fn new(url: &str, key: SecretString) -> Self {
        Self { url: url.to_owned(), key }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.url
    }

    /// A text of somebody else, who may have quoted the key.
    pub(super) fn without_key(&self, text: &str) -> String {
        let key = self.key.expose_secret();
        if key.len() < SHORTEST_KEY { text.to_owned() } else { text.replace(key, "***") }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

/// The way to a server. Cheap to clone.
#[derive(Clone)]
pub(super) struct Wire {
    client: Client,
    /// None for whoever has no key yet.
    authorization: Option<HeaderValue>,
    pub(super) address: Arc<Address>,
    pub(super) settings: Arc<ClientSettings>,
}

/// A request without success.
pub(super) struct Failed {
    pub(super) error: ServiceError,
    again: Again,
}

/// Whether another try may end differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Never,
    /// Where it does not matter that it may have been carried out.
    IfRepeatable,
    /// It was not carried out.
    Always,
}

impl Failed {
    pub(super) fn for_good(error: ServiceError) -> Self {
        Self { error, again: Again::Never }
    }

    /// Whether somebody who only listens may come again.
    pub(super) fn may_pass(&self) -> bool {
        self.again != Again::Never
    }

    /// How long the server wants to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match &self.error {
            ServiceError::Remote(error) => error.retry_after(),
            _ => None,
        }
    }
}

/// An answer with success, whose body has not been read.
pub(super) struct Answer {
    response: Response,
    address: Arc<Address>,
    silence: Duration,
}

impl Wire {
    /// # Errors
    /// When the key cannot be sent, or certificates cannot be used.
    pub(super) fn new(connection: ServerConnection, settings: ClientSettings) -> Result<Self, ServiceError> {
        let text = format!("Bearer {}", connection.token.expose_secret());
        let mut authorization = HeaderValue::from_str(&text).map_err(|_| ServiceError::Usage {
            message: "the key cannot be sent: it has characters in it that no key has".into(),
            hint: Some("give it as `kitaru-host auth api-keys create` shows it".into()),
        })?;
        authorization.set_sensitive(true);
        Ok(Self { authorization: Some(authorization), ..Self::without_key(&connection.url, connection.token, settings)? })
    }

    /// The way of somebody who has no key yet, and `secret` in its place, which no message shows.
    ///
    /// # Errors
    /// When certificates cannot be used.
    pub(super) fn without_key(url: &str, secret: SecretString, settings: ClientSettings) -> Result<Self, ServiceError> {
        let unusable = |message: String, why: String| RemoteError::unreachable(message).because([why]);
        let authorities = match &settings.authorities {
            None => Vec::new(),
            Some(file) => std::fs::read(file)
                .map_err(|error| unusable(format!("cannot read the certificates in `{}`", file.display()), error.to_string()))?,
        };
        let is_here = url.parse::<http::Uri>().is_ok_and(|url| url.host().is_some_and(is_this_machine));
        let client = kitaru_llm::provider::patient_client(settings.connect, &authorities, is_here).map_err(|error| {
            let of = settings.authorities.as_ref().map(|file| format!(" with the certificates in `{}`", file.display()));
            unusable(format!("cannot use TLS{}", of.unwrap_or_default()), error.to_string())
        })?;
        let address = Arc::new(Address::new(url, secret));
        Ok(Self { client, authorization: None, address, settings: Arc::new(settings) })
    }

    /// Sends a request, again where that is safe, and gives the answer before its body is read.
    pub(super) async fn open(&self, ask: &Ask) -> Result<Answer, ServiceError> {
        let mut tries = Tries::new(self);
        loop {
            match self.send(ask, None).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => tries.again(failed, ask).await?,
            }
        }
    }

    /// The same with all of its body.
    pub(super) async fn fetch(&self, ask: &Ask) -> Result<(HeaderMap, Vec<u8>), ServiceError> {
        let mut tries = Tries::new(self);
        loop {
            let failed = match self.send(ask, None).await {
                Err(failed) => failed,
                Ok(answer) => {
                    let headers = answer.headers().clone();
                    match answer.whole(LARGEST).await {
                        Ok(body) => return Ok((headers, body)),
                        Err(failed) => failed,
                    }
                }
            };
            tries.again(failed, ask).await?;
        }
    }

    /// Sends a request once; with `body`, that is sent in place of its own.
    pub(super) async fn send(&self, ask: &Ask, body: Option<Body>) -> Result<Answer, Failed> {
        let patience = if ask.is_transfer { self.settings.transfer } else { self.settings.answer };
        let mut request = self
            .client
            .request(ask.method.clone(), format!("{}{}", self.address.as_str(), ask.path))
            .headers(ask.headers.clone())
            .header(header::USER_AGENT, concat!("kitaru-host/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization.clone());
        }
        if let Some(body) = body.or_else(|| ask.body.clone().map(Body::from)) {
            request = request.body(body);
        }
        let sent = timeout(patience, request.send()).await.map_err(|_| self.late(patience))?;
        let response = sent.map_err(|error| self.lost(error))?;
        let status = response.status();
        let answer = Answer { response, address: self.address.clone(), silence: self.settings.silence };
        if status.is_success() {
            return Ok(answer);
        }
        let headers = answer.headers().clone();
        // What cannot be read of it is not the point.
        let body = answer.whole(problem::LARGEST).await.unwrap_or_default();
        let error = problem::of_answer(&self.address, ask.name, status, &headers, &body);
        let again = match status {
            StatusCode::TOO_MANY_REQUESTS => Again::Always,
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Again::IfRepeatable,
            _ => Again::Never,
        };
        Err(Failed { error, again })
    }

    fn late(&self, patience: Duration) -> Failed {
        let message = format!("the server at {} did not answer within {} seconds", self.address, patience.as_secs());
        let error =
            RemoteError::unreachable(message).hint("what was asked for may be done all the same: look before you ask again");
        Failed { error: error.into(), again: Again::IfRepeatable }
    }

    fn lost(&self, error: reqwest::Error) -> Failed {
        let error = error.without_url();
        let why = [self.address.without_key(&innermost(&error))];
        if !error.is_connect() {
            let failed = RemoteError::unreachable(format!("the connection to {} was lost", self.address)).because(why);
            return Failed { error: failed.into(), again: Again::IfRepeatable };
        }
        let is_refused_here = io_kinds(&error).any(|kind| kind == std::io::ErrorKind::InvalidData);
        if is_refused_here {
            let failed = RemoteError::unreachable(format!("the server at {} does not show who it is", self.address))
                .because(why)
                .hint(format!("a certificate of an authority of your own is trusted by {}=<file>", ClientSettings::AUTHORITIES));
            return Failed::for_good(failed.into());
        }
        let failed = RemoteError::unreachable(format!("cannot connect to {}", self.address))
            .because(why)
            .hint("look whether `kitaru-host serve` runs there, and whether the address is right");
        Failed { error: failed.into(), again: Again::Always }
    }
}

impl Answer {
    pub(super) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next piece of the body; none after the last.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, Failed> {
        let lost = |why: String| {
            let error =
                RemoteError::unreachable(format!("the connection to {} was lost in the middle of an answer", self.address));
            Failed { error: error.because([self.address.without_key(&why)]).into(), again: Again::IfRepeatable }
        };
        match timeout(self.silence, self.response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(lost(innermost(&error.without_url()))),
            Err(_) => Err(lost(format!("nothing came for {} seconds", self.silence.as_secs()))),
        }
    }

    /// All of the body.
    pub(super) async fn whole(mut self, most: usize) -> Result<Vec<u8>, Failed> {
        let mut whole = Vec::new();
        while let Some(piece) = self.piece().await? {
            if whole.len().saturating_add(piece.len()) > most {
                let error = RemoteError::unreachable(format!("an answer of {} has more than {most} bytes", self.address));
                return Err(Failed::for_good(error.into()));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }
}

/// Tries of one request.
struct Tries {
    left: u32,
    backoff: Backoff,
    since: Instant,
}

impl Tries {
    fn new(wire: &Wire) -> Self {
        Self { left: wire.settings.tries.saturating_sub(1), backoff: Backoff::new(), since: Instant::now() }
    }

    /// Returns when it is time for another try.
    async fn again(&mut self, failed: Failed, ask: &Ask) -> Result<(), ServiceError> {
        let may = match failed.again {
            Again::Never => false,
            Again::IfRepeatable => ask.is_repeatable,
            Again::Always => true,
        };
        if !may || self.left == 0 || self.since.elapsed() > LONGEST {
            return Err(failed.error);
        }
        self.left -= 1;
        let pause = self.backoff.pause(failed.retry_after());
        tracing::debug!(verb = ask.name, ?pause, error = &failed.error as &dyn std::error::Error, "a request is sent again");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Whether a host is this machine, which no proxy has to do with.
fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn chain<'a>(error: &'a (dyn std::error::Error + 'static)) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error| error.source())
}

/// The kinds of all errors of the system in it. One that has another in it shows, as its cause, only what is behind that.
fn io_kinds(error: &(dyn std::error::Error + 'static)) -> impl Iterator<Item = std::io::ErrorKind> {
    let found = chain(error).filter_map(|error| error.downcast_ref::<std::io::Error>());
    found.flat_map(|error| std::iter::successors(Some(error), |error| inner(error))).map(std::io::Error::kind)
}

fn inner(error: &std::io::Error) -> Option<&std::io::Error> {
    error.get_ref()?.downcast_ref()
}

/// What went wrong in the first place.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn an_error_in_an_error_of_the_system_is_found() {
        let wrapped = Error::other(Error::new(ErrorKind::InvalidData, "no certificate"));
        assert!(io_kinds(&wrapped).any(|kind| kind == ErrorKind::InvalidData));
        assert!(!io_kinds(&Error::other("no")).any(|kind| kind == ErrorKind::InvalidData));
    }
}
