//! Executions that are deleted, and files that nobody needs any more.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::errors::{self, DbError};
use super::{SqliteStore, blocking::blocking, columns, folder::files_now};
use crate::ids::ExecutionId;
use crate::store::{Status, StoreError};

/// Deletes an ended execution and all rows about it.
pub(super) fn delete(db: &Connection, id: ExecutionId) -> Result<(), DbError> {
    let found: Option<(i64, String)> = db
        .prepare_cached("SELECT id, status FROM executions WHERE exec_id = ?1")?
        .query_row([id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (key, status) = found.ok_or_else(|| StoreError::not_found("execution", id))?;
    if !Status::parse(&status).is_some_and(Status::is_terminal) {
        let message = format!("Only ended executions can be deleted. Execution '{id}' is currently '{status}'.");
        return Err(StoreError::Conflict { message }.into());
    }
    let needed_by: Option<Vec<u8>> = db
        .prepare_cached(
            "SELECT exec_id FROM executions WHERE original = ?1 AND status IN ('running', 'waiting')
             UNION ALL
             SELECT above.exec_id FROM executions below JOIN executions above ON above.exec_id = below.parent
             WHERE below.id = ?2 AND above.status IN ('running', 'waiting')
             LIMIT 1",
        )?
        .query_row(params![id.as_bytes(), key], |row| row.get(0))
        .optional()?;
    if let Some(other) = needed_by.and_then(|bytes| bytes.try_into().ok()).map(ExecutionId::from_bytes) {
        let message = format!("Execution '{other}', which has not ended, still needs execution '{id}'.");
        return Err(StoreError::Conflict { message }.into());
    }
    for table in ["journal", "waits", "artifacts", "logs", "tags", "blob_uses"] {
        db.prepare_cached(&format!("DELETE FROM {table} WHERE execution = ?1"))?.execute([key])?;
    }
    db.prepare_cached("DELETE FROM cache WHERE execution = ?1")?.execute([id.as_bytes()])?;
    db.prepare_cached("DELETE FROM executions WHERE id = ?1")?.execute([key])?;
    Ok(())
}

/// The files of blobs and components that rows refer to.
fn needed(db: &Connection) -> Result<HashSet<String>, DbError> {
    let mut names = HashSet::new();
    let mut blobs = db.prepare_cached("SELECT DISTINCT hash FROM blob_uses")?;
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    names.extend(columns::collect(blobs.query([])?, |row| Ok(hex(row.get("hash")?)))?);
    let mut components = db.prepare_cached("SELECT DISTINCT component FROM executions")?;
    names.extend(columns::collect(components.query([])?, |row| Ok(format!("{}.wasm", hex(row.get("component")?))))?);
    Ok(names)
}

impl SqliteStore {
    /// Removes blobs and components that no row refers to. Who writes a row writes its files first, so files that are younger than `grace`
    /// are left alone.
    pub(super) async fn sweep_files(&self, grace: Duration) -> Result<u64, StoreError> {
        let needed = self.readers.read(needed).await?;
        let folders = self.folder.by_content();
        blocking(move || {
            let mut freed = 0;
            for folder in folders {
                sweep(&folder, &needed, grace, &mut freed).map_err(|error| errors::of_write(&folder, error))?;
            }
            Ok(freed)
        })
        .await
    }
}

fn sweep(folder: &Path, needed: &HashSet<String>, grace: Duration, freed: &mut u64) -> std::io::Result<()> {
    let files = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        files => files?,
    };
    for file in files {
        let file = file?;
        let found = file.metadata()?;
        if found.is_dir() {
            sweep(&file.path(), needed, grace, freed)?;
            continue;
        }
        let age = found.modified().ok().and_then(|at| files_now().duration_since(at).ok()).unwrap_or_default();
        let name = PathBuf::from(file.file_name()).to_string_lossy().into_owned();
        if !needed.contains(&name) && age >= grace {
            std::fs::remove_file(file.path())?;
            *freed += found.len();
        }
    }
    Ok(())
}
