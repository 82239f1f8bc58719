//! What SQLite and the file system report, as what a caller can do about it.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi;

use crate::store::StoreError;

/// The database's file name.
pub(super) const DATABASE: &str = "kitaru.db";

/// A failure inside the database layer: SQLite's own, or one that has its name already.
#[derive(Debug)]
pub(super) enum DbError {
    /// SQLite refused.
    Sqlite(rusqlite::Error),
    /// The store refused.
    Store(StoreError),
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for DbError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl DbError {
    /// The writer or a helper thread is gone, which happens only while the process ends or after a panic.
    pub(super) fn stopped(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
        StoreError::Backend(Box::new(error))
    }

    /// Whether a uniqueness rule refused a row.
    pub(super) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Sqlite(error) if extended(error) == Some(ffi::SQLITE_CONSTRAINT_UNIQUE))
    }

    /// The error as callers of the store see it, for a data folder at `folder`.
    pub(super) fn into_store(self, folder: &Path) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Sqlite(error) => of_sqlite(error, folder),
        }
    }
}

/// SQLite's error once more: a failed commit is the answer to every write of its batch.
pub(super) fn again(error: &rusqlite::Error) -> rusqlite::Error {
    match error {
        rusqlite::Error::SqliteFailure(code, message) => rusqlite::Error::SqliteFailure(*code, message.clone()),
        other => rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some(other.to_string())),
    }
}

fn extended(error: &rusqlite::Error) -> Option<i32> {
    match error {
        rusqlite::Error::SqliteFailure(code, _) => Some(code.extended_code),
        _ => None,
    }
}

fn of_sqlite(error: rusqlite::Error, folder: &Path) -> StoreError {
    match (error.sqlite_error_code(), extended(&error)) {
        (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed), _) => {
            StoreError::Locked
        }
        // The index of the WAL is a file too; the only reason for which it cannot grow is a full disk.
        (Some(ErrorCode::DiskFull), _) | (_, Some(ffi::SQLITE_IOERR_SHMSIZE)) => StoreError::DiskFull,
        (Some(ErrorCode::ReadOnly), _) => StoreError::ReadOnly { path: folder.join(DATABASE) },
        (Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase), _)
        | (_, Some(ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_SHORT_READ)) => damaged(database(folder), error),
        // A column of another type than the schema says.
        (None, _) if matches!(error, rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..)) => {
            damaged(format!("a record in {}", database(folder)), error)
        }
        (Some(ErrorCode::SystemIoFailure), _) => StoreError::DiskError { path: folder.join(DATABASE), source: Box::new(error) },
        (Some(ErrorCode::CannotOpen), _) => cannot_open(error, folder),
        _ => StoreError::Backend(Box::new(error)),
    }
}

/// SQLite says only that it cannot open a file; the folder tells why.
fn cannot_open(error: rusqlite::Error, folder: &Path) -> StoreError {
    match tempfile::tempfile_in(folder) {
        Err(reason) => of_write(folder, reason),
        Ok(_) => StoreError::Backend(Box::new(error)),
    }
}

fn database(folder: &Path) -> String {
    format!("the database `{}`", folder.join(DATABASE).display())
}

/// Stored bytes are not what they should be.
pub(super) fn damaged(what: impl Into<String>, source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Damaged { what: what.into(), source: Some(Box::new(source)) }
}

/// The same, where there is no more to tell.
pub(super) fn malformed(what: impl Into<String>) -> StoreError {
    StoreError::Damaged { what: what.into(), source: None }
}

/// A file or folder could not be read.
pub(super) fn of_read(path: impl Into<PathBuf>, source: io::Error) -> StoreError {
    StoreError::Io { path: path.into(), source }
}

/// A file or folder could not be made or written.
pub(super) fn of_write(path: impl Into<PathBuf>, source: io::Error) -> StoreError {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::DiskFull,
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => StoreError::ReadOnly { path: path.into() },
        _ => StoreError::Io { path: path.into(), source },
    }
}
