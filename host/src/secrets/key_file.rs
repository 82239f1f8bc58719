//! The file `secrets.key` of a data folder: its owner's alone, and whole or not there.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::Path;

use zeroize::Zeroizing;

use super::{KeySource, SecretsError, SecretsKey};

/// More than any spelling of a key has.
const LONGEST: usize = 1024;

/// The key in the file, if there is one.
///
/// # Errors
/// When others can read the file, or it holds no key.
pub(super) fn read(path: &Path) -> Result<Option<SecretsKey>, SecretsError> {
    let failed = |source| SecretsError::File { path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    check_private(&file, path)?;
    // Large enough from the start: a text that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST));
    file.take(LONGEST as u64).read_to_end(&mut text).map_err(failed)?;
    let key = std::str::from_utf8(&text).ok().and_then(SecretsKey::parse);
    key.map(Some).ok_or_else(|| SecretsError::NotAKey(KeySource::File(path.to_owned())))
}

/// Makes the file with a new key, and returns when it is on the disk. False where somebody else was first.
pub(super) fn make(path: &Path) -> Result<bool, SecretsError> {
    let text = SecretsKey::generate()?.to_text();
    write(path, &text).map_err(|source| SecretsError::File { path: path.to_owned(), source })
}

/// The key in the private file `path`; a new one, if there is no such file.
///
/// # Errors
/// When others can read the file, when it holds no key, and when it cannot be made.
pub fn find_or_make(path: &Path) -> Result<SecretsKey, SecretsError> {
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    make(path)?;
    // As it is on the disk: somebody else may have been first.
    read(path)?.ok_or(SecretsError::NoKey)
}

fn write(path: &Path, text: &str) -> io::Result<bool> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // Private from the start, and named when it is whole.
    let mut file = tempfile::Builder::new().prefix(".secrets-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => sync_folder(folder).map(|()| true),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

/// The key's name has to be on the disk before anything is that needs the key.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn check_private(file: &File, path: &Path) -> Result<(), SecretsError> {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = file.metadata().map_err(|source| SecretsError::File { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(SecretsError::Exposed { path: path.to_owned(), mode }) }
}

/// Elsewhere the folder's own permissions are the user's alone.
#[cfg(not(unix))]
fn check_private(_: &File, _: &Path) -> Result<(), SecretsError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_reads_back_and_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.key");
        assert!(read(&path).unwrap().is_none());
        assert!(make(&path).unwrap());
        let key = read(&path).unwrap().unwrap();
        assert!(!make(&path).unwrap(), "the first stays");
        assert_eq!(read(&path).unwrap().unwrap().id(), key.id());
        let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, ["secrets.key"], "nothing else is left");
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.key");
        make(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o640, 0o604, 0o644, 0o660, 0o610] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = read(&path).unwrap_err();
            assert!(matches!(&error, SecretsError::Exposed { mode: found, .. } if *found == mode), "{error:?}");
            assert!(error.hint().is_some_and(|hint| hint.contains("chmod 600")), "{error}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert!(read(&path).unwrap().is_some());
    }

    #[test]
    fn a_file_without_a_key_is_told_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.key");
        make(&path).unwrap();
        let good = std::fs::read(&path).unwrap();
        let long = "a".repeat(5000);
        for text in [&b""[..], b"marker-in-the-file", b"\xff\xfe", long.as_bytes(), &good[..good.len() / 2]] {
            std::fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err();
            assert!(matches!(&error, SecretsError::NotAKey(KeySource::File(_))), "{error:?}");
            assert!(!format!("{error:?} {error}").contains("marker"), "{error}");
            assert!(!make(&path).unwrap());
            assert_eq!(std::fs::read(&path).unwrap(), text);
        }
    }

    #[test]
    fn whoever_needs_the_key_finds_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.key");
        let made = find_or_make(&path).unwrap();
        assert_eq!(find_or_make(&path).unwrap().id(), made.id());
        std::fs::write(&path, "short").unwrap();
        assert!(matches!(find_or_make(&path), Err(SecretsError::NotAKey(_))), "nothing is written over");
    }

    #[test]
    fn of_several_at_once_one_makes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.key");
        let made = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| make(&path).unwrap())).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).filter(|made| *made).count()
        });
        assert_eq!(made, 1);
        assert!(read(&path).unwrap().is_some());
    }
}
