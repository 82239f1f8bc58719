//! Looks after all executions of a store: drives on whatever can go on, as soon as it can, until it is told to stop (E8).
//!
//! Nothing here decides anything about an execution: it finds those that could go on and nobody drives, and drives them. Two hosts may do
//! so at once; leases see to it that each execution has one runner (E12).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::drive::{DriveOptions, boxed_drive};
use super::events::Observer;
use super::run::{SleepPolicy, WaitPolicy};
use super::{Engine, EngineError};
use crate::ids::ExecutionId;
use crate::store::{ExecutionFilter, Page, Status, StoreError};

/// How often it looks for what no timer and no wake-up tells of: executions that another process created, or whose runner died.
const LOOK: Duration = Duration::from_millis(500);
/// The shortest pause: what is due and still in the list is being driven, here or elsewhere.
const HURRY: Duration = Duration::from_millis(20);
/// Executions driven at a time. Each that computes or runs a body needs an instance; those that wait are let go of.
const DRIVES: usize = 256;
/// How long a sleeping execution is kept at hand before it is left to the store.
const DOZE: Duration = Duration::from_secs(30);

impl Engine {
    /// Drives whatever can go on, until [`Engine::stop`] is called; then every drive comes to its next stop. `observer` is told what happens.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn look_after(&self, observer: Observer) -> Result<(), EngineError> {
        let busy: Arc<Mutex<HashSet<ExecutionId>>> = Arc::default();
        let mut drives = JoinSet::new();
        while !self.is_stopping() {
            while drives.try_join_next().is_some() {}
            for id in self.ready(DRIVES.saturating_sub(drives.len())).await? {
                if !busy.lock().unwrap_or_else(PoisonError::into_inner).insert(id) {
                    continue;
                }
                let (engine, busy) = (self.clone(), busy.clone());
                let sleep = SleepPolicy::Leave { longer_than: DOZE };
                let options = DriveOptions { wait: WaitPolicy::Return, sleep, observer: observer.clone() };
                drives.spawn(async move {
                    match boxed_drive(engine, id, options).await {
                        Ok(_) | Err(EngineError::Store(StoreError::Owned { .. } | StoreError::NotFound { .. })) => {}
                        Err(error) => {
                            tracing::error!(execution = %id, error = &error as &dyn std::error::Error, "an execution could not be driven");
                            // Whatever it is, it is tried again, and not at once.
                            tokio::time::sleep(Duration::from_secs(5)).await;
                        }
                    }
                    busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
                });
            }
            // Timers are exact: the look is only for what nobody tells of.
            let now = self.clock.now();
            let timer = self.store.next_wake().await?.map_or(LOOK, |due| due.since(now).clamp(HURRY, LOOK));
            tokio::select! {
                () = tokio::time::sleep(timer) => {}
                () = self.stopped() => {}
                Some(_) = drives.join_next(), if drives.len() >= DRIVES => {}
            }
        }
        while drives.join_next().await.is_some() {}
        Ok(())
    }

    /// Executions that could go on and that nobody drives.
    async fn ready(&self, most: usize) -> Result<Vec<ExecutionId>, EngineError> {
        let mut ready = self.store.due(self.clock.now()).await?;
        let page = Page { offset: 0, limit: 1_000 };
        let of = |status| ExecutionFilter { statuses: vec![status], ..ExecutionFilter::default() };
        let running = self.store.list(&of(Status::Running), page).await?;
        ready.extend(running.iter().rev().filter(|row| row.runner.is_none()).map(|row| row.new.id));
        let answered = self.store.answered(1_000).await?;
        ready.extend(answered);
        ready.extend(self.store.abandoned(1_000).await?);
        let mut known = HashSet::new();
        ready.retain(|id| known.insert(*id));
        ready.truncate(most);
        Ok(ready)
    }
}
