//! Copies what is committed from the log into the database every so often, as SQLite would by itself, but for one thing: SQLite tells nobody
//! when that fails. A failed sync matters, because the system may take what it could not write for written, and the next sync of the log, on
//! which a full commit rests, says nothing about it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode};

/// The log is copied when it has so many pages, SQLite's own default.
const PAGES: i32 = 1000;

/// Whether copying has met a disk that does not take what it is given.
#[derive(Debug)]
pub(super) struct LogHealth(Arc<AtomicBool>);

impl LogHealth {
    /// Whether it has since this was asked the last time.
    pub(super) fn has_failed(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Has the log of `db` copied after commits of this connection.
pub(super) fn keep_log_short(db: &mut Connection) -> rusqlite::Result<LogHealth> {
    let failed = Arc::new(AtomicBool::new(false));
    let ours = failed.clone();
    db.wal_hook(Some(move |log: &mut Wal, pages| {
        if pages >= PAGES
            && let Err(error) = log.checkpoint()
        {
            // Who reads or writes at the same time keeps it from being copied whole; the next commit tries again.
            if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) {
                tracing::error!(%error, "the log could not be copied into the database");
                ours.store(true, Ordering::Relaxed);
            }
        }
        // An error would be reported as that of the commit, which has happened.
        Ok(())
    }))?;
    Ok(LogHealth(failed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_copied_and_begins_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut db = Connection::open(folder.path().join("a.db")).unwrap();
        let _: String = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).unwrap();
        let health = keep_log_short(&mut db).unwrap();
        db.execute_batch("CREATE TABLE t (x BLOB)").unwrap();
        for _ in 0..500 {
            db.execute("INSERT INTO t VALUES (randomblob(50000))", []).unwrap();
        }
        let length = std::fs::metadata(folder.path().join("a.db-wal")).unwrap().len();
        assert!(length < 10_000_000, "25 MB were written, and the log has {length} bytes");
        assert!(!health.has_failed());
    }
}
