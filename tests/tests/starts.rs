//! Starts with a key: whoever asks again, because no answer came, gets the same execution, and never two.

use kitaru_tests::{Host, Reply, Trace, Traces, example, fixture, id, until};
use serde_json::{Value, json};

/// All executions, newest first.
fn executions(host: &Host) -> Vec<Value> {
    host.json(["executions", "list"]).items()
}

#[test]
fn the_same_key_starts_once() {
    let host = Host::warm();
    host.item(["deploy", &example("hello"), "--arg", "name=Ada"]);
    let invoke = |flags: &[&str]| host.json([&["invoke", "hello", "--idempotency-key"], flags].concat());
    let first = invoke(&["k1"]).item();
    assert_eq!(first["result"], "Hello, Ada! Yours durably, Kitaru.");
    assert_eq!(invoke(&["k1"]).item(), first, "the same, whole");
    assert_eq!(invoke(&["k1", "--detach"]).item()["exec_id"], first["exec_id"], "how one waits for it is no part of it");
    assert_ne!(invoke(&["k2"]).item()["exec_id"], first["exec_id"]);
    let taken = invoke(&["k1", "--arg", "name=Bob"]).refused("KitaruStateError", &["'k1'", id(&first)]);
    assert!(taken["hint"].as_str().unwrap().contains("another key"), "{taken}");
    invoke(&["k1", "--version", "1"]).refused("KitaruStateError", &["another request"]);
    // A version that is the default by now is another one than was asked for, and the request is the same.
    host.item(["deploy", &example("hello"), "--arg", "name=Bob"]);
    assert_eq!(invoke(&["k1"]).item()["exec_id"], first["exec_id"]);
    host.item(["flow", "delete", "hello"]);
    assert_eq!(invoke(&["k1"]).item()["exec_id"], first["exec_id"], "also when there is no such flow any more");
    for wrong in ["", " ", "a\nb"] {
        invoke(&[wrong]).refused("KitaruUsageError", &["idempotency key"]);
    }
    assert_eq!(executions(&host).len(), 2);
}

#[test]
fn a_run_with_a_key_goes_on_where_it_was() {
    let host = Host::warm();
    let target = fixture("conformance:wait_bool");
    let run = |flags: &[&str]| host.json([&["run", &target, "--idempotency-key", "k"], flags].concat());
    let waiting = run(&[]).item();
    assert_eq!(waiting["status"], "waiting");
    assert_eq!(run(&[]).item()["exec_id"], waiting["exec_id"]);
    host.item(["executions", "input", id(&waiting), "--value", "true"]);
    let done = run(&[]).item();
    assert_eq!((&done["exec_id"], &done["status"]), (&waiting["exec_id"], &json!("completed")));
    run(&["--max-calls", "9"]).refused("KitaruStateError", &["another request"]);
    run(&["--tag", "x"]).refused("KitaruStateError", &["another request"]);
    assert_eq!(executions(&host).len(), 1);
}

#[test]
fn who_asks_at_once_gets_one_execution() {
    let host = Host::warm();
    host.item(["deploy", &example("hello"), "--arg", "name=Ada"]);
    let asking: Vec<_> =
        (0..6).map(|_| host.spawn(host.json_command(["invoke", "hello", "--detach", "--idempotency-key", "k"]))).collect();
    let ids: Vec<String> = asking.into_iter().map(|asking| id(&asking.finish().item()).to_owned()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(executions(&host).len(), 1);
    until("the end of the execution", || (host.get(&ids[0])["status"] == "completed").then_some(()));
}

/// The process dies right before and right after each of its writes, the first of which creates the execution; the same command again ends it.
#[test]
fn whoever_dies_in_between_there_is_one_execution() {
    let input = json!({ "path": Traces::guest_path(), "steps": 2 }).to_string();
    let mut deaths = 0;
    for side in ["KITARU_FAULT_KILL_BEFORE", "KITARU_FAULT_KILL_AT"] {
        for write in 1.. {
            assert!(write < 50, "the command never gets past its fault point");
            let host = Host::warm();
            let target = fixture("conformance:count");
            let words = ["run", &target, "--input", &input, &host.writable(), "--idempotency-key", "k"];
            let mut command = host.json_command(words);
            command.env(side, write.to_string());
            let killed = Reply::from(command);
            let place = format!("{side}={write}");
            assert!(killed.code.is_none() || killed.code == Some(0), "{place}: it dies or it works{killed:?}");
            let left = executions(&host);
            assert_eq!(left.len(), usize::from(side.ends_with("AT") || write > 1), "{place}: it is there, or it is not");
            let done = host.item(words);
            assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!(3)), "{place}");
            assert!(left.iter().all(|left| left["exec_id"] == done["exec_id"]), "{place}: the same");
            assert_eq!(executions(&host).len(), 1, "{place}: one, and never two");
            let traces = Traces::new(&host).read();
            let runs = |step: u64| traces.iter().filter(|trace: &&Trace| trace.step == step).count();
            assert!((2..=3).contains(&traces.len()) && runs(1) >= 1 && runs(2) >= 1, "{place}: {traces:?}");
            if killed.code == Some(0) {
                assert_eq!(traces.len(), 2, "{place}: nothing ran again");
                break;
            }
            deaths += 1;
        }
    }
    // The creation, the first start, and each end with what follows it.
    assert!(deaths >= 2 * 4, "{deaths} deaths");
}
