//! Published flows: versions, and what holds between their tags.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Place;
use super::scenes::at;
use crate::ids::{ComponentDigest, Ids as _, SystemIds};
use crate::store::{Components, DeploymentRow, Executions, FlowTag, Flows, NewDeployment, StoreError};

fn tag(name: &str) -> FlowTag {
    FlowTag { name: name.into(), exclusive: None }
}

fn exclusive(name: &str, exclusive: bool) -> FlowTag {
    FlowTag { name: name.into(), exclusive: Some(exclusive) }
}

fn new(flow: &str, tags: Vec<FlowTag>) -> NewDeployment {
    NewDeployment {
        id: SystemIds.deployment(),
        flow: flow.into(),
        component: ComponentDigest::of(b"component"),
        schema: r#"{"type":"object"}"#.into(),
        spec: r#"{"input":{"a":1}}"#.into(),
        created_by: "ada".into(),
        created_at: at(3),
        tags,
    }
}

async fn published(store: &impl Flows, flow: &str, tags: Vec<FlowTag>) -> DeploymentRow {
    let rows = store.publish(vec![new(flow, tags)]).await.unwrap();
    <[DeploymentRow; 1]>::try_from(rows).unwrap().into_iter().next().unwrap()
}

/// Each tag of a flow with the versions that have it, an exclusive one with a `!`.
async fn tags(store: &impl Flows, flow: &str) -> Vec<(String, Vec<u64>)> {
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for row in store.deployments(Some(flow)).await.unwrap() {
        for (tag, exclusive) in row.tags {
            found.entry(format!("{tag}{}", if exclusive { "!" } else { "" })).or_default().push(row.version);
        }
    }
    found.into_iter().collect()
}

fn expected(tags: &[(&str, &[u64])]) -> Vec<(String, Vec<u64>)> {
    tags.iter().map(|(tag, versions)| ((*tag).to_owned(), versions.to_vec())).collect()
}

pub(crate) async fn a_published_version_reads_back<P: Place>(place: P) {
    let (store, other) = (place.open(), place.open());
    let first = new("write", vec![tag("canary"), exclusive("stable", true)]);
    let rows = store.publish(vec![first.clone()]).await.unwrap();
    let wanted = DeploymentRow {
        id: first.id,
        flow: "write".into(),
        version: 1,
        component: first.component,
        schema: first.schema,
        spec: first.spec,
        created_by: "ada".into(),
        created_at: at(3),
        tags: BTreeMap::from([("canary".into(), false), ("default".into(), true), ("stable".into(), true)]),
    };
    assert_eq!(rows, std::slice::from_ref(&wanted));
    assert_eq!(other.deployment("write", 1).await.unwrap(), Some(wanted.clone()), "to other processes too");
    assert_eq!(other.tagged("write", "canary").await.unwrap(), std::slice::from_ref(&wanted));
    for (flow, version) in [("write", 2), ("write", 0), ("writ", 1), ("WRITE", 1)] {
        assert_eq!(store.deployment(flow, version).await.unwrap(), None, "{flow} {version}");
    }
    assert_eq!(store.tagged("write", "Canary").await.unwrap(), []);
    drop((store, other));
    assert_eq!(place.open().deployments(None).await.unwrap(), [wanted], "after a restart");
}

pub(crate) async fn versions_are_listed_by_flow_the_latest_first<P: Place>(place: P) {
    let store = place.open();
    assert_eq!(store.deployments(None).await.unwrap(), []);
    let rows = store.publish(vec![new("b", vec![]), new("a", vec![]), new("b", vec![])]).await.unwrap();
    let of = |rows: &[DeploymentRow]| rows.iter().map(|row| (row.flow.clone(), row.version)).collect::<Vec<_>>();
    assert_eq!(of(&rows), [("b".into(), 1), ("a".into(), 1), ("b".into(), 2)], "in the order in which they were given");
    let all = store.deployments(None).await.unwrap();
    assert_eq!(of(&all), [("a".into(), 1), ("b".into(), 2), ("b".into(), 1)]);
    assert_eq!(store.deployments(Some("b")).await.unwrap(), all[1..]);
    assert_eq!(store.deployments(Some("c")).await.unwrap(), []);
}

pub(crate) async fn x21_the_first_version_is_the_default_whatever_it_is_tagged<P: Place>(place: P) {
    let store = place.open();
    published(&store, "f", vec![tag("canary")]).await;
    assert_eq!(tags(&store, "f").await, expected(&[("canary", &[1]), ("default!", &[1])]));
    published(&store, "f", vec![tag("canary")]).await;
    assert_eq!(
        tags(&store, "f").await,
        expected(&[("canary", &[2, 1]), ("default!", &[1])]),
        "it moves only when it is asked to"
    );
    // Exclusive whatever is said of it.
    published(&store, "f", vec![exclusive("default", false)]).await;
    assert_eq!(tags(&store, "f").await, expected(&[("canary", &[2, 1]), ("default!", &[3])]));
    store.tag_deployment("f", 1, exclusive("default", false)).await.unwrap();
    assert_eq!(tags(&store, "f").await, expected(&[("canary", &[2, 1]), ("default!", &[1])]));
    assert!(matches!(store.untag_deployment("f", 1, "default").await, Err(StoreError::Conflict { .. })));
    published(&store, "g", vec![]).await;
    assert_eq!(tags(&store, "g").await, expected(&[("default!", &[1])]), "flows do not share tags");
}

