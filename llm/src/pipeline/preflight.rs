//! Guardrails before a call, each in a scope of its own.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::call::CallInfo;
use super::error::{CallError, Stage};
use super::middleware::{Payload, Verdict};
use super::registrations::Chains;
use super::runtime::end_time;
use super::span::sanitize;
use super::time_limit;
use crate::clock::Timestamp;
use crate::event::{Attributes, Category, Event, Kind, Phase};

/// Why a call may not happen, and what is recorded of the reason.
pub(super) struct Refused {
    error: CallError,
    recorded: Option<String>,
}

impl From<Refused> for CallError {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

/// Asks the guardrails in order; the first that rejects, fails or takes too long ends it. `described` is what the start events say of the
/// call; the request is not among it. A reason may quote the request, so it is recorded as the sanitisers of reasons leave it, and the caller gets it
/// whole.
pub(super) async fn check<R: Payload>(
    call: &Arc<CallInfo>,
    chains: &Chains<R>,
    request: &R,
    described: &Value,
) -> Result<(), Refused> {
    for entry in chains.guardrails.iter() {
        let scope = GuardrailScope::begin(call, &entry.name, described.clone());
        let name = entry.name.clone();
        match time_limit::run(Stage::Guardrail, entry, entry.item.check(call, request)).await {
            Ok(Ok(Verdict::Allow)) => scope.end(json!({ "allowed": true, "rejected": false })),
            Ok(Ok(Verdict::Reject { reason })) => {
                let recorded = sanitize(call, &chains.reason_sanitizers, reason.clone(), true).await.payload;
                scope.end(json!({ "allowed": false, "rejected": true, "rejection_reason": recorded }));
                return Err(Refused { error: CallError::Rejected { guardrail: name, reason }, recorded });
            }
            Ok(Err(cause)) => {
                let recorded = sanitize(call, &chains.reason_sanitizers, cause.to_string(), true).await.payload;
                scope.end(json!({ "allowed": false, "error": recorded }));
                return Err(Refused { error: CallError::Middleware { stage: Stage::Guardrail, name, cause }, recorded });
            }
            Err(timed_out) => {
                scope.end(json!({ "allowed": false, "error": timed_out.to_string() }));
                return Err(Refused { error: CallError::TimedOut(timed_out), recorded: None });
            }
        }
    }
    Ok(())
}

/// Records that a guardrail stopped the call, which has no events of its own then.
pub(super) fn mark_rejection(call: &CallInfo, refused: &Refused) {
    if let Refused { error: CallError::Rejected { .. }, recorded } = refused {
        let data = json!({ "rejected": true, "rejection_reason": recorded });
        call.emit_mark(call.name.clone(), call.parent, data, call.metadata.clone());
    }
}

/// The scope of one evaluation. Dropped without an end (because the call was) it ends as an error.
struct GuardrailScope<'a> {
    call: &'a CallInfo,
    name: &'a str,
    uuid: Uuid,
    started_at: Timestamp,
    ended: bool,
}

impl<'a> GuardrailScope<'a> {
    fn begin(call: &'a CallInfo, name: &'a str, data: Value) -> Self {
        let (uuid, started_at) = (call.emitter.uuid(), call.emitter.now());
        let scope = Self { call, name, uuid, started_at, ended: false };
        scope.emit(Phase::Start, started_at, data);
        scope
    }

    fn end(mut self, data: Value) {
        self.emit_end(data);
    }

    fn emit_end(&mut self, data: Value) {
        self.ended = true;
        let at = end_time(self.started_at, None, || self.call.emitter.now());
        self.emit(Phase::End, at, data);
    }

    fn emit(&self, phase: Phase, timestamp: Timestamp, data: Value) {
        self.call.emitter.emit(&Event {
            uuid: self.uuid,
            parent: self.call.parent,
            timestamp,
            name: self.name.to_owned(),
            kind: Kind::Scope { phase, category: Category::Guardrail, attributes: Attributes::none() },
            profile: None,
            data,
            data_schema: None,
            metadata: self.call.metadata.clone(),
        });
    }
}

impl Drop for GuardrailScope<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.emit_end(json!({ "allowed": false, "error": "cancelled" }));
        }
    }
}
