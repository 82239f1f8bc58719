//! Several processes on one data folder: what one does, the others see at once.

use kitaru_tests::{Host, Running, Traces, example, fixture, until};
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
