//! Executions as rows.

use super::Place;
use super::scenes::{at, becomes, claimed, created, execution_of, failure, inline, nothing, question};
use crate::ids::{CallId, ComponentDigest, ExecutionId, Ids as _, SystemIds};
use crate::store::{
    Append, Artifacts, Durability, ExecutionFilter, Executions, Journal, Leases, LogFilter, Logs, NewExecution, Page, Resolution,
    Status, StatusChange, StoreError, Waits,
};

pub(crate) async fn a_created_execution_reads_back<P: Place>(place: P) {
    let store = place.open();
    let new = NewExecution {
        original: Some(created(&store).await),
        replay_plan: Some(r#"{"from":2}"#.into()),
        flow_epoch: at(-5),
        frozen_spec: r#"{"net":[]}"#.into(),
        ..execution_of("review")
    };
    store.create(new.clone()).await.unwrap();
    let row = store.execution(new.id).await.unwrap();
    assert_eq!(format!("{:?}", row.new), format!("{new:?}"));
    assert_eq!((row.status, row.epoch, row.runner, row.cancel_requested), (Status::Running, 0, None, false));
    assert_eq!((row.result, row.failure, row.ended_at, row.status_reason), (None, None, None, None));
    assert_eq!(row.metadata, "{}");
}

pub(crate) async fn an_execution_is_created_once<P: Place>(place: P) {
    let store = place.open();
    let new = execution_of("flow");
    store.create(new.clone()).await.unwrap();
    assert!(matches!(store.create(new).await, Err(StoreError::Conflict { .. })));
    assert_eq!(store.count(&ExecutionFilter::default()).await.unwrap(), 1);
}

/// What a replay is served must be there when it begins.
pub(crate) async fn a_replay_of_what_is_not_there_is_refused<P: Place>(place: P) {
    let store = place.open();
    let source = SystemIds.execution();
    let replay = NewExecution { original: Some(source), ..execution_of("flow") };
    let refused = store.create(replay).await;
    assert!(matches!(refused, Err(StoreError::NotFound { what: "execution", id }) if id == source.to_string()));
    assert_eq!(store.count(&ExecutionFilter::default()).await.unwrap(), 0);
}

pub(crate) async fn executions_are_found_by_prefix<P: Place>(place: P) {
    let store = place.open();
    let ids: Vec<ExecutionId> =
        ["0193aaaa-0000-7000-8000-000000000001", "0193aaaa-0000-7000-8000-000000000002", "0193abcd-0000-7000-8000-000000000003"]
            .map(|text| text.parse().unwrap())
            .to_vec();
    for id in &ids {
        store.create(NewExecution { id: *id, ..execution_of("flow") }).await.unwrap();
    }
    let found = async |prefix: &str, limit| store.executions_by_prefix(prefix, limit).await.unwrap();
    assert_eq!(found("", 10).await, ids);
    assert_eq!(found("0193a", 10).await, ids);
    assert_eq!(found("0193aaaa", 10).await, ids[..2]);
    assert_eq!(found("0193aaaa-0000-7", 10).await, ids[..2]);
    assert_eq!(found("0193aaaa-", 1).await, ids[..1]);
    assert_eq!(found(&ids[2].to_string(), 10).await, ids[2..]);
    for no_prefix in ["1", "0193AAAA", "0193aaaa0000", "x", "-", "é", "0193%", &format!("{}0", ids[0])] {
        assert_eq!(found(no_prefix, 10).await, [], "{no_prefix}");
    }
}

pub(crate) async fn executions_are_listed_newest_first<P: Place>(place: P) {
    let store = place.open();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, created(&store).await);
    }
    let page = async |offset, limit| {
        let rows = store.list(&ExecutionFilter::default(), Page { offset, limit }).await.unwrap();
        rows.into_iter().map(|row| row.new.id).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 10).await, ids);
    assert_eq!(page(0, u64::MAX).await, ids);
    assert_eq!(page(1, 2).await, ids[1..3]);
    assert_eq!(page(4, 2).await, ids[4..]);
    assert_eq!(page(9, 2).await, []);
}

