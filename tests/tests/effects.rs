//! E5: what may happen once. E14: what need not happen again.

use std::time::Duration;

use kitaru_tests::{Host, Traces, checkpoint, fixture, id, names, until};
use serde_json::{Value, json};

/// Starts a payment, and pulls the plug in the middle of it. Another one takes as long, unless it is let go of.
fn killed_in_the_middle(host: &Host, flow: &str) -> String {
    let traces = Traces::new(host);
    let input = json!({ "path": Traces::guest_path(), "milliseconds": Traces::HELD }).to_string();
    let target = fixture(&format!("conformance:{flow}"));
    let running = host.spawn(host.json_command(["run", &target, "--input", &input, &host.writable()]));
    until("the payment", || (traces.steps().len() == 1).then_some(()));
    running.kill();
    host.json(["executions", "list"]).items()[0]["exec_id"].as_str().unwrap().to_owned()
}

#[test]
fn e5_an_effect_that_may_happen_once_is_not_repeated_after_a_crash() {
    let host = Host::new();
    let exec = killed_in_the_middle(&host, "once");
    let done = host.item(["executions", "resume", &exec]);
    assert_eq!(done["result"], "unknown: unknown-outcome");
    let failure = &checkpoint(&done, "pays")["failure"];
    assert_eq!(failure["details"]["idempotency_key"], format!("{exec}:0"));
    assert_eq!(Traces::new(&host).steps(), [1], "it did not happen twice");
}

#[test]
fn e5_on_unknown_retry_runs_it_again() {
    let host = Host::new();
    let exec = killed_in_the_middle(&host, "once_retry");
    Traces::new(&host).open([1]);
    assert_eq!(host.item(["executions", "resume", &exec])["result"], "paid");
    let traces = Traces::new(&host).read();
    assert_eq!(traces.len(), 2);
    assert_eq!(traces[0].key, traces[1].key, "with the same idempotency key");
}

