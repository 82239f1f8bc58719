//! Executions that come from another store.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::errors::DbError;
use super::{SqliteStore, accesses, artifacts, blob_uses, columns, executions, logs, model_calls, spending, waits};
use crate::clock::Timestamp;
use crate::store::{Durability, ImportedExecution, Imports, StoreError};

#[async_trait]
impl Imports for SqliteStore {
    async fn import(&self, bundle: Vec<ImportedExecution>) -> Result<(), StoreError> {
        let ids: Vec<_> = bundle.iter().map(|execution| execution.new.id).collect();
        self.writer.write(Durability::Full, move |db| bundle.iter().try_for_each(|execution| add(db, execution))).await?;
        for id in ids {
            self.notify(id).await;
        }
        Ok(())
    }
}

fn add(db: &Connection, execution: &ImportedExecution) -> Result<(), DbError> {
    executions::insert(db, &execution.new, None)?;
    let key = columns::execution_key(db, execution.new.id)?;
    let tree = spending::tree_of(db, key)?;
    db.prepare_cached(
        "UPDATE executions SET status = ?2, status_reason = ?3, ended_at = ?4, result = ?5, failure = ?6, metadata = ?7 WHERE id = ?1",
    )?
    .execute(params![
        key,
        execution.status.as_str(),
        execution.status_reason,
        execution.ended_at.map(Timestamp::as_micros),
        execution.result.as_ref().map(columns::payload).transpose()?,
        execution.failure.as_ref().map(columns::failure).transpose()?,
        execution.metadata,
    ])?;
    let mut record = db.prepare_cached("INSERT INTO journal (execution, seq, link, bytes) VALUES (?1, ?2, ?3, ?4)")?;
    for entry in &execution.journal {
        record.execute(params![key, columns::integer(entry.seq), entry.link, &*entry.bytes])?;
    }
    for wait in &execution.waits {
        waits::begin(db, key, &wait.wait, wait.entered_at)?;
        if let Some(resolution) = &wait.resolution {
            waits::settle(db, wait.id, None, resolution, wait.resolved_at.unwrap_or(wait.entered_at))?;
        }
    }
    for artifact in &execution.artifacts {
        artifacts::insert(db, key, artifact)?;
    }
    for row in &execution.model_calls {
        model_calls::insert(db, key, execution.new.id, row)?;
        // Its flow and its day had a budget elsewhere.
        spending::add_to_its_own(db, tree, row)?;
    }
    accesses::add(db, key, execution.new.id, &execution.accesses)?;
    logs::add(db, &execution.logs)?;
    blob_uses::note(db, key, execution.blobs.iter().copied())
}
