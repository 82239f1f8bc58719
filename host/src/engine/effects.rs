//! Effects that may happen once (E5): what becomes of a call whose attempt nobody knows the end of.

use super::call::Call;
use super::calls::Ended;
use super::events::Event;
use super::patience::DEFAULT_WINDOW;
use super::question;
use super::recorder::Step;
use super::run::Run;
use crate::ids::CallId;
use crate::journal::{AttemptStatus, Failure, Outcome};
use crate::sandbox::{OnUnknown, Stop};
use crate::store::{Durability, NewWait, Resolution, WaitRow, get_text, put_bytes};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

use super::EngineError;

/// What a person may answer.
fn schema() -> Value {
    json!({
        "oneOf": [
            { "type": "object", "required": ["action"], "additionalProperties": false,
              "properties": { "action": { "enum": ["retry", "fail"] } } },
            { "type": "object", "required": ["action", "value"], "additionalProperties": false,
              "properties": { "action": { "const": "result" }, "value": {} } },
        ],
    })
}

/// What nobody knows of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// Whether its effect happened, which may happen only once.
    Effect,
    /// Whether a model answered it, and charged for that.
    Answer,
}

impl Unknown {
    fn of_failure(self) -> &'static str {
        match self {
            Self::Effect => "nobody knows whether it happened, and it may happen only once",
            Self::Answer => "nobody knows whether the model answered, and charged for it",
        }
    }

    fn of_question(self, name: &str, how: &str) -> String {
        match self {
            Self::Effect => format!(
                "`{name}` may happen only once, and {how} while it ran. Did it happen? \
                 Answer with its result, have it run again, or let it fail."
            ),
            Self::Answer => format!(
                "{how} while a model was asked for `{name}`, which may have been charged. \
                 Answer in the model's place, have it asked again, or let the call fail."
            ),
        }
    }
}

/// Settles a call that may have had its effect. None where it is to run again.
pub(super) async fn settle_unknown(
    run: &Arc<Run>,
    call: &Call,
    what: Unknown,
    policy: OnUnknown,
    attempt: u32,
) -> Result<Option<Ended>, Stop> {
    match policy {
        OnUnknown::Retry => Ok(None),
        OnUnknown::Fail => end(run, call, attempt, Outcome::Failure(unknown(run, call, what))).await.map(Some),
        OnUnknown::Ask => ask(run, call, what, attempt).await,
    }
}

fn unknown(run: &Run, call: &Call, what: Unknown) -> Failure {
    let id = CallId { execution: run.id(), index: call.index };
    let name = &call.descriptor.invocation;
    let message = format!("{} while `{name}` ran: {}", how(run, call), what.of_failure());
    Failure::runtime("unknown-outcome", message)
        .at_call(call.index)
        .with_details(&json!({ "idempotency_key": run.idempotency_key(id) }))
}

/// How the attempt in question came to no end.
fn how(run: &Run, call: &Call) -> &'static str {
    let last = run.cursor.own().call(call.index).and_then(|record| record.attempts.last());
    match last.map(|attempt| &attempt.status) {
        Some(AttemptStatus::Cancelled) => "the flow failed",
        _ => "the host died",
    }
}

async fn end(run: &Run, call: &Call, attempt: u32, outcome: Outcome) -> Result<Ended, Stop> {
    // The attempt in question is the last that started.
    Ok(run.finish_ran(call.index, attempt.saturating_sub(1), outcome).await?)
}

/// Asks a person what happened. The question stands under the call's own ID.
async fn ask(run: &Arc<Run>, call: &Call, what: Unknown, attempt: u32) -> Result<Option<Ended>, Stop> {
    let id = CallId { execution: run.id(), index: call.index };
    let store = run.store.as_ref();
    let name = &call.descriptor.invocation;
    // An answer is about one attempt: another one is asked about anew.
    let metadata = json!({ "idempotency_key": run.idempotency_key(id), "attempt": attempt, "unknown_outcome": true }).to_string();
    let question = NewWait {
        call: call.index,
        name: name.clone(),
        question: Some(what.of_question(name, how(run, call))),
        schema: Some(schema().to_string()),
        metadata: Some(metadata.clone()),
        deadline: None,
        default: None,
    };
    let resolution = question::put(run, question, Duration::from_secs(DEFAULT_WINDOW), |wait: &WaitRow| {
        wait.wait.metadata.as_ref() == Some(&metadata)
    })
    .await?;
    run.tell_stop(|| Event::Answered { id });
    let answer = match resolution {
        Resolution::Answered(payload) => {
            let text = get_text(store, &payload).await.map_err(EngineError::from)?;
            serde_json::from_str::<Value>(&text).unwrap_or_default()
        }
        Resolution::Aborted | Resolution::Expired => json!({ "action": "fail" }),
    };
    match answer.get("action").and_then(Value::as_str) {
        Some("result") => {
            let value = answer.get("value").cloned().unwrap_or_default().to_string();
            let value = put_bytes(store, value.into_bytes()).await.map_err(EngineError::from)?;
            end(run, call, attempt, Outcome::Success(value)).await.map(Some)
        }
        Some("retry") => {
            run.calls.unpark(&run.recorder, id.index, Step::default(), Durability::Full)?;
            Ok(None)
        }
        _ => end(run, call, attempt, Outcome::Failure(unknown(run, call, what))).await.map(Some),
    }
}
