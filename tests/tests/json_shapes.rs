//! What commands answer with `-o json`: exactly these keys, types and words of the contract, in these situations.
//!
//! The shapes are in `json_shapes/<command>.json`. `KITARU_UPDATE_GOLDEN=1` writes them anew; what changed in them is what programs that read
//! the answers will notice.

use std::collections::BTreeSet;

use kitaru_tests::{Host, Reply, example, repository};
use serde_json::{Value, json};

#[path = "json_shapes/access.rs"]
mod access;
#[path = "json_shapes/executions.rs"]
mod executions;
#[path = "json_shapes/golden.rs"]
mod golden;
#[path = "json_shapes/kept.rs"]
mod kept;
#[path = "json_shapes/prescribed.rs"]
mod prescribed;
#[path = "json_shapes/shape.rs"]
mod shape;

use golden::{answer, check, differences};
use prescribed::{DIFFERENCES, PRESCRIBED};
use shape::shape;

#[test]
fn making_projects_keeps_its_shapes() {
    let host = Host::new();
    let init = || {
        let mut command = host.json_command(["init"]);
        // It would go before the project's own folder.
        command.env_remove("KITARU_HOME");
        answer(&Reply::from(command))
    };
    check("init", &[("made", init()), ("made already", init())]);
    let new = || answer(&host.json(["new", "my-flow"]));
    check("new", &[("made", new()), ("there already", new())]);
    // What a build answers is looked at in `builds.rs`, which has built something.
    check("build", &[("no project", answer(&host.json(["build", "."])))]);
}

#[test]
fn what_is_said_of_host_and_components_keeps_its_shapes() {
    let host = Host::new();
    let component = answer(&host.json(["inspect", &example("hello")]));
    check("inspect", &[("component", component), ("no component", answer(&host.json(["inspect", "nowhere.wasm"])))]);
    let file = host.file("file", "no folder");
    let unusable = |command: &str| answer(&host.json([command, "--home", &file]));
    check("status", &[("empty", answer(&host.json(["status"]))), ("cannot be opened", unusable("status"))]);
    let to_file = answer(&host.json(["info", "--file", "told.json"]));
    check("info", &[("empty", answer(&host.json(["info"]))), ("to a file", to_file)]);
    check("doctor", &[("well", answer(&host.json(["doctor"]))), ("ill", unusable("doctor"))]);
    let mut serving = host.spawn(host.json_command(["serve", "--listen", "127.0.0.1:0"]));
    let ready: Value = serde_json::from_str(&serving.next_line().expect("it says when it is ready")).unwrap();
    check("serve", &[("ready", json!({ "stdout": shape(&ready, "") }))]);
}

#[test]
fn settings_and_the_log_store_keep_their_shapes() {
    let host = Host::new();
    let config = |arguments: &[&str]| answer(&host.json([&["config"], arguments].concat()));
    check("config.show", &[("some", config(&["show", "run"])), ("none", config(&["show", "nonsense"]))]);
    check("config.path", &[("no files", config(&["path"]))]);
    let log_store = |arguments: &[&str]| answer(&host.json([&["log-store"], arguments].concat()));
    check("log-store.show", &[("local", log_store(&["show"]))]);
    // Nobody listens there.
    let set = log_store(&["set", "otlp", "--endpoint", "http://127.0.0.1:9"]);
    check("log-store.set", &[("a collector", set), ("no address", log_store(&["set", "otlp"]))]);
    check("log-store.reset", &[("local", log_store(&["reset"]))]);
}

#[test]
fn deleting_data_folders_keeps_its_shapes() {
    let host = Host::new();
    let clean = |arguments: &[&str]| answer(&host.json([&["clean"], arguments].concat()));
    check("clean.project", &[("no project", clean(&["project", "--yes"]))]);
    check("clean.all", &[("nothing", clean(&["all", "--yes"]))]);
    let _ = host.item(["run", &example("hello"), "--arg", "name=Ada"]);
    let dry_run = clean(&["global", "--dry-run"]);
    check("clean.global", &[("dry run", dry_run), ("not agreed", clean(&["global"])), ("done", clean(&["global", "--yes"]))]);
}

#[test]
fn signing_keeps_its_shapes() {
    let host = Host::new();
    let file = host.file("hello.wasm", std::fs::read(example("hello")).unwrap());
    let generate = || answer(&host.json(["keys", "generate", "team.key", "--no-password"]));
    check("keys.generate", &[("made", generate()), ("there already", generate())]);
    let sign = |component: &str, key: &str| answer(&host.json(["sign", component, "--key", key]));
    check(
        "sign",
        &[
            ("signed", sign(&file, "team.key")),
            ("no component", sign("nowhere.wasm", "team.key")),
            ("no key", sign(&file, "team.key.pub")),
        ],
    );
}

#[test]
fn run_keeps_its_shapes() {
    let host = Host::new();
    check(
        "run",
        &[
            ("completed", answer(&host.json(["run", &example("hello"), "--arg", "name=World"]))),
            ("waiting", answer(&host.json(["run", &example("release-approval"), "--arg", "topic=v1.0"]))),
            ("failed", answer(&host.try_flow("uncaught", &json!({ "message": "x" }), &[]))),
            ("no component", answer(&host.json(["run", "nowhere.wasm"]))),
            ("no target", answer(&host.json(["run"]))),
        ],
    );
}

