//! Files of the data folder that are read and written whole: private, named when they are on the disk, and changed by one process at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

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
pub(super) fn lock(path: &Path, name: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path.with_file_name(name))?;
    file.lock()?;
    Ok(file)
}
