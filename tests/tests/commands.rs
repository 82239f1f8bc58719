//! The command line: conformance cases X1–X8, X11–X13, X20 (X9 and X10 come with them).

use kitaru_tests::{Host, example, fixture, id, names, until};
use serde_json::{Value, json};

#[test]
fn x1_executions_are_listed_and_filtered() {
    let host = Host::new();
    let hello = host.item(["run", &example("hello"), "--arg", "name=World"]);
    let quiet = host.flow("no_calls", &json!({}), &[]);
    let waiting = host.flow("wait_bool", &json!({}), &[]);
    let failed = host.try_flow("uncaught", &json!({ "message": "x" }), &[]).failed_execution();

    let reply = host.json(["executions", "list"]).ok();
    let envelope = reply.envelope();
    assert_eq!((&envelope["command"], &envelope["count"], &envelope["total"]), (&json!("executions.list"), &json!(4), &json!(4)));
    assert_eq!(names(&envelope["items"], "exec_id"), [&failed, id(&waiting), id(&quiet), id(&hello)], "newest first");
    let item = &envelope["items"][3];
    assert_eq!(
        (&item["flow_name"], &item["status"], &item["checkpoint_count"]),
        (&json!("hello"), &json!("completed"), &json!(2))
    );
    assert_eq!(item["stack_name"], "local");
    assert!(item["failure"].is_null() && item["pending_wait"].is_null() && item["metadata"].is_object(), "{item:#}");

    let listed = |filters: &[&str]| {
        let items = host.json([&["executions", "list"], filters].concat()).items();
        names(&Value::Array(items), "exec_id").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(listed(&["--status", "waiting"]), [id(&waiting)]);
    assert_eq!(listed(&["--status", " Completed "]), [id(&quiet), id(&hello)]);
    assert_eq!(listed(&["--flow", "hello"]), [id(&hello)]);
    assert_eq!(listed(&["--flow", "hello", "--status", "failed"]), [] as [&str; 0]);
    assert_eq!(listed(&["--limit", "1"]), [failed.as_str()]);
    assert_eq!(listed(&["--page", "2", "--size", "3"]), [id(&hello)]);
}

#[test]
fn x2_a_bad_status_filter_is_an_error_on_standard_error() {
    let host = Host::new();
    host.json(["executions", "list", "--status", "sleeping"]).refused(
        "KitaruUsageError",
        &["Unsupported status filter 'sleeping'. Expected one of: running, waiting, completed, failed, cancelled."],
    );
}

#[test]
fn x3_the_form_of_output_is_text_or_json() {
    let host = Host::new();
    let reply = host.text(["executions", "list", "--output", "yaml"]);
    assert_eq!((reply.code, reply.stdout.as_str()), (Some(1), ""));
    assert!(reply.stderr.contains("`--output` must be either `text` or `json`."), "{reply:?}");
    assert_eq!(host.text(["executions", "list", "--output", " JSON "]).items(), [] as [Value; 0]);
}

#[test]
fn x4_an_unknown_execution_is_a_typed_error() {
    let host = Host::new();
    for unknown in ["00000000-0000-7000-8000-000000000000", "nonsense", "ffff"] {
        for verb in ["get", "logs", "journal", "resume", "retry", "cancel"] {
            let error = host.json(["executions", verb, unknown]).refused("KitaruRuntimeError", &[unknown, "was not found"]);
            assert!(error["hint"].as_str().unwrap().contains("executions list"), "{error}");
        }
    }
    host.json(["executions", "get", " "]).refused("KitaruUsageError", &["must not be empty"]);
}

#[test]
fn ids_may_be_given_as_unique_prefixes() {
    let host = Host::new();
    let execution = host.flow("no_calls", &json!({}), &[]);
    let exec = id(&execution);
    assert_eq!(host.get(&exec[..12])["exec_id"], exec);
    assert_eq!(host.get(&exec[..30].to_uppercase())["exec_id"], exec);
    let other = host.flow("no_calls", &json!({}), &[]);
    // UUIDv7 begins with the time: both were made in the same minutes.
    host.json(["executions", "get", &exec[..4]]).refused("KitaruUsageError", &[exec, id(&other)]);
}

#[test]
fn x5_what_input_needs() {
    let host = Host::new();
    let execution = host.flow("wait_bool", &json!({}), &[]);
    let exec = id(&execution);
    let cases: [(&[&str], &str); 5] = [
        (&[], "Execution ID is required in non-interactive mode. Use `--interactive` to sweep all waiting executions."),
        (&[exec], "`--value` is required (or use `--abort` / `--interactive`)."),
        (&[exec, "--value", "true", "--abort"], "`--abort` cannot be combined with `--value`."),
        (&[exec, "--value", "{"], "Invalid JSON for `--value`:"),
        (&[exec, "--value", "{"], "(line 1, column 1)."),
    ];
    for (arguments, message) in cases {
        let reply = host.json([&["executions", "input"], arguments].concat());
        let error = reply.error();
        let said = error["message"].as_str().unwrap();
        assert!(said.contains(message), "{reply:?}");
        // Arguments that do not go together have no class; text that is not JSON has Python's.
        assert_eq!(
            error["type"],
            if message.contains("JSON") || message.contains("line") { json!("ValueError") } else { Value::Null }
        );
    }
    assert_eq!(host.get(exec)["status"], "waiting");
}

/// No flow of this version can wait twice at once, so the second question is put into the store by hand.
#[test]
fn x6_two_open_waits_have_to_be_told_apart() {
    let host = Host::new();
    let execution = host.flow("wait_bool", &json!({}), &[]);
    let exec = id(&execution);
    let store = rusqlite::Connection::open(host.database()).unwrap();
    store
        .execute("INSERT INTO waits (execution, call, name, entered_at) SELECT execution, 7, 'second', entered_at FROM waits", [])
        .unwrap();
    drop(store);
    host.json(["executions", "input", exec, "--value", "true"])
        .refused("KitaruStateError", &["multiple pending waits (approve, second)", "executions input --interactive"]);
    assert_eq!(host.item(["executions", "input", exec, "--wait", "approve", "--value", "true"])["result"], "approved");
}

#[test]
fn x7_interactive_input_needs_a_terminal() {
    let host = Host::new();
    let reply = host.text(["executions", "input", "--interactive"]);
    assert_eq!((reply.code, reply.stdout.as_str()), (Some(1), ""));
    assert!(reply.stderr.contains("requires an interactive terminal"), "{reply:?}");
    for excluded in [["--value", "1"].as_slice(), &["--abort"], &["--output", "json"]] {
        let reply = host.text([&["executions", "input", "--interactive"], excluded].concat());
        assert_eq!(reply.code, Some(1));
        assert!(reply.stderr.contains(excluded[0]) && reply.stderr.contains("cannot be combined"), "{reply:?}");
    }
}

#[test]
fn x8_following_a_failing_run_ends_with_the_command_that_retries_it() {
    let host = Host::new();
    let failed = host.try_flow("flow_panic", &json!({ "message": "over" }), &[]).failed_execution();
    let reply = host.json(["executions", "logs", &failed, "--follow"]);
    assert_eq!(reply.code, Some(1));
    let lines = reply.json_lines();
    let last = lines.last().unwrap();
    assert_eq!((&last["command"], &last["event"]), (&json!("executions.logs"), &json!("terminal")));
    assert_eq!(last["item"]["status"], "failed");
    assert_eq!(last["item"]["recovery_command"], format!("kitaru-host executions retry {failed}"));
    assert!(lines.iter().any(|line| line["event"] == "log" && line["item"]["message"] == "about to panic"), "{reply:?}");
    let text = host.text(["executions", "logs", &failed, "--follow"]);
    assert!(text.stdout.contains("[Execution failed:") && text.stderr.contains("executions retry"), "{text:?}");
}

#[test]
fn following_begins_with_the_last_lines_that_are_asked_for() {
    let host = Host::new();
    let done = host.flow("log_volume", &json!({ "lines": 5, "bytes": 10 }), &[]);
    let lines = |flags: &[&str]| {
        let reply = host.json([&["executions", "logs", id(&done)], flags].concat());
        reply.json_lines().iter().filter(|line| line["event"] == "log").count()
    };
    assert_eq!((lines(&["--follow", "--limit", "2"]), lines(&["--follow"])), (2, 5));
}

#[test]
fn x9_following_a_run_shows_every_line_once() {
    let host = Host::new();
    let waiting = host.flow("log_wait", &json!({}), &[]);
    let mut follower = host.spawn(host.json_command(["executions", "logs", id(&waiting), "--follow"]));
    let asked = follower.read_until(|line| line["event"] == "waiting");
    assert_eq!(asked["item"]["wait_name"], "go");
    let _ = host.item(["executions", "input", id(&waiting), "--value", "true"]);
    let reply = follower.finish();
    assert_eq!(reply.code, Some(0), "{reply:?}");
    let lines = reply.json_lines();
    let messages: Vec<&str> = lines.iter().filter_map(|line| line["item"]["message"].as_str()).collect();
    assert_eq!(messages[..messages.len() - 1], ["before", "printed before", "after"]);
    assert_eq!(lines.last().unwrap()["item"]["status"], "completed");
    assert_eq!(lines.iter().filter(|line| line["event"] == "waiting").count(), 1, "{reply:?}");
}

#[test]
fn x10_log_options_that_do_not_go_together() {
    let host = Host::new();
    let execution = host.flow("log_lines", &json!({}), &[]);
    let cases: [&[&str]; 7] = [
        &["--grouped"],
        &["--chunks"],
        &["--chunks", "--follow", "--source", "step"],
        &["--chunks", "--follow", "--checkpoint", "prints"],
        &["--checkpoint", "prints", "--source", "runner"],
        &["--interval", "0", "--follow"],
        &["--source", "other"],
    ];
    for options in cases {
        let reply = host.json([&["executions", "logs", id(&execution)], options].concat());
        let flag = if options[0] == "--checkpoint" { "--source runner" } else { options[0] };
        assert!(reply.error()["message"].as_str().unwrap().contains(flag), "{reply:?}");
    }
    let empty = host.flow("no_calls", &json!({}), &[]);
    assert_eq!(host.json(["executions", "logs", id(&empty)]).items(), [] as [Value; 0]);
    let text = host.text(["executions", "logs", id(&empty)]).ok();
    assert!(text.stdout.contains("No log entries found for execution"), "{text:?}");
}

#[test]
fn x11_a_limit_of_nothing_is_refused() {
    let host = Host::new();
    let execution = host.flow("no_calls", &json!({}), &[]);
    for command in
        [["executions", "list"].as_slice(), &["executions", "logs", id(&execution)], &["artifacts", "list", id(&execution)]]
    {
        let reply = host.json([command, &["--limit", "0"]].concat());
        assert!(reply.error()["message"].as_str().unwrap().contains("limit"), "{reply:?}");
    }
}

#[test]
fn x12_latest_without_a_match_names_the_filters() {
    let host = Host::new();
    host.json(["executions", "latest"]).refused("LookupError", &["No executions found"]);
    let _ = host.flow("no_calls", &json!({}), &[]);
    host.json(["executions", "latest", "--flow", "other", "--status", "failed"])
        .refused("LookupError", &["No executions found for flow='other' and status='failed'."]);
    assert_eq!(host.item(["executions", "latest", "--flow", "no_calls"])["status"], "completed");
}

#[test]
fn x13_only_failed_executions_are_retried() {
    let host = Host::new();
    let done = host.flow("no_calls", &json!({}), &[]);
    let waiting = host.flow("wait_bool", &json!({}), &[]);
    for (execution, status) in [(&done, "completed"), (&waiting, "waiting")] {
        let message = format!("Only failed executions can be retried. Execution '{}' is currently '{status}'.", id(execution));
        host.json(["executions", "retry", id(execution)]).refused("KitaruStateError", &[&message]);
    }
}

#[test]
fn x20_a_page_past_the_end_is_empty() {
    let host = Host::new();
    let _ = host.flow("no_calls", &json!({}), &[]);
    let reply = host.json(["executions", "list", "--page", "9"]).ok();
    assert_eq!((&reply.envelope()["items"], &reply.envelope()["count"]), (&json!([]), &json!(0)));
    let text = host.text(["executions", "list", "--page", "9"]).ok();
    assert!(text.stdout.contains("page 9"), "{text:?}");
    for option in ["--page", "--size"] {
        let reply = host.json(["executions", "list", "--limit", "3", option, "1"]);
        assert!(
            reply.error()["message"].as_str().unwrap().contains("`--limit` cannot be combined with `--page` or `--size`"),
            "{reply:?}"
        );
    }
}

#[test]
fn arguments_and_inputs_in_every_form() {
    let host = Host::new();
    let all = json!({ "text": "12", "count": 7, "flag": true, "list": [1, -2], "shape": { "Circle": { "radius": 1.5 } } });
    let target = fixture("conformance:arguments");
    assert_eq!(host.flow("arguments", &all, &[])["result"], all);
    let file = host.file("input.json", all.to_string());
    assert_eq!(host.item(["run", &target, "--input", &format!("@{file}")])["result"], all);
    assert_eq!(host.with_input(["run", &target, "--input", "-"], &all.to_string()).item()["result"], all);
    let typed = ["--arg", "text=12", "--arg", "count=7", "--arg", "flag=true", "--arg", "list=[1,-2]"];
    let shape = ["--arg", r#"shape={"Circle":{"radius":1.5}}"#];
    assert_eq!(
        host.item([&["run", &target], &typed[..], &shape[..]].concat())["result"],
        all,
        "text stays text where text is wanted"
    );
    let optional = host.item([&["run", &target], &typed[..4], &["--arg", "list=[]"]].concat());
    assert_eq!(optional["result"], json!({ "text": "12", "count": 7, "flag": null, "list": [], "shape": null }));
    let reply = host.json(["run", &target, "--arg", "text=a", "--arg", "text=b"]);
    assert!(reply.error()["message"].as_str().unwrap().contains("given twice"), "{reply:?}");
}

#[test]
fn every_command_answers_in_both_forms() {
    let host = Host::new();
    let execution = host.flow("save_kinds", &json!({ "blob_bytes": 3 }), &[]);
    let exec = id(&execution);
    let artifact = execution["result"][0].as_str().unwrap();
    let component = fixture("conformance");
    let commands: [&[&str]; 12] = [
        &["executions", "list"],
        &["executions", "get", exec],
        &["executions", "latest"],
        &["executions", "logs", exec],
        &["executions", "journal", exec],
        &["executions", "pending-waits"],
        &["artifacts", "list", exec],
        &["artifacts", "get", artifact],
        &["inspect", &component],
        &["status"],
        &["info"],
        &["doctor"],
    ];
    for command in commands {
        let reply = host.json(command).ok();
        let envelope = reply.envelope();
        assert!(envelope["item"].is_object() || envelope["items"].is_array(), "{reply:?}");
        assert!(envelope["command"].as_str().unwrap().starts_with(command[0]), "{reply:?}");
        let text = host.text(command).ok();
        assert!(!text.stdout.contains('\u{1b}'), "no colour where nobody watches: {text:?}");
    }
    let script = host.text(["completions", "bash"]).ok();
    assert!(script.stdout.contains("kitaru-host"), "{script:?}");
}

#[test]
fn inspect_says_what_a_component_is() {
    let host = Host::new();
    let item = host.item(["inspect", &example("content-pipeline")]);
    let size = std::fs::metadata(example("content-pipeline")).unwrap().len();
    assert_eq!(item["size_bytes"], size);
    assert_eq!(item["digest"].as_str().unwrap().len(), 64);
    let imports = item["imports"].as_array().unwrap();
    assert!(imports.iter().any(|import| import == "kitaru:flow/checkpoint@0.1.0"), "{imports:?}");
    let flow = &item["manifest"]["flows"][0];
    assert_eq!((&flow["name"], &flow["parameters"]), (&json!("content_pipeline"), &json!(["topic", "document"])));
    assert_eq!(names(&item["manifest"]["checkpoints"], "name"), ["publish", "research", "write_draft"]);
}

#[test]
fn the_version_is_a_line_and_at_length_what_tells_two_builds_apart() {
    let host = Host::new();
    let short = host.text(["-V"]).ok().stdout;
    assert_eq!(short, format!("kitaru-host {}\n", env!("CARGO_PKG_VERSION")));
    let long = host.text(["--version"]).ok().stdout;
    let of = |name: &str| {
        let line = long.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}: {long}"));
        line.trim().to_owned()
    };
    assert_eq!(of("kitaru-host"), env!("CARGO_PKG_VERSION"));
    let info = host.item(["info"]);
    assert_eq!((json!(of("WIT")), json!(of("wasmtime"))), (info["wit_package"].clone(), info["wasm_engine"].clone()));
    let formats = ["data format", "journal format"].map(|name| of(name).parse::<u64>().unwrap());
    assert_eq!(formats.map(|format| json!(format)), [info["data_format"].clone(), info["journal_format"].clone()]);
    let _ = host.json(["executions", "list"]).ok();
    let store = rusqlite::Connection::open(host.database()).unwrap();
    let there: i64 = store.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(u64::try_from(there), Ok(formats[0]), "what it makes has the format that it names");
    // Of a release that was built in a checkout only, and the same everywhere.
    let commit = long.lines().find_map(|line| line.strip_prefix("commit"));
    assert_eq!(info["commit"], commit.map_or(Value::Null, |commit| json!(commit.trim())));
    assert_eq!(
        host.text(["executions", "list", "--version"]).ok().stdout.lines().skip(1).collect::<Vec<_>>(),
        long.lines().skip(1).collect::<Vec<_>>()
    );
}

/// The script as bash runs it when somebody presses Tab; the program on the path is the one that is tested.
#[test]
fn bash_completes_names_of_what_is_there() {
    let host = Host::warm();
    let one = host.flow("no_calls", &json!({}), &[]);
    let _ = host.item(["deploy", &fixture("conformance:thrice")]);
    let _ = host.item(["model", "register", "fast", "--model", "openai/gpt-4o-mini"]);
    let script = host.file("completions.bash", host.text(["completions", "bash"]).ok().stdout);
    std::fs::create_dir_all(host.path("bin")).unwrap();
    std::os::unix::fs::symlink(host.command([""; 0]).get_program(), host.path("bin/kitaru-host")).unwrap();
    let completed = |line: &str| -> Vec<String> {
        let press = r#"source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
            _kitaru_host_with_names kitaru-host "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"; printf '%s\n' "${COMPREPLY[@]}""#;
        let mut bash = std::process::Command::new("bash");
        bash.args(["--noprofile", "--norc", "-c", press, "bash", &script, "kitaru-host"]).args(line.split(' '));
        // With the environment of the host's own commands.
        for (name, value) in host.command([""; 0]).get_envs() {
            match value {
                Some(value) => bash.env(name, value),
                None => bash.env_remove(name),
            };
        }
        let path = format!("{}:{}", host.path("bin"), std::env::var("PATH").unwrap());
        let output = bash.env("PATH", path).current_dir(host.work()).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    };
    // On a busy machine a key may be pressed in vain: what takes too long is left out.
    let completes = |line: &str, expected: &str| until(line, || (completed(line) == [expected]).then_some(()));
    let exec = id(&one);
    completes(&format!("executions get {}", &exec[..8]), exec);
    until("all executions", || completed("executions get ").contains(&exec.to_owned()).then_some(()));
    completes("invoke th", "thrice");
    // What ran, too.
    completes("executions list --flow no", "no_calls");
    completes("model show f", "fast");
    // The script is silent about errors; the command is not.
    assert_eq!(host.text(["complete", "--", "executions", "get", "zzz"]).ok().stdout.trim(), "", "there is none");
    assert_eq!(completed("exec"), ["executions"], "commands and flags as before");
    assert_eq!(completed("executions pend"), ["pending-waits"], "commands of a command too");
    // To press a key makes nothing.
    let empty = Host::new();
    assert_eq!(empty.text(["complete", "--", "executions", "get", ""]).ok().stdout.trim(), "");
    assert!(!empty.home().join("kitaru.db").exists());
}