#[test]
fn e5_on_unknown_ask_asks_a_person() {
    for (answer, result, runs) in [
        (json!({ "action": "result", "value": "paid by hand" }), json!("paid by hand"), 1),
        (json!({ "action": "retry" }), json!("paid"), 2),
    ] {
        let host = Host::new();
        let exec = killed_in_the_middle(&host, "once_ask");
        Traces::new(&host).open([1]);
        let asked = host.item(["executions", "resume", &exec]);
        assert_eq!((&asked["status"], &asked["pending_wait"]["name"]), (&json!("waiting"), &json!("pays_or_asks")));
        host.json(["executions", "input", &exec, "--value", "true"]).refused("KitaruWaitValidationError", &["pays_or_asks"]);
        let done = host.item(["executions", "input", &exec, "--value", &answer.to_string()]);
        assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &result), "{answer}");
        assert_eq!(Traces::new(&host).steps().len(), runs, "{answer}");
    }
    let host = Host::new();
    let exec = killed_in_the_middle(&host, "once_ask");
    let _ = host.item(["executions", "resume", &exec]);
    let failed = host.item(["executions", "input", &exec, "--value", r#"{"action":"fail"}"#]);
    assert_eq!((&failed["status"], &failed["failure"]["exception_type"]), (&json!("failed"), &json!("unknown-outcome")));
}

/// An answer is about one attempt.
#[test]
fn e5_a_second_crash_is_asked_about_anew() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let exec = killed_in_the_middle(&host, "once_ask");
    let _ = host.item(["executions", "resume", &exec]);
    let again = host.spawn(host.json_command(["executions", "input", &exec, "--value", r#"{"action":"retry"}"#]));
    kitaru_tests::until("the second run", || (traces.steps().len() == 2).then_some(()));
    again.kill();
    let asked = host.item(["executions", "resume", &exec]);
    assert_eq!((&asked["status"], &asked["pending_wait"]["name"]), (&json!("waiting"), &json!("pays_or_asks")), "{asked:#}");
    assert_eq!(traces.steps().len(), 2, "nobody said that it may run a third time");
}

/// A flow that fails ends what runs beside it, wherever that is.
#[test]
fn e5_a_retry_does_not_repeat_what_the_flows_failure_ended() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let blocker = host.file("blocker", "");
    let input = json!({ "path": Traces::guest_path(), "milliseconds": Traces::HELD, "blocker": "out/blocker" }).to_string();
    let running =
        host.spawn(host.json_command(["run", &fixture("conformance:once_beside"), "--input", &input, &host.writable()]));
    // It fails after that, in the middle of the payment.
    until("the payment", || traces.steps().contains(&1).then_some(()));
    traces.open([3]);
    let exec = running.finish().failed_execution();
    let failed = host.get(&exec);
    assert_eq!(names(&checkpoint(&failed, "pays")["attempts"], "status"), ["cancelled"], "{failed:#}");
    std::fs::remove_file(blocker).unwrap();
    let done = host.item(["executions", "retry", &exec]);
    let result = done["result"].as_str().unwrap();
    assert!(result.starts_with("unknown: the flow failed while `pays` ran"), "{result}");
    assert_eq!(traces.steps().iter().filter(|step| **step == 1).count(), 1, "it was not paid twice");
}

fn cached(host: &Host, flow: &str, arguments: Value, flags: &[&str]) -> Value {
    let mut arguments = arguments;
    arguments["path"] = json!(Traces::guest_path());
    host.flow(flow, &arguments, &[&[host.writable().as_str()], flags].concat())
}

#[test]
fn e14_a_result_that_was_made_under_other_grants_is_not_served() {
    let (host, input) = (Host::new(), json!({ "value": 4 }));
    let provenance = |flags: &[&str]| checkpoint(&cached(&host, "caches", input.clone(), flags), "cached")["provenance"].clone();
    assert_eq!(provenance(&["--allow-env=LANG"]), "ran");
    assert_eq!(provenance(&[]), "ran", "a body that may touch less could not have come to it");
    assert_eq!((provenance(&["--allow-env=LANG"]), provenance(&[])), (json!("cached"), json!("cached")));
}

#[test]
fn c16_a_cached_result_is_served_to_another_execution() {
    let host = Host::new();
    let first = cached(&host, "caches", json!({ "value": 4 }), &[]);
    let second = cached(&host, "caches", json!({ "value": 4 }), &[]);
    assert_eq!((&first["result"], &second["result"]), (&json!(40), &json!(40)));
    let traces = Traces::new(&host);
    assert_eq!(traces.steps(), [4], "the second time nothing ran");
    let hit = checkpoint(&second, "cached");
    assert_eq!((&hit["status"], &hit["provenance"]), (&json!("completed"), &json!("cached")));
    assert_eq!(hit["original_call_id"], format!("{}:0", id(&first)));
    assert_eq!(hit["metadata"]["computed"], true);
    // By reference: what the call saved when it ran.
    assert_eq!(names(&hit["artifacts"], "artifact_id")[0], format!("{}:0:0", id(&first)));
    assert_eq!(cached(&host, "caches", json!({ "value": 5 }), &[])["result"], 50);
    assert_eq!(cached(&host, "caches", json!({ "value": 4, "key": "other" }), &[])["result"], 40);
    assert_eq!(traces.steps(), [4, 5, 4], "another input, and another key, are another result");
}

#[test]
fn c17_the_executions_setting_wins_over_the_checkpoints() {
    let host = Host::new();
    let traces = Traces::new(&host);
    for _ in 0..2 {
        let _ = cached(&host, "caches", json!({ "value": 1 }), &["--no-cache"]);
    }
    assert_eq!(traces.steps(), [1, 1]);
    for _ in 0..2 {
        let _ = cached(&host, "count", json!({ "steps": 1 }), &["--cache"]);
    }
    assert_eq!(traces.steps(), [1, 1, 1], "a checkpoint that says nothing is cached where the execution says so");
    for _ in 0..2 {
        let _ = cached(&host, "caches_all", json!({}), &[]);
    }
    assert_eq!(traces.steps().len(), 3, "the flow says so, and the result is there already");
}

#[test]
fn e14_a_result_grows_old_and_failures_are_not_kept() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let _ = cached(&host, "caches_briefly", json!({ "value": 1 }), &[]);
    std::thread::sleep(Duration::from_millis(1100));
    let _ = cached(&host, "caches_briefly", json!({ "value": 1 }), &[]);
    assert_eq!(traces.steps(), [1, 1]);
    for _ in 0..2 {
        let arguments = json!({ "path": Traces::guest_path() });
        let _ = host.try_flow("caches_no_failure", &arguments, &[host.writable().as_str()]).failed_execution();
    }
    assert_eq!(traces.steps().len(), 4);
}
