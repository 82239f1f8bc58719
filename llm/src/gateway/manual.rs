//! Calls that somebody else makes.

use std::fmt;

use serde_json::{Map, Value, json};

use super::failing;
use super::failure::{CallFailure, FailureOrigin};
use super::record::CallRecord;
use super::session::Session;
use crate::chat::{ChatResponse, Content, FinishReason, Usage};
use crate::clock::Timestamp;
use crate::codec::ResponseCodec as _;
use crate::pipeline::{CallEnd, ManualCall};
use crate::policy::middleware::{cost_of, system_time};
use crate::price::{Cost, NanoUsd};
use crate::usage::{BillingEffect, RecordStatus, TokenCounts};

/// What is known of a call that somebody else made, beside its response. What is not said is taken from the response, as far as it can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanEnd {
    /// The tokens.
    pub tokens: Option<TokenCounts>,
    /// What the provider charged.
    pub cost: Option<NanoUsd>,
}

/// A call that somebody else makes, and that is recorded. Dropped it ends as an error of the class `not_ended`.
pub struct ManualSpan(Begun);

enum Begun {
    Recorded(Box<(Session, ManualCall, Timestamp)>),
    /// The call means no model, so there is nothing to record.
    Refused(Box<CallRecord>),
}

impl ManualSpan {
    pub(super) fn new(session: Session, call: ManualCall, started: Timestamp) -> Self {
        Self(Begun::Recorded(Box::new((session, call, started))))
    }

    pub(super) fn refused(record: CallRecord) -> Self {
        Self(Begun::Refused(Box::new(record)))
    }

    /// Records the response: a document in the protocol of the planned model, a text, or an object with a `text`. Its usage counts as the
    /// call's, and no budget is asked.
    pub async fn end(self, response: Value, end: SpanEnd) -> CallRecord {
        let (session, call, started) = match self.0 {
            Begun::Recorded(begun) => *begun,
            Begun::Refused(record) => return *record,
        };
        let decoded = session.state.effective().decode_response(&response).ok();
        let read = decoded.clone().unwrap_or_else(|| plain(&response));
        let tokens = end.tokens.unwrap_or_else(|| TokenCounts::from_response(&read));
        let cost = session.cost_of(&read, &tokens, end.cost, started);
        session.count_manual(&read, &tokens, &cost, call.uuid(), started, RecordStatus::Completed);
        let metadata = Map::from_iter([
            ("kitaru.llm.cost_usd".to_owned(), json!(cost.amount)),
            ("kitaru.llm.cost_source".to_owned(), json!(cost.source)),
            ("kitaru.llm.manual".to_owned(), json!(true)),
        ]);
        let annotated = Some(read.clone());
        // What is no document of the protocol is recorded all the same.
        let _ = call.end_annotated(response.clone(), annotated, None, CallEnd { metadata, ..CallEnd::default() }).await;
        let outcome = session.answer_of(read, decoded.map(|_| response));
        session.record(outcome).await
    }

    /// Records that it failed, with the class of the error: one word, and nothing of a payload.
    pub async fn fail(self, error_type: &str) -> CallRecord {
        let (session, call, started) = match self.0 {
            Begun::Recorded(begun) => *begun,
            Begun::Refused(record) => return *record,
        };
        let cost = Cost::unknown("the call failed");
        let read = ChatResponse::default();
        session.count_manual(&read, &TokenCounts::default(), &cost, call.uuid(), started, RecordStatus::Failed);
        let word: String = error_type.chars().filter(|char| char.is_alphanumeric() || "._-".contains(*char)).take(64).collect();
        let word = if word.is_empty() { "error".to_owned() } else { word };
        let metadata = Map::from_iter([("kitaru.llm.manual".to_owned(), json!(true))]);
        let end = CallEnd { metadata, error_type: Some(word.clone()), ..CallEnd::default() };
        let _ = call.end(Value::Null, end).await;
        let message = format!("the call of `{}` failed: {word}", session.state.first.selected.resolved_model);
        session.record(Err(CallFailure::new(CallFailure::PROVIDER, FailureOrigin::Backend, message))).await
    }
}

/// A response in nobody's protocol.
fn plain(response: &Value) -> ChatResponse {
    let text = match response {
        Value::String(text) => text.clone(),
        other => other.get("text").and_then(Value::as_str).map_or_else(|| other.to_string(), str::to_owned),
    };
    ChatResponse { message: Some(Content::Text(text)), finish_reason: Some(FinishReason::Complete), ..ChatResponse::default() }
}

impl fmt::Debug for ManualSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let uuid = match &self.0 {
            Begun::Recorded(begun) => begun.1.uuid(),
            Begun::Refused(_) => None,
        };
        f.debug_struct("ManualSpan").field("uuid", &uuid).finish_non_exhaustive()
    }
}

impl Session {
    fn cost_of(&self, read: &ChatResponse, tokens: &TokenCounts, reported: Option<NanoUsd>, at: Timestamp) -> Cost {
        let said = read.usage.as_ref().and_then(|usage| usage.reported_cost_nanodollars);
        let usage = Usage {
            prompt_tokens: tokens.input,
            completion_tokens: tokens.output,
            total_tokens: tokens.total,
            cache_read_tokens: tokens.cached_input,
            cache_write_tokens: tokens.cache_write,
            long_cache_write_tokens: tokens.long_cache_write,
            reasoning_tokens: tokens.reasoning,
            reported_cost_nanodollars: reported.map(NanoUsd::as_nanos).or(said),
        };
        // Without what is the provider's own, the counts mean what they say.
        let counted = ChatResponse { model: read.model.clone(), usage: Some(usage), ..ChatResponse::default() };
        cost_of(self.pricing(), &self.state.facts(), &counted, system_time(at), false)
    }

    fn count_manual(
        &self,
        read: &ChatResponse,
        tokens: &TokenCounts,
        cost: &Cost,
        event: Option<uuid::Uuid>,
        started: Timestamp,
        status: RecordStatus,
    ) {
        let number = self.state.next_attempt();
        let mut record = self.state.usage_record(event, number, read.model.clone(), tokens.clone(), cost.clone());
        record.status = status;
        record.billing_effect = if status == RecordStatus::Failed { BillingEffect::Unknown } else { BillingEffect::Incurred };
        record.latency_ms = Some(failing::milliseconds(self.now().since(started)));
        self.state.keep_usage(record);
        if status == RecordStatus::Completed {
            self.state.add_answer(tokens.clone(), cost.clone());
        }
    }
}
