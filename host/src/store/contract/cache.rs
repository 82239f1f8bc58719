//! Results that may be served again.

use super::Place;
use super::scenes::{at, claimed, ended, entries, execution_of, inline};
use crate::clock::Timestamp;
use crate::ids::CallId;
use crate::store::{
    Append, Cache, CacheEntry, CacheKey, Executions, Journal, Lease, Leases, NewExecution, StatusChange, StoreError,
};

const KEY: CacheKey = [1; 32];

/// A result of the call with number `index`, which does not get too old.
fn entry_of(lease: &Lease, index: u32, result: &str) -> CacheEntry {
    let call = CallId { execution: lease.execution, index };
    CacheEntry { key: KEY, call, result: inline(result), metadata: None, expires_at: None }
}

/// The result that is served, as JSON text.
async fn served(store: &impl Cache, now: Timestamp) -> Option<String> {
    store.cached(KEY, now).await.unwrap().map(|entry| format!("{:?}", entry.result))
}

pub(crate) async fn e14_a_cached_result_reads_back<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    let lease = claimed(&store).await;
    let entry = CacheEntry {
        metadata: Some(r#"{"tokens":3}"#.into()),
        expires_at: Some(at(100)),
        ..entry_of(&lease, 7, r#"{"draft":"é"}"#)
    };
    assert!(store.cached(KEY, at(0)).await.unwrap().is_none());
    store.append(&lease, Append { cache: vec![entry.clone()], ..entries([0]) }).await.unwrap();
    let expected = format!("{:?}", Some(entry));
    assert_eq!(format!("{:?}", store.cached(KEY, at(1)).await.unwrap()), expected);
    assert_eq!(format!("{:?}", other.cached(KEY, at(1)).await.unwrap()), expected, "to other processes too");
    // A key is all of its bytes.
    let mut near = KEY;
    near[31] ^= 1;
    assert!(store.cached(near, at(1)).await.unwrap().is_none());
    drop((store, other));
    assert_eq!(format!("{:?}", place.open().cached(KEY, at(1)).await.unwrap()), expected, "after a restart");
}

pub(crate) async fn e14_a_cached_result_is_too_old_from_its_moment_on<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    let expires = CacheEntry { expires_at: Some(at(100)), ..entry_of(&lease, 0, "1") };
    store.append(&lease, Append { cache: vec![expires], ..entries([0]) }).await.unwrap();
    assert_eq!(served(&store, at(99)).await.as_deref(), Some("1"));
    assert_eq!(served(&store, at(100)).await, None);
    assert_eq!(served(&store, at(101)).await, None);
    // What is too old makes room for a later result, and one without an age never gets too old.
    store.append(&lease, Append { cache: vec![entry_of(&lease, 1, "2")], ..entries([1]) }).await.unwrap();
    assert_eq!(served(&store, Timestamp::from_micros(i64::MAX)).await.as_deref(), Some("2"));
}

pub(crate) async fn e14_a_later_result_takes_the_place_of_an_earlier_one<P: Place>(place: P) {
    let store = place.open();
    let (first, second) = (claimed(&store).await, claimed(&store).await);
    let earlier = CacheEntry { metadata: Some("{}".into()), expires_at: Some(at(100)), ..entry_of(&first, 4, r#""earlier""#) };
    let later = entry_of(&second, 2, r#""later""#);
    store.append(&first, Append { cache: vec![earlier], ..entries([0]) }).await.unwrap();
    store.append(&second, Append { cache: vec![later.clone()], ..entries([0]) }).await.unwrap();
    // All of it: nothing of the earlier one is mixed in.
    assert_eq!(format!("{:?}", store.cached(KEY, at(1)).await.unwrap()), format!("{:?}", Some(later)));
}

pub(crate) async fn e14_a_refused_append_caches_nothing<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    let caches = |result: &str, positions: [u64; 2]| Append { cache: vec![entry_of(&lease, 0, result)], ..entries(positions) };
    assert!(matches!(store.append(&lease, caches("1", [0, 5])).await, Err(StoreError::Conflict { .. })));
    assert_eq!(served(&store, at(1)).await, None);
    store.append(&lease, caches("2", [0, 1])).await.unwrap();
    assert!(matches!(store.append(&lease, caches("3", [2, 9])).await, Err(StoreError::Conflict { .. })));
    store.release(&lease).await.unwrap();
    assert!(matches!(store.append(&lease, caches("4", [2, 3])).await, Err(StoreError::LeaseLost { .. })));
    assert_eq!(served(&store, at(1)).await.as_deref(), Some("2"), "what was there stays");
}

pub(crate) async fn a_cached_result_goes_with_the_execution_that_made_it<P: Place>(place: P) {
    let store = place.open();
    let other = ended(&store, execution_of("flow")).await;
    let (first, second) = (claimed(&store).await, claimed(&store).await);
    for (lease, result) in [(&first, "1"), (&second, "2")] {
        let ends = Append {
            cache: vec![entry_of(lease, 0, result)],
            status: Some(StatusChange::Completed { result: inline(result) }),
            ..entries([0])
        };
        store.append(lease, ends).await.unwrap();
        store.release(lease).await.unwrap();
    }
    // The first's was replaced, and is not the second's to lose.
    store.delete(other).await.unwrap();
    store.delete(first.execution).await.unwrap();
    assert_eq!(served(&store, at(1)).await.as_deref(), Some("2"));
    store.delete(second.execution).await.unwrap();
    assert_eq!(served(&store, at(1)).await, None);
    // Nor does one that comes later inherit it.
    store.create(NewExecution { id: second.execution, ..execution_of("flow") }).await.unwrap();
    assert_eq!(served(&store, at(1)).await, None);
}
