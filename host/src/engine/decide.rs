//! What is done for a durable call: it is served as it was recorded, or it runs (E1); and what the flow learns of its end (E6).

use super::EngineError;
use super::call::Call;
use super::calls::Ended;
use super::events::{Event, ServedFrom};
use super::flow_port::{Answer, FlowCalls};
use super::models::{Reuse, reused};
use super::recorder::{Recorded, Step};
use crate::journal::{Decision, Descriptor, Divergence, EntryBody, Given, Outcome, Provenance};
use crate::sandbox::{FlowPort as _, Stop};
use crate::store::{Durability, put_bytes};

/// What is to be done for a call.
pub(super) enum Decided {
    /// Nothing: this is how it ended.
    Ended(Ended),
    /// It runs.
    Run { attempt: u32, recorded: bool, given: Option<Given> },
}

impl FlowCalls {
    /// Decides about a call (E1).
    pub(super) async fn decide(&self, call: &Call) -> Result<Decided, Stop> {
        let Call { index, descriptor } = call;
        let (index, kind, invocation) = (*index, descriptor.kind, descriptor.invocation.clone());
        let (ended, from) = match self.run.cursor.decide(index, descriptor, self.identity_seen) {
            Decision::Run { attempt, started, given } => return Ok(Decided::Run { attempt, recorded: started, given }),
            Decision::Mismatch { expected } => {
                return Err(Stop::Diverged(Box::new(self.divergence(index, &expected, descriptor).await?)));
            }
            Decision::Recorded { end } => {
                let clock = end.clock();
                (Ended { outcome: end.outcome, clock, order: end.seq }, ServedFrom::Journal)
            }
            Decision::Served { outcome, provenance, metadata, clock } => {
                let from = match &provenance {
                    Provenance::Served { source, .. } => ServedFrom::Source(*source),
                    _ => ServedFrom::Journal,
                };
                // It can be worked out again from what is stored already, so it need not be on the disk before the flow goes on.
                let recorded = self
                    .record_unrun(call, outcome.clone(), provenance, reused(metadata, Reuse::Replay), Durability::Relaxed)
                    .await?;
                (Ended { outcome, clock, order: recorded.seq }, from)
            }
            Decision::Overridden { value } => {
                let outcome = Outcome::Success(put_bytes(self.run.store.as_ref(), value.into_bytes()).await?);
                // Its time is the flow's from here on, and nothing else remembers it (E3).
                let recorded = self.record_unrun(call, outcome.clone(), Provenance::Overridden, None, Durability::Full).await?;
                (Ended { outcome, clock: recorded.at, order: recorded.seq }, ServedFrom::Override)
            }
        };
        self.run.tell(|| Event::Served { index, kind, invocation, from });
        Ok(Decided::Ended(ended))
    }

    /// Records a call that was answered without running.
    async fn record_unrun(
        &self,
        call: &Call,
        outcome: Outcome,
        provenance: Provenance,
        metadata: Option<String>,
        durability: Durability,
    ) -> Result<Recorded, EngineError> {
        let (call, descriptor) = (call.index, Some(call.descriptor.clone()));
        let entry = EntryBody::CallEnded { call, attempt: 0, descriptor, outcome, provenance, metadata, started_at: None };
        self.run.recorder.run_ahead(Step::entry(entry), durability).await
    }

    async fn divergence(&self, index: u32, expected: &Descriptor, actual: &Descriptor) -> Result<Divergence, EngineError> {
        let old = self.run.text(&expected.input).await?;
        let new = self.run.text(&actual.input).await?;
        Divergence::between(index, expected, actual, Some((&old, &new)))
            .ok_or_else(|| EngineError::state(format!("call {index} was called divergent and is not")))
    }

    /// The flow learns how a call ended: its clock goes on (E6).
    pub(super) async fn observe(&self, index: u32, ended: Ended) -> Answer {
        self.run.calls.failures(|failures| failures.told(index));
        self.run.flow_clock.advance(ended.clock);
        self.run.flow_moves_on();
        match ended.outcome {
            Outcome::Success(payload) => Ok(Ok(self.run.text(&payload).await?)),
            Outcome::Failure(failure) => {
                let made = self.made();
                self.run.calls.failures(|failures| failures.learnt(index, made));
                Ok(Err(failure))
            }
        }
    }
}
