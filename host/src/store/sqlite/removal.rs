//! Executions that are deleted, and files that nobody needs any more.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::errors::{self, DbError};
use super::{
    SqliteStore,
    blocking::blocking,
    columns,
    folder::{SIGNATURE, files_now},
    spending,
};
use crate::ids::ExecutionId;
use crate::store::{Status, StoreError};

pub(super) const FOUND: &str = "SELECT id, status FROM executions WHERE exec_id = ?1";
/// Who has not ended and replays the execution, or waits for it as its child.
pub(super) const NEEDED_BY: &str = "SELECT exec_id FROM executions WHERE original = ?1 AND status IN ('running', 'waiting')
     UNION ALL
     SELECT above.exec_id FROM executions below JOIN executions above ON above.exec_id = below.parent
     WHERE below.id = ?2 AND above.status IN ('running', 'waiting')
     LIMIT 1";
/// Deletes all rows that refer to the execution with a key.
pub(super) const BELONGINGS: [&str; 9] = [
    "DELETE FROM journal WHERE execution = ?1",
    "DELETE FROM waits WHERE execution = ?1",
    "DELETE FROM artifacts WHERE execution = ?1",
    "DELETE FROM logs WHERE execution = ?1",
    "DELETE FROM tags WHERE execution = ?1",
    "DELETE FROM blob_uses WHERE execution = ?1",
    "DELETE FROM model_calls WHERE execution = ?1",
    "DELETE FROM accesses WHERE execution = ?1",
    "DELETE FROM briefs WHERE execution = ?1",
];
pub(super) const CACHED: &str = "DELETE FROM cache WHERE execution = ?1";
/// Last: SQLite checks that nothing refers to the row any more.
pub(super) const ITSELF: &str = "DELETE FROM executions WHERE id = ?1";

/// Deletes an ended execution and all rows about it.
pub(super) fn delete(db: &Connection, id: ExecutionId) -> Result<(), DbError> {
    let found: Option<(i64, String)> =
        db.prepare_cached(FOUND)?.query_row([id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (key, status) = found.ok_or_else(|| StoreError::not_found("execution", id))?;
    if !Status::parse(&status).is_some_and(Status::is_terminal) {
        let message = format!("Only ended executions can be deleted. Execution '{id}' is currently '{status}'.");
        return Err(StoreError::Conflict { message }.into());
    }
    let needed_by: Option<Vec<u8>> =
        db.prepare_cached(NEEDED_BY)?.query_row(params![id.as_bytes(), key], |row| row.get(0)).optional()?;
    if let Some(other) = needed_by.and_then(|bytes| bytes.try_into().ok()).map(ExecutionId::from_bytes) {
        let message = format!("Execution '{other}', which has not ended, still needs execution '{id}'.");
        return Err(StoreError::Conflict { message }.into());
    }
    for sql in BELONGINGS {
        db.prepare_cached(sql)?.execute([key])?;
    }
    db.prepare_cached(CACHED)?.execute([id.as_bytes()])?;
    let tree = spending::tree_of(db, key)?;
    db.prepare_cached(ITSELF)?.execute([key])?;
    spending::forget(db, id, tree)
}

/// The files of blobs and components that rows refer to.
fn needed(db: &Connection) -> Result<HashSet<String>, DbError> {
    let mut names = HashSet::new();
    let mut blobs =
        db.prepare_cached("SELECT hash FROM blob_uses UNION SELECT blob FROM model_answers WHERE blob IS NOT NULL")?;
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    names.extend(columns::collect(blobs.query([])?, |row| Ok(hex(row.get("hash")?)))?);
    let mut components = db.prepare_cached("SELECT component FROM executions UNION SELECT component FROM deployments")?;
    names.extend(columns::collect(components.query([])?, |row| Ok(format!("{}.wasm", hex(row.get("component")?))))?);
    Ok(names)
}

impl SqliteStore {
    /// Removes blobs and components that no row refers to. Who writes a row writes its files first, so files that are younger than `grace`
    /// are left alone.
    pub(super) async fn sweep_files(&self, grace: Duration) -> Result<u64, StoreError> {
        let needed = self.readers.read(needed).await?;
        let (folder, folders, lock) = (self.folder.clone(), self.folder.by_content(), self.folder.sweeping()?);
        blocking(move || {
            // What made them unneeded may have been committed without a sync. A row that came back must not name a file that has gone.
            folder.sync_log()?;
            let mut sweep = Sweep { needed, grace, lock, freed: 0 };
            for folder in folders {
                sweep.folder(&folder).map_err(|error| errors::of_write(&folder, error))?;
            }
            Ok(sweep.freed)
        })
        .await
    }
}

struct Sweep {
    needed: HashSet<String>,
    grace: Duration,
    /// Held alone while a file goes.
    lock: File,
    freed: u64,
}

impl Sweep {
    fn folder(&mut self, folder: &Path) -> io::Result<()> {
        let Some(files) = there(std::fs::read_dir(folder))? else { return Ok(()) };
        for file in files {
            let file = file?;
            if file.file_type()?.is_dir() {
                self.folder(&file.path())?;
            } else if !self.is_needed(&file.path(), &file.file_name().to_string_lossy()) {
                self.file(&file.path())?;
            }
        }
        Ok(())
    }

    /// A signature is needed for as long as its component is there: whoever is about to name the component may need both.
    fn is_needed(&self, path: &Path, name: &str) -> bool {
        let component = name.strip_suffix(SIGNATURE).and_then(|name| name.split_once('.'));
        match component {
            Some((digest, _)) => path.with_file_name(format!("{digest}.wasm")).exists(),
            None => self.needed.contains(name),
        }
    }

    /// Removes a file that nobody needs, unless it is young, or another sweep was quicker.
    fn file(&mut self, path: &Path) -> io::Result<()> {
        if !self.is_old(path)? {
            return Ok(());
        }
        self.lock.lock()?;
        // Once more: it may have become young before the lock was ours.
        let removed = match self.is_old(path) {
            Ok(true) => there(std::fs::metadata(path).and_then(|found| std::fs::remove_file(path).map(|()| found.len()))),
            Ok(false) => Ok(None),
            Err(error) => Err(error),
        };
        self.lock.unlock()?;
        self.freed += removed?.unwrap_or(0);
        Ok(())
    }

    fn is_old(&self, path: &Path) -> io::Result<bool> {
        let Some(found) = there(std::fs::metadata(path))? else { return Ok(false) };
        let age = found.modified().ok().and_then(|at| files_now().duration_since(at).ok()).unwrap_or_default();
        Ok(age >= self.grace)
    }
}

/// None where there is no such file, or none any more.
fn there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}
