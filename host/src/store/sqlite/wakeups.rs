//! Wake-ups across tasks and processes.

use std::path::PathBuf;

use async_trait::async_trait;
use tokio::sync::watch;

use super::SqliteStore;
use crate::ids::ExecutionId;
use crate::store::{Deaths, StoreError, Wakeups};

#[async_trait]
impl Wakeups for SqliteStore {
    async fn watch(&self, execution: ExecutionId) -> Result<watch::Receiver<u64>, StoreError> {
        // Some calls of the system the first time, and none later: another thread would take longer to wake up. The same below.
        self.watcher.watch(&self.runner, execution)
    }

    async fn watch_all(&self) -> Result<watch::Receiver<u64>, StoreError> {
        self.watcher.watch_all(&self.runner)
    }

    async fn watch_deaths(&self) -> Result<watch::Receiver<Deaths>, StoreError> {
        self.watcher.watch_deaths(&self.runner)
    }

    async fn wake(&self, execution: ExecutionId) -> Result<(), StoreError> {
        // Tasks of this process first: they need no file.
        self.watcher.wake_here(execution);
        self.watcher.wake_others(&self.runner, execution)
    }

    fn relays(&self) -> PathBuf {
        self.folder.live()
    }
}

impl SqliteStore {
    /// Wakes the watchers of an execution that was changed already: what was asked for has happened, whether or not they learn of it at once.
    pub(super) async fn notify(&self, execution: ExecutionId) {
        if let Err(error) = self.wake(execution).await {
            tracing::warn!(%execution, error = &error as &dyn std::error::Error, "other processes were not woken");
        }
    }
}
