//! The calls that a journal's entries fold into.

use super::{Descriptor, Entry, EntryBody, Failure, Outcome, Provenance};
use crate::clock::Timestamp;

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
}

impl CallRecord {
    /// The number of the next attempt.
    pub fn next_attempt(&self) -> u32 {
        self.attempts.last().map_or(1, |attempt| attempt.number.saturating_add(1))
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
    /// How the flow ended the last time that it did.
    pub finished: Option<Outcome>,
    /// Position of the next entry.
    pub next_seq: u64,
}

impl History {
    /// Folds entries, in order.
    ///
    /// # Errors
    /// When an entry does not follow from those before it: its position is named and nothing is guessed (E13).
    pub fn fold<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Result<Self, HistoryError> {
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
    pub fn apply(&mut self, entry: &Entry) -> Result<(), HistoryError> {
        let problem = |problem: String| HistoryError { seq: entry.seq, problem };
        if entry.seq != self.next_seq {
            return Err(problem(format!("is where entry {} belongs", self.next_seq)));
        }
        match &entry.body {
            EntryBody::CallStarted { call, attempt, descriptor } => {
                let record = self.record(*call, descriptor.as_ref(), entry.at).map_err(problem)?;
                if record.end.is_some() {
                    return Err(problem(format!("starts call {call}, which has ended")));
                }
                if let Some(last) = record.attempts.last_mut().filter(|last| last.status == AttemptStatus::Running) {
                    last.status = AttemptStatus::Interrupted;
                }
                record.attempts.push(Attempt {
                    number: *attempt,
                    started_at: entry.at,
                    ended_at: None,
                    status: AttemptStatus::Running,
                    metadata: None,
                });
            }
            EntryBody::AttemptFailed { call, attempt, failure, metadata } => {
                let record = self.record(*call, None, entry.at).map_err(problem)?;
                end_attempt(record, *attempt, AttemptStatus::Failed(failure.clone()), entry.at, metadata.as_ref());
            }
            EntryBody::CallEnded { call, attempt, descriptor, outcome, provenance, metadata } => {
                let record = self.record(*call, descriptor.as_ref(), entry.at).map_err(problem)?;
                if record.end.is_some() {
                    return Err(problem(format!("ends call {call} a second time")));
                }
                let status = match outcome {
                    Outcome::Success(_) => AttemptStatus::Completed,
                    Outcome::Failure(failure) => AttemptStatus::Failed(failure.clone()),
                };
                end_attempt(record, *attempt, status, entry.at, metadata.as_ref());
                record.end = Some(CallEnd {
                    outcome: outcome.clone(),
                    provenance: provenance.clone(),
                    at: entry.at,
                    metadata: metadata.clone(),
                });
            }
            EntryBody::Finished { outcome } => self.finished = Some(outcome.clone()),
            EntryBody::Reopened { rerun, component: _ } => {
                self.finished = None;
                if let Some(rerun) = rerun {
                    // The calls after it were made in a world in which it had failed.
                    self.calls.truncate(usize::try_from(*rerun).unwrap_or(usize::MAX).saturating_add(1));
                    if let Some(record) = self.calls.last_mut() {
                        record.end = None;
                        record.attempts_before_reopening = record.attempts.len();
                    }
                }
            }
        }
        self.next_seq += 1;
        Ok(())
    }

    fn record(&mut self, call: u32, descriptor: Option<&Descriptor>, at: Timestamp) -> Result<&mut CallRecord, String> {
        let position = usize::try_from(call).unwrap_or(usize::MAX);
        if position == self.calls.len() {
            let descriptor = descriptor.ok_or_else(|| format!("is the first of call {call} and does not say what was called"))?;
            self.calls.push(CallRecord {
                descriptor: descriptor.clone(),
                started_at: at,
                attempts: Vec::new(),
                end: None,
                attempts_before_reopening: 0,
            });
        }
        let known = self.calls.len();
        self.calls.get_mut(position).ok_or_else(|| format!("is of call {call}, and only {known} calls came before it"))
    }

    /// The calls, by index.
    pub fn calls(&self) -> &[CallRecord] {
        &self.calls
    }

    /// One call.
    pub fn call(&self, index: u32) -> Option<&CallRecord> {
        self.calls.get(usize::try_from(index).ok()?)
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

fn end_attempt(record: &mut CallRecord, number: u32, status: AttemptStatus, at: Timestamp, metadata: Option<&String>) {
    if let Some(attempt) = record.attempts.iter_mut().rfind(|attempt| attempt.number == number) {
        attempt.status = status;
        attempt.ended_at = Some(at);
        attempt.metadata = metadata.cloned();
    }
}
