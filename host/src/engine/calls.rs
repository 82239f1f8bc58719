//! The durable calls of one drive that were submitted: which are under way, which have ended, and what the flow waits for
//! (E7, E8).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;
use tokio::time::Instant;

use super::EngineError;
use super::failures::Failures;
use super::patience::{Parked, ParkedCalls, Patience, Policy};
use super::recorder::{Recorded, Recorder, Step};
use crate::clock::Timestamp;
use crate::ids::ExecutionId;
use crate::journal::{CallKind, Outcome};
use crate::mutex::lock;
use crate::sandbox::Stop;
use crate::store::Durability;

/// How a call ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// What the flow's clock reads once the flow knows.
    pub(super) clock: Timestamp,
    /// Its place in the order in which calls ended.
    pub(super) order: u64,
}

enum State {
    /// It is under way.
    Busy,
    /// It is being recorded as ended, and can no longer be cancelled.
    Recording,
    /// It is being cancelled, and can no longer record an end of its own.
    Cancelling,
    Ended(Ended),
}

impl State {
    fn is_under_way(&self) -> bool {
        !matches!(self, Self::Ended(_))
    }
}

#[derive(Default)]
struct Inner {
    states: HashMap<u32, State>,
    parked: ParkedCalls,
    failures: Failures,
    /// Of no interest to the guest any more.
    forgotten: BTreeSet<u32>,
    /// Waits and sleeps.
    idle: BTreeSet<u32>,
    fault: Option<Stop>,
    /// How many submitted calls are in a body, or about to record what it came to.
    bodies: usize,
    children: HashMap<u32, ExecutionId>,
    /// How often a call ended or went on, and how often it had when the runner was told to leave.
    moves: u64,
    moves_at_leave: Option<u64>,
    /// How many of `states` have not ended.
    under_way: usize,
}

impl Inner {
    fn set(&mut self, index: u32, state: State) {
        let is_under_way = state.is_under_way();
        let was_under_way = self.states.insert(index, state).is_some_and(|state| state.is_under_way());
        match (was_under_way, is_under_way) {
            (false, true) => self.under_way += 1,
            (true, false) => self.under_way = self.under_way.saturating_sub(1),
            _ => {}
        }
    }
}

/// What stands between the flow and a call's outcome.
pub(super) enum Look {
    /// It has ended.
    Ended(Ended),
    /// A call of the execution ended in a way that ends the drive.
    Fault(Stop),
    /// Not yet. Something runs, or what is waited for may come soon: until this moment, or without end.
    NotYet(Option<Instant>),
    /// The same, and the runner has nothing to do meanwhile: it leaves where others need the room.
    Idle(Option<Instant>),
    /// Nothing runs, and the runner is to leave.
    Leave,
}

/// The calls of one drive.
pub(super) struct Calls {
    inner: Mutex<Inner>,
    changed: watch::Sender<u64>,
}

