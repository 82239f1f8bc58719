//! Questions: asked durably, answered from anywhere, resumed at once (E8).

use std::time::Duration;

use serde_json::Value;

use super::events::Event;
use super::flow_port::{Answer, Call, FlowCalls};
use super::recorder::Step;
use super::run::WaitPolicy;
use super::{Engine, EngineError, schema};
use crate::ids::CallId;
use crate::journal::{EntryBody, Failure, Outcome, Provenance};
use crate::sandbox::{Stop, WaitRequest};
use crate::store::{Durability, NewWait, Resolution, StatusChange, WaitRow, get_text, put_bytes};

/// Kitaru's polling window, in seconds.
const DEFAULT_WINDOW: u64 = 600;

/// The runner leaves a waiting execution to the store.
#[derive(Debug, thiserror::Error)]
#[error("the execution waits for an answer")]
pub(super) struct Suspended;

impl FlowCalls {
    /// Asks, or goes on asking, and answers the guest when somebody answered.
    pub(super) async fn ask(
        &self,
        call: &Call,
        request: WaitRequest,
        attempt: u32,
        started: bool,
    ) -> Result<Answer, EngineError> {
        let run = &self.run;
        let id = CallId { execution: run.id(), index: call.index };
        // Before the question is asked: an answer that comes at once must not be missed.
        let mut wakeups = run.store.watch(run.id()).await?;
        let window = Duration::from_secs(request.timeout_seconds.unwrap_or(DEFAULT_WINDOW));
        let mut resolution = None;
        if started {
            resolution = run.store.wait(id).await?.resolution;
            if resolution.is_none() {
                run.recorder.write(Step::status(StatusChange::Waiting), Durability::Full).await?;
            }
        } else {
            let start = EntryBody::CallStarted { call: call.index, attempt, descriptor: Some(call.descriptor.clone()) };
            let wait = NewWait {
                call: call.index,
                name: call.descriptor.invocation.clone(),
                question: request.question,
                schema: request.schema.as_ref().map(Value::to_string),
                metadata: request.metadata.as_ref().map(Value::to_string),
            };
            let step = Step { wait: Some(wait), ..Step::entry(start) }
                .with_status(StatusChange::Waiting)
                .with_metadata(self.metadata_text());
            run.recorder.write(step, Durability::Full).await?;
        }
        if resolution.is_none() {
            run.logs.flush().await;
            run.store.wake(run.id()).await?;
            run.tell(Event::Waiting { id });
            let answer = async {
                loop {
                    if let Some(resolution) = run.store.wait(id).await?.resolution {
                        return Ok::<_, EngineError>(resolution);
                    }
                    if run.wait_policy == WaitPolicy::Return || wakeups.changed().await.is_err() {
                        return Err(EngineError::state("waiting"));
                    }
                }
            };
            resolution = match run.wait_policy {
                WaitPolicy::Return => run.store.wait(id).await?.resolution,
                WaitPolicy::Stay => Some(answer.await?),
                WaitPolicy::Window => tokio::time::timeout(window, answer).await.ok().transpose()?,
            };
        }
        let Some(resolution) = resolution else { return Ok(Err(Stop::Engine(Box::new(Suspended)))) };
        let outcome = match resolution {
            Resolution::Answered(value) => Outcome::Success(value),
            Resolution::Aborted => {
                let message = format!("wait '{}' aborted", call.descriptor.invocation);
                Outcome::Failure(Failure::user("aborted", message).at_call(call.index))
            }
        };
        let entry = EntryBody::CallEnded {
            call: call.index,
            attempt,
            descriptor: None,
            outcome: outcome.clone(),
            provenance: Provenance::Ran,
            metadata: None,
        };
        let at = run.recorder.write(Step::entry(entry).with_status(StatusChange::Running), Durability::Full).await?;
        run.flow_clock.advance(at);
        run.tell(Event::Answered { id });
        Ok(Ok(self.guest_value(outcome).await?))
    }
}

impl Engine {
    /// Answers a wait. Its runner, if one is there, goes on at once; otherwise the caller should drive the execution.
    ///
    /// # Errors
    /// [`EngineError::WaitInput`] when the value does not fit the wait's schema: the execution stays waiting.
    pub async fn answer(&self, wait: &WaitRow, value: &Value) -> Result<(), EngineError> {
        if let Some(text) = &wait.wait.schema {
            let execution = wait.id.execution;
            let schema: Value = serde_json::from_str(text).map_err(|source| EngineError::StoredJson {
                what: "wait schema",
                execution,
                source,
            })?;
            schema::check(&schema, value).map_err(|problem| EngineError::WaitInput {
                wait: wait.wait.name.clone(),
                execution,
                problem,
            })?;
        }
        let payload = put_bytes(self.store.as_ref(), value.to_string().into_bytes()).await?;
        self.settle(wait, Resolution::Answered(payload)).await
    }

    /// Ends a wait without an answer: the flow gets a failure of kind `aborted`.
    ///
    /// # Errors
    /// When it is settled already.
    pub async fn abort_wait(&self, wait: &WaitRow) -> Result<(), EngineError> {
        self.settle(wait, Resolution::Aborted).await
    }

    async fn settle(&self, wait: &WaitRow, resolution: Resolution) -> Result<(), EngineError> {
        Ok(self.store.resolve(wait.id, resolution, self.clock.now()).await?)
    }

    /// The open waits of an execution that waits.
    ///
    /// # Errors
    /// When the execution does not exist.
    pub async fn pending_waits(&self, execution: crate::ids::ExecutionId) -> Result<Vec<WaitRow>, EngineError> {
        let row = self.execution(execution).await?;
        if row.status.is_terminal() {
            return Ok(Vec::new());
        }
        Ok(self.store.waits(execution).await?.into_iter().filter(|wait| wait.resolution.is_none()).collect())
    }

    /// The recorded value of an answer or result, as text.
    ///
    /// # Errors
    /// When the store cannot read it.
    pub async fn text(&self, payload: &crate::journal::Payload) -> Result<String, EngineError> {
        Ok(get_text(self.store.as_ref(), payload).await?)
    }
}
