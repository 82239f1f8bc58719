//! Executions that are deleted.

use super::Place;
use super::scenes::{
    becomes, claimed, created, ended, ended_with_everything, entries, everything, execution_of, failure, inline, line,
};
use crate::ids::{CallId, ExecutionId, Ids as _, SystemIds};
use crate::store::{
    Accesses, Append, Artifacts, ExecutionFilter, Executions, Journal, Leases, LogFilter, Logs, ModelCalls, NewExecution, Page,
    StatusChange, StoreError, Waits,
};

fn labelled(tag: &str) -> ExecutionFilter {
    ExecutionFilter { tags: vec![tag.into()], ..ExecutionFilter::default() }
}

fn is_not_found<T>(result: Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::NotFound { what: "execution", .. }))
}

pub(crate) async fn only_ended_executions_are_deleted<P: Place>(place: P) {
    let store = place.open();
    let (unclaimed, running, waiting) = (created(&store).await, claimed(&store).await, claimed(&store).await);
    store.append(&waiting, becomes(StatusChange::Waiting { wake_at: None })).await.unwrap();
    for id in [unclaimed, running.execution, waiting.execution] {
        assert!(matches!(store.delete(id).await, Err(StoreError::Conflict { .. })));
    }
    // What was refused took nothing away.
    store.append(&running, entries([0])).await.unwrap();
    assert_eq!(store.count(&ExecutionFilter::default()).await.unwrap(), 3);

    for change in
        [StatusChange::Completed { result: inline("1") }, StatusChange::Failed { failure: failure() }, StatusChange::Cancelled]
    {
        let lease = claimed(&store).await;
        store.append(&lease, becomes(change)).await.unwrap();
        store.release(&lease).await.unwrap();
        store.delete(lease.execution).await.unwrap();
        assert!(is_not_found(store.execution(lease.execution).await));
    }
    assert_eq!(store.count(&ExecutionFilter::default()).await.unwrap(), 3);
}

pub(crate) async fn what_is_not_there_cannot_be_deleted<P: Place>(place: P) {
    let store = place.open();
    assert!(is_not_found(store.delete(SystemIds.execution()).await));
    let id = ended(&store, execution_of("flow")).await;
    store.delete(id).await.unwrap();
    assert!(is_not_found(store.delete(id).await), "twice");
}

pub(crate) async fn a_deleted_execution_is_gone_with_all_of_its_own<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    let mut ids = Vec::new();
    for tags in [vec!["mine", "shared"], vec!["theirs", "shared"]] {
        let tags = tags.into_iter().map(str::to_owned).collect();
        let new = NewExecution { tags, ..execution_of("flow") };
        ids.push(ended_with_everything(&store, new, StatusChange::Failed { failure: failure() }).await);
    }
    let (mine, theirs) = (ids[0], ids[1]);
    let before = format!("{:?}", everything(&store, theirs).await);
    store.delete(mine).await.unwrap();
    for store in [&store, &other] {
        assert!(is_not_found(store.execution(mine).await));
        assert!(is_not_found(store.entries(mine, 0, u64::MAX).await));
        assert!(is_not_found(store.waits(mine).await));
        assert!(is_not_found(store.wait(CallId { execution: mine, index: 1 }).await));
        assert!(is_not_found(store.artifacts(mine).await));
        assert!(is_not_found(store.accesses(mine).await));
        assert!(is_not_found(store.model_calls(mine).await) && is_not_found(store.model_usage(mine).await));
        assert!(is_not_found(store.logs(mine, &LogFilter::default()).await));
        assert!(is_not_found(store.log(vec![line(mine, 9, 0, "late")]).await));
        assert!(is_not_found(store.claim(mine).await));
        assert_eq!(store.executions_by_prefix(&mine.to_string(), 10).await.unwrap(), []);
        assert_eq!(store.count(&labelled("mine")).await.unwrap(), 0);
        assert_eq!(store.count(&labelled("shared")).await.unwrap(), 1);
        let rows = store.list(&labelled("shared"), Page { offset: 0, limit: 10 }).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.new.id).collect::<Vec<_>>(), [theirs]);
    }
    assert_eq!(format!("{:?}", everything(&store, theirs).await), before, "another's is untouched");
    drop((store, other));
    let store = place.open();
    assert!(is_not_found(store.execution(mine).await), "after a restart");
    assert_eq!(format!("{:?}", everything(&store, theirs).await), before);
}