pub(crate) async fn filters_hold_together<P: Place>(place: P) {
    let store = place.open();
    let source = claimed(&store).await;
    store.append(&source, becomes(StatusChange::Failed { failure: failure() })).await.unwrap();
    let replay = NewExecution { original: Some(source.execution), ..execution_of("other") };
    store.create(replay.clone()).await.unwrap();
    let waiting = claimed(&store).await;
    store.append(&waiting, becomes(StatusChange::Waiting { wake_at: None })).await.unwrap();

    let found = async |filter: ExecutionFilter| {
        let rows = store.list(&filter, Page { offset: 0, limit: 10 }).await.unwrap();
        assert_eq!(store.count(&filter).await.unwrap(), rows.len() as u64);
        rows.into_iter().map(|row| row.new.id).collect::<Vec<_>>()
    };
    let of = |statuses: &[Status]| ExecutionFilter { statuses: statuses.to_vec(), ..ExecutionFilter::default() };
    assert_eq!(found(of(&[Status::Failed])).await, [source.execution]);
    assert_eq!(found(of(&[Status::Failed, Status::Waiting])).await, [waiting.execution, source.execution]);
    assert_eq!(found(of(&[Status::Cancelled])).await, []);
    assert_eq!(found(ExecutionFilter { flow: Some("other".into()), ..of(&[]) }).await, [replay.id]);
    assert_eq!(found(ExecutionFilter { flow: Some("other".into()), ..of(&[Status::Failed]) }).await, []);
    assert_eq!(found(ExecutionFilter { original: Some(source.execution), ..of(&[Status::Running]) }).await, [replay.id]);
}

pub(crate) async fn a_request_to_cancel_is_noted<P: Place>(place: P) {
    let store = place.open();
    let id = created(&store).await;
    store.request_cancel(id, at(8)).await.unwrap();
    store.request_cancel(id, at(8)).await.unwrap();
    let row = store.execution(id).await.unwrap();
    assert_eq!((row.cancel_requested, row.wake_at), (true, None), "whoever takes it up sees it");
    // One that waits would not be taken up otherwise, if whoever asked died now.
    let lease = claimed(&store).await;
    store.append(&lease, becomes(StatusChange::Waiting { wake_at: None })).await.unwrap();
    store.release(&lease).await.unwrap();
    store.request_cancel(lease.execution, at(8)).await.unwrap();
    assert_eq!(store.due(at(8), 10).await.unwrap(), [lease.execution]);
}

