//! Several processes on one data folder: what one does, the others see at once.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use kitaru_host::clock::{Clock as _, SystemClock};
use kitaru_host::ids::{Ids as _, SystemIds};
use kitaru_host::store::sqlite::SqliteStore;
use kitaru_host::store::{Executions as _, Leases as _, NewExecution};
use kitaru_tests::{Host, Running, Traces, example, fixture, id, until};
use serde_json::{Value, json};

/// The execution that waits for an answer, when there is one.
fn waiting(host: &Host) -> String {
    until("a wait", || {
        let waits = host.json(["executions", "pending-waits"]).items();
        waits.first().map(|wait| wait["exec_id"].as_str().unwrap().to_owned())
    })
}

#[test]
fn e8_a_run_that_waits_sees_the_answer_given_elsewhere_at_once() {
    let host = Host::new();
    let mut running = host.spawn(host.json_command(["run", &fixture("conformance:wait_bool"), "--wait"]));
    let exec = waiting(&host);
    assert!(running.is_alive());
    let answered = host.item(["executions", "input", &exec, "--value", "true"]);
    let execution = running.finish().item();
    assert_eq!((&execution["exec_id"], &execution["result"]), (&json!(exec), &json!("approved")));
    assert!(matches!(answered["status"].as_str(), Some("waiting" | "running" | "completed")), "{answered:#}");
}

#[test]
fn a_run_that_waits_twice_is_answered_twice_from_elsewhere() {
    let host = Host::new();
    let running = host.spawn(host.json_command(["run", &example("release-approval"), "--arg", "topic=v1.0", "--wait"]));
    let exec = waiting(&host);
    let _ = host.item(["executions", "input", &exec, "--wait", "approve_release", "--value", "true"]);
    until("the second wait", || {
        let waits = host.json(["executions", "pending-waits", &exec]).items();
        waits.first().filter(|wait| wait["name"] == "release_details").map(drop)
    });
    let _ = host.item(["executions", "input", &exec, "--value", r#"{"notes":"Bug fixes","major_version":2}"#]);
    assert_eq!(running.finish().item()["result"], "PUBLISHED v2: Draft about v1.0.\nNotes: Bug fixes");
}

#[test]
fn a_detached_run_goes_on_in_the_background_and_is_followed_and_answered() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path() }).to_string();
    let started = host.item(["run", &fixture("conformance:count_wait"), "--input", &input, &host.writable(), "--detach"]);
    let exec = started["exec_id"].as_str().unwrap();
    let mut follower = host.spawn(host.json_command(["executions", "logs", exec, "--follow"]));
    let asked = follower.read_until(|line| line["event"] == "waiting");
    assert_eq!(asked["item"]["wait_name"], "go");
    assert_eq!(traces.steps(), [1]);
    // The background process stays with the wait: it holds the lease, and the answer reaches it.
    assert!(host.get(exec)["runner"].is_string(), "{:#}", host.get(exec));
    let _ = host.item(["executions", "input", exec, "--value", "true"]);
    let followed = follower.finish();
    assert_eq!(followed.code, Some(0), "{followed:?}");
    let done = host.get(exec);
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!({ "before": 1, "go": true, "after": 2 })));
    assert_eq!(traces.steps(), [1, 2]);
}

#[test]
fn a_detached_run_is_cancelled_from_elsewhere() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": 2, "milliseconds": 600_000 }).to_string();
    let started = host.item(["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable(), "--detach"]);
    let exec = started["exec_id"].as_str().unwrap();
    until("the first body", || (!traces.steps().is_empty()).then_some(()));
    assert_eq!(host.item(["executions", "cancel", exec])["status"], "cancelled");
    let followed = host.json(["executions", "logs", exec, "--follow"]);
    assert_eq!(followed.code, Some(1));
    let last = followed.json_lines().pop().unwrap();
    assert_eq!((&last["item"]["status"], &last["item"]["recovery_command"]), (&json!("cancelled"), &Value::Null));
    assert_eq!(traces.steps(), [1]);
}

/// The component of `versioned-wait` with one more export in its file: another digest, the same calls.
fn other_code(host: &Host) -> String {
    let mut bytes = std::fs::read(fixture("versioned-wait")).unwrap();
    bytes.extend_from_slice(&[0, 5, 4, b'n', b'o', b't', b'e']);
    host.file("other.wasm", &bytes)
}

/// What a server keeps in its memory leaves that for an upgrade beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flow_that_waits_in_a_servers_memory_is_upgraded_by_a_command_beside_it() {
    let host = Host::new();
    let model = host.item(["run", &fixture("versioned-wait:pipeline"), "--arg", "topic=tides"]);
    let server = host.serving();
    let store = SqliteStore::open(&host.home()).unwrap();
    let model = store.execution(id(&model).parse().unwrap()).await.unwrap().new;
    let (exec, created_at) = (SystemIds.execution(), SystemClock.now());
    store.create(NewExecution { id: exec, created_at, ..model }).await.unwrap();
    let exec = exec.to_string();
    until("a flow in the server's memory", || {
        let now = host.get(&exec);
        (now["status"] == "waiting" && now["runner"].is_string()).then_some(())
    });
    let other = other_code(&host);
    let before = host.get(&exec)["component_digest"].clone();
    let upgraded = host.json(["executions", "upgrade", &exec, "--component", &other]).items();
    assert_eq!(upgraded[0]["upgraded"], true, "{upgraded:#?}");
    assert_ne!(host.get(&exec)["component_digest"], before);
    let _ = host.item(["executions", "input", &exec, "--value", "\"a draft\""]);
    until("its end", || (host.get(&exec)["status"] == "completed").then_some(()));
    let left = std::fs::read_dir(host.home().join("live")).into_iter().flatten().flatten().map(|entry| entry.path());
    assert_eq!(left.collect::<Vec<_>>(), Vec::<std::path::PathBuf>::new(), "nobody asks any more");
    server.kill();
}

