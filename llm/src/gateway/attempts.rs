//! Attempts and fallbacks of one call.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::core::Core;
use super::failing;
use super::failure::{CallFailure, FailureOrigin};
use super::state::CallState;
use crate::chat::RawRequest;
use crate::event::otel::TIME_TO_FIRST_CHUNK;
use crate::pipeline::{CallInfo, ChunkSource, Chunks, ExecutionIntercept, Failure, Next};
use crate::policy::{BudgetError, RateLimited};
use crate::provider::TransportError;
use crate::retry::{AttemptReport, GaveUp, Next as After, run};

/// There is no turn or no budget for a further attempt; and what the attempt before it failed of.
#[derive(Debug, thiserror::Error)]
#[error("{}", .refused.cause())]
pub(super) struct NoFurther {
    /// Why there is none.
    pub(super) refused: Failure,
    /// What a provider was last asked, and failed of.
    pub(super) last: TransportError,
    /// Attempts that were made.
    pub(super) attempts: u32,
}

/// Repeats what fails, and turns to the fallbacks. Finds the keys of all candidates before the first is asked.
pub(super) struct Retried(pub(super) Arc<Core>);

/// A candidate that can be asked, by its position, and what it is asked.
type Usable = (usize, RawRequest);

impl Retried {
    async fn repeat<O, F, Fut>(&self, call: &Arc<CallInfo>, request: RawRequest, attempt: F) -> Result<O, Failure>
    where
        F: Fn(RawRequest) -> Fut + Send + Sync,
        Fut: Future<Output = Result<O, Failure>> + Send,
    {
        let Some(state) = CallState::of(call) else { return attempt(request).await };
        let usable = self.usable(call, &state, &request).await?;
        let one = |position: usize| {
            let (attempt, state, chosen) = (&attempt, &state, usable.get(position).cloned());
            async move {
                let Some((candidate, request)) = chosen else { return Ok(Err(nobody())) };
                state.turn_to(candidate);
                match attempt(request).await {
                    Ok(done) => Ok(Ok(done)),
                    // Only what a provider does is repeated.
                    Err(failure) => match failure.downcast_ref::<TransportError>() {
                        Some(error) => Err(error.clone()),
                        None => Ok(Err(failure)),
                    },
                }
            }
        };
        let mut last = None;
        let mut report = |report: AttemptReport<'_>| {
            let Some(error) = report.error else { return };
            last = Some(error.clone());
            let model =
                |position: usize| usable.get(position).map(|(index, _)| state.candidate(*index).selected.resolved_model.clone());
            let mut data = json!({ "attempt": report.number, "model": model(report.candidate), "error_type": error.kind() });
            let next = match report.next {
                After::Retry(pause) => json!({ "next": "retry", "pause_ms": failing::milliseconds(pause) }),
                After::Fallback(position) => json!({ "next": "fallback", "next_model": model(position) }),
                After::GiveUp | After::Done => json!({ "next": "give_up" }),
            };
            if let (Some(data), Value::Object(next)) = (data.as_object_mut(), next) {
                data.extend(next);
            }
            call.mark("llm.retry", data);
        };
        match run(&self.0.retry, &self.0.pace(), usable.len(), one, &mut report).await {
            Ok(served) => {
                if served.attempts > 1 {
                    call.note("kitaru.llm.attempts", json!(served.attempts));
                }
                served.value.map_err(|failure| match last {
                    Some(last) if is_refusal(&failure) => {
                        let class = failure.error_type().to_owned();
                        Failure::new(class, NoFurther { refused: failure, last, attempts: served.attempts.saturating_sub(1) })
                    }
                    _ => failure,
                })
            }
            Err(gave_up) => {
                let kind = match &gave_up {
                    GaveUp::NoCandidate => "usage".to_owned(),
                    GaveUp::Failed { last, .. } => last.kind(),
                };
                Err(Failure::new(kind, gave_up))
            }
        }
    }

    /// The candidates that can be asked. The one that is wanted must be among them; a fallback that cannot be asked is left out, with a mark.
    async fn usable(&self, call: &Arc<CallInfo>, state: &Arc<CallState>, request: &RawRequest) -> Result<Vec<Usable>, Failure> {
        state.rewind();
        let mut usable = Vec::new();
        for position in 0..=state.fallbacks.len() {
            let ready = match self.request_of(state, position, request) {
                Ok(request) => state.prepare(&self.0, position).await.map(|()| request),
                Err(failure) => Err(failure),
            };
            match ready {
                Ok(request) => usable.push((position, request)),
                Err(failure) if position == 0 => return Err(Failure::new(failure.kind, failure)),
                Err(failure) => {
                    let model = &state.candidate(position).selected.resolved_model;
                    call.mark("llm.fallback_skipped", json!({ "model": model, "reason": failure.kind }));
                }
            }
        }
        Ok(usable)
    }

    /// What a candidate is asked. Rules and limits count for a fallback as they do for the model that is wanted.
    fn request_of(&self, state: &Arc<CallState>, position: usize, request: &RawRequest) -> Result<RawRequest, CallFailure> {
        if position == 0 {
            return Ok(request.clone());
        }
        let wrong = |error: crate::codec::CodecError| CallFailure::usage(error.to_string());
        let candidate = state.candidate(position);
        let adapted = candidate.adapt(&state.first, request).map_err(wrong)?;
        let codec = candidate.api.protocol();
        let chat = codec.decode(&adapted).map_err(wrong)?;
        let ruled = self.0.parameters.apply(&candidate.selected.resolved_model, chat.clone());
        let ruled = ruled.map_err(|error| CallFailure::usage(error.to_string()))?;
        let adapted = if ruled == chat { adapted } else { codec.encode(&ruled, &adapted).map_err(wrong)? };
        self.0
            .size
            .check(&adapted, &ruled)
            .map_err(|error| CallFailure::new(CallFailure::GUARDRAIL_REJECTED, FailureOrigin::User, error.to_string()))?;
        Ok(adapted)
    }
}

