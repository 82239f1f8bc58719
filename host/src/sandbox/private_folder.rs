//! Folders and files that must be this user's alone, because what is in them is believed: made so, mended where that is enough, refused where
//! it is not.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::path::Path;

/// How a folder was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Nobody else could change what is in it.
    Private,
    /// Others could have put something into it, or replaced what was in it: nothing that lies there is to be believed.
    WasOpen,
}

/// Makes `folder`, or sees to it that the one which is there is only its owner's from now on.
///
/// # Errors
/// When it is no folder, a symbolic link, another user's, or in a folder that others can write: they could put another in its place at any time.
pub(super) fn open(folder: &Path) -> io::Result<Found> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => builder.create(folder)?,
        found => {
            found?;
        }
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() {
        return Err(io::Error::other("it is no folder of its own: a file, or a link to somewhere else"));
    }
    mended(folder, &found)
}

#[cfg(unix)]
fn mended(folder: &Path, found: &fs::Metadata) -> io::Result<Found> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    /// Only the owner of a file may remove or rename it there: `/tmp` is such a folder.
    const STICKY: u32 = 0o1000;
    if found.uid() != own_user() {
        return Err(io::Error::other(format!("it belongs to another user (number {})", found.uid())));
    }
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty()) {
        let above = fs::metadata(above)?;
        if above.mode() & 0o022 != 0 && above.mode() & STICKY == 0 {
            return Err(io::Error::other("others can write the folder that it is in; mend that with: chmod go-w"));
        }
    }
    let mode = found.mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(folder = %folder.display(), mode = %format!("{mode:o}"), "others could look into this folder; it is closed to them now");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(if mode & 0o022 == 0 { Found::Private } else { Found::WasOpen })
}

/// Elsewhere the folder's own permissions are the user's alone.
#[cfg(not(unix))]
fn mended(_: &Path, _: &fs::Metadata) -> io::Result<Found> {
    Ok(Found::Private)
}

#[cfg(unix)]
fn own_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// What a file holds, of at most `longest` bytes. None where there is no such file.
///
/// # Errors
/// When it cannot be read, is longer, or is no plain file: opening waits for nobody, and follows no link.
pub(super) fn read(path: &Path, longest: u64) -> io::Result<Option<Vec<u8>>> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = match options.open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    if found.len() > longest {
        return Err(io::Error::other("it is longer than anything that this program writes there"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or_default());
    file.take(longest).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// The same for a secret: also an error where anybody else owns the file or can read it.
pub(super) fn read_secret(path: &Path, longest: u64) -> io::Result<Option<Vec<u8>>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        found => check_secret(&found?)?,
    }
    read(path, longest)
}

#[cfg(unix)]
fn check_secret(found: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;

    let mode = found.mode() & 0o777;
    if found.uid() != own_user() {
        return Err(io::Error::other("it belongs to another user"));
    }
    if mode & 0o077 != 0 {
        return Err(io::Error::other(format!("others can read or write it (mode {mode:o})")));
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_secret(_: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

/// Writes beside and renames, so that nobody ever reads half a file. It is its owner's alone from the start. With `only_new`, what has the name
/// already stays, and that is an error.
pub(super) fn write(path: &Path, bytes: &[u8], only_new: bool) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    let persisted: Result<File, _> = if only_new { file.persist_noclobber(path) } else { file.persist(path) };
    persisted.map(drop).map_err(|error| error.error)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_folder_that_others_could_look_into_is_closed_and_one_that_they_could_write_is_not_believed() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("cache");
        assert_eq!(open(&folder).unwrap(), Found::Private);
        assert_eq!(mode(&folder), 0o700);
        for (before, found) in
            [(0o755, Found::Private), (0o711, Found::Private), (0o770, Found::WasOpen), (0o702, Found::WasOpen)]
        {
            set_mode(&folder, before);
            assert_eq!(open(&folder).unwrap(), found, "{before:o}");
            assert_eq!(mode(&folder), 0o700, "{before:o}");
        }
    }

    #[test]
    fn a_folder_that_is_somewhere_else_or_can_be_swapped_is_refused() {
        let around = tempfile::tempdir().unwrap();
        let (elsewhere, folder) = (around.path().join("elsewhere"), around.path().join("cache"));
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, &folder).unwrap();
        assert!(open(&folder).unwrap_err().to_string().contains("link"));
        symlink(around.path().join("nowhere"), around.path().join("dangling")).unwrap();
        assert!(open(&around.path().join("dangling")).is_err());
        fs::write(around.path().join("file"), "").unwrap();
        assert!(open(&around.path().join("file")).is_err());

        let inner = elsewhere.join("cache");
        set_mode(&elsewhere, 0o777);
        assert!(open(&inner).unwrap_err().to_string().contains("chmod"));
        set_mode(&elsewhere, 0o1777);
        assert_eq!(open(&inner).unwrap(), Found::Private, "in such a folder nobody moves what is another's");
    }

    #[test]
    fn a_folder_of_another_user_is_refused() {
        let around = tempfile::tempdir().unwrap();
        let folder = around.path().join("cache");
        fs::create_dir(&folder).unwrap();
        // Only the superuser can give files away.
        if std::os::unix::fs::chown(&folder, Some(own_user() + 1), None).is_err() {
            eprintln!("skipped: this user cannot make a folder that is another's");
            return;
        }
        assert!(open(&folder).unwrap_err().to_string().contains("another user"));
    }

    #[test]
    fn only_plain_files_are_read_and_only_private_ones_as_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("key"), folder.path().join("link"));
        assert_eq!(read(&path, 8).unwrap(), None);
        assert_eq!(read_secret(&path, 8).unwrap(), None);
        write(&path, b"secret", true).unwrap();
        assert_eq!(write(&path, b"other", true).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!((mode(&path), read_secret(&path, 8).unwrap().as_deref()), (0o600, Some(&b"secret"[..])));
        assert!(read(&path, 5).is_err(), "too long");
        for exposed in [0o640, 0o604, 0o620, 0o644] {
            set_mode(&path, exposed);
            assert!(read_secret(&path, 8).is_err(), "{exposed:o}");
            assert!(read(&path, 8).unwrap().is_some());
        }
        set_mode(&path, 0o600);
        symlink(&path, &link).unwrap();
        assert!(read(&link, 8).is_err() && read_secret(&link, 8).is_err(), "a link to a private file");
        assert!(read(folder.path(), 8).is_err(), "a folder");
        let pipe = folder.path().join("pipe");
        if std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success()) {
            assert!(read(&pipe, 8).is_err(), "a pipe, which nobody writes");
        }
        write(&path, b"other", false).unwrap();
        assert_eq!(read_secret(&path, 8).unwrap().as_deref(), Some(&b"other"[..]));
    }
}
