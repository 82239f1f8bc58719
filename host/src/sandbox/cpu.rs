//! How long an instance computes, as opposed to how long it takes: the CPU time of the threads that run it, measured around each turn that its
//! task gets. What it waits for, be it a sleep, the network or a turn on a busy machine, is no turn. A flow's turn has those of the
//! bodies in it that it waits for directly: what it may compute is counted anew after each of them.
//!
//! Exact to what the system's clock says, but for an instance's first turn, which is not counted: a tick of the epoch ends it, and most bodies
//! have no other, while asking the clock twice would cost them a few hundredths of their time. The limit is checked at each tick, so an
//! instance may have two ticks more, and what the host does for it in one go. Work that is handed to other threads (file operations, name
//! lookups) is not counted.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::turns;

thread_local! {
    /// When the present turn began, by the clock of this thread, in nanoseconds. None where it is not counted.
    static BEGAN: Cell<Option<u64>> = const { Cell::new(None) };
}

/// The CPU time that one instance has used, and its turns.
#[derive(Debug, Default)]
pub(super) struct CpuTime {
    /// In nanoseconds.
    used: AtomicU64,
    /// Its turns among those of all instances, if it takes part.
    turn: Option<Arc<turns::Turn>>,
}

impl CpuTime {
    /// Of an instance that takes turns with others.
    pub(super) fn in_turn(all: &Arc<turns::Turns>) -> Self {
        Self { used: AtomicU64::new(0), turn: Some(Arc::new(turns::Turn::new(all))) }
    }

    /// Its turns, if it takes any.
    pub(super) fn turn(&self) -> Option<&Arc<turns::Turn>> {
        self.turn.as_ref()
    }

    /// What was used up to the end of the last turn.
    pub(super) fn used(&self) -> Duration {
        Duration::from_nanos(self.used.load(Ordering::Relaxed))
    }

    /// What was used up to now, asked in a turn of its own.
    pub(super) fn used_now(&self) -> Duration {
        self.used() + Duration::from_nanos(turn_so_far())
    }

    /// Does something whose turns count, from the second one on.
    pub(super) async fn of<T>(&self, work: impl Future<Output = T>) -> T {
        let (mut work, mut counts) = (pin!(work), false);
        poll_fn(|context| {
            let _turn = Turn::begin(self, std::mem::replace(&mut counts, true));
            work.as_mut().poll(context)
        })
        .await
    }
}

/// What the present turn took so far.
fn turn_so_far() -> u64 {
    BEGAN.get().map_or(0, |began| thread_time().saturating_sub(began))
}

/// A turn, which ends when it is dropped.
struct Turn<'a> {
    cpu: &'a CpuTime,
    began_around: Option<u64>,
}

impl<'a> Turn<'a> {
    fn begin(cpu: &'a CpuTime, counts: bool) -> Self {
        if let Some(turn) = &cpu.turn {
            turn.begin();
        }
        Self { cpu, began_around: BEGAN.replace(counts.then(thread_time)) }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.cpu.used.fetch_add(turn_so_far(), Ordering::Relaxed);
        BEGAN.set(self.began_around);
        if let Some(turn) = &self.cpu.turn {
            turn.end();
        }
    }
}

/// The CPU time of this thread, in nanoseconds.
#[cfg(unix)]
fn thread_time() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// No other system tells without unsafe code: there a turn's time on the wall counts.
#[cfg(not(unix))]
fn thread_time() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    u64::try_from(START.get_or_init(std::time::Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computes until the clock of this thread has gone on by so much.
    fn compute(milliseconds: u64) {
        let end = thread_time() + milliseconds * 1_000_000;
        while thread_time() < end {
            std::hint::black_box(0);
        }
    }

    #[tokio::test]
    async fn what_is_waited_for_is_no_cpu_time() {
        let cpu = CpuTime::default();
        cpu.of(async {
            tokio::task::yield_now().await;
            compute(5);
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert!(cpu.used_now() >= Duration::from_millis(5));
            compute(5);
            assert!(cpu.used_now() >= Duration::from_millis(10));
        })
        .await;
        let used = cpu.used();
        assert!(used >= Duration::from_millis(10) && used < Duration::from_millis(300), "{used:?}");
    }

    #[tokio::test]
    async fn the_first_turn_does_not_count_and_nothing_of_the_one_around_it() {
        let (flow, body) = (CpuTime::default(), CpuTime::default());
        flow.of(async {
            tokio::task::yield_now().await;
            compute(200);
            body.of(async {
                compute(200);
                assert_eq!(body.used_now(), Duration::ZERO);
                tokio::task::yield_now().await;
                compute(20);
            })
            .await;
        })
        .await;
        let used = body.used();
        assert!(used >= Duration::from_millis(20) && used < Duration::from_millis(200), "{used:?}");
        assert!(flow.used() >= Duration::from_millis(400), "{:?}", flow.used());
    }
}
