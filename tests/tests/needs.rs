//! What components declare that they need, how an operator's grants are narrowed to it, and the records of what was used and denied.

use std::net::TcpListener;
use std::path::Path;

use kitaru_tests::{Host, Reply, checkpoint, example, fixture, id, names, until};
use serde_json::{Value, json};

/// Runs a flow of the guest `needy`, with these variables in the host's environment.
fn run_with(host: &Host, variables: &[(&str, &str)], flow: &str, arguments: &Value, flags: &[&str]) -> Reply {
    let (target, input) = (fixture(&format!("needy:{flow}")), arguments.to_string());
    let mut command = host.json_command([&["run", &target, "--input", &input], flags].concat());
    command.envs(variables.iter().copied());
    Reply::from(command)
}

fn run(host: &Host, flow: &str, arguments: &Value, flags: &[&str]) -> Reply {
    run_with(host, &[("NEEDY_LANG", "eo"), ("NEEDY_ZONE", "UTC"), ("NEEDY_OTHER", "x")], flow, arguments, flags)
}

/// A failure for want of a capability. Its message.
#[track_caller]
fn denied(reply: &Reply) -> String {
    let error = reply.error();
    assert_eq!((&error["failure_kind"], &error["origin"]), (&json!("capability"), &json!("runtime")), "{reply:?}");
    error["message"].as_str().unwrap().to_owned()
}

