//! What bodies used of what they were granted, and what they were denied.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::errors::DbError;
use super::{SqliteStore, columns};
use crate::ids::ExecutionId;
use crate::store::{AccessRow, Accesses, StoreError};

pub(super) const OF_EXECUTION: &str = "SELECT * FROM accesses WHERE execution = ?1 ORDER BY call, attempt, id";
pub(super) const COUNT: &str = "SELECT count(*) FROM accesses WHERE execution = ?1";

#[async_trait]
impl Accesses for SqliteStore {
    async fn accesses(&self, execution: ExecutionId) -> Result<Vec<AccessRow>, StoreError> {
        self.readers
            .read(move |db| {
                let key = columns::execution_key(db, execution)?;
                let mut statement = db.prepare(OF_EXECUTION)?;
                columns::collect(statement.query([key])?, |row| access(row, execution))
            })
            .await
    }

    async fn count_accesses(&self, execution: ExecutionId) -> Result<u64, StoreError> {
        self.readers
            .read(move |db| {
                let key = columns::execution_key(db, execution)?;
                Ok(db.prepare_cached(COUNT)?.query_row([key], |row| row.get::<_, i64>(0))?.unsigned_abs())
            })
            .await
    }
}

/// Adds records to the execution with this key, in the transaction of a step of it.
pub(super) fn add(db: &Connection, key: i64, execution: ExecutionId, rows: &[AccessRow]) -> Result<(), DbError> {
    // Most steps have none, and are not to pay for a look at the statement.
    if rows.is_empty() {
        return Ok(());
    }
    let mut insert = db.prepare_cached(
        "INSERT INTO accesses (execution, call, attempt, checkpoint, kind, target, allowed, count, first_at, detail)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for row in rows {
        if row.execution != execution {
            let message = format!("a record of an access of execution `{}` is none of execution `{execution}`", row.execution);
            return Err(StoreError::Conflict { message }.into());
        }
        insert.execute(params![
            key,
            row.call,
            row.attempt,
            row.checkpoint,
            row.kind,
            row.target,
            row.allowed,
            columns::integer(row.count),
            row.first_at.as_micros(),
            row.detail,
        ])?;
    }
    Ok(())
}

pub(super) fn access(row: &Row<'_>, execution: ExecutionId) -> Result<AccessRow, DbError> {
    Ok(AccessRow {
        execution,
        call: columns::index(row, "call")?,
        attempt: columns::index(row, "attempt")?,
        checkpoint: row.get("checkpoint")?,
        kind: row.get("kind")?,
        target: row.get("target")?,
        allowed: row.get("allowed")?,
        count: columns::count(row, "count")?,
        first_at: columns::time(row, "first_at")?,
        detail: row.get("detail")?,
    })
}
