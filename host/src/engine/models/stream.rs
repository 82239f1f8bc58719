//! Calls that a checkpoint body holds on to: answers in pieces, and calls that it makes by itself.

use std::sync::Arc;

use async_trait::async_trait;
use kitaru_llm::gateway::{CallStream, ManualSpan, SpanEnd};
use serde_json::Value;

use super::body::{BodyCalls, MadeBy};
use super::failure;
use super::kept::{UnderWay, Which};
use super::live::LiveCall;
use super::places::CallPlace;
use crate::journal::Failure;
use crate::sandbox::{ModelSpan, ModelStream, Stop};

/// What is recorded of a call that its body let go of.
const DROPPED: &str = "the body let go of it";

/// An answer in pieces.
pub(super) struct LiveStream {
    calls: Arc<BodyCalls>,
    which: Which,
    stream: Option<CallStream>,
    /// Leaves a record where the body is cut short while the call ends.
    under_way: Option<UnderWay>,
    /// What is told of it to whoever watches, until it is recorded.
    live: Option<LiveCall>,
    /// Its place in the host.
    _host: CallPlace,
}

impl LiveStream {
    pub(super) fn new(
        calls: Arc<BodyCalls>,
        which: Which,
        (stream, under_way): (CallStream, UnderWay),
        live: LiveCall,
        host: CallPlace,
    ) -> Self {
        Self { calls, which, stream: Some(stream), under_way: Some(under_way), live: Some(live), _host: host }
    }

    /// Somebody else records it.
    fn is_recorded(&mut self) {
        drop(self.under_way.take().and_then(UnderWay::into_record));
    }
}

#[async_trait]
impl ModelStream for LiveStream {
    async fn next(&mut self) -> Result<Result<Option<String>, Failure>, Stop> {
        let Some(stream) = &mut self.stream else { return Ok(Ok(None)) };
        let next = stream.next().await;
        match (&next, &mut self.live) {
            (Some(Ok(piece)), Some(live)) => live.piece(piece),
            (Some(Err(_)) | None, Some(live)) => live.whole(),
            (_, None) => {}
        }
        Ok(next.transpose().map_err(failure))
    }

    async fn finish(mut self: Box<Self>) -> Result<Result<String, Failure>, Stop> {
        // It is held on to until all of it is there: a body that is cut short meanwhile leaves a record.
        if let (Some(stream), Some(live)) = (&mut self.stream, &mut self.live) {
            while let Some(Ok(piece)) = stream.next().await {
                live.piece(&piece);
            }
            live.whole();
        }
        let Some(stream) = self.stream.take() else { return Ok(Err(Failure::usage("the call has ended"))) };
        let record = stream.finish().await;
        self.is_recorded();
        Ok(self.calls.keep(self.which, MadeBy::Host, record).await?)
    }

    async fn abort(mut self: Box<Self>, reason: String) -> Result<(), Stop> {
        let Some(stream) = self.stream.take() else { return Ok(()) };
        let record = stream.abort(&reason).await;
        self.is_recorded();
        // That it broke off is what the body wants.
        let _ = self.calls.keep(self.which, MadeBy::Host, record).await?;
        Ok(())
    }
}

impl Drop for LiveStream {
    /// It ends here, and was paid for so far: that is recorded by somebody else.
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.is_recorded();
            let live = self.live.take();
            self.calls.record_later(self.which, MadeBy::Host, live, async move { stream.abort(DROPPED).await });
        }
    }
}

/// A call that the body makes by itself.
pub(super) struct LiveSpan {
    calls: Arc<BodyCalls>,
    which: Which,
    span: Option<ManualSpan>,
}

impl LiveSpan {
    pub(super) fn new(calls: Arc<BodyCalls>, which: Which, span: ManualSpan) -> Self {
        Self { calls, which, span: Some(span) }
    }
}

#[async_trait]
impl ModelSpan for LiveSpan {
    async fn end(mut self: Box<Self>, response: Value) -> Result<Result<(), Failure>, Stop> {
        let Some(span) = self.span.take() else { return Ok(Err(Failure::usage("the call has ended"))) };
        let record = span.end(response, SpanEnd::default()).await;
        Ok(self.calls.keep(self.which, MadeBy::Body, record).await?.map(drop))
    }

    async fn fail(mut self: Box<Self>, error_type: String) -> Result<Result<(), Failure>, Stop> {
        let Some(span) = self.span.take() else { return Ok(Err(Failure::usage("the call has ended"))) };
        let record = span.fail(&error_type).await;
        // That it failed is what the body says, and no failure of saying so.
        let _ = self.calls.keep(self.which, MadeBy::Body, record).await?;
        Ok(Ok(()))
    }
}

impl Drop for LiveSpan {
    fn drop(&mut self) {
        if let Some(span) = self.span.take() {
            self.calls.record_later(self.which, MadeBy::Body, None, async move { span.fail("not_ended").await });
        }
    }
}
