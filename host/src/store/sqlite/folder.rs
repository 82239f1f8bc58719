//! The data folder: what lies where, and how its files are written so that they are private and whole.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::errors::{self, DATABASE};
use crate::ids::ComponentDigest;
use crate::journal::PayloadHash;
use crate::store::StoreError;

/// The file that keeps those who write values and those who remove them apart.
const SWEEPING: &str = "sweep.lock";
/// The database's write-ahead log, by the name that SQLite gives it.
const LOG: &str = "kitaru.db-wal";

/// How the names of files end that hold signatures of components.
pub(super) const SIGNATURE: &str = ".minisig";

/// The places in a data folder. Its folders are made when something is first written into them.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The data folder at `root`, with an empty database file if there is none.
    pub(super) fn create(root: &Path) -> Result<Self, StoreError> {
        // Absolute, so that the store does not move when the process changes its working folder.
        let root = std::path::absolute(root).map_err(|error| errors::of_read(root, error))?;
        make_private(&root)?;
        let database = root.join(DATABASE);
        if !database.exists() {
            // SQLite gives the files that it makes beside the database the same mode as the database.
            private().create(true).append(true).open(&database).map_err(|error| errors::of_write(&database, error))?;
            sync_folder(&root)?;
            root.parent().map_or(Ok(()), sync_folder)?;
        }
        Ok(Self { root })
    }

    /// The folder itself.
    pub(super) fn path(&self) -> &Path {
        &self.root
    }

    /// The database.
    pub(super) fn database(&self) -> PathBuf {
        self.root.join(DATABASE)
    }

    /// Where runners keep their locks.
    pub(super) fn runners(&self) -> PathBuf {
        self.root.join("runners")
    }

    /// Where the mailboxes of those lie that watch executions.
    pub(super) fn wake(&self) -> PathBuf {
        self.root.join("wake")
    }

    /// Where processes leave each other what models say.
    pub(super) fn live(&self) -> PathBuf {
        self.root.join("live")
    }

    /// Where a blob lies. 256 folders keep each of them small.
    pub(super) fn blob(&self, hash: &PayloadHash) -> PathBuf {
        let name = hash.to_string();
        let first = name.get(..2).unwrap_or_default();
        self.root.join("blobs").join(first).join(&name)
    }

    /// Where files lie that are named by their content.
    pub(super) fn by_content(&self) -> [PathBuf; 2] {
        [self.root.join("blobs"), self.root.join("components")]
    }

    /// While this is held, no file that is named by its content goes.
    pub(super) fn keeping(&self) -> Result<File, StoreError> {
        let lock = self.sweeping()?;
        lock.lock_shared().map_err(|error| errors::of_write(self.root.join(SWEEPING), error))?;
        Ok(lock)
    }

    /// The file whose lock whoever removes files holds alone.
    pub(super) fn sweeping(&self) -> Result<File, StoreError> {
        let path = self.root.join(SWEEPING);
        private().create(true).append(true).open(&path).map_err(|error| errors::of_write(path, error))
    }

    /// Returns when every commit that can be seen is on the disk, whoever made it and however safely: a sync is of the whole log.
    pub(super) fn sync_log(&self) -> Result<(), StoreError> {
        let path = self.root.join(LOG);
        // SQLite holds no locks on this file, which closing it would give up.
        match File::options().append(true).open(&path).and_then(|log| log.sync_all()) {
            // All of it is in the database, and was synced on the way there.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(|error| errors::of_write(path, error)),
        }
    }

    /// Where a signature of a component lies.
    pub(super) fn signature(&self, digest: ComponentDigest, key: &str) -> PathBuf {
        self.root.join("components").join(format!("{digest}.{key}{SIGNATURE}"))
    }

    /// Where a component lies.
    pub(super) fn component(&self, digest: ComponentDigest) -> PathBuf {
        self.root.join("components").join(format!("{digest}.wasm"))
    }
}

/// Makes `folder` and what is missing above it, for its owner only, and returns when their names are on the disk.
pub(super) fn make_private(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
    above.map_or(Ok(()), make_private)?;
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Ok(()) => above.map_or(Ok(()), sync_folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(errors::of_write(folder, error)),
    }
}

/// Options for a file that only its owner can read.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The time by which the ages of files are told, which is that of whoever stamps them.
#[expect(clippy::disallowed_methods, reason = "the file system does not know the injected clock")]
pub(super) fn files_now() -> SystemTime {
    SystemTime::now()
}

/// Stamps a file with the present time.
pub(super) fn make_young(path: &Path) -> io::Result<()> {
    File::options().append(true).open(path)?.set_modified(files_now())
}

/// Makes the file `path` with these bytes, whole or not at all, and returns when it is on the disk. What lies there by content already stays.
///
/// However durable the store's commits are: the row that names the file may be on the disk at any time from its commit on, by a checkpoint of the
/// database or by another process's sync, and must not be there without it.
pub(super) fn write_once(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let failed = |error| errors::of_write(path, error);
    let folder = path.parent().unwrap_or(Path::new("."));
    // Its bytes and not its length alone: a file that was damaged is mended by being written again.
    let there = std::fs::metadata(path).is_ok_and(|found| found.len() == bytes.len() as u64)
        && std::fs::read(path).is_ok_and(|found| found == bytes);
    if there {
        // It is young again: nobody may remove it before the row that names it is written.
        make_young(path).map_err(failed)?;
    } else {
        make_private(folder)?;
        // A temporary file is private from the start, and is removed if anything fails before it gets its name.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
    }
    // Also where it was there: whoever gave it its name may not have got as far as this.
    sync_folder(folder)
}

/// Returns when the names in `folder` are on the disk.
fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    if cfg!(windows) {
        // Folders cannot be synced there; the file system journals its names.
        return Ok(());
    }
    match File::open(folder).and_then(|handle| handle.sync_all()) {
        // The folder above ours may be another's, which we may not open: then its names are not ours to sync.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        result => result.map_err(|error| errors::of_write(folder, error)),
    }
}
