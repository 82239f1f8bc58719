//! Streams that a policy follows to their end.

use std::future::Future;
use std::pin::Pin;

use async_trait::async_trait;
use serde_json::Value;

use super::CallFacts;
use crate::codec::StreamAggregator;
use crate::pipeline::{ChunkSource, Chunks, Failure};

/// What is done once a stream has ended: with the whole response, or with nothing where it broke.
type AtEnd = Box<dyn FnOnce(Option<Value>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// Hands chunks on as they come, and says at the end what they make together. Dropped before the end it says nothing: what was set aside for the
/// call stays set aside.
struct Watched {
    chunks: Chunks,
    aggregator: Option<Box<dyn StreamAggregator>>,
    at_end: Option<AtEnd>,
}

/// `chunks`, and `at_end` once they have ended. Without a protocol nobody can put them together, which counts as broken.
pub(super) fn watch<F>(chunks: Chunks, facts: &CallFacts, at_end: impl FnOnce(Option<Value>) -> F + Send + 'static) -> Chunks
where
    F: Future<Output = ()> + Send + 'static,
{
    let aggregator = facts.api.map(|api| api.protocol().aggregator());
    let at_end: AtEnd = Box::new(move |whole| Box::pin(at_end(whole)));
    Box::new(Watched { chunks, aggregator, at_end: Some(at_end) })
}

impl Watched {
    async fn end(&mut self, whole: Option<Value>) {
        if let Some(at_end) = self.at_end.take() {
            at_end(whole).await;
        }
    }
}

#[async_trait]
impl ChunkSource for Watched {
    async fn next(&mut self) -> Option<Result<Value, Failure>> {
        match self.chunks.next().await {
            Some(Ok(chunk)) => {
                // A chunk that cannot be put in its place spoils the whole, and is the caller's all the same.
                if self.aggregator.as_mut().is_some_and(|aggregator| aggregator.push(&chunk).is_err()) {
                    self.aggregator = None;
                }
                Some(Ok(chunk))
            }
            Some(Err(failure)) => {
                self.end(None).await;
                Some(Err(failure))
            }
            None => {
                let whole = self.aggregator.take().map(StreamAggregator::finish);
                self.end(whole).await;
                None
            }
        }
    }
}
