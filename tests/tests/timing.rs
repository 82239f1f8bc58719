//! Sleeps, deadlines, pauses, timeouts, and retries of flows.

use std::time::Duration;

use kitaru_tests::{Host, Traces, checkpoint, fixture, id, names, until};
use serde_json::{Value, json};

fn traced(host: &Host, flow: &str, mut arguments: Value) -> kitaru_tests::Reply {
    arguments["path"] = json!(Traces::guest_path());
    host.try_flow(flow, &arguments, &[host.writable().as_str()])
}

fn micros(text: &Value) -> i64 {
    let text = text.as_str().unwrap();
    text.parse::<jiff::Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}")).as_microsecond()
}

/// Returns when this moment has passed.
fn sleep_past(moment: &Value) {
    let left = micros(moment) - jiff::Timestamp::now().as_microsecond();
    std::thread::sleep(Duration::from_micros(u64::try_from(left).unwrap_or_default()) + Duration::from_millis(10));
}

/// The call of an execution that is a sleep.
fn sleep_of(host: &Host, exec: &str) -> Value {
    host.journal(exec).into_iter().find(|call| call["kind"] == "sleep").unwrap()
}

/// Later than that nothing is that was on time, however busy the machine.
const LATE: i64 = 60_000_000;

#[test]
fn e8_a_sleep_is_a_durable_call_that_ends_when_its_time_has_come() {
    let host = Host::new();
    let done = traced(&host, "sleeps", json!({ "milliseconds": 400 })).item();
    assert_eq!(done["result"], 2);
    let slept = sleep_of(&host, id(&done));
    let late = micros(&slept["ended_at"]) - micros(&slept["wakes_at"]);
    assert!((0..LATE).contains(&late), "{late} µs late: {slept:#}");
    assert!(micros(&slept["wakes_at"]) - micros(&slept["started_at"]) >= 400_000, "{slept:#}");
}

#[test]
fn e8_a_sleep_goes_on_through_the_death_of_its_host_and_fires_at_once_when_it_starts_late() {
    const MILLISECONDS: i64 = 8_000;
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "milliseconds": MILLISECONDS }).to_string();
    let running = host.spawn(host.json_command(["run", &fixture("conformance:sleeps"), "--input", &input, &host.writable()]));
    let asleep = until("the sleep", || {
        let found = host.json(["executions", "list", "--status", "waiting"]).items();
        found.into_iter().find(|summary| summary["wakes_at"].is_string())
    });
    let exec = id(&asleep);
    assert_eq!(host.json(["executions", "pending-waits", exec]).items(), [] as [Value; 0], "nobody has to answer");
    running.kill();
    sleep_past(&asleep["wakes_at"]);
    let resumed_at = jiff::Timestamp::now().as_microsecond();
    let done = host.item(["executions", "resume", exec]);
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!(2)));
    let slept = sleep_of(&host, exec);
    assert_eq!(slept["wakes_at"], asleep["wakes_at"], "it counts from when it first began");
    // Had it begun anew, it could not have ended earlier than that.
    assert!(micros(&slept["ended_at"]) < resumed_at + MILLISECONDS * 1_000, "the time that passed counts: {slept:#}");
    assert_eq!(traces.steps(), [1, 2]);
}

#[test]
fn a_wait_with_a_default_answers_itself_at_its_deadline() {
    let host = Host::new();
    let words = ["run", &fixture("conformance:wait_or_after"), "--arg", "milliseconds=500", "--wait"];
    let done = host.item(words);
    assert_eq!(done["result"], false);
    assert_eq!(done["waits"][0]["status"], "expired");
    let asked = host.flow("wait_or_after", &json!({ "milliseconds": 60_000 }), &[]);
    assert!(asked["pending_wait"]["deadline"].is_string(), "{asked:#}");
    assert_eq!(host.item(["executions", "input", id(&asked), "--value", "true"])["result"], true);
}

#[test]
fn a_wait_that_nobody_answered_in_time_fails_and_late_answers_are_refused() {
    let host = Host::new();
    let asked = host.flow("wait_within", &json!({ "milliseconds": 5_000 }), &[]);
    assert_eq!(asked["status"], "waiting");
    sleep_past(&asked["pending_wait"]["deadline"]);
    host.json(["executions", "input", id(&asked), "--value", "true"]).refused("KitaruStateError", &["deadline", "has passed"]);
    assert_eq!(host.item(["executions", "resume", id(&asked)])["result"], "timeout");
    let reply = host.try_flow("wait_bad_default", &json!({}), &[]);
    assert!(reply.error()["message"].as_str().unwrap().contains("default is no answer"), "{reply:?}");
}

