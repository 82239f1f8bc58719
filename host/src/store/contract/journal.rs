//! Journals.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::Place;
use super::scenes::{at, becomes, claimed, entries, entry, inline, nothing, question};
use crate::ids::ExecutionId;
use crate::store::{
    Append, Durability, ExecutionFilter, Executions, Journal, Lease, Leases, Status, StatusChange, StoreError, StoredEntry, Waits,
};

async fn positions(store: &impl Journal, lease: &Lease) -> Vec<u64> {
    store.entries(lease.execution, 0, u64::MAX).await.unwrap().into_iter().map(|entry| entry.seq).collect()
}

pub(crate) async fn entries_read_back_in_order<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    store.append(&lease, entries([0, 1, 2])).await.unwrap();
    store.append(&lease, Append { durability: Durability::Relaxed, ..entries([3]) }).await.unwrap();
    let read = store.entries(lease.execution, 0, u64::MAX).await.unwrap();
    for (read, seq) in read.iter().zip(0..) {
        let written = entry(seq);
        assert_eq!((read.seq, &*read.bytes, read.link), (written.seq, &*written.bytes, written.link));
    }
    assert_eq!(read.len(), 4);
    let rest: Vec<u64> = store.entries(lease.execution, 2, u64::MAX).await.unwrap().iter().map(|entry| entry.seq).collect();
    assert_eq!(rest, [2, 3]);
    let page: Vec<u64> = store.entries(lease.execution, 1, 2).await.unwrap().iter().map(|entry| entry.seq).collect();
    assert_eq!(page, [1, 2]);
    assert!(store.entries(lease.execution, 4, u64::MAX).await.unwrap().is_empty());
}

pub(crate) async fn what_is_read_ahead_is_what_is_read<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    store.append(&lease, entries(0..1_000)).await.unwrap();
    for (from, limit) in [(0, u64::MAX), (3, 500), (3, 128), (990, 100), (0, 1), (0, 0), (1_000, u64::MAX), (2_000, 5)] {
        let expected = store.entries(lease.execution, from, limit).await.unwrap();
        let mut ahead = store.read_ahead(lease.execution, from, limit).await.unwrap();
        let mut found = Vec::new();
        while let Some(page) = ahead.next().await.unwrap() {
            found.extend(page);
        }
        let told = |entry: &StoredEntry| (entry.seq, entry.bytes.clone(), entry.link);
        assert!(found.iter().map(told).eq(expected.iter().map(told)), "from {from}, at most {limit}");
    }
    // More of them than run at once: one that is let go of keeps nobody waiting.
    for _ in 0..20 {
        let mut ahead = store.read_ahead(lease.execution, 0, u64::MAX).await.unwrap();
        assert!(ahead.next().await.unwrap().is_some());
    }
    let mut of_nobody = store.read_ahead(ExecutionId::from_bytes([9; 16]), 0, u64::MAX).await.unwrap();
    assert!(matches!(of_nobody.next().await, Err(StoreError::NotFound { .. })));
}

pub(crate) async fn e13_an_append_must_continue_the_journal<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    assert!(matches!(store.append(&lease, entries([1])).await, Err(StoreError::Conflict { .. })));
    store.append(&lease, entries([0, 1])).await.unwrap();
    for wrong in [vec![1], vec![0], vec![3], vec![2, 4], vec![2, 2]] {
        assert!(matches!(store.append(&lease, entries(wrong)).await, Err(StoreError::Conflict { .. })));
    }
    assert_eq!(positions(&store, &lease).await, [0, 1]);
    store.append(&lease, entries([2])).await.unwrap();
}

pub(crate) async fn a_refused_append_writes_nothing<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    let append = Append {
        status: Some(StatusChange::Completed { result: inline("1") }),
        metadata: Some(r#"{"a":1}"#.into()),
        wait: Some(question(0)),
        ..entries([0, 5])
    };
    assert!(matches!(store.append(&lease, append).await, Err(StoreError::Conflict { .. })));
    let row = store.execution(lease.execution).await.unwrap();
    assert_eq!((row.status, row.metadata.as_str()), (Status::Running, "{}"));
    assert!(positions(&store, &lease).await.is_empty());
    assert!(store.waits(lease.execution).await.unwrap().is_empty());
}

