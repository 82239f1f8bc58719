//! What is set aside for model calls.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use uuid::Uuid;

use super::Place;
use super::scenes::{DAY, at, becomes, claimed, entries, model_call};
use crate::ids::{ExecutionId, Ids as _, SystemIds};
use crate::store::{
    Append, Executions, Journal, Lease, Leases, ModelCallRow, NewReservation, Reserved, SpendAccount, SpendScope, Spending,
    Spent, StatusChange,
};

fn account(scope: SpendScope, limit: Option<u64>) -> SpendAccount {
    SpendAccount { scope, limit }
}

/// A reservation of the execution, of its flow and of the day, with these limits.
fn asked(execution: ExecutionId, event: Option<Uuid>, amount: u64, limits: [Option<u64>; 3]) -> NewReservation {
    let scopes = [SpendScope::Execution(execution), SpendScope::Flow("flow".into()), SpendScope::Day(DAY)];
    let accounts = scopes.into_iter().zip(limits).map(|(scope, limit)| account(scope, limit)).collect();
    NewReservation { event, accounts, amount, at: at(1) }
}

async fn set_aside(store: &impl Spending, new: NewReservation) -> u64 {
    match store.reserve(new).await.unwrap() {
        Reserved::Kept(id) => id,
        Reserved::Exceeded { account, used } => panic!("{used} used of {account:?}"),
    }
}

/// The same in all three accounts.
async fn spent(store: &impl Spending, execution: ExecutionId) -> Spent {
    let own = store.spent(&SpendScope::Execution(execution)).await.unwrap();
    for scope in [SpendScope::Flow("flow".into()), SpendScope::Day(DAY)] {
        assert_eq!(store.spent(&scope).await.unwrap(), own, "{scope:?}");
    }
    own
}

fn sums(recorded: u64, unrecorded: u64, reserved: u64) -> Spent {
    Spent { recorded, unrecorded, reserved }
}

async fn record(store: &impl Journal, lease: &Lease, seq: u64, event: Uuid, amount: u64) {
    let row = ModelCallRow { event: Some(event), ..model_call(lease.execution, [0, 1, 0], amount) };
    store.append(lease, Append { model_calls: vec![row], ..entries([seq]) }).await.unwrap();
}

fn event() -> Uuid {
    Uuid::from_bytes(*SystemIds.execution().as_bytes())
}

pub(crate) async fn a8_an_amount_is_set_aside_in_all_accounts_or_in_none<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    let id = SystemIds.execution();
    let limits = [None, Some(10), Some(5)];
    let refused = store.reserve(asked(id, None, 6, limits)).await.unwrap();
    let day = account(SpendScope::Day(DAY), Some(5));
    assert_eq!(refused, Reserved::Exceeded { account: day.clone(), used: 0 });
    assert_eq!(spent(&store, id).await, sums(0, 0, 0));
    let first = set_aside(&store, asked(id, Some(event()), 5, limits)).await;
    assert_eq!(spent(&other, id).await, sums(0, 0, 5), "to other processes too");
    assert_eq!(other.reserve(asked(id, None, 1, limits)).await.unwrap(), Reserved::Exceeded { account: day, used: 5 });
    store.settle(first, 2).await.unwrap();
    store.settle(first, 4).await.unwrap();
    assert_eq!(spent(&store, id).await, sums(0, 0, 2), "the first time counts");
    let second = set_aside(&other, asked(id, Some(event()), 3, limits)).await;
    assert_ne!(first, second);
    other.settle(second, 0).await.unwrap();
    other.settle(second, 3).await.unwrap();
    assert_eq!(spent(&store, id).await, sums(0, 0, 2), "what was given back is free");
    assert_ne!(set_aside(&other, asked(id, None, 3, limits)).await, second, "a number is given once");
    store.settle(1_000_000, 5).await.unwrap();
}

pub(crate) async fn a8_the_last_cent_is_given_once<P: Place>(place: P) {
    let stores: Vec<_> = (0..3).map(|_| Arc::new(place.open())).collect();
    let id = SystemIds.execution();
    let mut tasks = Vec::new();
    for number in 0..48 {
        let store = Arc::clone(&stores[number % stores.len()]);
        tasks.push(tokio::spawn(async move { store.reserve(asked(id, None, 3, [Some(50), Some(32), None])).await.unwrap() }));
    }
    let mut kept = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Reserved::Kept(number) => kept.push(number),
            Reserved::Exceeded { account, used } => assert_eq!((account.limit, used), (Some(32), 30)),
        }
    }
    kept.sort_unstable();
    kept.dedup();
    assert_eq!(kept.len(), 10);
    assert_eq!(spent(&*stores[0], id).await, sums(0, 0, 30));
}