/// The same, and no flag would help, because the code does not declare it.
#[track_caller]
fn undeclared(reply: &Reply) {
    let message = denied(reply);
    assert!(message.contains("does not declare") && !message.contains("--allow"), "{reply:?}");
    let hint = reply.error()["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("declare it in the code") && !hint.contains("--allow"), "{reply:?}");
}

/// What the only checkpoint of an execution could touch and did touch.
fn capabilities(execution: &Value) -> &Value {
    &execution["checkpoints"][0]["capabilities"]
}

fn access(host: &Host, execution: &str, flags: &[&str]) -> Vec<Value> {
    host.json([&["executions", "access", execution], flags].concat()).items()
}

#[test]
fn needs_are_shown_before_anything_runs() {
    let host = Host::new();
    let manifest = host.item(["inspect", &fixture("needy")])["manifest"].clone();
    assert_eq!(manifest["needs"], json!({ "env": ["NEEDY_ZONE"], "llm": ["fast"] }));
    let needs = |name: &str| {
        let checkpoints = manifest["checkpoints"].as_array().unwrap();
        checkpoints.iter().find(|checkpoint| checkpoint["name"] == name).unwrap()["needs"].clone()
    };
    assert_eq!(needs("tries"), json!({ "write": ["out"], "net": ["127.0.0.1:9"] }));
    assert_eq!((needs("modest"), needs("silent")), (json!({}), Value::Null));
    let text = host.text(["inspect", &fixture("needy")]).ok().stdout;
    for part in ["needs read docs/open", "needs nothing", "needs env NEEDY_ZONE; llm fast"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn declaring_grants_nothing_and_what_is_missing_is_told_in_a_line() {
    let host = Host::new();
    let said = host.text(["run", &fixture("needy:see")]).ok();
    assert_eq!(said.stdout, "[[],[]]\n", "{said:?}");
    let note = said.stderr.lines().find(|line| line.starts_with("note: ")).unwrap_or_else(|| panic!("no note: {said:?}"));
    for flag in
        ["--allow-env=NEEDY_LANG", "--allow-env=NEEDY_ZONE", "--allow-llm=fast", "--allow-net=127.0.0.1:9", "--allow-needs"]
    {
        assert!(note.contains(flag), "{flag}: {note}");
    }
    assert!(note.contains("--allow-read=docs/open") && note.contains("--allow-write=out/mine"), "{note}");
    // `--yes` answers questions, and grants nothing.
    assert_eq!(host.text(["run", &fixture("needy:see"), "--yes"]).ok().stdout, "[[],[]]\n");
    let granted = host.text(["run", &example("hello"), "--arg", "name=Ada"]).ok();
    assert!(!granted.stderr.contains("note:"), "nothing is declared: {granted:?}");
}

#[test]
fn a_checkpoint_gets_what_it_declares_of_what_was_granted() {
    let host = Host::new();
    let all = ["--allow-env=NEEDY_LANG", "--allow-env=NEEDY_ZONE", "--allow-env=NEEDY_OTHER"];
    let seen = run(&host, "see", &json!({}), &all).item();
    assert_eq!(seen["result"], json!([[], ["NEEDY_ZONE"]]), "one that needs nothing, and one for which the component speaks");
    assert_eq!(run(&host, "look", &json!({ "name": "NEEDY_LANG" }), &all).item()["result"], "eo");
    undeclared(&run(&host, "look", &json!({ "name": "NEEDY_OTHER" }), &all));
    undeclared(&run(&host, "look", &json!({ "name": "NEEDY_OTHER" }), &[]));
    assert!(denied(&run(&host, "look", &json!({ "name": "NEEDY_LANG" }), &[])).contains("--allow-env=NEEDY_LANG"));
    // The execution keeps what was granted; each checkpoint shows what it has of it.
    let spec = &seen["frozen_execution_spec"]["grants"];
    assert_eq!(spec["env"].as_array().unwrap().len(), 3);
    assert_eq!(seen["checkpoints"][0]["capabilities"]["granted"]["env"], json!([]));
    assert_eq!(seen["checkpoints"][1]["capabilities"]["granted"]["env"], json!(["NEEDY_ZONE"]));
    assert_eq!(seen["checkpoints"][0]["capabilities"]["declared"], json!({}));
}

#[test]
fn all_that_is_declared_can_be_granted_at_once() {
    let host = Host::new();
    for folder in ["docs/open", "out/mine", "out"] {
        std::fs::create_dir_all(host.path(folder)).unwrap();
    }
    host.file("docs/open/a.txt", "text of a");
    let missing = run(&host, "look", &json!({ "name": "NEEDY_LANG" }), &[]);
    let read = run(&host, "read", &json!({ "path": "docs/open/a.txt" }), &["--allow-needs"]).item();
    assert_eq!(read["result"], "text of a");
    let grants = &read["frozen_execution_spec"]["grants"];
    assert_eq!((&grants["env"], &grants["read"]), (&json!(["NEEDY_ZONE"]), &json!([])), "to nobody who does not declare it");
    assert_eq!(grants["checkpoints"]["reads"]["read"], json!([format!("{}::docs/open", host.path("docs/open"))]));
    let mut command =
        host.json_command(["executions", "replay", &missing.failed_execution(), "--from", "variable", "--allow-needs"]);
    command.env("NEEDY_LANG", "eo");
    assert_eq!(Reply::from(command).item()["result"], "eo");
    // A folder that is declared has to be there.
    std::fs::remove_dir_all(host.path("docs")).unwrap();
    let error = run(&host, "see", &json!({}), &["--allow-needs"]).refused("KitaruUsageError", &["docs/open", "cannot be used"]);
    assert!(error["hint"].as_str().unwrap().contains("::<name>"), "{error}");
}

#[test]
fn a_project_file_grants_to_a_single_checkpoint() {
    let host = Host::new();
    host.file(
        "kitaru.toml",
        "[grants.checkpoints.variable]\nenv = [\"NEEDY_LANG\"]\n[grants.checkpoints.silent]\nenv = [\"NEEDY_ZONE\"]\n",
    );
    assert_eq!(run(&host, "look", &json!({ "name": "NEEDY_LANG" }), &[]).item()["result"], "eo");
    let plain = run(&host, "look_plainly", &json!({ "name": "NEEDY_LANG" }), &[]);
    assert_eq!(plain.code, Some(1), "it was granted to another one");
    assert_eq!(run(&host, "see", &json!({}), &[]).item()["result"], json!([[], ["NEEDY_ZONE"]]));
    let shown = host.text(["executions", "latest"]).ok().stdout;
    assert!(shown.contains("`variable`: env NEEDY_LANG"), "{shown}");
    host.file("kitaru.toml", "[grants.checkpoints.variable.checkpoints.again]\nenv = [\"A\"]\n");
    let reply = run(&host, "see", &json!({}), &[]);
    assert!(reply.error()["message"].as_str().unwrap().contains("no checkpoints of its own"), "{reply:?}");
}

/// A body that looks at a variable by itself gets no error of ours, so what was declared and not granted is told beside its own.
#[test]
fn a_declared_variable_that_was_not_granted_is_explained() {
    let host = Host::new();
    let reply = run(&host, "look_plainly", &json!({ "name": "NEEDY_LANG" }), &[]);
    let error = reply.error();
    assert_eq!((&error["failure_kind"], &error["origin"]), (&json!("error"), &json!("user_code")), "the author's own: {reply:?}");
    assert_eq!(error["details"]["not_granted"], json!(["--allow-env=NEEDY_LANG"]), "{reply:?}");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("--from plain_variable --allow-env=NEEDY_LANG"), "{hint}");
    let execution = host.get(&reply.failed_execution());
    let denied = &capabilities(&execution)["denied"];
    assert_eq!(*denied, json!([{ "kind": "env", "target": "NEEDY_LANG", "count": 1, "detail": null }]), "{denied}");
    let granted = run(&host, "look_plainly", &json!({ "name": "NEEDY_OTHER" }), &["--allow-env=NEEDY_LANG"]);
    assert_eq!(granted.error()["details"]["not_granted"], Value::Null, "{granted:?}");
}

#[test]
fn of_a_granted_folder_only_the_declared_part_is_given() {
    let host = Host::new();
    std::fs::create_dir_all(host.path("docs/open")).unwrap();
    std::fs::create_dir_all(host.path("outside")).unwrap();
    std::fs::create_dir(host.path("out")).unwrap();
    host.file("docs/open/a.txt", "open");
    host.file("docs/closed.txt", "closed");
    host.file("outside/a.txt", "outside");
    let read = |path: &str, flags: &[&str]| run(&host, "read", &json!({ "path": path }), flags);
    for grant in ["--allow-read=docs", "--allow-read=.", "--allow-write=docs", "--allow-read=docs/open"] {
        assert_eq!(read("docs/open/a.txt", &[grant]).item()["result"], "open", "{grant}");
        undeclared(&read("docs/closed.txt", &[grant]));
        assert_eq!(read("docs/open/../closed.txt", &[grant]).code, Some(1), "{grant}");
    }
    assert!(denied(&read("docs/open/a.txt", &[])).contains("--allow-read=docs/open"));
    // What is read only stays that, and a folder that is missing is made for whoever may write.
    let write = |path: &str, flags: &[&str]| run(&host, "write", &json!({ "path": path, "text": "new" }), flags);
    let _ = write("out/mine/new.txt", &["--allow-write=out"]).item();
    assert_eq!(std::fs::read_to_string(host.path("out/mine/new.txt")).unwrap(), "new");
    assert!(denied(&write("out/mine/new.txt", &["--allow-read=out"])).contains("--allow-write=out/mine"));
    undeclared(&write("out/new.txt", &["--allow-write=out"]));
    assert!(!Path::new(&host.path("out/new.txt")).exists());
    // Whoever may write the granted folder could have put a link in the place of the declared one.
    std::fs::rename(host.path("docs/open"), host.path("docs/old")).unwrap();
    for target in ["../outside".to_owned(), host.path("outside")] {
        std::os::unix::fs::symlink(target, host.path("docs/open")).unwrap();
        let reply = read("docs/open/a.txt", &["--allow-read=docs"]);
        assert!(denied(&reply).contains("cannot be opened"), "{reply:?}");
        std::fs::remove_file(host.path("docs/open")).unwrap();
    }
}

#[test]
fn a_host_is_reached_where_grant_and_need_are_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let host = Host::new();
    let connect = |address: &str, flags: &[&str]| run(&host, "connect", &json!({ "address": address }), flags);
    undeclared(&connect(&address, &["--allow-net=127.0.0.1"]));
    undeclared(&connect("other.invalid:80", &["--allow-net=*"]));
    assert!(denied(&connect("needy.invalid:80", &[])).contains("--allow-net=needy.invalid"));
    // Port 9 is granted and declared: whoever listens there or not, the sandbox does not stand in the way.
    let reached = connect("127.0.0.1:9", &["--allow-net=127.0.0.1"]);
    if reached.code != Some(0) {
        assert_ne!(reached.error()["failure_kind"], "capability", "{reached:?}");
    }
    assert!(denied(&connect("127.0.0.1:9", &[])).contains("--allow-net=127.0.0.1:9"));
}

#[test]
fn a_flow_asks_the_models_that_its_component_declares() {
    let host = Host::new();
    let ask = |model: &str, flags: &[&str]| run(&host, "ask", &json!({ "model": model }), flags);
    let reply = ask("openai/gpt-4o-mini", &["--allow-llm"]);
    let message = denied(&reply);
    assert!(message.contains("does not declare") && !message.contains("--allow"), "{reply:?}");
    let _ = host.item(["model", "register", "fast", "--model", "openai/gpt-4o-mini"]);
    assert!(denied(&ask("fast", &[])).contains("--allow-llm=fast"));
    // With both it is only the key that is missing.
    assert_ne!(ask("fast", &["--allow-llm"]).error()["failure_kind"], "capability");
}

#[test]
fn every_use_and_denial_is_a_record() {
    let host = Host::new();
    let flags = ["--allow-env=NEEDY_LANG", "--allow-env=NEEDY_OTHER"];
    let looked = run(&host, "look", &json!({ "name": "NEEDY_LANG" }), &flags).item();
    let used = &capabilities(&looked)["used"];
    assert_eq!(*used, json!([{ "kind": "env", "target": "NEEDY_LANG", "count": 1, "detail": null }]));
    let records = access(&host, id(&looked), &[]);
    assert_eq!(records.len(), 1);
    let record = &records[0];
    assert_eq!((&record["call_id"], &record["attempt"]), (&json!(format!("{}:0", id(&looked))), &json!(1)));
    assert_eq!((&record["checkpoint_name"], &record["invocation_id"]), (&json!("variable"), &json!("variable")));
    assert_eq!((&record["allowed"], &record["kind"]), (&json!(true), &json!("env")));
    assert!(record["first_at"].as_str().unwrap().starts_with("20"), "{record}");

    let failed = run(&host, "connect", &json!({ "address": "other.invalid:80" }), &["--allow-net=*"]).failed_execution();
    let denials = access(&host, &failed, &["--denied", "--kind=net"]);
    assert!(!denials.is_empty() && denials.iter().all(|record| record["target"] == "other.invalid"), "{denials:#?}");
    assert!(access(&host, &failed, &["--checkpoint=another"]).is_empty());
    assert_eq!(access(&host, &failed, &["--checkpoint=connects", "--denied"]).len(), denials.len());
    let call = format!("{failed}:0");
    assert_eq!(access(&host, &failed, &["--checkpoint", &call]).len(), access(&host, &failed, &[]).len());
    let lines = host.text(["executions", "access", &failed, "--jsonl"]).ok().stdout;
    let parsed: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(parsed, access(&host, &failed, &[]));
    let shown = host.text(["executions", "get", &failed]).ok().stdout;
    assert!(shown.contains("denied") && shown.contains("net other.invalid"), "{shown}");
    let pure = host.item(["run", &example("hello"), "--arg", "name=Ada"]);
    assert!(access(&host, id(&pure), &[]).is_empty());
}

#[test]
fn names_that_a_guest_made_up_are_shown_harmlessly() {
    let host = Host::new();
    let name = "evil\u{1b}[31m\u{202e}\u{9b}x.invalid";
    let reply = run(&host, "connect", &json!({ "address": format!("{name}:80") }), &[]);
    let execution = reply.failed_execution();
    for command in [["executions", "get"], ["executions", "access"]] {
        let shown = host.text([command.as_slice(), &[execution.as_str()]].concat()).ok().stdout;
        assert!(shown.contains("invalid"), "{shown}");
        let hidden = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.chars().any(hidden), "{shown:?}");
    }
}

