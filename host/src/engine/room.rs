//! Room for flows in memory: how many there are, which of them only wait, and which of those leave when others need the room (E8).
//!
//! A drive that has nothing to do but wait keeps its instance, so that its flow goes on at once. It is told to leave as if its time to stay were
//! over: when executions that could go on wait for a place, when there are more instances than there is room for, or when the process has
//! grown too large. The first is the one whose flow has not run for longest. A parent is idle only when its child has left, because until then
//! it drives it; its flow has not run for longer still, so it is the next.
//!
//! Only where somebody looks after executions: what is left is taken up again there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::memory;
use crate::ids::ExecutionId;
use crate::mutex::lock;
use crate::sandbox::Relief;

/// How often the size of the process is looked at while somebody is idle: no system tells of that.
const LOOK: Duration = Duration::from_secs(1);
/// One in so many of the idle ones leaves when the process is too large, and again at every look until it is not.
const PART: usize = 4;

/// How many flows are in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    /// Instances of flows.
    pub flows: usize,
    /// Those that only wait, and leave when others need the room.
    pub idle: usize,
}

/// The room for flows in one process. Clones are the same room.
#[derive(Clone, Debug)]
pub(super) struct Room(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Instances of flows that there is room for.
    most: usize,
    inner: Mutex<Inner>,
    /// How many are idle. Whoever needs room is only told when there is one more, or one that was to leave has not.
    idle: watch::Sender<usize>,
    /// How often a flow came to where it had to wait.
    waits: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    instances: usize,
    /// Whom to tell, the one first whose flow has not run for longest.
    idle: BTreeMap<Place, (ExecutionId, Arc<Notify>)>,
    /// How many were told to leave, and have not left yet.
    leaving: usize,
    /// How often somebody became idle.
    entered: u64,
    /// Those who look after executions.
    keepers: usize,
    /// How many instances wait for memory that flows which only wait have.
    wanted: usize,
}

/// When a flow ran last, and a number that no other has.
type Place = (u64, u64);

impl Inner {
    /// Tells so many to leave.
    fn tell(&mut self, count: usize) {
        for _ in 0..count {
            let Some((place, _)) = self.idle.first_key_value() else { return };
            let place = *place;
            self.tell_one(place);
        }
    }

    /// Tells the one at this place to leave.
    fn tell_one(&mut self, place: Place) {
        if let Some((_, told)) = self.idle.remove(&place) {
            self.leaving += 1;
            told.notify_one();
        }
    }
}

impl Shared {
    /// Makes a change, and the room that is missing after it. Where `change` says so, those who need room are told to look again.
    fn change(&self, change: impl FnOnce(&mut Inner) -> bool) {
        let mut inner = lock(&self.inner);
        let tells = change(&mut inner);
        let over = inner.instances.saturating_sub(self.most).max(inner.wanted).saturating_sub(inner.leaving);
        inner.tell(over);
        let idle = inner.idle.len();
        self.idle.send_if_modified(|known| {
            *known = idle;
            tells
        });
    }
}

impl Room {
    /// Room for `most` flows.
    pub(super) fn new(most: usize) -> Self {
        let (most, idle) = (most.max(1), watch::Sender::new(0));
        Self(Arc::new(Shared { most, inner: Mutex::default(), idle, waits: AtomicU64::new(0) }))
    }

    /// How many flows there is room for.
    pub(super) fn most(&self) -> usize {
        self.0.most
    }

    /// How many there are.
    pub(super) fn occupancy(&self) -> Occupancy {
        let inner = lock(&self.0.inner);
        Occupancy { flows: inner.instances, idle: inner.idle.len() }
    }

    /// Somebody looks after executions from now on, until the answer is dropped. A process that is larger than `ceiling`, in bytes, is made
    /// smaller.
    pub(super) fn keep(&self, ceiling: Option<u64>) -> Keeper {
        self.0.change(|inner| {
            inner.keepers += 1;
            false
        });
        let mut watch = JoinSet::new();
        if let Some(ceiling) = ceiling {
            watch.spawn(watch_size(self.clone(), LOOK, ceiling, memory::of_this_process));
        }
        Keeper { room: self.clone(), _watch: watch }
    }

    /// A flow is in memory until the answer is dropped.
    pub(super) fn instance(&self) -> Instance {
        self.0.change(|inner| {
            inner.instances += 1;
            false
        });
        Instance(self.clone())
    }