/// On a busy machine a server takes a while to say that it leaves; and it goes on instead, if something has come for it meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_beside_a_server_that_is_slow_and_goes_on_asks_again() {
    let host = Host::new();
    let asked = host.item(["run", &fixture("versioned-wait:pipeline"), "--arg", "topic=tides"]);
    // As a server that has it in memory.
    let store = SqliteStore::open(&host.home()).unwrap();
    let held = store.claim(id(&asked).parse().unwrap()).await.unwrap();
    let upgrade = host.spawn(host.json_command(["executions", "upgrade", id(&asked), "--component", &other_code(&host)]));
    let entries = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let request =
        || until("a request", || entries(host.home().join("live")).find(|folder| entries(folder.clone()).next().is_some()));
    let first = request();
    std::thread::sleep(Duration::from_millis(800));
    std::fs::remove_dir_all(first).unwrap();
    std::fs::remove_dir_all(request()).unwrap();
    store.release(&held).await.unwrap();
    let upgraded = upgrade.finish().items();
    assert_eq!(upgraded[0]["upgraded"], true, "{upgraded:#?}");
}

/// Whoever ended it did so without anybody learning of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_cancels_looks_once_more_before_it_says_that_it_was_not_ended() {
    let host = Host::new();
    let asked = host.flow("wait_bool", &json!({}), &[]);
    let store = SqliteStore::open(&host.home()).unwrap();
    let _held = store.claim(id(&asked).parse().unwrap()).await.unwrap();
    let cancel = host.spawn(host.json_command(["executions", "cancel", id(&asked)]));
    let db = rusqlite::Connection::open(host.database()).unwrap();
    db.busy_timeout(Duration::from_secs(60)).unwrap();
    until("a request", || {
        let requested = db.query_row("SELECT cancel_requested FROM executions", [], |row| row.get::<_, bool>(0)).unwrap();
        requested.then_some(())
    });
    // It has begun to wait.
    std::thread::sleep(Duration::from_secs(1));
    db.execute("UPDATE executions SET status = 'cancelled', ended_at = created_at, wake_at = NULL", []).unwrap();
    assert_eq!(cancel.finish().item()["status"], "cancelled");
}

/// Whoever waits for a runner to leave goes on at once: that it runs again is theirs to say.
#[test]
fn a_server_that_ends_says_of_a_flow_that_waits_nothing_else() {
    let host = Host::new();
    let asked = host.item(["run", &example("release-approval"), "--arg", "topic=v1.0"]);
    let server = host.spawn(host.command(["serve", "--no-http"]));
    server.until_said("Looking after");
    // Answered and left to whoever looks after it.
    let store = rusqlite::Connection::open(host.database()).unwrap();
    store.busy_timeout(std::time::Duration::from_secs(60)).unwrap();
    store
        .execute_batch(
            "UPDATE waits SET resolution = 'answered', answer = x'000474727565', resolved_at = entered_at;
             UPDATE executions SET wake_at = created_at WHERE status = 'waiting'",
        )
        .unwrap();
    // Whatever happens to any execution makes a host look.
    host.flow("sequence", &json!({ "steps": 0 }), &[]);
    server.until_said(&format!("{} waiting", id(&asked)));
    // As if somebody took it up in the moment in which it is let go of.
    let takes = "CREATE TRIGGER takes AFTER UPDATE OF runner ON executions WHEN NEW.runner IS NULL AND NEW.status = 'waiting'
                   BEGIN UPDATE executions SET status = 'running' WHERE id = NEW.id; END";
    store.execute_batch(takes).unwrap();
    let asked_to_end = Command::new("kill").args(["-TERM", &server.id().to_string()]).status().unwrap();
    assert!(asked_to_end.success());
    let said = server.finish().stderr;
    let of_it: Vec<&str> = said.lines().filter(|line| line.starts_with(id(&asked))).collect();
    assert!(!of_it.is_empty() && of_it.iter().all(|line| line.ends_with(" waiting")), "{said}");
}

/// Many writers at once: every execution is whole, and none is lost.
#[test]
fn several_runs_share_a_data_folder() {
    let host = Host::new();
    let input = json!({ "steps": 20 }).to_string();
    let runs: Vec<Running> =
        (0..6).map(|_| host.spawn(host.json_command(["run", &fixture("conformance:sequence"), "--input", &input]))).collect();
    for run in runs {
        assert_eq!(run.finish().item()["result"], 210);
    }
    let listed = host.json(["executions", "list", "--status", "completed"]).items();
    assert_eq!(listed.len(), 6);
    assert!(listed.iter().all(|summary| summary["checkpoint_count"] == 20), "{listed:#?}");
}

/// The component's file may go: the data folder keeps what its executions need.
#[test]
fn an_execution_needs_nothing_but_its_data_folder() {
    let host = Host::new();
    let copy = host.path("flow.wasm");
    std::fs::copy(fixture("conformance"), &copy).unwrap();
    let execution = host.item(["run", &format!("{copy}:wait_bool")]);
    std::fs::remove_file(copy).unwrap();
    let exec = execution["exec_id"].as_str().unwrap();
    assert_eq!(host.item(["executions", "input", exec, "--value", "true"])["result"], "approved");
}
