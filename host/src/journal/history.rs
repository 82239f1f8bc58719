//! The calls that a journal's entries fold into.

use std::collections::HashMap;

use super::by_invocation::ByInvocation;
use super::{CallKind, Descriptor, Entry, EntryBody, Failure, Outcome, Provenance};
use crate::clock::Timestamp;
use crate::ids::ExecutionId;

/// How an attempt stands.
#[derive(Clone, Debug, PartialEq)]
pub enum AttemptStatus {
    /// It has not ended, as far as the journal knows.
    Running,
    /// It ended well.
    Completed,
    /// It failed.
    Failed(Failure),
    /// Its runner died; another attempt followed (E4).
    Interrupted,
    /// The flow ended the call while it ran. How far it got, nobody knows.
    Cancelled,
}

/// One attempt of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// 1 for the first.
    pub number: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it stands.
    pub status: AttemptStatus,
    /// What it logged about itself: a JSON object as text.
    pub metadata: Option<String>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub struct CallEnd {
    /// Its outcome.
    pub outcome: Outcome,
    /// Where the outcome came from.
    pub provenance: Provenance,
    /// When it was recorded.
    pub at: Timestamp,
    /// Position of the record.
    pub seq: u64,
    /// What the call logged about itself: a JSON object as text.
    pub metadata: Option<String>,
}

impl CallEnd {
    /// What the flow's clock reads after the call (E6).
    pub fn clock(&self) -> Timestamp {
        match self.provenance {
            Provenance::Served { recorded_at, .. } => recorded_at,
            _ => self.at,
        }
    }
}

/// One durable call as the journal knows it.
#[derive(Clone, Debug, PartialEq)]
pub struct CallRecord {
    /// What was called.
    pub descriptor: Descriptor,
    /// When it was first recorded.
    pub started_at: Timestamp,
    /// Its attempts.
    pub attempts: Vec<Attempt>,
    /// How it ended, if it did.
    pub end: Option<CallEnd>,
    /// How many of its attempts were made before it was last reopened (E9): they use up no retry.
    pub attempts_before_reopening: usize,
    /// Position of its first record.
    pub issued_seq: u64,
    /// Position of the record that last said anything of it.
    pub changed_seq: u64,
    /// When a sleep is over, or a wait ends by itself.
    pub deadline: Option<Timestamp>,
    /// The execution that a child flow is.
    pub child: Option<ExecutionId>,
    /// When the next attempt is due, after a failed one.
    pub retry_at: Option<Timestamp>,
    /// Attempts that were made under its index by a call that no longer counts.
    pub spent_attempts: u32,
}

impl CallRecord {
    /// The number of the next attempt.
    pub fn next_attempt(&self) -> u32 {
        self.attempts.last().map_or(self.spent_attempts, |attempt| attempt.number).saturating_add(1)
    }

    /// Whether an attempt started since the call was last reopened.
    pub fn has_started(&self) -> bool {
        self.attempts.len() > self.attempts_before_reopening
    }

    /// Whether nobody knows how far its last attempt got: its runner died, or the flow that is run again now had ended it (E5).
    pub fn was_interrupted(&self) -> bool {
        let last = self.attempts.last().map(|attempt| &attempt.status);
        matches!(last, Some(AttemptStatus::Running | AttemptStatus::Cancelled))
    }

    /// Failed attempts since the call was last reopened. Those that a dying host interrupted (E4) do not count.
    pub fn failed_attempts(&self) -> u32 {
        let counted = self.attempts.iter().skip(self.attempts_before_reopening);
        let failed = counted.filter(|attempt| matches!(attempt.status, AttemptStatus::Failed(_))).count();
        u32::try_from(failed).unwrap_or(u32::MAX)
    }
}

/// The entries do not make a journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("journal entry {seq} {problem}")]
pub struct HistoryError {
    /// Position of the entry.
    pub seq: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// What a journal says happened so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    calls: Vec<CallRecord>,
    /// Where the call of an invocation ID stands.
    by_invocation: ByInvocation,
    /// How the flow ended the last time that it did.
    pub finished: Option<Outcome>,
    /// Calls whose failure the flow had not asked for when it ended.
    unseen: Vec<u32>,
    /// How many calls the flow had made when it learnt of the failure that it ended with.
    learnt_after: Option<u32>,
    /// For each time that calls were dropped, the first index that was: another call may stand there now.
    reopened_at: Vec<u32>,
    /// By index, how often a call that stood there was dropped, and the attempts that those had made, so that no number is used twice.
    spent: HashMap<u32, (u32, u32)>,
    /// Position of the record that last reopened it.
    pub reopened_seq: Option<u64>,
    /// How often the flow's own retries reopened it since a person last did.
    pub automatic_retries: u32,
    /// Position of the next entry.
    pub next_seq: u64,
}

