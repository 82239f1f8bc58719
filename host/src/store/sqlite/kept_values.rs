//! Values in the database: too large for the row that names them, too small to be worth a file and its syncs. They are written before that row,
//! into the same log, so that its sync is theirs too.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::SqliteStore;
use super::errors::{self, DbError};
use super::folder::files_now;
use crate::journal::PayloadHash;
use crate::store::{Durability, StoreError};

/// Values over this size, in bytes, are files.
pub(super) const ROW_LIMIT: usize = 128 * 1024;

pub(super) const VALUE: &str = "SELECT bytes FROM kept_values WHERE hash = ?1";
pub(super) const KEEP: &str = "UPDATE kept_values SET at = ?2 WHERE hash = ?1";
pub(super) const SWEEP: &str = "DELETE FROM kept_values WHERE at <= ?1
     AND NOT EXISTS (SELECT 1 FROM blob_uses WHERE blob_uses.hash = kept_values.hash)
     AND NOT EXISTS (SELECT 1 FROM model_answers WHERE blob = kept_values.hash) RETURNING length(bytes)";
pub(super) const DROP: &str = "DELETE FROM kept_values WHERE hash = ?1 AND at <= ?2
     AND NOT EXISTS (SELECT 1 FROM blob_uses WHERE blob_uses.hash = ?1)
     AND NOT EXISTS (SELECT 1 FROM model_answers WHERE blob = ?1)";

/// For so long after it was put, somebody may be about to name a value.
const GRACE: Duration = Duration::from_secs(600);

impl SqliteStore {
    pub(super) async fn put_value(&self, bytes: Vec<u8>) -> Result<PayloadHash, StoreError> {
        let hash = PayloadHash::of(&bytes);
        self.writer
            .write(Durability::Relaxed, move |db| {
                // Its bytes too: a value that was damaged is mended by being put again.
                db.prepare_cached(
                    "INSERT INTO kept_values (hash, at, bytes) VALUES (?1, ?2, ?3)
                     ON CONFLICT (hash) DO UPDATE SET at = excluded.at, bytes = excluded.bytes",
                )?
                .execute(params![hash.as_bytes(), now(), bytes])?;
                Ok(())
            })
            .await?;
        Ok(hash)
    }

    pub(super) async fn value(&self, hash: PayloadHash) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self
            .readers
            .read(move |db| {
                Ok(db.prepare_cached(VALUE)?.query_row([hash.as_bytes()], |row| row.get::<_, Vec<u8>>(0)).optional()?)
            })
            .await?;
        match found {
            Some(bytes) if PayloadHash::of(&bytes) != hash => {
                Err(errors::malformed(format!("the value `{hash}` in the database")))
            }
            found => Ok(found),
        }
    }

    /// Whether there is such a value; it is left alone for a while then.
    pub(super) async fn keep_value(&self, hash: PayloadHash) -> Result<bool, StoreError> {
        let keep = move |db: &Connection| Ok(db.prepare_cached(KEEP)?.execute(params![hash.as_bytes(), now()])? > 0);
        self.writer.write(Durability::Relaxed, keep).await
    }

    /// Removes values that nothing needs and that nobody put within `grace`; tells how many bytes.
    pub(super) async fn sweep_values(&self, grace: Duration) -> Result<u64, StoreError> {
        let old = before(grace);
        self.writer
            .write(Durability::Relaxed, move |db| {
                let mut statement = db.prepare_cached(SWEEP)?;
                let sizes = statement.query_map([old], |row| row.get::<_, i64>(0))?;
                let mut freed = 0;
                for size in sizes {
                    freed += u64::try_from(size.map_err(DbError::from)?).unwrap_or(0);
                }
                Ok(freed)
            })
            .await
    }
}

/// Removes a value that was needed until now, if nothing else needs it and nobody is about to: what makes room need not wait for a sweep. One that
/// is a file does.
pub(super) fn drop_unneeded(db: &Connection, hash: &[u8]) -> Result<(), DbError> {
    db.prepare_cached(DROP)?.execute(params![hash, before(GRACE)])?;
    Ok(())
}

fn before(grace: Duration) -> i64 {
    now().saturating_sub(i64::try_from(grace.as_micros()).unwrap_or(i64::MAX))
}

/// The time by which the ages of values are told, which is that of files.
fn now() -> i64 {
    let since = files_now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
