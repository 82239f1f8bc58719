//! Artifacts and log lines.

use super::Place;
use super::scenes::{artifact, claimed, created, line};
use crate::journal::LogLevel;
use crate::store::{Artifacts, Leases, LogFilter, LogRow, LogSource, Logs, StoreError};

pub(crate) async fn artifacts_read_back_in_order<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    for (call, attempt, ordinal) in [(2, 1, 0), (0, 1, 0), (0, 1, 1), (0, 2, 0)] {
        store.save(&lease, artifact(&lease, call, attempt, ordinal)).await.unwrap();
    }
    let found = store.artifacts(lease.execution).await.unwrap();
    let expected =
        [(0, 1, 0), (0, 1, 1), (0, 2, 0), (2, 1, 0)].map(|(call, attempt, ordinal)| artifact(&lease, call, attempt, ordinal));
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
}

pub(crate) async fn e12_artifacts_are_fenced<P: Place>(place: P) {
    let (first, second) = (place.open(), place.open());
    let old = claimed(&first).await;
    first.release(&old).await.unwrap();
    second.claim(old.execution).await.unwrap();
    assert!(matches!(first.save(&old, artifact(&old, 0, 1, 0)).await, Err(StoreError::LeaseLost { .. })));
    assert!(second.artifacts(old.execution).await.unwrap().is_empty());
}

pub(crate) async fn an_attempt_that_runs_again_replaces_its_artifacts<P: Place>(place: P) {
    let store = place.open();
    let lease = claimed(&store).await;
    for ordinal in 0..3 {
        store.save(&lease, artifact(&lease, 0, 1, ordinal)).await.unwrap();
    }
    store.save(&lease, artifact(&lease, 0, 2, 0)).await.unwrap();
    for ordinal in 0..2 {
        store.save(&lease, artifact(&lease, 0, 1, ordinal)).await.unwrap();
    }
    let found: Vec<_> = store.artifacts(lease.execution).await.unwrap().iter().map(|row| (row.attempt, row.ordinal)).collect();
    assert_eq!(found, [(1, 0), (1, 1), (2, 0)]);
}

pub(crate) async fn e11_a_line_is_kept_once<P: Place>(place: P) {
    let store = place.open();
    let id = created(&store).await;
    let lines = vec![line(id, 0, 0, "first"), line(id, 0, 1, "second"), line(id, 1, 0, "third")];
    store.log(lines.clone()).await.unwrap();
    store.log(lines.clone()).await.unwrap();
    store.log(vec![line(id, 0, 1, "the same place, other words"), line(id, 1, 1, "fourth")]).await.unwrap();
    store.log(vec![]).await.unwrap();
    let found = store.logs(id, &LogFilter::default()).await.unwrap();
    assert_eq!(format!("{:?}", found[0].row), format!("{:?}", lines[0]));
    let messages: Vec<_> = found.iter().map(|found| found.row.message.as_str()).collect();
    assert_eq!(messages, ["first", "second", "third", "fourth"]);
}

pub(crate) async fn log_filters_and_limits<P: Place>(place: P) {
    let store = place.open();
    let (id, other) = (created(&store).await, created(&store).await);
    let flow = LogRow {
        source: LogSource::Runner,
        checkpoint: None,
        attempt: 0,
        level: LogLevel::Error,
        module: "log",
        ..line(id, 2, 0, "flow")
    };
    store.log(vec![line(id, 0, 0, "a"), line(other, 0, 0, "x"), line(id, 1, 0, "b"), flow, line(id, 1, 1, "c")]).await.unwrap();

    let found = async |filter: LogFilter| {
        let lines = store.logs(id, &filter).await.unwrap();
        lines.into_iter().map(|line| line.row.message).collect::<Vec<_>>()
    };
    let all = LogFilter::default;
    assert_eq!(found(all()).await, ["a", "b", "flow", "c"]);
    assert_eq!(found(LogFilter { limit: Some(2), ..all() }).await, ["flow", "c"], "the last ones, in order");
    assert_eq!(found(LogFilter { after: Some(0), limit: Some(2), ..all() }).await, ["a", "b"], "the next ones");
    assert_eq!(found(LogFilter { checkpoint: Some("checkpoint_1".into()), ..all() }).await, ["b", "c"]);
    assert_eq!(found(LogFilter { checkpoint: Some("checkpoint_1".into()), limit: Some(1), ..all() }).await, ["c"]);
    assert_eq!(found(LogFilter { source: Some(LogSource::Runner), ..all() }).await, ["flow"]);
    assert_eq!(found(LogFilter { limit: Some(0), ..all() }).await, [""; 0]);
}

pub(crate) async fn logs_can_be_followed<P: Place>(place: P) {
    let store = place.open();
    let id = created(&store).await;
    let mut after = 0;
    for round in 0..5 {
        store.log(vec![line(id, round, 0, "one"), line(id, round, 1, "two")]).await.unwrap();
        let next = store.logs(id, &LogFilter { after: Some(after), ..LogFilter::default() }).await.unwrap();
        assert_eq!(next.iter().map(|line| (line.row.call, line.row.ordinal)).collect::<Vec<_>>(), [(round, 0), (round, 1)]);
        after = next[1].id;
    }
}
