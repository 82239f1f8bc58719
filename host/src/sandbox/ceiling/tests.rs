//! Waiting in line, with tasks.

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::ids::{Ids as _, SystemIds};

const MIB: u64 = 1024 * 1024;

struct Nobody;

impl Relief for Nobody {
    fn make_room(&self, _: usize) -> bool {
        false
    }
}

fn ceiling(bytes: u64) -> Ceiling {
    let ceiling = Ceiling::default();
    ceiling.limit(Some(bytes), Arc::new(Nobody));
    ceiling
}

fn free(entry: Entry) -> Seat {
    match entry {
        Entry::Free(seat) => seat,
        Entry::Wait(_) | Entry::Never(_) => panic!("there is room"),
    }
}

fn in_line(entry: Entry) -> InLine {
    match entry {
        Entry::Wait(waits) => waits,
        Entry::Free(_) | Entry::Never(_) => panic!("there is no room now"),
    }
}

#[tokio::test]
async fn what_is_given_back_goes_to_whoever_waits() {
    let ceiling = ceiling(100);
    let seat = free(ceiling.enter(SystemIds.execution(), Role::Flow, 60));
    seat.grow(60).await.unwrap();
    assert_eq!((ceiling.held().now, seat.used()), (60, 60), "what it came in with is its own");
    let waits = in_line(ceiling.enter(SystemIds.execution(), Role::Flow, 50));
    assert_eq!(ceiling.held().waiting, 1);
    let entered = tokio::spawn(waits.place());
    drop(seat);
    let seat = entered.await.unwrap().unwrap();
    assert_eq!((ceiling.held().now, ceiling.held().peak, ceiling.held().waits), (50, 60, 1));
    drop(seat);
    assert_eq!((ceiling.held().now, ceiling.held().waiting), (0, 0));
}

#[tokio::test]
async fn whoever_does_not_wait_any_more_is_in_nobodys_way() {
    let ceiling = ceiling(100);
    let seat = free(ceiling.enter(SystemIds.execution(), Role::Flow, 60));
    let [gone, next] = [80, 40].map(|bytes| in_line(ceiling.enter(SystemIds.execution(), Role::Flow, bytes)));
    drop(gone);
    assert!(next.place().await.is_ok());
    drop(seat);
    assert_eq!((ceiling.held().now, ceiling.held().waiting), (0, 0));
}

#[tokio::test]
async fn waiting_for_memory_is_measured_while_it_lasts() {
    let ceiling = ceiling(100);
    let [first, second] = [(); 2].map(|()| free(ceiling.enter(SystemIds.execution(), Role::Flow, 50)));
    let grows = tokio::spawn({
        let first = first.clone();
        async move { first.grow(60).await }
    });
    while first.waited().is_zero() {
        tokio::task::yield_now().await;
    }
    drop(second);
    grows.await.unwrap().unwrap();
    let waited = first.waited();
    assert!(!waited.is_zero());
    tokio::time::sleep(Duration::from_millis(2)).await;
    assert_eq!(first.waited(), waited, "it waits no more");
}

#[tokio::test]
async fn a_flow_that_waits_is_told_to_leave() {
    let ceiling = ceiling(100);
    let [idle, grows] = [(); 2].map(|()| free(ceiling.enter(SystemIds.execution(), Role::Flow, 50)));
    let pausing = idle.pauses(true);
    let grown = tokio::spawn(async move { grows.grow(70).await });
    assert_eq!(pausing.told().await, NoRoom::PutOff { needs: 50 });
    drop((pausing, idle));
    grown.await.unwrap().unwrap();
    assert_eq!((ceiling.held().put_off, ceiling.held().now), (1, 0));
}

/// It waits for its turn to do something else, and others want its memory.
#[tokio::test]
async fn a_flow_that_cannot_leave_can_while_nothing_of_it_has_begun() {
    let ceiling = ceiling(100);
    let [held, grows] = [(); 2].map(|()| free(ceiling.enter(SystemIds.execution(), Role::Flow, 50)));
    let pausing = held.pauses(false);
    let grown = tokio::spawn(async move { grows.grow(70).await });
    while ceiling.held().waiting == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((held.stays(), ceiling.held().put_off), (Ok(()), 0));
    held.may_leave();
    assert_eq!(pausing.told().await, NoRoom::PutOff { needs: 50 });
    assert_eq!(held.stays(), Err(NoRoom::PutOff { needs: 50 }), "it does not begin what it would not come to the end of");
    drop((pausing, held));
    grown.await.unwrap().unwrap();
    assert_eq!((ceiling.held().put_off, ceiling.held().now), (1, 0));
}

