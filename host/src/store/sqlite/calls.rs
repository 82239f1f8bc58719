//! What stands beside the journal of some calls.

use async_trait::async_trait;
use rusqlite::{Connection, Row};

use super::errors::DbError;
use super::{SqliteStore, accesses, artifacts, columns, model_calls, waits};
use crate::ids::ExecutionId;
use crate::store::{BesideCalls, Calls, StoreError};

pub(super) const ARTIFACTS: &str = "SELECT * FROM artifacts WHERE execution = ?1 AND call = ?2 ORDER BY attempt, ordinal";
pub(super) const ACCESSES: &str = "SELECT * FROM accesses WHERE execution = ?1 AND call = ?2 ORDER BY attempt, id";
pub(super) const USAGE: &str = "SELECT id, call, attempt, ordinal, name, flow, day, at, spent, usage FROM model_calls
     WHERE execution = ?1 AND call = ?2 ORDER BY attempt, ordinal, id";

#[async_trait]
impl Calls for SqliteStore {
    async fn beside(&self, execution: ExecutionId, mut calls: Vec<u32>) -> Result<BesideCalls, StoreError> {
        calls.sort_unstable();
        calls.dedup();
        self.readers
            .read(move |db| {
                let _moment = db.unchecked_transaction()?;
                let of = Of { db, execution, key: columns::execution_key(db, execution)?, calls: &calls };
                Ok(BesideCalls {
                    artifacts: of.rows(ARTIFACTS, artifacts::artifact)?,
                    accesses: of.rows(ACCESSES, accesses::access)?,
                    waits: of.rows(waits::ONE, waits::wait)?,
                    usage: of.rows(USAGE, model_calls::usage)?,
                })
            })
            .await
    }
}

/// Which rows are read.
struct Of<'a> {
    db: &'a Connection,
    execution: ExecutionId,
    key: i64,
    calls: &'a [u32],
}

impl Of<'_> {
    /// The rows that a statement about one call gives, of all of them.
    fn rows<T>(&self, sql: &str, read: fn(&Row<'_>, ExecutionId) -> Result<T, DbError>) -> Result<Vec<T>, DbError> {
        let mut statement = self.db.prepare_cached(sql)?;
        let mut found = Vec::new();
        for call in self.calls {
            let rows = statement.query([self.key, i64::from(*call)])?;
            found.extend(columns::collect(rows, |row| read(row, self.execution))?);
        }
        Ok(found)
    }
}
