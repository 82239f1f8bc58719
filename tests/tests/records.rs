//! Logs, metadata and artifacts: conformance cases A1–A13.

use kitaru_tests::{Host, checkpoint, example, id, names};
use serde_json::{Value, json};

#[test]
fn a2_metadata_goes_to_the_execution_or_to_the_checkpoint() {
    let host = Host::new();
    let execution = host.flow("log_scopes", &json!({}), &[]);
    assert_eq!(execution["metadata"], json!({ "where": "flow", "a": [1, 2], "b": null }));
    assert_eq!(checkpoint(&execution, "logs")["metadata"], json!({ "where": "checkpoint" }));
}

#[test]
fn a3_a4_objects_merge_and_of_anything_else_the_latest_stands() {
    let host = Host::new();
    assert_eq!(host.flow("log_merge", &json!({}), &[])["metadata"], json!({ "cost": { "usd": 0.001, "tokens": 42 } }));
    let latest = host.flow("log_latest", &json!({}), &[]);
    assert_eq!(latest["metadata"], json!({ "stage": "second", "mixed": { "a": 1 }, "other": 2 }));
}

#[test]
fn a5_the_logging_example() {
    let host = Host::new();
    let execution = host.item(["run", &example("logging"), "--arg", "topic=kitaru"]);
    assert_eq!(execution["result"], "DRAFT ABOUT KITARU. [reviewed]");
    assert_eq!(execution["metadata"], json!({ "topic": "kitaru", "stage": "review", "output_kind": "text" }));
    assert_eq!(checkpoint(&execution, "draft")["metadata"], json!({ "draft_cost": { "usd": 0.001, "tokens": 42 } }));
    assert_eq!(checkpoint(&execution, "review")["metadata"], json!({}));
}

#[test]
fn a6_saving_and_loading_in_a_flow_are_context_failures() {
    let host = Host::new();
    for (flow, message) in [("raw_save_in_flow", "save()"), ("raw_load_in_flow", "load()")] {
        let answer = &host.flow(flow, &json!({}), &[])["result"];
        assert_eq!(answer["kind"], "context");
        let text = answer["message"].as_str().unwrap();
        assert!(text.contains(message) && text.contains("only be called inside a checkpoint"), "{text}");
    }
}

#[test]
fn a7_kinds_are_checked() {
    let host = Host::new();
    let reply = host.try_flow("save_kind_text", &json!({ "kind": "nope" }), &[]);
    let error =
        reply.refused("KitaruUserCodeError", &["'nope'", "Expected one of: blob, context, input, output, prompt, response"]);
    assert_eq!(error["failure_kind"], "usage");
    let saved = host.flow("save_kind_text", &json!({ "kind": " Context " }), &[]);
    assert_eq!(host.json(["artifacts", "list", id(&saved)]).items()[0]["kind"], "context");
}

#[test]
fn a8_a_saved_artifact_is_listed_with_its_origin() {
    let host = Host::new();
    let execution = host.item(["run", &format!("{}:research_flow", example("artifacts")), "--arg", "topic=kitaru"]);
    let artifacts = host.json(["artifacts", "list", id(&execution)]).items();
    assert_eq!(artifacts.len(), 2, "what was saved, and the output: {artifacts:#?}");
    let (saved, output) = (&artifacts[0], &artifacts[1]);
    assert_eq!((&saved["name"], &saved["save_type"]), (&json!("research_context"), &json!("manual")));
    assert_eq!((&saved["kind"], &saved["producing_call"]), (&json!("context"), &json!("research")));
    assert_eq!(saved["metadata"]["tags"], json!(["research"]));
    assert_eq!((&output["name"], &output["save_type"], &output["kind"]), (&json!("output"), &json!("step_output"), &Value::Null));
    assert_eq!(names(&execution["artifacts"], "artifact_id"), names(&Value::Array(artifacts.clone()), "artifact_id"));
    assert_eq!(execution["artifact_count"], 2);
}

#[test]
fn a9_values_are_loaded_across_executions() {
    let host = Host::new();
    let research = host.item(["run", &format!("{}:research_flow", example("artifacts")), "--arg", "topic=kitaru"]);
    let previous = format!("previous_execution={}", id(&research));
    let follow_up = host.item(["run", &format!("{}:follow_up_flow", example("artifacts")), "--arg", &previous]);
    assert_eq!(follow_up["result"], "Research notes about kitaru. [topic=kitaru]");
    let kinds = host.flow("save_kinds", &json!({ "blob_bytes": 100_000 }), &[]);
    let blob = host.flow("load_bytes", &json!({ "execution": id(&kinds), "name": "my_blob" }), &[]);
    assert_eq!(blob["result"], json!({ "media_type": "application/octet-stream", "bytes": 100_000 }));
}

#[test]
fn a10_a11_what_cannot_be_loaded() {
    let host = Host::new();
    let twice = host.flow("save_twice", &json!({ "name": "same" }), &[]);
    let cases = [
        ("nonsense".to_owned(), "same", "usage", "expected `execution_id` to be a UUID"),
        (id(&twice).to_owned(), "other", "not-found", "No artifact named 'other' was found"),
        (id(&twice).to_owned(), "same", "ambiguous", "Matches: step=saves_twice, artifact=same, save_type=manual"),
        ("00000000-0000-7000-8000-000000000000".to_owned(), "same", "not-found", "does not exist"),
    ];
    for (execution, name, kind, message) in cases {
        let reply = host.try_flow("load_json", &json!({ "execution": execution, "name": name }), &[]);
        let error = reply.error();
        assert_eq!(error["failure_kind"], kind, "{reply:?}");
        assert!(error["message"].as_str().unwrap().contains(message), "{reply:?}");
    }
}

