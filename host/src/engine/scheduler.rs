//! Looks after all executions of a store: drives on whatever can go on, as soon as it can, until it is told to stop (E8).
//!
//! Nothing here decides anything about an execution: it finds those that could go on and nobody drives, and drives them. Two hosts may do
//! so at once; leases see to it that each execution has one runner (E12).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::drive::boxed_drive;
use super::events::Observer;
use super::models::{LEFT_TO_OTHERS, Looked};
use super::options::{DriveOptions, SleepPolicy, WaitPolicy};
use super::patience::SOON;
use super::rounds::{Held, LOOK, NET, Rounds};
use super::runners::changed;
use super::{Engine, EngineError, memory};
use crate::ids::ExecutionId;
use crate::store::StoreError;

/// The shortest pause.
const HURRY: Duration = Duration::from_millis(1);
/// Executions driven at a time. Each that computes or runs a body needs an instance; those that wait keep theirs while nobody else needs their
/// place.
const DRIVES: usize = 256;
/// How long a sleeping execution is kept at hand before it is left to the store.
pub(super) const DOZE: Duration = Duration::from_secs(30);

impl Engine {
    /// Drives whatever can go on, until [`Engine::stop`] is called; then every drive comes to its next stop. `observer` is told what happens.
    ///
    /// # Errors
    /// When the store cannot be read at all.
    pub async fn look_after(&self, observer: Observer) -> Result<(), EngineError> {
        // Before the first look: whatever happens after it is told.
        let (mut news, mut deaths) = (self.store.watch_all().await?, self.store.watch_deaths().await?);
        // A store that cannot be read when the host starts is somebody's mistake; later it is a bad moment.
        self.store.next_wake(self.clock.now()).await?;
        let (held, mut rounds) = (Held::default(), Rounds::begin());
        rounds.tell_of_deaths(deaths.borrow_and_update().are_told);
        let looked = Arc::new(Mutex::new(Looked::default()));
        let _keeper = self.room.keep(memory::ceiling(self.memory_mib));
        let mut room = self.room.news();
        let (mut drives, mut sweep) = (JoinSet::new(), JoinSet::new());
        while !self.is_stopping() {
            while drives.try_join_next().is_some() {}
            if held.let_go_of_the_rested() {
                // Also what a runner left: it may not have been taken from it.
                rounds.tell_anything();
            }
            if held.is_crowded() {
                self.take_up(Vec::new(), &held, &mut drives, &observer);
                if !held.is_crowded() {
                    // There may be more.
                    rounds.tell();
                }
            }
            // As long as some wait for a place, there is no need to know of more.
            let may_sweep = sweep.is_empty() && !held.is_crowded();
            if may_sweep && rounds.is_time_to_sweep() {
                let (engine, looked, most, searches) = (self.clone(), looked.clone(), self.most(&held), rounds.begin_sweep());
                // Beside the timers, which do not wait for it.
                sweep.spawn(async move {
                    // The key that a model call waits for may be in the environment of this process, and of no other one.
                    let mut looked = looked.lock().await;
                    if engine.waits_for_models() {
                        engine.look_for_models(&mut looked, true).await?;
                    }
                    let (ready, left_some) = engine.ready(most, searches).await?;
                    Ok::<_, EngineError>(Swept { ready, left_some, may_change: !looked.is_empty() })
                });
            }
            if rounds.is_time_to_fire() {
                match self.fire(&held, &mut drives, &observer).await {
                    Ok(pause) => rounds.fired(pause),
                    Err(error) => fail(&mut rounds, &error),
                }
            }
            let may_sweep = may_sweep && sweep.is_empty();
            let pause = rounds.pause(may_sweep);
            tokio::select! {
                () = tokio::time::sleep(held.rest().map_or(pause, |rest| rest.min(pause))) => {}
                () = self.stopped() => {}
                () = changed(&mut news), if rounds.hears_news(!sweep.is_empty()) => rounds.tell(),
                Ok(()) = deaths.changed() => rounds.tell_of_deaths(deaths.borrow_and_update().are_told),
                () = held.missed() => rounds.tell(),
                () = self.left_held.notified() => rounds.tell_anything(),
                Some(found) = sweep.join_next(), if !sweep.is_empty() => match found {
                    Ok(Ok(Swept { ready, left_some, may_change })) => {
                        rounds.swept(left_some, may_change);
                        self.take_up(ready, &held, &mut drives, &observer);
                    }
                    Ok(Err(error)) => fail(&mut rounds, &error),
                    Err(_) => rounds.swept(true, true),
                },
                Some(_) = drives.join_next(), if held.is_crowded() => {}
                // One more could make room, or one that was to do so has not.
                Ok(()) = room.changed(), if held.is_crowded() => {}
            }
        }
        while drives.join_next().await.is_some() {}
        self.free_children_end().await;
        Ok(())
    }