    /// A flow has come to where it has to wait: its place in the order in which flows did.
    pub(super) fn now_waits(&self) -> u64 {
        self.0.waits.fetch_add(1, Ordering::Relaxed)
    }

    /// The drive of an execution has nothing to do but wait until the answer is dropped, and may leave. None where nobody would take up what it leaves.
    pub(super) fn idle(&self, execution: ExecutionId, since: u64) -> Option<Idler> {
        let told = Arc::new(Notify::new());
        let mut place = None;
        self.0.change(|inner| {
            if inner.keepers > 0 {
                inner.entered += 1;
                let entered = (since, inner.entered);
                inner.idle.insert(entered, (execution, told.clone()));
                place = Some(entered);
            }
            place.is_some()
        });
        place.map(|place| Idler { room: self.clone(), place, told, leaves: false })
    }

    /// Changes when those who need room are to look again.
    pub(super) fn news(&self) -> watch::Receiver<usize> {
        self.0.idle.subscribe()
    }

    /// So many executions that could go on wait for a place.
    pub(super) fn make(&self, places: usize) {
        self.0.change(|inner| {
            inner.tell(places.saturating_sub(inner.leaving));
            false
        });
    }

    /// Somebody needs an execution whose drive only waits: that leaves. Whether there is such a drive.
    pub(super) fn ask_for(&self, execution: ExecutionId) -> bool {
        let mut found = false;
        self.0.change(|inner| {
            let place = inner.idle.iter().find(|(_, (idle, _))| *idle == execution).map(|(place, _)| *place);
            found = place.is_some();
            place.into_iter().for_each(|place| inner.tell_one(place));
            false
        });
        found
    }

    /// The process is too large.
    fn shrink(&self) {
        self.0.change(|inner| {
            inner.tell(inner.idle.len().div_ceil(PART).saturating_sub(inner.leaving));
            false
        });
    }
}

/// Where instances wait for memory, those leave first that only wait, and go on later.
impl Relief for Room {
    fn make_room(&self, waiting: usize) -> bool {
        let mut leaving = 0;
        self.0.change(|inner| {
            inner.wanted = waiting;
            leaving = inner.leaving + inner.idle.len().min(waiting.saturating_sub(inner.leaving));
            false
        });
        leaving > 0
    }
}

/// Makes room every `interval` while the process is larger than `ceiling` and somebody is idle. Costs nothing while nobody is.
async fn watch_size(room: Room, interval: Duration, ceiling: u64, size: impl Fn() -> Option<u64>) {
    let mut idle = room.news();
    while idle.wait_for(|idle| *idle > 0).await.is_ok() {
        tokio::time::sleep(interval).await;
        // Where it cannot be told, the number of flows is the only bound.
        let Some(size) = size() else { return };
        if size > ceiling {
            tracing::debug!(size, ceiling, "the process is too large: flows that only wait leave");
            room.shrink();
        }
    }
}

/// Somebody who looks after executions.
#[derive(Debug)]
pub(super) struct Keeper {
    room: Room,
    /// Ends with it.
    _watch: JoinSet<()>,
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.room.0.change(|inner| {
            inner.keepers = inner.keepers.saturating_sub(1);
            false
        });
    }
}

/// A flow that is in memory.
#[derive(Debug)]
pub(super) struct Instance(Room);

impl Drop for Instance {
    fn drop(&mut self) {
        self.0.0.change(|inner| {
            inner.instances = inner.instances.saturating_sub(1);
            false
        });
    }
}

/// A drive that has nothing to do but wait. Of one that leaves this lives until it has left, so that no other makes the same room.
#[derive(Debug)]
pub(super) struct Idler {
    room: Room,
    place: Place,
    told: Arc<Notify>,
    leaves: bool,
}

impl Idler {
    /// Returns when it is told to leave.
    pub(super) async fn told(&self) {
        self.told.notified().await;
    }

    /// It has done as it was told.
    #[must_use]
    pub(super) fn leaves(mut self) -> Self {
        self.leaves = true;
        self
    }
}

impl Drop for Idler {
    fn drop(&mut self) {
        let (place, leaves) = (self.place, self.leaves);
        self.room.0.change(|inner| {
            if inner.idle.remove(&place).is_some() {
                return false;
            }
            // It was told to leave. Where it went on instead, others have to.
            inner.leaving = inner.leaving.saturating_sub(1);
            !leaves
        });
    }
}

#[cfg(test)]
#[path = "room_tests.rs"]
mod tests;
