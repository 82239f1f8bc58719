//! Reads journals back: bytes to entries to history, with the position of whatever cannot be read (E13).

use super::EngineError;
use crate::ids::ExecutionId;
use crate::journal::{Entry, History, decode};
use crate::store::Store;

/// A journal, read.
#[derive(Debug)]
pub struct JournalRead {
    /// Its entries.
    pub entries: Vec<Entry>,
    /// What they fold into.
    pub history: History,
    /// The last link of the hash chain.
    pub link: [u8; 32],
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
    let mut stored = store.entries(execution, 0).await?;
    stored.retain(|record| record.seq < records);
    let mut entries = Vec::with_capacity(stored.len());
    let mut link = [0; 32];
    for record in stored {
        entries.push(decode(&record.bytes).map_err(|source| EngineError::Record { execution, seq: record.seq, source })?);
        link = record.link;
    }
    let history = History::fold(&entries).map_err(|source| EngineError::History { execution, source })?;
    Ok(JournalRead { entries, history, link })
}
