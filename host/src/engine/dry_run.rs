//! A flow body re-executed with nothing written and nothing run: every durable call is answered from the journal or ends the run (E15).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use serde_json::Value;

use super::EngineError;
use super::identity::{self, Wanted};
use super::models::ModelNames;
use super::refusal::{check_name, check_wait, too_many};
use crate::journal::{
    CallEnd, CallKind, CallShape, CanonicalJson, Cursor, Decision, Descriptor, Divergence, Failure, Invocations, LogLevel,
    Outcome, Payload,
};
use crate::sandbox::{CheckpointRequest, ChildRequest, Current, FlowClock, FlowPort, LogSink, Manifest, Stop, Submitted};
use crate::store::{ExecutionRow, Store, get_text};

/// The flow came to the end of its journal: from here on it would do something new.
#[derive(Debug, thiserror::Error)]
#[error("the flow goes on past its journal, with {}", .0)]
pub(super) struct Frontier(pub(super) String);

/// Lines that were written before, and are dropped (E11).
pub(super) struct Silent;

impl LogSink for Silent {
    fn line(&self, _: LogLevel, _: &'static str, _: String) {}
    fn progress(&self, _: String, _: Option<f64>) {}
}

/// The durable calls of a dry run.
pub(super) struct DryCalls {
    pub(super) store: Arc<dyn Store>,
    pub(super) row: ExecutionRow,
    pub(super) cursor: Arc<Cursor>,
    pub(super) clock: FlowClock,
    pub(super) manifest: Manifest,
    /// Calls made so far, for whoever looks when the run is over.
    pub(super) made: Arc<AtomicU32>,
    pub(super) invocations: Invocations,
    pub(super) models: ModelNames,
    pub(super) ends: HashMap<u32, CallEnd>,
    pub(super) shapes: HashMap<u32, String>,
    pub(super) identity_seen: bool,
    /// The limit `calls`.
    pub(super) calls: u32,
}

type Answer = Result<Result<String, Failure>, Stop>;

impl DryCalls {
    /// Makes a call as far as the journal knows it.
    async fn make(
        &mut self,
        kind: CallKind,
        name: &str,
        own_id: Option<&str>,
        input: &Value,
    ) -> Result<Result<u32, Failure>, Stop> {
        let invocation = match self.invocations.next(name, own_id) {
            Ok(invocation) => invocation,
            Err(problem) => return Ok(Err(Failure::usage(problem))),
        };
        if self.made() >= self.calls {
            return Err(too_many(self.calls));
        }
        let index = self.made.fetch_add(1, Ordering::AcqRel);
        let canonical = CanonicalJson::of(input);
        let input_hash = canonical.hash();
        // Compared by its hash, and shown if it differs: it goes nowhere else.
        let input = Payload::Inline(canonical.into_string().into_bytes());
        let checkpoint_type = None;
        let call = Descriptor { kind, name: name.to_owned(), invocation, input, input_hash, checkpoint_type };
        self.shapes.insert(index, CallShape::from(&call).to_string());
        let end = match self.cursor.decide(index, &call, self.identity_seen) {
            Decision::Recorded { end } => Some(end),
            Decision::Served { outcome, provenance, metadata, clock } => {
                Some(CallEnd { outcome, provenance, at: clock, seq: 0, metadata })
            }
            Decision::Overridden { value } => Some(CallEnd {
                outcome: Outcome::Success(Payload::Inline(value.into_bytes())),
                provenance: crate::journal::Provenance::Overridden,
                at: self.clock.now(),
                seq: 0,
                metadata: None,
            }),
            Decision::Run { started: true, .. } => None,
            Decision::Run { .. } => return Err(self.frontier(index)),
            Decision::Mismatch { expected } => {
                let old = self.text(&expected.input).await?;
                let new = self.text(&call.input).await?;
                let divergence = Divergence::between(index, &expected, &call, Some((&old, &new)));
                return Err(divergence.map_or_else(|| self.frontier(index), |divergence| Stop::Diverged(Box::new(divergence))));
            }
        };
        self.ends.extend(end.map(|end| (index, end)));
        Ok(Ok(index))
    }

