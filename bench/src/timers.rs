//! How late timers fire while a host looks after many executions that sleep.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use kitaru_host::engine::{DriveOptions, Event, Observer, SleepPolicy, read_journal};
use kitaru_host::ids::ExecutionId;
use kitaru_host::sandbox::Grants;
use kitaru_host::store::Status;

use crate::figure::{Figure, Target};
use crate::place::{Bench, Place};
use crate::report::Report;
use crate::samples::{micros, quantile};
use crate::steps::all;

/// So many sleepers are due while they are watched, each at a moment of its own.
const ALONE: u64 = 200;
/// Groups whose sleepers are due at the same moment, as far as they can be laid so one after the other, and how many each has.
const GROUPS: u64 = 10;
const GROUP: u64 = 16;
/// When the first of them is due, by which all must have been laid, and the time from one to the next: a step that meets no other period of anything.
/// In milliseconds.
const FIRST: u64 = 10_000;
const STEP: u64 = 47;

/// When those are due that are due alone; beside them sleeps of tokio's; and the groups; all apart from one another. In milliseconds after the beginning.
fn moments() -> [Vec<u64>; 3] {
    let alone = |after: u64| (0..ALONE).map(move |sleeper| FIRST + after + sleeper * STEP).collect();
    let together = (0..GROUPS * GROUP).map(|sleeper| FIRST + STEP / 2 + sleeper / GROUP * (ALONE / GROUPS) * STEP).collect();
    [alone(0), alone(STEP / 4), together]
}

/// An execution that sleeps, and is left to the store.
async fn begun(place: &Place, milliseconds: u64) -> Result<ExecutionId> {
    let sleep = SleepPolicy::Leave { longer_than: Duration::ZERO };
    let id = place.submit("nap", &format!(r#"{{"milliseconds":{milliseconds}}}"#), Grants::default()).await?;
    place.engine.drive(id, DriveOptions { sleep, ..DriveOptions::default() }).await?;
    Ok(id)
}

/// Executions that are due at these moments after `beginning`.
async fn due(place: &Place, beginning: Instant, moments: Vec<u64>) -> Result<Vec<ExecutionId>> {
    let mut ids = Vec::new();
    for at in moments {
        let left = Duration::from_millis(at).saturating_sub(beginning.elapsed());
        // One after the other, so that each begins to sleep as soon as it is told for how long.
        ids.push(begun(place, u64::try_from(left.as_millis())?).await?);
    }
    Ok(ids)
}

/// How late sleeps of tokio's end that are due at these moments after `beginning`, in milliseconds.
async fn plain_sleeps(beginning: Instant, moments: Vec<u64>) -> Vec<f64> {
    let mut late = Vec::new();
    for at in moments {
        let deadline = beginning + Duration::from_millis(at);
        tokio::time::sleep_until(deadline.into()).await;
        late.push(micros(deadline.elapsed()) / 1e3);
    }
    late
}

/// What the journals of sleepers tell, in milliseconds.
struct Told {
    /// How late each of them went on: from the deadline that it had to the moment at which the sleep was over.
    late: Vec<f64>,
    /// The deadlines.
    due: Vec<f64>,
}

async fn told_by(place: &Place, ids: Vec<ExecutionId>) -> Result<Told> {
    let (mut late, mut due) = (Vec::new(), Vec::new());
    for id in ids {
        let history = read_journal(place.engine.store().as_ref(), id).await?.history;
        let call = history.call(0).context("no call")?;
        let (deadline, end) = (call.deadline.context("no deadline")?, call.end.as_ref().context("no end")?);
        late.push((end.at.as_micros() - deadline.as_micros()) as f64 / 1e3);
        due.push(deadline.as_micros() as f64 / 1e3);
    }
    Ok(Told { late, due })
}

/// Within how many milliseconds all sleepers of a group were due, in the group where they were furthest apart.
fn spread(due: &[f64]) -> f64 {
    let group = |due: &[f64]| due.iter().copied().fold(f64::MIN, f64::max) - due.iter().copied().fold(f64::MAX, f64::min);
    due.chunks(GROUP as usize).map(group).fold(0.0, f64::max)
}

/// Looks after all of them until so many have ended.
async fn looked_after(place: &Place, count: u64) -> Result<()> {
    let (send, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let send = Mutex::new(send);
    let observer = Observer::of_stops(move |event| {
        if let Event::Stopped { status: Status::Completed, .. } = event {
            let _ = send.lock().unwrap_or_else(PoisonError::into_inner).send(());
        }
    });
    let watch = async {
        for _ in 0..count {
            ended.recv().await.context("the host went away")?;
        }
        place.engine.stop();
        anyhow::Ok(())
    };
    let (looked, watched) = tokio::join!(place.engine.look_after(observer), watch);
    looked?;
    watched
}

pub(crate) fn lateness(bench: &Bench, report: &mut Report) -> Result<()> {
    let [alone, plain, together] = moments();
    let pending = bench.scaled(10_000).max(2 * ALONE);
    let place = bench.place()?;
    let sleeps = |milliseconds: u64| {
        let place: Arc<Place> = place.clone();
        async move { begun(&place, milliseconds).await }
    };
    let (mut alone, mut together, mut plain) = bench.runtime.block_on(async {
        for batch in 0..pending / 64 + 1 {
            all((0..64).map(|nap| sleeps(3_600_000 + batch * 64 + nap))).await?;
        }
        let beginning = Instant::now();
        let (alone, together) = (due(&place, beginning, alone).await?, due(&place, beginning, together).await?);
        let took = beginning.elapsed();
        ensure!(took < Duration::from_millis(FIRST), "sleepers were due before all were laid, which took {took:?}");
        let plain = tokio::spawn(plain_sleeps(beginning, plain));
        looked_after(&place, ALONE + GROUPS * GROUP).await?;
        anyhow::Ok((told_by(&place, alone).await?.late, told_by(&place, together).await?, plain.await?))
    })?;
    let limit = quantile(&mut plain, 0.99);
    let what = format!("how late timers fire, each at a moment of its own, {pending} pending, p99 of {ALONE}");
    report.add(
        Figure::new("timer_error", what, quantile(&mut alone, 0.99), "ms")
            .beside("a sleep of tokio's", limit)
            .target(Target::AtMost(5.0)),
    );
    let what = format!("the same, {GROUP} due within {:.0} ms, p99 of {}", spread(&together.due).ceil(), GROUPS * GROUP);
    report.add(
        Figure::new("timer_error_together", what, quantile(&mut together.late, 0.99), "ms")
            .beside("a sleep of tokio's", limit)
            .target(Target::AtMost(5.0)),
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_that_of_the_widest_group() {
        let due: Vec<f64> = (0..GROUP * 2).map(|sleeper| if sleeper < GROUP { 0.5 } else { sleeper as f64 }).collect();
        assert_eq!(spread(&due), (GROUP - 1) as f64);
    }

    #[test]
    fn no_two_kinds_of_sleepers_meet() {
        let [alone, plain, together] = moments();
        assert_eq!((alone.len(), plain.len(), together.len()), (200, 200, 160));
        let groups: std::collections::BTreeSet<_> = together.iter().collect();
        assert_eq!(groups.len(), 10);
        for group in groups {
            assert!(alone.iter().chain(&plain).all(|other| other.abs_diff(*group) >= 10), "{group}");
        }
    }
}
