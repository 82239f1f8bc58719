//! Hosts that stay: one that looks after all executions (E8), and what becomes of running bodies when a host is asked to end.

use std::process::{Command, Stdio};

use kitaru_tests::{Host, Reply, Running, Traces, checkpoint, fixture, id, until};
use serde_json::{Value, json};

/// Asks a process to end (SIGTERM).
fn ask_to_end(process: &Running) {
    let asked = Command::new("kill").args(["-TERM", &process.id().to_string()]).stdout(Stdio::null()).status().unwrap();
    assert!(asked.success());
}

#[test]
fn e8_a_serving_host_drives_what_is_submitted_answered_and_due() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let server = host.serving();
    // Answered elsewhere, by a process that does not stay.
    let asked = host.flow("wait_bool", &json!({}), &[]);
    let store = rusqlite::Connection::open(host.database()).unwrap();
    let answered = host.item(["executions", "input", id(&asked), "--value", "true"]);
    drop(store);
    assert_eq!(answered["exec_id"], asked["exec_id"]);
    until("the answer's end", || (host.get(id(&asked))["status"] == "completed").then_some(()));
    // Left behind by a host that died.
    let input = json!({ "path": Traces::guest_path(), "steps": 2, "milliseconds": 700 }).to_string();
    let running = host.spawn(host.json_command(["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()]));
    until("a body", || (!traces.steps().is_empty()).then_some(()));
    running.kill();
    let orphan = host.json(["executions", "list", "--flow", "count_slow"]).items()[0].clone();
    until("the orphan's end", || (host.get(id(&orphan))["result"] == 3).then_some(()));
    // Asleep, with nobody there.
    let input = json!({ "path": Traces::guest_path(), "milliseconds": 1500 }).to_string();
    let running = host.spawn(host.json_command(["run", &fixture("conformance:sleeps"), "--input", &input, &host.writable()]));
    until("the sleep", || {
        let found = host.json(["executions", "list", "--flow", "sleeps", "--status", "waiting"]).items();
        (!found.is_empty()).then_some(())
    });
    running.kill();
    let sleeper = host.json(["executions", "list", "--flow", "sleeps"]).items()[0].clone();
    until("the sleeper's end", || (host.get(id(&sleeper))["status"] == "completed").then_some(()));
    server.kill();
}

#[test]
fn a_serving_host_that_is_stopped_lets_bodies_come_to_their_end() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": 3, "milliseconds": 1500 }).to_string();
    let words = ["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()];
    let running = host.spawn(host.json_command(words));
    until("a body", || (!traces.steps().is_empty()).then_some(()));
    running.kill();
    let exec = host.json(["executions", "list"]).items()[0].clone();
    let server = host.serving();
    until("the body again", || (traces.steps().len() == 2).then_some(()));
    ask_to_end(&server);
    let reply: Reply = server.finish();
    assert_eq!(reply.code, Some(0), "{reply:?}");
    let left = host.get(id(&exec));
    assert_eq!(left["runner"], Value::Null);
    assert_eq!(checkpoint(&left, "slow_tick")["status"], "completed", "it came to its end: {left:#}");
    assert_eq!(traces.steps(), [1, 1], "and no other began");
    assert_eq!(host.item(["executions", "resume", id(&exec)])["result"], 6);
    assert_eq!(traces.steps(), [1, 1, 2, 3]);
}

/// Starts three steps, and asks the host to end in the middle of the first.
fn asked_in_the_middle(host: &Host, milliseconds: u64) -> (Running, String) {
    let traces = Traces::new(host);
    let input = json!({ "path": Traces::guest_path(), "steps": 3, "milliseconds": milliseconds }).to_string();
    let words = ["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()];
    let running = host.spawn(host.json_command(words));
    until("a body", || (!traces.steps().is_empty()).then_some(()));
    ask_to_end(&running);
    (running, id(&host.json(["executions", "list"]).items()[0]).to_owned())
}

#[test]
fn a_run_that_is_stopped_lets_its_body_come_to_its_end() {
    let host = Host::new();
    let (running, exec) = asked_in_the_middle(&host, 1000);
    let reply = running.finish();
    let error = reply.error();
    assert!(error["message"].as_str().unwrap().starts_with("interrupted"), "{reply:?}");
    assert_eq!(error["hint"], format!("go on with: kitaru-host executions resume {exec}"));
    let left = host.get(&exec);
    assert_eq!((&left["status"], &left["runner"]), (&json!("running"), &Value::Null));
    assert_eq!(checkpoint(&left, "slow_tick")["status"], "completed", "{left:#}");
    assert_eq!(host.item(["executions", "resume", &exec])["result"], 6);
    assert_eq!(Traces::new(&host).steps(), [1, 2, 3], "nothing ran twice");
}

/// What it had to do beside its question is not forgotten.
#[test]
fn a_run_that_is_cut_off_beside_a_question_can_be_driven_on() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "milliseconds": 1500 }).to_string();
    let target = fixture("conformance:works_while_it_waits");
    let running = host.spawn(host.json_command(["run", &target, "--input", &input, &host.writable(), "--wait"]));
    until("the work", || (!traces.steps().is_empty()).then_some(()));
    until("the question", || (!host.json(["executions", "pending-waits"]).items().is_empty()).then_some(()));
    let exec = id(&host.json(["executions", "list"]).items()[0]).to_owned();
    ask_to_end(&running);
    std::thread::sleep(std::time::Duration::from_millis(100));
    ask_to_end(&running);
    let _ = running.finish();
    let left = host.get(&exec);
    assert_eq!((&left["status"], &left["runner"]), (&json!("running"), &Value::Null), "{left:#}");
    let _ = host.item(["executions", "resume", &exec]);
    assert_eq!(checkpoint(&host.get(&exec), "slow_tick")["status"], "completed");
    assert_eq!(host.item(["executions", "input", &exec, "--value", "true"])["status"], "completed");
}

/// Whoever is quicker drives it; both commands end with its result.
#[test]
fn a_run_beside_a_serving_host_ends_with_its_result() {
    let host = Host::new();
    let server = host.serving();
    for _ in 0..10 {
        assert_eq!(host.flow("sequence", &json!({ "steps": 3 }), &[])["result"], 6);
    }
    server.kill();
}

#[test]
fn a_run_that_is_stopped_twice_ends_at_once() {
    let host = Host::new();
    let (mut running, exec) = asked_in_the_middle(&host, 20_000);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(running.is_alive(), "it waits for the body");
    let started = std::time::Instant::now();
    ask_to_end(&running);
    let reply = running.finish();
    assert!(started.elapsed() < std::time::Duration::from_secs(10), "{reply:?}");
    assert!(reply.error()["message"].as_str().unwrap().starts_with("interrupted"), "{reply:?}");
    assert_eq!(checkpoint(&host.get(&exec), "slow_tick")["status"], "running");
}
