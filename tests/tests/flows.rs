//! Flows and checkpoints: conformance cases F2–F4, F13, C1, C2, C7, C8, C10, C11, C14, C15, and the failures of guests.

use kitaru_tests::{Host, Traces, call_ids, checkpoint, example, fixture, names, until};
use serde_json::{Value, json};

#[test]
fn f2_a_run_ends_with_its_result_and_status_completed() {
    let host = Host::new();
    let execution = host.item(["run", &example("hello"), "--arg", "name=World"]);
    assert_eq!(execution["status"], "completed");
    assert_eq!(execution["result"], "Hello, World! Yours durably, Kitaru.");
    assert_eq!(execution["failure"], Value::Null);
    let id = execution["exec_id"].as_str().unwrap();
    assert_eq!(host.get(id), execution, "what `run` prints is what `get` prints later");

    let text = host.text(["run", &example("hello"), "--arg", "name=World"]).ok();
    assert_eq!(text.stdout, "\"Hello, World! Yours durably, Kitaru.\"\n", "in text form, the result and nothing else");
}

#[test]
fn f2_a_detached_run_can_be_followed_to_its_result() {
    let host = Host::new();
    let started = host.item(["run", &example("hello"), "--arg", "name=World", "--detach"]);
    let id = started["exec_id"].as_str().unwrap();
    host.json(["executions", "logs", id, "--follow"]).ok().json_lines();
    let execution = host.get(id);
    assert_eq!(
        (&execution["status"], &execution["result"]),
        (&json!("completed"), &json!("Hello, World! Yours durably, Kitaru."))
    );
}