#[test]
fn a12_an_artifact_with_its_value() {
    let host = Host::new();
    let execution = host.flow("save_kinds", &json!({ "blob_bytes": 3 }), &[]);
    let ids = execution["result"].as_array().unwrap();
    let prompt = host.item(["artifacts", "get", ids[0].as_str().unwrap()]);
    assert_eq!((&prompt["value"], &prompt["value_format"]), (&json!({ "kind": "prompt" }), &json!("json")));
    let blob = host.item(["artifacts", "get", ids[5].as_str().unwrap()]);
    assert_eq!((&blob["value"], &blob["value_format"]), (&json!("////"), &json!("base64")));
    assert_eq!((&blob["kind"], &blob["value_type"]), (&json!("blob"), &json!("application/octet-stream")));
    let output = host.item(["artifacts", "get", &format!("{}:0:output", id(&execution))]);
    assert_eq!(output["value"], execution["result"]);
    for unknown in [format!("{}:0:99", id(&execution)), format!("{}:9:output", id(&execution)), "x".into()] {
        assert!(host.json(["artifacts", "get", &unknown]).error()["message"].as_str().unwrap().contains(&unknown));
    }
}

#[test]
fn a13_artifacts_are_filtered() {
    let host = Host::new();
    let execution = host.flow("save_kinds", &json!({ "blob_bytes": 3 }), &[]);
    let found = |filters: &[&str]| {
        let items = host.json([&["artifacts", "list", id(&execution)], filters].concat()).items();
        names(&Value::Array(items), "name").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found(&[]).len(), 7);
    assert_eq!(found(&["--name", "my_input"]), ["my_input"]);
    assert_eq!(found(&["--kind", "context"]), ["my_context"]);
    assert_eq!(found(&["--producing-call", "saves_kinds", "--limit", "2"]), ["my_prompt", "my_response"]);
    assert_eq!(found(&["--producing-call", "other"]), [] as [&str; 0]);
    assert_eq!(found(&["--name", "my_input", "--kind", "output"]), [] as [&str; 0]);
    let reply = host.json(["artifacts", "list", id(&execution), "--limit", "0"]);
    assert!(reply.error()["message"].as_str().unwrap().contains("limit"), "{reply:?}");
}

#[test]
fn the_artifacts_of_an_attempt_that_failed_do_not_count() {
    let host = Host::new();
    let failed = host.try_flow("save_then_fail", &json!({}), &[]).failed_execution();
    let artifacts = host.json(["artifacts", "list", &failed]).items();
    assert_eq!(names(&Value::Array(artifacts.clone()), "name"), ["partial"], "of the last attempt only");
    let artifact = host.item(["artifacts", "get", artifacts[0]["artifact_id"].as_str().unwrap()]);
    assert_eq!(artifact["value"], 2);
    let execution = host.get(&failed);
    assert_eq!(checkpoint(&execution, "saves_then_fails")["metadata"], json!({ "attempted": 2 }));
    assert_eq!(checkpoint(&execution, "saves_then_fails")["attempts"][0]["metadata"], json!({ "attempted": 1 }));
}

#[test]
fn large_values_are_kept_whole() {
    let host = Host::new();
    let execution = host.flow("save_large", &json!({ "bytes": 3_000_000 }), &[]);
    let artifact = host.item(["artifacts", "get", &format!("{}:0:0", id(&execution))]);
    assert_eq!(artifact["value"].as_str().unwrap().len(), 3_000_000);
    let loaded = host.try_flow("load_json", &json!({ "execution": id(&execution), "name": "large" }), &[]).item();
    assert_eq!(loaded["result"].as_str().unwrap().len(), 3_000_000);
}

#[test]
fn log_lines_have_a_level_a_source_and_a_place() {
    let host = Host::new();
    let execution = host.flow("log_lines", &json!({}), &[]);
    let lines = host.json(["executions", "logs", id(&execution)]).items();
    let told = |line: &Value| {
        let word = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
        format!("{} {} {} {} | {}", word("level"), word("source"), word("checkpoint_name"), word("module"), word("message"))
    };
    let told: Vec<String> = lines.iter().map(told).collect();
    for (from, source, name) in [("flow", "runner", "-"), ("checkpoint", "step", "prints")] {
        for level in ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"] {
            let line = format!("{level} {source} {name} log | {from} {}", level.to_lowercase());
            assert!(told.iter().any(|found| *found == line || *found == line.replace("WARN", "WARNING")), "{line}: {told:#?}");
        }
        for module in ["stdout", "stderr"] {
            let end = format!("{source} {name} {module} | {from} {module}");
            assert!(told.iter().any(|line| line.ends_with(&end)), "{end}: {told:#?}");
        }
    }
    assert_eq!(lines.last().unwrap()["message"], "flow stdout after");
    let of = |filters: &[&str]| host.json([&["executions", "logs", id(&execution)], filters].concat()).items().len();
    assert_eq!((of(&["--source", "step"]), of(&["--source", "runner"])), (7, 8));
    assert_eq!((of(&["--checkpoint", "prints"]), of(&["--limit", "3"])), (7, 3));
    assert_eq!(of(&["--checkpoint", "no_such"]), 0);
}
