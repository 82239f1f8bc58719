//! Calls that nobody can answer yet (`llm.on_missing = pending`): the request waits, durably, for a model and its key, or for somebody who
//! answers in a model's place.

use std::sync::Arc;
use std::time::Duration;

use kitaru_llm::gateway::{CallFailure, Gateway, PlannedCall};
use serde_json::{Value, json};

use super::place;
use crate::engine::EngineError;
use crate::engine::call::Call;
use crate::engine::calls::Ended;
use crate::engine::events::Event;
use crate::engine::question;
use crate::engine::recorder::Step;
use crate::engine::run::Run;
use crate::engine::seats::PUT_OFF;
use crate::ids::CallId;
use crate::journal::{AttemptStatus, CallRecord, Failure, Origin, Outcome};
use crate::sandbox::{Grants, Stop};
use crate::store::{Durability, MISSING_MODEL, NewWait, Resolution, StoreError, WaitRow};

/// How long the runner that has no model stays with the execution: another process may have one, and can take it up only when it is left.
const STAY: Duration = Duration::ZERO;
/// The kind of an attempt's failure that is none: it found no model, and waited for one. No guest can say so, since its own failures have another
/// origin.
const WAITED: &str = "missing-model";

/// Kinds of failure that a model or a key mends.
const MISSING: [&str; 2] = [CallFailure::NOT_CONFIGURED, CallFailure::CREDENTIALS];

/// Whether a call cannot be made because nobody is there to answer it.
pub(super) fn is_missing(failure: &CallFailure) -> bool {
    MISSING.contains(&failure.kind)
}

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Stands {
    /// A call of the flow.
    ForCall,
    /// A checkpoint whose body makes the call.
    ForCheckpoint,
}

impl Stands {
    /// What the scope that makes the call may touch.
    fn grants(self, run: &Run, call: &Call) -> Arc<Grants> {
        match self {
            Self::ForCall => run.scopes.flow().clone(),
            Self::ForCheckpoint => run.grants_of(&call.descriptor.name),
        }
    }

    /// What people are told that they can do.
    fn advice(self) -> &'static str {
        match self {
            Self::ForCall => "The call goes on when there is a model and a key for it. Or answer in the model's place.",
            Self::ForCheckpoint => "The checkpoint runs again when there is a model and a key for it. Or answer with its result.",
        }
    }

    /// What an answer looks like.
    fn schema(self) -> Value {
        match self {
            Self::ForCall => json!({ "type": ["string", "object"] }),
            Self::ForCheckpoint => json!(true),
        }
    }
}

impl Run {
    /// Whether a call that nobody can answer waits until somebody can.
    pub(in crate::engine) fn waits_for_models(&self) -> bool {
        self.engine.waits_for_models() && self.spec.grants.names_models()
    }

    /// The same for this call of a scope with `grants`: what is not granted fails at once, whatever else is missing.
    pub(super) fn waits_for(&self, planned: &PlannedCall, grants: &Grants) -> bool {
        let granted = planned.selected().map_or_else(|| grants.may_name_models(), |model| place::is_granted(grants, model));
        granted && self.waits_for_models()
    }

    /// Failed attempts of a checkpoint call; those do not count that found no model and waited for one, or that made room for others.
    pub(in crate::engine) fn failed_attempts(&self, record: &CallRecord) -> u32 {
        // No guest can say so: its failures have another origin.
        let passed = record.attempts.iter().filter(|attempt| match &attempt.status {
            AttemptStatus::Failed(failure) => {
                failure.origin == Origin::Runtime && [WAITED, PUT_OFF].contains(&failure.kind.as_str())
            }
            _ => false,
        });
        record.failed_attempts().saturating_sub(u32::try_from(passed.count()).unwrap_or(u32::MAX))
    }

    /// A checkpoint call ends by itself: nobody needs to answer for it, if somebody was asked.
    pub(in crate::engine) async fn answer_is_not_needed(&self, index: u32) -> Result<(), Stop> {
        if self.waits_for_models() {
            put_off(self, index).await?;
        }
        Ok(())
    }

    /// How a call ends that somebody has answered in a model's place, or given up, while nobody drove it: that counts, even if there is a model by
    /// now. None where nobody has.
    pub(in crate::engine) async fn answered_for_model(
        self: &Arc<Self>,
        call: &Call,
        attempt: u32,
    ) -> Result<Option<Ended>, Stop> {
        // Only of a call that the journal knew before was anybody asked before.
        if self.cursor.own().call(call.index).is_none() {
            return Ok(None);
        }
        given(self, call, attempt).await
    }

    /// Returns when the model call can be made that an attempt of a checkpoint could not make; or how the checkpoint ended without that.
    pub(in crate::engine) async fn wait_for_body(
        self: &Arc<Self>,
        call: &Call,
        planned: PlannedCall,
        attempt: u32,
    ) -> Result<Option<Ended>, Stop> {
        let gateway = self.engine.models().await?;
        match wait_for_model(self, gateway, call, planned, Stands::ForCheckpoint, attempt).await? {
            Waited::Ready(_) => Ok(None),
            Waited::Ended(ended) => Ok(Some(ended)),
        }
    }
}