/// Kitaru's handle can only return a value, so asking it early is an error. Ours says how the execution stands.
#[test]
fn f3_a_running_execution_says_that_it_runs() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": 1, "milliseconds": 600_000 }).to_string();
    let running = host.spawn(host.json_command(["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()]));
    until("the first body", || (!traces.read().is_empty()).then_some(()));
    let execution = host.item(["executions", "latest"]);
    assert_eq!(execution["status"], "running");
    assert_eq!((&execution["result"], &execution["has_result"]), (&Value::Null, &json!(false)));
    assert!(execution["runner"].as_str().unwrap().contains(&running.id().to_string()), "it names the process: {execution:#}");
    assert_eq!(checkpoint(&execution, "slow_tick")["status"], "running");
}

#[test]
fn f4_a_failed_flow_is_a_typed_error_with_the_command_that_retries_it() {
    let host = Host::new();
    let reply = host.try_flow("uncaught", &json!({ "message": "no ink" }), &[]);
    let error = reply.refused("KitaruUserCodeError", &["no ink"]);
    assert_eq!((&error["status"], &error["origin"]), (&json!("failed"), &json!("user_code")));
    let id = reply.failed_execution();
    let execution = host.get(&id);
    assert_eq!(execution["failure"]["origin"], "user_code");
    assert_eq!(execution["failure"]["call_index"], 1, "the call that failed first");
    assert!(execution["ended_at"].is_string());

    let text = host.text(["run", &fixture("conformance:uncaught"), "--arg", "message=no ink"]);
    assert_eq!((text.code, text.stdout.as_str()), (Some(1), ""));
    let id = host.item(["executions", "latest"])["exec_id"].as_str().unwrap().to_owned();
    assert!(text.stderr.contains("no ink"), "{text:?}");
    assert!(text.stderr.trim_end().ends_with(&format!("kitaru-host executions retry {id}")), "{text:?}");
}

#[test]
fn f5_a_cancelled_flow_is_an_error_without_a_retry() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": 2, "milliseconds": 600_000 }).to_string();
    let running = host.spawn(host.command(["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()]));
    until("the first body", || (!traces.read().is_empty()).then_some(()));
    let id = host.item(["executions", "latest"])["exec_id"].as_str().unwrap().to_owned();
    assert_eq!(host.item(["executions", "cancel", &id])["status"], "cancelled");
    let reply = running.finish();
    assert_eq!(reply.code, Some(1), "{reply:?}");
    assert!(reply.stderr.contains("cancelled") && !reply.stderr.contains("retry"), "{reply:?}");
    assert_eq!(traces.steps(), [1], "the running body was ended and the next one never started");
    host.json(["executions", "cancel", &id]).refused("KitaruStateError", &["cancelled"]);
    host.json(["executions", "retry", &id]).refused("KitaruStateError", &["cancelled"]);
}

/// Kitaru has to guess the result of a flow with several outputs, or none; ours is what the function returns.
#[test]
fn f6_f7_the_result_is_what_the_flow_returns() {
    let host = Host::new();
    assert_eq!(host.flow("several_results", &json!({}), &[])["result"], json!(["text", 7]));
    assert_eq!(host.flow("no_calls", &json!({}), &[])["result"], "nothing happened");
    for (given, result) in [(true, json!("here")), (false, Value::Null)] {
        assert_eq!(host.flow("option_result", &json!({ "present": given }), &[])["result"], result);
    }
}

#[test]
fn f13_null_is_a_result() {
    let host = Host::new();
    let execution = host.flow("null_result", &json!({}), &[]);
    assert_eq!(execution["status"], "completed");
    assert_eq!((&execution["result"], &execution["has_result"]), (&Value::Null, &json!(true)));
    assert_eq!(host.text(["run", &fixture("conformance:null_result")]).ok().stdout, "null\n");
}

/// In Python these are errors when they happen. With our SDK they do not compile, because each needs the scope that it is called in; a guest in
/// another language gets the same context failures. (The fixture calls them while it describes itself, which is outside every flow.)
#[test]
fn c1_w1_a1_l1_outside_a_flow_there_is_nothing_to_call() {
    let host = Host::new();
    let item = host.item(["inspect", &fixture("outside")]);
    let schema = item["manifest"]["flows"][0]["input"].to_string();
    let expected = [
        ("checkpoint", "Checkpoints can only run inside a flow."),
        ("wait", "wait() can only run inside a flow."),
        ("log", "log() can only be called inside a flow."),
        ("save", "save() can only be called inside a checkpoint."),
        ("load", "load() can only be called inside a checkpoint."),
        ("llm", "llm() can only be called inside a flow."),
    ];
    for (call, message) in expected {
        let answer = json!({ "kind": "context", "message": message });
        let in_text = json!(format!("\"{call}\":{answer}")).to_string();
        assert!(schema.contains(in_text.trim_matches('"')), "{call}: {schema}");
    }
}

/// A checkpoint is not an entry point either.
#[test]
fn c1_a_checkpoint_cannot_be_run_by_itself() {
    let host = Host::new();
    host.json(["run", &fixture("conformance:echo"), "--input", r#"{"value":1}"#])
        .refused("KitaruUsageError", &["no flow `echo`", "`thrice`"]);
    assert_eq!(host.json(["executions", "list"]).items(), [] as [Value; 0]);
}

#[test]
fn c2_a_checkpoint_in_a_checkpoint_is_a_context_failure() {
    let host = Host::new();
    let answer = &host.flow("raw_call_in_checkpoint", &json!({}), &[])["result"];
    assert_eq!(answer["kind"], "context");
    assert!(answer["message"].as_str().unwrap().contains("Nested checkpoint calls"), "{answer}");
}

#[test]
fn c4_c5_attempts_stay_under_one_call_whose_failure_is_the_last_one() {
    let host = Host::new();
    let arguments = |succeed_on: u32| json!({ "path": Traces::guest_path(), "succeed_on": succeed_on });
    let execution = host.flow("count_flaky", &arguments(3), &[&host.writable()]);
    assert_eq!(execution["result"], 6);
    let flaky = checkpoint(&execution, "flaky_tick");
    assert_eq!(flaky["status"], "completed");
    assert_eq!(names(&flaky["attempts"], "status"), ["failed", "failed", "completed"]);
    assert_eq!(execution["checkpoint_count"], 3);
    let keys: Vec<_> = Traces::new(&host).read().into_iter().filter(|trace| trace.step == 2).collect();
    assert_eq!(keys.iter().map(|trace| trace.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(keys.iter().all(|trace| trace.key == flaky["call_id"]), "one call, one idempotency key: {keys:?}");

    let host = Host::new();
    let reply = host.try_flow("count_flaky", &arguments(9), &[&host.writable()]);
    reply.refused("KitaruUserCodeError", &["attempt 3"]);
    let execution = host.get(&reply.failed_execution());
    let flaky = checkpoint(&execution, "flaky_tick");
    assert_eq!(names(&flaky["attempts"], "status"), ["failed", "failed", "failed"]);
    assert_eq!(flaky["failure"], flaky["attempts"][2]["failure"]);
}

#[test]
fn c5_a_failure_that_is_not_retryable_is_not_retried() {
    let host = Host::new();
    for (retryable, attempts) in [(true, 3), (false, 1)] {
        let reply = host.try_flow("custom_failure", &json!({ "kind": "quota", "retryable": retryable }), &[]);
        let error = reply.error();
        assert_eq!(error["failure_kind"], "quota");
        let execution = host.get(&reply.failed_execution());
        assert_eq!(execution["checkpoints"][0]["attempts"].as_array().unwrap().len(), attempts);
        assert_eq!(execution["failure"]["details"]["attempt"], attempts);
    }
}

#[test]
fn c7_c8_types() {
    let host = Host::new();
    let execution = host.flow("named_and_typed", &json!({}), &[]);
    let tool = checkpoint(&execution, "renamed-step");
    assert_eq!((&tool["name"], &tool["checkpoint_type"]), (&json!("renamed-step"), &json!("tool_call")));
    assert_eq!(tool["metadata"], json!({}));
    let own = checkpoint(&execution, "typed");
    assert_eq!(own["checkpoint_type"], Value::Null, "an author's own type is metadata");
    assert_eq!(own["metadata"]["kitaru"], json!({ "boundary": "checkpoint", "type": "custom_word" }));
    let plain = host.flow("echo_value", &json!({ "value": 1 }), &[]);
    assert_eq!(checkpoint(&plain, "echo")["checkpoint_type"], Value::Null);
    assert_eq!(checkpoint(&plain, "echo")["metadata"], json!({}));
}

#[test]
fn c10_a_checkpoint_called_three_times_has_three_calls() {
    let host = Host::new();
    let execution = host.flow("thrice", &json!({}), &[]);
    assert_eq!(execution["result"], json!([1, 2, 3]));
    assert_eq!(names(&execution["checkpoints"], "invocation_id"), ["echo", "echo_2", "echo_3"]);
    assert_eq!(names(&execution["checkpoints"], "name"), ["echo", "echo", "echo"]);
    let id = execution["exec_id"].as_str().unwrap();
    assert_eq!(call_ids(&execution), [format!("{id}:0"), format!("{id}:1"), format!("{id}:2")]);
}

#[test]
fn c11_an_invocation_id_of_the_authors_own() {
    let host = Host::new();
    let execution = host.flow("custom_id", &json!({}), &[]);
    assert_eq!(names(&execution["checkpoints"], "invocation_id"), ["custom", "echo"]);
    let id = execution["exec_id"].as_str().unwrap();
    let replay = host.item(["executions", "replay", id, "--override", r#"checkpoint.custom="edited""#]);
    assert_eq!(replay["result"], json!(["edited", "second"]), "a replay finds the call by it");
    let reply = host.try_flow("same_id_twice", &json!({}), &[]);
    assert_eq!(reply.refused("KitaruUserCodeError", &["`custom` is used twice"])["failure_kind"], "usage");
}

#[test]
fn c14_a_caught_failure_is_recorded_and_leads_the_same_way_again() {
    let host = Host::new();
    let execution = host.flow("caught", &json!({ "works": false }), &[]);
    assert_eq!(execution["status"], "completed");
    assert_eq!(execution["result"], "fell back after: it did not work");
    assert_eq!(checkpoint(&execution, "risky")["status"], "failed");
    assert_eq!(checkpoint(&execution, "risky")["failure"]["message"], "it did not work");

    let waiting = host.flow("caught_then_wait", &json!({}), &[]);
    assert_eq!(waiting["status"], "waiting");
    let id = waiting["exec_id"].as_str().unwrap();
    let done = host.item(["executions", "input", id, "--value", "true"]);
    assert_eq!(done["status"], "completed");
    assert_eq!(done["result"]["text"], "fell back after: it did not work");
    assert_eq!((&done["result"]["kind"], &done["result"]["call_index"]), (&json!("error"), &json!(0)));
    assert_eq!(names(&done["checkpoints"], "status"), ["failed", "completed"]);
    assert_eq!(done["checkpoints"][0]["attempts"].as_array().unwrap().len(), 1, "the failure was served, not met again");
}

#[test]
fn c15_what_cannot_be_an_output_fails_with_origin_runtime() {
    let host = Host::new();
    let cases = [
        ("unserialisable_checkpoint", json!({ "what": "map" }), [].as_slice(), "serialization"),
        ("unserialisable_flow", json!({ "what": "map" }), &[], "serialization"),
        ("big_checkpoint_result", json!({ "bytes": 2 << 20 }), &["--max-value=1"], "limit"),
        ("big_flow_result", json!({ "bytes": 2 << 20 }), &["--max-value=1"], "limit"),
        ("big_argument", json!({ "bytes": 2 << 20 }), &["--max-value=1"], "limit"),
    ];
    for (flow, arguments, flags, kind) in cases {
        let reply = host.try_flow(flow, &arguments, flags);
        let error = reply.error();
        assert_eq!((&error["origin"], &error["failure_kind"]), (&json!("runtime"), &json!(kind)), "{flow}{reply:?}");
        assert_eq!(error["type"], "KitaruExecutionError", "{flow}{reply:?}");
    }
    // Just below the limit, with the quotes.
    let fits = host.flow("big_checkpoint_result", &json!({ "bytes": (1 << 20) - 2 }), &["--max-value=1"]);
    assert_eq!(fits["result"], (1 << 20) - 2);
}

#[test]
fn values_go_through_checkpoints_unchanged() {
    let host = Host::new();
    let values = [
        json!(null),
        json!("\u{0}\u{7f}\u{1F600} \"\\/\u{2028}"),
        json!([[], {}, [{}], ""]),
        json!({ "b": 1, "a": { "z": 1.5, "y": -0.0 } }),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e300),
        json!(0.1),
    ];
    for value in values {
        assert_eq!(host.flow("echo_value", &json!({ "value": value }), &[])["result"], value);
    }
}

#[test]
fn panics_exits_and_errors_of_guests_are_told_apart() {
    let host = Host::new();
    let cases = [
        ("flow_error", json!({ "message": "mine" }), "flow_trouble", "mine"),
        ("foreign_error", json!({}), "error", "invalid digit"),
        ("flow_panic", json!({ "message": "over" }), "trap", "over"),
        ("checkpoint_panic", json!({ "message": "over" }), "trap", "over"),
        ("index_panic", json!({ "index": 7 }), "trap", "index out of bounds"),
        ("exit_flow", json!({ "code": 3 }), "exit", "ended its process"),
        ("exit_checkpoint", json!({ "code": 3 }), "exit", "ended its process"),
    ];
    for (flow, arguments, kind, message) in cases {
        let reply = host.try_flow(flow, &arguments, &[]);
        let error = reply.refused("KitaruUserCodeError", &[message]);
        assert_eq!(error["failure_kind"], kind, "{flow}{reply:?}");
    }
    let caught = host.flow("caught_panic", &json!({}), &[]);
    assert_eq!(caught["result"], json!({ "kind": "trap", "retryable": true }));
    assert_eq!(
        names(&caught["checkpoints"][0]["attempts"], "status"),
        ["failed", "failed", "failed"],
        "a trap ends the attempt only"
    );
}

#[test]
fn what_a_guest_asks_wrongly_is_refused_with_a_typed_failure() {
    let host = Host::new();
    let cases = [
        ("raw_unknown_checkpoint", json!({}), "usage", "no_such_checkpoint"),
        ("raw_input", json!({ "input": "{" }), "usage", "not JSON"),
        ("raw_input", json!({ "input": "[]" }), "usage", "object"),
        ("raw_log", json!({ "key": "k", "json": "}" }), "usage", "not JSON"),
        ("raw_wait", json!({ "schema": "nonsense", "metadata": null }), "usage", "schema"),
        ("raw_wait", json!({ "schema": "3", "metadata": null }), "usage", "JSON Schema"),
        ("raw_wait", json!({ "schema": null, "metadata": "[]" }), "usage", "object"),
        ("raw_save_text", json!({ "text": "{" }), "usage", "not JSON"),
    ];
    for (flow, arguments, kind, message) in cases {
        let answer = &host.flow(flow, &arguments, &[])["result"];
        assert_eq!(answer["kind"], kind, "{flow} {arguments}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(message), "{flow} {arguments}: {answer}");
    }
}
