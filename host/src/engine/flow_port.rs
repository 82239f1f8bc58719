//! The durable calls of a flow body: numbered, named, decided by the cursor, served or run.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Value, json};

use super::EngineError;
use super::events::{Event, ServedFrom};
use super::metadata::Metadata;
use super::recorder::Step;
use super::run::Run;
use crate::journal::{
    CallKind, CanonicalJson, Decision, Descriptor, Divergence, EntryBody, Failure, Invocations, Outcome, Provenance,
};
use crate::sandbox::{Current, FlowPort, Stop, WaitRequest};
use crate::store::{Durability, put_bytes};

/// What the guest gets for a durable call.
pub(super) type Answer = Result<Result<String, Failure>, Stop>;

/// The durable calls of one run of a flow body.
pub(super) struct FlowCalls {
    pub(super) run: Arc<Run>,
    invocations: Invocations,
    metadata: Arc<Mutex<Metadata>>,
    /// The flow looked at what a replay changes: its execution ID, or that it is a replay. Served calls may then have other inputs.
    identity_seen: bool,
}

/// A durable call that the flow makes now.
pub(super) struct Call {
    pub(super) index: u32,
    pub(super) descriptor: Descriptor,
}

/// Why a durable call is not made.
enum Refusal {
    /// The flow is told, and can do something else.
    Failure(Failure),
    /// The flow ends.
    Stop(Stop),
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Failure(failure) => Ok(Err(failure)),
            Refusal::Stop(stop) => Err(stop),
        }
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl FlowCalls {
    pub(super) fn new(run: Arc<Run>) -> Self {
        Self { run, invocations: Invocations::default(), metadata: Arc::default(), identity_seen: false }
    }

    /// Reads the flow's metadata, also after the flow is gone.
    pub(super) fn metadata(&self) -> impl Fn() -> Option<String> + Send + use<> {
        let metadata = self.metadata.clone();
        move || metadata.lock().unwrap_or_else(PoisonError::into_inner).to_text()
    }

    pub(super) fn metadata_text(&self) -> Option<String> {
        self.metadata()()
    }

    /// The call's identity, or why it cannot be made. Refusals are the same on every run, so they need no record.
    async fn describe(
        &mut self,
        kind: CallKind,
        name: String,
        own_id: Option<String>,
        input: &Value,
        checkpoint_type: Option<String>,
    ) -> Result<Result<Call, Refusal>, EngineError> {
        let index = self.run.made.load(Ordering::Acquire);
        let limit = self.run.spec.limits.calls;
        if index >= limit {
            return Ok(Err(Refusal::Stop(Stop::Limit(format!("it made {limit} durable calls (limit `calls`)")))));
        }
        let invocation = match self.invocations.next(&name, own_id.as_deref()) {
            Ok(invocation) => invocation,
            Err(problem) => return Ok(Err(Refusal::Failure(Failure::usage(problem)))),
        };
        let canonical = CanonicalJson::of(input);
        let input_hash = canonical.hash();
        let input = put_bytes(self.run.store.as_ref(), canonical.into_string().into_bytes()).await?;
        self.run.made.store(index + 1, Ordering::Release);
        Ok(Ok(Call { index, descriptor: Descriptor { kind, name, invocation, input, input_hash, checkpoint_type } }))
    }

    /// Decides about a call; the answer if nothing has to run, otherwise the number of the attempt and whether its start is recorded.
    async fn decide(&self, call: &Call) -> Result<Result<Answer, (u32, bool)>, EngineError> {
        let Call { index, descriptor } = call;
        let (index, kind, invocation) = (*index, descriptor.kind, descriptor.invocation.clone());
        let answer = match self.run.cursor.decide(index, descriptor, self.identity_seen) {
            Decision::Run { attempt, started } => return Ok(Err((attempt, started))),
            Decision::Mismatch { expected } => Err(Stop::Diverged(self.divergence(index, &expected, descriptor).await?)),
            Decision::Recorded { end } => {
                self.run.tell(Event::Served { index, kind, invocation, from: ServedFrom::Journal });
                self.run.flow_clock.advance(end.clock());
                Ok(self.guest_value(end.outcome).await?)
            }
            Decision::Served { outcome, provenance, metadata, clock } => {
                let from = match &provenance {
                    Provenance::Served { source, .. } => ServedFrom::Source(*source),
                    _ => ServedFrom::Journal,
                };
                self.record_unrun(call, outcome.clone(), provenance, metadata).await?;
                self.run.tell(Event::Served { index, kind, invocation, from });
                self.run.flow_clock.advance(clock);
                Ok(self.guest_value(outcome).await?)
            }
            Decision::Overridden(given) => {
                let outcome = Outcome::Success(put_bytes(self.run.store.as_ref(), given.value.into_bytes()).await?);
                let at = self.record_unrun(call, outcome.clone(), Provenance::Overridden, None).await?;
                self.run.tell(Event::Served { index, kind, invocation, from: ServedFrom::Override });
                self.run.flow_clock.advance(at);
                Ok(self.guest_value(outcome).await?)
            }
        };
        self.run.lines.before_call(index + 1);
        Ok(Ok(answer))
    }

    /// Records a call that was answered without running. It can be worked out again from what is stored already, so it need not be on the
    /// disk before the flow goes on.
    async fn record_unrun(
        &self,
        call: &Call,
        outcome: Outcome,
        provenance: Provenance,
        metadata: Option<String>,
    ) -> Result<crate::clock::Timestamp, EngineError> {
        let entry = EntryBody::CallEnded {
            call: call.index,
            attempt: 0,
            descriptor: Some(call.descriptor.clone()),
            outcome,
            provenance,
            metadata,
        };
        self.run.recorder.write(Step::entry(entry), Durability::Relaxed).await
    }

    async fn divergence(&self, index: u32, expected: &Descriptor, actual: &Descriptor) -> Result<Divergence, EngineError> {
        let old = self.run.text(&expected.input).await?;
        let new = self.run.text(&actual.input).await?;
        Divergence::between(index, expected, actual, Some((&old, &new)))
            .ok_or_else(|| EngineError::state(format!("call {index} was called divergent and is not")))
    }

    /// An outcome as the guest gets it.
    pub(super) async fn guest_value(&self, outcome: Outcome) -> Result<Result<String, Failure>, EngineError> {
        match outcome {
            Outcome::Success(payload) => Ok(Ok(self.run.text(&payload).await?)),
            Outcome::Failure(failure) => Ok(Err(failure)),
        }
    }

    async fn call_checkpoint(&mut self, name: String, input: Value, id: Option<String>) -> Result<Answer, EngineError> {
        let Some(info) = self.run.program.manifest().checkpoint(&name) else {
            return Ok(Ok(Err(Failure::usage(format!("the component has no checkpoint `{name}`")))));
        };
        let options = info.options.clone();
        let call = match self.describe(CallKind::Checkpoint, name, id, &input, options.r#type.clone()).await? {
            Ok(call) => call,
            Err(refusal) => return Ok(refusal.into()),
        };
        let answer = match self.decide(&call).await? {
            Ok(answer) => return Ok(answer),
            Err((attempt, started)) => {
                let input = self.run.text(&call.descriptor.input).await?;
                self.run_checkpoint(&call, &options, input, attempt, started).await
            }
        };
        self.run.lines.before_call(call.index + 1);
        answer
    }

    async fn call_wait(&mut self, request: WaitRequest) -> Result<Answer, EngineError> {
        // A schema that no answer can be checked against would leave a wait that nobody can answer.
        if let Some(problem) = request.schema.as_ref().and_then(super::schema::problem) {
            return Ok(Ok(Err(Failure::usage(format!("the wait cannot be asked: {problem}")))));
        }
        let name = request.name.clone().unwrap_or_else(|| "wait".into());
        // The polling window is left out: it changes nothing that the flow or the answering person can see.
        let input = json!({ "question": request.question, "schema": request.schema, "metadata": request.metadata });
        let call = match self.describe(CallKind::Wait, name, None, &input, None).await? {
            Ok(call) => call,
            Err(refusal) => return Ok(refusal.into()),
        };
        let answer = match self.decide(&call).await? {
            Ok(answer) => return Ok(answer),
            Err((attempt, started)) => self.ask(&call, request, attempt, started).await,
        };
        self.run.lines.before_call(call.index + 1);
        answer
    }
}

#[async_trait]
impl FlowPort for FlowCalls {
    async fn checkpoint(&mut self, name: String, input: Value, id: Option<String>) -> Answer {
        self.call_checkpoint(name, input, id).await?
    }

    async fn wait(&mut self, request: WaitRequest) -> Answer {
        self.call_wait(request).await?
    }

    fn made(&self) -> u32 {
        self.run.made.load(Ordering::Acquire)
    }

    fn record(&mut self, entries: Vec<(String, Value)>) {
        self.metadata.lock().unwrap_or_else(PoisonError::into_inner).record(entries);
    }

    fn current(&mut self) -> Current {
        self.identity_seen = true;
        Current {
            execution: self.run.id().to_string(),
            flow: self.run.row.new.flow.clone(),
            attempt: 1,
            is_replay: self.run.row.new.original.is_some(),
            idempotency_key: None,
        }
    }
}