/// Commands of the reference, which another test holds against `--help`; not those that only group others.
fn commands() -> BTreeSet<String> {
    let text = std::fs::read_to_string(repository().join("docs/cli.md")).unwrap();
    let sections = text.lines().filter_map(|line| line.strip_prefix("## kitaru-host "));
    let all: BTreeSet<String> = sections.map(|command| command.trim().replace(' ', ".")).collect();
    let groups = |command: &String| all.iter().any(|other| other.starts_with(&format!("{command}.")));
    // A script for a shell is the same in every form, assistants are spoken to in a protocol of their own, and a schema of all settings has the
    // form of schemas: `config.rs` holds it to what is read.
    let shapeless = ["completions", "config.schema", "mcp"];
    all.iter().filter(|command| !groups(command) && !shapeless.contains(&command.as_str())).cloned().collect()
}

#[test]
fn every_command_has_its_shapes_and_every_shape_its_command() {
    let files = std::fs::read_dir(golden::folder()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let written: BTreeSet<String> = names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect();
    assert!(written.len() > 20, "{written:?}");
    assert_eq!(written, commands(), "files (left) and commands (right)");
}

#[test]
fn x1_x2_every_answer_is_an_envelope_that_names_its_command() {
    const SUCCESS: [&str; 7] = [
        "command item",
        "command count items",
        "command count exec_ids items",
        "command count items next_cursor",
        "command count items total",
        "command count items next_cursor total",
        "command event item",
    ];
    for command in commands() {
        let written = golden::written(&command);
        for (situation, answer) in written.as_object().unwrap() {
            for (stream, allowed) in [("stdout", &SUCCESS[..]), ("stderr", &["command error"][..])] {
                let lines: Vec<&Value> = match &answer[stream] {
                    Value::Null => Vec::new(),
                    Value::Array(lines) => lines.iter().collect(),
                    line => vec![line],
                };
                for line in lines {
                    let keys: BTreeSet<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
                    let keys = keys.into_iter().collect::<Vec<_>>().join(" ");
                    assert!(allowed.contains(&keys.as_str()), "{command}, {situation}, {stream}: {keys}");
                    assert_eq!(line["command"], format!("= {command}"), "{situation}");
                    assert!(stream == "stdout" || line["error"]["message"] == "string", "{command}, {situation}: {line}");
                }
            }
        }
    }
}

/// What is missing is listed with its reason, and nothing else is missing.
#[test]
fn x1_the_keys_that_programs_written_for_kitaru_read_are_there() {
    let mut missing = BTreeSet::new();
    for (command, situation, place, keys) in PRESCRIBED {
        let written = golden::written(command);
        let found = written[situation].pointer(place).and_then(Value::as_object);
        let found = found.unwrap_or_else(|| panic!("{command}, {situation}: there is no object at {place}: {written:#}"));
        let absent = keys.split_whitespace().filter(|key| !found.contains_key(*key));
        missing.extend(absent.map(|key| format!("{command} {place}/{key}")));
    }
    let known = DIFFERENCES.iter().flat_map(|(command, place, keys, why)| {
        assert!(!why.is_empty(), "{command} {place} differs for no reason");
        keys.split_whitespace().map(move |key| format!("{command} {place}/{key}"))
    });
    assert_eq!(missing, known.collect::<BTreeSet<_>>(), "missing (left) and known to be missing (right)");
}

#[test]
fn a_shape_tells_keys_types_and_words() {
    let value = json!({
        "status": "completed", "count": 1, "part": 0.5, "none": null, "tags": ["a", "b"], "empty": [], "result": "changed", "result_of": "changed",
        "items": [{ "a": 1, "kind": "wait" }, { "a": null, "b": [true], "kind": "flow" }, { "a": { "deep": 1 } }],
    });
    assert_eq!(
        shape(&value, ""),
        json!({
            "status": "= completed", "count": "integer", "part": "number", "none": "null", "tags": ["string"], "empty": [],
            "result": "= changed", "result_of": "string",
            "items": [{ "a": { "one of": ["integer | null", { "deep": "integer" }] }, "b?": ["boolean"], "kind?": "= flow | = wait" }],
        })
    );
}

#[test]
fn what_was_added_is_gone_or_has_another_type_is_told() {
    let written = json!({ "item": { "a": "string", "b": "null", "list": [{ "c": "integer" }] } });
    assert_eq!(differences("x", &written, &written), [] as [String; 0]);
    let found = json!({ "item": { "a": "integer", "list": [{ "c": "integer", "d": "string" }] } });
    let told = differences("x", &written, &found);
    let begins = |part: &str| told.iter().any(|line| line.starts_with(part));
    assert!(told.len() == 3 && begins("x.item.a: ") && begins("x.item.b: gone") && begins("x.item.list[0].d: not"), "{told:#?}");
}
