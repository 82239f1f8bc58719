//! E7: calls beside each other, futures, and what becomes of calls that nobody asks for.

use std::time::{Duration, Instant};

use kitaru_tests::{Host, Running, Traces, checkpoint, fixture, id, names, until};
use serde_json::{Value, json};

/// Runs a flow of the fixture that leaves traces.
fn traced(host: &Host, flow: &str, mut arguments: Value, flags: &[&str]) -> kitaru_tests::Reply {
    arguments["path"] = json!(Traces::guest_path());
    host.try_flow(flow, &arguments, &[&[host.writable().as_str()], flags].concat())
}

/// Starts a flow of the fixture that leaves traces.
fn started(host: &Host, flow: &str, mut arguments: Value, flags: &[&str]) -> Running {
    arguments["path"] = json!(Traces::guest_path());
    let (target, input, grant) = (fixture(&format!("conformance:{flow}")), arguments.to_string(), host.writable());
    host.spawn(host.json_command([&["run", &target, "--input", &input, &grant], flags].concat()))
}

/// Less than a held body takes, and more than anything that does not wait for one.
const SOON: Duration = Duration::from_millis(Traces::HELD / 2);

#[test]
fn c12_map_runs_its_calls_beside_each_other_and_keeps_their_order() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let running = started(&host, "fan_out", json!({ "steps": 6, "milliseconds": Traces::HELD }), &[]);
    // None of them ends before all of them run.
    until("six bodies beside each other", || (traces.steps().len() == 6).then_some(()));
    traces.open(1..=6);
    let done = running.finish().item();
    assert_eq!(done["result"], json!([1, 2, 3, 4, 5, 6]));
    let calls = done["checkpoints"].as_array().unwrap();
    assert_eq!(calls.len(), 6);
    let invocations = names(&done["checkpoints"], "invocation_id");
    assert_eq!(invocations[..3], ["slow_tick", "slow_tick_2", "slow_tick_3"]);
}

#[test]
fn the_limit_on_parallel_bodies_holds() {
    let host = Host::new();
    let done = traced(&host, "fan_out", json!({ "steps": 4, "milliseconds": 400 }), &["--max-parallel=1"]).item();
    assert_eq!(done["result"], json!([1, 2, 3, 4]));
    let mut spans: Vec<(String, String)> = Vec::new();
    for call in done["checkpoints"].as_array().unwrap() {
        let attempt = &call["attempts"][0];
        spans.push((attempt["started_at"].as_str().unwrap().into(), attempt["ended_at"].as_str().unwrap().into()));
    }
    spans.sort();
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "one after the other: {spans:?}");
    let reply = host.json(["run", &fixture("conformance:no_calls"), "--max-parallel=0"]);
    assert_eq!(reply.code, Some(1), "{reply:?}");
}

#[test]
fn c13_product_calls_every_combination() {
    let host = Host::new();
    let done = host.flow("pairs", &json!({}), &[]);
    assert_eq!(done["result"], json!(["1a", "1b", "2a", "2b"]));
    assert_eq!(done["checkpoints"].as_array().unwrap().len(), 4);
}

#[test]
fn e7_the_winner_of_first_is_journaled_and_served() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let running = started(&host, "race", json!({ "quick": 10, "slow": Traces::HELD }), &[]);
    // The slow one ends only after the choice.
    until("the step after the choice", || traces.steps().contains(&11).then_some(()));
    traces.open([1]);
    let done = running.finish().item();
    assert_eq!(done["result"], json!({ "winner": 1, "first": 1, "second": 2 }));
    let journal = host.journal(id(&done));
    let choice = journal.iter().find(|call| call["kind"] == "first").expect("a call of its own");
    assert_eq!((&choice["output"], &choice["input"]["calls"]), (&json!(1), &json!([0, 1])));
    // A replay from after the choice is served it, though nothing runs that could win.
    let before = traces.steps().len();
    let replay = host.item(["executions", "replay", id(&done), "--from", "tick"]);
    assert_eq!(replay["result"], done["result"]);
    assert_eq!(traces.steps().len(), before + 1, "only the step after the choice ran again");
}

