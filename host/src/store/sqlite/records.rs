//! Records of journals as they come from the database: many of them in one piece of memory.

use bytes::Bytes;
use rusqlite::Row;

use super::errors::{self, DbError};
use crate::ids::ExecutionId;
use crate::store::StoredEntry;

/// Records that were read and nobody has yet.
#[derive(Default)]
pub(super) struct Records {
    /// The bytes of all, one after the other.
    bytes: Vec<u8>,
    /// The position of each, where its bytes end, and its link.
    parts: Vec<(u64, usize, [u8; 32])>,
}

impl Records {
    /// Reads a row of [`ENTRIES`](super::journal::ENTRIES).
    pub(super) fn read(&mut self, row: &Row<'_>, execution: ExecutionId) -> Result<(), DbError> {
        // By position: a journal may have a million records.
        let seq = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(u64::MAX);
        let blob = |at: usize| -> Result<&[u8], DbError> { Ok(row.get_ref(at)?.as_blob().map_err(rusqlite::Error::from)?) };
        let link = blob(2)?.try_into();
        let link = link.map_err(|_| errors::malformed(format!("record {seq} of the journal of execution `{execution}`")))?;
        self.bytes.extend_from_slice(blob(1)?);
        self.parts.push((seq, self.bytes.len(), link));
        Ok(())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// Takes them.
    pub(super) fn take(&mut self) -> Vec<StoredEntry> {
        let Self { bytes, parts } = std::mem::take(self);
        let bytes = Bytes::from(bytes);
        let mut from = 0;
        let record = |(seq, end, link)| {
            let bytes = bytes.slice(std::mem::replace(&mut from, end)..end);
            StoredEntry { seq, bytes, link }
        };
        parts.into_iter().map(record).collect()
    }
}
