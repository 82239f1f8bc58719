//! Wake-ups.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::Place;
use super::scenes::{at, claimed, created, entries, inline, question};
use crate::ids::{CallId, Ids as _, SystemIds};
use crate::store::{Append, Executions, Journal, Leases, Resolution, Waits, Wakeups};

async fn is_woken(receiver: &mut watch::Receiver<u64>) -> bool {
    timeout(Duration::from_secs(60), receiver.changed()).await.is_ok_and(|changed| changed.is_ok())
}

async fn all_woken(receivers: &mut [watch::Receiver<u64>], what: &str) {
    for receiver in receivers {
        assert!(is_woken(receiver).await, "{what}");
    }
}

pub(crate) async fn a_wakeup_reaches_the_tasks_of_this_process<P: Place>(place: P) {
    let store = place.open();
    let (id, other) = (created(&store).await, created(&store).await);
    store.wake(id).await.unwrap();
    let (mut first, mut second) = (store.watch(id).await.unwrap(), store.watch(id).await.unwrap());
    let untouched = store.watch(other).await.unwrap();
    for _ in 0..3 {
        store.wake(id).await.unwrap();
        assert!(is_woken(&mut first).await && is_woken(&mut second).await);
    }
    assert!(!untouched.has_changed().unwrap());
    drop((first, second));
    store.wake(id).await.unwrap();
}

pub(crate) async fn a_wakeup_reaches_other_processes<P: Place>(place: P) {
    let (here, there, elsewhere) = (place.open(), place.open(), place.open());
    let id = created(&here).await;
    let mut receivers = [there.watch(id).await.unwrap(), elsewhere.watch(id).await.unwrap()];
    for round in 0..5 {
        here.wake(id).await.unwrap();
        all_woken(&mut receivers, &format!("round {round}")).await;
    }
}

/// Whoever watches before it looks at the store is woken by whatever comes after: also if it has only just begun.
pub(crate) async fn no_wakeup_after_a_watch_is_lost<P: Place>(place: P) {
    let (here, there) = (place.open(), place.open());
    for round in 0..300 {
        let id = SystemIds.execution();
        let mut receiver = there.watch(id).await.unwrap();
        here.wake(id).await.unwrap();
        assert!(is_woken(&mut receiver).await, "round {round}");
    }
}

pub(crate) async fn answers_and_cancels_wake<P: Place>(place: P) {
    let (here, there) = (place.open(), place.open());
    let lease = claimed(&here).await;
    here.append(&lease, Append { wait: Some(question(0)), ..entries([0]) }).await.unwrap();
    let mut receiver = here.watch(lease.execution).await.unwrap();
    let id = CallId { execution: lease.execution, index: 0 };
    there.resolve(id, None, Resolution::Answered(inline("true")), at(9)).await.unwrap();
    assert!(is_woken(&mut receiver).await);
    assert!(here.wait(id).await.unwrap().resolution.is_some(), "whoever is woken finds the news");
    there.request_cancel(lease.execution, at(8)).await.unwrap();
    assert!(is_woken(&mut receiver).await);
}

pub(crate) async fn e12_the_death_of_a_runner_is_told_where_that_is_promised<P: Place>(place: P) {
    let (first, second) = (place.open(), place.open());
    let lease = claimed(&first).await;
    let mut deaths = second.watch_deaths().await.unwrap();
    let promised =
        timeout(Duration::from_secs(5), deaths.wait_for(|deaths| deaths.are_told)).await.map(|deaths| deaths.unwrap().count);
    drop(first);
    if let Ok(before) = promised {
        let told = timeout(Duration::from_secs(60), deaths.wait_for(|deaths| deaths.count > before)).await;
        assert!(told.is_ok_and(|told| told.is_ok()), "nobody told of it");
    }
    second.claim(lease.execution).await.unwrap();
}

pub(crate) async fn whoever_watches_all_is_told_of_everything<P: Place>(place: P) {
    let (here, there) = (place.open(), place.open());
    let mut receivers = [here.watch_all().await.unwrap(), there.watch_all().await.unwrap()];
    let id = created(&here).await;
    all_woken(&mut receivers, "it was created").await;
    there.wake(id).await.unwrap();
    all_woken(&mut receivers, "it was woken").await;
    there.request_cancel(id, at(8)).await.unwrap();
    all_woken(&mut receivers, "it is to end").await;
    let lease = claimed(&here).await;
    all_woken(&mut receivers, "another was created").await;
    here.append(&lease, Append { wait: Some(question(0)), ..entries([0]) }).await.unwrap();
    there.resolve(CallId { execution: lease.execution, index: 0 }, None, Resolution::Aborted, at(9)).await.unwrap();
    all_woken(&mut receivers, "it was answered").await;
}
