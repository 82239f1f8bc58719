//! Child flows: executions of their own, of which the parent's journal has one call.

use kitaru_tests::{Host, Traces, example, fixture, id, names, until};
use serde_json::{Value, json};

fn traced(host: &Host, flow: &str, mut arguments: Value) -> kitaru_tests::Reply {
    arguments["path"] = json!(Traces::guest_path());
    host.try_flow(flow, &arguments, &[host.writable().as_str()])
}

#[test]
fn a_child_is_an_execution_of_its_own_and_one_call_of_its_parent() {
    let host = Host::new();
    let done = traced(&host, "parent", json!({})).item();
    assert_eq!(done["result"], 6);
    let journal = host.journal(id(&done));
    assert_eq!(journal.len(), 3);
    let call = &journal[1];
    assert_eq!((&call["kind"], &call["name"], &call["output"]), (&json!("flow"), &json!("child_step"), &json!(2)));
    let child = host.get(call["child_exec_id"].as_str().unwrap());
    assert_eq!((&child["status"], &child["result"]), (&json!("completed"), &json!(2)));
    assert_eq!((&child["parent_exec_id"], &child["parent_call_id"]), (&done["exec_id"], &json!(format!("{}:1", id(&done)))));
    let listed = host.json(["executions", "list", "--parent", id(&done)]).items();
    assert_eq!(listed.len(), 1);
    // A replay before which the child stands is served its result.
    let traces = Traces::new(&host);
    let before = traces.steps().len();
    let replay = host.item(["executions", "replay", id(&done), "--from", "tick_2"]);
    assert_eq!((&replay["result"], traces.steps().len()), (&json!(6), before + 1));
    assert_eq!(host.json(["executions", "list"]).items().len(), 3, "no second child");
}

#[test]
fn children_run_beside_each_other() {
    let host = Host::new();
    let done = traced(&host, "parent_of_many", json!({ "count": 5 })).item();
    assert_eq!(done["result"], 15);
    assert_eq!(host.json(["executions", "list", "--parent", id(&done)]).items().len(), 5);
}

#[test]
fn a_parent_waits_with_its_child_and_goes_on_when_that_is_answered() {
    let host = Host::new();
    let parent = traced(&host, "parent_waits", json!({})).item();
    assert_eq!(parent["status"], "waiting");
    let asked = host.json(["executions", "pending-waits"]).items();
    let child = asked[0]["exec_id"].as_str().unwrap();
    assert_ne!(child, id(&parent));
    let _ = host.item(["executions", "input", child, "--value", "true"]);
    let done = host.get(id(&parent));
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!("parent of child: true")));
    assert_eq!(Traces::new(&host).steps(), [1, 2, 3]);
}

#[test]
fn a_childs_failure_is_its_parents_to_catch() {
    let host = Host::new();
    assert_eq!(host.flow("parent_catches", &json!({}), &[])["result"], "childish");
}

#[test]
fn cancelling_a_parent_cancels_its_child() {
    let host = Host::new();
    let parent = traced(&host, "parent_waits", json!({})).item();
    let _ = host.item(["executions", "cancel", id(&parent)]);
    let children = host.json(["executions", "list", "--parent", id(&parent)]).items();
    assert_eq!(children[0]["status"], "cancelled");
}

#[test]
fn a_cancelled_call_of_a_child_leaves_no_child_behind() {
    for _ in 0..5 {
        let host = Host::new();
        let done = traced(&host, "parent_changes_its_mind", json!({})).item();
        assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!(1)));
        let children = host.json(["executions", "list", "--parent", id(&done)]).items();
        assert!(children.iter().all(|child| child["status"] == "cancelled"), "{children:#?}");
    }
}

/// The child is there, in its body or at its question, when the call is cancelled.
#[test]
fn a_cancelled_call_ends_the_child_that_it_has_started() {
    for is_asked in [false, true] {
        let host = Host::warm();
        let traces = Traces::new(&host);
        let input = json!({ "path": Traces::guest_path(), "milliseconds": Traces::HELD }).to_string();
        let target = fixture("conformance:parent_thinks_better");
        let running = host.spawn(host.json_command(["run", &target, "--input", &input, &host.writable()]));
        until("the child's body", || traces.steps().contains(&2).then_some(()));
        let asked = || !host.json(["executions", "pending-waits"]).items().is_empty();
        until("the child", || (!is_asked || asked()).then_some(()));
        traces.open([1]);
        let done = running.finish().item();
        assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!(3)));
        let children = host.json(["executions", "list", "--parent", id(&done)]).items();
        assert_eq!(names(&Value::Array(children), "status"), ["cancelled"]);
        assert!(!asked(), "nobody needs an answer any more");
    }
}

