//! Serve or run (E1): the decision about each durable call, and about the end of the flow.

use super::{
    CallEnd, CallKind, CallRecord, CallShape, Descriptor, Divergence, DivergenceKind, Given, History, Outcome, Provenance,
    ReplayPlan,
};
use crate::clock::Timestamp;

/// What to do with a durable call.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It is recorded in this execution's own journal. Nothing runs and nothing is written.
    Recorded {
        /// How it ended.
        end: CallEnd,
    },
    /// It is recorded in the replayed execution. Nothing runs; that it was served is written.
    Served {
        /// How it ended.
        outcome: Outcome,
        /// [`Provenance::Served`].
        provenance: Provenance,
        /// What it logged about itself.
        metadata: Option<String>,
        /// What the flow's clock reads after it.
        clock: Timestamp,
    },
    /// Its output was given. Nothing runs; the output is written.
    Overridden {
        /// The output, as JSON text.
        value: String,
    },
    /// It runs.
    Run {
        /// The number of this attempt.
        attempt: u32,
        /// It is recorded already.
        started: bool,
        /// What was given in place of what the flow gives it: an input or a model, never an output.
        given: Option<Given>,
    },
    /// It is not the recorded call. The execution ends.
    Mismatch {
        /// The recorded call.
        expected: Descriptor,
    },
}

/// The journal as a running flow meets it: its own, before it that of the execution that it replays.
#[derive(Clone, Debug)]
pub struct Cursor {
    own: History,
    replay: Option<(ReplayPlan, History)>,
}

impl Cursor {
    /// A cursor at the start. `replay` is the plan and the source's history.
    pub fn new(own: History, replay: Option<(ReplayPlan, History)>) -> Self {
        Self { own, replay }
    }

    /// Decides about call `index`. `other_input` says that the flow read something that a replay legitimately changes (its own identity), so
    /// that a served call's input may differ.
    pub fn decide(&self, index: u32, call: &Descriptor, other_input: bool) -> Decision {
        if let Some(record) = self.own.call(index) {
            // Within one execution everything must be the same: it is the same run, gone over again.
            if !same(&record.descriptor, call, false) {
                return Decision::Mismatch { expected: record.descriptor.clone() };
            }
            return match &record.end {
                Some(end) => Decision::Recorded { end: end.clone() },
                None => {
                    let given = self.replay.as_ref().and_then(|(plan, _)| plan.given_to_run(call));
                    Decision::Run { attempt: record.next_attempt(), started: true, given }
                }
            };
        }
        let fresh = Decision::Run { attempt: self.own.first_attempt(index), started: false, given: None };
        let Some((plan, source)) = &self.replay else { return fresh };
        let recorded = (index < plan.live_from_after(&self.own)).then(|| source.call(index)).flatten();
        let may_differ = plan.other_inputs || other_input;
        if let Some(record) = recorded
            && !same(&record.descriptor, call, may_differ)
        {
            return Decision::Mismatch { expected: record.descriptor.clone() };
        }
        match plan.override_of(call).map(|given| &given.given) {
            Some(Given::Output(value)) => return Decision::Overridden { value: value.clone() },
            Some(given) => {
                let attempt = self.own.first_attempt(index);
                return Decision::Run { attempt, started: false, given: Some(given.clone()) };
            }
            None => {}
        }
        let answering = match recorded {
            Some(record) => Some((index, record)),
            None => plan.reused(index, call, source),
        };
        let Some((served, record, end)) = answering
            .and_then(|(served, record)| record.end.as_ref().map(|end| (served, record, end)))
            // Nobody knows what it would have come to. Where the flow's own end ended it, it does so again.
            .filter(|(_, _, end)| end.provenance != Provenance::Cancelled)
        else {
            return fresh;
        };
        if plan.ask_again && call.kind == CallKind::Wait {
            return fresh;
        }
        let other_input = record.descriptor.input_hash != call.input_hash;
        let provenance = match &end.provenance {
            // What was served there already keeps its true origin.
            Provenance::Served { source, call, recorded_at, other_input: before } => Provenance::Served {
                source: *source,
                call: *call,
                recorded_at: *recorded_at,
                other_input: *before || other_input,
            },
            Provenance::Cached { source, call } => {
                Provenance::Served { source: *source, call: *call, recorded_at: end.at, other_input }
            }
            _ => Provenance::Served { source: plan.source, call: served, recorded_at: end.at, other_input },
        };
        Decision::Served { outcome: end.outcome.clone(), provenance, metadata: end.metadata.clone(), clock: end.clock() }
    }

    /// Checks that a flow that ended after `made` calls made every recorded one (E2).
    pub fn missing(&self, made: u32) -> Option<Divergence> {
        let own = self.own.call(made);
        let record = own.or_else(|| {
            let (plan, source) = self.replay.as_ref()?;
            (made < plan.live_from_after(&self.own)).then(|| source.call(made)).flatten()
        });
        record.map(|record| missing_at(made, record))
    }

    /// Checks that a flow that waits after `made` calls made every one of this execution's own: it may yet make the others.
    pub fn missing_of_own(&self, made: u32) -> Option<Divergence> {
        self.own.call(made).map(|record| missing_at(made, record))
    }

    /// Whether the live part of a replay begins with this call.
    pub fn is_anchor(&self, index: u32) -> bool {
        self.replay.as_ref().is_some_and(|(plan, _)| plan.live_from == index)
    }

    /// How many calls are known before the flow runs: its own, or those of the replayed execution before the live part.
    pub fn recorded(&self) -> u32 {
        self.own.len().max(self.replay.as_ref().map_or(0, |(plan, _)| plan.live_from))
    }

    /// This execution's own history.
    pub fn own(&self) -> &History {
        &self.own
    }
}

fn missing_at(index: u32, record: &CallRecord) -> Divergence {
    Divergence { index, expected: CallShape::from(&record.descriptor), actual: None, kind: DivergenceKind::Missing }
}

fn same(recorded: &Descriptor, call: &Descriptor, any_input: bool) -> bool {
    recorded.kind == call.kind
        && recorded.name == call.name
        && recorded.invocation == call.invocation
        && (any_input || recorded.input_hash == call.input_hash)
}

#[cfg(test)]
#[path = "cursor_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "model_tests.rs"]
mod model;
