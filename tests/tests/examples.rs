//! The examples, as their READMEs run them, with their golden results (R1, W16, A5, A9). Those that call models are in `model_examples`.

use kitaru_tests::{Host, example, id, names, repository};
use serde_json::json;

#[test]
fn hello() {
    let host = Host::new();
    let execution = host.item(["run", &example("hello"), "--arg", "name=World"]);
    assert_eq!(execution["result"], "Hello, World! Yours durably, Kitaru.");
    let lines = host.json(["executions", "logs", id(&execution)]).items();
    assert_eq!((&lines[0]["message"], &lines[0]["checkpoint_name"]), (&json!("greeting World"), &json!("greet")));
}

#[test]
fn content_pipeline_r1() {
    let host = Host::new();
    let source = host.item(["run", &example("content-pipeline"), "--arg", "topic=kitaru"]);
    assert_eq!(source["result"], "PUBLISHED: Draft from notes about kitaru");
    let edit = r#"checkpoint.research="edited notes for kitaru""#;
    let replay = host.item(["executions", "replay", id(&source), "--from", "write_draft", "--override", edit]);
    assert_eq!(replay["result"], "PUBLISHED: Draft from edited notes for kitaru");
}

#[test]
fn content_pipeline_reads_a_real_document() {
    let host = Host::new();
    let folder = repository().join("examples/content-pipeline/documents");
    let grant = format!("--allow-read={}::documents", folder.display());
    let run = |topic: &str| {
        host.json([
            "run",
            &example("content-pipeline"),
            "--arg",
            &format!("topic={topic}"),
            "--arg",
            "document=documents/tides.md",
            &grant,
        ])
    };
    let execution = run("moon").item();
    let result = execution["result"].as_str().unwrap();
    assert!(result.starts_with("PUBLISHED: Draft from a document of "), "{result}");
    assert!(result.contains("- The moon does most of the work.") && result.contains("sentences mention moon"), "{result}");
    let artifact = host.json(["artifacts", "list", id(&execution), "--name", "notes"]).items();
    let findings = host.item(["artifacts", "get", artifact[0]["artifact_id"].as_str().unwrap()]);
    let words = std::fs::read_to_string(folder.join("tides.md")).unwrap();
    let words = words.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace).count();
    assert_eq!(findings["value"]["words"], words);
    assert_eq!(execution["checkpoints"][0]["metadata"]["words"], words);
    let off_topic = run("compilers");
    assert_eq!(off_topic.refused("KitaruUserCodeError", &["does not mention compilers"])["failure_kind"], "off_topic");
    let ungranted =
        host.json(["run", &example("content-pipeline"), "--arg", "topic=moon", "--arg", "document=documents/tides.md"]);
    ungranted.refused("KitaruExecutionError", &["--allow-read"]);
}

#[test]
fn release_approval_w16() {
    let host = Host::new();
    let waiting = host.item(["run", &example("release-approval"), "--arg", "topic=v1.0"]);
    assert_eq!(waiting["pending_wait"]["metadata"]["draft"], "Draft about v1.0.");
    let waiting = host.item(["executions", "input", id(&waiting), "--wait", "approve_release", "--value", "true"]);
    let properties = &waiting["pending_wait"]["schema"]["properties"];
    assert!(properties["notes"].is_object() && properties["major_version"].is_object(), "{properties}");
    let value = r#"{"notes":"Bug fixes","major_version":2}"#;
    let done = host.item(["executions", "input", id(&waiting), "--wait", "release_details", "--value", value]);
    assert_eq!(done["result"], "PUBLISHED v2: Draft about v1.0.\nNotes: Bug fixes");
}

#[test]
fn artifacts_a9() {
    let host = Host::new();
    let target = |flow: &str| format!("{}:{flow}", example("artifacts"));
    let research = host.item(["run", &target("research_flow"), "--arg", "topic=kitaru"]);
    assert_eq!(names(&research["artifacts"], "name"), ["research_context", "output"]);
    let previous = format!("previous_execution={}", id(&research));
    let follow_up = host.item(["run", &target("follow_up_flow"), "--arg", &previous]);
    assert_eq!(follow_up["result"], "Research notes about kitaru. [topic=kitaru]");
}

#[test]
fn logging_a5() {
    let host = Host::new();
    let execution = host.item(["run", &example("logging"), "--arg", "topic=kitaru"]);
    assert_eq!(execution["result"], "DRAFT ABOUT KITARU. [reviewed]");
}

/// Every example has a README that names a command which runs it.
#[test]
fn every_example_says_how_to_run_it() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(repository().join("examples")).unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("Cargo.toml").is_file() && folder.join("src").is_dir() {
            let readme = std::fs::read_to_string(folder.join("README.md")).unwrap_or_default();
            assert!(readme.contains("kitaru-host run"), "{} has a README that runs it", folder.display());
            found.push(folder.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    let examples =
        ["artifacts", "coding-agent", "content-pipeline", "durable-chat", "hello", "llm-writer", "logging", "release-approval"];
    assert_eq!(found, examples);
}