/// Whenever the host dies: the parent fails, no child goes on without it, and none was ended before its parent was.
#[test]
fn e9_a_failed_parent_killed_in_the_middle_leaves_no_child_behind() {
    for append in 1..=14 {
        let host = Host::new();
        let input = json!({ "path": Traces::guest_path() }).to_string();
        let mut command = host.json_command(["run", &fixture("conformance:parent_fails"), "--input", &input, &host.writable()]);
        command.env("KITARU_FAULT_KILL_AT", append.to_string());
        let _ = kitaru_tests::Reply::from(command);
        let all = host.json(["executions", "list"]).items();
        let Some(parent) = all.iter().find(|summary| summary["flow_name"] == "parent_fails") else { continue };
        let children = || host.json(["executions", "list", "--parent", id(parent)]).items();
        if parent["status"] != "failed" {
            assert!(
                children().iter().all(|child| child["status"] != "cancelled"),
                "append {append}: the parent may yet end otherwise"
            );
        }
        let server = host.serving();
        until("the end of all", || {
            let failed = host.get(id(parent))["status"] == "failed";
            (failed && children().iter().all(|child| child["status"] == "cancelled")).then_some(())
        });
        server.kill();
    }
}

#[test]
fn a_child_that_goes_its_own_way_has_no_parent() {
    let host = Host::new();
    let done = traced(&host, "parent_lets_go", json!({})).item();
    let child = done["result"].as_str().unwrap();
    assert_eq!(host.get(child)["parent_exec_id"], Value::Null);
    let _ = host.json(["executions", "resume", child]);
    until("the child", || (host.get(child)["status"] == "completed").then_some(()));
}

#[test]
fn a_flow_of_another_component_is_called_by_digest_and_is_given_nothing() {
    let host = Host::new();
    let hello = host.item(["run", &example("hello"), "--arg", "name=Ada"]);
    let digest = hello["component_digest"].as_str().unwrap();
    let flow = hello["flow_name"].as_str().unwrap();
    let arguments = json!({ "component": digest, "flow": flow, "input": { "name": "World" } });
    let done = host.flow("parent_of_other", &arguments, &[&format!("--allow-read={}", host.work().display())]);
    assert_eq!(done["result"], hello["result"].as_str().unwrap().replace("Ada", "World"));
    let child = &host.json(["executions", "list", "--parent", id(&done)]).items()[0];
    let spec = host.get(id(child))["frozen_execution_spec"].clone();
    assert_eq!(spec["grants"]["read"], json!([]), "what was granted to one component is not another's");
    for (component, part) in [("00".repeat(32), "the store has no component"), ("xyz".into(), "SHA-256")] {
        let arguments = json!({ "component": component, "flow": flow, "input": {} });
        let reply = host.try_flow("parent_of_other", &arguments, &[]);
        assert!(reply.error()["message"].as_str().unwrap().contains(part), "{reply:?}");
    }
    let arguments = json!({ "component": digest, "flow": flow, "input": { "nmae": 1 } });
    let reply = host.try_flow("parent_of_other", &arguments, &[]);
    assert!(reply.error()["message"].as_str().unwrap().contains("does not fit the flow"), "{reply:?}");
}

#[test]
fn a_flow_that_starts_itself_ends_somewhere() {
    let host = Host::new();
    assert_eq!(host.flow("descends", &json!({ "depth": 0 }), &[])["result"], "16: limit");
}

#[test]
fn a_parent_killed_in_the_middle_finds_its_child_again() {
    let host = Host::new();
    for append in 1..=12 {
        let fresh = Host::new();
        let input = json!({ "path": Traces::guest_path() }).to_string();
        let words = ["run", &fixture("conformance:parent"), "--input", &input, &fresh.writable()];
        let mut command = fresh.json_command(words);
        command.env("KITARU_FAULT_KILL_AT", append.to_string());
        let killed = kitaru_tests::Reply::from(command);
        let all = fresh.json(["executions", "list"]).items();
        let Some(parent) = all.iter().find(|summary| summary["flow_name"] == "parent") else { continue };
        if killed.code != Some(0) && parent["status"] != "completed" {
            let done = fresh.item(["executions", "resume", id(parent)]);
            assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!(6)), "append {append}");
        }
        let children = fresh.json(["executions", "list", "--parent", id(parent)]).items();
        assert_eq!(children.len(), 1, "append {append}: one child, whenever the host died");
        let mut steps = Traces::new(&fresh).steps();
        steps.dedup();
        assert_eq!(steps, [1, 2, 3], "append {append}");
    }
    drop(host);
}