#[test]
fn c14_failures_in_a_group_are_each_calls_own() {
    let host = Host::new();
    let blocker = host.file("blocker", "");
    let guest = "out/blocker";
    let all = json!({ "steps": 4, "bad": [2, 3], "blocker": guest, "strict": false });
    let done = traced(&host, "some_fail", all, &[]).item();
    assert_eq!(done["result"], json!([1, "item 2 is bad", "item 3 is bad", 4]));
    let strict = json!({ "steps": 4, "bad": [2, 3], "blocker": guest, "strict": true });
    let failed = traced(&host, "some_fail", strict, &[]).failed_execution();
    let execution = host.get(&failed);
    assert_eq!(execution["failure"]["call_index"], 1, "the first failure in the order of the inputs");
    // E9: a retry runs the failed calls again, those that the flow never asked about too, and no other.
    std::fs::remove_file(&blocker).unwrap();
    let traces = Traces::new(&host);
    let before = traces.steps().len();
    let done = host.item(["executions", "retry", &failed]);
    assert_eq!(done["result"], json!([1, 2, 3, 4]));
    let mut again = traces.steps()[before..].to_vec();
    again.sort_unstable();
    // The fourth was ended by the flow's failure if it had not come to its end before.
    assert!([vec![2, 3], vec![2, 3, 4]].contains(&again), "{again:?}");
}

#[test]
fn what_a_flow_submitted_and_did_not_ask_for_comes_to_its_end() {
    let host = Host::new();
    let done = traced(&host, "left_behind", json!({ "milliseconds": 500 }), &[]).item();
    assert_eq!(done["result"], "done");
    assert_eq!(checkpoint(&done, "slow_tick")["status"], "completed");
}

#[test]
fn a_failed_flow_ends_what_still_runs() {
    let host = Host::new();
    let since = Instant::now();
    let failed = traced(&host, "fails_beside", json!({ "milliseconds": Traces::HELD }), &[]).failed_execution();
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    assert_eq!(checkpoint(&host.get(&failed), "slow_tick")["status"], "cancelled");
}

/// What the flow cancelled because of a failure, it would not have cancelled without.
#[test]
fn e9_a_retry_runs_again_what_was_cancelled_because_of_the_failure() {
    let host = Host::new();
    let blocker = host.file("blocker", "");
    let failed = traced(&host, "all_or_nothing", json!({ "blocker": "out/blocker", "milliseconds": Traces::HELD }), &[]);
    let failed = failed.failed_execution();
    assert_eq!(checkpoint(&host.get(&failed), "slow_tick")["status"], "cancelled");
    std::fs::remove_file(blocker).unwrap();
    Traces::new(&host).open([2]);
    assert_eq!(host.item(["executions", "retry", &failed])["result"], 3);
    assert_eq!(host.json(["executions", "verify", &failed]).items()[0]["holds"], true);
}

/// What the flow itself cancelled before the anchor stays cancelled: nothing before the anchor runs.
#[test]
fn e10_a_replay_serves_a_call_that_its_flow_had_cancelled() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let done = traced(&host, "cancelled_then", json!({ "milliseconds": Traces::HELD }), &[]).item();
    assert_eq!(checkpoint(&done, "slow_tick")["status"], "cancelled");
    let before = traces.steps();
    let replay = host.item(["executions", "replay", done["exec_id"].as_str().unwrap(), "--from", "tick_2"]);
    assert_eq!(replay["result"], done["result"]);
    assert_eq!(names(&replay["checkpoints"], "status"), ["cancelled", "completed", "completed"]);
    assert_eq!(traces.steps()[before.len()..], [3], "only the anchor ran");
    assert_eq!(host.json(["executions", "verify", replay["exec_id"].as_str().unwrap()]).items()[0]["holds"], true);
}