pub(crate) async fn every_status_change_does_what_it_says<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    let id = lease.execution;
    let change = async |change| {
        store.append(&lease, becomes(change)).await.unwrap();
        store.execution(id).await.unwrap()
    };
    assert_eq!(change(StatusChange::Waiting { wake_at: None }).await.status, Status::Waiting);
    assert_eq!(change(StatusChange::Running).await.status, Status::Running);

    store.request_cancel(id, at(8)).await.unwrap();
    let failed = change(StatusChange::Failed { failure: failure() }).await;
    assert_eq!((failed.status, failed.failure, failed.ended_at), (Status::Failed, Some(failure()), Some(at(1))));
    assert_eq!(failed.status_reason.as_deref(), Some("it broke"));

    let same = change(StatusChange::Reopened { component: None, from_call: None, rerun: vec![], automatic: false }).await;
    assert_eq!((same.status, same.failure, same.ended_at, same.status_reason), (Status::Running, None, None, None));
    assert_eq!((same.cancel_requested, same.new.component), (false, ComponentDigest::of(b"component")));
    let fixed = ComponentDigest::of(b"fixed");
    assert_eq!(
        change(StatusChange::Reopened { component: Some(fixed), from_call: None, rerun: vec![], automatic: false })
            .await
            .new
            .component,
        fixed
    );

    let completed = change(StatusChange::Completed { result: inline("42") }).await;
    assert_eq!((completed.status, completed.result, completed.ended_at), (Status::Completed, Some(inline("42")), Some(at(1))));
    let reopened = change(StatusChange::Reopened { component: None, from_call: None, rerun: vec![], automatic: false }).await;
    assert_eq!((reopened.status, reopened.result), (Status::Running, None));
    let cancelled = change(StatusChange::Cancelled).await;
    assert_eq!((cancelled.status, cancelled.ended_at), (Status::Cancelled, Some(at(1))));

    let metadata = Append { metadata: Some(r#"{"a":1}"#.into()), ..nothing(Durability::Relaxed) };
    store.append(&lease, metadata).await.unwrap();
    assert_eq!(store.execution(id).await.unwrap().metadata, r#"{"a":1}"#);
}

pub(crate) async fn e10_other_code_does_not_get_the_trees_of_a_replay<P: Place>(place: P) {
    let store = place.open();
    let reopened = |component| StatusChange::Reopened { component, from_call: None, rerun: vec![], automatic: false };
    let (own, other) = (ComponentDigest::of(b"component"), ComponentDigest::of(b"other"));
    let had = r#"{"version":1,"rate":1.50e2,"starter":{"account":"\u00e4 \/","flows":["a"],"trees":["1","2"]},"cache":null}"#;
    let left = r#"{"version":1,"rate":1.50e2,"starter":{"account":"\u00e4 \/","flows":["a"]},"cache":null}"#;
    for (change, spec, expected) in [
        (reopened(None), had, had),
        (reopened(Some(own)), had, had),
        (reopened(Some(other)), had, left),
        (StatusChange::Upgraded { component: own }, had, had),
        (StatusChange::Upgraded { component: other }, had, left),
        // Where there are none, or it cannot be read, nothing is written.
        (StatusChange::Upgraded { component: other }, r#"{ "starter": null }"#, r#"{ "starter": null }"#),
        (StatusChange::Upgraded { component: other }, "{", "{"),
    ] {
        let execution = NewExecution { frozen_spec: spec.into(), ..execution_of("flow") };
        store.create(execution.clone()).await.unwrap();
        let lease = store.claim(execution.id).await.unwrap();
        store.append(&lease, becomes(change.clone())).await.unwrap();
        assert_eq!(store.execution(execution.id).await.unwrap().new.frozen_spec, expected, "{change:?}");
    }
}

pub(crate) async fn unknown_executions_are_not_found<P: Place>(place: P) {
    fn is_not_found<T>(result: Result<T, StoreError>) -> bool {
        matches!(result, Err(StoreError::NotFound { what: "execution", .. }))
    }
    let store = place.open();
    let id = SystemIds.execution();
    assert!(is_not_found(store.execution(id).await));
    assert!(is_not_found(store.claim(id).await));
    assert!(is_not_found(store.claim(id).await), "a failed claim is not kept");
    assert!(is_not_found(store.entries(id, 0, u64::MAX).await));
    assert!(is_not_found(store.waits(id).await));
    assert!(is_not_found(store.wait(CallId { execution: id, index: 0 }).await));
    assert!(is_not_found(store.artifacts(id).await));
    assert!(is_not_found(store.logs(id, &LogFilter::default()).await));
    assert!(is_not_found(store.log(vec![super::scenes::line(id, 0, 0, "lost")]).await));
    assert!(is_not_found(store.request_cancel(id, at(8)).await));
}

pub(crate) async fn executions_are_found_by_words<P: Place>(place: P) {
    let store = place.open();
    let new = NewExecution { tags: vec!["Nightly".into(), "größe".into(), "Äpfel".into()], ..execution_of("Review_Notes") };
    let review = new.id;
    store.create(new).await.unwrap();
    let failed = claimed(&store).await;
    store.append(&failed, becomes(StatusChange::Failed { failure: failure() })).await.unwrap();
    let asks = claimed(&store).await;
    let wait = Append { wait: Some(question(0)), ..becomes(StatusChange::Waiting { wake_at: None }) };
    store.append(&asks, wait).await.unwrap();
    let (failed, asks) = (failed.execution, asks.execution);
    let found = async |words: &[&str]| {
        let filter = ExecutionFilter { words: words.iter().map(ToString::to_string).collect(), ..ExecutionFilter::default() };
        let rows = store.list(&filter, Page { offset: 0, limit: 10 }).await.unwrap();
        assert_eq!(store.count(&filter).await.unwrap(), rows.len() as u64);
        rows.into_iter().map(|row| row.new.id).collect::<Vec<_>>()
    };
    assert_eq!(found(&[]).await, [asks, failed, review]);
    assert_eq!(found(&["view_no"]).await, [review]);
    assert_eq!(found(&["nightly", "review"]).await, [review], "all of them, wherever they are");
    assert_eq!(found(&["größe", "Äpfel"]).await, [review]);
    assert_eq!(found(&["äpfel"]).await, [], "only of A to Z upper and lower case are the same");
    assert_eq!(found(&["nightly", "broke"]).await, []);
    assert_eq!(found(&["it", "broke"]).await, [failed]);
    assert_eq!(found(&["approve?"]).await, [asks]);
    assert_eq!(found(&["waiting"]).await, [asks]);
    assert_eq!(found(&["flow"]).await, [asks, failed]);
    assert_eq!(found(&["'"]).await, [], "no part of the statement");
    assert_eq!(found(&["%"]).await, []);
    assert_eq!(found(&["-"]).await, []);
    let text = review.to_string();
    assert_eq!(found(&[&text]).await, [review]);
    assert_eq!(found(&[&text[20..30]]).await, [review], "hyphens and all");
    store.resolve(CallId { execution: asks, index: 0 }, None, Resolution::Aborted, at(9)).await.unwrap();
    assert_eq!(found(&["approve?"]).await, [], "it is not asked any more");
    let last = store.execution(failed).await.unwrap().position;
    let after = ExecutionFilter { after: Some(last), ..ExecutionFilter::default() };
    let rows = store.list(&after, Page { offset: 0, limit: 10 }).await.unwrap();
    assert_eq!(rows.into_iter().map(|row| row.new.id).collect::<Vec<_>>(), [asks]);
}
