//! Executions at a server, watched from here.

use std::sync::{Arc, Mutex};

use kitaru_host::engine::{DriveOptions, Event, Observer, WaitPolicy};
use kitaru_host::service::{FlowVerbs as _, Service as _};
use kitaru_host::store::Status;
use kitaru_tests::Host;
use serde_json::json;

use super::{admin, order, ran, sent};

#[tokio::test(flavor = "multi_thread")]
async fn an_execution_at_a_server_is_watched_asked_about_and_answered() {
    let host = Host::new();
    let (_served, remote, _) = admin(&host);
    let component = sent(&remote).await;
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let (log, answers) = (seen.clone(), tokio::sync::mpsc::unbounded_channel());
    let (ask, mut asked) = answers;
    let observer = Observer::new(move |event| {
        log.lock().unwrap().push(match event {
            Event::Running { invocation, attempt, .. } => format!("running {invocation} {attempt}"),
            Event::Ran { invocation, failure, .. } => format!("ran {invocation} {}", failure.is_none()),
            Event::Log(row) => format!("log {}", row.message),
            Event::Stopped { status, .. } => format!("stopped {status}"),
            Event::Waiting { id } => {
                ask.send(id).unwrap();
                format!("asked {id}")
            }
            _ => return,
        });
    });
    let id = remote.run(&order(&component, "log_wait", &json!({}))).await.unwrap();
    let stopped = remote.drive(id, DriveOptions::default()).await.unwrap();
    assert_eq!(stopped.status, Status::Waiting, "nobody stays for an answer");
    assert_eq!(remote.check_resumable(id).await.unwrap_err().class(), "KitaruStateError");
    let id = remote.run(&order(&component, "log_wait", &json!({}))).await.unwrap();
    let options = DriveOptions { wait: WaitPolicy::Stay, observer, ..DriveOptions::default() };
    let answering = async {
        let question = asked.recv().await.unwrap();
        assert_eq!(question.execution, id);
        remote.input(id, Some(&question.to_string()), &json!(true)).await.unwrap();
    };
    let (driven, ()) = tokio::join!(remote.drive(id, options), answering);
    assert_eq!(driven.unwrap().status, Status::Completed);
    let seen = seen.lock().unwrap().clone();
    for expected in ["log before", "log after", "stopped completed"] {
        assert!(seen.iter().filter(|one| *one == expected).count() == 1, "{expected}: {seen:?}");
    }
    let view = remote.get(id).await.unwrap();
    assert!(view.has_result && view.runner.is_none());
    remote.free(id).await.unwrap();

    let failed = ran(&remote, &component, "checkpoint_panic", &json!({ "message": "no" })).await;
    assert_eq!(remote.get(failed).await.unwrap().summary.status, "failed");
    let refused = remote.check_resumable(failed).await.unwrap_err();
    assert_eq!(refused.hint(), Some(format!("kitaru-host executions retry {failed}")));
    let cli = host.json(["executions", "resume", &failed.to_string()]).error();
    assert_eq!((&cli["message"], &cli["hint"]), (&json!(refused.to_string()), &json!(refused.hint())));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_before_are_told_from_new_ones_whatever_the_clocks_say() {
    let host = Host::new();
    let (_served, remote, _) = admin(&host);
    let component = sent(&remote).await;
    // The clock of the server goes before, or after, that of whoever watches.
    for day in [86_400_000_000_i64, -86_400_000_000] {
        let id = remote.run(&order(&component, "log_wait", &json!({}))).await.unwrap();
        assert_eq!(remote.drive(id, DriveOptions::default()).await.unwrap().status, Status::Waiting);
        let store = rusqlite::Connection::open(host.database()).unwrap();
        let moved = store.execute("UPDATE logs SET at = at + ?1", [day]).unwrap();
        assert!(moved > 0, "it has written something");
        let (ask, mut asked) = tokio::sync::mpsc::unbounded_channel();
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = lines.clone();
        let observer = Observer::new(move |event| match event {
            Event::Log(row) => log.lock().unwrap().push(row.message),
            Event::Waiting { id } => ask.send(id).unwrap(),
            _ => {}
        });
        let answering = async {
            let question = asked.recv().await.unwrap().to_string();
            remote.input(id, Some(&question), &json!(true)).await.unwrap();
        };
        let options = DriveOptions { wait: WaitPolicy::Stay, observer, ..DriveOptions::default() };
        let (driven, ()) = tokio::join!(remote.drive(id, options), answering);
        assert_eq!(driven.unwrap().status, Status::Completed);
        assert_eq!(*lines.lock().unwrap(), ["after"], "a clock that is off by {day} microseconds");
    }
}
