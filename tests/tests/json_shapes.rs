//! What commands answer with `-o json`: exactly these keys, types and words of the contract, in these situations.
//!
//! The shapes are in `json_shapes/<command>.json`. `KITARU_UPDATE_GOLDEN=1` writes them anew; what changed in them is what programs that read
//! the answers will notice.

use std::collections::BTreeSet;

use kitaru_tests::{Host, Models, Reply, example, fixture, id, repository};
use serde_json::{Value, json};

#[path = "json_shapes/access.rs"]
mod access;
#[path = "json_shapes/golden.rs"]
mod golden;
#[path = "json_shapes/prescribed.rs"]
mod prescribed;
#[path = "json_shapes/shape.rs"]
mod shape;

use golden::{answer, check, differences};
use prescribed::{DIFFERENCES, PRESCRIBED};
use shape::shape;

/// An execution that waits for `approve_release`, after a checkpoint.
fn waiting(host: &Host) -> String {
    id(&host.item(["run", &example("release-approval"), "--arg", "topic=v1.0"])).to_owned()
}

fn failed(host: &Host) -> String {
    host.try_flow("uncaught", &json!({ "message": "x" }), &[]).failed_execution()
}

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

#[test]
fn looking_at_executions_keeps_its_shapes() {
    let host = Host::new();
    let completed = host.item(["run", &example("hello"), "--arg", "name=World"]);
    let (waiting, failed) = (waiting(&host), failed(&host));
    let parent = host.flow("parent", &json!({ "path": "out/traces" }), &[&host.writable()]);
    let executions = |verb: &str, rest: &[&str]| answer(&host.json([&["executions", verb], rest].concat()));
    check(
        "executions.list",
        &[
            ("several", executions("list", &[])),
            ("page", executions("list", &["--size", "1"])),
            ("children", executions("list", &["--parent", id(&parent)])),
            ("none", executions("list", &["--flow", "nobody"])),
            ("unknown status", executions("list", &["--status", "sleeping"])),
        ],
    );
    check(
        "executions.get",
        &[
            ("completed", executions("get", &[id(&completed)])),
            ("waiting", executions("get", &[&waiting])),
            ("failed", executions("get", &[&failed])),
            ("unknown", executions("get", &["nonsense"])),
        ],
    );
    check(
        "executions.latest",
        &[("found", executions("latest", &["--flow", "hello"])), ("none", executions("latest", &["--flow", "nobody"]))],
    );
    let needy = host.json(["run", &fixture("needy:look"), "--arg", "name=NEEDY_LANG"]).failed_execution();
    check(
        "executions.access",
        &[
            ("denied", executions("access", &[&needy])),
            ("none", executions("access", &[id(&completed)])),
            ("unknown", executions("access", &["nonsense"])),
        ],
    );
    let timed = host.flow("wait_within", &json!({ "milliseconds": 60_000 }), &[]);
    check(
        "executions.journal",
        &[
            ("completed", executions("journal", &[id(&completed)])),
            ("waiting", executions("journal", &[&waiting])),
            ("failed", executions("journal", &[&failed])),
            ("parent", executions("journal", &[id(&parent)])),
            ("timed", executions("journal", &[id(&timed)])),
        ],
    );
    check(
        "executions.pending-waits",
        &[
            ("open", executions("pending-waits", &[&waiting])),
            ("timed", executions("pending-waits", &[id(&timed)])),
            ("none", executions("pending-waits", &[&failed])),
        ],
    );
}

#[test]
fn grants_for_good_keep_their_shapes() {
    let host = Host::new();
    let grants = |words: &[&str]| answer(&host.json([&["grants"], words].concat()));
    let none = grants(&["list"]);
    let digest = "ab".repeat(32);
    let entry =
        format!("[components.{digest}]\nflows = [\"f\"]\nat = \"2026-11-22T10:00:00Z\"\ngrants = {{ env = [\"LANG\"] }}\n");
    std::fs::write(host.home().join("grants.toml"), entry).unwrap();
    check("grants.list", &[("none", none), ("some", grants(&["list"]))]);
    check("grants.forget", &[("unknown", grants(&["forget", "cd"])), ("forgotten", grants(&["forget", "abab"]))]);
}