pub(crate) async fn a_record_takes_the_place_of_what_was_set_aside<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    let id = lease.execution;
    let (this, another) = (event(), event());
    let first = set_aside(&store, asked(id, Some(this), 10, [None; 3])).await;
    set_aside(&store, asked(id, Some(another), 20, [None; 3])).await;
    store.settle(first, 7).await.unwrap();
    assert_eq!(spent(&store, id).await, sums(0, 0, 27));
    // A step that is refused takes no place.
    let row = ModelCallRow { event: Some(this), ..model_call(id, [0, 1, 0], 7) };
    assert!(store.append(&lease, Append { model_calls: vec![row], ..entries([5]) }).await.is_err());
    assert_eq!(spent(&store, id).await, sums(0, 0, 27));
    record(&store, &lease, 0, this, 7).await;
    assert_eq!(spent(&store, id).await, sums(7, 0, 20));
    store.settle(first, 9).await.unwrap();
    assert_eq!(spent(&store, id).await, sums(7, 0, 20), "too late");
    // What it cost may be more than what was set aside for it, and than any limit.
    record(&store, &lease, 1, another, 25).await;
    assert_eq!(spent(&store, id).await, sums(32, 0, 0));
    assert!(matches!(
        store.reserve(asked(id, None, 0, [Some(31), None, None])).await.unwrap(),
        Reserved::Exceeded { used: 32, .. }
    ));
    set_aside(&store, asked(id, None, 0, [Some(32), None, None])).await;
}

pub(crate) async fn what_no_record_tells_stays_spent<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    let id = lease.execution;
    // A call that was given up: it may have been charged.
    let given_up = event();
    set_aside(&store, asked(id, Some(given_up), 10, [None; 3])).await;
    record(&store, &lease, 0, given_up, 4).await;
    assert_eq!(spent(&store, id).await, sums(4, 6, 0));
    // A try that failed and may have been charged, and the one that was answered.
    let tried_twice = event();
    let failed = set_aside(&store, asked(id, Some(tried_twice), 5, [None; 3])).await;
    store.settle(failed, 5).await.unwrap();
    let answered = set_aside(&store, asked(id, Some(tried_twice), 5, [None; 3])).await;
    store.settle(answered, 3).await.unwrap();
    assert_eq!(spent(&store, id).await, sums(4, 6, 8));
    record(&store, &lease, 1, tried_twice, 3).await;
    assert_eq!(spent(&store, id).await, sums(7, 11, 0));
    // Its own account goes with the execution.
    store.append(&lease, becomes(StatusChange::Cancelled)).await.unwrap();
    store.release(&lease).await.unwrap();
    set_aside(&store, asked(id, Some(event()), 1, [None; 3])).await;
    store.delete(id).await.unwrap();
    assert_eq!(store.spent(&SpendScope::Execution(id)).await.unwrap(), sums(0, 0, 0));
    assert_eq!(store.spent(&SpendScope::Flow("flow".into())).await.unwrap(), sums(7, 11, 1));
}

pub(crate) async fn a_call_of_no_execution_has_no_record<P: Place>(place: P) {
    let store = place.open();
    let day = SpendScope::Day(DAY);
    let new = |event| NewReservation { event, accounts: vec![account(day.clone(), Some(10))], amount: 4, at: at(1) };
    for event in [None, Some(event())] {
        let id = set_aside(&store, new(event)).await;
        store.settle(id, 3).await.unwrap();
        store.settle(id, 3).await.unwrap();
    }
    assert_eq!(store.spent(&day).await.unwrap(), sums(0, 6, 0));
    let given_back = set_aside(&store, new(None)).await;
    store.settle(given_back, 0).await.unwrap();
    assert_eq!(store.spent(&day).await.unwrap(), sums(0, 6, 0));
    assert_eq!(store.spent_by_day(None, None).await.unwrap(), [(DAY, sums(0, 6, 0))]);
}

pub(crate) async fn what_a_dead_runner_had_set_aside_counts_for_good<P: Place>(place: P) {
    let (dead, living) = (place.open(), place.open());
    let id = SystemIds.execution();
    let settled = set_aside(&dead, asked(id, Some(event()), 10, [None; 3])).await;
    dead.settle(settled, 4).await.unwrap();
    set_aside(&dead, asked(id, Some(event()), 20, [None; 3])).await;
    let under_way = set_aside(&living, asked(id, Some(event()), 5, [None; 3])).await;
    for store in [&dead, &living] {
        assert_eq!(store.close_reservations().await.unwrap(), 0, "both live");
    }
    drop(dead);
    assert_eq!(spent(&living, id).await, sums(0, 0, 29));
    let other = place.open();
    assert_eq!(other.close_reservations().await.unwrap(), 2);
    assert_eq!(spent(&living, id).await, sums(0, 24, 5));
    living.settle(settled, 1).await.unwrap();
    living.settle(under_way, 1).await.unwrap();
    assert_eq!(spent(&other, id).await, sums(0, 24, 1));
    drop((living, other));
    assert_eq!(spent(&place.open(), id).await.total(), 25, "after a restart");
}

