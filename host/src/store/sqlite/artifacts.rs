//! Saved artifacts.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::errors::{self, DbError};
use super::fence::Fence;
use super::{blob_uses, columns};
use crate::ids::ExecutionId;
use crate::store::{ArtifactRow, Artifacts, Durability, Lease, StoreError};

pub(super) const ALL: &str = "SELECT * FROM artifacts WHERE execution = ?1 ORDER BY call, attempt, ordinal";
pub(super) const REPLACE: &str = "DELETE FROM artifacts WHERE execution = ?1 AND call = ?2 AND attempt = ?3 AND ordinal >= ?4";

#[async_trait]
impl Artifacts for SqliteStore {
    async fn save(&self, lease: &Lease, artifact: ArtifactRow) -> Result<(), StoreError> {
        let fence = Fence::new(lease, self.runner.id());
        self.writer.write(Durability::Relaxed, move |db| keep(db, fence.check(db)?, &artifact)).await
    }

    async fn artifacts(&self, execution: ExecutionId) -> Result<Vec<ArtifactRow>, StoreError> {
        self.readers
            .read(move |db| {
                let key = columns::execution_key(db, execution)?;
                let mut statement = db.prepare_cached(ALL)?;
                columns::collect(statement.query([key])?, |row| artifact(row, execution))
            })
            .await
    }
}

fn keep(db: &Connection, key: i64, artifact: &ArtifactRow) -> Result<(), DbError> {
    // An attempt whose start was not on the disk when the machine died runs again under its number. What it saved before is another try's, so
    // its first artifact takes the place of all of them.
    db.prepare_cached(REPLACE)?.execute(params![key, artifact.call, artifact.attempt, artifact.ordinal])?;
    insert(db, key, artifact)
}

/// Adds an artifact as it is.
pub(super) fn insert(db: &Connection, key: i64, artifact: &ArtifactRow) -> Result<(), DbError> {
    blob_uses::note(db, key, blob_uses::of(&artifact.payload))?;
    let tags = serde_json::to_string(&artifact.tags).map_err(|error| StoreError::Backend(Box::new(error)))?;
    db.prepare_cached(
        "INSERT INTO artifacts (execution, call, attempt, ordinal, name, kind, media_type, is_blob, tags, payload, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        key,
        artifact.call,
        artifact.attempt,
        artifact.ordinal,
        artifact.name,
        artifact.kind,
        artifact.media_type,
        artifact.is_blob,
        tags,
        columns::payload(&artifact.payload)?,
        artifact.at.as_micros(),
    ])?;
    Ok(())
}

pub(super) fn artifact(row: &Row<'_>, execution: ExecutionId) -> Result<ArtifactRow, DbError> {
    let tags: String = row.get("tags")?;
    Ok(ArtifactRow {
        execution,
        call: columns::index(row, "call")?,
        attempt: columns::index(row, "attempt")?,
        ordinal: columns::index(row, "ordinal")?,
        name: row.get("name")?,
        kind: row.get("kind")?,
        media_type: row.get("media_type")?,
        is_blob: row.get("is_blob")?,
        tags: serde_json::from_str(&tags).map_err(|error| errors::damaged("the tags of an artifact", error))?,
        payload: columns::required_payload(row, "payload")?,
        at: columns::time(row, "at")?,
    })
}
