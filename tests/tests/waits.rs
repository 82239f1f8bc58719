//! Waits: conformance cases W1–W8, W11–W21 (W9, W10 and W18 come with them).

use kitaru_tests::{Host, Traces, example, fixture, id, names};
use serde_json::{Value, json};

/// The ID of an execution.
/// A flow of the fixture that has come to its first wait.
fn waiting(host: &Host, flow: &str, arguments: &Value) -> String {
    let execution = host.flow(flow, arguments, &[]);
    assert_eq!(execution["status"], "waiting", "{execution:#}");
    id(&execution).to_owned()
}

#[test]
fn w1_a_wait_in_a_checkpoint_is_a_context_failure() {
    let answer = &Host::new().flow("raw_wait_in_checkpoint", &json!({}), &[])["result"];
    assert_eq!(answer["kind"], "context");
    assert!(answer["message"].as_str().unwrap().contains("cannot be called inside a checkpoint"), "{answer}");
}

#[test]
fn w2_a_flow_that_waits_shows_its_question() {
    let host = Host::new();
    let reply = host.try_flow("wait_bool", &json!({}), &[]).ok();
    let execution = reply.clone().item();
    let wait = &execution["pending_wait"];
    assert_eq!(execution["status"], "waiting");
    assert_eq!((&wait["name"], &wait["question"]), (&json!("approve"), &json!("Approve?")));
    assert_eq!((&wait["schema"]["type"], &wait["metadata"]), (&json!("boolean"), &json!({ "draft": "text" })));
    assert!(wait["entered_waiting_at"].as_str().unwrap().starts_with("20"), "{wait}");
    assert_eq!(wait["wait_id"], format!("{}:0", id(&execution)));
    assert_eq!(host.json(["executions", "pending-waits"]).items(), std::slice::from_ref(wait));
    assert_eq!(host.json(["executions", "pending-waits", id(&execution)]).items(), std::slice::from_ref(wait));
    assert_eq!(host.json(["executions", "list", "--status", "waiting"]).items()[0]["pending_wait"], *wait);

    let text = host.text(["run", &fixture("conformance:wait_bool")]).ok();
    let waiting = host.item(["executions", "latest"]);
    assert!(text.stderr.contains("Approve?"), "{text:?}");
    assert!(
        text.stderr.contains(&format!("kitaru-host executions input {}", id(&waiting))),
        "the command that answers it: {text:?}"
    );
    assert_eq!(text.stdout, "", "there is no result yet");
}

#[test]
fn w3_an_answer_lets_the_same_execution_go_on() {
    let host = Host::new();
    let exec = waiting(&host, "wait_bool", &json!({}));
    let done = host.item(["executions", "input", &exec, "--value", "true"]);
    assert_eq!((id(&done), &done["status"], &done["result"]), (exec.as_str(), &json!("completed"), &json!("approved")));
    assert_eq!(done["pending_wait"], Value::Null);
    assert_eq!((&done["waits"][0]["status"], &done["waits"][0]["value"]), (&json!("answered"), &json!(true)));
}