pub(crate) async fn a_record_leaves_alone_what_another_runner_set_aside<P: Place>(place: P) {
    let (crashed, store) = (place.open(), place.open());
    let lease = claimed(&store).await;
    // The call that a crash cut off is made again under its event.
    let call = event();
    set_aside(&crashed, asked(lease.execution, Some(call), 10, [None; 3])).await;
    drop(crashed);
    let again = set_aside(&store, asked(lease.execution, Some(call), 10, [None; 3])).await;
    store.settle(again, 6).await.unwrap();
    record(&store, &lease, 0, call, 6).await;
    assert_eq!(spent(&store, lease.execution).await, sums(6, 0, 10), "both may have been charged");
    assert_eq!(store.close_reservations().await.unwrap(), 1);
    assert_eq!(spent(&store, lease.execution).await, sums(6, 10, 0));
}

pub(crate) async fn amounts_without_end_are_no_trouble<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    let id = lease.execution;
    for _ in 0..3 {
        set_aside(&store, asked(id, Some(event()), u64::MAX, [None; 3])).await;
    }
    record(&store, &lease, 0, event(), u64::MAX).await;
    record(&store, &lease, 1, event(), u64::MAX).await;
    let kept = spent(&store, id).await;
    assert_eq!((kept.recorded, kept.reserved), (2 << 52, 3 << 52));
    let limits = [None, None, Some(u64::MAX - 1)];
    assert!(matches!(store.reserve(asked(id, None, u64::MAX, limits)).await.unwrap(), Reserved::Exceeded { .. }));
}

/// What one call set aside and has no record of yet: numbers and amounts, and which of them were settled.
#[derive(Default)]
struct Call {
    event: Option<Uuid>,
    open: Vec<(u64, u64)>,
    settled: Vec<u64>,
}

pub(crate) async fn every_amount_is_counted_once_at_every_moment<P: Place>(place: P) {
    const LIMIT: u64 = 200;
    let store = place.open();
    let (runtime, store) = (tokio::runtime::Handle::current(), &store);
    // Of one of three calls at a time: set aside, settle, record.
    let steps = proptest::collection::vec((0..3_usize, 0..4_u8, 0..60_u64), 1..40);
    let property = |steps: Vec<(usize, u8, u64)>| {
        runtime.block_on(async {
            let lease = claimed(store).await;
            let flow = SpendScope::Flow(lease.execution.to_string());
            let own =
                [SpendScope::Execution(lease.execution), SpendScope::Tree(lease.execution)].map(|scope| account(scope, None));
            let accounts: Vec<_> = own.into_iter().chain([account(flow.clone(), Some(LIMIT))]).collect();
            let mut calls = [Call::default(), Call::default(), Call::default()];
            let (mut recorded, mut unrecorded, mut seq) = (0, 0, 0);
            for (which, step, amount) in steps {
                let call = &mut calls[which];
                let called = *call.event.get_or_insert_with(event);
                match step {
                    0 | 1 => {
                        let new = NewReservation { event: Some(called), accounts: accounts.clone(), amount, at: at(1) };
                        let reserved: u64 = calls.iter().flat_map(|call| &call.open).map(|(_, amount)| amount).sum();
                        let used = recorded + unrecorded + reserved;
                        match store.reserve(new).await.unwrap() {
                            Reserved::Kept(id) => {
                                prop_assert!(used + amount <= LIMIT);
                                calls[which].open.push((id, amount));
                            }
                            Reserved::Exceeded { used: told, .. } => prop_assert_eq!((told, told + amount > LIMIT), (used, true)),
                        }
                    }
                    2 => {
                        // Each costs what was set aside for it at most.
                        if let Some((id, held)) = call.open.last_mut() {
                            let cost = amount.min(*held);
                            store.settle(*id, cost).await.unwrap();
                            // Only the first time counts.
                            if !call.settled.contains(id) {
                                call.settled.push(*id);
                                *held = cost;
                            }
                        }
                    }
                    _ => {
                        let held: u64 = call.open.iter().map(|(_, amount)| amount).sum();
                        let cost = amount.min(held);
                        let row = ModelCallRow {
                            event: Some(called),
                            flow: lease.execution.to_string(),
                            ..model_call(lease.execution, [0, 1, 0], cost)
                        };
                        store.append(&lease, Append { model_calls: vec![row], ..entries([seq]) }).await.unwrap();
                        (recorded, unrecorded, seq) = (recorded + cost, unrecorded + held - cost, seq + 1);
                        *call = Call::default();
                    }
                }
                let reserved = calls.iter().flat_map(|call| &call.open).map(|(_, amount)| amount).sum();
                let expected = sums(recorded, unrecorded, reserved);
                for account in &accounts {
                    prop_assert_eq!(store.spent(&account.scope).await.unwrap(), expected);
                }
                prop_assert!(expected.total() <= LIMIT);
            }
            Ok(())
        })
    };
    tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
        runner.run(&steps, property).unwrap();
    });
}
