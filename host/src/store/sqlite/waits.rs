//! Questions and answers.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::SqliteStore;
use super::errors::{self, DbError};
use super::{blob_uses, columns};
use crate::clock::Timestamp;
use crate::ids::{CallId, ExecutionId};
use crate::store::{Durability, NewWait, Resolution, StoreError, WaitRow, Waits};

pub(super) const ALL: &str = "SELECT * FROM waits WHERE execution = ?1 ORDER BY call";
pub(super) const FOR_MODELS: &str = r#"SELECT waits.*, exec_id FROM waits CROSS JOIN executions ON executions.id = waits.execution
     WHERE resolution IS NULL AND instr(waits.metadata, '"missing_model":true') > 0"#;
pub(super) const ONE: &str = "SELECT * FROM waits WHERE execution = ?1 AND call = ?2";
pub(super) const IS_SETTLED: &str = "SELECT resolution IS NOT NULL, entered_at FROM waits WHERE execution = ?1 AND call = ?2";
pub(super) const IS_DUE: &str = "UPDATE executions SET wake_at = ?2
     WHERE id = ?1 AND status = 'waiting' AND coalesce(wake_at > ?2, 1)";

#[async_trait]
impl Waits for SqliteStore {
    async fn waits(&self, execution: ExecutionId) -> Result<Vec<WaitRow>, StoreError> {
        self.readers
            .read(move |db| {
                let key = columns::execution_key(db, execution)?;
                let mut statement = db.prepare_cached(ALL)?;
                columns::collect(statement.query([key])?, |row| wait(row, execution))
            })
            .await
    }

    async fn waits_for_models(&self) -> Result<Vec<WaitRow>, StoreError> {
        self.readers
            .read(move |db| {
                let mut statement = db.prepare_cached(FOR_MODELS)?;
                columns::collect(statement.query([])?, |row| wait(row, ExecutionId::from_bytes(columns::bytes(row, "exec_id")?)))
            })
            .await
    }

    async fn wait(&self, id: CallId) -> Result<WaitRow, StoreError> {
        self.readers
            .read(move |db| {
                let key = columns::execution_key(db, id.execution)?;
                let mut statement = db.prepare_cached(ONE)?;
                let mut rows = statement.query(params![key, id.index])?;
                let row = rows.next()?.ok_or_else(|| StoreError::not_found("wait", id))?;
                wait(row, id.execution)
            })
            .await
    }

    async fn resolve(
        &self,
        id: CallId,
        asked_at: Option<Timestamp>,
        resolution: Resolution,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.writer
            .write(Durability::Full, move |db| {
                let key = settle(db, id, asked_at, &resolution, at)?;
                // In the same transaction: whoever looks for something to drive finds it, whatever becomes of this process.
                db.prepare_cached(IS_DUE)?.execute(params![key, at.as_micros()])?;
                Ok(())
            })
            .await?;
        self.notify(id.execution).await;
        Ok(())
    }
}

/// A question begins, in the transaction of the append that asks it. The same call asks again only after its execution was reopened before it
/// (E9), when what was asked and answered there no longer counts.
pub(super) fn begin(db: &Connection, key: i64, wait: &NewWait, at: Timestamp) -> Result<(), DbError> {
    db.prepare_cached(
        "INSERT INTO waits (execution, call, name, question, schema, metadata, entered_at, deadline, fallback)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (execution, call) DO UPDATE SET name = excluded.name, question = excluded.question, schema = excluded.schema,
             metadata = excluded.metadata, entered_at = excluded.entered_at, deadline = excluded.deadline,
             fallback = excluded.fallback, resolution = NULL, answer = NULL, resolved_at = NULL",
    )?
    .execute(params![
        key,
        wait.call,
        wait.name,
        wait.question,
        wait.schema,
        wait.metadata,
        at.as_micros(),
        wait.deadline.map(Timestamp::as_micros),
        wait.default.as_ref().map(columns::payload).transpose()?,
    ])?;
    blob_uses::note(db, key, wait.default.as_ref().and_then(blob_uses::of))
}

/// Settles a question; the key of its execution.
pub(super) fn settle(
    db: &Connection,
    id: CallId,
    asked_at: Option<Timestamp>,
    resolution: &Resolution,
    at: Timestamp,
) -> Result<i64, DbError> {
    let key = columns::execution_key(db, id.execution)?;
    let found: Option<(bool, i64)> =
        db.prepare_cached(IS_SETTLED)?.query_row(params![key, id.index], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (is_settled, entered_at) = found.ok_or_else(|| StoreError::not_found("wait", id))?;
    let problem = match asked_at {
        _ if is_settled => Some("is settled already"),
        Some(asked_at) if asked_at.as_micros() != entered_at => Some("was asked anew meanwhile"),
        _ => None,
    };
    if let Some(problem) = problem {
        return Err(StoreError::Conflict { message: format!("wait `{id}` {problem}") }.into());
    }
    let (word, answer) = match resolution {
        Resolution::Answered(value) => {
            blob_uses::note(db, key, blob_uses::of(value))?;
            ("answered", Some(columns::payload(value)?))
        }
        Resolution::Aborted => ("aborted", None),
        Resolution::Expired => ("expired", None),
    };
    db.prepare_cached("UPDATE waits SET resolution = ?3, answer = ?4, resolved_at = ?5 WHERE execution = ?1 AND call = ?2")?
        .execute(params![key, id.index, word, answer, at.as_micros()])?;
    Ok(key)
}

pub(super) fn wait(row: &Row<'_>, execution: ExecutionId) -> Result<WaitRow, DbError> {
    let id = CallId { execution, index: columns::index(row, "call")? };
    let word: Option<String> = row.get("resolution")?;
    let resolution = match (word.as_deref(), columns::optional_payload(row, "answer")?) {
        (None, _) => None,
        (Some("answered"), Some(value)) => Some(Resolution::Answered(value)),
        (Some("aborted"), _) => Some(Resolution::Aborted),
        (Some("expired"), _) => Some(Resolution::Expired),
        _ => return Err(errors::malformed(format!("the answer of wait `{id}`")).into()),
    };
    Ok(WaitRow {
        id,
        wait: NewWait {
            call: id.index,
            name: row.get("name")?,
            question: row.get("question")?,
            schema: row.get("schema")?,
            metadata: row.get("metadata")?,
            deadline: columns::optional_time(row, "deadline")?,
            default: columns::optional_payload(row, "fallback")?,
        },
        entered_at: columns::time(row, "entered_at")?,
        resolution,
        resolved_at: columns::optional_time(row, "resolved_at")?,
    })
}
