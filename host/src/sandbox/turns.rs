//! Who computes when many want to: instances that compute for long take turns among themselves, and leave a processor to the others.
//!
//! The async runtime puts a task that yields behind all others. So beside many that compute without end, one that needs a processor for a
//! moment, waits, and needs it again would each time stand behind all of them. Here those queue that compute for long, in the order in which
//! they come, with places for all processors but one; they have the last one too while hardly anybody else computes, who then waits for the
//! end of one slice at most. On a machine with one processor they have it, one at a time.
//!
//! Time on the wall goes on for the limits of whoever is in the queue, as it does in the runtime's.

use std::num::NonZero;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::mutex::lock;

/// Each tick counts this part of the turns before it: those of the last tenth of a second, more or less, say how busy the others are.
const FADES: u64 = 16;
/// The last processor is left to the others while they had more turns than this, in sixteenths of one. It is about half a turn for each tick.
const BUSY: u64 = 8 * FADES;
/// How long somebody stands in the queue before he looks again whether the last processor is free.
const LOOK: Duration = Duration::from_millis(100);

/// The places of all instances of a sandbox.
#[derive(Debug)]
pub(super) struct Turns {
    /// Those that are always there for who computes for long.
    places: Arc<Semaphore>,
    /// The one that is there while nobody else computes.
    spare: Arc<Semaphore>,
    /// Turns since the last tick of those who do not compute for long.
    short: AtomicU64,
    /// Those before it, in sixteenths, the older the less.
    busy: AtomicU64,
}

impl Default for Turns {
    fn default() -> Self {
        Self::on(std::thread::available_parallelism().map_or(1, NonZero::get))
    }
}

impl Turns {
    fn on(processors: usize) -> Self {
        let places = processors.saturating_sub(1).max(1);
        Self {
            places: Arc::new(Semaphore::new(places)),
            spare: Arc::new(Semaphore::new(processors.saturating_sub(places))),
            short: AtomicU64::new(0),
            busy: AtomicU64::new(0),
        }
    }

    /// A tick has passed.
    pub(super) fn tick(&self) {
        let (short, busy) = (self.short.swap(0, Ordering::Relaxed), self.busy.load(Ordering::Relaxed));
        // Only the ticking thread writes it.
        self.busy.store((busy - busy / FADES).saturating_add(short.saturating_mul(FADES)), Ordering::Relaxed);
    }

    fn is_quiet(&self) -> bool {
        let short = self.short.load(Ordering::Relaxed).saturating_mul(FADES);
        self.busy.load(Ordering::Relaxed).saturating_add(short) <= BUSY
    }

    /// Returns with a place. None where there are no places any more.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let mut place = pin!(Arc::clone(&self.places).acquire_owned());
        loop {
            if self.is_quiet()
                && let Ok(spare) = Arc::clone(&self.spare).try_acquire_owned()
            {
                return Some(spare);
            }
            if let Ok(place) = tokio::time::timeout(LOOK, &mut place).await {
                return place.ok();
            }
        }
    }
}