    fn frontier(&self, index: u32) -> Stop {
        Stop::Engine(Box::new(Frontier(self.shapes.get(&index).cloned().unwrap_or_default())))
    }

    async fn text(&self, payload: &Payload) -> Result<String, Stop> {
        get_text(self.store.as_ref(), payload).await.map_err(|error| EngineError::from(error).into())
    }

    async fn outcome(&mut self, index: u32) -> Answer {
        let Some(end) = self.ends.get(&index).cloned() else { return Err(self.frontier(index)) };
        self.clock.advance(end.clock());
        match end.outcome {
            Outcome::Success(payload) => Ok(Ok(self.text(&payload).await?)),
            Outcome::Failure(failure) => Ok(Err(failure)),
        }
    }
}

#[async_trait]
impl FlowPort for DryCalls {
    async fn checkpoint(&mut self, request: CheckpointRequest) -> Answer {
        match self.submit(Submitted::Checkpoint(request)).await? {
            Ok(index) => self.outcome(index).await,
            Err(failure) => Ok(Err(failure)),
        }
    }

    async fn submit(&mut self, call: Submitted) -> Result<Result<u32, Failure>, Stop> {
        match call {
            Submitted::Checkpoint(request) => {
                if self.manifest.checkpoint(&request.name).is_none() {
                    let message = format!("the component has no checkpoint `{}`", request.name);
                    return Ok(Err(Failure::usage(message)));
                }
                self.make(CallKind::Checkpoint, &request.name, request.id.as_deref(), &request.input).await
            }
            Submitted::Wait(request) => {
                let name = match check_wait(&request) {
                    Ok(name) => name,
                    Err(refusal) => return refusal.answer(),
                };
                self.make(CallKind::Wait, &name, None, &identity::of_wait(&request)).await
            }
            Submitted::Sleep(name, milliseconds) => {
                let name = identity::name_of_sleep(name);
                if let Err(refusal) = check_name("sleep", &name) {
                    return refusal.answer();
                }
                self.make(CallKind::Sleep, &name, None, &identity::of_sleep(milliseconds)).await
            }
            Submitted::Flow(request) => {
                if let Err(refusal) = check_name("flow", &request.flow) {
                    return refusal.answer();
                }
                let input = identity::of_child(&request, Wanted::Result);
                self.make(CallKind::Flow, &request.flow, request.id.as_deref(), &input).await
            }
            Submitted::Model(request) => match self.models.next(&request) {
                Ok(name) => self.make(CallKind::Llm, name.as_str(), None, &request).await,
                Err(failure) => Ok(Err(failure)),
            },
        }
    }

    async fn result(&mut self, call: u32) -> Answer {
        self.outcome(call).await
    }

    async fn first(&mut self, calls: Vec<u32>) -> Result<Result<u32, Failure>, Stop> {
        let index = match self.make(CallKind::First, "first", None, &identity::of_first(&calls)).await? {
            Ok(index) => index,
            Err(failure) => return Ok(Err(failure)),
        };
        Ok(self.outcome(index).await?.map(|position| position.parse().unwrap_or_default()))
    }

    async fn cancel(&mut self, _: u32) -> Result<(), Stop> {
        Ok(())
    }

    fn forget(&mut self, call: u32) {
        self.ends.remove(&call);
    }

    async fn start(&mut self, request: ChildRequest) -> Answer {
        if let Err(refusal) = check_name("flow", &request.flow) {
            return refusal.answer();
        }
        let input = identity::of_child(&request, Wanted::Id);
        match self.make(CallKind::Flow, &request.flow, request.id.as_deref(), &input).await? {
            Ok(index) => Ok(self.outcome(index).await?.map(|id| serde_json::from_str(&id).unwrap_or(id))),
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn made(&self) -> u32 {
        self.made.load(Ordering::Acquire)
    }

    fn record(&mut self, _: Vec<(String, Value)>) {}

    fn current(&mut self) -> Current {
        self.identity_seen = true;
        Current {
            execution: self.row.new.id.to_string(),
            flow: self.row.new.flow.clone(),
            attempt: 1,
            is_replay: self.row.new.original.is_some(),
            idempotency_key: None,
        }
    }
}
