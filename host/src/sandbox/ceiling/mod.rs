//! The ceiling on the memory of all instances of a process: linear memories and tables, counted where they grow.
//!
//! Reaching it is not visible to a guest: an instance that wants more waits in line, outside its time limits, and a new one before it begins.
//! Who is next is decided in `line`; here those wait who have to. An allocation that was refused could be seen, and would be a source of
//! nondeterminism (E6).
//!
//! Components describe themselves, and middleware runs, without waiting: somebody waits for them who has memory, and they are small. What they
//! have is counted, and nobody fails for it.

mod leaving;
mod line;
mod no_room;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, oneshot};

use crate::ids::ExecutionId;
use crate::mutex::lock;
pub use line::Role;
use line::{Asked, Line, Number, Pause, Verdict};
pub use no_room::NoRoom;

/// How often one that waits has the line looked at: whoever makes room from outside tells nobody when it has not come to that.
const LOOK: Duration = Duration::from_millis(50);

/// Whoever can have instances leave that only wait.
pub trait Relief: Send + Sync {
    /// So many wait for memory. Whether somebody is about to leave.
    fn make_room(&self, waiting: usize) -> bool;
}

/// How much memory instances have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Now, in bytes.
    pub now: u64,
    /// The most that it was since the process began, in bytes.
    pub peak: u64,
    /// How much it may be, in bytes. None: as much as there is.
    pub ceiling: Option<u64>,
    /// How many instances wait in line for memory.
    pub waiting: usize,
    /// How often one had to wait.
    pub waits: u64,
    /// How often one was put off.
    pub put_off: u64,
}

/// The ceiling on the memory of all instances. Clones are the same ceiling.
#[derive(Clone)]
pub struct Ceiling(Arc<Shared>);

struct Shared {
    inner: Mutex<Inner>,
    waits: AtomicU64,
    put_off: AtomicU64,
}

struct Inner {
    line: Line,
    waiting: HashMap<Number, oneshot::Sender<Verdict>>,
    /// Flows that can be told to leave while they wait for something else.
    pausing: HashMap<Number, Arc<Notify>>,
    relief: Option<Arc<dyn Relief>>,
    /// Relief was asked for, and has not heard yet that nobody waits any more.
    asked: bool,
    /// When the line was looked at last because somebody waited.
    looked: Option<Instant>,
}

impl std::fmt::Debug for Ceiling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Ceiling").field(&self.held()).finish()
    }
}

impl Default for Ceiling {
    fn default() -> Self {
        let (line, waiting, pausing) = (Line::new(u64::MAX), HashMap::new(), HashMap::new());
        let inner = Mutex::new(Inner { line, waiting, pausing, relief: None, asked: false, looked: None });
        Self(Arc::new(Shared { inner, waits: AtomicU64::new(0), put_off: AtomicU64::new(0) }))
    }
}

impl Ceiling {
    /// From now on instances have at most so many bytes, and `relief` is asked when that is too few.
    pub fn limit(&self, bytes: Option<u64>, relief: Arc<dyn Relief>) {
        let mut inner = self.0.lock();
        inner.line.set_ceiling(bytes.unwrap_or(u64::MAX));
        inner.relief = Some(relief);
        self.0.settle(&mut inner);
    }

    /// How much memory instances have.
    pub fn held(&self) -> Held {
        let inner = self.0.lock();
        let ((now, peak), ceiling, waiting) = (inner.line.held(), inner.line.ceiling(), inner.line.waiting());
        let (waits, put_off) = (self.0.waits.load(Ordering::Relaxed), self.0.put_off.load(Ordering::Relaxed));
        Held { now, peak, ceiling: (ceiling < u64::MAX).then_some(ceiling), waiting, waits, put_off }
    }

    /// A place for an instance that begins with so many bytes. It is there at once, or has to be waited for in line.
    pub fn enter(&self, execution: ExecutionId, role: Role, bytes: u64) -> Entry {
        let mut inner = self.0.lock();
        let (number, asked) = inner.line.enter(execution, role, bytes);
        let seat = |held| Seat(Arc::new(Place::new(self.0.clone(), Some(number), held)));
        match asked {
            Asked::Granted => Entry::Free(seat(bytes)),
            Asked::Never { needs } => Entry::Never(NoRoom::Never { needs, ceiling: inner.line.ceiling() }),
            Asked::Waits => {
                let verdict = self.0.wait(&mut inner, number);
                Entry::Wait(InLine { seat: seat(bytes), verdict })
            }
        }
    }

