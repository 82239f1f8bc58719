//! Who could go on, for whoever looks after all executions.

use super::Place;
use super::scenes::{at, becomes, claimed, created, entries, failure, inline, question};
use crate::clock::Timestamp;
use crate::ids::{CallId, ComponentDigest, ExecutionId};
use crate::store::{Append, Durability, Executions, Journal, Lease, Leases, NewWait, Resolution, StatusChange, Store};

fn waits_until(wake_at: Option<Timestamp>) -> Append {
    becomes(StatusChange::Waiting { wake_at })
}

fn sorted(mut ids: Vec<ExecutionId>) -> Vec<ExecutionId> {
    ids.sort();
    ids
}

async fn answer(store: &impl Store, lease: &Lease, index: u32, resolution: Resolution, moment: Timestamp) {
    store.resolve(CallId { execution: lease.execution, index }, resolution, moment).await.unwrap();
}

pub(crate) async fn e8_an_execution_is_due_from_its_moment_on<P: Place>(place: P) {
    let store = place.open();
    assert_eq!(store.next_wake(at(0)).await.unwrap(), None);
    assert_eq!(store.due(at(1_000)).await.unwrap(), []);
    let (late, early) = (claimed(&store).await, claimed(&store).await);
    store.append(&late, waits_until(Some(at(200)))).await.unwrap();
    store.append(&early, waits_until(Some(at(100)))).await.unwrap();
    // Neither who waits for somebody nor who runs waits for a time.
    store.append(&claimed(&store).await, waits_until(None)).await.unwrap();
    created(&store).await;

    assert_eq!(store.next_wake(at(0)).await.unwrap(), Some(at(100)));
    assert_eq!(store.next_wake(at(99)).await.unwrap(), Some(at(100)));
    assert_eq!(store.next_wake(at(100)).await.unwrap(), Some(at(200)), "the first is due by then");
    assert_eq!(store.next_wake(at(200)).await.unwrap(), None);
    assert_eq!(store.due(at(99)).await.unwrap(), []);
    assert_eq!(store.due(at(100)).await.unwrap(), [early.execution]);
    assert_eq!(store.due(at(199)).await.unwrap(), [early.execution]);
    assert_eq!(sorted(store.due(at(200)).await.unwrap()), sorted(vec![early.execution, late.execution]));
    drop(store);
    let store = place.open();
    assert_eq!(store.due(at(100)).await.unwrap(), [early.execution], "after a restart");
    assert_eq!(store.next_wake(at(0)).await.unwrap(), Some(at(100)));
    assert_eq!(store.next_wake(at(150)).await.unwrap(), Some(at(200)));
}

pub(crate) async fn e8_a_status_change_clears_the_time_to_wake<P: Place>(place: P) {
    let store = place.open();
    for change in [
        StatusChange::Running,
        StatusChange::Waiting { wake_at: None },
        StatusChange::Completed { result: inline("1") },
        StatusChange::Failed { failure: failure() },
        StatusChange::Cancelled,
        StatusChange::Reopened { component: None, from_call: None, rerun: vec![], automatic: true },
    ] {
        let lease = claimed(&store).await;
        store.append(&lease, waits_until(Some(at(5)))).await.unwrap();
        assert_eq!(store.due(at(5)).await.unwrap(), [lease.execution]);
        store.append(&lease, becomes(change.clone())).await.unwrap();
        assert_eq!(store.due(at(1_000)).await.unwrap(), [], "{change:?}");
        assert_eq!(store.next_wake(at(0)).await.unwrap(), None, "{change:?}");
        assert_eq!(store.execution(lease.execution).await.unwrap().wake_at, None, "{change:?}");
    }
}

pub(crate) async fn e8_the_time_to_wake_is_the_latest_that_was_set<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    for (wake_at, before) in [(at(50), at(49)), (at(500), at(499)), (at(20), at(19))] {
        store.append(&lease, waits_until(Some(wake_at))).await.unwrap();
        assert_eq!(store.next_wake(at(0)).await.unwrap(), Some(wake_at));
        assert_eq!(store.next_wake(before).await.unwrap(), Some(wake_at));
        assert_eq!(store.next_wake(wake_at).await.unwrap(), None);
        assert_eq!(store.due(before).await.unwrap(), []);
        assert_eq!(store.due(wake_at).await.unwrap(), [lease.execution]);
    }
    // Another component takes over a sleep as it is.
    store.append(&lease, becomes(StatusChange::Upgraded { component: ComponentDigest::of(b"fixed") })).await.unwrap();
    assert_eq!(store.due(at(20)).await.unwrap(), [lease.execution]);
}

