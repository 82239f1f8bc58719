//! Answers of a call in the words of whoever gives them.

use std::sync::Arc;

use serde_json::Value;

use super::state::CallState;
use crate::chat::{ChatRequest, ChatResponse, RawRequest};
use crate::codec::{Api, Codec, CodecError, ResponseCodec, StreamAggregator, StreamCodec};
use crate::pipeline::{Cause, Collector};

/// The protocol of the candidate that is asked now.
pub(super) struct Effective(pub(super) Arc<CallState>);

impl Effective {
    pub(super) fn api(&self) -> Api {
        self.0.current().api
    }
}

impl Codec for Effective {
    fn decode(&self, request: &RawRequest) -> Result<ChatRequest, CodecError> {
        self.api().protocol().decode(request)
    }

    fn encode(&self, request: &ChatRequest, original: &RawRequest) -> Result<RawRequest, CodecError> {
        self.api().protocol().encode(request, original)
    }
}

impl ResponseCodec for Effective {
    fn decode_response(&self, response: &Value) -> Result<ChatResponse, CodecError> {
        self.api().protocol().decode_response(response)
    }
}

impl StreamCodec for Effective {
    fn aggregator(&self) -> Box<dyn StreamAggregator> {
        self.api().protocol().aggregator()
    }

    fn text_delta(&self, chunk: &Value) -> Option<String> {
        self.api().protocol().text_delta(chunk)
    }

    fn chunk_summary(&self, index: u64, chunk: &Value) -> Value {
        self.api().protocol().chunk_summary(index, chunk)
    }
}

/// Puts the chunks of a stream together, and keeps the whole for the answer.
pub(super) struct Gathered {
    state: Arc<CallState>,
    /// Made for the first chunk: before it, nobody knows who answers.
    aggregator: Option<Box<dyn StreamAggregator>>,
}

impl Gathered {
    pub(super) fn new(state: &Arc<CallState>) -> Self {
        Self { state: Arc::clone(state), aggregator: None }
    }
}

impl Collector for Gathered {
    fn collect(&mut self, chunk: &Value) -> Result<(), Cause> {
        let state = &self.state;
        self.aggregator.get_or_insert_with(|| state.effective().aggregator()).push(chunk).map_err(Cause::from)
    }

    fn finish(self: Box<Self>) -> Value {
        let Some(aggregator) = self.aggregator else { return Value::Null };
        let whole = self.state.without_key(aggregator.finish());
        self.state.set_whole(whole.clone());
        whole
    }
}
