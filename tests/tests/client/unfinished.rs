//! What fails in its middle tells what it has done.

use std::time::Duration;

use kitaru_host::client::{ClientSettings, RemoteService};
use kitaru_host::config::ServerConnection;
use kitaru_host::ids::ExecutionId;
use kitaru_host::service::{Done, ReplayCommand, ReplaySubmission, Service as _, ServiceError};
use kitaru_tests::{Host, fixture};
use serde_json::{Map, Value, json};

use super::{admin, ran, sent};

/// Of no execution.
const NOBODY: &str = "01234567-89ab-7def-8123-456789abcdef";

/// One more than one request takes, of which the second half are none.
fn half(id: ExecutionId, most: usize) -> Vec<ExecutionId> {
    let nobody = NOBODY.parse().unwrap();
    (0..=most).map(|number| if number <= most / 2 { id } else { nobody }).collect()
}

fn verifications(error: ServiceError) -> (Vec<Value>, ServiceError) {
    match error.parted() {
        (Some(Done::Verifications(views)), error) => {
            (views.iter().map(|view| serde_json::to_value(view).unwrap()).collect(), error)
        }
        (done, error) => panic!("{done:?} {error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_earlier_parts_of_many_have_done_is_told() {
    let host = Host::new();
    let (_served, remote, _) = admin(&host);
    let component = sent(&remote).await;
    let id = ran(&remote, &component, "no_calls", &json!({})).await;
    let (views, error) = verifications(remote.verify(&half(id, 200), None).await.unwrap_err());
    assert!(error.is_missing() && error.to_string().contains(NOBODY), "{error}");
    assert!(views.len() == 101 && views.iter().all(|view| view["holds"] == true), "{views:?}");

    let bytes = std::fs::read(fixture("conformance")).unwrap();
    let (views, error) = verifications(remote.upgrade(&half(id, 200), &bytes).await.unwrap_err());
    assert!(error.is_missing(), "{error}");
    assert!(views.len() == 101 && views.iter().all(|view| view["upgraded"] == false), "{views:?}");

    let error = remote.delete(&half(id, 1_000)).await.unwrap_err();
    let (Some(Done::Deletion(deleted)), error) = error.parted() else { panic!("it was deleted") };
    assert!(error.is_missing(), "{error}");
    assert_eq!((&deleted.executions, deleted.failures.len()), (&vec![id.to_string()], 500), "it is deleted once");
    assert!(!deleted.deleted, "not all are gone that were to go");
    assert!(remote.get(id).await.unwrap_err().is_missing());
    // Where nothing was done there is nothing to tell.
    assert!(remote.verify(&[NOBODY.parse().unwrap()], None).await.unwrap_err().done().is_none());
}

fn replays(error: ServiceError) -> (ReplaySubmission, ServiceError) {
    match error.parted() {
        (Some(Done::Replays(submission)), error) => (*submission, error),
        (done, error) => panic!("{done:?} {error:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replays_are_told_whatever_becomes_of_watching_them() {
    let host = Host::new();
    let (served, _, key) = admin(&host);
    let settings = ClientSettings { reconnect: Duration::from_secs(1), tries: 1, ..ClientSettings::default() };
    let connection = ServerConnection::new(&format!("http://{}", served.address), key.into()).unwrap();
    let remote = RemoteService::new(connection, settings).unwrap();
    let component = sent(&remote).await;
    let id = ran(&remote, &component, "naps", &json!({ "naps": 1, "milliseconds": 1 })).await;
    let inputs = Map::from_iter([("naps".to_owned(), json!(600)), ("milliseconds".to_owned(), json!(100))]);
    let long = || ReplayCommand { from: Some("naps_often".into()), inputs: inputs.clone(), ..ReplayCommand::default() };
    let sources = [id.to_string(), id.to_string()];
    let mut submission = remote.replay_batch(&sources, long(), true).await.unwrap();
    let made = submission.replays();
    assert_eq!(made.len(), 2);

    // The first refusal ends a batch, and not what was made before it.
    let strict = remote.replay_batch(&[id.to_string(), NOBODY.into()], long(), false).await;
    let (before, error) = replays(strict.unwrap_err());
    assert!(error.is_missing(), "{error}");
    let last = before.replays();
    assert_eq!((before.summary["submitted"].as_u64(), last.len()), (Some(1), 1));
    assert_eq!(remote.get(last[0]).await.unwrap().summary.flow_name, "naps");
    for id in made.iter().chain(&last) {
        remote.cancel(*id).await.unwrap();
    }

    served.running.kill();
    let (told, error) = replays(remote.drive_batch(&mut submission).await.unwrap_err());
    assert_eq!(error.class(), "KitaruBackendError", "{error}");
    assert_eq!((told.replays(), submission.replays(), submission.wait), (made.clone(), made, true));
}
