//! Submitted calls: their tasks, waiting for the first of them to end, and ending them on request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::EngineError;
use super::calls::{Ended, Look};
use super::events::Event;
use super::patience::{Policy, Suspended};
use super::recorder::Step;
use super::room::Idler;
use super::run::Run;
use crate::ids::CallId;
use crate::journal::{EntryBody, Failure, Outcome, Provenance};
use crate::mutex::lock;
use crate::sandbox::Stop;
use crate::store::{Durability, Resolution, StoreError};

/// The tasks of submitted calls; those that are left end with it.
#[derive(Default)]
pub(super) struct Tasks(Mutex<HashMap<u32, JoinHandle<()>>>);

impl Tasks {
    pub(super) fn add(&self, index: u32, task: JoinHandle<()>) {
        let mut tasks = lock(&self.0);
        // Only where the list would grow, so that each is looked at a few times and not at every call.
        if tasks.len() == tasks.capacity() {
            tasks.retain(|_, task| !task.is_finished());
        }
        tasks.insert(index, task);
    }

    /// Stops all tasks, and returns when they are still.
    pub(super) async fn stop_all(&self) {
        let tasks = std::mem::take(&mut *lock(&self.0));
        for task in tasks.values() {
            task.abort();
        }
        for (_, task) in tasks {
            let _ = task.await;
        }
    }

    /// Stops the task of a call, and returns when it is still.
    pub(super) async fn stop(&self, index: u32) {
        let task = lock(&self.0).remove(&index);
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in lock(&self.0).values() {
            task.abort();
        }
    }
}

/// A flow that has come to where it has to wait.
struct Standstill {
    /// Its place in the order in which flows did.
    since: u64,
    /// It had nothing to do, and was told to leave.
    told: Option<Idler>,
}

impl Standstill {
    fn new(run: &Run) -> Self {
        Self { since: run.engine.room.now_waits(), told: None }
    }
}

/// The first of `calls` to end, and its position among them; or the runner leaves.
pub(super) async fn await_first(run: &Run, calls: &[u32]) -> Result<(usize, Ended), Stop> {
    let (mut news, mut still) = (run.calls.news(), Standstill::new(run));
    loop {
        news.mark_unchanged();
        if let Some(found) = pause(run, &mut news, &mut still, calls).await? {
            return Ok(found);
        }
    }
}

/// Returns when no submitted call is under way; or the runner leaves.
pub(super) async fn await_all(run: &Run) -> Result<(), Stop> {
    let (mut news, mut still) = (run.calls.news(), Standstill::new(run));
    loop {
        news.mark_unchanged();
        if let Some(stop) = run.calls.fault() {
            return Err(stop);
        }
        if run.calls.under_way() == 0 {
            return Ok(());
        }
        pause(run, &mut news, &mut still, &[]).await?;
    }
}

/// Returns when a submitted call has ended or gone on since there were so many `moves`; or the runner leaves. For a flow that is not in memory.
pub(super) async fn await_move(run: &Run, moves: u64) -> Result<(), Stop> {
    let (mut news, mut still) = (run.calls.news(), Standstill::new(run));
    loop {
        news.mark_unchanged();
        if run.calls.moves() != moves || run.calls.under_way() == 0 {
            return Ok(());
        }
        pause(run, &mut news, &mut still, &[]).await?;
    }
}

/// Returns when fewer than `most` submitted calls are under way; or the runner leaves.
pub(super) async fn await_place(run: &Run, most: usize) -> Result<(), Stop> {
    let (mut news, mut still) = (run.calls.news(), Standstill::new(run));
    loop {
        news.mark_unchanged();
        if run.calls.under_way() < most {
            return Ok(());
        }
        pause(run, &mut news, &mut still, &[]).await?;
    }
}

/// The first of `calls` that has ended; otherwise something happened since, or the runner leaves.
async fn pause(
    run: &Run,
    news: &mut watch::Receiver<u64>,
    still: &mut Standstill,
    calls: &[u32],
) -> Result<Option<(usize, Ended)>, Stop> {
    // Only a look tells whether it still has nothing to do.
    let told = still.told.take();
    let policy = Policy { crowded: told.is_some(), ..run.policy() };
    let (until, idler) = match run.calls.look(calls, policy) {
        (position, Look::Ended(ended)) => return Ok(Some((position, ended))),
        (_, Look::Fault(stop)) => return Err(stop),
        (_, Look::Leave) => return Err(Stop::Engine(Box::new(Suspended::Parked(told)))),
        (_, Look::NotYet(until)) => (until, None),
        (_, Look::Idle(until)) => (until, run.engine.room.idle(run.id(), still.since)),
    };
    if idler.is_some() {
        // Somebody may have asked while it had something to do.
        run.engine.heed(run.id());
    }
    // Whoever was told and comes here goes on.
    drop(told);
    let window = async {
        match until {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    };
    let stopping = async { if run.is_stopping() { std::future::pending().await } else { run.stopped().await } };
    let told = async {
        match &idler {
            Some(idler) => idler.told().await,
            None => std::future::pending().await,
        }
    };
    let is_told = tokio::select! {
        _ = news.changed() => false,
        () = window => false,
        () = stopping => false,
        () = told => true,
    };
    still.told = idler.filter(|_| is_told);
    Ok(None)
}

/// Who ends a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Canceller {
    /// The flow, which goes on.
    Flow,
    /// The end of the flow.
    End,
}

/// Ends a call that is under way, and records that.
pub(super) async fn cancel_call(run: &Arc<Run>, tasks: &Tasks, index: u32, by: Canceller) -> Result<(), Stop> {
    if !run.calls.begin_cancelling(index) {
        // It is being recorded as ended, if it has not ended: that is a matter of moments.
        return Ok(());
    }
    tasks.stop(index).await;
    // What the flow decided to end it for is durable before anybody can see that it is ended, and a child that was about to be created is
    // there.
    run.recorder.settle().await?;
    let child = run.calls.child(index).or_else(|| run.cursor.own().call(index).and_then(|record| record.child));
    if let Some(child) = child {
        run.engine.cancel_quietly(child).await?;
    }
    close_question(run, index).await?;
    let (provenance, durability) = match by {
        Canceller::Flow => (Provenance::Withdrawn, Durability::Full),
        // The flow's own end comes right after it, and is synced.
        Canceller::End => (Provenance::Cancelled, Durability::Relaxed),
    };
    let entry = ended(index, provenance);
    let recorded = run.calls.unpark(&run.recorder, index, Step::entry(entry), durability)?;
    run.calls.settle(index, Ok(Ended { outcome: outcome(index), clock: recorded.at, order: recorded.seq }));
    Ok(())
}

/// A question that nobody needs an answer to is not asked any more.
pub(super) async fn close_question(run: &Run, index: u32) -> Result<(), EngineError> {
    let id = CallId { execution: run.id(), index };
    match run.store.resolve(id, None, Resolution::Aborted, run.clock.now()).await {
        Ok(()) => {
            run.tell_stop(|| Event::Answered { id });
            Ok(())
        }
        Err(StoreError::NotFound { .. } | StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The record of a call that the end of its flow ended.
pub(super) fn cancelled(index: u32) -> EntryBody {
    ended(index, Provenance::Cancelled)
}

fn outcome(index: u32) -> Outcome {
    Outcome::Failure(Failure::runtime("cancelled", "the flow ended the call").at_call(index))
}

fn ended(index: u32, provenance: Provenance) -> EntryBody {
    EntryBody::CallEnded {
        call: index,
        attempt: 0,
        descriptor: None,
        outcome: outcome(index),
        provenance,
        metadata: None,
        started_at: None,
    }
}
