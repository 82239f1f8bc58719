//! Opens a folder below a granted one for a guest, without following a link on the way.
//!
//! A checkpoint that may write a granted folder can put a link into it, and another one that declares the path of that link would be given what
//! it leads to. So each name on the way is opened by itself, in the folder that was opened before, and the guest is given that very folder,
//! whatever stands under its path by then.

use std::fs::File;
use std::io;
use std::path::Path;

use super::folders::open_plain;

/// Opens `folder`, which lies below `granted`. With `makes`, folders that are missing on the way are made: whoever may write the granted folder
/// could do that. None where it is not there.
///
/// # Errors
/// When something on the way is no folder, is a link, or cannot be opened.
pub(super) fn open(granted: &Path, folder: &Path, makes: bool) -> io::Result<Option<File>> {
    let way = folder.strip_prefix(granted).map_err(|_| io::Error::other("it does not lie below the granted folder"))?;
    let granted = open_plain(granted)?;
    match walk(granted, folder, way, makes) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

#[cfg(unix)]
fn walk(granted: File, _: &Path, way: &Path, makes: bool) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, mkdirat, openat};
    use rustix::io::Errno;

    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY | OFlags::NOFOLLOW;
    let mut opened = std::os::fd::OwnedFd::from(granted);
    for name in way {
        opened = match openat(&opened, name, flags, Mode::empty()) {
            Err(Errno::NOENT) if makes => {
                match mkdirat(&opened, name, Mode::from_raw_mode(0o777)) {
                    // Another attempt was quicker.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
                openat(&opened, name, flags, Mode::empty())?
            }
            next => next?,
        };
    }
    // What it is opened as is what a granted folder is opened as.
    Ok(openat(&opened, ".", flags, Mode::empty())?.into())
}

#[cfg(not(unix))]
fn walk(_: File, folder: &Path, _: &Path, makes: bool) -> io::Result<File> {
    if makes {
        std::fs::create_dir_all(folder)?;
    }
    open_plain(folder)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_leads_out_of_a_granted_folder() {
        let kept = tempfile::tempdir().unwrap();
        let root = kept.path().canonicalize().unwrap();
        let (granted, outside) = (root.join("granted"), root.join("outside"));
        fs::create_dir_all(granted.join("a/b")).unwrap();
        fs::create_dir_all(outside.join("b")).unwrap();
        fs::write(granted.join("a/b/inside"), "").unwrap();
        fs::write(outside.join("secret"), "").unwrap();
        let look = |folder: &str| open(&granted, &granted.join(folder), false);
        let held = look("a/b").unwrap().unwrap();
        let has = |name: &str| rustix::fs::statat(&held, name, rustix::fs::AtFlags::empty()).is_ok();
        assert!(has("inside"));
        // What stands under its path afterwards does not matter.
        fs::rename(granted.join("a"), granted.join("old")).unwrap();
        symlink(&outside, granted.join("a")).unwrap();
        assert!(has("inside") && !has("../secret"));
        for link in ["a", "a/b"] {
            assert!(look(link).is_err(), "{link}");
        }
        symlink("../outside", granted.join("relative")).unwrap();
        assert!(look("relative").is_err() && open(&granted, &granted.join("relative/new"), true).is_err());
        fs::write(granted.join("file"), "").unwrap();
        assert!(look("file").is_err() && open(&granted, &outside, false).is_err());
        // Grants are recorded without links.
        symlink(&granted, root.join("link")).unwrap();
        assert!(open(&root.join("link"), &root.join("link/old/b"), false).is_err());
    }

    #[test]
    fn what_is_missing_is_made_for_whoever_may_write() {
        let kept = tempfile::tempdir().unwrap();
        let root = kept.path().canonicalize().unwrap();
        let folder = root.join("out/deep");
        assert!(open(&root, &folder, false).unwrap().is_none());
        assert!(!folder.exists());
        assert!(open(&root, &folder, true).unwrap().is_some() && folder.is_dir());
        assert!(open(&root.join("gone"), &root.join("gone/a"), false).is_err(), "the granted folder itself");
    }
}