/// A crash loses what the last moment brought, and not what a body did before.
#[test]
fn what_a_body_does_is_recorded_while_it_runs() {
    let host = Host::new();
    std::fs::create_dir(host.path("out")).unwrap();
    let input = json!({ "address": "127.0.0.1:10", "file": "out/go" }).to_string();
    let target = fixture("needy:try_to_connect");
    let running = host.spawn(host.json_command(["run", &target, "--input", &input, "--allow-write=out"]));
    let denials = |execution: &str| access(&host, execution, &["--denied", "--kind=net"]);
    let execution = until("a record of a body that runs", || {
        let listed = host.json(["executions", "list"]).items();
        let execution = id(listed.first()?).to_owned();
        (!denials(&execution).is_empty()).then_some(execution)
    });
    assert_eq!(host.get(&execution)["status"], "running");
    running.kill();
    host.file("out/go", "");
    let done = host.item(["executions", "resume", &execution]);
    assert_eq!(done["result"], false);
    assert_eq!(names(&checkpoint(&done, "tries")["attempts"], "status"), ["interrupted", "completed"]);
    let mut attempts: Vec<u64> = denials(&execution).iter().map(|record| record["attempt"].as_u64().unwrap()).collect();
    attempts.dedup();
    assert_eq!(attempts, [1, 2], "of both attempts");
    let sum = &checkpoint(&done, "tries")["capabilities"]["denied"];
    assert!(
        sum.as_array().unwrap().iter().any(|sum| sum["target"] == "127.0.0.1:10" && sum["count"].as_u64() >= Some(2)),
        "{sum}"
    );
}

