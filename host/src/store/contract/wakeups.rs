//! Wake-ups.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::Place;
use super::scenes::{at, claimed, created, entries, inline, question};
use crate::ids::CallId;
use crate::store::{Append, Executions, Journal, Resolution, Waits, Wakeups};

async fn is_woken(receiver: &mut watch::Receiver<u64>) -> bool {
    timeout(Duration::from_secs(5), receiver.changed()).await.is_ok_and(|changed| changed.is_ok())
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
    let (here, there) = (place.open(), place.open());
    let id = created(&here).await;
    let mut receiver = there.watch(id).await.unwrap();
    for round in 0..5 {
        // Let the echoes of the last round pass.
        tokio::time::sleep(Duration::from_millis(50)).await;
        receiver.mark_unchanged();
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
    there.resolve(id, Resolution::Answered(inline("true")), at(9)).await.unwrap();
    assert!(is_woken(&mut receiver).await);
    assert!(here.wait(id).await.unwrap().resolution.is_some(), "whoever is woken finds the news");
    tokio::time::sleep(Duration::from_millis(50)).await;
    receiver.mark_unchanged();
    there.request_cancel(lease.execution).await.unwrap();
    assert!(is_woken(&mut receiver).await);
}