/// Whether an attempt was refused here, before anybody was asked.
fn is_refusal(failure: &Failure) -> bool {
    failure.downcast_ref::<RateLimited>().is_some() || failure.downcast_ref::<BudgetError>().is_some()
}

/// Stands for a position that does not exist; the loop never asks for one.
fn nobody() -> Failure {
    Failure::new("usage", CallFailure::usage("there is no such candidate"))
}

#[async_trait]
impl ExecutionIntercept<RawRequest> for Retried {
    async fn around(&self, call: &Arc<CallInfo>, request: RawRequest, next: Next<RawRequest>) -> Result<Value, Failure> {
        self.repeat(call, request, |request| {
            let next = next.clone();
            async move { next.run(request).await }
        })
        .await
    }
}

/// Until the first chunk is there nothing was delivered, so it belongs to the attempt.
#[async_trait]
impl ExecutionIntercept<RawRequest, Chunks> for Retried {
    async fn around(&self, call: &Arc<CallInfo>, request: RawRequest, next: Next<RawRequest, Chunks>) -> Result<Chunks, Failure> {
        self.repeat(call, request, |request| {
            let (next, call) = (next.clone(), Arc::clone(call));
            async move {
                let mut rest = next.run(request).await?;
                let first = rest.next().await.transpose()?;
                // Now it is there; whoever asked for the stream may come for it later.
                if let Some(took) = call.elapsed().filter(|_| first.is_some()) {
                    call.note(TIME_TO_FIRST_CHUNK, json!(took.as_secs_f64()));
                }
                Ok(Box::new(Begun { first, rest }) as Chunks)
            }
        })
        .await
    }
}

/// A stream whose first chunk is there.
struct Begun {
    first: Option<Value>,
    rest: Chunks,
}

#[async_trait]
impl ChunkSource for Begun {
    async fn next(&mut self) -> Option<Result<Value, Failure>> {
        match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => self.rest.next().await,
        }
    }
}
