//! Looks after all executions of a store: drives on whatever can go on, as soon as it can, until it is told to stop (E8).
//!
//! Nothing here decides anything about an execution: it finds those that could go on and nobody drives, and drives them. Two hosts may do
//! so at once; leases see to it that each execution has one runner (E12).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::drive::boxed_drive;
use super::events::Observer;
use super::options::{DriveOptions, SleepPolicy};
use super::{Engine, EngineError};
use crate::clock::Timestamp;
use crate::ids::ExecutionId;
use crate::store::{ExecutionFilter, Page, Status, StoreError};

/// How often it looks for what no timer and no wake-up tells of: executions that another process created, or whose runner died.
const LOOK: Duration = Duration::from_millis(500);
/// The shortest pause: what is due and still in the list is being driven, here or elsewhere.
const HURRY: Duration = Duration::from_millis(20);
/// Executions driven at a time. Each that computes or runs a body needs an instance; those that wait are let go of.
const DRIVES: usize = 256;
/// How long an execution that could not be driven is left alone, and the store that could not be read.
const REST: Duration = Duration::from_secs(5);
/// How long a sleeping execution is kept at hand before it is left to the store.
pub(super) const DOZE: Duration = Duration::from_secs(30);

impl Engine {
    /// Drives whatever can go on, until [`Engine::stop`] is called; then every drive comes to its next stop. `observer` is told what happens.
    ///
    /// # Errors
    /// When the store cannot be read at all.
    pub async fn look_after(&self, observer: Observer) -> Result<(), EngineError> {
        // A store that cannot be read when the host starts is somebody's mistake; later it is a bad moment.
        self.store.next_wake(self.clock.now()).await?;
        let held = Held::default();
        let mut drives = JoinSet::new();
        while !self.is_stopping() {
            while drives.try_join_next().is_some() {}
            let pause = match self.look(&held, &mut drives, &observer).await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "the store could not be looked through");
                    REST
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stopped() => {}
                Some(_) = drives.join_next(), if drives.len() >= DRIVES => {}
            }
        }
        while drives.join_next().await.is_some() {}
        self.free_children_end().await;
        Ok(())
    }

    /// Drives what can go on and nobody drives; how long until the next look.
    async fn look(&self, held: &Held, drives: &mut JoinSet<()>, observer: &Observer) -> Result<Duration, EngineError> {
        held.let_go_of_the_rested();
        // One moment for both questions: a time between two would be in neither answer.
        let now = self.clock.now();
        let mut ready = self.ready(now).await?;
        ready.retain(|id| !held.has(*id));
        ready.truncate(DRIVES.saturating_sub(drives.len()));
        for id in ready {
            held.take(id);
            let (engine, held) = (self.clone(), held.clone());
            let sleep = SleepPolicy::Leave { longer_than: DOZE };
            let options = DriveOptions { sleep, observer: observer.clone(), ..DriveOptions::default() };
            drives.spawn(async move {
                let store = engine.store().clone();
                match boxed_drive(engine, id, options).await {
                    Ok(_) | Err(EngineError::Store(StoreError::Owned { .. })) => held.give_back(id),
                    // It was deleted; otherwise something is missing that it needs, and somebody should know.
                    Err(EngineError::Store(StoreError::NotFound { .. }))
                        if matches!(store.execution(id).await, Err(StoreError::NotFound { .. })) =>
                    {
                        held.give_back(id);
                    }
                    Err(error) => {
                        tracing::error!(execution = %id, error = &error as &dyn std::error::Error, "an execution could not be driven");
                        held.rest(id);
                    }
                }
            });
        }
        // Timers are exact: the look is only for what nobody tells of. What was due is driven, or could not be.
        let next = self.store.next_wake(now).await?;
        Ok(next.map_or(LOOK, |due| due.since(self.clock.now()).clamp(HURRY, LOOK)))
    }

    /// Executions that could go on.
    async fn ready(&self, now: Timestamp) -> Result<Vec<ExecutionId>, EngineError> {
        let mut ready = self.store.due(now).await?;
        let page = Page { offset: 0, limit: 1_000 };
        let of = |status| ExecutionFilter { statuses: vec![status], ..ExecutionFilter::default() };
        let running = self.store.list(&of(Status::Running), page).await?;
        ready.extend(running.iter().rev().filter(|row| row.runner.is_none()).map(|row| row.new.id));
        let answered = self.store.answered(1_000).await?;
        ready.extend(answered);
        ready.extend(self.store.abandoned(1_000).await?);
        let mut known = HashSet::new();
        ready.retain(|id| known.insert(*id));
        Ok(ready)
    }
}

/// Executions that are not to be driven now: they are, or could not be just now and are left alone until this moment.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<HashMap<ExecutionId, Option<Instant>>>>);

impl Held {
    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, Option<Instant>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, id: ExecutionId) -> bool {
        self.lock().contains_key(&id)
    }

    fn let_go_of_the_rested(&self) {
        let now = Instant::now();
        self.lock().retain(|_, until| until.is_none_or(|until| until > now));
    }

    fn take(&self, id: ExecutionId) {
        self.lock().insert(id, None);
    }

    fn give_back(&self, id: ExecutionId) {
        self.lock().remove(&id);
    }

    /// Whatever it is, it is tried again, and not at once.
    fn rest(&self, id: ExecutionId) {
        self.lock().insert(id, Some(Instant::now() + REST));
    }
}