pub(crate) async fn e3_concurrent_appends_are_all_there<P: Place>(place: P) {
    let store = Arc::new(place.open());
    let tasks: Vec<_> = (0..64)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let lease = claimed(&*store).await;
                for seq in 0..20 {
                    let durability = if (seq + task) % 3 == 0 { Durability::Relaxed } else { Durability::Full };
                    store.append(&lease, Append { durability, ..entries([seq]) }).await.unwrap();
                    // What was answered is seen at once.
                    assert_eq!(store.entries(lease.execution, seq, u64::MAX).await.unwrap().len(), 1);
                }
                lease
            })
        })
        .collect();
    for task in tasks {
        let lease = task.await.unwrap();
        assert_eq!(positions(&*store, &lease).await, (0..20).collect::<Vec<_>>());
    }
    assert_eq!(store.count(&ExecutionFilter::default()).await.unwrap(), 64);
}

pub(crate) async fn e3_a_refused_append_leaves_its_neighbours_alone<P: Place>(place: P) {
    let store = Arc::new(place.open());
    let mut tasks = Vec::new();
    for number in 0..32 {
        let lease = claimed(&*store).await;
        let store = Arc::clone(&store);
        tasks.push(tokio::spawn(async move {
            let refused = number % 4 == 0;
            let first = if refused { vec![0, 7] } else { vec![0, 1] };
            let outcome = store.append(&lease, entries(first)).await;
            assert_eq!(matches!(outcome, Err(StoreError::Conflict { .. })), refused);
            let expected: Vec<u64> = if refused { vec![] } else { vec![0, 1] };
            assert_eq!(positions(&*store, &lease).await, expected);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

pub(crate) async fn e3_reopening_keeps_everything<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    store.append(&lease, Append { wait: Some(question(0)), ..entries([0, 1]) }).await.unwrap();
    store
        .append(&lease, Append { durability: Durability::Relaxed, ..becomes(StatusChange::Waiting { wake_at: None }) })
        .await
        .unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(positions(&store, &lease).await, [0, 1]);
    let row = store.execution(lease.execution).await.unwrap();
    assert_eq!((row.status, row.epoch, row.runner), (Status::Waiting, lease.epoch, None));
    assert_eq!(store.waits(lease.execution).await.unwrap().len(), 1);
    let next = store.claim(lease.execution).await.unwrap();
    store.append(&next, entries([2])).await.unwrap();
}

pub(crate) async fn e3_a_full_append_without_changes_is_accepted<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    store.append(&lease, Append { durability: Durability::Relaxed, ..entries([0]) }).await.unwrap();
    store.append(&lease, nothing(Durability::Full)).await.unwrap();
    assert_eq!(positions(&store, &lease).await, [0]);
    assert_eq!(store.execution(lease.execution).await.unwrap().new.created_at, at(0));
}

pub(crate) async fn interleaved_journals_keep_their_order<P: Place>(place: P) {
    let store = place.open();
    let (runtime, store) = (tokio::runtime::Handle::current(), &store);
    let steps = proptest::collection::vec((0..5_usize, 1..4_u64, any::<bool>()), 1..60);
    tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
        let property = |steps: Vec<(usize, u64, bool)>| {
            runtime.block_on(async {
                let mut journals = Vec::new();
                for _ in 0..5 {
                    journals.push((claimed(store).await, 0));
                }
                for (which, many, full) in steps {
                    let (lease, next) = &mut journals[which];
                    let durability = if full { Durability::Full } else { Durability::Relaxed };
                    store.append(lease, Append { durability, ..entries(*next..*next + many) }).await.unwrap();
                    *next += many;
                }
                for (lease, next) in journals {
                    let read = store.entries(lease.execution, 0, u64::MAX).await.unwrap();
                    prop_assert_eq!(read.len() as u64, next);
                    for (read, seq) in read.into_iter().zip(0..) {
                        let written = entry(seq);
                        prop_assert_eq!((read.seq, &*read.bytes), (seq, &*written.bytes));
                    }
                }
                Ok(())
            })
        };
        runner.run(&steps, property).unwrap();
    });
}