#[test]
fn records_travel_with_their_execution_and_go_with_it() {
    let host = Host::new();
    let execution = run(&host, "look", &json!({ "name": "NEEDY_LANG" }), &["--allow-env=NEEDY_LANG"]).item();
    let records = access(&host, id(&execution), &[]);
    let file = host.path("run.tar");
    let _ = host.item(["executions", "export", id(&execution), "--to", &file]);
    let elsewhere = Host::new();
    let _ = elsewhere.item(["executions", "import", &file]);
    assert_eq!(access(&elsewhere, id(&execution), &[]), records);
    let shown = elsewhere.get(id(&execution));
    assert_eq!(capabilities(&shown)["granted"], Value::Null, "this host has not run it, and does not run it to look");
    assert_eq!(capabilities(&shown)["used"], capabilities(&execution)["used"]);
    let _ = host.item(["executions", "delete", id(&execution)]);
    assert_eq!(host.json(["executions", "access", id(&execution)]).code, Some(1));
}

#[test]
fn grants_for_good_are_listed_and_a_damaged_file_is_told() {
    let host = Host::new();
    assert_eq!(host.text(["grants", "list"]).ok().stdout, "Nothing is granted for good.\n");
    assert!(host.json(["grants", "list"]).items().is_empty());
    let _ = host.json(["grants", "forget", "abc"]).refused("KitaruRuntimeError", &["Nothing is granted for good", "abc"]);
    assert!(host.json(["grants", "forget", "--all"]).items().is_empty());
    std::fs::write(host.home().join("grants.toml"), "[components.abc]\nflows = 1\n").unwrap();
    for words in [["grants", "list"].as_slice(), &["grants", "forget", "--all"], &["run", &fixture("needy:see")]] {
        let error = host.json(words).refused("KitaruUsageError", &["grants.toml", "no usable grants"]);
        assert!(error["hint"].as_str().unwrap().contains("mend it"), "{error}");
    }
}
