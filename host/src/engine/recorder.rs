//! Writes the journal of the execution that is driven: numbers and chains the entries, under the lease.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::EngineError;
use crate::clock::Clock;
use crate::journal::{Entry, EntryBody, encode};
use crate::store::{Append, Durability, Lease, NewWait, StatusChange, Store};

/// One step to write.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) entries: Vec<EntryBody>,
    pub(super) status: Option<StatusChange>,
    pub(super) metadata: Option<String>,
    pub(super) wait: Option<NewWait>,
}

impl Step {
    pub(super) fn entry(body: EntryBody) -> Self {
        Self { entries: vec![body], ..Self::default() }
    }

    pub(super) fn status(change: StatusChange) -> Self {
        Self { status: Some(change), ..Self::default() }
    }

    #[must_use]
    pub(super) fn with_status(mut self, change: StatusChange) -> Self {
        self.status = Some(change);
        self
    }

    #[must_use]
    pub(super) fn with_metadata(mut self, metadata: Option<String>) -> Self {
        self.metadata = metadata;
        self
    }
}

struct Position {
    next_seq: u64,
    link: [u8; 32],
}

/// The writing end of one execution's journal.
pub(super) struct Recorder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    lease: Lease,
    position: Mutex<Position>,
}

impl Recorder {
    /// Goes on after the entry with number `next_seq - 1` and link `link`.
    pub(super) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, lease: Lease, next_seq: u64, link: [u8; 32]) -> Self {
        Self { store, clock, lease, position: Mutex::new(Position { next_seq, link }) }
    }

    pub(super) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Writes a step and returns its time when it is as safe as asked.
    pub(super) async fn write(&self, step: Step, durability: Durability) -> Result<crate::clock::Timestamp, EngineError> {
        // Held over the append: entries are stored in the order of their numbers, and a number is only used up by an append that happened.
        let mut position = self.position.lock().await;
        let at = self.clock.now();
        let (mut next_seq, mut link) = (position.next_seq, position.link);
        let mut entries = Vec::with_capacity(step.entries.len());
        for body in step.entries {
            let encoded = encode(&Entry { seq: next_seq, at, body }, &link).map_err(|source| EngineError::Record {
                execution: self.lease.execution,
                seq: next_seq,
                source,
            })?;
            (next_seq, link) = (next_seq + 1, encoded.link);
            entries.push(encoded);
        }
        let Step { status, metadata, wait, .. } = step;
        self.store.append(&self.lease, Append { entries, status, metadata, wait, at, durability }).await?;
        *position = Position { next_seq, link };
        Ok(at)
    }
}