/// The failure of an attempt that found no model and waits for one, as it is journaled: what the body made of that says nothing of what it waits for.
pub(in crate::engine) fn waited(failure: &Failure) -> Failure {
    let details = json!({ "kind": failure.kind, "origin": failure.origin.as_str() }).to_string();
    Failure { details: Some(details), call_index: failure.call_index, ..Failure::runtime(WAITED, failure.message.clone()) }
}

/// What the question's metadata says: which model is missing, and what the call asked for, by which any process finds out whether it has it.
fn metadata_of(planned: &PlannedCall) -> Value {
    json!({
        MISSING_MODEL: true,
        "model": planned.selected().map(|model| &model.resolved_model),
        "requested_model": planned.request().model,
    })
}

/// What waiting for a model came to.
pub(super) enum Waited {
    /// The call can be made, as it is planned now; or nobody else's coming helps.
    Ready(Box<PlannedCall>),
    /// The call has ended without being made.
    Ended(Ended),
}

/// Returns when the call can be made; or how it ended without being made.
pub(super) async fn wait_for_model(
    run: &Arc<Run>,
    gateway: &Gateway,
    call: &Call,
    mut planned: PlannedCall,
    stands: Stands,
    attempt: u32,
) -> Result<Waited, Stop> {
    let id = CallId { execution: run.id(), index: call.index };
    loop {
        let missing = match gateway.is_ready(&planned).await {
            Err(failure) if is_missing(&failure) => failure,
            // Whatever else stands in the way is for the call itself to say. Nobody needs to answer any more; whoever was quicker has.
            _ => {
                let answered = !put_off(run, id.index).await?;
                let given = if answered { given(run, call, attempt).await? } else { None };
                return Ok(given.map_or_else(|| Waited::Ready(Box::new(planned)), Waited::Ended));
            }
        };
        let question = NewWait {
            call: id.index,
            name: call.descriptor.invocation.clone(),
            question: Some(format!("{} {}", missing.message, stands.advice())),
            schema: Some(stands.schema().to_string()),
            metadata: Some(metadata_of(&planned).to_string()),
            deadline: None,
            default: None,
        };
        // One that was put off stands for a look, and was looked at.
        let is_same = |wait: &WaitRow| is_marked(wait) && wait.resolution != Some(Resolution::Expired);
        let resolution = question::put(run, question, STAY, is_same).await?;
        if resolution == Resolution::Expired {
            run.calls.unpark(&run.recorder, id.index, Step::default(), Durability::Full)?;
            // Another model may be meant by now, and be one that may not be called: that is for the call itself to say, and not for a key.
            if let Ok(again) = run.plan_model(gateway, planned.request().clone(), planned.name().clone()) {
                planned = again;
            }
            let grants = stands.grants(run, call);
            if !run.waits_for(&planned, &grants) {
                return Ok(Waited::Ready(Box::new(planned)));
            }
            continue;
        }
        let ended = end(run, call, attempt, resolution).await?;
        return Ok(ended.map_or_else(|| Waited::Ready(Box::new(planned)), Waited::Ended));
    }
}

/// Ends a call as somebody said who was asked for it. None where its question was only put off.
async fn end(run: &Arc<Run>, call: &Call, attempt: u32, resolution: Resolution) -> Result<Option<Ended>, Stop> {
    let id = CallId { execution: run.id(), index: call.index };
    let outcome = match resolution {
        Resolution::Expired => return Ok(None),
        Resolution::Answered(answer) => Outcome::Success(answer),
        Resolution::Aborted => {
            let name = &call.descriptor.invocation;
            Outcome::Failure(
                Failure::user("aborted", format!("'{name}' was aborted while it waited for a model")).at_call(id.index),
            )
        }
    };
    let ended = run.finish_ran(id.index, attempt, outcome).await?;
    run.tell_stop(|| Event::Answered { id });
    Ok(Some(ended))
}

/// Ends a call as somebody has said whom its question was put to. None where it is open, was put off, or never asked.
async fn given(run: &Arc<Run>, call: &Call, attempt: u32) -> Result<Option<Ended>, Stop> {
    let id = CallId { execution: run.id(), index: call.index };
    let wait = match run.store.wait(id).await {
        Ok(wait) => wait,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(EngineError::from(error).into()),
    };
    match wait.resolution.clone().filter(|_| is_marked(&wait)) {
        Some(resolution) => end(run, call, attempt, resolution).await,
        None => Ok(None),
    }
}

/// A question is not asked any more, because its call goes on without an answer: it is not aborted, which a person does. False where it is settled
/// already.
async fn put_off(run: &Run, index: u32) -> Result<bool, EngineError> {
    let id = CallId { execution: run.id(), index };
    match run.store.resolve(id, None, Resolution::Expired, run.clock.now()).await {
        Ok(()) => {
            run.tell_stop(|| Event::Answered { id });
            Ok(true)
        }
        Err(StoreError::NotFound { .. }) => Ok(true),
        Err(StoreError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a question stands for a model that is missing: nobody has to answer it.
pub(in crate::engine) fn is_marked(wait: &WaitRow) -> bool {
    let metadata = wait.wait.metadata.as_ref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    metadata.is_some_and(|metadata| metadata.get(MISSING_MODEL) == Some(&Value::Bool(true)))
}