pub(crate) async fn x21_an_exclusive_tag_moves_and_a_shared_one_stays<P: Place>(place: P) {
    let store = place.open();
    for _ in 0..3 {
        published(&store, "f", vec![tag("shared")]).await;
    }
    published(&store, "g", vec![tag("shared")]).await;
    store.tag_deployment("f", 1, exclusive("one", true)).await.unwrap();
    // What is not said stays as it is.
    store.tag_deployment("f", 2, tag("one")).await.unwrap();
    store.tag_deployment("f", 2, tag("one")).await.unwrap();
    assert_eq!(tags(&store, "f").await, expected(&[("default!", &[1]), ("one!", &[2]), ("shared", &[3, 2, 1])]));
    store.tag_deployment("f", 2, exclusive("shared", true)).await.unwrap();
    store.tag_deployment("f", 3, exclusive("one", false)).await.unwrap();
    assert_eq!(tags(&store, "f").await, expected(&[("default!", &[1]), ("one", &[3, 2]), ("shared!", &[2])]));
    assert_eq!(tags(&store, "g").await, expected(&[("default!", &[1]), ("shared", &[1])]), "another flow's tags are its own");
    store.untag_deployment("f", 2, "shared").await.unwrap();
    store.untag_deployment("f", 3, "one").await.unwrap();
    assert_eq!(tags(&store, "f").await, expected(&[("default!", &[1]), ("one", &[2])]));
    for (flow, version, tag) in [("f", 3, "one"), ("f", 9, "one"), ("h", 1, "one")] {
        assert!(matches!(store.untag_deployment(flow, version, tag).await, Err(StoreError::NotFound { .. })), "{flow} {version}");
    }
    assert!(matches!(store.tag_deployment("f", 9, tag("one")).await, Err(StoreError::NotFound { what: "deployment", .. })));
}

pub(crate) async fn x21_a_version_with_an_exclusive_tag_stays<P: Place>(place: P) {
    let store = place.open();
    for _ in 0..3 {
        published(&store, "f", vec![tag("shared")]).await;
    }
    let refused = store.delete_deployment("f", 1).await;
    assert!(matches!(&refused, Err(StoreError::Conflict { message }) if message.contains("'default'")), "{refused:?}");
    store.delete_deployment("f", 2).await.unwrap();
    assert_eq!(tags(&store, "f").await, expected(&[("default!", &[1]), ("shared", &[3, 1])]));
    assert!(matches!(store.delete_deployment("f", 2).await, Err(StoreError::NotFound { .. })));
    store.tag_deployment("f", 3, tag("default")).await.unwrap();
    store.delete_deployment("f", 1).await.unwrap();
    assert_eq!(tags(&store, "f").await, expected(&[("default!", &[3]), ("shared", &[3])]));
}

pub(crate) async fn no_version_has_the_number_of_one_before<P: Place>(place: P) {
    let store = place.open();
    for _ in 0..3 {
        published(&store, "f", vec![tag("x")]).await;
    }
    published(&store, "g", vec![]).await;
    store.delete_deployment("f", 3).await.unwrap();
    assert_eq!(published(&store, "f", vec![]).await.version, 4, "whoever noted 3 does not get something else");
    assert_eq!(store.delete_flow("f").await.unwrap(), [4, 2, 1]);
    assert_eq!(store.deployments(Some("f")).await.unwrap(), []);
    assert_eq!(store.delete_flow("f").await.unwrap(), [0_u64; 0]);
    assert_eq!(store.delete_flow("h").await.unwrap(), [0_u64; 0]);
    let again = published(&store, "f", vec![]).await;
    assert_eq!((again.version, again.tags), (5, BTreeMap::from([("default".into(), true)])));
    assert_eq!(store.deployments(Some("g")).await.unwrap().len(), 1);
}

pub(crate) async fn versions_that_are_published_at_once_are_all_there<P: Place>(place: P) {
    let stores = [Arc::new(place.open()), Arc::new(place.open())];
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let store = stores[number % 2].clone();
            tokio::spawn(async move { published(store.as_ref(), "f", vec![exclusive("latest", true)]).await.version })
        })
        .collect();
    let mut versions = Vec::new();
    for task in tasks {
        versions.push(task.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=20).collect::<Vec<_>>());
    let tags = tags(stores[0].as_ref(), "f").await;
    assert_eq!(tags, expected(&[("default!", &[1]), ("latest!", &[20])]), "one version has each");
}

pub(crate) async fn a_component_stays_while_any_version_needs_it<P: Place>(place: P) {
    let store = place.open();
    let component = store.put_component(b"a component").await.unwrap();
    for _ in 0..2 {
        store.publish(vec![NewDeployment { component, ..new("f", vec![]) }]).await.unwrap();
    }
    assert_eq!(store.sweep(Duration::ZERO).await.unwrap(), 0);
    store.delete_deployment("f", 2).await.unwrap();
    assert_eq!(store.sweep(Duration::ZERO).await.unwrap(), 0);
    assert_eq!(store.get_component(component).await.unwrap(), b"a component");
    store.delete_flow("f").await.unwrap();
    assert_eq!(store.sweep(Duration::ZERO).await.unwrap(), b"a component".len() as u64);
}
