//! Journals, and the one step in which an execution changes.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::columns;
use super::errors::DbError;
use super::fence::Fence;
use super::records::Records;
use super::turns::Turn;
use super::{accesses, blob_uses, cache, executions, logs, model_calls, waits};
use crate::clock::Timestamp;
use crate::ids::{ComponentDigest, ExecutionId};
use crate::journal::EncodedEntry;
use crate::store::{Append, Appending, Durability, Journal, Lease, Reader, Reading, StatusChange, StoreError, StoredEntry};

pub(super) const ENTRIES: &str = "SELECT seq, bytes, link FROM journal WHERE execution = ?1 AND seq >= ?2 ORDER BY seq LIMIT ?3";
pub(super) const LAST: &str = "SELECT max(seq) FROM journal WHERE execution = ?1";
pub(super) const APPEND: &str = "INSERT INTO journal (execution, seq, link, bytes) VALUES (?1, ?2, ?3, ?4)";
pub(super) const PARENT_IS_DUE: &str = "UPDATE executions SET wake_at = ?2
     WHERE exec_id = (SELECT parent FROM executions WHERE id = ?1) AND status = 'waiting' AND coalesce(wake_at > ?2, 1)";

/// A replay may load what its source could, by the IDs that its calls are served: for the code that it had then, and for no other.
const FORGET_TREES: &str = "UPDATE executions SET frozen_spec = json_remove(frozen_spec, '$.starter.trees')
     WHERE id = ?1 AND component <> ?2 AND CASE WHEN json_valid(frozen_spec) THEN frozen_spec -> '$.starter.trees' END IS NOT NULL";

/// So many records are read on the calling thread.
const FEW: u64 = 32;

/// So many are handed on at a time where more are read ahead: each time may wake up whoever folds them.
const PAGE: usize = 512;

#[async_trait]
impl Journal for SqliteStore {
    fn append(&self, lease: &Lease, append: Append) -> Appending {
        let runner = self.runner.id();
        let fence = Fence::new(lease, runner.clone());
        let execution = lease.execution;
        let appends = !append.entries.is_empty();
        let turn = if append.is_only_lines() { Turn::Lines(execution, append.line_weight()) } else { Turn::Of(execution) };
        self.writer.append(turn, append.durability, appends, move |db| {
            let key = fence.check(db)?;
            step(db, key, execution, &append)?;
            model_calls::keep(db, key, execution, runner.as_deref(), &append.model_calls)
        })
    }

    fn write_out(&self) {
        self.writer.call();
    }

    async fn entries(&self, execution: ExecutionId, from: u64, limit: u64) -> Result<Vec<StoredEntry>, StoreError> {
        let read = move |db: &Connection| {
            let mut records = Records::default();
            each_entry(db, execution, from, limit, |row| records.read(row, execution).map(|()| true))?;
            Ok(records.take())
        };
        if limit <= FEW { self.readers.look(read).await } else { self.readers.read(read).await }
    }

    async fn read_ahead(&self, execution: ExecutionId, from: u64, limit: u64) -> Result<Reading, StoreError> {
        let (reader, reading) = Reading::new();
        let go_through = move |db: &Connection, reader: &Reader| {
            let mut records = Records::default();
            each_entry(db, execution, from, limit, |row| {
                records.read(row, execution)?;
                Ok(records.len() < PAGE || reader.hand_on(records.take()))
            })?;
            // If nobody takes them, nobody asks for the end either.
            let _ = reader.hand_on(records.take());
            Ok(())
        };
        self.readers.go_through(reader, go_through).await?;
        Ok(reading)
    }
}