#[tokio::test]
async fn what_can_never_fit_is_said_with_the_limits_name() {
    let ceiling = ceiling(8 * MIB);
    let seat = free(ceiling.enter(SystemIds.execution(), Role::Flow, MIB));
    let error = seat.grow(9 * MIB).await.unwrap_err();
    assert_eq!(error, NoRoom::Never { needs: 9 * MIB, ceiling: 8 * MIB });
    assert!(error.to_string().contains("needs 9 MiB") && error.to_string().contains("`instances_mib` of 8 MiB"), "{error}");
    assert!(matches!(ceiling.enter(SystemIds.execution(), Role::Flow, 9 * MIB), Entry::Never(_)));
}

#[tokio::test]
async fn what_is_not_made_to_wait_is_counted() {
    let ceiling = ceiling(100);
    let exempt = ceiling.exempt();
    exempt.grow(150).await.unwrap();
    exempt.grow(10).await.unwrap();
    assert_eq!(ceiling.held().now, 160);
    drop(exempt);
    assert_eq!((ceiling.held().now, ceiling.held().peak), (0, 160));
}

/// What is not made to wait may be there for long, as the middleware of a model's call is.
#[tokio::test]
async fn flows_make_room_for_each_other_whatever_is_not_made_to_wait() {
    let ceiling = ceiling(100);
    let exempt = ceiling.exempt();
    exempt.grow(40).await.unwrap();
    let [old, young] = [(); 2].map(|()| free(ceiling.enter(SystemIds.execution(), Role::Flow, 30)));
    let grown = tokio::spawn(async move { old.grow(50).await });
    while ceiling.held().waiting == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(young.grow(50).await, Err(NoRoom::PutOff { needs: 50 }));
    drop(young);
    grown.await.unwrap().unwrap();
    drop(exempt);
    assert_eq!(ceiling.held().now, 0);
}

/// Somebody who leaves a while after being asked.
struct Slow {
    seat: Mutex<Option<Seat>>,
    asked: AtomicUsize,
}

impl Relief for Slow {
    fn make_room(&self, waiting: usize) -> bool {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let seat = lock(&self.seat).take_if(|_| asked >= 2);
        // Not from in here: whoever leaves does so by itself.
        if let Some(seat) = seat {
            tokio::spawn(async move { drop(seat) });
        }
        waiting > 0 && lock(&self.seat).is_some()
    }
}

#[tokio::test]
async fn whoever_waits_idle_leaves_before_anybody_is_put_off() {
    let ceiling = Ceiling::default();
    let idle = free(ceiling.enter(SystemIds.execution(), Role::Flow, 60));
    let other = free(ceiling.enter(SystemIds.execution(), Role::Flow, 40));
    ceiling.limit(Some(100), Arc::new(Slow { seat: Mutex::new(Some(idle)), asked: AtomicUsize::new(0) }));
    other.grow(50).await.unwrap();
    assert_eq!((ceiling.held().put_off, ceiling.held().now), (0, 50), "what it came in with counts first");
}

#[tokio::test]
async fn however_many_come_and_go_at_once_all_are_served() {
    let ceiling = ceiling(1_000);
    let mut tasks = tokio::task::JoinSet::new();
    for turn in 0..200_u64 {
        let ceiling = ceiling.clone();
        tasks.spawn(async move {
            let execution = SystemIds.execution();
            let (mut needs, all) = (50 + turn % 100, 250 + turn % 100);
            loop {
                let seat = match ceiling.enter(execution, Role::Flow, needs) {
                    Entry::Free(seat) => seat,
                    Entry::Wait(waits) => waits.place().await.unwrap(),
                    Entry::Never(never) => panic!("{never}"),
                };
                tokio::task::yield_now().await;
                match seat.grow(all).await {
                    Ok(()) => return,
                    Err(NoRoom::PutOff { needs: more }) => needs = more,
                    Err(never) => panic!("{never}"),
                }
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let held = ceiling.held();
    assert_eq!((held.now, held.waiting), (0, 0));
    assert!(held.peak <= 1_000, "{held:?}");
}