impl Default for Calls {
    fn default() -> Self {
        Self { inner: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Changes whenever something happens to a call.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// A call is a child flow with this ID.
    pub(super) fn has_child(&self, index: u32, child: ExecutionId) {
        self.lock().children.insert(index, child);
    }

    /// The child flow that a call is.
    pub(super) fn child(&self, index: u32) -> Option<ExecutionId> {
        self.lock().children.get(&index).copied()
    }

    /// How many calls are under way.
    pub(super) fn under_way(&self) -> usize {
        self.lock().under_way
    }

    /// A call is under way.
    pub(super) fn begin(&self, index: u32, kind: CallKind) {
        let mut inner = self.lock();
        inner.set(index, State::Busy);
        if matches!(kind, CallKind::Wait | CallKind::Sleep) {
            inner.idle.insert(index);
        }
    }

    /// Waits and sleeps that are under way: nobody needs their end once the flow has ended.
    pub(super) fn idle(&self) -> Vec<u32> {
        let inner = self.lock();
        let open = |index: &u32| inner.states.get(index).is_some_and(State::is_under_way);
        inner.idle.iter().copied().filter(open).collect()
    }

    /// Returns when no call is about to be recorded as ended, or one could not be.
    pub(super) async fn recorded(&self) {
        let recording = |state: &State| matches!(state, State::Recording);
        self.until(|inner| inner.fault.is_some() || !inner.states.values().any(recording)).await;
    }

    async fn until(&self, done: impl Fn(&Inner) -> bool) {
        let mut news = self.news();
        loop {
            news.mark_unchanged();
            // The lock is not held while waiting.
            let is_done = done(&self.lock());
            if is_done || news.changed().await.is_err() {
                return;
            }
        }
    }

    /// A call that is under way is about to be recorded as ended. False where somebody cancels it.
    pub(super) fn begin_recording(&self, index: u32) -> bool {
        match self.lock().states.get_mut(&index) {
            Some(state @ State::Busy) => {
                *state = State::Recording;
                true
            }
            Some(State::Cancelling) => false,
            // A call that the flow itself waits for, and nobody else knows of.
            _ => true,
        }
    }

    /// A call is about to be cancelled. False where it has ended, or is being recorded as such.
    pub(super) fn begin_cancelling(&self, index: u32) -> bool {
        match self.lock().states.get_mut(&index) {
            Some(state @ State::Busy) => {
                *state = State::Cancelling;
                true
            }
            _ => false,
        }
    }

    /// A call has ended, or cannot go on.
    pub(super) fn settle(&self, index: u32, ending: Result<Ended, Stop>) {
        let mut inner = self.lock();
        match ending {
            Ok(ended) => {
                if matches!(ended.outcome, Outcome::Failure(_)) {
                    inner.failures.failed(index);
                }
                inner.set(index, State::Ended(ended));
                if inner.forgotten.remove(&index) {
                    inner.states.remove(&index);
                }
            }
            Err(stop) => {
                inner.fault.get_or_insert(stop);
            }
        }
        drop(inner);
        self.tell();
    }

    /// The guest has let go of a call.
    pub(super) fn forget(&self, index: u32) {
        let mut inner = self.lock();
        if matches!(inner.states.get(&index), Some(State::Ended(_))) {
            inner.states.remove(&index);
        } else if inner.states.contains_key(&index) {
            inner.forgotten.insert(index);
        }
    }

    /// The first of `calls` that ended, and its position among them; or why there is none yet.
    pub(super) fn look(&self, calls: &[u32], policy: Policy) -> (usize, Look) {
        let mut inner = self.lock();
        if let Some(stop) = inner.fault.take() {
            return (0, Look::Fault(stop));
        }
        let ended = calls.iter().enumerate().filter_map(|(position, index)| match inner.states.get(index) {
            Some(State::Ended(ended)) => Some((position, ended)),
            _ => None,
        });
        if let Some((position, ended)) = ended.min_by_key(|(_, ended)| ended.order) {
            return (position, Look::Ended(ended.clone()));
        }
        // What is parked has not ended; the rest of what has not ended runs.
        if inner.under_way > inner.parked.len() {
            return (0, Look::NotYet(None));
        }
        match inner.parked.patience(policy) {
            Patience::Stay(until) => (0, Look::NotYet(until)),
            Patience::Linger(until) => (0, Look::Idle(until)),
            Patience::Leave => {
                inner.moves_at_leave = Some(inner.moves);
                (0, Look::Leave)
            }
        }
    }

    /// Whether a call ended, or went on, after the runner was told to leave.
    pub(super) fn moved_since_leave(&self) -> bool {
        let inner = self.lock();
        inner.moves_at_leave.is_some_and(|moves| moves != inner.moves)
    }

    /// How often a call ended or went on.
    pub(super) fn moves(&self) -> u64 {
        self.lock().moves
    }

    /// The runner leaves, whatever the execution waits for: no body starts any more.
    pub(super) fn leave(&self) {
        let mut inner = self.lock();
        inner.moves_at_leave = Some(inner.moves);
    }

    /// What the flow knows of failed calls.
    pub(super) fn failures<T>(&self, look: impl FnOnce(&mut Failures) -> T) -> T {
        look(&mut self.lock().failures)
    }

    /// Whether a call has ended in a failure.
    pub(super) fn has_failed(&self, index: u32) -> bool {
        matches!(self.lock().states.get(&index), Some(State::Ended(Ended { outcome: Outcome::Failure(_), .. })))
    }

    /// Calls under way, in order.
    pub(super) fn busy(&self) -> Vec<u32> {
        let inner = self.lock();
        let busy = inner.states.iter().filter(|(_, state)| state.is_under_way()).map(|(index, _)| *index);
        let mut busy: Vec<u32> = busy.collect();
        busy.sort_unstable();
        busy
    }

    /// Whether there is a fault that nobody was told of.
    pub(super) fn is_faulty(&self) -> bool {
        self.lock().fault.is_some()
    }

    /// Takes a fault that nobody was told of.
    pub(super) fn fault(&self) -> Option<Stop> {
        self.lock().fault.take()
    }

    /// A body starts. It has ended, and what it came to is recorded, when the answer is dropped. Where the runner leaves, this never returns,
    /// because the task is about to be stopped.
    pub(super) async fn body(&self) -> Body<'_> {
        let is_leaving = {
            let mut inner = self.lock();
            inner.bodies += usize::from(inner.moves_at_leave.is_none());
            inner.moves_at_leave.is_some()
        };
        if is_leaving {
            std::future::pending::<()>().await;
        }
        Body(self)
    }

    /// Returns when no body runs.
    pub(super) async fn bodies_end(&self) {
        self.until(|inner| inner.bodies == 0).await;
    }

    /// A call waits for something that costs nothing: `step` is recorded with the status that follows.
    pub(super) fn park(
        &self,
        recorder: &Recorder,
        index: u32,
        parked: Parked,
        step: Step,
        durability: Durability,
    ) -> Result<Recorded, EngineError> {
        let mut inner = self.lock();
        inner.parked.insert(index, parked);
        let recorded = recorder.hand_over(step.with_status(inner.parked.status()), durability);
        drop(inner);
        self.tell();
        recorded
    }

    /// A parked call goes on: `step` is recorded with the status that follows.
    pub(super) fn unpark(
        &self,
        recorder: &Recorder,
        index: u32,
        step: Step,
        durability: Durability,
    ) -> Result<Recorded, EngineError> {
        let mut inner = self.lock();
        inner.moves += 1;
        // The end of a child made the execution due, whatever it waited for beside it: that is taken back.
        let was_due = inner.parked.remove(index) || (inner.children.contains_key(&index) && inner.parked.len() > 0);
        let step = if was_due { step.with_status(inner.parked.status()) } else { step };
        let recorded = recorder.cork(step, durability);
        drop(inner);
        self.tell();
        recorded
    }

    /// What the execution waits for.
    pub(super) fn parked(&self) -> ParkedCalls {
        self.lock().parked.clone()
    }
}

/// A body that runs.
pub(super) struct Body<'a>(&'a Calls);

impl Drop for Body<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.bodies = inner.bodies.saturating_sub(1);
        drop(inner);
        self.0.tell();
    }
}
