//! Answers from the cache.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::watched::watch;
use super::{AnsweredBy, CallContext, CallFacts, cost_of, decode, moment, read_response};
use crate::chat::RawRequest;
use crate::clock::Clock;
use crate::codec::Api;
use crate::pipeline::{CallInfo, Chunks, ExecutionIntercept, Failure, Next, ReadyChunks};
use crate::policy::{CacheEntry, CacheKey, CacheOutcome, CachedCall, ResponseCache};
use crate::price::{NanoUsd, Pricing};
use crate::usage::TokenCounts;

/// Answers calls from the cache, and keeps what the provider answers. Whatever goes wrong in the cache, the call is made. An answer is the same
/// whether it came in one piece or in many. The answer of a fallback is not kept: it is not that of the model that was asked for.
#[derive(Clone)]
pub struct Cached {
    /// The cache.
    pub cache: Arc<ResponseCache>,
    /// Knows the calls.
    pub context: Arc<dyn CallContext>,
    /// Says what an answer cost, and so what it saves next time.
    pub pricing: Arc<Pricing>,
    /// Says how old an answer is.
    pub clock: Arc<dyn Clock>,
    /// Draws numbers from 0 up to 1.
    pub chance: Arc<dyn Fn() -> f64 + Send + Sync>,
}

/// What the cache has for a call.
enum Found {
    Answer(Value),
    /// Nothing, and under which key an answer is to be kept if at all.
    Nothing(Option<CacheKey>),
}

impl Cached {
    async fn look_up(&self, call: &CallInfo, facts: &CallFacts, request: &RawRequest) -> Found {
        let Ok(decoded) = decode(call, request) else { return Found::Nothing(None) };
        let asked = CachedCall {
            alias: facts.alias.as_deref(),
            resolved_model: &facts.resolved_model,
            endpoint: &facts.endpoint,
            api: facts.api,
            request: &decoded,
            raw: request,
            chance: (self.chance)(),
            now: moment(self.clock.as_ref()),
        };
        let outcome = self.cache.look_up(asked).await;
        let mark = self.cache.mark(&outcome);
        call.note("kitaru.llm.cache", mark.get("status").cloned().unwrap_or_default());
        call.mark("response_cache", Value::Object(mark));
        match outcome {
            CacheOutcome::Hit { entry, .. } => {
                call.note("kitaru.llm.cost_usd", json!(NanoUsd::ZERO));
                self.context.answered(call, AnsweredBy::Cache(&entry));
                Found::Answer(entry.response)
            }
            CacheOutcome::Bypass(_) => Found::Nothing(None),
            CacheOutcome::Miss { key, .. } => Found::Nothing(Some(key)),
        }
    }

    async fn keep(&self, call: &CallInfo, asked: &CallFacts, key: &CacheKey, response: &Value) {
        let answered = self.context.facts(call);
        let read = read_response(call, response);
        if answered.resolved_model != asked.resolved_model || !self.context.may_keep(call, &read, response) {
            return;
        }
        let now = moment(self.clock.as_ref());
        let tokens = TokenCounts::from_response(&read);
        let cost = cost_of(&self.pricing, asked, &read, now, false).amount;
        let entry = CacheEntry { stored_at: now, response: response.clone(), model: read.model.clone(), tokens, cost };
        // A failure of the store is its own trouble: the answer is here.
        let _ = self.cache.keep(key, &read, entry).await;
    }
}

#[async_trait]
impl ExecutionIntercept<RawRequest> for Cached {
    async fn around(&self, call: &Arc<CallInfo>, request: RawRequest, next: Next<RawRequest>) -> Result<Value, Failure> {
        let facts = self.context.facts(call);
        match self.look_up(call, &facts, &request).await {
            Found::Answer(answer) => Ok(answer),
            Found::Nothing(None) => next.run(request).await,
            Found::Nothing(Some(key)) => {
                let response = next.run(request).await?;
                self.keep(call, &facts, &key, &response).await;
                Ok(response)
            }
        }
    }
}

#[async_trait]
impl ExecutionIntercept<RawRequest, Chunks> for Cached {
    async fn around(&self, call: &Arc<CallInfo>, request: RawRequest, next: Next<RawRequest, Chunks>) -> Result<Chunks, Failure> {
        let facts = self.context.facts(call);
        match self.look_up(call, &facts, &request).await {
            Found::Answer(answer) => {
                let chunks = facts.api.unwrap_or(Api::OpenAiChat).chunks_of(&answer);
                Ok(Box::new(ReadyChunks(chunks.into_iter().map(Ok))))
            }
            Found::Nothing(None) => next.run(request).await,
            Found::Nothing(Some(key)) => {
                let chunks = next.run(request).await?;
                let (cached, call, effective) = (self.clone(), Arc::clone(call), self.context.facts(call));
                Ok(watch(chunks, &effective, move |whole| async move {
                    if let Some(whole) = whole {
                        cached.keep(&call, &facts, &key, &whole).await;
                    }
                }))
            }
        }
    }
}