    /// A place for an instance that is not made to wait.
    pub fn exempt(&self) -> Seat {
        Seat(Arc::new(Place::new(self.0.clone(), None, 0)))
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// One more is in line.
    fn wait(&self, inner: &mut Inner, number: Number) -> oneshot::Receiver<Verdict> {
        self.waits.fetch_add(1, Ordering::Relaxed);
        let (sender, verdict) = oneshot::channel();
        inner.waiting.insert(number, sender);
        self.settle(inner);
        verdict
    }

    /// After every change: serves whoever can be served.
    fn settle(&self, inner: &mut Inner) {
        let waiting = inner.line.waiting();
        if waiting == 0 && !inner.asked {
            return;
        }
        let leaves = inner.relief.as_ref().is_some_and(|relief| relief.make_room(waiting));
        inner.asked = waiting > 0;
        for (number, verdict) in inner.line.settle(leaves) {
            if matches!(verdict, Verdict::PutOff { .. }) {
                self.put_off.fetch_add(1, Ordering::Relaxed);
            }
            match (inner.waiting.remove(&number), inner.pausing.get(&number)) {
                // Whoever is gone gives its place back when it is dropped.
                (Some(waits), _) => drop(waits.send(verdict)),
                (None, Some(told)) => told.notify_one(),
                (None, None) => {}
            }
        }
        if inner.line.waiting() == 0 && inner.asked {
            inner.asked = false;
            if let Some(relief) = &inner.relief {
                relief.make_room(0);
            }
        }
    }

    /// Looks at the line, unless another that waits has just had that done: a thousand that wait are no reason to look a thousand times.
    fn look(&self) {
        let mut inner = self.lock();
        if inner.looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            inner.looked = Some(Instant::now());
            self.settle(&mut inner);
        }
    }

    /// Returns when it is decided what becomes of one that is in line.
    async fn decided(&self, mut verdict: oneshot::Receiver<Verdict>) -> Verdict {
        loop {
            tokio::select! {
                biased;
                // The other end lives as long as the line.
                verdict = &mut verdict => return verdict.unwrap_or(Verdict::PutOff { needs: 0 }),
                () = tokio::time::sleep(LOOK) => self.look(),
            }
        }
    }
}

/// Whether there is a place.
pub enum Entry {
    /// There is.
    Free(Seat),
    /// It has to be waited for.
    Wait(InLine),
    /// There will never be one.
    Never(NoRoom),
}

/// Somebody who waits for a place. Dropped, it waits no more.
pub struct InLine {
    seat: Seat,
    verdict: oneshot::Receiver<Verdict>,
}

impl InLine {
    /// Returns when the place is there.
    ///
    /// # Errors
    /// When there will be none, or others go first.
    pub async fn place(self) -> Result<Seat, NoRoom> {
        let Self { seat, verdict } = self;
        let verdict = seat.0.shared.decided(verdict).await;
        seat.0.told(verdict).map(|()| seat)
    }
}

/// The place of one instance: what it has of the memory of all, given back when the last clone is dropped.
#[derive(Clone)]
pub struct Seat(Arc<Place>);

struct Place {
    shared: Arc<Shared>,
    /// None where it is not made to wait.
    number: Option<Number>,
    own: Mutex<Own>,
}

/// What an instance has.
#[derive(Clone, Copy, Default)]
struct Own {
    /// Counted for it, in bytes.
    held: u64,
    /// Of that, what it uses.
    used: u64,
    /// How long it has waited in line since it began, and since when it does now.
    waited: Duration,
    waits_since: Option<Instant>,
}

/// A place as others know it: they do not keep it.
#[derive(Clone)]
pub struct WeakSeat(Weak<Place>);

impl WeakSeat {
    /// The place, while its instance is there.
    pub fn seat(&self) -> Option<Seat> {
        self.0.upgrade().map(Seat)
    }
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Seat").field(&self.0.number).finish()
    }
}

impl Seat {
    /// The place as others may know it.
    pub fn downgrade(&self) -> WeakSeat {
        WeakSeat(Arc::downgrade(&self.0))
    }

