//! Reads journals back: bytes to entries to history, with the position of whatever cannot be read (E13).

use super::EngineError;
use crate::ids::ExecutionId;
use crate::journal::{EntryBody, History, Payload, decode};
use crate::store::{Store, StoredEntry};

/// Records that are read at once: most journals have no more. Those after them are folded while more of them are read.
const FIRST: u64 = 32;

/// A journal, read.
#[derive(Clone, Debug, Default)]
pub struct JournalRead {
    /// What its entries fold into.
    pub history: History,
    /// The last link of the hash chain.
    pub link: [u8; 32],
    /// Its records and the values that they name, in bytes.
    pub bytes: u64,
    /// Its records alone, in bytes: about what it takes in memory.
    pub record_bytes: u64,
}

/// Reads an execution's journal.
///
/// # Errors
/// When a record cannot be read, with its position.
pub async fn read_journal(store: &dyn Store, execution: ExecutionId) -> Result<JournalRead, EngineError> {
    read_journal_until(store, execution, u64::MAX).await
}

/// Reads the first `records` of an execution's journal: what it was when it had no more.
///
/// # Errors
/// As [`read_journal`].
pub(super) async fn read_journal_until(
    store: &dyn Store,
    execution: ExecutionId,
    records: u64,
) -> Result<JournalRead, EngineError> {
    let mut read = JournalRead::default();
    read.read_on(store, execution, records).await?;
    Ok(read)
}

impl JournalRead {
    /// Reads on from where it was read to. What follows another beginning, because the journal was lost or removed meanwhile, is read anew.
    ///
    /// # Errors
    /// As [`read_journal`]. Then it is of no more use.
    pub async fn go_on(&mut self, store: &dyn Store, execution: ExecutionId) -> Result<(), EngineError> {
        let known = self.history.next_seq;
        if !is_beginning(store, execution, known, &self.link).await? {
            *self = Self::default();
        }
        self.read_on(store, execution, u64::MAX).await
    }

    /// Reads on to where the journal has so many records, or ends.
    async fn read_on(&mut self, store: &dyn Store, execution: ExecutionId, until: u64) -> Result<(), EngineError> {
        let left = until.saturating_sub(self.history.next_seq);
        // Most journals are short, and what is read ahead needs a thread for it.
        let first = store.entries(execution, self.history.next_seq, left.min(FIRST)).await?;
        let is_all = (first.len() as u64) < FIRST;
        self.fold(execution, first)?;
        let left = until.saturating_sub(self.history.next_seq);
        if is_all || left == 0 {
            return Ok(());
        }
        let mut rest = store.read_ahead(execution, self.history.next_seq, left).await?;
        while let Some(records) = rest.next().await? {
            self.fold(execution, records)?;
        }
        Ok(())
    }

    fn fold(&mut self, execution: ExecutionId, records: Vec<StoredEntry>) -> Result<(), EngineError> {
        for record in records {
            let entry = decode(&record.bytes).map_err(|source| EngineError::Record { execution, seq: record.seq, source })?;
            self.bytes = self.bytes.saturating_add(size(&record.bytes, &entry.body));
            self.record_bytes = self.record_bytes.saturating_add(record.bytes.len() as u64);
            self.history.apply(entry).map_err(|source| EngineError::History { execution, source })?;
            self.link = record.link;
        }
        Ok(())
    }
}

/// Whether the first `records` of an execution's journal are those whose last link, or the beginning of that, this is.
///
/// # Errors
/// When the store cannot be read.
pub async fn is_beginning(store: &dyn Store, execution: ExecutionId, records: u64, link: &[u8]) -> Result<bool, EngineError> {
    let Some(last) = records.checked_sub(1) else { return Ok(true) };
    let there = store.entries(execution, last, 1).await?;
    Ok(there.first().is_some_and(|record| record.seq == last && record.link.starts_with(link)))
}

/// What a record takes, in bytes, with the values that lie beside the journal.
pub(super) fn size(record: &[u8], body: &EntryBody) -> u64 {
    let beside = body.payloads().map(|payload| if let Payload::Blob { len, .. } = payload { *len } else { 0 });
    beside.fold(record.len() as u64, u64::saturating_add)
}
