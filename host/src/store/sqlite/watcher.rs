//! The `wake/` folder: whoever wakes an execution writes its file there, and every process that watches the execution sees the change.
//!
//! The platform tells of changes (inotify, FSEvents, …). Where it loses one or cannot watch, a slow look at the files' times finds it, as
//! long as somebody watches.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, SystemTime};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::watch;

use super::errors;
use super::folder;
use super::mutex::lock;
use crate::clock::{Clock as _, SystemClock};
use crate::ids::ExecutionId;
use crate::store::StoreError;

/// How long a wake-up from another process can go unnoticed if the platform says nothing.
const SLOW_LOOK: Duration = Duration::from_secs(2);

/// Watches the folder from the first [`watch`](Self::watch) on. Clones are the same watcher.
#[derive(Clone)]
pub(super) struct Watcher {
    folder: PathBuf,
    channels: Arc<Mutex<Channels>>,
    /// Apart from the channels, which the platform's thread holds.
    platform: Arc<Mutex<Platform>>,
}

#[derive(Default)]
struct Channels {
    by_execution: HashMap<ExecutionId, Channel>,
    /// Ends the slow look when it is dropped. The look itself ends, and clears this, when nobody watches any more.
    look: Option<mpsc::Sender<()>>,
}

struct Channel {
    sender: watch::Sender<u64>,
    /// The file's time at the last slow look.
    seen: Option<SystemTime>,
}

#[derive(Default)]
struct Platform {
    tried: bool,
    watcher: Option<RecommendedWatcher>,
}

impl Watcher {
    /// A watcher of `folder`, which does nothing yet.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, channels: Arc::default(), platform: Arc::default() }
    }

    /// The file that wakes `execution`.
    pub(super) fn path(folder: &Path, execution: ExecutionId) -> PathBuf {
        folder.join(execution.to_string())
    }

    /// A receiver that changes with every wake-up of `execution` from here on.
    pub(super) fn watch(&self, execution: ExecutionId) -> Result<watch::Receiver<u64>, StoreError> {
        folder::make_private(&self.folder)?;
        self.start_platform();
        let mut channels = lock(&self.channels);
        let seen = modified(&self.folder, execution);
        let channel = channels.by_execution.entry(execution).or_insert_with(|| Channel { sender: watch::Sender::new(0), seen });
        let receiver = channel.sender.subscribe();
        if channels.look.is_none() {
            channels.look = self.start_slow_look();
        }
        Ok(receiver)
    }

    /// Wakes the watchers in this process.
    pub(super) fn wake_here(&self, execution: ExecutionId) {
        lock(&self.channels).wake(execution);
    }

    /// Wakes the watchers in other processes (and, spuriously, those of this one once more).
    pub(super) fn wake_others(&self, execution: ExecutionId) -> Result<(), StoreError> {
        folder::make_private(&self.folder)?;
        let path = Self::path(&self.folder, execution);
        // The content is for people; what counts is that the file changes.
        let now = SystemClock.now().to_rfc3339();
        let written = folder::private()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path)
            .and_then(|mut file| std::io::Write::write_all(&mut file, now.as_bytes()));
        written.map_err(|error| errors::of_write(path, error))
    }

    fn start_platform(&self) {
        let mut platform = lock(&self.platform);
        if platform.tried {
            return;
        }
        platform.tried = true;
        let channels = Arc::clone(&self.channels);
        let started = notify::recommended_watcher(move |event| lock(&channels).hear(event)).and_then(|mut watcher| {
            watcher.watch(&self.folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        match started {
            Ok(watcher) => platform.watcher = Some(watcher),
            // Such as too many watches of this user. The slow look serves alone.
            Err(error) => {
                tracing::warn!(%error, "cannot watch the data folder: news from other processes come up to two seconds late");
            }
        }
    }

    /// The platform tells nothing from now on.
    #[cfg(test)]
    pub(super) fn lose_the_platform(&self) {
        lock(&self.platform).watcher = None;
    }

    fn start_slow_look(&self) -> Option<mpsc::Sender<()>> {
        let (sender, end) = mpsc::channel::<()>();
        let (folder, channels) = (self.folder.clone(), Arc::downgrade(&self.channels));
        let look = move || {
            while end.recv_timeout(SLOW_LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
                let Some(channels) = channels.upgrade() else { return };
                if !lock(&channels).look(&folder) {
                    return;
                }
            }
        };
        let started = std::thread::Builder::new().name("store-wake".into()).spawn(look);
        started.map(|_| sender).inspect_err(|error| tracing::warn!(%error, "cannot start the slow look for wake-ups")).ok()
    }
}

impl Channels {
    fn wake(&mut self, execution: ExecutionId) {
        if let Some(channel) = self.by_execution.get(&execution) {
            channel.sender.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    fn wake_all(&self) {
        for channel in self.by_execution.values() {
            channel.sender.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    fn hear(&mut self, event: notify::Result<Event>) {
        match event {
            Ok(event) if event.need_rescan() => self.wake_all(),
            // That a file was read, closed or removed tells nothing.
            Ok(event) if matches!(event.kind, EventKind::Access(_) | EventKind::Remove(_)) => {}
            Ok(event) => {
                event.paths.iter().filter_map(|path| path.file_name()?.to_str()?.parse().ok()).for_each(|id| self.wake(id))
            }
            Err(_) => self.wake_all(),
        }
    }

    /// Wakes those whose file changed, forgets those whom nobody watches, and tells whether anybody is left.
    fn look(&mut self, folder: &Path) -> bool {
        self.by_execution.retain(|_, channel| channel.sender.receiver_count() > 0);
        for (execution, channel) in &mut self.by_execution {
            let found = modified(folder, *execution);
            if found != channel.seen {
                channel.seen = found;
                channel.sender.send_modify(|count| *count = count.wrapping_add(1));
            }
        }
        if self.by_execution.is_empty() {
            self.look = None;
        }
        !self.by_execution.is_empty()
    }
}

fn modified(folder: &Path, execution: ExecutionId) -> Option<SystemTime> {
    std::fs::metadata(Watcher::path(folder, execution)).and_then(|file| file.modified()).ok()
}