    /// Drives what is due soon; how long until the next is.
    async fn fire(&self, held: &Held, drives: &mut JoinSet<()>, observer: &Observer) -> Result<Duration, EngineError> {
        // One moment for both questions: a time between two would be in neither answer.
        let soon = self.clock.now().after(SOON);
        let mut longest = NET;
        if !held.is_crowded() {
            let most = self.most(held);
            let due = self.store.due(soon, most).await?;
            if due.len() as u64 >= most {
                longest = LOOK;
            }
            self.take_up(due, held, drives, observer);
        }
        // What was due is driven, or could not be.
        let next = self.store.next_wake(soon).await?;
        let soon = self.clock.now().after(SOON);
        Ok(next.map_or(longest, |due| due.since(soon).clamp(HURRY, longest)))
    }

    /// How many executions are driven at a time.
    fn places(&self) -> usize {
        DRIVES.min(self.room.most())
    }

    /// How many executions to ask for: as many as are driven at a time, whatever is left alone just now.
    fn most(&self, held: &Held) -> u64 {
        (self.places() + held.resting()) as u64
    }

    /// Drives those that nobody drives, as far as there is room, and those for which there was none before. The others wait until those make
    /// room that only wait.
    fn take_up(&self, ready: Vec<ExecutionId>, held: &Held, drives: &mut JoinSet<()>, observer: &Observer) {
        let mut known = HashSet::new();
        let late = held.take_late().into_iter().map(|id| (id, true));
        let ready = late.chain(ready.into_iter().map(|id| (id, false)));
        let mut ready: Vec<_> = ready.filter(|(id, _)| known.insert(*id) && !held.has(*id)).collect();
        let late = ready.split_off(ready.len().min(self.places().saturating_sub(drives.len())));
        self.room.make(late.len());
        held.come_late(late.into_iter().map(|(id, _)| id).collect());
        for (id, is_late) in ready {
            let (engine, taken) = (self.clone(), held.take(id));
            let sleep = SleepPolicy::Leave { longer_than: DOZE };
            let options = DriveOptions { wait: WaitPolicy::Window, sleep, observer: observer.clone(), ..DriveOptions::default() };
            drives.spawn(async move {
                let store = engine.store().clone();
                // Somebody else may have driven it on since it was found.
                if is_late && matches!(engine.is_ready(id).await, Ok(false)) {
                    return taken.give_back();
                }
                let driven = boxed_drive(engine.clone(), id, options).await;
                if driven.is_ok() && engine.was_left_for_a_model(id).await {
                    // Another process may have the model: this one has not, and is not to be quicker.
                    return taken.leave_for(LEFT_TO_OTHERS);
                }
                match driven {
                    Ok(_) | Err(EngineError::Store(StoreError::Owned { .. })) => taken.give_back(),
                    // It was deleted; otherwise something is missing that it needs, and somebody should know.
                    Err(EngineError::Store(StoreError::NotFound { .. }))
                        if matches!(store.execution(id).await, Err(StoreError::NotFound { .. })) =>
                    {
                        taken.give_back();
                    }
                    Err(error) => {
                        tracing::error!(execution = %id, error = &error as &dyn std::error::Error, "an execution could not be driven");
                    }
                }
            });
        }
    }

    /// Executions that could go on, and whose time no timer tells. What dead runners left is among them where that is searched for. Whether there may
    /// be more.
    async fn ready(&self, most: u64, searches: bool) -> Result<(Vec<ExecutionId>, bool), EngineError> {
        let mut ready = if searches { self.store.abandoned(most).await? } else { Vec::new() };
        let unclaimed = self.store.unclaimed(most).await?;
        let left_some = [&ready, &unclaimed].iter().any(|found| found.len() as u64 >= most);
        ready.extend(unclaimed);
        Ok((ready, left_some))
    }
}

/// What a sweep has found.
struct Swept {
    ready: Vec<ExecutionId>,
    /// There may be more.
    left_some: bool,
    /// Calls wait for a model, and a file may bring it without anybody knowing.
    may_change: bool,
}

/// The store could not be read.
fn fail(rounds: &mut Rounds, error: &EngineError) {
    tracing::error!(error = error as &dyn std::error::Error, "the store could not be looked through");
    rounds.fail();
}
