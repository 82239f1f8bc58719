//! Starts that are asked for again.

use std::sync::Arc;

use super::Place;
use super::scenes::{at, becomes, ended, execution_of};
use crate::store::{
    ExecutionFilter, Executions, Journal, Leases, NewExecution, StartKey, Started, Starts, StatusChange, StoreError,
};

fn start(caller: &str, key: &str, request: u8) -> StartKey {
    StartKey { caller: caller.into(), key: key.into(), request: [request; 32] }
}

async fn count(store: &impl Executions) -> u64 {
    store.count(&ExecutionFilter::default()).await.unwrap()
}

pub(crate) async fn a_start_that_is_repeated_gets_the_same_execution<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    let ada = start("ada", "k", 1);
    assert_eq!(store.started(&ada, at(-9)).await.unwrap(), None);
    let new = execution_of("flow");
    let id = new.id;
    assert_eq!(store.create_once(new, ada.clone(), at(-9)).await.unwrap(), Started::Now(id));
    assert_eq!(other.create_once(execution_of("flow"), ada.clone(), at(-9)).await.unwrap(), Started::Before(id));
    assert_eq!(other.started(&ada, at(-9)).await.unwrap(), Some(Started::Before(id)));
    assert_eq!(count(&store).await, 1);
    // The same key with another request creates nothing.
    let another = start("ada", "k", 2);
    assert_eq!(store.create_once(execution_of("flow"), another.clone(), at(-9)).await.unwrap(), Started::Otherwise(id));
    assert_eq!(store.started(&another, at(-9)).await.unwrap(), Some(Started::Otherwise(id)));
    assert_eq!(count(&store).await, 1);
    // Another's key is another key, and so is one that looks alike.
    for key in [start("eve", "k", 1), start("ada", "K", 1), start("ada", "k ", 1)] {
        assert!(matches!(store.create_once(execution_of("flow"), key, at(-9)).await.unwrap(), Started::Now(_)));
    }
    assert_eq!(count(&store).await, 4);
    drop((store, other));
    assert_eq!(place.open().started(&ada, at(-9)).await.unwrap(), Some(Started::Before(id)), "after a restart");
}

pub(crate) async fn starts_at_once_create_one_execution<P: Place>(place: P) {
    let stores = [Arc::new(place.open()), Arc::new(place.open())];
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let store = stores[number % 2].clone();
            tokio::spawn(async move { store.create_once(execution_of("flow"), start("ada", "k", 1), at(-9)).await.unwrap() })
        })
        .collect();
    let (mut now, mut before) = (Vec::new(), Vec::new());
    for task in tasks {
        match task.await.unwrap() {
            Started::Now(id) => now.push(id),
            Started::Before(id) => before.push(id),
            Started::Otherwise(id) => panic!("{id} was the same request"),
        }
    }
    assert_eq!((now.len(), before.len()), (1, 15));
    assert!(before.iter().all(|id| *id == now[0]));
    assert_eq!(count(stores[0].as_ref()).await, 1);
}

pub(crate) async fn a_start_that_is_refused_keeps_no_key<P: Place>(place: P) {
    let store = place.open();
    let gone = ended(&store, execution_of("flow")).await;
    store.delete(gone).await.unwrap();
    let replay = NewExecution { original: Some(gone), ..execution_of("flow") };
    let refused = store.create_once(replay, start("ada", "k", 1), at(-9)).await;
    assert!(matches!(refused, Err(StoreError::NotFound { what: "execution", .. })));
    assert_eq!(store.started(&start("ada", "k", 1), at(-9)).await.unwrap(), None);
    assert_eq!(count(&store).await, 0);
}

pub(crate) async fn old_starts_are_forgotten<P: Place>(place: P) {
    let store = place.open();
    // Executions of the scenes are created at the moment 0.
    let (old, other) = (start("ada", "k", 1), start("ada", "other", 1));
    let first = execution_of("flow");
    let first_id = first.id;
    store.create_once(first, old.clone(), at(-9)).await.unwrap();
    store.create_once(execution_of("flow"), other.clone(), at(-9)).await.unwrap();
    assert_eq!(store.started(&old, at(0)).await.unwrap(), Some(Started::Before(first_id)));
    assert_eq!(store.started(&old, at(1)).await.unwrap(), None);
    // The key is free for whatever comes, and the execution stays.
    let second = NewExecution { created_at: at(5), ..execution_of("flow") };
    let second_id = second.id;
    assert_eq!(store.create_once(second, start("ada", "k", 2), at(1)).await.unwrap(), Started::Now(second_id));
    assert_eq!(store.started(&start("ada", "k", 2), at(1)).await.unwrap(), Some(Started::Before(second_id)));
    assert_eq!(store.started(&other, at(-9)).await.unwrap(), None, "what is too old for one is gone for all");
    assert_eq!(store.execution(first_id).await.unwrap().new.id, first_id);
    assert_eq!(count(&store).await, 3);
}

pub(crate) async fn the_key_of_a_deleted_execution_starts_no_other<P: Place>(place: P) {
    let store = place.open();
    let new = execution_of("flow");
    let id = new.id;
    store.create_once(new, start("ada", "k", 1), at(-9)).await.unwrap();
    let lease = store.claim(id).await.unwrap();
    store.append(&lease, becomes(StatusChange::Cancelled)).await.unwrap();
    store.release(&lease).await.unwrap();
    store.delete(id).await.unwrap();
    let again = store.create_once(execution_of("flow"), start("ada", "k", 1), at(-9)).await.unwrap();
    assert_eq!((again, count(&store).await), (Started::Before(id), 0), "what it started, it started once");
}