impl History {
    /// Folds entries, in order.
    ///
    /// # Errors
    /// When an entry does not follow from those before it: its position is named and nothing is guessed (E13).
    pub fn fold(entries: impl IntoIterator<Item = Entry>) -> Result<Self, HistoryError> {
        let mut history = Self::default();
        for entry in entries {
            history.apply(entry)?;
        }
        Ok(history)
    }

    /// Adds one entry.
    ///
    /// # Errors
    /// As [`History::fold`].
    pub fn apply(&mut self, entry: Entry) -> Result<(), HistoryError> {
        let Entry { seq, at, body } = entry;
        let problem = |problem: String| HistoryError { seq, problem };
        if seq != self.next_seq {
            return Err(problem(format!("is where entry {} belongs", self.next_seq)));
        }
        match body {
            EntryBody::CallIssued { call, descriptor } => {
                let known = self.len();
                self.record(call, Some(descriptor), seq, at).map_err(problem)?;
                if call < known {
                    return Err(problem(format!("issues call {call} a second time")));
                }
            }
            EntryBody::CallStarted { call, attempt, descriptor, deadline, child } => {
                let record = self.record(call, descriptor, seq, at).map_err(problem)?;
                if record.end.is_some() {
                    return Err(problem(format!("starts call {call}, which has ended")));
                }
                (record.deadline, record.child) = (deadline, child);
                begin_attempt(record, attempt, at);
            }
            EntryBody::AttemptFailed { call, attempt, failure, metadata, retry_at } => {
                let record = self.record(call, None, seq, at).map_err(problem)?;
                record.retry_at = Some(retry_at);
                end_attempt(record, attempt, AttemptStatus::Failed(failure), at, metadata.as_ref());
            }
            EntryBody::CallEnded { call, attempt, descriptor, outcome, provenance, metadata, started_at } => {
                let record = self.record(call, descriptor, seq, started_at.unwrap_or(at)).map_err(problem)?;
                if record.end.is_some() {
                    return Err(problem(format!("ends call {call} a second time")));
                }
                let status = match &outcome {
                    Outcome::Success(_) => AttemptStatus::Completed,
                    Outcome::Failure(failure) => AttemptStatus::Failed(failure.clone()),
                };
                if let Some(started_at) = started_at {
                    begin_attempt(record, attempt, started_at);
                }
                end_attempt(record, attempt, status, at, metadata.as_ref());
                if matches!(provenance, Provenance::Cancelled | Provenance::Withdrawn)
                    && let Some(running) = record.attempts.last_mut().filter(|last| last.status == AttemptStatus::Running)
                {
                    (running.status, running.ended_at) = (AttemptStatus::Cancelled, Some(at));
                }
                record.end = Some(CallEnd { outcome, provenance, at, seq, metadata });
            }
            EntryBody::Finished { outcome, unseen, learnt_after } => {
                (self.finished, self.unseen, self.learnt_after) = (Some(outcome), unseen, learnt_after);
            }
            EntryBody::Reopened { rerun, component: _, automatic } => {
                self.finished = None;
                self.automatic_retries = if automatic { self.automatic_retries.saturating_add(1) } else { 0 };
                self.reopen(&rerun, seq);
            }
            EntryBody::Upgraded { component: _ } => {}
        }
        self.next_seq += 1;
        Ok(())
    }

    /// Whether calls of it were run again, or are to be (E9).
    pub fn was_reopened(&self) -> bool {
        !self.reopened_at.is_empty()
    }

    /// How many calls stay if these are run again. What the flow made after it had learnt of the failure that it ended with may depend on
    /// it, and what it made before cannot: not even where the call had failed by then. Of the others it never knew.
    fn kept(&self, rerun: &[u32]) -> Option<usize> {
        rerun.first()?;
        let learnt_after = self.learnt_after.and_then(|made| usize::try_from(made).ok());
        Some(learnt_after.unwrap_or(usize::MAX).min(self.calls.len()))
    }

    /// The calls that are forgotten if these are run again, and that may then be made anew.
    pub fn forgotten(&self, rerun: &[u32]) -> &[CallRecord] {
        self.kept(rerun).and_then(|kept| self.calls.get(kept..)).unwrap_or_default()
    }

    /// Makes `rerun` unended, and drops what was made knowing the failure.
    fn reopen(&mut self, rerun: &[u32], seq: u64) {
        self.reopened_seq = Some(seq);
        if let Some(kept) = self.kept(rerun) {
            let first = u32::try_from(kept).unwrap_or(u32::MAX);
            for (index, dropped) in (first..).zip(self.calls.split_off(kept)) {
                let last = dropped.attempts.last().map_or(dropped.spent_attempts, |attempt| attempt.number);
                let (times, attempts) = self.spent.entry(index).or_default();
                (*times, *attempts) = (times.saturating_add(1), last);
            }
            self.by_invocation.forget();
            self.reopened_at.push(first);
        }
        for index in rerun {
            let position = usize::try_from(*index).unwrap_or(usize::MAX);
            if let Some(record) = self.calls.get_mut(position) {
                (record.end, record.retry_at, record.changed_seq) = (None, None, seq);
                record.attempts_before_reopening = record.attempts.len();
            }
        }
    }

