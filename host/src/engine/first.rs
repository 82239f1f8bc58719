//! Which of several calls ended first: a durable call of its own, so that a re-executed flow sees the same (E7).

use super::decide::Decided;
use super::flow_port::FlowCalls;
use super::recorder::Step;
use super::refusal::Refusal;
use super::{EngineError, identity};
use crate::journal::{CallKind, EntryBody, Outcome, Payload, Provenance};
use crate::store::Durability;

impl FlowCalls {
    /// The position of the first of `calls` to end, as it is or was recorded.
    pub(super) async fn choose(&mut self, calls: Vec<u32>) -> Result<u32, Refusal> {
        let call = self.describe(CallKind::First, "first", None, &identity::of_first(&calls), None).await?;
        let winner = match self.decide(&call).await? {
            Decided::Ended(ended) => {
                let Outcome::Success(payload) = &ended.outcome else {
                    return Err(EngineError::state("a choice is recorded as failed").into());
                };
                let text = self.run.text(payload).await.map_err(EngineError::from)?;
                self.run.flow_clock.advance(ended.clock);
                text.parse().map_err(|_| EngineError::state("a choice is recorded as something else"))?
            }
            Decided::Run { attempt, recorded, .. } => {
                // It may be long until one ends, and a value that no record names is swept some day.
                let is_beside = matches!(call.descriptor.input, Payload::Blob { .. });
                if is_beside {
                    self.issue(&call, recorded, None).await?;
                }
                let (position, _) = self.first_of(&calls).await?;
                let entry = EntryBody::CallEnded {
                    call: call.index,
                    attempt,
                    descriptor: (!recorded && !is_beside).then(|| call.descriptor.clone()),
                    outcome: Outcome::Success(Payload::Inline(position.to_string().into_bytes())),
                    provenance: Provenance::Ran,
                    metadata: None,
                    started_at: None,
                };
                let recorded = self.run.recorder.cork(Step::entry(entry), Durability::Full)?;
                self.run.recorder.keep_within_bounds().await?;
                self.run.flow_clock.advance(recorded.at);
                u32::try_from(position).unwrap_or(u32::MAX)
            }
        };
        // Of a failure the flow learns as soon as that decides something.
        let chosen = usize::try_from(winner).ok().and_then(|position| calls.get(position));
        if let Some(chosen) = chosen.filter(|chosen| self.run.calls.has_failed(**chosen)) {
            self.run.calls.failures(|failures| {
                failures.learnt(*chosen, call.index);
                failures.told(*chosen);
            });
        }
        self.run.flow_moves_on();
        Ok(winner)
    }
}
