//! Scripted answers in place of the provider.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{AnsweredBy, CallContext, CallFacts, decode};
use crate::chat::RawRequest;
use crate::codec::Api;
use crate::pipeline::{CallInfo, Chunks, ExecutionIntercept, Failure, Next, ReadyChunks};
use crate::policy::{MockCall, MockScript};

/// Answers calls from a script; what the script does not know goes on. The delay of a scripted answer passes before its first piece.
pub struct Mocked {
    /// The script.
    pub script: Arc<MockScript>,
    /// Knows the calls.
    pub context: Arc<dyn CallContext>,
}

impl Mocked {
    async fn answer(&self, call: &CallInfo, facts: &CallFacts, request: &RawRequest) -> Result<Option<Value>, Failure> {
        // A prompt that cannot be read has no text that a rule could find.
        let prompt = decode(call, request).map(|decoded| {
            let texts: Vec<_> = decoded.messages.iter().map(crate::chat::Message::text).collect();
            texts.join("\n")
        });
        let asked = MockCall {
            name: facts.call_name.as_deref().unwrap_or(&call.name),
            requested_model: &facts.requested_model,
            resolved_model: &facts.resolved_model,
            prompt: prompt.as_deref().unwrap_or_default(),
        };
        let Some(reply) = self.script.answer(asked).map_err(|error| Failure::new("mock", error))? else { return Ok(None) };
        call.note("kitaru.llm.mock", json!(true));
        if reply.delay_ms > 0 {
            tokio::time::sleep(Duration::from_millis(reply.delay_ms)).await;
        }
        let id = call.uuid().map_or_else(|| "mock".to_owned(), |uuid| format!("mock-{uuid}"));
        let model = facts.resolved_model.split_once('/').map_or(facts.resolved_model.as_str(), |(_, model)| model);
        let raw = reply.to_raw(facts.api.unwrap_or(Api::OpenAiChat), &id, model).map_err(|failure| match failure.status {
            Some(status) => Failure::new(status.to_string(), failure),
            None => Failure::new("unreachable", failure),
        })?;
        self.context.answered(call, AnsweredBy::Script { response: &raw, delay_ms: reply.delay_ms });
        Ok(Some(raw))
    }
}

#[async_trait]
impl ExecutionIntercept<RawRequest> for Mocked {
    async fn around(&self, call: &Arc<CallInfo>, request: RawRequest, next: Next<RawRequest>) -> Result<Value, Failure> {
        let facts = self.context.facts(call);
        match self.answer(call, &facts, &request).await? {
            Some(answer) => Ok(answer),
            None => next.run(request).await,
        }
    }
}

#[async_trait]
impl ExecutionIntercept<RawRequest, Chunks> for Mocked {
    async fn around(&self, call: &Arc<CallInfo>, request: RawRequest, next: Next<RawRequest, Chunks>) -> Result<Chunks, Failure> {
        let facts = self.context.facts(call);
        match self.answer(call, &facts, &request).await? {
            Some(answer) => {
                let chunks = facts.api.unwrap_or(Api::OpenAiChat).chunks_of(&answer);
                Ok(Box::new(ReadyChunks(chunks.into_iter().map(Ok))))
            }
            None => next.run(request).await,
        }
    }
}
