//! Labels to find executions by.

use super::Place;
use super::scenes::{becomes, ended, execution_of, failure};
use crate::ids::ExecutionId;
use crate::store::{ExecutionFilter, Executions, Journal, Leases, NewExecution, Page, Status, StatusChange, Store};

async fn labelled(store: &impl Store, flow: &str, tags: &[&str]) -> ExecutionId {
    let new = NewExecution { tags: tags.iter().map(ToString::to_string).collect(), ..execution_of(flow) };
    let id = new.id;
    store.create(new).await.unwrap();
    id
}

fn with(tags: &[&str]) -> ExecutionFilter {
    ExecutionFilter { tags: tags.iter().map(ToString::to_string).collect(), ..ExecutionFilter::default() }
}

/// Who passes the filter, newest first; counted the same.
async fn found(store: &impl Store, filter: &ExecutionFilter) -> Vec<ExecutionId> {
    let rows = store.list(filter, Page { offset: 0, limit: 10 }).await.unwrap();
    assert_eq!(store.count(filter).await.unwrap(), rows.len() as u64);
    rows.into_iter().map(|row| row.new.id).collect()
}

pub(crate) async fn executions_are_found_by_their_labels<P: Place>(place: P) {
    let store = place.open();
    let nightly = labelled(&store, "flow", &["nightly"]).await;
    let both = labelled(&store, "flow", &["nightly", "team:a"]).await;
    let team = labelled(&store, "other", &["team:a"]).await;
    labelled(&store, "flow", &[]).await;
    labelled(&store, "flow", &["nightly2", "Nightly", "team"]).await;

    assert_eq!(found(&store, &with(&["nightly"])).await, [both, nightly]);
    assert_eq!(found(&store, &with(&["team:a"])).await, [team, both]);
    assert_eq!(found(&store, &with(&["nightly", "team:a"])).await, [both], "all of them must be there");
    assert_eq!(found(&store, &with(&["team:a", "nightly", "team:a"])).await, [both]);
    assert_eq!(found(&store, &with(&["nightly", "unknown"])).await, []);
    for unknown in ["night", "%", "nightly%", "NIGHTLY", "", " nightly"] {
        assert_eq!(found(&store, &with(&[unknown])).await, [], "{unknown:?}");
    }
    let page = store.list(&with(&["nightly"]), Page { offset: 1, limit: 1 }).await.unwrap();
    assert_eq!(page.iter().map(|row| row.new.id).collect::<Vec<_>>(), [nightly]);
}

pub(crate) async fn labels_hold_together_with_other_filters<P: Place>(place: P) {
    let store = place.open();
    let here = labelled(&store, "flow", &["nightly"]).await;
    let there = labelled(&store, "other", &["nightly"]).await;
    let done = ended(&store, NewExecution { tags: vec!["nightly".into()], ..execution_of("flow") }).await;
    ended(&store, execution_of("flow")).await;

    let of = |status| ExecutionFilter { statuses: vec![status], ..with(&["nightly"]) };
    assert_eq!(found(&store, &of(Status::Running)).await, [there, here]);
    assert_eq!(found(&store, &of(Status::Cancelled)).await, [done]);
    assert_eq!(found(&store, &of(Status::Waiting)).await, []);
    assert_eq!(found(&store, &ExecutionFilter { flow: Some("flow".into()), ..with(&["nightly"]) }).await, [done, here]);
    assert_eq!(found(&store, &ExecutionFilter { flow: Some("other".into()), ..of(Status::Cancelled) }).await, []);
    let position = store.execution(there).await.unwrap().position;
    assert_eq!(found(&store, &ExecutionFilter { before: Some(position), ..with(&["nightly"]) }).await, [here]);
}

pub(crate) async fn labels_stay_as_they_were_given<P: Place>(place: P) {
    let store = place.open();
    // The order, what is there twice, and what would need an escape somewhere.
    let odd = ["z", "a", "z", "", "a b", "quo\"te", "back\\slash", "it's", "ünï", "[1,2]"];
    let id = labelled(&store, "flow", &odd).await;
    assert_eq!(found(&store, &with(&["z"])).await, [id], "listed once");
    // What happens to an execution does not change them.
    let lease = store.claim(id).await.unwrap();
    store.append(&lease, becomes(StatusChange::Failed { failure: failure() })).await.unwrap();
    let reopened = StatusChange::Reopened { component: None, from_call: Some(0), rerun: vec![], automatic: false };
    store.append(&lease, becomes(reopened)).await.unwrap();
    drop(store);
    let store = place.open();
    assert_eq!(store.execution(id).await.unwrap().new.tags, odd);
    for tag in odd {
        assert_eq!(found(&store, &with(&[tag])).await, [id], "{tag:?}");
    }
    assert_eq!(found(&store, &with(&odd)).await, [id]);
}
