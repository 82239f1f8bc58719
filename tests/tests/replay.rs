//! Replays: conformance cases R1–R7, R9, R12–R16, R25–R27, and what ours adds: recorded answers, grants, other code.

use kitaru_tests::{Host, Traces, call_ids, checkpoint, example, fixture, id, names, until};
use serde_json::{Value, json};

fn pipeline(host: &Host) -> Value {
    let execution = host.item(["run", &example("content-pipeline"), "--arg", "topic=kitaru"]);
    assert_eq!(execution["result"], "PUBLISHED: Draft from notes about kitaru");
    execution
}

/// An execution of three counting steps.
fn counted(host: &Host) -> Value {
    let execution = host.flow("count", &json!({ "path": Traces::guest_path(), "steps": 3 }), &[&host.writable()]);
    assert_eq!(Traces::new(host).steps(), [1, 2, 3]);
    execution
}

#[test]
fn r1_a_replay_with_an_edited_checkpoint() {
    let host = Host::new();
    let source = pipeline(&host);
    let replay = host.item([
        "executions",
        "replay",
        id(&source),
        "--from",
        "write_draft",
        "--override",
        r#"checkpoint.research="edited notes for kitaru""#,
    ]);
    assert_eq!(replay["result"], "PUBLISHED: Draft from edited notes for kitaru");
    assert_ne!(id(&replay), id(&source));
    assert_eq!(replay["original_exec_id"], source["exec_id"]);
    assert_eq!(names(&replay["checkpoints"], "provenance"), ["overridden", "ran", "ran"]);
    assert_eq!(host.get(id(&source))["result"], "PUBLISHED: Draft from notes about kitaru");
    // Kitaru wants an anchor as well; ours can work it out from the override.
    let without = host.item(["executions", "replay", id(&source), "--override", "checkpoint.research=edited notes for kitaru"]);
    assert_eq!(without["result"], replay["result"]);
    let object = host.item(["executions", "replay", id(&source), "--overrides", r#"{"checkpoint.research":"from an object"}"#]);
    assert_eq!(object["result"], "PUBLISHED: Draft from from an object");
}

#[test]
fn r2_without_an_override_the_result_is_the_same_and_earlier_bodies_do_not_run() {
    let host = Host::new();
    let source = counted(&host);
    let replay = host.item(["executions", "replay", id(&source), "--from", "tick_3"]);
    assert_eq!(replay["result"], source["result"]);
    let traces = Traces::new(&host).read();
    assert_eq!(traces.iter().map(|trace| trace.step).collect::<Vec<_>>(), [1, 2, 3, 3]);
    assert_eq!(traces[3].key, format!("{}:2", id(&replay)), "a replay has idempotency keys of its own");
    assert_eq!(names(&replay["checkpoints"], "provenance"), ["served", "served", "ran"]);
    assert_eq!(names(&json!([replay["checkpoints"][0], replay["checkpoints"][1]]), "original_call_id"), call_ids(&source)[..2]);
    assert_eq!(replay["checkpoints"][2]["original_call_id"], Value::Null);
}

#[test]
fn r3_an_unknown_selector_lists_what_there_is() {
    let host = Host::new();
    let source = pipeline(&host);
    let message = ["Unknown checkpoint selector 'draft'", "Available checkpoints: publish, research, write_draft."];
    host.json(["executions", "replay", id(&source), "--from", "draft"]).refused("KitaruStateError", &message);
    host.json(["executions", "replay", id(&source), "--override", "checkpoint.draft=1"]).refused("KitaruStateError", &message);
    assert_eq!(host.json(["executions", "list"]).items().len(), 1, "nothing was created");
}

#[test]
fn r4_r5_a_call_is_named_by_name_invocation_id_or_call_id() {
    let host = Host::new();
    let source = counted(&host);
    let ids = call_ids(&source);
    let ambiguous = host.json(["executions", "replay", id(&source), "--from", "tick"]);
    // The first call's invocation ID is the checkpoint's name: it alone cannot tell the first call from all of them.
    ambiguous
        .refused("KitaruStateError", &["ambiguous for checkpoint 'tick'", "Use a checkpoint call ID", ids[0], ids[1], ids[2]]);
    for (selector, ran) in [("tick_2", 2), (ids[1], 2), (":1", 2), (ids[0], 3)] {
        let before = Traces::new(&host).steps().len();
        let replay = host.item(["executions", "replay", id(&source), "--from", selector]);
        assert_eq!(replay["status"], "completed");
        assert_eq!(Traces::new(&host).steps().len() - before, ran, "{selector}");
    }
}

#[test]
fn r6_r7_selectors_and_override_keys_are_checked() {
    let host = Host::new();
    let source = pipeline(&host);
    host.json(["executions", "replay", id(&source), "--from", " "])
        .refused("KitaruUsageError", &["must be a non-empty selector"]);
    host.json(["executions", "replay", id(&source)]).refused("KitaruUsageError", &["needs an anchor"]);
    for (key, message) in [
        ("research", "Override keys must start with `checkpoint.`. Received: 'research'."),
        ("wait.approve", "Wait overrides (`wait.*`) are not supported"),
        ("checkpoint.", "must include a selector after `checkpoint.`"),
    ] {
        host.json(["executions", "replay", id(&source), "--override", &format!("{key}=1")])
            .refused("KitaruUsageError", &[message]);
    }
    let reply = host.json(["executions", "replay", id(&source), "--override", "checkpoint.research={broken"]);
    assert!(reply.error()["message"].as_str().unwrap().contains("Invalid JSON for `--override`"), "{reply:?}");
    let twice = ["executions", "replay", id(&source), "--override", "checkpoint.research=1", "--override", "checkpoint.:0=2"];
    host.json(twice).refused("KitaruUsageError", &["overridden twice"]);
    assert_eq!(host.json(["executions", "list"]).items().len(), 1, "nothing was created");
}

/// Kitaru has no downstream consumer to give the value to, and refuses. Ours serves it to the flow, which is the consumer.
#[test]
fn r8_the_last_checkpoint_can_be_overridden() {
    let host = Host::new();
    let source = pipeline(&host);
    let replay = host.item(["executions", "replay", id(&source), "--override", "checkpoint.publish=kept back"]);
    assert_eq!(replay["result"], "kept back");
    assert_eq!(names(&replay["checkpoints"], "provenance"), ["served", "served", "overridden"]);
}

#[test]
fn r9_an_override_before_the_anchor_is_not_dropped() {
    let host = Host::new();
    let source = pipeline(&host);
    let replay = host.item(["executions", "replay", id(&source), "--from", "publish", "--override", "checkpoint.research=new"]);
    assert_eq!(replay["result"], "PUBLISHED: Draft from new", "what follows the override runs, although the anchor is later");
    let replay = host.item(["executions", "replay", id(&source), "--from", "research", "--override", "checkpoint.publish=kept"]);
    assert_eq!(names(&replay["checkpoints"], "provenance"), ["ran", "ran", "overridden"]);
}

#[test]
fn r12_an_execution_without_checkpoints_cannot_be_replayed() {
    let host = Host::new();
    let source = host.flow("no_calls", &json!({}), &[]);
    host.json(["executions", "replay", id(&source), "--from", "x"])
        .refused("KitaruStateError", &["has no checkpoint history to replay"]);
}

#[test]
fn r13_a_running_execution_cannot_be_replayed() {
    let host = Host::new();
    let traces = Traces::new(&host);
    let input = json!({ "path": Traces::guest_path(), "steps": 2, "milliseconds": 600_000 }).to_string();
    let _running =
        host.spawn(host.json_command(["run", &fixture("conformance:count_slow"), "--input", &input, &host.writable()]));
    until("the first body", || (!traces.steps().is_empty()).then_some(()));
    let source = host.item(["executions", "latest"]);
    host.json(["executions", "replay", id(&source), "--from", "slow_tick"])
        .refused("KitaruStateError", &["Replay requires a non-running source execution", "'running'"]);
}

#[test]
fn r14_changed_flow_inputs() {
    let host = Host::new();
    let document = "The moon pulls the sea. Tides follow.";
    std::fs::create_dir(host.path("docs")).unwrap();
    host.file("docs/tides.md", document);
    let read = [
        "run",
        &example("content-pipeline"),
        "--arg",
        "topic=moon",
        "--arg",
        "document=documents/tides.md",
        "--allow-read",
        "docs::documents",
    ];
    let source = host.item(read);
    assert!(source["result"].as_str().unwrap().contains("The moon pulls the sea."), "{source:#}");
    // The document is kept, and so is the grant to read it.
    let replay = host.item(["executions", "replay", id(&source), "--from", "research", "--arg", "topic=tides"]);
    let result = replay["result"].as_str().unwrap();
    assert!(result.contains("Tides follow.") && result.contains("mention tides"), "{result}");
    assert_eq!(replay["input"], json!({ "topic": "tides", "document": "documents/tides.md" }));

    // Before the anchor the recorded output stands, marked as made for another input.
    let replay = host.item(["executions", "replay", id(&source), "--from", "publish", "--args", r#"{"topic":"sea"}"#]);
    assert_eq!(replay["result"], source["result"]);
    assert_eq!(checkpoint(&replay, "research")["other_input"], true);
    assert_eq!(checkpoint(&replay, "write_draft")["other_input"], false);

    let refused = ["executions", "replay", id(&source), "--from", "research", "--args", r#"{"topic":3}"#];
    host.json(refused).refused("KitaruUsageError", &["/topic"]);
}

#[test]
fn r15_waits_after_the_anchor_are_asked() {
    let host = Host::new();
    let source = host.item(["run", &example("release-approval"), "--arg", "topic=v1.0"]);
    let _ = host.item(["executions", "input", id(&source), "--value", "true"]);
    let source = host.item(["executions", "input", id(&source), "--value", r#"{"notes":"n","major_version":2}"#]);
    let replay = host.item(["executions", "replay", id(&source), "--from", "write_draft"]);
    assert_eq!((&replay["status"], &replay["pending_wait"]["name"]), (&json!("waiting"), &json!("approve_release")));
    assert_eq!(host.item(["executions", "input", id(&replay), "--value", "false"])["result"], "REJECTED: Draft about v1.0.");

    // Kitaru asks every wait of a replay anew. Ours serves the answers before the anchor, unless told otherwise.
    let replay = host.item(["executions", "replay", id(&source), "--from", "publish"]);
    assert_eq!(replay["result"], source["result"]);
    let again = host.item(["executions", "replay", id(&source), "--from", "publish", "--ask-again"]);
    assert_eq!((&again["status"], &again["pending_wait"]["name"]), (&json!("waiting"), &json!("approve_release")));
    let _ = host.item(["executions", "input", id(&again), "--value", "true"]);
    let again = host.item(["executions", "input", id(&again), "--value", r#"{"notes":"other","major_version":3}"#]);
    assert_eq!(again["result"], "PUBLISHED v3: Draft about v1.0.\nNotes: other");
}

#[test]
fn r16_other_code_that_parts_before_the_anchor_is_divergence() {
    let host = Host::new();
    let source = host.item(["run", &fixture("versioned-v1:pipeline"), "--arg", "topic=kitaru"]);
    let before = host.rows(id(&source));
    let reply = host.json(["executions", "replay", id(&source), "--from", "publish", "--component", &fixture("versioned-extra")]);
    let error =
        reply.refused("KitaruDivergenceError", &["call 1", "expected checkpoint `write_draft`", "actual checkpoint `outline`"]);
    assert_eq!(error["origin"], "divergence");
    assert_eq!(host.rows(id(&source)), before);
    // From the anchor on, other code is what a replay is for.
    let fixed =
        host.item(["executions", "replay", id(&source), "--from", "write_draft", "--component", &fixture("versioned-renamed")]);
    assert_eq!(fixed["status"], "completed");
    assert_eq!(names(&fixed["checkpoints"], "name"), ["research", "compose", "publish"]);
}

#[test]
fn r25_a_replay_of_a_replay() {
    let host = Host::new();
    let source = pipeline(&host);
    let first = host.item(["executions", "replay", id(&source), "--override", "checkpoint.research=first"]);
    let second = host.item(["executions", "replay", id(&first), "--from", "publish"]);
    assert_eq!(second["original_exec_id"], first["exec_id"], "the direct parent");
    assert_eq!(second["result"], "PUBLISHED: Draft from first", "what was overridden is a record like others");
    assert_eq!(checkpoint(&second, "research")["original_call_id"], format!("{}:0", id(&first)));
}

#[test]
fn r26_the_source_is_never_touched() {
    let host = Host::new();
    let source = pipeline(&host);
    let before = host.rows(id(&source));
    assert!(before.len() >= 5, "an execution has a row, and one for each checkpoint and its end: {before:#?}");
    let _ = host.item(["executions", "replay", id(&source), "--from", "write_draft", "--override", "checkpoint.research=x"]);
    let _ = host.item(["executions", "replay", id(&source), "--from", "research", "--arg", "topic=other"]);
    assert_eq!(host.rows(id(&source)), before, "byte for byte");
}

#[test]
fn r27_code_can_tell_that_it_is_replayed() {
    let host = Host::new();
    let source = host.flow("replay_flag", &json!({}), &[]);
    assert_eq!(source["result"], json!({ "before": "before", "flow": false, "checkpoint": false }));
    let replay = host.item(["executions", "replay", id(&source), "--from", "sees_replay"]);
    assert_eq!(replay["result"], json!({ "before": "before", "flow": true, "checkpoint": true }));
}

/// A served call shows its source's artifacts, by reference; a chain of replays leads to the execution in which they were made.
#[test]
fn e10_served_calls_show_the_artifacts_of_their_source() {
    let host = Host::new();
    let target = format!("{}:research_flow", example("artifacts"));
    let source = host.item(["run", &target, "--arg", "topic=kitaru"]);
    let saved = host.json(["artifacts", "list", id(&source)]).items();
    // A flow with one checkpoint, replayed after it, serves everything.
    let replay = host.item(["executions", "replay", id(&source), "--override", "checkpoint.research=edited"]);
    assert_eq!(names(&replay["artifacts"], "name"), ["output"], "an overridden call saved nothing");
    let kinds = host.flow("custom_id", &json!({}), &[]);
    let served = host.item(["executions", "replay", id(&kinds), "--from", ":1"]);
    assert_eq!(served["artifacts"][0]["artifact_id"], format!("{}:0:output", id(&kinds)));
    assert_eq!(served["artifacts"][1]["artifact_id"], format!("{}:1:output", id(&served)));
    assert_eq!(saved.len(), 2);
    let twice = host.item(["executions", "replay", id(&served), "--from", ":1"]);
    assert_eq!(twice["artifacts"][0]["artifact_id"], format!("{}:0:output", id(&kinds)));
}

#[test]
fn e10_a_failed_or_waiting_execution_can_be_replayed() {
    let host = Host::new();
    let failed = host.try_flow("uncaught", &json!({ "message": "x" }), &[]).failed_execution();
    let mended = host.item(["executions", "replay", &failed, "--override", "checkpoint.fail=worked"]);
    assert_eq!(mended["status"], "completed");
    let waiting = host.item(["run", &example("release-approval"), "--arg", "topic=v1.0"]);
    let replay = host.item(["executions", "replay", id(&waiting), "--override", "checkpoint.write_draft=another"]);
    assert_eq!((&replay["status"], &replay["pending_wait"]["metadata"]["draft"]), (&json!("waiting"), &json!("another")));
    assert_eq!(host.get(id(&waiting))["status"], "waiting");
}

#[test]
fn e10_a_failed_replay_is_retried_with_its_plan() {
    let host = Host::new();
    let blocker = host.file("blocker", "");
    let arguments = json!({ "path": Traces::guest_path(), "blocker": "out/blocker" });
    let failed = host.try_flow("count_blocked", &arguments, &[&host.writable()]).failed_execution();
    let exec = host.json(["executions", "replay", &failed, "--override", "checkpoint.tick=100"]).failed_execution();
    std::fs::remove_file(blocker).unwrap();
    let done = host.item(["executions", "retry", &exec]);
    assert_eq!(done["result"], 100 + 2 + 3, "the override still stands");
    assert_eq!(done["original_exec_id"], failed.as_str());
}

#[test]
fn a_cohort_is_what_can_be_replayed_together() {
    let host = Host::new();
    let count = |steps: u64| {
        let arguments = json!({ "path": Traces::guest_path(), "steps": steps });
        id(&host.flow("count", &arguments, &[&host.writable()])).to_owned()
    };
    let (one, two, three) = (count(1), count(2), count(3));
    let failed = host.try_flow("count", &json!({ "path": Traces::guest_path(), "steps": 2 }), &[]).failed_execution();
    let _ = host.flow("no_calls", &json!({}), &[]);
    let cohort = |flags: &[&str]| {
        let reply = host.json([&["executions", "cohort", "--flow", "count"], flags].concat());
        let found = reply.items();
        names(&Value::Array(found), "exec_id").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(cohort(&[]), [three.clone(), two.clone(), one.clone()]);
    assert_eq!(cohort(&["--at", "tick_2"]), [three.clone(), two.clone()], "the others have no such call");
    assert_eq!(cohort(&["--at", "tick_2", "--order-by", "started_at", "--limit", "1"]), [two.as_str()]);
    assert_eq!(cohort(&["--include-failed"]), [failed.clone(), three.clone(), two.clone(), one.clone()]);
    assert_eq!(
        cohort(&["--include-failed", "--at", "tick"]),
        [failed.clone(), one.clone()],
        "where that is the name of one call"
    );
    assert_eq!(cohort(&["--max-scan", "1"]), [three.as_str()], "only completed ones are looked at");
    assert_eq!(cohort(&["--at", "nothing"]), [] as [String; 0]);
    // The answer is a list of IDs for a batch.
    let answer = host.json(["executions", "cohort", "--flow", "count", "--at", "tick_2"]).ok();
    let file = host.file("cohort.json", &answer.stdout);
    let batch = host.json(["executions", "replay", "--ids-file", &file, "--from", "tick_2", "--wait"]).ok();
    let batch: Value = serde_json::from_str(&batch.stdout).unwrap();
    assert_eq!(batch["item"]["summary"]["completed"], 2, "{batch:#}");
    host.json(["executions", "cohort"]).refused("KitaruUsageError", &["--flow"]);
    assert_eq!(cohort(&["--status", "failed"]), [failed]);
    host.json(["executions", "cohort", "--flow", "count", "--status", "running"]).refused("KitaruUsageError", &["--status"]);
}