    /// What names it to the bodies of its flow.
    pub fn number(&self) -> Option<u64> {
        self.0.number
    }

    /// The most memory that its instance had, in bytes. Memory never shrinks.
    pub fn used(&self) -> u64 {
        lock(&self.0.own).used
    }

    /// How long its instance has waited in line for memory since it began.
    pub(super) fn waited(&self) -> Duration {
        let own = lock(&self.0.own);
        own.waited + own.waits_since.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// The instance is to have so many bytes more. Returns when it may.
    pub(super) async fn grow(&self, bytes: u64) -> Result<(), NoRoom> {
        let Place { shared, number, own } = &*self.0;
        let wants = {
            let mut own = lock(own);
            let used = own.used.saturating_add(bytes);
            let wants = used.saturating_sub(own.held);
            if wants == 0 {
                own.used = used;
                return Ok(());
            }
            wants
        };
        let Some(number) = number else {
            let mut own = lock(own);
            shared.lock().line.exempt(wants, own.held == 0);
            (own.held, own.used) = (own.held.saturating_add(wants), own.used.saturating_add(bytes));
            return Ok(());
        };
        let verdict = {
            let mut inner = shared.lock();
            match inner.line.grow(*number, wants) {
                Asked::Granted => None,
                Asked::Never { needs } => return Err(NoRoom::Never { needs, ceiling: inner.line.ceiling() }),
                Asked::Waits => Some(shared.wait(&mut inner, *number)),
            }
        };
        if let Some(verdict) = verdict {
            lock(own).waits_since = Some(Instant::now());
            let verdict = shared.decided(verdict).await;
            let mut own = lock(own);
            let waited = own.waits_since.take().map(|since| since.elapsed()).unwrap_or_default();
            own.waited += waited;
            drop(own);
            self.0.told(verdict)?;
        }
        let mut own = lock(own);
        (own.held, own.used) = (own.held.saturating_add(wants), own.used.saturating_add(bytes));
        Ok(())
    }

    /// Its flow waits for something that is not memory, until the answer is dropped. Where it `can_leave`, it may be told to.
    pub fn pauses(&self, can_leave: bool) -> Pausing {
        let told = Arc::new(Notify::new());
        if let Some(number) = self.0.number {
            let mut inner = self.0.shared.lock();
            inner.line.pause(number, Some(if can_leave { Pause::Free } else { Pause::Held }));
            // Also of one that stays: it can be told to leave as long as nothing of what it waits for has begun.
            inner.pausing.insert(number, told.clone());
            self.0.shared.settle(&mut inner);
        }
        Pausing { seat: self.clone(), told }
    }
}

impl Place {
    fn new(shared: Arc<Shared>, number: Option<Number>, held: u64) -> Self {
        Self { shared, number, own: Mutex::new(Own { held, ..Own::default() }) }
    }

    fn told(&self, verdict: Verdict) -> Result<(), NoRoom> {
        match verdict {
            Verdict::Granted => Ok(()),
            Verdict::PutOff { needs } => Err(NoRoom::PutOff { needs }),
            Verdict::Never { needs } => Err(NoRoom::Never { needs, ceiling: self.shared.lock().line.ceiling() }),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let held = lock(&self.own).held;
        // Every instance is made with such a place, and most get another before they begin: nobody else needs to know of those.
        if self.number.is_none() && held == 0 {
            return;
        }
        let mut inner = self.shared.lock();
        match self.number {
            Some(number) => {
                inner.line.leave(number);
                inner.waiting.remove(&number);
                inner.pausing.remove(&number);
            }
            None => inner.line.exempt_ended(held),
        }
        self.shared.settle(&mut inner);
    }
}

/// A flow that waits for something that is not memory.
#[derive(Debug)]
pub struct Pausing {
    seat: Seat,
    told: Arc<Notify>,
}

impl Pausing {
    /// Returns when the flow is to leave, because others wait for its memory.
    pub async fn told(&self) -> NoRoom {
        self.told.notified().await;
        NoRoom::PutOff { needs: lock(&self.seat.0.own).held }
    }
}

impl Drop for Pausing {
    fn drop(&mut self) {
        let Some(number) = self.seat.0.number else { return };
        let mut inner = self.seat.0.shared.lock();
        inner.line.pause(number, None);
        inner.pausing.remove(&number);
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