    /// The calls that a retry runs again (E9): the one that the flow's failure leads back to, and failed ones that the flow never asked
    /// about, so that nothing that it did can depend on their having failed: its own end may have ended them.
    pub fn to_rerun(&self, failure: &Failure) -> Vec<u32> {
        let failed = |index: u32| {
            self.call(index).is_some_and(|record| matches!(record.end, Some(CallEnd { outcome: Outcome::Failure(_), .. })))
        };
        // A flow that was ended returned no failure of a call: whatever failed before, it had caught.
        let returned = !matches!(failure.kind.as_str(), "trap" | "limit" | "exit" | "internal" | "serialization");
        let last = self.len().checked_sub(1).filter(|_| returned);
        let culprit = failure.call_index.filter(|index| failed(*index)).or_else(|| last.filter(|index| failed(*index)));
        let beside = self.unseen.iter().copied().filter(|index| Some(*index) != culprit && failed(*index));
        culprit.into_iter().chain(beside).collect()
    }

    fn record(&mut self, call: u32, descriptor: Option<Descriptor>, seq: u64, at: Timestamp) -> Result<&mut CallRecord, String> {
        let position = usize::try_from(call).unwrap_or(usize::MAX);
        if position == self.calls.len() {
            let descriptor = descriptor.ok_or_else(|| format!("is the first of call {call} and does not say what was called"))?;
            self.by_invocation.forget();
            let spent_attempts = self.spent.get(&call).map_or(0, |(_, attempts)| *attempts);
            self.calls.push(CallRecord {
                descriptor,
                started_at: at,
                attempts: Vec::new(),
                end: None,
                attempts_before_reopening: 0,
                issued_seq: seq,
                changed_seq: seq,
                deadline: None,
                child: None,
                retry_at: None,
                spent_attempts,
            });
        }
        let known = self.calls.len();
        let record = self.calls.get_mut(position);
        let record = record.ok_or_else(|| format!("is of call {call}, and only {known} calls came before it"))?;
        record.changed_seq = seq;
        Ok(record)
    }

    /// The calls, by index.
    pub fn calls(&self) -> &[CallRecord] {
        &self.calls
    }

    /// One call.
    pub fn call(&self, index: u32) -> Option<&CallRecord> {
        self.calls.get(usize::try_from(index).ok()?)
    }

    /// The call of this kind with this invocation ID.
    pub fn by_invocation(&self, kind: CallKind, invocation: &str) -> Option<(u32, &CallRecord)> {
        let index = self.by_invocation.of(&self.calls).get(invocation)?;
        self.call(*index).filter(|record| record.descriptor.kind == kind).map(|record| (*index, record))
    }

    /// How often the stretch of the flow before call `index` was gone over in another world, because a retry dropped what stood there. It
    /// tells apart what the flow logged in the one and in the other.
    pub fn generation(&self, index: u32) -> u32 {
        let dropped = self.reopened_at.iter().filter(|kept| **kept <= index).count();
        u32::try_from(dropped).unwrap_or(u32::MAX)
    }

    /// The first index at which a retry dropped a call: from here on the flow may make others than it made before.
    pub fn first_dropped(&self) -> Option<u32> {
        self.reopened_at.iter().min().copied()
    }

    /// How many calls stood at `index` before and were dropped: another call must not have their idempotency key.
    pub fn dropped_at(&self, index: u32) -> u32 {
        self.spent.get(&index).map_or(0, |(times, _)| *times)
    }

    /// The number of the first attempt of a call that has no record yet.
    pub fn first_attempt(&self, index: u32) -> u32 {
        self.spent.get(&index).map_or(0, |(_, attempts)| *attempts).saturating_add(1)
    }

    /// How many calls there are.
    pub fn len(&self) -> u32 {
        u32::try_from(self.calls.len()).unwrap_or(u32::MAX)
    }

    /// Whether no call was made yet.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

fn begin_attempt(record: &mut CallRecord, number: u32, started_at: Timestamp) {
    if let Some(last) = record.attempts.last_mut().filter(|last| last.status == AttemptStatus::Running) {
        last.status = AttemptStatus::Interrupted;
    }
    record.retry_at = None;
    // Most calls have one, and many journals many calls.
    if record.attempts.is_empty() {
        record.attempts.reserve_exact(1);
    }
    record.attempts.push(Attempt { number, started_at, ended_at: None, status: AttemptStatus::Running, metadata: None });
}

fn end_attempt(record: &mut CallRecord, number: u32, status: AttemptStatus, at: Timestamp, metadata: Option<&String>) {
    if let Some(attempt) = record.attempts.iter_mut().rfind(|attempt| attempt.number == number) {
        attempt.status = status;
        attempt.ended_at = Some(at);
        attempt.metadata = metadata.cloned();
    }
}
