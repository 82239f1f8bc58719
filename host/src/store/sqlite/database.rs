//! Connections to the database, and bringing its format up to date.

use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::errors::{self, DbError};
use super::folder::Folder;
use crate::store::StoreError;

/// `KTRU`: tells our databases from those of other programs.
pub(super) const APPLICATION: i32 = 0x4B54_5255;
/// In order; the database's `user_version` says how many were applied.
const MIGRATIONS: [&str; 7] = [
    include_str!("migrations/V1__initial.sql"),
    include_str!("migrations/V2__model_calls.sql"),
    include_str!("migrations/V3__accesses.sql"),
    include_str!("migrations/V4__service.sql"),
    include_str!("migrations/V5__flows.sql"),
    include_str!("migrations/V6__trees.sql"),
    include_str!("migrations/V7__briefs.sql"),
];
/// The format of a data folder that this host writes, and the latest that it reads.
pub const DATA_FORMAT: u32 = MIGRATIONS.len() as u32;
/// Bytes of a page. A commit writes whole pages, few of them and mostly with one new row: half of SQLite's default is half the work.
pub(super) const PAGE: u32 = 2048;
/// How long to wait for another process that holds the database.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than there are different statements, so that none is ever parsed twice.
const STATEMENTS: usize = 128;

/// The connection that writes, with the database in the present format.
pub(super) fn open_writer(folder: &Folder) -> Result<Connection, StoreError> {
    open_current(folder).map_err(|error| error.into_store(folder.path()))
}

fn open_current(folder: &Folder) -> Result<Connection, DbError> {
    let mut db = open(folder, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // Nothing is changed before it is certain whose database this is. In a transaction, so that it is seen as of one moment.
    let snapshot = db.transaction()?;
    let found = format(&snapshot, folder)?;
    drop(snapshot);
    if db.is_readonly("main")? {
        return Err(StoreError::ReadOnly { path: folder.database() }.into());
    }
    // Only of a database that has nothing in it yet.
    db.pragma_update(None, "page_size", PAGE)?;
    switch_to_wal(&db)?;
    db.execute_batch(
        // `fullfsync` matters on macOS only, where an ordinary sync leaves data in the drive's cache. The WAL is cut back after a burst.
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; PRAGMA checkpoint_fullfsync = ON; PRAGMA foreign_keys = ON;
         PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY;",
    )?;
    if found < MIGRATIONS.len() {
        migrate(&mut db, folder)?;
    }
    Ok(db)
}

/// A connection that only reads, to a database that [`open_writer`] opened before.
pub(super) fn open_reader(folder: &Folder) -> Result<Connection, DbError> {
    let db = open(folder, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY;")?;
    Ok(db)
}

fn open(folder: &Folder, access: OpenFlags) -> Result<Connection, DbError> {
    // Each connection is used by one thread at a time, which Rust sees to.
    let db = Connection::open_with_flags(folder.database(), access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    #[cfg(feature = "fault-injection")]
    let db = super::counted::counted(db)?;
    db.busy_timeout(PATIENCE)?;
    // A plan is made from the statement alone. Otherwise SQLite looks at each integer that a column is compared with, in case it is 0 or 1, and
    // plans many a statement anew whenever it gets another value, which takes ten times as long as to run it.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(db)
}

/// The format of the database: how many migrations were applied to it. Only an empty file is taken over.
fn format(db: &Connection, folder: &Folder) -> Result<usize, DbError> {
    let application: i32 = db.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let supported = DATA_FORMAT;
    match application {
        APPLICATION if version > supported => {
            Err(StoreError::NewerFormat { path: folder.path().to_owned(), found: version, supported }.into())
        }
        APPLICATION => Ok(usize::try_from(version).unwrap_or(usize::MAX)),
        0 if version == 0 && tables == 0 => Ok(0),
        _ => {
            let what = format!("`{}` is another program's database: the store in it", folder.database().display());
            Err(errors::malformed(what).into())
        }
    }
}

/// WAL mode stays in the file. SQLite does not wait when two connections make the switch at once, so this does.
fn switch_to_wal(db: &Connection) -> Result<(), DbError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                let message = format!("the data folder's file system offers the journal mode `{mode}` and not `wal`");
                return Err(StoreError::Conflict { message }.into());
            }
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Applies what is missing, all of it or nothing.
fn migrate(db: &mut Connection, folder: &Folder) -> Result<(), DbError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been faster; only now nobody else can be.
    let found = format(&transaction, folder)?;
    for step in MIGRATIONS.iter().skip(found) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", DATA_FORMAT)?;
    transaction.commit()?;
    Ok(())
}
