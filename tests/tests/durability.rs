//! How durable the host's commits are: where that is set, who tells it, and who inherits it. That a kill loses nothing either way is in
//! `crash.rs`.

use kitaru_tests::{Host, Reply, Running, fixture};
use serde_json::{Value, json};

/// A command with the variable set.
fn with_variable(host: &Host, arguments: &[&str], value: &str) -> Reply {
    let mut command = host.json_command(arguments);
    command.env("KITARU_DURABILITY", value);
    Reply::from(command)
}

/// What `status` and `info` tell: what it is, and where it was set.
fn told(item: &Value) -> (&str, &str) {
    let text = |pointer: &str| item.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer} in {item:#}"));
    (text("/durability"), text("/connection_sources/durability"))
}

#[test]
fn the_flag_goes_before_the_variable_and_that_before_the_file() {
    let host = Host::new();
    for command in ["status", "info"] {
        assert_eq!(told(&host.item([command])), ("full", "the default"));
    }
    host.file("kitaru.toml", "[host]\ndurability = \"process\"\n");
    assert_eq!(told(&host.item(["info"])), ("process", "kitaru.toml"));
    assert_eq!(told(&with_variable(&host, &["info"], "full").item()), ("full", "KITARU_DURABILITY"));
    assert_eq!(told(&with_variable(&host, &["info"], "").item()), ("process", "kitaru.toml"), "empty is not set");
    assert_eq!(told(&with_variable(&host, &["info", "--durability", "process"], "full").item()), ("process", "--durability"));
    assert_eq!(told(&host.item(["--durability", "full", "info"])), ("full", "--durability"));
    let text = host.text(["status"]).ok();
    assert!(text.stdout.contains("process (kitaru.toml)"), "{text:?}");
    let checks = host.json(["doctor", "--durability", "full"]).items();
    let check = checks.iter().find(|check| check["name"] == "durability").expect("a check of the durability");
    assert_eq!((&check["ok"], &check["detail"]), (&json!(true), &json!("full (--durability)")));
}

#[test]
fn a_word_that_is_no_durability_is_refused_with_those_that_are() {
    let host = Host::new();
    let list = ["executions", "list"];
    let names_both = |text: &Value| ["full", "process"].iter().all(|word| text.as_str().is_some_and(|text| text.contains(word)));
    let error = with_variable(&host, &list, "fast").refused("KitaruUsageError", &["KITARU_DURABILITY", "`fast`"]);
    assert!(names_both(&error["hint"]), "{error:#}");
    let error = host.json(["executions", "list", "--durability", "fast"]).error();
    assert!(names_both(&error["message"]), "{error:#}");
    // Whoever looks for what is wrong is told, and not refused.
    let status = with_variable(&host, &["status"], "fast").item();
    assert!(status["durability"].is_null() && status["warning"].as_str().unwrap().contains("`fast`"), "{status:#}");
    host.file("kitaru.toml", "[host]\ndurability = \"fast\"\n");
    let error = host.json(list).refused("KitaruUsageError", &["kitaru.toml", "`fast`"]);
    assert!(names_both(&error["hint"]), "{error:#}");
}

/// Each commits in its own way to one log, in which all of it is.
#[test]
fn processes_of_both_durabilities_share_a_data_folder() {
    let host = Host::new();
    let input = json!({ "steps": 20 }).to_string();
    let start = |durability: &str| -> Running {
        let words = ["run", &fixture("conformance:sequence"), "--input", &input, "--durability", durability];
        host.spawn(host.json_command(words))
    };
    for run in ["full", "process", "full", "process"].map(start) {
        assert_eq!(run.finish().item()["result"], 210);
    }
    let mut serving = host.spawn(host.json_command(["serve", "--no-http", "--durability", "process"]));
    let ready = serving.read_until(|line| line["event"] == "ready");
    assert_eq!(ready["item"]["durability"], "process");
    let listed = host.json(["executions", "list", "--status", "completed"]).items();
    assert_eq!(listed.len(), 4);
}

/// What `--detach` starts is told what its command was told.
#[cfg(target_os = "linux")]
#[test]
fn a_background_process_commits_as_its_command_was_told() {
    let host = Host::new();
    host.file("kitaru.toml", "[host]\ndurability = \"full\"\n");
    let flow = fixture("conformance:wait_bool");
    let cases: [(&[&str], &str); 2] = [(&["--durability", "process"], "process"), (&[], "full")];
    for (flags, expected) in cases {
        let started = host.item([&["run", &flow, "--detach"], flags].concat());
        let exec = kitaru_tests::id(&started);
        let runner = kitaru_tests::until("the background process", || host.get(exec)["runner"].as_str().map(str::to_owned));
        let process = runner.strip_prefix("process ").unwrap_or_else(|| panic!("a process and not `{runner}`"));
        let arguments = std::fs::read_to_string(format!("/proc/{process}/cmdline")).expect("its command line");
        assert!(arguments.contains(&format!("--durability\0{expected}\0")), "{arguments:?}");
        // It ends with its execution. Its runner is on record before its question is.
        kitaru_tests::until("the question", || (host.get(exec)["status"] == "waiting").then_some(()));
        let _ = host.item(["executions", "input", exec, "--value", "true"]);
        kitaru_tests::until("the end", || (host.get(exec)["status"] == "completed").then_some(()));
    }
}
