//! Results that may be served again (E14).

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::SqliteStore;
use super::columns;
use super::errors::DbError;
use crate::clock::Timestamp;
use crate::ids::{CallId, ExecutionId};
use crate::store::{Cache, CacheEntry, CacheKey, StoreError};

pub(super) const CACHED: &str = "SELECT * FROM cache WHERE key = ?1 AND (expires_at IS NULL OR expires_at > ?2)";

#[async_trait]
impl Cache for SqliteStore {
    async fn cached(&self, key: CacheKey, now: Timestamp) -> Result<Option<CacheEntry>, StoreError> {
        self.readers
            .read(move |db| {
                let mut statement = db.prepare_cached(CACHED)?;
                let mut rows = statement.query(params![key, now.as_micros()])?;
                let Some(row) = rows.next()? else { return Ok(None) };
                let execution = ExecutionId::from_bytes(columns::bytes(row, "execution")?);
                Ok(Some(CacheEntry {
                    key,
                    call: CallId { execution, index: columns::index(row, "call")? },
                    result: columns::required_payload(row, "result")?,
                    metadata: row.get("metadata")?,
                    expires_at: columns::optional_time(row, "expires_at")?,
                }))
            })
            .await
    }
}

/// Keeps a result, in the transaction of the append that records its call.
pub(super) fn keep(db: &Connection, entry: &CacheEntry) -> Result<(), DbError> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO cache (key, execution, call, result, metadata, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        entry.key,
        entry.call.execution.as_bytes(),
        entry.call.index,
        columns::payload(&entry.result)?,
        entry.metadata,
        entry.expires_at.map(Timestamp::as_micros),
    ])?;
    Ok(())
}
