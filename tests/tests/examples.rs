//! The examples, as their READMEs run them, with their golden results (R1, W16, A5, A9). Those that call models are in `model_examples`.

use kitaru_tests::web::Say;
use kitaru_tests::{Host, Planted, Web, example, id, names, repository};
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
    let examples = [
        "artifacts",
        "coding-agent",
        "content-pipeline",
        "durable-chat",
        "hello",
        "issue-triage",
        "llm-writer",
        "logging",
        "no-secret-projects",
        "release-approval",
    ];
    assert_eq!(found, examples);
}

/// An API with a page and a bit of issues, which wants a token, and is out of order for a while.
#[test]
fn issue_triage_labels_over_http_with_a_token_that_it_never_sees() {
    const TOKEN: &str = "planted-triage-token";
    let failing = std::sync::atomic::AtomicUsize::new(1);
    let web = Web::new(move |asked| {
        if asked.header("authorization") != [format!("Bearer {TOKEN}")] {
            return Say::status(401);
        }
        if asked.method == "POST" {
            let fails =
                failing.fetch_update(std::sync::atomic::Ordering::Relaxed, std::sync::atomic::Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                });
            return if fails.is_ok() { Say::status(503) } else { Say::text("[]") };
        }
        let issue = |number: u64| {
            let labels = if number.is_multiple_of(2) { json!([{ "name": "old" }]) } else { json!([]) };
            let title = if number == 101 { "It is slow" } else { "Thanks" };
            json!({ "number": number, "title": title, "body": null, "labels": labels })
        };
        let issues: Vec<_> =
            if asked.path.ends_with("page=1") { (1..=100).map(issue).collect() } else { vec![issue(101), issue(102)] };
        Say::text(json!(issues).to_string())
    });
    let host = Host::new();
    let _ = host.item(["secrets", "set", "gh", &format!("--TOKEN={TOKEN}")]);
    let input = json!({ "repository": "me/mine", "api": web.url("") }).to_string();
    let net = format!("--allow-net=GET,POST http://127.0.0.1:{}/repos/me/mine/*", web.port);
    let secret = format!("--allow-secret=gh@127.0.0.1:{}", web.port);
    let run = |input: &str, flags: &[&str]| host.json([&["run", &example("issue-triage"), "--input", input], flags].concat());
    let done = run(&input, &[&net, &secret]);
    Planted(TOKEN).is_not_shown_in(&done);
    assert_eq!(done.item()["result"], json!([{ "number": 101, "labels": ["performance"] }]));
    let posted: Vec<_> = web.asked().into_iter().filter(|asked| asked.method == "POST").collect();
    assert_eq!(posted.len(), 2, "the server was out of order once");
    assert_eq!(
        (posted[1].path.as_str(), posted[1].body.as_slice()),
        ("/repos/me/mine/issues/101/labels", br#"{"labels":["performance"]}"#.as_slice())
    );
    let only_look = format!("--allow-net=GET http://127.0.0.1:{}/repos/me/mine/*", web.port);
    run(&input, &[&only_look, &secret]).refused("KitaruExecutionError", &["POST", "--allow-net="]);
    let other = json!({ "repository": "other/theirs", "api": web.url("") }).to_string();
    run(&other, &[&net, &secret]).refused("KitaruExecutionError", &["/repos/other/theirs/issues", "--allow-net="]);
    Planted(TOKEN).is_in_no_file_of(&host);
}