#[test]
fn logs_keep_their_shapes() {
    let host = Host::new();
    let lines = host.flow("log_lines", &json!({}), &[]);
    let quiet = host.flow("no_calls", &json!({}), &[]);
    let broken = host.try_flow("flow_panic", &json!({ "message": "over" }), &[]).failed_execution();
    let asked = host.flow("log_wait", &json!({}), &[]);
    let mut follower = host.spawn(host.json_command(["executions", "logs", id(&asked), "--follow"]));
    let _ = follower.read_until(|line| line["event"] == "waiting");
    let _ = host.item(["executions", "input", id(&asked), "--value", "true"]);
    check(
        "executions.logs",
        &[
            ("lines", answer(&host.json(["executions", "logs", id(&lines)]))),
            ("checkpoints", answer(&host.json(["executions", "logs", id(&lines), "--source", "step"]))),
            ("none", answer(&host.json(["executions", "logs", id(&quiet)]))),
            ("followed to a failure", answer(&host.json(["executions", "logs", &broken, "--follow"]))),
            ("followed over a wait", answer(&follower.finish())),
        ],
    );
}

#[test]
fn acting_on_executions_keeps_its_shapes() {
    let host = Host::new();
    let exec = waiting(&host);
    let resume = |exec: &str| answer(&host.json(["executions", "resume", exec]));
    let input = |value: &str| answer(&host.json(["executions", "input", &exec, "--value", value]));
    let refused = resume(&exec);
    check(
        "executions.input",
        &[
            ("no value", answer(&host.json(["executions", "input", &exec]))),
            ("no JSON", input("{")),
            ("misfit", input("1")),
            ("asked again", input("true")),
            ("completed", input(r#"{"notes":"n","major_version":2}"#)),
            ("nothing open", input("true")),
        ],
    );
    let left = waiting(&host);
    let mut dying = host.json_command(["executions", "input", &left, "--value", "false"]);
    dying.env("KITARU_FAULT_KILL_BEFORE", "1");
    let killed = Reply::from(dying);
    assert_eq!(killed.code, None, "the fault point killed it{killed:?}");
    check("executions.resume", &[("completed", resume(&left)), ("waiting", refused)]);
    for (verb, first, second) in [("abort-wait", "failed", "nothing open"), ("cancel", "cancelled", "ended")] {
        let exec = waiting(&host);
        let act = || answer(&host.json(["executions", verb, &exec]));
        check(&format!("executions.{verb}"), &[(first, act()), (second, act())]);
    }
}

#[test]
fn retries_and_replays_keep_their_shapes() {
    let host = Host::new();
    let broken = host.json(["run", &fixture("versioned-v1:pipeline"), "--arg", "topic=broken"]).failed_execution();
    let fixed = fixture("versioned-fixed");
    check(
        "executions.retry",
        &[
            ("failed", answer(&host.json(["executions", "retry", &broken]))),
            ("completed", answer(&host.json(["executions", "retry", &broken, "--component", &fixed]))),
            ("refused", answer(&host.json(["executions", "retry", &broken]))),
        ],
    );
    let run = host.item(["run", &example("content-pipeline"), "--arg", "topic=kitaru"]);
    let one = host.json(["executions", "replay", id(&run), "--override", "checkpoint.research=other"]);
    let other = host.flow("thrice", &json!({}), &[]);
    // A source that is replayed, one that has no such checkpoint, one that is not there.
    let batch = ["executions", "replay", id(&run), id(&other), "nonsense", "--from", "research", "--wait", "--tag", "night"];
    let given = ["--checkpoint-overrides", r#"{"research":{"output":"x"}}"#];
    check(
        "executions.replay",
        &[
            ("one", answer(&one)),
            ("batch", answer(&host.json([&batch[..], &given].concat()))),
            ("unknown", answer(&host.json(["executions", "replay", id(&run), "--from", "draft"]))),
        ],
    );
    let replay = one.item();
    check(
        "executions.diff",
        &[
            ("replay", answer(&host.json(["executions", "diff", id(&run), id(&replay)]))),
            ("another flow", answer(&host.json(["executions", "diff", id(&run), id(&other)]))),
            ("no replays", answer(&host.json(["executions", "diff", id(&other)]))),
        ],
    );
    let three = host.json(["executions", "diff-matrix", id(&run), id(&replay), id(&other)]);
    check("executions.diff-matrix", &[("three", answer(&three))]);
    let cohort = host.json(["executions", "cohort", "--flow", run["flow_name"].as_str().unwrap()]);
    check("executions.cohort", &[("found", answer(&cohort)), ("no flow", answer(&host.json(["executions", "cohort"])))]);
}

#[test]
fn verifying_and_upgrading_keep_their_shapes() {
    let host = Host::new();
    let waiting = host.item(["run", &fixture("versioned-wait:pipeline"), "--arg", "topic=tides"]);
    let renamed = fixture("versioned-renamed");
    check(
        "executions.verify",
        &[
            ("holds", answer(&host.json(["executions", "verify", id(&waiting)]))),
            ("diverges", answer(&host.json(["executions", "verify", id(&waiting), "--component", &renamed]))),
            ("unnamed", answer(&host.json(["executions", "verify"]))),
        ],
    );
    // The same code in another file: one more custom section.
    let mut bytes = std::fs::read(fixture("versioned-wait")).unwrap();
    bytes.extend_from_slice(&[0, 5, 4, b'n', b'o', b't', b'e']);
    let same = host.file("other.wasm", &bytes);
    check(
        "executions.upgrade",
        &[
            ("diverges", answer(&host.json(["executions", "upgrade", id(&waiting), "--component", &renamed]))),
            ("upgraded", answer(&host.json(["executions", "upgrade", "--waiting", "--component", &same]))),
        ],
    );
}

#[test]
fn counting_carrying_and_removing_keep_their_shapes() {
    let (host, there) = (Host::new(), Host::new());
    let saved = host.flow("save_kinds", &json!({ "blob_bytes": 3 }), &["--tag", "red"]);
    let _ = failed(&host);
    let grouped = ["executions", "statistics", "--group-by", "flow", "--group-by", "status"];
    check(
        "executions.statistics",
        &[("all", answer(&host.json(["executions", "statistics"]))), ("groups", answer(&host.json(grouped)))],
    );
    check("artifacts.list", &[("saved", answer(&host.json(["artifacts", "list", id(&saved)])))]);
    let artifact = |name: &str| {
        let all = saved["artifacts"].as_array().unwrap();
        let found = all.iter().find(|artifact| artifact["name"] == name).expect("an artifact of this name");
        answer(&host.json(["artifacts", "get", found["artifact_id"].as_str().unwrap()]))
    };
    let unknown = answer(&host.json(["artifacts", "get", "nonsense"]));
    check("artifacts.get", &[("json", artifact("my_prompt")), ("bytes", artifact("my_blob")), ("unknown", unknown)]);
    let file = host.path("export.tar");
    let export = |which: &str| answer(&host.json(["executions", "export", which, "--to", &file]));
    check("executions.export", &[("written", export(id(&saved))), ("unknown", export("nonsense"))]);
    let import = |file: &str| answer(&there.json(["executions", "import", file]));
    check("executions.import", &[("new", import(&file)), ("known", import(&file)), ("no export", import(&example("hello")))]);
    check(
        "executions.delete",
        &[
            ("deleted", answer(&host.json(["executions", "delete", id(&saved)]))),
            ("unnamed", answer(&host.json(["executions", "delete"]))),
        ],
    );
}

#[test]
fn secrets_keep_their_shapes() {
    let host = Host::new();
    let secrets = |verb: &str, rest: &[&str]| answer(&host.json([&["secrets", verb], rest].concat()));
    let none = secrets("list", &[]);
    let set = |rest: &[&str]| secrets("set", &[&["creds"], rest].concat());
    check(
        "secrets.set",
        &[
            ("created", set(&["--OPENAI_API_KEY=sk-1", "--metadata", "team=core"])),
            ("updated", set(&["--OPENAI_API_KEY=sk-2"])),
            ("invalid", set(&["--1KEY=v"])),
        ],
    );
    check(
        "secrets.show",
        &[
            ("shown", secrets("show", &["creds"])),
            ("with values", secrets("show", &["creds", "--show-values"])),
            ("unknown", secrets("show", &["nobody"])),
        ],
    );
    check("secrets.list", &[("some", secrets("list", &[])), ("none", none)]);
    check("secrets.delete", &[("deleted", secrets("delete", &["creds"])), ("unknown", secrets("delete", &["creds"]))]);
}

#[test]
fn models_keep_their_shapes() {
    let host = Host::new();
    let model = |verb: &str, rest: &[&str]| answer(&host.json([&["model", verb], rest].concat()));
    let none = model("list", &[]);
    let register = |rest: &[&str]| model("register", &[&["fast"], rest].concat());
    let whole = [
        "--model=openai/gpt-4o-mini",
        "--secret=creds",
        "--base-url=https://gateway.example/v1",
        "--api=openai_chat",
        "--fallback=ollama/llama3",
    ];
    let no_secret = register(&whole);
    let created = register(&["--model", "openai/gpt-4o-mini"]);
    let _ = host.item(["secrets", "set", "creds", "--OPENAI_API_KEY=sk-1"]);
    check(
        "model.register",
        &[
            ("created", created),
            ("updated", register(&whole)),
            ("no secret", no_secret),
            ("no provider", register(&["--model", "gpt-4o"])),
            ("no model", register(&[])),
        ],
    );
    check("model.list", &[("some", model("list", &[])), ("none", none)]);
    check("model.show", &[("shown", model("show", &["fast"])), ("unknown", model("show", &["nobody"]))]);
    check("model.remove", &[("removed", model("remove", &["fast"])), ("unknown", model("remove", &["fast"]))]);
    // Nobody listens where a port was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _ = host.item(["model", "register", "own", "--model", "vllm/m", "--base-url", &format!("http://{free}/v1")]);
    check(
        "model.test",
        &[
            ("no key", model("test", &["openai/gpt-4o"])),
            ("unreachable", model("test", &["own"])),
            ("unknown", model("test", &["nobody"])),
        ],
    );
}

#[test]
fn what_model_calls_used_keeps_its_shapes() {
    let models = Models::always("Said.");
    let usage = |rest: &[&str]| answer(&models.host.json([&["model", "usage"], rest].concat()));
    let none = usage(&[]);
    let _ = models.ask(&json!([{ "prompt": "x" }]));
    check(
        "model.usage",
        &[
            ("none", none),
            ("together", usage(&[])),
            ("by flow", usage(&["--by", "flow"])),
            ("by model", usage(&["--by", "model"])),
            ("no such flow", usage(&["--by", "flow", "--flow", "nobody"])),
        ],
    );
}

#[test]
fn published_flows_keep_their_shapes() {
    let host = Host::new();
    let call = |words: &[&str], rest: &[&str]| answer(&host.json([words, rest].concat()));
    let flow = |verb: &str, rest: &[&str]| call(&["flow", verb], rest);
    let deployments = |verb: &str, rest: &[&str]| call(&["flow", "deployments", verb, "hello"], rest);
    let hello = example("hello");
    let deploy = |rest: &[&str]| call(&["deploy", &hello, "--arg", "name=Ada", "--tag", "canary"], rest);
    let (none, unknown) = (flow("list", &[]), flow("show", &["hello"]));
    let unknown_delete = flow("delete", &["hello"]);
    let (no_list, no_show, no_invoke) = (deployments("list", &[]), deployments("show", &[]), call(&["invoke", "hello"], &[]));
    let one = deploy(&[]);
    let elsewhere = Host::new();
    let all = answer(&elsewhere.json(["deploy", &hello, "--all"]));
    let several = answer(&elsewhere.json(["deploy", &fixture("conformance")]));
    check("deploy", &[("one", one), ("all", all), ("several flows", several)]);
    check(
        "invoke",
        &[
            ("completed", call(&["invoke", "hello"], &[])),
            ("unknown", no_invoke),
            ("unusable", call(&["invoke", "hello", "--version", "1", "--tag", "canary"], &[])),
        ],
    );
    check("flow.list", &[("some", flow("list", &[])), ("none", none)]);
    check("flow.show", &[("shown", flow("show", &["hello"])), ("unknown", unknown)]);
    check("flow.deployments.list", &[("some", deployments("list", &[])), ("unknown", no_list)]);
    check("flow.deployments.show", &[("default", deployments("show", &[])), ("unknown", no_show)]);
    let named = deployments("curl", &["--tag", "canary", "--server-url", "https://kitaru.example.com"]);
    check("flow.deployments.curl", &[("usual server", deployments("curl", &[])), ("named server", named)]);
    let tag = |version: &str| flow("tag", &["hello", "stable", "--version", version]);
    check("flow.tag", &[("tagged", tag("1")), ("unknown", tag("2"))]);
    let untag = |tag: &str| flow("untag", &["hello", tag]);
    check("flow.untag", &[("untagged", untag("stable")), ("reserved", untag("default"))]);
    let _ = host.item(["deploy", &hello, "--tag", "canary"]);
    let delete = |version: &str| deployments("delete", &["--version", version]);
    check("flow.deployments.delete", &[("held", delete("1")), ("deleted", delete("2"))]);
    check("flow.delete", &[("deleted", flow("delete", &["hello"])), ("unknown", unknown_delete)]);
}

/// Commands of the reference, which another test holds against `--help`; not those that only group others.
fn commands() -> BTreeSet<String> {
    let text = std::fs::read_to_string(repository().join("docs/cli.md")).unwrap();
    let sections = text.lines().filter_map(|line| line.strip_prefix("## kitaru-host "));
    let all: BTreeSet<String> = sections.map(|command| command.trim().replace(' ', ".")).collect();
    let groups = |command: &String| all.iter().any(|other| other.starts_with(&format!("{command}.")));
    // A script for a shell is the same in every form, and assistants are spoken to in a protocol of their own.
    let shapeless = ["completions", "mcp"];
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