pub(crate) async fn e8_an_answer_is_found_until_the_journal_has_it<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    let asks = Append { wait: Some(question(0)), status: Some(StatusChange::Waiting { wake_at: None }), ..entries([0]) };
    store.append(&lease, asks).await.unwrap();
    assert_eq!(store.answered(10).await.unwrap(), [], "nobody answered");
    answer(&store, &lease, 0, Resolution::Answered(inline("true")), at(9)).await;
    assert_eq!(store.answered(10).await.unwrap(), [lease.execution]);
    store.release(&lease).await.unwrap();
    assert_eq!(store.answered(10).await.unwrap(), [lease.execution], "whoever runs it");

    // The journal takes the answer, and the next question is another one.
    let lease = store.claim(lease.execution).await.unwrap();
    store.append(&lease, Append { status: Some(StatusChange::Running), at: at(10), ..entries([1]) }).await.unwrap();
    assert_eq!(store.answered(10).await.unwrap(), [], "it goes on");
    let asks =
        Append { wait: Some(question(2)), status: Some(StatusChange::Waiting { wake_at: None }), at: at(11), ..entries([2]) };
    store.append(&lease, asks).await.unwrap();
    assert_eq!(store.answered(10).await.unwrap(), [], "the old answer is no news");
    // As early as can be, and any way of settling it is something to go on with.
    answer(&store, &lease, 2, Resolution::Aborted, at(11)).await;
    assert_eq!(store.answered(10).await.unwrap(), [lease.execution]);
    store.append(&lease, Append { at: at(12), ..becomes(StatusChange::Cancelled) }).await.unwrap();
    assert_eq!(store.answered(10).await.unwrap(), [], "it has ended");
}

pub(crate) async fn e8_one_answer_of_several_is_something_to_go_on_with<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    for call in 0..3 {
        let wait = Some(NewWait { deadline: Some(at(90)), ..question(call) });
        let status = Some(StatusChange::Waiting { wake_at: Some(at(90)) });
        store.append(&lease, Append { wait, status, ..entries([u64::from(call)]) }).await.unwrap();
    }
    answer(&store, &lease, 1, Resolution::Expired, at(90)).await;
    answer(&store, &lease, 2, Resolution::Answered(inline("1")), at(91)).await;
    assert_eq!(store.answered(10).await.unwrap(), [lease.execution], "once");
}

pub(crate) async fn e8_answered_executions_are_found_up_to_a_limit<P: Place>(place: P) {
    let store = place.open();
    let mut ids = Vec::new();
    for number in 0..5 {
        let lease = claimed(&store).await;
        let asks = Append { wait: Some(question(0)), ..waits_until(None) };
        store.append(&lease, asks).await.unwrap();
        // Every second one waits on, and takes no place.
        if number % 2 == 0 {
            answer(&store, &lease, 0, Resolution::Answered(inline("1")), at(9)).await;
            ids.push(lease.execution);
        }
    }
    let found = store.answered(2).await.unwrap();
    assert!(found.len() == 2 && found.iter().all(|id| ids.contains(id)), "{found:?} of {ids:?}");
    assert_eq!(sorted(store.answered(u64::MAX).await.unwrap()), sorted(ids));
    assert_eq!(store.answered(0).await.unwrap(), []);
}

pub(crate) async fn e8_an_execution_is_abandoned_when_its_runner_died_holding_it<P: Place>(place: P) {
    let (first, second) = (place.open(), place.open());
    let (held, left, running) = (claimed(&first).await, claimed(&first).await, claimed(&first).await);
    for lease in [&held, &left] {
        first.append(lease, waits_until(None)).await.unwrap();
    }
    first.append(&running, entries([0])).await.unwrap();
    first.release(&left).await.unwrap();
    for store in [&first, &second] {
        assert_eq!(store.abandoned(10).await.unwrap(), [], "its runner lives");
    }
    drop(first);
    // Not the one that it let go of.
    assert_eq!(sorted(second.abandoned(10).await.unwrap()), sorted(vec![held.execution, running.execution]));
    assert_eq!(second.abandoned(0).await.unwrap(), []);

    let lease = second.claim(held.execution).await.unwrap();
    assert!(lease.inherited);
    let other = second.claim(left.execution).await.unwrap();
    assert!(!other.inherited, "it was given back");
    second.release(&other).await.unwrap();
    second.release(&second.claim(running.execution).await.unwrap()).await.unwrap();
    assert_eq!(second.abandoned(10).await.unwrap(), [], "somebody follows");
    second.append(&lease, Append { durability: Durability::Relaxed, ..waits_until(None) }).await.unwrap();
    second.release(&lease).await.unwrap();
    drop(second);
    assert_eq!(place.open().abandoned(10).await.unwrap(), [], "it was let go of");
}

pub(crate) async fn e8_abandoned_executions_are_found_up_to_a_limit<P: Place>(place: P) {
    let (first, second) = (place.open(), place.open());
    let mut ids = Vec::new();
    for _ in 0..3 {
        let lease = claimed(&first).await;
        first.append(&lease, waits_until(None)).await.unwrap();
        ids.push(lease.execution);
    }
    drop(first);
    let found = second.abandoned(2).await.unwrap();
    assert!(found.len() == 2 && found.iter().all(|id| ids.contains(id)), "{found:?} of {ids:?}");
    assert_eq!(sorted(second.abandoned(u64::MAX).await.unwrap()), sorted(ids));
}

pub(crate) async fn e8_executions_of_living_runners_do_not_hide_abandoned_ones<P: Place>(place: P) {
    let (living, dying, looking) = (place.open(), place.open(), place.open());
    // Older and younger than the abandoned one: whichever way a store goes, it meets them first.
    for _ in 0..2 {
        living.append(&claimed(&living).await, waits_until(None)).await.unwrap();
    }
    let lease = claimed(&dying).await;
    dying.append(&lease, waits_until(None)).await.unwrap();
    for _ in 0..2 {
        living.append(&claimed(&living).await, waits_until(None)).await.unwrap();
    }
    drop(dying);
    assert_eq!(looking.abandoned(1).await.unwrap(), [lease.execution], "the limit is on what is found, not on what is looked at");
    assert_eq!(living.abandoned(1).await.unwrap(), [lease.execution]);
}
