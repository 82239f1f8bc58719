//! The way of one request: read, asked for, looked up, checked, connected, sent.

use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use tokio::time::{Instant, sleep_until};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn};
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, Result, WasiBody};

use super::body::{Activity, Received, Sent, too_slow};
use super::client::{Client, Place};
use super::connect::connect;
use super::{HEADERS, read};
use crate::sandbox::audit::AccessKind;
use crate::sandbox::grants::RequestTarget;
use crate::sandbox::secrets::{Outgoing, Redaction};

/// Headers of one response.
const MOST_HEADERS: usize = 256;

/// The head of a response, and what it hangs on.
struct Answered {
    response: Response<Incoming>,
    connection: AbortOnDropJoinHandle<()>,
    redaction: Redaction,
}

impl Client {
    /// Sends one request and waits for the head of its response.
    pub(super) async fn send(
        self: &Arc<Self>,
        request: Request<WasiBody>,
        options: RequestOptions,
        place: Place,
    ) -> Result<Response<WasiBody>> {
        let (parts, body) = request.into_parts();
        let outgoing = read::read(parts)?;
        // A value that was revealed may stand in a path; it is not to stand in records.
        let shown = self.secrets.revealed().text(outgoing.target.to_string());
        let activity = Activity::begin();
        let body = Sent { body, activity: activity.clone() };
        let answered = self.answered(outgoing, &shown, body, options.connect_timeout);
        let Answered { response, connection, redaction } =
            self.in_time(&activity, &shown, options.first_byte_timeout, answered).await?;
        self.went_well();
        let limit = self.limits.request_time();
        let own = options.between_bytes_timeout.filter(|own| *own < limit);
        let (mut head, incoming) = response.into_parts();
        redaction.headers(&mut head.headers);
        let received = Received {
            incoming,
            shown,
            left: self.limits.response_bytes(),
            time: own.unwrap_or(limit),
            is_limit: own.is_none(),
            waiting: None,
            redaction,
            client: self.clone(),
            _connection: connection,
            _place: place,
        };
        Ok(Response::from_parts(head, received.boxed_unsync()))
    }

    async fn answered(&self, mut outgoing: Outgoing, shown: &str, body: Sent, time: Option<Duration>) -> Result<Answered> {
        let addresses = self.addresses(&outgoing.target, shown).await?;
        let redaction = self.secrets.put_into(&mut outgoing, &addresses).map_err(|_| Error::HttpRequestDenied)?;
        self.audit.used(AccessKind::Net, shown);
        let Outgoing { target, headers, path_and_query } = outgoing;
        let stream = connect(&target, &addresses, time).await?;
        let mut builder = http1::Builder::new();
        builder.max_headers(MOST_HEADERS).max_buf_size(HEADERS);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| of_hyper(&error))?;
        // Why it broke is told to whoever waits for the response or for a piece of it.
        let connection = spawn(async move { drop(connection.await) });
        let mut request = Request::new(body);
        *request.method_mut() = target.method.parse().map_err(|_| Error::HttpRequestMethodInvalid)?;
        *request.uri_mut() = Uri::from(path_and_query);
        *request.headers_mut() = headers;
        let response = sender.send_request(request).await.map_err(|error| of_hyper(&error))?;
        Ok(Answered { response, connection, redaction })
    }

    /// The addresses that a request may go to: looked up once, here, and each of them checked.
    pub(super) async fn addresses(&self, target: &RequestTarget, shown: &str) -> Result<Vec<IpAddr>> {
        // Before anything else: a look-up tells the world a name.
        if !self.network.may_request(target, shown) {
            return Err(Error::HttpRequestDenied);
        }
        let found = match target.address() {
            Some(address) => vec![address],
            None => {
                self.audit.used(AccessKind::Net, &target.host);
                let found = self.names.addresses(&target.host).await;
                found.map_err(|error| Error::DnsError { rcode: Some(error.kind().to_string()), info_code: None })?
            }
        };
        if found.is_empty() {
            return Err(Error::DestinationNotFound);
        }
        let allowed = self.network.may_go_to(target, shown, &found);
        if allowed.is_empty() { Err(Error::DestinationIpProhibited) } else { Ok(allowed) }
    }

    /// `work`, as long as something of the request is under way now and then. `own` is the guest's own patience.
    async fn in_time<T>(
        &self,
        activity: &Activity,
        shown: &str,
        own: Option<Duration>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let limit = self.limits.request_time();
        let own = own.filter(|own| *own < limit);
        let mut work = pin!(work);
        loop {
            let due = activity.last() + own.unwrap_or(limit);
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = sleep_until(due) => {}
            }
            if activity.last() + own.unwrap_or(limit) <= Instant::now() {
                break;
            }
        }
        if own.is_none() {
            self.reach(too_slow(self, shown, "did not answer"));
        }
        Err(Error::HttpResponseTimeout)
    }
}

/// What went wrong on a connection, in the words of the interface.
pub(super) fn of_hyper(error: &hyper::Error) -> Error {
    if error.is_parse_too_large() {
        Error::HttpResponseHeaderSectionSize(None)
    } else if error.is_parse() || error.is_user() {
        Error::HttpProtocolError
    } else if error.is_incomplete_message() {
        Error::HttpResponseIncomplete
    } else {
        Error::ConnectionTerminated
    }
}