#[test]
fn c4_attempts_are_recorded_with_growing_pauses() {
    let host = Host::new();
    let done = traced(&host, "backs_off", json!({ "succeed_on": 4 })).item();
    assert_eq!(done["result"], 4);
    let call = checkpoint(&done, "patient");
    let attempts = call["attempts"].as_array().unwrap();
    assert_eq!(names(&call["attempts"], "status"), ["failed", "failed", "failed", "completed"]);
    for (pair, pause) in attempts.windows(2).zip([200_000, 300_000, 300_000]) {
        let found = micros(&pair[1]["started_at"]) - micros(&pair[0]["ended_at"]);
        assert!(found >= pause && found < pause + LATE, "{found} µs instead of {pause}");
    }
    assert_eq!(attempts[0]["failure"]["message"], "attempt 1 fails");
}

#[test]
fn c5_the_last_attempts_failure_is_the_calls() {
    let host = Host::new();
    let failed = traced(&host, "backs_off", json!({ "succeed_on": 9 })).failed_execution();
    let call = host.get(&failed);
    assert_eq!(checkpoint(&call, "patient")["failure"]["message"], "attempt 4 fails");
}

/// An hour's pause is no reason to stay: a graceful stop leaves it to the store, and a resume goes on with what is left of it.
#[test]
fn a_pause_survives_the_death_of_its_host() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path() }).to_string();
    let words = ["run", &fixture("conformance:long_pause"), "--input", &input, &host.writable()];
    let running = host.spawn(host.json_command(words));
    let exec = until("the failed attempt", || {
        let found = host.json(["executions", "list"]).items();
        let exec = found.first()?["exec_id"].as_str()?.to_owned();
        (host.get(&exec)["checkpoints"][0]["attempts"][0]["status"] == "failed").then_some(exec)
    });
    running.kill();
    let resumed = host.spawn(host.json_command(["executions", "resume", &exec]));
    until("the runner", || host.get(&exec)["runner"].as_str().map(drop));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(traces.steps(), [1], "the second attempt is due in an hour");
    resumed.kill();
}

#[test]
fn retries_by_kind_of_failure() {
    let host = Host::new();
    for (kind, attempts) in [("busy", 4), ("closed", 1), ("other", 1)] {
        let failed = traced(&host, "tries_again_when_busy", json!({ "kind": kind })).failed_execution();
        let call = host.get(&failed);
        assert_eq!(checkpoint(&call, "choosy")["attempts"].as_array().unwrap().len(), attempts, "{kind}");
    }
}

#[test]
fn an_attempt_that_takes_too_long_is_ended_and_tried_again() {
    let host = Host::new();
    let done = traced(&host, "times_out", json!({ "milliseconds": 60_000 })).item();
    assert_eq!(done["result"], 2);
    let attempt = &checkpoint(&done, "hurried")["attempts"][0];
    assert_eq!((&attempt["failure"]["exception_type"], &attempt["failure"]["retryable"]), (&json!("timeout"), &json!(true)));
}

#[test]
fn f9_a_flow_with_retries_runs_again_in_the_same_execution() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let run = |succeed_on: u64, file: &str| {
        traced(&host, "tried_again", json!({ "file": format!("out/{file}"), "succeed_on": succeed_on }))
    };
    let done = run(3, "a").item();
    assert_eq!(done["result"], 3);
    assert_eq!(traces.steps(), [1, 2, 2, 2, 3], "completed checkpoints are not run again");
    assert_eq!(names(&checkpoint(&done, "counted_failure")["attempts"], "status"), ["failed", "failed", "completed"]);
    let failed = run(9, "b").failed_execution();
    assert_eq!(checkpoint(&host.get(&failed), "counted_failure")["attempts"].as_array().unwrap().len(), 3, "three runs at most");
}

#[test]
fn f8_negative_retries_are_refused_before_anything_starts() {
    let host = Host::new();
    let reply = host.json(["run", &fixture("conformance:no_calls"), "--retries", "-1"]);
    assert!(reply.error()["message"].as_str().unwrap().contains("Flow retries must be >= 0."), "{reply:?}");
    let none = host.json(["executions", "list"]).items();
    assert!(none.is_empty(), "{none:?}");
    // The execution's setting goes before the flow's.
    let input = json!({ "path": Traces::guest_path(), "file": "out/c", "succeed_on": 9 }).to_string();
    let words = ["run", &fixture("conformance:tried_again"), "--input", &input, &host.writable(), "--retries=0"];
    let failed = host.json(words).failed_execution();
    assert_eq!(checkpoint(&host.get(&failed), "counted_failure")["attempts"].as_array().unwrap().len(), 1);
}