pub(crate) async fn whoever_comes_after_a_deleted_execution_inherits_nothing<P: Place>(place: P) {
    let store = place.open();
    let new = NewExecution { tags: vec!["old".into()], ..execution_of("flow") };
    // Under another ID, and under the same one.
    for next in [execution_of("flow"), NewExecution { id: new.id, ..execution_of("flow") }] {
        let old = ended_with_everything(&store, new.clone(), StatusChange::Completed { result: inline("1") }).await;
        store.delete(old).await.unwrap();
        store.create(next.clone()).await.unwrap();
        let found = everything(&store, next.id).await;
        assert_eq!(format!("{:?}", found.row.new), format!("{next:?}"));
        assert_eq!((found.row.epoch, found.row.result, found.row.ended_at, found.row.cancel_requested), (0, None, None, false));
        assert!(found.journal.is_empty() && found.waits.is_empty() && found.artifacts.is_empty() && found.logs.is_empty());
        assert!(found.model_calls.is_empty() && found.accesses.is_empty());
        assert_eq!(store.count(&labelled("old")).await.unwrap(), 0);
        let lease = store.claim(next.id).await.unwrap();
        assert_eq!(lease.epoch, 1);
        store.append(&lease, entries([0])).await.unwrap();
    }
}

pub(crate) async fn a_replay_that_has_not_ended_keeps_its_source<P: Place>(place: P) {
    let store = place.open();
    let source = ended(&store, execution_of("flow")).await;
    let replay_of = |original: ExecutionId| NewExecution { original: Some(original), ..execution_of("flow") };
    let done = ended(&store, replay_of(source)).await;
    let replay = replay_of(source);
    store.create(replay.clone()).await.unwrap();
    assert!(matches!(store.delete(source).await, Err(StoreError::Conflict { .. })), "it may still be served from it");
    let lease = store.claim(replay.id).await.unwrap();
    store.append(&lease, becomes(StatusChange::Waiting { wake_at: None })).await.unwrap();
    assert!(matches!(store.delete(source).await, Err(StoreError::Conflict { .. })));
    store.append(&lease, becomes(StatusChange::Completed { result: inline("1") })).await.unwrap();
    store.delete(source).await.unwrap();
    // Replays that ended have all that they were served, and tell what they replayed.
    for id in [done, replay.id] {
        assert_eq!(store.execution(id).await.unwrap().new.original, Some(source));
    }
}

pub(crate) async fn a_parent_that_has_not_ended_keeps_its_children<P: Place>(place: P) {
    let store = place.open();
    let parent = claimed(&store).await;
    let child =
        NewExecution { parent: Some(CallId { execution: parent.execution, index: 0 }), depth: 1, ..execution_of("child") };
    let id = child.id;
    store.append(&parent, Append { child: Some(Box::new(child)), ..entries([0]) }).await.unwrap();
    let lease = store.claim(id).await.unwrap();
    store.append(&lease, becomes(StatusChange::Completed { result: inline("1") })).await.unwrap();
    store.release(&lease).await.unwrap();
    assert!(matches!(store.delete(id).await, Err(StoreError::Conflict { .. })), "its result may not be taken yet");
    store.append(&parent, becomes(StatusChange::Waiting { wake_at: None })).await.unwrap();
    assert!(matches!(store.delete(id).await, Err(StoreError::Conflict { .. })));
    store.append(&parent, becomes(StatusChange::Cancelled)).await.unwrap();
    // In any order, once both have ended.
    store.delete(parent.execution).await.unwrap();
    store.delete(id).await.unwrap();
    assert_eq!(store.count(&ExecutionFilter::default()).await.unwrap(), 0);
}
