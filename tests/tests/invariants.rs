//! Invariants of the engine that the conformance cases leave open: E1, E3, E8, E9, E11, E12, E13. E2 is in `divergence.rs`, E4 in `crash.rs`,
//! E6 in `sandbox.rs`, E10 in `replay.rs`.

use kitaru_tests::{Host, Reply, Traces, checkpoint, fixture, id, names, until};
use serde_json::{Value, json};

/// Every wait re-executes the flow from the top, and no body runs a second time.
#[test]
fn e1_recorded_calls_are_served_however_often_the_flow_runs() {
    let host = Host::new();
    let mut execution = host.flow("count_waits", &json!({ "path": Traces::guest_path(), "waits": 4 }), &[&host.writable()]);
    for _ in 0..4 {
        assert_eq!(execution["status"], "waiting");
        execution = host.item(["executions", "input", id(&execution), "--value", "true"]);
    }
    assert_eq!((&execution["status"], &execution["result"]), (&json!("completed"), &json!(10)));
    let traces = Traces::new(&host).read();
    assert_eq!(traces.iter().map(|trace| trace.step).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert!(traces.iter().all(|trace| trace.attempt == 1), "{traces:?}");
    let kinds: Vec<_> = host.journal(id(&execution)).iter().map(|call| call["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["checkpoint", "wait", "checkpoint", "wait", "checkpoint", "wait", "checkpoint", "wait", "checkpoint"]);
}

/// What the world can see follows the commit: when a body with a capability runs, everything before it is in the store already.
#[test]
fn e3_what_a_body_depends_on_is_stored_before_it_runs() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": 3, "milliseconds": Traces::HELD }).to_string();
    let running = host.spawn(host.json_command(["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()]));
    for step in 1..=3_u64 {
        until("the next body", || (traces.steps().len() as u64 == step).then_some(()));
        let execution = host.item(["executions", "latest"]);
        let statuses = names(&execution["checkpoints"], "status");
        assert_eq!(statuses.iter().filter(|status| **status == "completed").count() as u64, step - 1, "{statuses:?}");
        traces.open([step]);
    }
    assert_eq!(running.finish().item()["result"], 6);
}

#[test]
fn e8_a_waiting_execution_is_only_rows() {
    let host = Host::new();
    let execution = host.flow("wait_bool", &json!({}), &[]);
    assert_eq!((&execution["status"], &execution["runner"]), (&json!("waiting"), &Value::Null), "no process stays with it");
    let runners = std::fs::read_dir(host.home().join("runners")).map(|files| files.count()).unwrap_or_default();
    assert_eq!(runners, 0, "a runner that has ended leaves no file");
}

#[test]
fn e9_a_retry_runs_the_failed_call_again_and_serves_the_others() {
    let host = Host::new();
    let blocker = host.file("blocker", "");
    let arguments = json!({ "path": Traces::guest_path(), "blocker": "out/blocker" });
    let reply = host.try_flow("count_blocked", &arguments, &[&host.writable()]);
    assert_eq!(reply.error()["failure_kind"], "blocked");
    let exec = reply.failed_execution();
    let frozen = host.get(&exec)["frozen_execution_spec"].clone();
    // It fails again while the reason is there.
    assert_eq!(host.json(["executions", "retry", &exec]).failed_execution(), exec);
    std::fs::remove_file(blocker).unwrap();
    // Another project's configuration does not count: it keeps its own.
    host.file("kitaru.toml", "[limits]\nmemory_mib = 16\n");
    let done = host.item(["executions", "retry", &exec]);
    assert_eq!((id(&done), &done["status"], &done["result"]), (exec.as_str(), &json!("completed"), &json!(6)));
    assert_eq!(done["frozen_execution_spec"], frozen);
    assert_eq!(Traces::new(&host).steps(), [1, 2, 2, 2, 3]);
    assert_eq!(names(&checkpoint(&done, "blocked_tick")["attempts"], "status"), ["failed", "failed", "completed"]);
}

#[test]
fn e9_failures_that_the_flow_caught_stay_as_recorded() {
    let host = Host::new();
    let blocker = host.file("blocker", "");
    let arguments = json!({ "path": Traces::guest_path(), "blocker": "out/blocker" });
    let exec = host.try_flow("count_caught", &arguments, &[&host.writable()]).failed_execution();
    assert_eq!(Traces::new(&host).steps(), [1, 10, 2]);
    std::fs::remove_file(blocker).unwrap();
    let done = host.item(["executions", "retry", &exec]);
    assert_eq!(done["result"], json!([10, 2]), "step 1 failed when it was asked, and the flow went the other way");
    assert_eq!(Traces::new(&host).steps(), [1, 10, 2, 2]);
}

/// What the flow did before it learnt of the failure cannot depend on it, even where it came after.
#[test]
fn e9_what_was_done_before_the_failure_was_learnt_stands() {
    let host = Host::new();
    let blocker = host.file("blocker", "");
    let arguments = json!({ "path": Traces::guest_path(), "blocker": "out/blocker" });
    let exec = host.try_flow("learns_late", &arguments, &[&host.writable()]).failed_execution();
    let steps = || {
        let mut steps = Traces::new(&host).steps();
        steps.sort_unstable();
        steps
    };
    assert_eq!(steps(), [1, 2, 3], "step 1 had failed long before step 3 was called");
    std::fs::remove_file(blocker).unwrap();
    let done = host.item(["executions", "retry", &exec]);
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!(10)));
    assert_eq!(steps(), [1, 1, 2, 3, 4]);
    assert_eq!(host.json(["executions", "verify", &exec]).items()[0]["holds"], true);
}

#[test]
fn e9_a_fixed_version_takes_over() {
    let host = Host::new();
    let arguments = ["--arg", "topic=broken", "--arg", "log=out/log", &host.writable()];
    let failed = host.json([&["run", &fixture("versioned-v1:pipeline")], &arguments[..]].concat()).failed_execution();
    let before = host.get(&failed)["component_digest"].clone();
    let done = host.item(["executions", "retry", &failed, "--component", &fixture("versioned-fixed")]);
    assert_eq!(done["result"], "PUBLISHED: Draft from notes about broken");
    assert_ne!(done["component_digest"], before);
    let log = std::fs::read_to_string(host.path("log")).unwrap();
    let ran: Vec<&str> = log.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(ran, ["research", "write_draft", "publish", "publish"]);
    // A component without the flow is refused before anything changes.
    let failed = host.try_flow("uncaught", &json!({ "message": "x" }), &[]).failed_execution();
    let rows = host.rows(&failed);
    host.json(["executions", "retry", &failed, "--component", &fixture("versioned-fixed")])
        .refused("KitaruUsageError", &["no flow `uncaught`"]);
    assert_eq!(host.rows(&failed), rows);
}

#[test]
fn e11_what_a_re_executed_prefix_logs_again_appears_once() {
    let host = Host::new();
    let waiting = host.flow("log_wait", &json!({}), &[]);
    let messages = |exec: &str| {
        let lines = host.json(["executions", "logs", exec]).items();
        names(&Value::Array(lines), "message").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(messages(id(&waiting)), ["before", "printed before"]);
    assert_eq!(waiting["metadata"], json!({ "stage": "before" }), "what it logged is there while it waits");
    let done = host.item(["executions", "input", id(&waiting), "--value", "true"]);
    assert_eq!(messages(id(&done)), ["before", "printed before", "after"]);
    assert_eq!(done["metadata"], json!({ "stage": "after" }));
}

#[test]
fn e11_a_retry_loses_no_line() {
    let host = Host::new();
    let blocker = host.file("blocker", "");
    let arguments = json!({ "blocker": "out/blocker" });
    let exec = host.try_flow("log_retry", &arguments, &[&host.writable()]).failed_execution();
    std::fs::remove_file(blocker).unwrap();
    let _ = host.item(["executions", "retry", &exec]);
    let lines = host.json(["executions", "logs", &exec]).items();
    let count = |message: &str| lines.iter().filter(|line| line["message"] == message).count();
    let flow = ["flow 1", "flow 2", "flow 3", "flow 4"].map(count);
    assert_eq!((flow, count("second checkpoint"), count("checkpoint info")), ([1; 4], 1, 2), "{lines:#?}");
}

/// A runner that lost its lease can write nothing. The lease is taken over as by a host that believes it dead.
#[test]
fn e12_a_runner_whose_lease_was_taken_stops_and_writes_nothing() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": 3, "milliseconds": Traces::HELD }).to_string();
    let running = host.spawn(host.json_command(["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()]));
    until("the first body", || (!traces.steps().is_empty()).then_some(()));
    let exec = id(&host.item(["executions", "latest"])).to_owned();
    let store = rusqlite::Connection::open(host.database()).unwrap();
    store.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    assert_eq!(store.execute("UPDATE executions SET epoch = epoch + 1", []).unwrap(), 1);
    drop(store);
    let records = host.records(&exec);
    traces.open(1..=3);
    running.finish().refused("KitaruStateError", &["no longer runs execution", &exec]);
    assert_eq!(host.records(&exec), records, "not one entry more");
    assert_eq!(traces.steps(), [1]);
    let done = host.item(["executions", "resume", &exec]);
    assert_eq!(done["result"], 6);
}

#[test]
fn e13_an_unreadable_record_stops_its_execution_with_its_position_and_no_other() {
    let host = Host::new();
    let damaged = host.flow("wait_bool", &json!({}), &[]);
    let sound = host.flow("wait_bool", &json!({}), &[]);
    let store = rusqlite::Connection::open(host.database()).unwrap();
    let changed = store
        .execute("UPDATE journal SET bytes = x'01ff00ff' WHERE seq = 0 AND execution = (SELECT min(id) FROM executions)", [])
        .unwrap();
    assert_eq!(changed, 1);
    drop(store);
    host.json(["executions", "get", id(&damaged)])
        .refused("KitaruRuntimeError", &["journal entry 0", id(&damaged), "cannot be read"]);
    assert_eq!(host.json(["executions", "list"]).items().len(), 2, "a list shows it all the same");
    assert_eq!(host.item(["executions", "input", id(&sound), "--value", "true"])["result"], "approved");
    for command in [["executions", "input", id(&damaged), "--value", "true"].as_slice(), &["executions", "resume", id(&damaged)]]
    {
        host.json(command).refused("KitaruRuntimeError", &["journal entry 0", id(&damaged)]);
    }
    let summaries = host.json(["executions", "list", "--status", "failed"]).items();
    assert_eq!(names(&Value::Array(summaries.clone()), "exec_id"), [id(&damaged)]);
    let reason = summaries[0]["status_reason"].as_str().unwrap();
    assert!(reason.contains("journal entry 0"), "{reason}");
}

/// A record of a later host is not damage: whoever has that host can go on.
#[test]
fn e13_a_record_of_a_later_host_leaves_the_execution_as_it_is() {
    let host = Host::new();
    let waiting = host.flow("wait_bool", &json!({}), &[]);
    let store = rusqlite::Connection::open(host.database()).unwrap();
    store.execute("UPDATE journal SET bytes = x'ff00ff' WHERE seq = 0", []).unwrap();
    drop(store);
    host.json(["executions", "input", id(&waiting), "--value", "true"]).refused("KitaruRuntimeError", &["encoding version 255"]);
    assert_eq!(host.json(["executions", "list"]).items()[0]["status"], "waiting");
}

#[test]
fn e13_a_lost_component_is_said() {
    let host = Host::new();
    let execution = host.flow("wait_bool", &json!({}), &[]);
    std::fs::remove_dir_all(host.home().join("components")).unwrap();
    let reply: Reply = host.json(["executions", "input", id(&execution), "--value", "true"]);
    let digest = execution["component_digest"].as_str().unwrap();
    assert!(reply.error()["message"].as_str().unwrap().contains(digest), "{reply:?}");
    // Kept, to go on when the component is back.
    std::fs::create_dir(host.home().join("components")).unwrap();
    std::fs::copy(fixture("conformance"), host.home().join(format!("components/{digest}.wasm"))).unwrap();
    assert_eq!(host.item(["executions", "resume", id(&execution)])["result"], "approved");
}
