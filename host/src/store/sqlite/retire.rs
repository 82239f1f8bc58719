//! A data folder that is to go: whose it is, that nobody has it open, and a copy of its database.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::database::APPLICATION;
use super::errors::{self, DATABASE, DbError};
use super::runner::Runner;
use crate::store::StoreError;

/// How SQLite's files begin.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where a file has the number of the program that made it.
const APPLICATION_AT: std::ops::Range<usize> = 68..72;
/// How long to wait for a process that is about to end.
const PATIENCE: Duration = Duration::from_millis(500);
/// What there may be in a data folder.
const ENTRIES: [&str; 21] = [
    DATABASE,
    "kitaru.db-wal",
    "kitaru.db-shm",
    "kitaru.db-journal",
    "sweep.lock",
    "runners",
    "wake",
    "live",
    "blobs",
    "components",
    "cache",
    "tmp",
    "models.toml",
    "models.lock",
    "grants.toml",
    "grants.lock",
    "log-store.toml",
    "secrets.key",
    "server.toml",
    "projects",
    ".gitignore",
];

/// Whether a folder holds a store of this program. Looks at its database, and changes nothing.
pub fn is_data_folder(folder: &Path) -> bool {
    let mut head = Vec::new();
    let database = folder.join(DATABASE);
    if !std::fs::symlink_metadata(&database).is_ok_and(|found| found.is_file()) {
        return false;
    }
    let read = File::open(&database).and_then(|file| file.take(100).read_to_end(&mut head));
    match head.get(APPLICATION_AT) {
        _ if read.is_err() => false,
        // One that was just made is empty.
        None => head.is_empty(),
        Some(number) if number == APPLICATION.to_be_bytes() => head.starts_with(MAGIC),
        // The number may be in the log alone, until it is carried over.
        Some([0, 0, 0, 0]) => head.starts_with(MAGIC) && application_of(&database).is_ok_and(|number| number == APPLICATION),
        Some(_) => false,
    }
}

fn application_of(database: &Path) -> rusqlite::Result<i32> {
    let db = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(PATIENCE)?;
    db.query_row("PRAGMA application_id", [], |row| row.get(0))
}

/// What is in a data folder that this program did not make. Files that it makes for a moment begin with a dot.
///
/// # Errors
/// When the folder cannot be read.
pub fn strangers(folder: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_passing = ENTRIES.iter().any(|known| {
            let stem = known.split('.').next().unwrap_or_default();
            !stem.is_empty() && name.strip_prefix('.').is_some_and(|rest| rest.starts_with(&format!("{stem}-")))
        });
        if !is_passing && !name.starts_with(".tmp") && !ENTRIES.contains(&name.as_str()) {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

/// A data folder that nobody else has open, or can open while this is there.
pub struct Retiring {
    folder: PathBuf,
    db: Connection,
}

impl Retiring {
    /// Takes the data folder `folder` for this process alone.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when another process has it open; what opening tells otherwise.
    pub fn take(folder: &Path) -> Result<Self, StoreError> {
        if let Some(process) = Runner::all_living(&folder.join("runners")).pop() {
            return Err(in_use(folder, &process));
        }
        let taken = (|| -> Result<Connection, DbError> {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let db = Connection::open_with_flags(folder.join(DATABASE), flags)?;
            db.busy_timeout(PATIENCE)?;
            // Every connection of a store holds a lock as long as it is open, whether it reads or writes; leaving WAL mode needs them all gone.
            db.execute_batch("PRAGMA locking_mode = EXCLUSIVE;")?;
            let _: String = db.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
            db.execute_batch("BEGIN EXCLUSIVE; COMMIT;")?;
            Ok(db)
        })();
        match taken.map_err(|error| error.into_store(folder)) {
            Ok(db) => Ok(Self { folder: folder.to_owned(), db }),
            Err(StoreError::Locked) => Err(in_use(folder, "another process")),
            Err(error) => Err(error),
        }
    }

    /// Copies the database as of one moment to the file `to`, and returns when the copy is on the disk.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        let copied = self.db.execute("VACUUM INTO ?1", [to.to_string_lossy()]);
        copied.map_err(|error| DbError::from(error).into_store(&self.folder))?;
        let file = File::options().append(true).open(to).map_err(|error| errors::of_write(to, error))?;
        #[cfg(unix)]
        {
            let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
            file.set_permissions(private).map_err(|error| errors::of_write(to, error))?;
        }
        file.sync_all().map_err(|error| errors::of_write(to, error))
    }
}

fn in_use(folder: &Path, by: &str) -> StoreError {
    StoreError::Conflict { message: format!("`{}` is in use: {by} has it open", folder.display()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;

    #[test]
    fn nobody_has_open_what_is_retired_and_its_copy_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        assert!(!is_data_folder(&home));
        let store = SqliteStore::open(&home).unwrap();
        assert!(is_data_folder(&home));
        // It drives nothing, so only its connections show that it is there.
        assert!(matches!(Retiring::take(&home), Err(StoreError::Conflict { .. })));
        drop(store);
        let retiring = Retiring::take(&home).unwrap();
        let copy = folder.path().join("copy.db");
        retiring.back_up(&copy).unwrap();
        let copied = Connection::open(&copy).unwrap();
        let of = |pragma: &str| copied.query_row(pragma, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(of("PRAGMA application_id"), i64::from(APPLICATION));
        assert!(of("PRAGMA user_version") > 0, "and its format");
        let told: String = copied.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(told, "ok");
        assert!(retiring.back_up(&copy).is_err(), "nothing is written over");
        let other = Connection::open(home.join(DATABASE)).unwrap();
        other.busy_timeout(Duration::ZERO).unwrap();
        assert!(other.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).is_err(), "it is held");
        drop((other, retiring));
        drop(SqliteStore::open(&home).unwrap());
    }

    #[test]
    fn what_is_not_ours_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        drop(SqliteStore::open(&home).unwrap());
        assert_eq!(strangers(&home).unwrap(), [] as [String; 0]);
        for name in ["notes.txt", ".models-x1", ".tmpAbC", "models.toml", "thesis"] {
            std::fs::write(home.join(name), "x").unwrap();
        }
        assert_eq!(strangers(&home).unwrap(), ["notes.txt", "thesis"]);
        let elsewhere = folder.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        assert!(!is_data_folder(&elsewhere));
        let theirs = Connection::open(elsewhere.join(DATABASE)).unwrap();
        theirs.execute_batch("CREATE TABLE a (b); PRAGMA application_id = 7;").unwrap();
        assert!(!is_data_folder(&elsewhere), "another program's database");
    }
}
