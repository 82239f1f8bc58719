//! Records of what bodies used and were denied.

use super::Place;
use super::scenes::{access, artifact, claimed, created, entries, model_call, question};
use crate::ids::{Ids as _, SystemIds};
use crate::store::{AccessRow, Accesses, Append, Artifacts, Calls, Journal, Lease, Leases, ModelCalls, StoreError, Waits};

/// A full append of the record at `seq` and of these accesses.
fn records(seq: u64, accesses: Vec<AccessRow>) -> Append {
    Append { accesses, ..entries([seq]) }
}

pub(crate) async fn accesses_read_back_in_order<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    let lease = claimed(&store).await;
    let id = lease.execution;
    let mut rows: Vec<_> = [[3, 1], [0, 2], [0, 1], [0, 1]].into_iter().map(|place| access(id, place, "a:1")).collect();
    rows[1].allowed = false;
    rows[2].detail = Some("version 3".into());
    rows[3].count = u64::from(u32::MAX) + 1;
    store.append(&lease, records(0, rows[..2].to_vec())).await.unwrap();
    store.append(&lease, records(1, rows[2..].to_vec())).await.unwrap();
    // What happens on the same target later is a record of its own: none is ever changed.
    let again = AccessRow { count: 7, ..rows[2].clone() };
    store.append(&lease, Append { accesses: vec![again.clone()], ..entries([]) }).await.unwrap();
    let expected = [rows[2].clone(), rows[3].clone(), again, rows[1].clone(), rows[0].clone()];
    for store in [&store, &other] {
        assert_eq!(store.accesses(id).await.unwrap(), expected);
        assert_eq!(store.count_accesses(id).await.unwrap(), expected.len() as u64);
    }
    assert_eq!(store.accesses(created(&store).await).await.unwrap(), []);
    drop((store, other));
    assert_eq!(place.open().accesses(id).await.unwrap(), expected, "after a restart");
}

pub(crate) async fn a_refused_append_records_no_access<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    let id = lease.execution;
    let row = || vec![access(id, [0, 1], "a:1")];
    assert!(matches!(store.append(&lease, records(4, row())).await, Err(StoreError::Conflict { .. })));
    let others = created(&store).await;
    let of_another = records(0, vec![access(others, [0, 1], "a:1")]);
    assert!(matches!(store.append(&lease, of_another).await, Err(StoreError::Conflict { .. })), "a lease is for one execution");
    store.release(&lease).await.unwrap();
    assert!(matches!(store.append(&lease, records(0, row())).await, Err(StoreError::LeaseLost { .. })));
    let stranger = Lease { execution: others, ..lease };
    assert!(matches!(store.append(&stranger, records(0, row())).await, Err(StoreError::LeaseLost { .. })));
    for id in [id, others] {
        assert_eq!(store.accesses(id).await.unwrap(), []);
        assert!(store.entries(id, 0, 10).await.unwrap().is_empty());
    }
}

pub(crate) async fn what_stands_beside_some_calls_is_a_part_of_all<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    let id = lease.execution;
    for (seq, call) in (0..).zip([3, 0, 1]) {
        let accesses = vec![access(id, [call, 2], "b:1"), access(id, [call, 1], "a:1")];
        let model_calls = vec![model_call(id, [call, 1, 1], 5), model_call(id, [call, 1, 0], 5)];
        let append = Append { accesses, model_calls, wait: Some(question(call)), ..entries([seq]) };
        store.append(&lease, append).await.unwrap();
        for ordinal in [0, 1] {
            store.save(&lease, artifact(&lease, call, 1, ordinal)).await.unwrap();
        }
    }
    // In whatever order and however often they are named.
    for calls in [vec![], vec![1], vec![3, 0], vec![0, 1, 2, 3, 3], vec![7]] {
        let beside = store.beside(id, calls.clone()).await.unwrap();
        let has = |call: u32| calls.contains(&call);
        let mut all = store.artifacts(id).await.unwrap();
        all.retain(|row| has(row.call));
        assert_eq!(format!("{:?}", beside.artifacts), format!("{all:?}"), "{calls:?}");
        let mut all = store.accesses(id).await.unwrap();
        all.retain(|row| has(row.call));
        assert_eq!(beside.accesses, all, "{calls:?}");
        let mut all = store.waits(id).await.unwrap();
        all.retain(|wait| has(wait.id.index));
        assert_eq!(format!("{:?}", beside.waits), format!("{all:?}"), "{calls:?}");
        let mut all = store.model_usage(id).await.unwrap();
        all.retain(|row| has(row.call));
        assert_eq!(format!("{:?}", beside.usage), format!("{all:?}"), "{calls:?}");
    }
    assert!(store.beside(created(&store).await, vec![0]).await.unwrap().waits.is_empty(), "another execution's");
    assert!(matches!(store.beside(SystemIds.execution(), vec![0]).await, Err(StoreError::NotFound { .. })));
}
