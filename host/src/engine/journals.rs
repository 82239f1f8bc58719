//! Reads journals back: bytes to entries to history, with the position of whatever cannot be read (E13).

use super::EngineError;
use crate::ids::ExecutionId;
use crate::journal::{EntryBody, History, Payload, decode};
use crate::store::Store;

/// Records read at a time.
pub(super) const PAGE: u64 = 2048;
/// The first time: most journals are short.
const FIRST: u64 = 32;

/// A journal, read.
#[derive(Debug)]
pub struct JournalRead {
    /// What its entries fold into.
    pub history: History,
    /// The last link of the hash chain.
    pub link: [u8; 32],
    /// Its records and the values that they name, in bytes.
    pub bytes: u64,
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
    let mut read = JournalRead { history: History::default(), link: [0; 32], bytes: 0 };
    loop {
        // A page at a time: its bytes are not kept beside what they fold into.
        let most = if read.history.next_seq == 0 { FIRST } else { PAGE };
        let left = records.saturating_sub(read.history.next_seq).min(most);
        let page = if left == 0 { Vec::new() } else { store.entries(execution, read.history.next_seq, left).await? };
        let is_last = (page.len() as u64) < most;
        for record in page {
            let entry = decode(&record.bytes).map_err(|source| EngineError::Record { execution, seq: record.seq, source })?;
            read.bytes = read.bytes.saturating_add(size(&record.bytes, &entry.body));
            read.history.apply(entry).map_err(|source| EngineError::History { execution, source })?;
            read.link = record.link;
        }
        if is_last {
            return Ok(read);
        }
    }
}

/// What a record takes, in bytes, with the values that lie beside the journal.
pub(super) fn size(record: &[u8], body: &EntryBody) -> u64 {
    let beside = body.payloads().map(|payload| if let Payload::Blob { len, .. } = payload { *len } else { 0 });
    beside.fold(record.len() as u64, u64::saturating_add)
}
