//! Starts by key. The key is written in the transaction that creates its execution.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::errors::DbError;
use super::{SqliteStore, columns, executions};
use crate::clock::Timestamp;
use crate::ids::ExecutionId;
use crate::store::{Durability, NewExecution, StartKey, Started, Starts, StoreError};

pub(super) const STARTED: &str = "SELECT request, exec_id FROM starts WHERE caller = ?1 AND key = ?2 AND at >= ?3";
pub(super) const FORGET: &str = "DELETE FROM starts WHERE at < ?1";

#[async_trait]
impl Starts for SqliteStore {
    async fn started(&self, start: &StartKey, since: Timestamp) -> Result<Option<Started>, StoreError> {
        let start = start.clone();
        self.readers.read(move |db| started(db, &start, since)).await
    }

    async fn create_once(&self, execution: NewExecution, start: StartKey, since: Timestamp) -> Result<Started, StoreError> {
        let create = move |db: &Connection| {
            if let Some(known) = started(db, &start, since)? {
                return Ok(known);
            }
            db.prepare_cached(FORGET)?.execute([since.as_micros()])?;
            executions::create(db, &execution)?;
            db.prepare_cached("INSERT INTO starts (caller, key, request, exec_id, at) VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(
                params![start.caller, start.key, start.request, execution.id.as_bytes(), execution.created_at.as_micros()],
            )?;
            Ok(Started::Now(execution.id))
        };
        let started = self.writer.write_counted(Durability::Full, create).await?;
        if let Started::Now(id) = started {
            self.notify(id).await;
        }
        Ok(started)
    }
}

fn started(db: &Connection, start: &StartKey, since: Timestamp) -> Result<Option<Started>, DbError> {
    let mut statement = db.prepare_cached(STARTED)?;
    let mut rows = statement.query(params![start.caller, start.key, since.as_micros()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let id = ExecutionId::from_bytes(columns::bytes(row, "exec_id")?);
    let request: [u8; 32] = columns::bytes(row, "request")?;
    Ok(Some(if request == start.request { Started::Before(id) } else { Started::Otherwise(id) }))
}
