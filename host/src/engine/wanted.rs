//! Who needs an execution says so to whoever drives it in another process, which leaves it if it only waits: by a file that is there while somebody
//! asks. Each who asks has one of their own, in a folder that is taken away by whoever does as it says. What a dead process left makes a flow leave
//! once, which harms nobody.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Engine;
use crate::ids::{ExecutionId, Ids as _, SystemIds};

/// How often a request is made whose folder others take away at the same time.
const TRIES: usize = 8;

/// A request that stands until it is dropped, or heeded.
pub(super) struct Wanted {
    path: PathBuf,
}

impl Wanted {
    /// Asks in the folder `relays` for an execution. Whoever drives it is still to be woken.
    pub(super) fn ask(relays: &Path, execution: ExecutionId) -> io::Result<Self> {
        let folder = folder_of(relays, execution);
        let path = folder.join(SystemIds.execution().to_string());
        let mut made = make(&folder, &path);
        for _ in 1..TRIES {
            // Whoever was last in a folder takes it away.
            if !made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                break;
            }
            made = make(&folder, &path);
        }
        made.map(|()| Self { path })
    }

    /// Whether the drive was told to leave.
    pub(super) fn is_heeded(&self) -> bool {
        !self.path.exists()
    }
}

impl Drop for Wanted {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        // Others may ask too.
        let _ = self.path.parent().map(fs::remove_dir);
    }
}

impl Engine {
    /// Where another process asks for an execution whose drive here only waits, that is told to leave.
    pub(super) fn heed(&self, execution: ExecutionId) {
        let folder = folder_of(&self.store.relays(), execution);
        if folder.exists() && self.room.ask_for(execution) {
            answer(&folder);
        }
    }
}

/// All who ask are answered at once.
fn answer(folder: &Path) {
    let _ = fs::remove_dir_all(folder);
}

fn folder_of(relays: &Path, execution: ExecutionId) -> PathBuf {
    relays.join(format!("wanted.{execution}"))
}

fn make(folder: &Path, path: &Path) -> io::Result<()> {
    let mut private = DirBuilder::new();
    private.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
    private.create(folder)?;
    File::create(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_stands_until_it_is_heeded_or_dropped() {
        let (home, id) = (tempfile::tempdir().unwrap(), SystemIds.execution());
        let relays = home.path().join("live");
        let wanted = Wanted::ask(&relays, id).unwrap();
        let folder = folder_of(&relays, id);
        assert!(folder.exists() && !wanted.is_heeded());
        answer(&folder);
        assert!(wanted.is_heeded());
        drop(Wanted::ask(&relays, id).unwrap());
        assert!(!folder.exists());
    }

    #[test]
    fn who_does_not_ask_any_more_takes_nothing_from_others_who_do() {
        let (home, id) = (tempfile::tempdir().unwrap(), SystemIds.execution());
        let [early, late] = [(); 2].map(|()| Wanted::ask(home.path(), id).unwrap());
        drop(early);
        assert!(folder_of(home.path(), id).exists() && !late.is_heeded());
        let again = Wanted::ask(home.path(), id).unwrap();
        answer(&folder_of(home.path(), id));
        assert!(late.is_heeded() && again.is_heeded());
    }
}
