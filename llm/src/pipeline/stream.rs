//! Responses in chunks.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::error::{CallError, Cause};
use super::middleware::{Chunks, Collector};
use super::span::{End, Span};
use crate::codec::{StreamAggregator, StreamCodec};
use crate::event::CHUNK_MARK;

/// A response that comes in chunks.
///
/// Every chunk is recorded as a mark `llm.chunk` (numbers and reasons, never content), collected, and handed on as it came. The call ends
/// once: when the chunks do, when one of them or the collector fails, or when this is dropped. Its end event has what was collected.
pub struct LlmStream {
    /// None once the end is recorded.
    span: Option<Span>,
    uuid: Option<Uuid>,
    chunks: Chunks,
    collector: Option<Box<dyn Collector>>,
    codec: Option<Arc<dyn StreamCodec>>,
    chunk_marks: bool,
    count: u64,
    /// The error that ended it, until the caller has it.
    failed: Option<CallError>,
}

struct ByCodec(Box<dyn StreamAggregator>);

impl Collector for ByCodec {
    fn collect(&mut self, chunk: &Value) -> Result<(), Cause> {
        self.0.push(chunk).map_err(Cause::from)
    }

    fn finish(self: Box<Self>) -> Value {
        self.0.finish()
    }
}

impl LlmStream {
    pub(super) fn new(
        span: Span,
        chunks: Chunks,
        collector: Option<Box<dyn Collector>>,
        codec: Option<Arc<dyn StreamCodec>>,
        chunk_marks: bool,
    ) -> Self {
        let by_codec = || codec.as_ref().map(|codec| Box::new(ByCodec(codec.aggregator())) as Box<dyn Collector>);
        let collector = collector.or_else(by_codec);
        Self { uuid: span.call().uuid(), span: Some(span), chunks, collector, codec, chunk_marks, count: 0, failed: None }
    }

    /// The call's identifier in events.
    pub fn uuid(&self) -> Option<Uuid> {
        self.uuid
    }

    /// The next chunk, as it came; none after the last one and after an error. An error that the caller did not wait for is told by the next call.
    ///
    /// # Errors
    ///
    /// [`CallError::Execution`] if the provider failed, [`CallError::Collector`] if the chunk was refused. Both end the stream.
    pub async fn next(&mut self) -> Option<Result<Value, CallError>> {
        if self.span.is_none() {
            return self.failed.take().map(Err);
        }
        let error = match self.chunks.next().await {
            Some(Ok(chunk)) => match self.take(&chunk) {
                Ok(()) => return Some(Ok(chunk)),
                Err(cause) => CallError::Collector(cause),
            },
            Some(Err(failure)) => CallError::Execution(failure),
            None => {
                self.end(End::default()).await;
                return None;
            }
        };
        let error_type = Some(error.error_type().to_owned());
        // Kept first: whoever stops waiting for the sanitisers is not to take the stream for a whole one.
        self.failed = Some(error);
        self.end(End { error_type, ..End::default() }).await;
        self.failed.take().map(Err)
    }

    /// Ends the stream before it is exhausted, on purpose, or as an error of the class `error_type`. Unlike dropping it, this waits for
    /// sanitisers that need time, so that more may be recorded.
    pub async fn close(mut self, error_type: Option<&str>) {
        let end = End { error_type: error_type.map(str::to_owned), ..self.early() };
        self.end(end).await;
    }

    fn take(&mut self, chunk: &Value) -> Result<(), Cause> {
        let index = self.count;
        self.count = self.count.saturating_add(1);
        if self.chunk_marks
            && let Some(span) = &self.span
        {
            let unknown = || json!({ "chunk_index": index, "provider": "unknown" });
            span.call().mark(CHUNK_MARK, self.codec.as_ref().map_or_else(unknown, |codec| codec.chunk_summary(index, chunk)));
        }
        self.collector.as_mut().map_or(Ok(()), |collector| collector.collect(chunk))
    }

    fn early(&self) -> End {
        let metadata = [("kitaru.llm.stream".to_owned(), json!("closed_early"))].into_iter().collect();
        End { metadata, ..End::default() }
    }

    async fn end(&mut self, end: End) {
        // Taken first: should this be dropped half way, the span ends by itself, and not twice.
        let Some(span) = self.span.take() else { return };
        let collected = self.collector.take().map_or(Value::Null, Collector::finish);
        // What cannot be decoded is recorded without an annotation.
        let _ = span.finish(&collected, end).await;
    }
}

impl Drop for LlmStream {
    fn drop(&mut self) {
        // In a panic nobody else's code is run; the span ends by itself.
        if self.span.is_none() || std::thread::panicking() {
            return;
        }
        // Nothing can be awaited here. Sanitisers that answer at once are done after one step; if one needs more, the future is dropped,
        // and with it the span, which then ends without the payload.
        let end = End { at_once: true, ..self.early() };
        let work = pin!(self.end(end));
        let _ = work.poll(&mut Context::from_waker(Waker::noop()));
    }
}

#[async_trait]
impl super::middleware::ChunkSource for LlmStream {
    async fn next(&mut self) -> Option<Result<Value, super::error::Failure>> {
        let failed = |error| match error {
            CallError::Execution(failure) => failure,
            other => super::error::Failure::new(other.error_type().to_owned(), other),
        };
        Self::next(self).await.map(|chunk| chunk.map_err(failed))
    }
}

impl fmt::Debug for LlmStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmStream").field("uuid", &self.uuid).field("chunks", &self.count).finish_non_exhaustive()
    }
}