#[test]
fn a_cancelled_execution_ends_what_still_runs() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let running = started(&host, "fan_out", json!({ "steps": 3, "milliseconds": Traces::HELD }), &[]);
    until("three bodies", || (traces.steps().len() == 3).then_some(()));
    let exec = host.json(["executions", "list"]).items()[0]["exec_id"].as_str().unwrap().to_owned();
    let cancelled = host.item(["executions", "cancel", &exec]);
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(names(&cancelled["checkpoints"], "status"), ["cancelled"; 3]);
    assert_eq!(running.finish().code, Some(1));
}

#[test]
fn a_cancelled_call_ends_and_the_flow_goes_on() {
    let host = Host::new();
    let since = Instant::now();
    let done = traced(&host, "cancelled_call", json!({ "milliseconds": Traces::HELD }), &[]).item();
    assert!(since.elapsed() < SOON, "{:?}", since.elapsed());
    assert_eq!(done["result"], "went on");
    assert_eq!(checkpoint(&done, "slow_tick")["status"], "cancelled");
}

#[test]
fn an_async_flow_joins() {
    let host = Host::new();
    let done = traced(&host, "joined", json!({ "milliseconds": 700 }), &[]).item();
    assert_eq!(done["result"], json!([1, 2]));
    let kinds: Vec<String> = host.journal(id(&done)).iter().map(|call| call["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds.iter().filter(|kind| *kind == "sleep").count(), 1, "{kinds:?}");
}

#[test]
fn an_async_flow_selects_and_cancels_the_loser() {
    let host = Host::new();
    let late = traced(&host, "in_time", json!({ "work": Traces::HELD, "limit": 300 }), &[]).item();
    assert_eq!(late["result"], "too late");
    assert_eq!(checkpoint(&late, "slow_tick")["status"], "cancelled");
    let done = traced(&host, "in_time", json!({ "work": 10, "limit": 60_000 }), &[]).item();
    assert_eq!(done["result"], "step 1");
    // What it saw is what a replay sees.
    let replay = host.item(["executions", "replay", id(&late), "--from", "tick"]);
    assert_eq!(replay["result"], "too late");
}

#[test]
fn an_async_flow_waits_for_two_people_in_any_order() {
    let host = Host::new();
    let asked = host.flow("two_people", &json!({}), &[]);
    assert_eq!(asked["status"], "waiting");
    let open = host.json(["executions", "pending-waits", id(&asked)]).items();
    assert_eq!(names(&Value::Array(open), "name"), ["first", "second"], "both are asked at once");
    let after = host.item(["executions", "input", id(&asked), "--wait", "second", "--value", "true"]);
    assert_eq!(after["status"], "waiting");
    let done = host.item(["executions", "input", id(&asked), "--wait", "first", "--value", "false"]);
    assert_eq!(done["result"], json!(["second: true", "first: false"]));
}

#[test]
fn an_async_flow_that_awaits_nothing_durable_is_told() {
    let host = Host::new();
    let reply = host.try_flow("awaits_nothing", &json!({}), &[]);
    assert!(reply.error()["message"].as_str().unwrap().contains("no durable call"), "{reply:?}");
}

/// A parallel flow killed in the middle resumes to the same result, and only what was in flight runs again.
#[test]
fn e7_a_parallel_flow_killed_in_the_middle_comes_to_the_same_result() {
    let host = Host::new();
    let traces = Traces::new(&host);
    traces.open([1, 2]);
    let running = started(&host, "fan_out", json!({ "steps": 4, "milliseconds": Traces::HELD }), &["--max-parallel=2"]);
    until("the third body", || (traces.steps().len() >= 3).then_some(()));
    running.kill();
    traces.open([3, 4]);
    let exec = host.json(["executions", "list"]).items()[0]["exec_id"].as_str().unwrap().to_owned();
    let done = host.item(["executions", "resume", &exec]);
    assert_eq!(done["result"], json!([1, 2, 3, 4]));
    for step in 1..=4 {
        let runs = traces.read().into_iter().filter(|trace| trace.step == step).count();
        assert!((1..=2).contains(&runs), "step {step} ran {runs} times");
    }
}
