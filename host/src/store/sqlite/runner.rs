//! This store as a runner: a locked file that proves it alive to others, and what it drives.
//!
//! The operating system frees a lock when its process ends, however it ends, so a free lock or a missing file means a dead runner. Whoever asks
//! takes a shared lock, so that two who ask at once do not take each other for the runner. A file gets its name only once it is locked, so that
//! it is never seen free while its runner starts.

use std::collections::HashMap;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::errors;
use super::folder;
use crate::clock::{Clock as _, SystemClock};
use crate::ids::{ExecutionId, Ids as _, SystemIds};
use crate::mutex::lock;
use crate::store::{Lease, StoreError};

const EXTENSION: &str = "lock";

/// A runner's identifier: the name of its lock file.
pub(super) type RunnerId = Arc<str>;

/// This store as a runner.
pub(super) struct Runner {
    folder: PathBuf,
    registration: Mutex<Option<Registration>>,
    /// What this store drives, by the epoch of its lease; none while the claim is under way.
    drives: Mutex<HashMap<ExecutionId, Option<u64>>>,
}

struct Registration {
    id: RunnerId,
    path: PathBuf,
    /// Holds the lock.
    _file: File,
}

impl Drop for Registration {
    fn drop(&mut self) {
        // A file that stays is recognised as a dead runner's.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Runner {
    /// A runner that does not exist for others yet, with its lock to be in `folder`.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, registration: Mutex::default(), drives: Mutex::default() }
    }

    /// This runner's identifier, if it was registered.
    pub(super) fn id(&self) -> Option<RunnerId> {
        lock(&self.registration).as_ref().map(|registration| Arc::clone(&registration.id))
    }

    /// Whether `id` is this runner.
    pub(super) fn is_me(&self, id: &str) -> bool {
        self.id().is_some_and(|me| *me == *id)
    }

    /// Makes this runner known, once. Not before it drives or watches something, so that whoever only reads leaves no file.
    pub(super) fn register(&self) -> Result<RunnerId, StoreError> {
        let mut registration = lock(&self.registration);
        if let Some(registered) = &*registration {
            return Ok(Arc::clone(&registered.id));
        }
        folder::make_private(&self.folder)?;
        self.bury_all();
        let id: RunnerId = SystemIds.execution().to_string().into();
        let path = self.path(&id);
        let unnamed = self.folder.join(format!("{id}.new"));
        let made = (|| {
            let mut file = folder::private().write(true).create_new(true).open(&unnamed)?;
            file.try_lock()?;
            let started = SystemClock.now().to_rfc3339();
            writeln!(file, "{}", serde_json::json!({ "pid": std::process::id(), "started_at": started }))?;
            std::fs::rename(&unnamed, &path)?;
            Ok(file)
        })();
        let file = made.map_err(|error: io::Error| errors::of_write(&path, error))?;
        *registration = Some(Registration { id: Arc::clone(&id), path, _file: file });
        Ok(id)
    }

    /// The process behind another runner, for people; none if it is dead.
    pub(super) fn living(&self, id: &str) -> Option<String> {
        let mut file = match File::open(self.path(id)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            // Who cannot be proved dead lives.
            Err(_) => return Some("another process".into()),
        };
        match file.try_lock_shared() {
            Ok(()) => None,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => Some(describe(&mut file)),
        }
    }

    /// Whether the runner `id`, with its lock in `folder`, is dead.
    pub(super) fn is_dead(folder: &Path, id: &str) -> bool {
        Self::new(folder.to_owned()).living(id).is_none()
    }

    /// Removes the file of a runner that is dead.
    pub(super) fn bury(&self, id: &str) {
        let _ = std::fs::remove_file(self.path(id));
    }

    fn bury_all(&self) {
        self.ids().iter().filter(|id| self.living(id).is_none()).for_each(|id| self.bury(id));
    }

    /// The processes behind all runners with their locks in `folder` that live, for people.
    pub(super) fn all_living(folder: &Path) -> Vec<String> {
        let runner = Self::new(folder.to_owned());
        runner.ids().iter().filter_map(|id| runner.living(id)).collect()
    }

    /// All runners that have a file, dead or alive.
    fn ids(&self) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        files.flatten().filter_map(|file| id_of(&file.path()).map(str::to_owned)).collect()
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.{EXTENSION}"))
    }

    /// This process, for people.
    pub(super) fn describe_me() -> String {
        format!("process {}", std::process::id())
    }

    /// Whether this store drives `execution`.
    pub(super) fn drives(&self, execution: ExecutionId) -> bool {
        lock(&self.drives).contains_key(&execution)
    }

    /// Whether this store drives no more than so many.
    pub(super) fn drives_few(&self, most: usize) -> bool {
        lock(&self.drives).len() <= most
    }

    /// Begins a claim of `execution`, which ends when the answer is dropped unless it is kept.
    pub(super) fn reserve(this: &Arc<Self>, execution: ExecutionId) -> Result<Claim, StoreError> {
        let mut drives = lock(&this.drives);
        if drives.contains_key(&execution) {
            return Err(StoreError::Owned { execution, runner: format!("this process ({})", std::process::id()) });
        }
        drives.insert(execution, None);
        Ok(Claim { runner: Arc::clone(this), execution, epoch: None })
    }

    /// Ends, when it is dropped, what was kept with the epoch of `lease`.
    pub(super) fn end_of_drive(this: &Arc<Self>, lease: &Lease) -> Claim {
        Claim { runner: Arc::clone(this), execution: lease.execution, epoch: Some(lease.epoch) }
    }
}

/// A claim under way, or a drive that ends.
pub(super) struct Claim {
    runner: Arc<Runner>,
    execution: ExecutionId,
    epoch: Option<u64>,
}

impl Claim {
    /// The claim succeeded.
    pub(super) fn keep(self, epoch: u64) {
        lock(&self.runner.drives).insert(self.execution, Some(epoch));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut drives = lock(&self.runner.drives);
        // A later lease of the same execution is not this one's to end.
        if drives.get(&self.execution) == Some(&self.epoch) {
            drives.remove(&self.execution);
        }
    }
}

/// Whose lock file this is, if it is one.
pub(super) fn id_of(path: &Path) -> Option<&str> {
    path.extension().filter(|it| *it == EXTENSION).and_then(|_| path.file_stem()?.to_str())
}

fn describe(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str::<serde_json::Value>(&text).ok());
    let pid = read.and_then(|value| value.get("pid").and_then(serde_json::Value::as_u64));
    pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
}
