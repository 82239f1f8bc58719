//! Limits on the time of one evaluation.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::error::{Stage, TimedOut};
use super::registry::Registered;

use crate::mutex::lock;

/// Time that a callback spends in what comes after it, which its limit does not count.
#[derive(Default)]
pub(super) struct Away(Mutex<Absence>);

#[derive(Default)]
struct Absence {
    /// Of all absences that ended.
    spent: Duration,
    /// How many go on, and since when the first.
    open: u32,
    since: Option<Instant>,
}

/// One absence; it ends when this is dropped.
pub(super) struct Absent(Arc<Away>);

impl Away {
    pub(super) fn leave(self: &Arc<Self>) -> Absent {
        let mut absence = lock(&self.0);
        if absence.open == 0 {
            absence.since = Some(Instant::now());
        }
        absence.open = absence.open.saturating_add(1);
        Absent(Arc::clone(self))
    }

    fn spent(&self) -> Duration {
        let absence = lock(&self.0);
        absence.spent + absence.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Drop for Absent {
    fn drop(&mut self) {
        let mut absence = lock(&self.0.0);
        absence.open = absence.open.saturating_sub(1);
        if absence.open == 0
            && let Some(since) = absence.since.take()
        {
            absence.spent += since.elapsed();
        }
    }
}

/// Waits for `work`, but no longer than `limit`, the time in `away` not counted.
pub(super) async fn within<T>(limit: Option<Duration>, away: &Away, work: impl Future<Output = T>) -> Result<T, Duration> {
    let Some(limit) = limit else { return Ok(work.await) };
    let started = Instant::now();
    let mut work = pin!(work);
    loop {
        let used = started.elapsed().saturating_sub(away.spent());
        if used >= limit {
            return Err(limit);
        }
        // While it is away nothing of the rest is used up, however small that is: so look again after a good part of the limit only.
        let pause = (limit - used).max(limit / 4);
        if let Ok(done) = tokio::time::timeout(pause, &mut work).await {
            return Ok(done);
        }
    }
}

/// Waits for what is registered, as long as its registration allows.
pub(super) async fn run<T, R: ?Sized>(stage: Stage, entry: &Registered<R>, work: impl Future<Output = T>) -> Result<T, TimedOut> {
    within(entry.time_limit, &Away::default(), work).await.map_err(|limit| TimedOut { stage, name: entry.name.clone(), limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_away_does_not_count() {
        let away = Arc::new(Away::default());
        let work = async {
            let absent = away.leave();
            tokio::time::sleep(Duration::from_secs(60)).await;
            drop(absent);
            tokio::time::sleep(Duration::from_millis(900)).await;
        };
        assert_eq!(within(Some(Duration::from_secs(1)), &away, work).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn time_at_work_counts_to_the_limit() {
        let started = Instant::now();
        let limit = Duration::from_secs(1);
        assert_eq!(within(Some(limit), &Away::default(), std::future::pending::<()>()).await, Err(limit));
        assert_eq!(started.elapsed().as_secs(), 1);
    }
}
