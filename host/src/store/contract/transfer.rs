//! Executions that come from another store.

use std::time::Duration;

use super::Place;
use super::scenes::{
    Everything, at, blob, created, ended_with_everything, entries, entry, everything, execution_of, failure, has_blob, inline,
    line,
};
use crate::ids::{CallId, ExecutionId, Ids as _, SystemIds};
use crate::journal::{EncodedEntry, PayloadHash};
use crate::store::{
    Append, ExecutionFilter, Executions, ImportedExecution, Imports, Journal, Leases, LogFilter, Logs, NewExecution, Page,
    StatusChange, Store, StoreError, StoredEntry, Wakeups,
};

fn exported(everything: Everything) -> ImportedExecution {
    let Everything { row, journal, waits, artifacts, model_calls, accesses, logs } = everything;
    ImportedExecution {
        new: row.new,
        status: row.status,
        status_reason: row.status_reason,
        ended_at: row.ended_at,
        result: row.result,
        failure: row.failure,
        metadata: row.metadata,
        journal,
        blobs: vec![],
        waits,
        artifacts,
        model_calls,
        accesses,
        logs,
    }
}

/// An execution to import, which ended with a result and has something of everything.
async fn bundled<P: Place>() -> ImportedExecution {
    let place = P::new();
    let store = place.open();
    let new = NewExecution { tags: vec!["imported".into()], ..execution_of("review") };
    let id = ended_with_everything(&store, new, StatusChange::Completed { result: inline("42") }).await;
    exported(everything(&store, id).await)
}

async fn is_unknown(store: &impl Store, id: ExecutionId) -> bool {
    matches!(store.execution(id).await, Err(StoreError::NotFound { what: "execution", .. }))
}

fn by_label() -> ExecutionFilter {
    ExecutionFilter { tags: vec!["imported".into()], ..ExecutionFilter::default() }
}

pub(crate) async fn an_imported_execution_reads_back_as_it_was_exported<P: Place>(place: P) {
    let (elsewhere, here) = (P::new(), place.open());
    let there = elsewhere.open();
    let own = created(&here).await;
    let mut told = here.watch_all().await.unwrap();
    for end in
        [StatusChange::Completed { result: inline("42") }, StatusChange::Failed { failure: failure() }, StatusChange::Cancelled]
    {
        let new = NewExecution {
            original: Some(created(&there).await),
            parent: Some(CallId { execution: SystemIds.execution(), index: 4 }),
            depth: 1,
            tags: vec!["imported".into(), "a\"b".into()],
            replay_plan: Some(r#"{"from":2}"#.into()),
            flow_epoch: at(-5),
            frozen_spec: r#"{"net":[]}"#.into(),
            ..execution_of("review")
        };
        let id = ended_with_everything(&there, new, end).await;
        let mut expected = everything(&there, id).await;
        here.import(vec![exported(everything(&there, id).await)]).await.unwrap();
        assert!(told.has_changed().unwrap(), "whoever looks after all is told");
        told.mark_unchanged();
        let found = everything(&here, id).await;
        assert_eq!((found.journal.len(), found.waits.len(), found.artifacts.len(), found.logs.len()), (5, 4, 2, 3));
        assert_eq!((found.model_calls.len(), found.accesses.len()), (2, 2));
        // Its place in the order of creation and its leases are this store's own.
        (expected.row.position, expected.row.epoch) = (found.row.position, 0);
        assert_eq!(format!("{found:?}"), format!("{expected:?}"));
        let newest = here.list(&by_label(), Page { offset: 0, limit: 1 }).await.unwrap();
        assert_eq!(newest.iter().map(|row| row.new.id).collect::<Vec<_>>(), [id]);
    }
    assert_eq!(here.count(&by_label()).await.unwrap(), 3);
    // They have ended: nothing is to be done about them.
    assert_eq!(here.due(at(i64::from(u32::MAX)), 10).await.unwrap(), []);
    assert_eq!(here.unclaimed(10).await.unwrap(), [own]);
    assert_eq!(here.abandoned(10).await.unwrap(), []);
}

pub(crate) async fn an_import_survives_a_restart<P: Place>(place: P) {
    let store = place.open();
    let bundle = bundled::<P>().await;
    let id = bundle.new.id;
    store.import(vec![bundle]).await.unwrap();
    let before = format!("{:?}", everything(&store, id).await);
    drop(store);
    let store = place.open();
    assert_eq!(format!("{:?}", everything(&store, id).await), before);
    assert_eq!(store.count(&by_label()).await.unwrap(), 1);
}

pub(crate) async fn e9_an_imported_execution_can_go_on<P: Place>(place: P) {
    let store = place.open();
    let bundle = bundled::<P>().await;
    let id = bundle.new.id;
    store.import(vec![bundle]).await.unwrap();
    let lease = store.claim(id).await.unwrap();
    assert_eq!(lease.epoch, 1);
    let reopens = |seq: u64| Append {
        status: Some(StatusChange::Reopened { component: None, from_call: None, rerun: vec![], automatic: false }),
        ..entries([seq])
    };
    assert!(matches!(store.append(&lease, reopens(4)).await, Err(StoreError::Conflict { .. })), "that position is taken");
    store.append(&lease, reopens(5)).await.unwrap();
    // A line that the re-executed prefix logs again is recognised (E11).
    store.log(vec![line(id, 2, 0, "again"), line(id, 9, 0, "new")]).await.unwrap();
    let lines = store.logs(id, &LogFilter::default()).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.row.message.as_str()).collect::<Vec<_>>(), ["first", "second", "third", "new"]);
}

