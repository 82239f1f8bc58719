//! Files of the data folder that are read and written whole: private, named when they are on the disk, and changed by one process at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// A file of the data folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write `{path}`")]
    Write {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It says something that is not understood.
    #[error("`{path}` has no usable {what}")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// What should be in it.
        what: &'static str,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
}

impl FileError {
    /// The error that the file `path` cannot be written.
    pub(super) fn writing(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Write { path: path.to_owned(), source }
    }
}

/// The text of the file `path`; none where there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<String>, FileError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::Read { path: path.to_owned(), source }),
    }
}

/// What the text of the file `path` says of `what`.
pub(super) fn parse<T: serde::de::DeserializeOwned>(path: &Path, text: &str, what: &'static str) -> Result<T, FileError> {
    toml::from_str(text).map_err(|source| FileError::Parse { path: path.to_owned(), what, source: Box::new(source) })
}

/// Puts the file `path` in the place of what was there: private from the start, and named when it is whole and on the disk.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let prefix = format!(".{}-", path.file_stem().unwrap_or_default().to_string_lossy());
    let mut file = tempfile::Builder::new().prefix(&prefix).tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map(drop).map_err(|error| error.error)
}

/// Returns when nobody else holds the lock `name` beside the file `path`. The file itself cannot be locked: it is another one after each change.
pub(super) fn lock(path: &Path, name: &str) -> Result<File, FileError> {
    let path = path.with_file_name(name);
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let locked = options.open(&path).and_then(|file| file.lock().map(|()| file));
    locked.map_err(FileError::writing(&path))
}
