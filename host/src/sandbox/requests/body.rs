//! Bodies on their way: bounded in size and in the time between their pieces.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;
use wasmtime_wasi_http::{Error, WasiBody};

use super::client::{Client, Place};
use super::send::of_hyper;
use crate::journal::Failure;
use crate::mutex::lock;
use crate::sandbox::reached::reached as count;
use crate::sandbox::secrets::Redaction;

/// When something of a request was last under way.
#[derive(Clone)]
pub(super) struct Activity(Arc<Mutex<Instant>>);

impl Activity {
    pub(super) fn begin() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    pub(super) fn last(&self) -> Instant {
        *lock(&self.0)
    }

    fn note(&self) {
        *lock(&self.0) = Instant::now();
    }
}

/// The body of a request: each piece of it gives the server time anew.
pub(super) struct Sent {
    pub(super) body: WasiBody,
    pub(super) activity: Activity,
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_ready() {
            self.activity.note();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a response. Whoever lets go of it ends the request.
pub(super) struct Received {
    pub(super) incoming: Incoming,
    /// The request, for people.
    pub(super) shown: String,
    /// Bytes that may still come.
    pub(super) left: u64,
    /// How long the next piece may take.
    pub(super) time: Duration,
    /// Whether that is the host's limit, and not the guest's own.
    pub(super) is_limit: bool,
    /// Since when a piece is waited for.
    pub(super) waiting: Option<Pin<Box<Sleep>>>,
    pub(super) redaction: Redaction,
    pub(super) client: Arc<Client>,
    pub(super) _connection: AbortOnDropJoinHandle<()>,
    pub(super) _place: Place,
}

impl Received {
    fn take(&mut self, mut frame: Frame<Bytes>) -> Result<Frame<Bytes>, Error> {
        if let Some(data) = frame.data_ref() {
            let Some(left) = self.left.checked_sub(data.len() as u64) else {
                count("response_mib");
                let mib = self.client.limits.response_mib;
                let text = format!("the response to {} has more than the limit `response_mib` of {mib} MiB", self.shown);
                self.client.reach(Failure::runtime("limit", text));
                return Err(Error::HttpResponseBodySize(Some(self.client.limits.response_bytes())));
            };
            self.left = left;
        }
        if let Some(trailers) = frame.trailers_mut() {
            self.redaction.headers(trailers);
        }
        Ok(frame)
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.incoming).poll_frame(cx);
        if polled.is_ready() {
            this.waiting = None;
            return polled
                .map(|frame| frame.map(|frame| frame.map_err(|error| of_hyper(&error)).and_then(|frame| this.take(frame))));
        }
        // The time runs while somebody waits, and not while the guest computes.
        let time = this.time;
        ready!(this.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(time))).as_mut().poll(cx));
        if this.is_limit {
            this.client.reach(too_slow(&this.client, &this.shown, "paused within its response"));
        }
        Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// A server that is slow today may be quick tomorrow: of all limits, this one is worth another attempt.
pub(super) fn too_slow(client: &Client, shown: &str, what: &str) -> Failure {
    count("request_seconds");
    let seconds = client.limits.request_seconds;
    let text = format!("the server of {shown} {what} for longer than the limit `request_seconds` of {seconds} s");
    Failure::runtime("limit", text).retryable()
}
