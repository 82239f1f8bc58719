//! E2: code that no longer makes the recorded calls. Each difference is reported with its position, what was expected and what came; the
//! journal stays as it was.

use kitaru_tests::{Host, fixture, id, names};
use serde_json::{Value, json};

/// An execution of `v1` that has failed in `publish`, its call 2.
fn broken(host: &Host) -> String {
    let reply = host.json(["run", &fixture("versioned-v1:pipeline"), "--arg", "topic=broken"]);
    reply.refused("KitaruUserCodeError", &["the publisher rejects"]);
    reply.failed_execution()
}

struct Case {
    version: &'static str,
    call: u32,
    expected: Value,
    actual: Value,
    message: &'static str,
}

fn cases() -> Vec<Case> {
    let call = |kind: &str, name: &str| json!({ "kind": kind, "name": name, "invocation_id": name });
    vec![
        Case {
            version: "versioned-renamed",
            call: 1,
            expected: call("checkpoint", "write_draft"),
            actual: call("checkpoint", "compose"),
            message: "expected checkpoint `write_draft`, actual checkpoint `compose`",
        },
        Case {
            version: "versioned-extra",
            call: 1,
            expected: call("checkpoint", "write_draft"),
            actual: call("checkpoint", "outline"),
            message: "expected checkpoint `write_draft`, actual checkpoint `outline`",
        },
        Case {
            version: "versioned-missing",
            call: 0,
            expected: call("checkpoint", "research"),
            actual: call("checkpoint", "write_draft"),
            message: "expected checkpoint `research`, actual checkpoint `write_draft`",
        },
        Case {
            version: "versioned-shorter",
            call: 2,
            expected: call("checkpoint", "publish"),
            actual: Value::Null,
            message: "expected checkpoint `publish`, but the flow ended without it",
        },
        Case {
            version: "versioned-argument",
            call: 1,
            expected: call("checkpoint", "write_draft"),
            actual: call("checkpoint", "write_draft"),
            message: "at `$.notes` expected \"notes about broken\", actual \"notes about broken, revised\"",
        },
        Case {
            version: "versioned-wait",
            call: 1,
            expected: call("checkpoint", "write_draft"),
            actual: call("wait", "write_draft"),
            message: "expected checkpoint `write_draft`, actual wait `write_draft`",
        },
    ]
}

#[test]
fn e2_every_difference_is_reported_exactly_and_the_journal_stays() {
    for Case { version, call, expected, actual, message } in cases() {
        let host = Host::new();
        let exec = broken(&host);
        let (records, calls) = (host.records(&exec), host.journal(&exec));
        let reply = host.json(["executions", "retry", &exec, "--component", &fixture(version)]);
        let error = reply.refused("KitaruDivergenceError", &[&format!("diverged from its journal at call {call}"), message]);
        assert_eq!((&error["origin"], &error["exec_id"]), (&json!("divergence"), &json!(exec)), "{version}{reply:?}");
        let execution = host.get(&exec);
        assert_eq!(execution["status"], "failed");
        let failure = &execution["failure"];
        assert_eq!((&failure["origin"], &failure["call_index"]), (&json!("divergence"), &json!(call)), "{version}: {failure:#}");
        let details = &failure["details"];
        assert_eq!((&details["expected"], &details["actual"]), (&expected, &actual), "{version}: {details:#}");
        if version == "versioned-argument" {
            assert_eq!(details["path"], "$.notes");
        }
        // The retry itself is an entry; what the flow had recorded is untouched, and nothing follows.
        let after = host.records(&exec);
        assert_eq!(after[..records.len()], records, "{version}");
        assert!(after.len() <= records.len() + 1, "{version}: {after:#?}");
        let known = |calls: &[Value]| calls.iter().take(2).cloned().collect::<Vec<_>>();
        assert_eq!(known(&host.journal(&exec)), known(&calls), "{version}");
    }
}

/// An operator who has tried the wrong version is not stuck with it.
#[test]
fn e2_e9_after_a_divergence_the_right_version_goes_on() {
    let host = Host::new();
    let exec = broken(&host);
    for wrong in ["versioned-extra", "versioned-argument"] {
        host.json(["executions", "retry", &exec, "--component", &fixture(wrong)]).refused("KitaruDivergenceError", &[]);
    }
    let done = host.item(["executions", "retry", &exec, "--component", &fixture("versioned-fixed")]);
    assert_eq!(done["result"], "PUBLISHED: Draft from notes about broken");
    assert_eq!(names(&done["checkpoints"], "name"), ["research", "write_draft", "publish"]);
    assert_eq!(done["checkpoints"][0]["attempts"].as_array().unwrap().len(), 1, "what had completed did not run again");
}

/// In a replay, what the source recorded before the live part must be called again.
#[test]
fn e2_a_replay_parts_from_its_source_just_as_exactly() {
    for Case { version, call, message, .. } in cases() {
        let host = Host::new();
        let source = host.item(["run", &fixture("versioned-v1:pipeline"), "--arg", "topic=kitaru"]);
        let before = host.rows(id(&source));
        let component = fixture(version);
        let reply = host.json(["executions", "replay", id(&source), "--from", "publish", "--component", &component]);
        if version == "versioned-shorter" {
            // The call that it leaves out is the anchor: live, so that leaving it out is no divergence.
            assert_eq!(reply.item()["result"], "Draft from notes about kitaru");
        } else {
            let message = message.replace("broken", "kitaru");
            reply.refused("KitaruDivergenceError", &[&format!("at call {call}"), &message]);
        }
        assert_eq!(host.rows(id(&source)), before, "{version}");
    }
}

/// A wait is a call like others: code that runs a checkpoint where a wait is recorded has parted from its record.
#[test]
fn e2_a_wait_is_compared_like_a_checkpoint() {
    let host = Host::new();
    let waiting = host.item(["run", &fixture("versioned-wait:pipeline"), "--arg", "topic=kitaru"]);
    let source = host.item(["executions", "input", id(&waiting), "--value", r#""written by hand""#]);
    assert_eq!(source["result"], "PUBLISHED: written by hand");
    let replay = ["executions", "replay", id(&source), "--from", "publish", "--component"];
    let reply = host.json([&replay[..], &[&fixture("versioned-v1")]].concat());
    reply.refused("KitaruDivergenceError", &["at call 1", "expected wait `write_draft`, actual checkpoint `write_draft`"]);
    assert_eq!(host.item([&replay[..], &[&fixture("versioned-wait")]].concat())["result"], source["result"]);
}
