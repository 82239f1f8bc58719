//! What holds when connections are cut, and servers die and come again: nothing that is followed is lost or repeated, and nothing starts twice.

use std::time::Duration;

use kitaru_host::client::RemoteService;
use kitaru_host::engine::{DriveOptions, Observer, WaitPolicy};
use kitaru_host::service::{FlowVerbs as _, Follow, FollowEvent, ListQuery, LogQuery, ReplayCommand, Service as _};
use kitaru_host::store::Status;
use kitaru_llm::event::atof;
use kitaru_tests::{Cutting, Host, Served};
use serde_json::json;

use super::{admin, order, ran, sent, to};

/// All that somebody is told who follows.
pub(super) async fn followed(mut follow: Follow) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(event) = follow.next().await.unwrap() {
        told.push(match event {
            FollowEvent::Log { line, entry } => format!("{line} {}", entry.message),
            FollowEvent::Waiting { name, .. } => format!("waiting {name}"),
            FollowEvent::Terminal { status, .. } => format!("end {status}"),
        });
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_cut_anywhere_again_and_again_loses_and_repeats_nothing() {
    let host = Host::new();
    let (served, remote, key) = admin(&host);
    let component = sent(&remote).await;
    let id = ran(&remote, &component, "log_volume", &json!({ "lines": 200, "bytes": 40 })).await;
    let whole = followed(remote.follow(id, &LogQuery::default()).await.unwrap()).await;
    assert_eq!((whole.len(), whole.last().map(String::as_str)), (201, Some("end completed")));
    let events = async |remote: &RemoteService| {
        let (mut follow, mut told) = (remote.follow_events(id, true).await.unwrap(), Vec::new());
        while let Some(events) = follow.next().await.unwrap() {
            told.extend(events.iter().map(atof::to_line));
        }
        told
    };
    let all_events = events(&remote).await;
    assert_eq!(all_events, remote.events(id, true).await.unwrap().iter().map(atof::to_line).collect::<Vec<_>>());

    // Every place in the head of an answer and in its first events, and then further and further apart.
    let mut state = 0x9E37_79B9_u64;
    let proxy = Cutting::before(served.address, move |number| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (number < 40).then(|| 350 + (state >> 33) as usize % 3_000)
    });
    let cut = to(proxy.address, &key);
    let seen =
        tokio::time::timeout(Duration::from_secs(120), followed(cut.follow(id, &LogQuery::default()).await.unwrap())).await;
    assert_eq!(seen.unwrap(), whole);
    assert!(proxy.cuts() >= 10, "{} of {} connections were cut", proxy.cuts(), proxy.connections());

    // The last ones are the same however often they are asked for.
    let proxy = Cutting::before(served.address, |number| (number < 6).then_some(380 + number * 200));
    let last = LogQuery { limit: Some(5), ..LogQuery::default() };
    let seen = followed(to(proxy.address, &key).follow(id, &last).await.unwrap()).await;
    assert_eq!(seen, whole[195..]);

    // What is written while it is followed, by a connection that lives for a few events at most.
    let proxy = Cutting::before(served.address, move |number| (number < 60).then_some(700 + number * 13 % 400));
    let cut = to(proxy.address, &key);
    let id = remote.run(&order(&component, "log_wait", &json!({}))).await.unwrap();
    let following = tokio::spawn(followed(cut.follow(id, &LogQuery::default()).await.unwrap()));
    remote.drive(id, DriveOptions::default()).await.unwrap();
    remote.input(id, None, &json!(true)).await.unwrap();
    let seen = tokio::time::timeout(Duration::from_secs(60), following).await.unwrap().unwrap();
    let expected = followed(remote.follow(id, &LogQuery::default()).await.unwrap()).await;
    let lines = |told: &[String]| told.iter().filter(|one| !one.starts_with("waiting")).cloned().collect::<Vec<_>>();
    assert_eq!(lines(&seen), lines(&expected));
    // It may have been answered before anybody was told.
    assert!(seen.iter().filter(|one| *one == "waiting go").count() <= 1, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_told_once_through_a_connection_that_is_cut() {
    let host = Host::new();
    let (served, remote, key) = admin(&host);
    let component = sent(&remote).await;
    let proxy = Cutting::before(served.address, |number| (number < 12).then_some(600 + number * 150));
    let cut = to(proxy.address, &key);
    let id = remote.run(&order(&component, "wait_loop", &json!({ "times": 4 }))).await.unwrap();
    let follow = cut.follow_events(id, true).await.unwrap();
    let following = tokio::spawn(async move {
        let (mut follow, mut told) = (follow, Vec::new());
        while let Some(events) = follow.next().await.unwrap() {
            told.extend(events.iter().map(atof::to_line));
        }
        told
    });
    for number in 0..4 {
        remote.drive(id, DriveOptions::default()).await.unwrap();
        remote.input(id, None, &json!(number)).await.unwrap();
    }
    let mut told = tokio::time::timeout(Duration::from_secs(60), following).await.unwrap().unwrap();
    let mut all: Vec<String> = remote.events(id, true).await.unwrap().iter().map(atof::to_line).collect();
    told.sort();
    all.sort();
    assert_eq!(told, all);
    assert!(proxy.cuts() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_and_comes_again_is_followed_on() {
    let host = Host::new();
    let (served, remote, _) = admin(&host);
    let component = sent(&remote).await;
    let id = remote.run(&order(&component, "log_wait", &json!({}))).await.unwrap();
    let mut follow = remote.follow(id, &LogQuery::default()).await.unwrap();
    let mut before = Vec::new();
    loop {
        match follow.next().await.unwrap().unwrap() {
            FollowEvent::Log { entry, .. } => before.push(entry.message),
            FollowEvent::Waiting { .. } => break,
            FollowEvent::Terminal { .. } => panic!("it waits"),
        }
    }
    let watching = {
        let remote = remote.clone();
        tokio::spawn(async move { remote.drive(id, DriveOptions { wait: WaitPolicy::Stay, ..Default::default() }).await })
    };
    let (silent, told) =
        (Observer::new(|_| {}), remote.run(&order(&component, "nap", &json!({ "milliseconds": 8_000 }))).await.unwrap());
    let returning = {
        let remote = remote.clone();
        tokio::spawn(async move { remote.drive(told, DriveOptions { observer: silent, ..Default::default() }).await })
    };
    let address = served.address.to_string();
    served.running.kill();
    // Longer than a single request is tried.
    tokio::time::sleep(Duration::from_secs(4)).await;
    let served = Served::start_at(&host, &address, &[]);
    remote.input(id, None, &json!(true)).await.unwrap();
    let after = followed(follow).await;
    assert!(after.iter().all(|told| !told.starts_with("waiting")), "a question is told once: {after:?}");
    assert_eq!(after.last().map(String::as_str), Some("end completed"));
    let all = remote.logs(id, &LogQuery::default()).await.unwrap().len();
    assert_eq!(before.len() + after.len() - 1, all, "{before:?} {after:?}");
    let watched = tokio::time::timeout(Duration::from_secs(60), watching).await.unwrap().unwrap();
    assert_eq!(watched.unwrap().status, Status::Completed);
    let returned = tokio::time::timeout(Duration::from_secs(60), returning).await.unwrap().unwrap();
    assert_eq!(returned.unwrap().status, Status::Completed, "a server that is away for a while ends no watching");
    drop(served);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_whose_answer_is_lost_starts_once_and_what_cannot_be_repeated_is_not() {
    let host = Host::new();
    let (served, remote, key) = admin(&host);
    let component = sent(&remote).await;
    // The first answers are lost: before their first byte, and in their middle.
    let proxy = Cutting::before(served.address, |number| [Some(1), Some(300), None].get(number).copied().flatten());
    let cut = to(proxy.address, &key);
    let id = cut.run(&order(&component, "thrice", &json!({}))).await.unwrap();
    remote.drive(id, DriveOptions::default()).await.unwrap();
    let all = async || remote.list(&ListQuery { limit: 10, ..ListQuery::default() }).await.unwrap().total;
    assert_eq!(all().await, 1);
    assert_eq!((proxy.connections(), proxy.cuts()), (3, 2));

    let proxy = Cutting::before(served.address, |number| (number == 0).then_some(1));
    let cut = to(proxy.address, &key);
    let error = cut.replay(id, ReplayCommand { from: Some("echo_2".into()), ..ReplayCommand::default() }).await.unwrap_err();
    assert!(error.to_string().contains("was lost"), "{error}");
    assert_eq!(proxy.connections(), 1, "nobody knows whether it was carried out");
    assert_eq!(all().await, 2, "it was, once");
}
