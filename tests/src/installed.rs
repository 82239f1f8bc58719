//! What tests need of other languages' packages: installed once below `target`, in the versions that the repository names.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::repository;

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

/// The folder `name` below `target` with what `wanted` says, which `install` puts there if it is not there yet.
pub(crate) fn installed(name: &str, wanted: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let folder = target().join(name);
    std::fs::create_dir_all(&folder).expect("a folder below target");
    // Tests of several processes may need it at the same time.
    let lock = std::fs::File::create(folder.join("lock")).expect("a lock");
    lock.lock().expect("a lock");
    let done = folder.join("installed.txt");
    if std::fs::read_to_string(&done).ok().as_deref() != Some(wanted) {
        install(&folder);
        std::fs::write(&done, wanted).expect("a note of what is installed");
    }
    folder
}

/// Runs a command of an installation. `needs` says what somebody can do about it where it fails.
pub(crate) fn must_run(mut command: Command, needs: &str) {
    let made = command.output().map_err(|error| error.to_string()).and_then(|output| {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(()) } else { Err(said) }
    });
    if let Err(said) = made {
        panic!("{command:?} failed: {said}\n{needs}");
    }
}
