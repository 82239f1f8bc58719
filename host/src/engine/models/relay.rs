//! What models say, handed on to other processes of the data folder that listen: a terminal that follows what `serve` drives, say.
//!
//! Whoever listens has a folder of its own (`overheard`), with a file that it holds locked while it lives. Whoever makes a call looks for such folders
//! while the call is under way, and writes what is said into numbered files there, one chunk a line. Nothing is written where nobody listens, nothing
//! is synced, and only so much as the listener has not read yet is on the disk.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use super::live::LiveText;
use crate::ids::ExecutionId;

/// How often somebody who has just come to listen is looked for, and whether they still do.
pub(super) const LOOKS: Duration = Duration::from_millis(200);
/// A file of so many bytes is followed by the next.
const FILE_BYTES: u64 = 256 * 1024;
/// So many files wait for their reader; what comes then waits in memory, as long as that keeps it.
const FILES: u64 = 8;
/// The file that a listener holds locked.
pub(super) const LOCK: &str = "lock";

/// The name of the folder in which `process` listens to `execution`; `which` tells several apart.
pub(super) fn folder_name(execution: ExecutionId, process: &str, which: &str) -> String {
    format!("{execution}.{process}.{which}")
}

/// Hands on what is said to those who listen below `folder`, as long as calls are under way.
pub(super) fn start(folder: PathBuf, text: LiveText) {
    tokio::spawn(hand_on(folder, text));
}

async fn hand_on(folder: PathBuf, text: LiveText) {
    let mut known = BTreeSet::new();
    let mut told = JoinSet::new();
    loop {
        let (folder, execution, own) = (folder.clone(), text.execution(), text.process().to_owned());
        let found = spawn_blocking(move || listeners(&folder, execution, &own)).await.unwrap_or_default();
        for listener in found {
            if known.insert(listener.clone()) {
                told.spawn(tell(listener, text.anew()));
            }
        }
        while let Some(ended) = told.try_join_next() {
            if let Ok(listener) = ended {
                known.remove(&listener);
            }
        }
        if !text.goes_on() && told.is_empty() && text.leaves_relaying() {
            return;
        }
        sleep(LOOKS).await;
    }
}

/// The folders of those who listen to `execution` in other processes.
fn listeners(folder: &Path, execution: ExecutionId, own: &str) -> Vec<PathBuf> {
    let (of_execution, own) = (format!("{execution}."), format!("{execution}.{own}."));
    // Mostly nobody does, and then there is no folder.
    let Ok(found) = fs::read_dir(folder) else { return Vec::new() };
    let names = found.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let others = names.filter(|name| name.starts_with(&of_execution) && !name.starts_with(&own));
    others.map(|name| folder.join(name)).collect()
}

/// Tells one listener, until they listen no more or nobody speaks. Returns who it was.
async fn tell(listener: PathBuf, mut text: LiveText) -> PathBuf {
    let mut pages = Pages::new(listener.clone());
    loop {
        let has_room = pages.has_room();
        let chunk = tokio::select! {
            biased;
            chunk = text.next(), if has_room => Some(chunk),
            () = sleep(LOOKS) => None,
        };
        let is_over = has_room && chunk.is_none() && !text.goes_on();
        let line = chunk.and_then(|chunk| serde_json::to_string(&chunk).ok());
        let written = spawn_blocking(move || {
            let written = match line {
                Some(line) => pages.write(&line),
                None => pages.check(),
            };
            (pages, written)
        });
        match written.await {
            Ok((same, Ok(()))) if !is_over => pages = same,
            Ok((_, Err(error))) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "what a model says is not handed on any more");
                return listener;
            }
            _ => return listener,
        }
    }
}

/// The numbered files of a listener.
struct Pages {
    folder: PathBuf,
    /// The last of them, and how large it is.
    last: Option<(u64, File, u64)>,
}

impl Pages {
    fn new(folder: PathBuf) -> Self {
        Self { folder, last: None }
    }

    /// Whether the listener keeps up.
    fn has_room(&self) -> bool {
        let oldest = self.last.as_ref().and_then(|(number, ..)| number.checked_sub(FILES));
        oldest.is_none_or(|oldest| !self.folder.join(oldest.to_string()).exists())
    }

    /// Fails where nobody listens any more; then what they left is removed.
    fn check(&self) -> io::Result<()> {
        let lock = File::open(self.folder.join(LOCK))?;
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Error(error)) => Err(error),
            Ok(()) => {
                fs::remove_dir_all(&self.folder)?;
                Err(io::Error::new(io::ErrorKind::NotFound, "whoever listened is gone"))
            }
        }
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let bytes = line.len() as u64 + 1;
        if self.last.as_ref().is_none_or(|(_, _, size)| *size >= FILE_BYTES) {
            self.check()?;
            self.last = Some(self.next_file()?);
        }
        let Some((_, file, size)) = &mut self.last else { return Ok(()) };
        // In one piece, so that a reader seldom sees half a line.
        file.write_all(format!("{line}\n").as_bytes())?;
        *size = size.saturating_add(bytes);
        Ok(())
    }

    /// Makes the file after the last that is there: somebody may have spoken before.
    fn next_file(&self) -> io::Result<(u64, File, u64)> {
        let names = fs::read_dir(&self.folder)?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let last = names.filter_map(|name| name.parse::<u64>().ok()).max();
        let number = last.map_or(0, |last| last.saturating_add(1));
        let mut private = OpenOptions::new();
        private.create_new(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut private, 0o600);
        Ok((number, private.open(self.folder.join(number.to_string()))?, 0))
    }
}