/// Steps through records, as long as that is wanted.
fn each_entry(
    db: &Connection,
    execution: ExecutionId,
    from: u64,
    limit: u64,
    mut take: impl FnMut(&Row<'_>) -> Result<bool, DbError>,
) -> Result<(), DbError> {
    let key = columns::execution_key(db, execution)?;
    let mut statement = db.prepare_cached(ENTRIES)?;
    let mut rows = statement.query([key, columns::integer(from), columns::integer(limit)])?;
    while let Some(row) = rows.next()? {
        if !take(row)? {
            break;
        }
    }
    Ok(())
}

fn step(db: &Connection, key: i64, execution: ExecutionId, append: &Append) -> Result<(), DbError> {
    append_entries(db, key, execution, append)?;
    if let Some(change) = &append.status {
        change_status(db, key, change, append.at)?;
    }
    if let Some(metadata) = &append.metadata {
        db.prepare_cached("UPDATE executions SET metadata = ?2 WHERE id = ?1")?.execute(params![key, metadata])?;
    }
    if let Some(wait) = &append.wait {
        waits::begin(db, key, wait, append.at)?;
    }
    if let Some(child) = &append.child {
        executions::insert(db, child, None)?;
    }
    for entry in &append.cache {
        cache::keep(db, entry)?;
    }
    accesses::add(db, key, execution, &append.accesses)?;
    logs::add(db, &append.logs)?;
    blob_uses::note(db, key, append.blobs.iter().copied())?;
    if append.gives_back {
        db.prepare_cached("UPDATE executions SET runner = NULL WHERE id = ?1")?.execute([key])?;
    }
    if append.durability == Durability::Full && append.entries.is_empty() {
        // SQLite syncs the WAL only if the commit adds to it. Whoever asks for a full append must get a sync, for what was relaxed before.
        db.prepare_cached("UPDATE executions SET syncs = syncs + 1 WHERE id = ?1")?.execute([key])?;
    }
    Ok(())
}

fn append_entries(db: &Connection, key: i64, execution: ExecutionId, append: &Append) -> Result<(), DbError> {
    let entries: &[EncodedEntry] = &append.entries;
    let Some(first) = entries.first().map(|entry| entry.seq).or(append.follows) else { return Ok(()) };
    let last: Option<i64> = db.prepare_cached(LAST)?.query_row([key], |row| row.get(0))?;
    let next = last.map_or(0, |last| last.saturating_add(1));
    let expected = u64::try_from(next).unwrap_or(u64::MAX);
    if entries.is_empty() && first != expected {
        let message =
            format!("the journal of execution `{execution}` stands at {expected}, and a change follows {first} records");
        return Err(StoreError::Conflict { message }.into());
    }
    let mut insert = db.prepare_cached(APPEND)?;
    for (entry, expected) in entries.iter().zip(expected..) {
        if entry.seq != expected {
            let message = format!(
                "the journal of execution `{execution}` goes on at {expected}, not at {} (an append that begins at {})",
                entry.seq, first
            );
            return Err(StoreError::Conflict { message }.into());
        }
        insert.execute(params![key, columns::integer(entry.seq), entry.link, entry.bytes])?;
    }
    Ok(())
}

fn change_status(db: &Connection, key: i64, change: &StatusChange, at: Timestamp) -> Result<(), DbError> {
    let status = change.status().as_str();
    if let StatusChange::Reopened { component: Some(component), .. } | StatusChange::Upgraded { component } = change {
        db.prepare_cached(FORGET_TREES)?.execute(params![key, component.as_bytes()])?;
    }
    match change {
        StatusChange::Running => db
            .prepare_cached("UPDATE executions SET status = ?2, status_reason = NULL, wake_at = NULL WHERE id = ?1")?
            .execute(params![key, status])?,
        StatusChange::Waiting { wake_at } => db
            .prepare_cached("UPDATE executions SET status = ?2, status_reason = NULL, wake_at = ?3 WHERE id = ?1")?
            .execute(params![key, status, wake_at.map(Timestamp::as_micros)])?,
        StatusChange::Upgraded { component } => db
            .prepare_cached("UPDATE executions SET component = ?2 WHERE id = ?1")?
            .execute(params![key, component.as_bytes()])?,
        StatusChange::Completed { result } => {
            blob_uses::note(db, key, blob_uses::of(result))?;
            db.prepare_cached(
                "UPDATE executions SET status = ?2, status_reason = NULL, wake_at = NULL, ended_at = ?3, result = ?4, failure = NULL
                 WHERE id = ?1",
            )?
            .execute(params![key, status, at.as_micros(), columns::payload(result)?])?
        }
        StatusChange::Failed { failure } => db
            .prepare_cached(
                "UPDATE executions SET status = ?2, status_reason = ?3, wake_at = NULL, ended_at = ?4, result = NULL, failure = ?5
                 WHERE id = ?1",
            )?
            .execute(params![key, status, failure.message, at.as_micros(), columns::failure(failure)?])?,
        StatusChange::Cancelled => db
            .prepare_cached("UPDATE executions SET status = ?2, status_reason = NULL, wake_at = NULL, ended_at = ?3 WHERE id = ?1")?
            .execute(params![key, status, at.as_micros()])?,
        StatusChange::Reopened { component, from_call, rerun, automatic } => {
            for call in rerun {
                db.prepare_cached("DELETE FROM waits WHERE execution = ?1 AND call = ?2")?.execute(params![key, call])?;
            }
            if let Some(call) = from_call {
                db.prepare_cached("DELETE FROM waits WHERE execution = ?1 AND call >= ?2")?.execute(params![key, call])?;
            }
            db.prepare_cached(
                "UPDATE executions SET status = ?2, status_reason = NULL, wake_at = NULL, ended_at = NULL, result = NULL,
                     failure = NULL, cancel_requested = cancel_requested AND ?4, component = coalesce(?3, component) WHERE id = ?1",
            )?
            .execute(params![key, status, component.as_ref().map(ComponentDigest::as_bytes), automatic])?
        }
    };
    if change.status().is_terminal() {
        // Whoever waits for it is due, in the same transaction: nothing else would tell if this process ended now.
        db.prepare_cached(PARENT_IS_DUE)?.execute(params![key, at.as_micros()])?;
    }
    Ok(())
}