/// One instance among all.
#[derive(Debug)]
pub(super) struct Turn {
    all: Arc<Turns>,
    computes_for_long: AtomicBool,
    /// What it has while it computes, if it does so for long.
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Turn {
    /// One that has computed nothing yet.
    pub(super) fn new(all: &Arc<Turns>) -> Self {
        Self { all: all.clone(), computes_for_long: AtomicBool::new(false), place: Mutex::default() }
    }

    /// It goes on, or begins.
    pub(super) fn begin(&self) {
        if !self.computes_for_long.load(Ordering::Relaxed) {
            self.all.short.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It waits for something, be it another turn, or has ended.
    pub(super) fn end(&self) {
        if self.computes_for_long.load(Ordering::Relaxed) {
            *lock(&self.place) = None;
        }
    }

    /// It has computed for long, or not any more: then it needs no place.
    pub(super) fn computes_for_long(&self, does: bool) {
        if self.computes_for_long.swap(does, Ordering::Relaxed) && !does {
            *lock(&self.place) = None;
        }
    }

    /// Ends the present turn, and returns when another may begin.
    pub(super) fn next(this: &Arc<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let this = this.clone();
        Box::pin(async move {
            tokio::task::yield_now().await;
            let place = this.all.place().await;
            *lock(&this.place) = place;
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn compute(time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            std::hint::black_box(0);
        }
    }

    /// Others compute for a moment, again and again.
    fn are_busy(all: &Arc<Turns>) {
        for _ in 0..40 {
            Turn::new(all).begin();
            all.tick();
        }
    }

    fn busy(processors: usize) -> Arc<Turns> {
        let all = Arc::new(Turns::on(processors));
        are_busy(&all);
        all
    }

    fn long(all: &Arc<Turns>) -> Arc<Turn> {
        let turn = Turn::new(all);
        turn.computes_for_long(true);
        Arc::new(turn)
    }

    #[tokio::test]
    async fn one_processor_is_left_while_others_compute_for_a_moment() {
        let all = busy(3);
        let turns = [(); 3].map(|()| long(&all));
        for turn in turns.iter().take(2) {
            Turn::next(turn).await;
        }
        let mut third = Turn::next(&turns[2]);
        let waits = async |third: &mut Pin<Box<dyn Future<Output = ()> + Send>>| {
            tokio::time::timeout(Duration::from_millis(20), third).await.is_err()
        };
        assert!(waits(&mut third).await, "two of three processors are taken");
        turns[0].end();
        assert!(!waits(&mut third).await, "whose turn has ended makes room");
    }

    #[tokio::test]
    async fn all_processors_are_theirs_while_hardly_anybody_else_computes() {
        let all = busy(2);
        assert!(!all.is_quiet());
        (0..200).for_each(|_| all.tick());
        // One who comes by now and then.
        Turn::new(&all).begin();
        let turns = [(); 2].map(|()| long(&all));
        for turn in &turns {
            turn.begin();
            Turn::next(turn).await;
        }
        assert_eq!((all.places.available_permits(), all.spare.available_permits()), (0, 0));
        turns.iter().for_each(|turn| turn.end());
        assert_eq!((all.places.available_permits(), all.spare.available_permits()), (1, 1));
        are_busy(&all);
        Turn::next(&turns[0]).await;
        assert_eq!(all.spare.available_permits(), 1, "it is kept for those who compute for a moment");
        // Whoever waits for the other one has it when they have gone.
        let mut second = Turn::next(&turns[1]);
        assert!(tokio::time::timeout(LOOK * 2, &mut second).await.is_err());
        (0..200).for_each(|_| all.tick());
        second.await;
        assert_eq!(all.spare.available_permits(), 0);
    }

    #[tokio::test]
    async fn whoever_computes_for_long_no_more_keeps_no_place() {
        let all = Arc::new(Turns::on(1));
        let (first, second) = (long(&all), long(&all));
        first.begin();
        Turn::next(&first).await;
        // At a tick in the same turn, which ends like anybody's.
        first.computes_for_long(false);
        first.end();
        Turn::next(&second).await;
        second.end();
        assert_eq!(all.places.available_permits(), 1);
    }

    #[tokio::test]
    async fn whoever_goes_away_takes_no_place_along() {
        let all = Arc::new(Turns::on(1));
        let (first, second) = (long(&all), long(&all));
        Turn::next(&first).await;
        let waiting = tokio::time::timeout(Duration::from_millis(5), Turn::next(&second)).await;
        assert!(waiting.is_err(), "on one processor one computes at a time");
        drop(first);
        Turn::next(&second).await;
        drop(second);
        assert_eq!(all.places.available_permits(), 1);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_needs_a_moment_does_not_stand_behind_all_who_compute_for_long() {
        let (all, slice) = (Arc::new(Turns::on(2)), Duration::from_millis(5));
        let spinners: Vec<_> = (0..40)
            .map(|_| {
                let turn = long(&all);
                tokio::spawn(async move {
                    loop {
                        Turn::next(&turn).await;
                        compute(slice);
                        turn.end();
                    }
                })
            })
            .collect();
        let short = Turn::new(&all);
        let mut late: Vec<Duration> = Vec::new();
        for _ in 0..50 {
            short.begin();
            let due = Instant::now() + Duration::from_millis(2);
            tokio::time::sleep(Duration::from_millis(2)).await;
            late.push(Instant::now().saturating_duration_since(due));
        }
        spinners.iter().for_each(tokio::task::JoinHandle::abort);
        late.sort();
        // Behind all of them it would be a tenth of a second each time.
        assert!(late[25] < Duration::from_millis(50), "{late:?}");
    }
}