#[test]
fn w4_wrong_type_is_refused_and_it_stays_waiting() {
    let host = Host::new();
    let exec = waiting(&host, "wait_bool", &json!({}));
    let before = host.rows(&exec);
    host.json(["executions", "input", &exec, "--value", r#""yes""#])
        .refused("KitaruWaitValidationError", &["Wait input failed validation for 'approve'", &exec, "boolean"]);
    assert_eq!(host.get(&exec)["status"], "waiting");
    assert_eq!(host.rows(&exec), before, "nothing changed");
}

#[test]
fn w5_w6_answers_are_checked_against_the_schema() {
    let host = Host::new();
    let cases = [
        ("wait_integer", "true", None),
        ("wait_integer", "1.5", None),
        ("wait_integer", "3", Some(json!(3))),
        ("wait_number", r#""1""#, None),
        ("wait_number", "1", Some(json!(1.0))),
        ("wait_union", "1", None),
        ("wait_union", "null", Some(json!(null))),
        ("wait_union", r#""text""#, Some(json!("text"))),
        ("wait_choice", r#""extreme""#, None),
        ("wait_choice", r#""high""#, Some(json!({ "level": "high" }))),
    ];
    for (flow, value, result) in cases {
        let exec = waiting(&host, flow, &json!({}));
        let reply = host.json(["executions", "input", &exec, "--value", value]);
        match result {
            Some(result) => assert_eq!(reply.item()["result"], result, "{flow} {value}"),
            None => drop(reply.refused("KitaruWaitValidationError", &[&exec])),
        }
    }
}

#[test]
fn w7_a_missing_field_is_refused_with_the_wait_and_the_execution() {
    let host = Host::new();
    let exec = waiting(&host, "wait_object", &json!({}));
    host.json(["executions", "input", &exec, "--value", r#"{"notes":"Bug fixes"}"#])
        .refused("KitaruWaitValidationError", &["'release_details'", &exec, "major_version"]);
    let done = host.item(["executions", "input", &exec, "--value", r#"{"notes":"Bug fixes","major_version":2}"#]);
    assert_eq!(done["result"], "v2: Bug fixes");
}

#[test]
fn w8_w9_a_wait_is_named_by_its_name_or_its_id() {
    let host = Host::new();
    for by_name in [true, false] {
        let exec = waiting(&host, "wait_bool", &json!({}));
        for wrong in ["other", &format!("{exec}:9")] {
            host.json(["executions", "input", &exec, "--wait", wrong, "--value", "true"])
                .refused("KitaruStateError", &[wrong, "Available waits: approve"]);
        }
        host.json(["executions", "input", &exec, "--wait", " ", "--value", "true"]).refused("KitaruUsageError", &["non-empty"]);
        let selector = if by_name { "approve".to_owned() } else { format!("{exec}:0") };
        assert_eq!(host.item(["executions", "input", &exec, "--wait", &selector, "--value", "true"])["status"], "completed");
    }
}

#[test]
fn w11_input_for_a_completed_execution_is_refused() {
    let host = Host::new();
    let done = host.flow("no_calls", &json!({}), &[]);
    host.json(["executions", "input", id(&done), "--value", "true"])
        .refused("KitaruStateError", &["has no pending waits to resolve", id(&done)]);
}

#[test]
fn w12_an_aborted_wait_is_a_failure_that_the_flow_may_catch() {
    let host = Host::new();
    let exec = waiting(&host, "wait_abort", &json!({}));
    let done = host.item(["executions", "input", &exec, "--abort"]);
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!("aborted: go")));
    assert_eq!(done["waits"][0]["status"], "aborted");

    let exec = waiting(&host, "wait_bool", &json!({}));
    let _ = host.json(["executions", "abort-wait", &exec, "--wait", "approve"]);
    let failed = host.get(&exec);
    assert_eq!((&failed["status"], &failed["failure"]["exception_type"]), (&json!("failed"), &json!("aborted")));
    assert!(failed["status_reason"].as_str().unwrap().contains("wait 'approve' aborted"), "{failed:#}");
}

#[test]
fn w13_w14_resume_needs_an_execution_that_can_go_on() {
    let host = Host::new();
    let exec = waiting(&host, "wait_bool", &json!({}));
    host.json(["executions", "resume", &exec])
        .refused("KitaruStateError", &["Resolve pending wait input before resuming", &exec]);
    let _ = host.item(["executions", "input", &exec, "--value", "true"]);
    host.json(["executions", "resume", &exec])
        .refused("KitaruStateError", &["Only paused executions can be resumed", "'completed'"]);
    let failed = host.try_flow("uncaught", &json!({ "message": "x" }), &[]).failed_execution();
    let error = host.json(["executions", "resume", &failed]).refused("KitaruStateError", &["'failed'"]);
    assert!(error["hint"].as_str().unwrap().contains("executions retry"), "{error}");
}

#[test]
fn w14_a_running_execution_cannot_be_resumed_elsewhere() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": 1, "milliseconds": Traces::HELD }).to_string();
    let running = host.spawn(host.json_command(["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()]));
    kitaru_tests::until("the body", || (!traces.steps().is_empty()).then_some(()));
    let exec = host.json(["executions", "list"]).items()[0]["exec_id"].as_str().unwrap().to_owned();
    host.json(["executions", "resume", &exec]).refused("KitaruStateError", &["is being run by process"]);
    traces.open([1]);
    assert_eq!(running.finish().item()["result"], 1);
    assert_eq!(traces.steps(), [1]);
}

#[test]
fn w13_a_wait_that_its_runner_stays_with_cannot_be_resumed_before_it_is_answered() {
    let host = Host::new();
    let input = json!({ "path": Traces::guest_path() }).to_string();
    let running =
        host.spawn(host.json_command(["run", &fixture("conformance:count_wait"), "--input", &input, "--wait", &host.writable()]));
    let exec = kitaru_tests::until("the wait", || {
        let waits = host.json(["executions", "pending-waits"]).items();
        waits.first().map(|wait| wait["exec_id"].as_str().unwrap().to_owned())
    });
    let follower = host.spawn(host.json_command(["executions", "logs", &exec, "--follow"]));
    host.json(["executions", "resume", &exec]).refused("KitaruStateError", &["Resolve pending wait input"]);
    let _ = host.item(["executions", "input", &exec, "--value", "true"]);
    assert_eq!(running.finish().item()["result"], json!({ "before": 1, "go": true, "after": 2 }));
    assert_eq!(follower.finish().code, Some(0));
}

#[test]
fn w15_a_host_killed_while_it_waits_loses_nothing() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path() }).to_string();
    let running =
        host.spawn(host.json_command(["run", &fixture("conformance:count_wait"), "--input", &input, "--wait", &host.writable()]));
    let exec = kitaru_tests::until("the wait", || {
        let waits = host.json(["executions", "pending-waits"]).items();
        waits.first().map(|wait| wait["exec_id"].as_str().unwrap().to_owned())
    });
    running.kill();
    assert_eq!(host.get(&exec)["status"], "waiting");
    let done = host.item(["executions", "input", &exec, "--value", "true"]);
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!({ "before": 1, "go": true, "after": 2 })));
    assert_eq!(traces.steps(), [1, 2], "the checkpoint before the wait did not run again");
}

/// The answer is in the store, and the process that took it died before it could go on: `resume` does.
#[test]
fn w15_an_answered_execution_without_a_runner_is_resumed_by_hand() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let execution = host.flow("count_wait", &json!({ "path": Traces::guest_path() }), &[&host.writable()]);
    let mut command = host.json_command(["executions", "input", id(&execution), "--value", "true"]);
    let killed = kitaru_tests::Reply::from({
        command.env("KITARU_FAULT_KILL_BEFORE", "1");
        command
    });
    assert_eq!(killed.code, None, "the fault point killed it{killed:?}");
    assert_eq!(traces.steps(), [1]);
    let done = host.item(["executions", "resume", id(&execution)]);
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!({ "before": 1, "go": true, "after": 2 })));
    assert_eq!(traces.steps(), [1, 2]);
}

#[test]
fn w16_w17_two_people_decide_on_a_release() {
    let host = Host::new();
    let run = || host.item(["run", &example("release-approval"), "--arg", "topic=v1.0"]);
    let first = run();
    assert_eq!(first["pending_wait"]["name"], "approve_release");
    let second = host.item(["executions", "input", id(&first), "--value", "true"]);
    assert_eq!((&second["status"], &second["pending_wait"]["name"]), (&json!("waiting"), &json!("release_details")));
    let done = host.item(["executions", "input", id(&first), "--value", r#"{"notes":"Bug fixes","major_version":2}"#]);
    assert_eq!(done["result"], "PUBLISHED v2: Draft about v1.0.\nNotes: Bug fixes");
    assert_eq!(names(&done["waits"], "status"), ["answered", "answered"]);

    let declined = host.item(["executions", "input", id(&run()), "--value", "false"]);
    assert_eq!((&declined["status"], &declined["result"]), (&json!("completed"), &json!("REJECTED: Draft about v1.0.")));
}

#[test]
fn w18_waits_of_one_name_are_distinct() {
    let host = Host::new();
    let exec = waiting(&host, "wait_loop", &json!({ "times": 3 }));
    for (round, name) in ["item", "item_2", "item_3"].into_iter().enumerate() {
        let wait = host.json(["executions", "pending-waits", &exec]).items();
        assert_eq!((&wait[0]["name"], &wait[0]["wait_id"]), (&json!(name), &json!(format!("{exec}:{round}"))));
        let _ = host.item(["executions", "input", &exec, "--wait", name, "--value", "5"]);
    }
    assert_eq!(host.get(&exec)["result"], 15);
    let unnamed = waiting(&host, "wait_unnamed", &json!({}));
    assert_eq!(host.get(&unnamed)["pending_wait"]["name"], "wait");
    assert_eq!(host.item(["executions", "input", &unnamed, "--value", "true"])["pending_wait"]["name"], "wait_2");
}

#[test]
fn w19_the_polling_window_is_no_expiry() {
    let host = Host::new();
    let input = json!({ "milliseconds": 1000 }).to_string();
    let left = host.item(["run", &fixture("conformance:wait_timeout"), "--input", &input, "--wait"]);
    assert_eq!((&left["status"], &left["pending_wait"]["name"]), (&json!("waiting"), &json!("patience")));
    assert_eq!(host.item(["executions", "input", id(&left), "--value", "true"])["result"], true);
}

#[test]
fn w20_without_a_schema_any_json_is_accepted() {
    let host = Host::new();
    for value in ["null", "true", "[1]", r#"{"any":{"thing":null}}"#, r#""text""#] {
        let exec = waiting(&host, "wait_any", &json!({}));
        assert_eq!(host.get(&exec)["pending_wait"]["schema"], Value::Null);
        let done = host.item(["executions", "input", &exec, "--value", value]);
        assert_eq!(done["result"].to_string(), value);
    }
}

#[test]
fn w21_a_second_answer_is_refused() {
    let host = Host::new();
    let exec = waiting(&host, "wait_bool", &json!({}));
    let _ = host.item(["executions", "input", &exec, "--value", "true"]);
    for wait in [[].as_slice(), &["--wait", "approve"]] {
        let arguments = [&["executions", "input", &exec, "--value", "false"], wait].concat();
        host.json(arguments).refused("KitaruStateError", &["no pending waits"]);
    }
    assert_eq!(host.get(&exec)["result"], "approved");
}

/// Two people answer at the same moment: one is told that the other was first.
#[test]
fn w21_of_answers_at_once_one_counts() {
    let host = Host::new();
    let exec = waiting(&host, "wait_integer", &json!({}));
    let answers: Vec<_> = (0..4)
        .map(|value: i64| host.spawn(host.json_command(["executions", "input", &exec, "--value", &value.to_string()])))
        .collect();
    let replies: Vec<_> = answers.into_iter().map(kitaru_tests::Running::finish).collect();
    let taken: Vec<_> = (0_i64..).zip(&replies).filter(|(_, reply)| reply.code == Some(0)).collect();
    assert_eq!(taken.len(), 1, "{replies:?}");
    for reply in replies.iter().filter(|reply| reply.code != Some(0)) {
        assert_eq!(reply.error()["type"], "KitaruStateError", "{reply:?}");
    }
    assert_eq!(host.get(&exec)["result"], taken[0].0);
}

/// A question that nobody could answer is not asked.
#[test]
fn a_schema_that_cannot_be_used_is_refused_and_reaches_nothing() {
    let host = Host::new();
    let cases = [
        ("wait_remote_schema", json!({ "reference": "file:///etc/passwd" }), "file:///etc/passwd"),
        ("wait_remote_schema", json!({ "reference": "http://127.0.0.1:9/schema.json" }), "http://127.0.0.1:9"),
        ("wait_bad_schema", json!({}), "schema"),
    ];
    for (flow, arguments, message) in cases {
        let reply = host.try_flow(flow, &arguments, &[]);
        assert_eq!(reply.refused("KitaruUserCodeError", &["cannot be asked", message])["failure_kind"], "usage");
        let execution = host.get(&reply.failed_execution());
        assert_eq!(execution["waits"], json!([]));
    }
}
