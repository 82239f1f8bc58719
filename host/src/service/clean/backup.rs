//! Copies of what goes: databases as of one moment, and the small files beside them.

use std::fs::{DirBuilder, File};
use std::path::{Path, PathBuf};

use super::{CleanError, Plan, Target};
use crate::clock::{Clock as _, SystemClock};
use crate::store::StoreError;
use crate::store::sqlite::Retiring;

/// Files in a data folder that are made of what a database is, or of nothing.
const NOT_COPIED: [&str; 5] = ["kitaru.db", "kitaru.db-wal", "kitaru.db-shm", "kitaru.db-journal", ".gitignore"];

/// Copies all that goes into a new folder, and returns it when it is on the disk. A failure leaves no folder.
pub(super) fn make(plan: &Plan, held: &[(&Target, Option<Retiring>)]) -> Result<PathBuf, CleanError> {
    // Its name sorts by time, and can be typed.
    let now = SystemClock.now().to_rfc3339();
    let moment = now.split('.').next().unwrap_or_default().replace(':', "-");
    let mut folder = plan.backups.join(format!("{moment}-{}", plan.scope.as_str()));
    for number in 2_u32.. {
        if !folder.exists() {
            break;
        }
        folder = plan.backups.join(format!("{moment}-{}-{number}", plan.scope.as_str()));
    }
    let made = copy_all(plan, held, &folder);
    if made.is_err() {
        // Half a copy is none.
        let _ = std::fs::remove_dir_all(&folder);
    }
    made.map(|()| folder)
}

fn copy_all(plan: &Plan, held: &[(&Target, Option<Retiring>)], folder: &Path) -> Result<(), CleanError> {
    make_private(folder)?;
    for (target, retiring) in held {
        let to = folder.join(target.name);
        make_private(&to)?;
        let copied = retiring.as_ref().map(|retiring| retiring.back_up(&to.join("kitaru.db")));
        match copied {
            None | Some(Err(StoreError::Damaged { .. })) if plan.force => {
                // Nobody can read it here: its files may be mended elsewhere.
                let _ = std::fs::remove_file(to.join("kitaru.db"));
                for name in ["kitaru.db", "kitaru.db-wal"] {
                    copy(&target.folder.join(name), &to.join(name))?;
                }
            }
            copied => copied.transpose().map(drop)?,
        }
        let entries = std::fs::read_dir(&target.folder).map_err(CleanError::io("read", &target.folder))?;
        for entry in entries {
            let path = entry.map_err(CleanError::io("read", &target.folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_file() && !NOT_COPIED.contains(&&*name) && !name.ends_with(".lock") && !name.starts_with(".tmp") {
                copy(&path, &to.join(&*name))?;
            }
        }
        sync(&to)?;
    }
    if let Some(file) = &plan.user_file {
        copy(file, &folder.join("config.toml"))?;
    }
    sync(folder)
}

fn copy(from: &Path, to: &Path) -> Result<(), CleanError> {
    if !from.exists() {
        return Ok(());
    }
    // With its mode: keys stay private.
    std::fs::copy(from, to).map_err(CleanError::io("copy", from))?;
    File::options().append(true).open(to).and_then(|file| file.sync_all()).map_err(CleanError::io("write", to))
}

fn make_private(folder: &Path) -> Result<(), CleanError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(CleanError::io("make", folder))
}

fn sync(folder: &Path) -> Result<(), CleanError> {
    if cfg!(windows) {
        // Folders cannot be synced there.
        return Ok(());
    }
    File::open(folder).and_then(|handle| handle.sync_all()).map_err(CleanError::io("write", folder))
}
