//! What models say to an execution that another process of the data folder drives.

use std::collections::VecDeque;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::chunk::LiveChunk;
use super::relay::{LOCK, folder_name};
use crate::engine::EngineError;
use crate::ids::{ExecutionId, Ids as _, SystemIds};
use crate::mutex::lock;

/// Somebody who listens to an execution that is driven elsewhere; others see it by a folder, which goes with this.
#[derive(Clone, Debug)]
pub struct Overheard(Arc<Mutex<Ear>>);

#[derive(Debug)]
struct Ear {
    folder: PathBuf,
    /// Held locked: others see by it that somebody listens.
    _lock: File,
    /// The file that is read, and how far.
    number: u64,
    at: u64,
    /// A line that is not whole yet.
    line: Vec<u8>,
    heard: VecDeque<LiveChunk>,
}

impl Overheard {
    pub(super) async fn listen(root: PathBuf, execution: ExecutionId, process: String) -> Result<Self, EngineError> {
        let place = root.clone();
        let made = spawn_blocking(move || {
            let which = SystemIds.execution().to_string();
            let mut made = Ear::open(&root, &folder_name(execution, &process, &which));
            // Whoever stops listening takes the folder of all away if nobody else is in it.
            if made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                made = Ear::open(&root, &folder_name(execution, &process, &which));
            }
            made
        });
        let made = made.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        Ok(Self(Arc::new(Mutex::new(made.map_err(|error| unusable(&place, error))?))))
    }

    /// What has come and was not told yet; none while nothing has.
    ///
    /// # Errors
    /// When what others wrote cannot be read.
    pub async fn next(&mut self) -> Result<Option<LiveChunk>, EngineError> {
        if let Some(chunk) = self.take() {
            return Ok(Some(chunk));
        }
        let ear = self.0.clone();
        // What is read stays there, whoever waits for it.
        let read = spawn_blocking(move || {
            let mut ear = lock(&ear);
            ear.read().map_err(|error| unusable(&ear.folder, error))
        });
        read.await.unwrap_or_else(|error| Err(EngineError::state(format!("what is said elsewhere: {error}"))))?;
        Ok(self.take())
    }

    fn take(&self) -> Option<LiveChunk> {
        lock(&self.0).heard.pop_front()
    }
}

fn unusable(path: &Path, error: io::Error) -> EngineError {
    EngineError::state(format!("what models say elsewhere cannot be read at {}: {error}", path.display()))
}

/// How long a folder that is being made may take to get its name.
const MAKING: Duration = Duration::from_secs(60);

/// Removes what listeners left who died: folders whose lock nobody holds.
fn clear(root: &Path) {
    let Ok(found) = fs::read_dir(root) else { return };
    for entry in found.flatten() {
        // One that has no name yet may not be locked yet.
        let is_made = !entry.file_name().as_encoded_bytes().starts_with(b".");
        let is_old = || {
            let made = entry.metadata().and_then(|data| data.modified()).ok();
            made.and_then(|made| made.elapsed().ok()).is_some_and(|age| age > MAKING)
        };
        let is_left = || match File::open(entry.path().join(LOCK)) {
            Ok(lock) => lock.try_lock_shared().is_ok(),
            Err(_) => !is_made,
        };
        if (is_made || is_old()) && is_left() {
            // Another may be quicker.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

impl Ear {
    fn open(root: &Path, name: &str) -> io::Result<Self> {
        clear(root);
        let (hidden, folder) = (root.join(format!(".{name}")), root.join(name));
        let mut private = DirBuilder::new();
        private.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
        private.create(&hidden)?;
        let lock = File::create_new(hidden.join(LOCK))?;
        lock.lock()?;
        // Only now it can be found: one that is there and not locked was left behind.
        fs::rename(&hidden, &folder)?;
        let (number, at, line, heard) = Default::default();
        Ok(Self { folder, _lock: lock, number, at, line, heard })
    }

    fn file(&self, number: u64) -> PathBuf {
        self.folder.join(number.to_string())
    }

    fn read(&mut self) -> io::Result<()> {
        loop {
            // Whoever has begun the next file writes no more into this one.
            let is_whole = self.file(self.number.saturating_add(1)).exists();
            let mut file = match File::open(self.file(self.number)) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
            file.seek(SeekFrom::Start(self.at))?;
            let mut bytes = Vec::new();
            self.at = self.at.saturating_add(file.read_to_end(&mut bytes)? as u64);
            self.hear(&bytes);
            if !is_whole {
                return Ok(());
            }
            fs::remove_file(self.file(self.number))?;
            (self.number, self.at) = (self.number.saturating_add(1), 0);
            self.line.clear();
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") {
                // What is no chunk was written by another version.
                self.heard.extend(serde_json::from_slice::<LiveChunk>(&self.line).ok());
                self.line.clear();
            }
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        // What cannot be removed is, by whoever speaks next: nobody holds its lock.
        let _ = fs::remove_dir_all(&self.folder);
        let _ = self.folder.parent().map(fs::remove_dir);
    }
}

#[cfg(test)]
#[path = "overheard_tests.rs"]
mod tests;