pub(crate) async fn an_import_of_a_known_execution_changes_nothing<P: Place>(place: P) {
    let store = place.open();
    let known = ended_with_everything(&store, execution_of("flow"), StatusChange::Failed { failure: failure() }).await;
    let before = format!("{:?}", everything(&store, known).await);
    for known_first in [true, false] {
        let (fresh, mut same) = (bundled::<P>().await, bundled::<P>().await);
        let id = fresh.new.id;
        same.new.id = known;
        let bundle = if known_first { vec![same, fresh] } else { vec![fresh, same] };
        assert!(matches!(store.import(bundle).await, Err(StoreError::Conflict { .. })));
        assert!(is_unknown(&store, id).await, "all of them or none");
        assert_eq!(format!("{:?}", everything(&store, known).await), before);
    }
    assert_eq!(store.count(&ExecutionFilter::default()).await.unwrap(), 1);
    assert_eq!(store.count(&by_label()).await.unwrap(), 0);
}

pub(crate) async fn an_import_that_fails_half_way_leaves_nothing<P: Place>(place: P) {
    let store = place.open();
    let (whole, broken) = (bundled::<P>().await, bundled::<P>().await);
    let stranger = SystemIds.execution();
    // The last that is written of the last one cannot be: a line of an execution that is not there.
    let with_a_strangers_line = {
        let mut broken = broken.clone();
        broken.logs.push(line(stranger, 0, 0, "whose?"));
        broken
    };
    let bundle = vec![whole.clone(), with_a_strangers_line];
    assert!(matches!(store.import(bundle).await, Err(StoreError::NotFound { what: "execution", .. })));
    // Nor is one execution in a bundle twice.
    let twice = vec![whole.clone(), broken.clone(), whole.clone()];
    assert!(matches!(store.import(twice).await, Err(StoreError::Conflict { .. })));
    for id in [whole.new.id, broken.new.id, stranger] {
        assert!(is_unknown(&store, id).await);
    }
    assert_eq!(store.count(&by_label()).await.unwrap(), 0);
    // Nothing is left that would be in the way.
    let ids = [whole.new.id, broken.new.id];
    store.import(vec![whole, broken]).await.unwrap();
    for id in ids {
        assert_eq!(everything(&store, id).await.journal.len(), 5);
    }
    store.import(vec![]).await.unwrap();
    assert_eq!(store.count(&by_label()).await.unwrap(), 2);
}

pub(crate) async fn a_long_journal_is_imported_in_order<P: Place>(place: P) {
    let store = place.open();
    let mut bundle = bundled::<P>().await;
    let id = bundle.new.id;
    let records = (0..300).map(entry);
    bundle.journal = records.map(|EncodedEntry { seq, bytes, link }| StoredEntry { seq, bytes: bytes.into(), link }).collect();
    store.import(vec![bundle]).await.unwrap();
    let read = store.entries(id, 290, u64::MAX).await.unwrap();
    assert_eq!(read.iter().map(|entry| entry.seq).collect::<Vec<_>>(), (290..300).collect::<Vec<u64>>());
    assert_eq!(read[9].bytes, entry(299).bytes);
}

pub(crate) async fn imported_values_stay_until_their_execution_is_deleted<P: Place>(place: P) {
    let store = place.open();
    let mut bundle = bundled::<P>().await;
    let id = bundle.new.id;
    // One that its journal names, and one in a place of its own.
    blob(&store, "a record").await;
    bundle.blobs.push(PayloadHash::of(b"a record"));
    bundle.new.input = blob(&store, "the input").await;
    store.import(vec![bundle]).await.unwrap();
    assert_eq!(store.sweep(Duration::ZERO).await.unwrap(), 0);
    assert!(has_blob(&store, "a record").await && has_blob(&store, "the input").await);

    store.delete(id).await.unwrap();
    assert_eq!(store.sweep(Duration::ZERO).await.unwrap(), ("a record".len() + "the input".len()) as u64);
    assert!(!has_blob(&store, "a record").await && !has_blob(&store, "the input").await);
}
