//! Who needs an execution says so to whoever drives it in another process, which leaves it if it only waits: by a file that is there while somebody
//! asks, and that is taken away by whoever does as it says. One that a dead process left makes a flow leave once, which harms nobody.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Engine;
use crate::ids::ExecutionId;

/// A request that stands until it is dropped, or heeded.
pub(super) struct Wanted {
    path: PathBuf,
}

impl Wanted {
    /// Asks in the folder `relays` for an execution. Whoever drives it is still to be woken.
    pub(super) fn ask(relays: &Path, execution: ExecutionId) -> io::Result<Self> {
        let path = path_of(relays, execution);
        let mut made = make(relays, &path);
        // Whoever was last in the folder takes it away.
        if made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            made = make(relays, &path);
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
    }
}

impl Engine {
    /// Where another process asks for an execution whose drive here only waits, that is told to leave.
    pub(super) fn heed(&self, execution: ExecutionId) {
        let path = path_of(&self.store.relays(), execution);
        if path.exists() && self.room.ask_for(execution) {
            // Another may have asked too, and is answered with it.
            let _ = fs::remove_file(path);
        }
    }
}

fn path_of(relays: &Path, execution: ExecutionId) -> PathBuf {
    relays.join(format!("wanted.{execution}"))
}

fn make(relays: &Path, path: &Path) -> io::Result<()> {
    let mut private = DirBuilder::new();
    private.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
    private.create(relays)?;
    File::create(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Ids as _, SystemIds};

    #[test]
    fn a_request_stands_until_it_is_heeded_or_dropped() {
        let (folder, id) = (tempfile::tempdir().unwrap(), SystemIds.execution());
        let relays = folder.path().join("live");
        let wanted = Wanted::ask(&relays, id).unwrap();
        assert!(path_of(&relays, id).exists() && !wanted.is_heeded());
        fs::remove_file(path_of(&relays, id)).unwrap();
        assert!(wanted.is_heeded());
        drop((Wanted::ask(&relays, id).unwrap(), wanted));
        assert!(!path_of(&relays, id).exists());
    }
}
