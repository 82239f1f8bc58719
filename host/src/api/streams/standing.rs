//! Whether whoever listens may still: a stream lasts longer than what it was opened with.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::access::{AccessError, Caller, Share};
use crate::api::{Api, Identify as _, Peer};
use crate::mcp::Stays;

/// Somebody who listens, and what they came with.
#[derive(Clone)]
pub(in crate::api) struct Standing {
    pub(in crate::api) api: Api,
    pub(in crate::api) caller: Caller,
    pub(in crate::api) peer: Peer,
    pub(in crate::api) headers: HeaderMap,
}

impl Standing {
    /// Whether whoever listens is still the same, and may as much.
    async fn is_unchanged(&self) -> bool {
        let shared = &self.api.shared;
        let source = self.peer.source(&self.headers, &shared.settings);
        let now = shared.access.identify(&self.headers, source).await;
        now.is_ok_and(|now| now.role == self.caller.role && now.scope == self.caller.scope && now.who == self.caller.who)
    }

    /// Returns when they may not any more.
    pub(super) async fn ended(&self) {
        let every = self.api.shared.settings.recheck;
        loop {
            tokio::time::sleep(every).await;
            if !self.is_unchanged().await {
                return;
            }
        }
    }

    /// A place among all streams, and the caller's own.
    pub(in crate::api) fn place(&self) -> Result<Share<String>, AccessError> {
        let place = self.api.shared.streams.take(self.caller.counted_as(), 1);
        place.map_err(|full| AccessError::Full { what: "streams", full })
    }

    /// A body that ends when they may not listen any more, and has a place until then.
    pub(in crate::api) fn guard(self, body: Body, place: Share<String>) -> Body {
        Body::new(Guarded { body, ended: Box::pin(async move { self.ended().await }), is_over: false, _place: place })
    }
}

#[async_trait]
impl Stays for Standing {
    async fn stays(&self) -> bool {
        self.is_unchanged().await
    }
}

struct Guarded {
    body: Body,
    ended: Pin<Box<dyn Future<Output = ()> + Send>>,
    is_over: bool,
    _place: Share<String>,
}

impl http_body::Body for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !self.is_over {
            self.is_over = self.ended.as_mut().poll(context).is_ready();
        }
        if self.is_over {
            return Poll::Ready(None);
        }
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn size_hint(&self) -> SizeHint {
        // It may be cut.
        SizeHint::default()
    }
}
