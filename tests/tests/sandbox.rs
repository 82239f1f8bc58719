//! What guests can see and use: E6 (a flow is deterministic), grants, limits.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use kitaru_tests::{Host, Reply, checkpoint, fixture, id, names};
use serde_json::{Value, json};

#[test]
fn e6_a_flow_sees_no_files_no_network_and_no_environment() {
    let host = Host::new();
    host.file("secret.txt", "secret");
    std::fs::create_dir(host.path("granted")).unwrap();
    // What checkpoints are granted is not the flow's.
    let flags = ["--allow-read=/etc", "--allow-write=granted", "--allow-env=HOME", "--allow-net=*", "--allow-net=127.0.0.1"];
    let seen = &host.flow("probe", &json!({}), &flags)["result"];
    for denied in ["read", "list", "write", "connect", "resolve"] {
        let outcome = seen[denied].as_str().unwrap();
        assert!(outcome.starts_with("error: "), "{denied}: {outcome}");
    }
    assert_eq!(seen["env"], 0);
    assert_eq!(seen["stdin"], "ok: ", "standard input is empty");
    assert_eq!(std::fs::read_dir(host.path("granted")).unwrap().count(), 0);
}

#[test]
fn e6_clock_random_and_hashes_are_the_same_on_re_execution() {
    let host = Host::new();
    // What it saw before the wait is the input of a call: on recovery another sight would be divergence.
    let waiting = host.flow("sights_wait", &json!({}), &[]);
    let done = host.item(["executions", "input", id(&waiting), "--value", "true"]);
    assert_eq!(done["status"], "completed", "{done:#}");
    let before = &done["result"]["before"];
    assert_eq!(before, &host.journal(id(&done))[0]["input"]["value"]);
    assert_eq!(before["nan_bits"], 0x7ff8_0000_0000_0000_u64.to_string(), "NaNs are canonical");
    assert_eq!(before["elapsed"], "0", "the clock stands still between durable calls");
    let nanos = |sight: &Value| sight["now"].as_str().unwrap().parse::<u128>().unwrap();
    assert!(nanos(&done["result"]["after"]) > nanos(before), "it moves on at durable calls");

    let source = host.flow("sights_twice", &json!({}), &[]);
    let replay = host.item(["executions", "replay", id(&source), "--override", "checkpoint.echo=other"]);
    assert_eq!(replay["result"]["before"], source["result"]["before"], "a replay inherits seed and epoch");
    let random = |execution: &Value| execution["result"]["after"]["random"].clone();
    assert_eq!(random(&replay), random(&source));
    let another = host.flow("sights_twice", &json!({}), &[]);
    assert_ne!(random(&another), random(&source), "another execution has another seed");
}

#[test]
fn e6_a_checkpoint_sees_the_real_clock_and_real_random() {
    let host = Host::new();
    let looks = |_| host.flow("checkpoint_sights", &json!({}), &[])["result"].clone();
    let (first, second) = (looks(1), looks(2));
    let nanos = |sight: &Value| sight[0].as_str().unwrap().parse::<u128>().unwrap();
    assert!(nanos(&second) > nanos(&first));
    assert_ne!(first[1], second[1]);
}

#[test]
fn a_guest_knows_where_it_runs() {
    let host = Host::new();
    let execution = host.flow("current", &json!({}), &[]);
    let (flow, body) = (&execution["result"]["flow"], &execution["result"]["checkpoint"]);
    for scope in [flow, body] {
        assert_eq!((&scope["execution_id"], &scope["flow"]), (&execution["exec_id"], &json!("current")));
        assert_eq!((&scope["attempt"], &scope["is_replay"]), (&json!(1), &json!(false)));
    }
    assert_eq!((&flow["idempotency_key"], &body["idempotency_key"]), (&Value::Null, &json!(format!("{}:0", id(&execution)))));
}

/// A denied call fails with kind `capability`, and the message names the flag that grants it.
#[track_caller]
fn denied(reply: &Reply, flag: &str) {
    let error = reply.error();
    assert_eq!((&error["type"], &error["origin"]), (&json!("KitaruExecutionError"), &json!("runtime")), "{reply:?}");
    assert_eq!(error["failure_kind"], "capability", "{reply:?}");
    assert!(error["message"].as_str().unwrap().contains(flag), "it should name `{flag}`{reply:?}");
}

#[test]
fn folders_are_granted_for_reading_or_for_writing() {
    let host = Host::new();
    std::fs::create_dir(host.path("docs")).unwrap();
    std::fs::create_dir(host.path("docs/deep")).unwrap();
    host.file("docs/a.txt", "text of a");
    host.file("docs/deep/b.txt", "text of b");
    host.file("outside.txt", "outside");
    std::os::unix::fs::symlink(host.path("outside.txt"), host.path("docs/link.txt")).unwrap();
    let read = |path: &str, std: bool, flags: &[&str]| host.try_flow("read_file", &json!({ "path": path, "std": std }), flags);

    for path in ["docs/a.txt", "/etc/hostname", "a.txt"] {
        denied(&read(path, false, &[]), "--allow-read");
    }
    for std in [false, true] {
        assert_eq!(read("docs/a.txt", std, &["--allow-read=docs"]).item()["result"], "text of a");
        assert_eq!(read("docs/deep/b.txt", std, &["--allow-read=./docs/"]).item()["result"], "text of b");
        assert_eq!(read("data/a.txt", std, &["--allow-read=docs::data"]).item()["result"], "text of a");
        // Nothing leads out of a granted folder.
        for path in ["docs/../outside.txt", "docs/link.txt", "docs/deep/../../outside.txt"] {
            assert_eq!(read(path, std, &["--allow-read=docs"]).code, Some(1), "{path}");
        }
    }
    let write = |flags: &[&str], std: bool| {
        host.try_flow("write_file", &json!({ "path": "docs/new.txt", "text": "new", "std": std }), flags)
    };
    denied(&write(&[], false), "--allow-write");
    denied(&write(&["--allow-read=docs"], false), "--allow-write");
    assert_eq!(write(&["--allow-read=docs"], true).code, Some(1));
    assert!(!std::fs::exists(host.path("docs/new.txt")).unwrap());
    let _ = write(&["--allow-write=docs"], false).item();
    assert_eq!(std::fs::read_to_string(host.path("docs/new.txt")).unwrap(), "new");
    assert_eq!(read("docs/new.txt", false, &["--allow-write=docs"]).item()["result"], "new", "what may be written may be read");
    let listed = host.flow("list_folder", &json!({ "path": "docs" }), &["--allow-read=docs"]);
    assert_eq!(listed["result"], json!(["a.txt", "deep", "link.txt", "new.txt"]));
    assert_eq!(
        listed["frozen_execution_spec"]["grants"]["read"],
        json!([format!("{}::docs", host.path("docs"))]),
        "what was granted is shown"
    );
}

#[test]
fn environment_variables_are_granted_by_name_and_never_recorded() {
    let host = Host::new();
    denied(&host.try_flow("read_env", &json!({ "name": "SECRET_TOKEN" }), &[]), "--allow-env");
    let mut command = host.json_command(["run", &fixture("conformance:all_env"), "--input", "{}", "--allow-env", "SECRET_TOKEN"]);
    command.env("SECRET_TOKEN", "hunter2").env("OTHER", "not granted");
    assert_eq!(Reply::from(command).item()["result"], json!([["SECRET_TOKEN", "hunter2"]]));
    let frozen = &host.item(["executions", "latest"])["frozen_execution_spec"];
    assert_eq!(frozen["grants"]["env"], json!(["SECRET_TOKEN"]));
    assert!(!frozen.to_string().contains("hunter2"), "a name is recorded, never a value: {frozen}");
}

#[test]
fn hosts_are_granted_by_address_and_port() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut stream = stream;
            let mut said = String::new();
            let _ = stream.read_to_string(&mut said);
            let _ = stream.write_all(format!("you said: {said}").as_bytes());
        }
    });
    let host = Host::new();
    let connect = |address: &str, flags: &[&str]| host.try_flow("connect", &json!({ "address": address, "send": "hi" }), flags);
    let port = address.rsplit_once(':').unwrap().1;
    for flags in [[].as_slice(), &["--allow-net=*"], &["--allow-net=127.0.0.1:1"], &["--allow-net=example.com"]] {
        denied(&connect(&address, flags), &format!("--allow-net={address}"));
    }
    for grant in [format!("127.0.0.1:{port}"), "127.0.0.1".to_owned()] {
        let flag = format!("--allow-net={grant}");
        assert_eq!(connect(&address, &[&flag]).item()["result"], "you said: hi", "{flag}");
    }
    // A name is granted as a name: resolved once, by the host, and the address that was checked is the one that is used.
    let flag = format!("--allow-net=localhost:{port}");
    assert_eq!(connect(&format!("localhost:{port}"), &[&flag]).item()["result"], "you said: hi");
    assert_eq!(connect(&address, &[&flag]).code, Some(1), "an address that no granted name led to");
    denied(&connect("no-such-name.invalid:80", &[]), "--allow-net=no-such-name.invalid");
    assert_eq!(connect("169.254.169.254:80", &["--allow-net=*"]).code, Some(1), "the metadata service of a cloud");
}

/// Grants are frozen with the execution: a replay may add some, and none are lost.
#[test]
fn a_missing_grant_can_be_added_by_a_replay() {
    let host = Host::new();
    std::fs::create_dir(host.path("docs")).unwrap();
    host.file("docs/a.txt", "text of a");
    let reply = host.try_flow("read_file", &json!({ "path": "docs/a.txt" }), &[]);
    denied(&reply, "--allow-read");
    let failed = reply.failed_execution();
    denied(&host.json(["executions", "retry", &failed]), "--allow-read");
    let replay = host.item(["executions", "replay", &failed, "--from", "reads", "--allow-read", "docs"]);
    assert_eq!(replay["result"], "text of a");
}

/// Grants and limits of a project file.
#[test]
fn a_project_file_grants_what_its_author_needs() {
    let host = Host::new();
    std::fs::create_dir(host.path("docs")).unwrap();
    host.file("docs/a.txt", "text of a");
    host.file("kitaru.toml", "[grants]\nread = [\"docs\"]\n[limits]\nmemory_mib = 64\n");
    let execution = host.flow("read_file", &json!({ "path": "docs/a.txt" }), &[]);
    assert_eq!(execution["result"], "text of a");
    assert_eq!(execution["frozen_execution_spec"]["limits"]["memory_mib"], 64);
    host.file("kitaru.toml", "[grants]\nreed = [\"docs\"]\n");
    let reply = host.try_flow("read_file", &json!({ "path": "docs/a.txt" }), &[]);
    let said = reply.error()["message"].as_str().unwrap().to_owned();
    assert!(said.contains("kitaru.toml") && said.contains("reed"), "{reply:?}");
}

#[test]
fn limits_end_an_instance_with_a_typed_failure() {
    let host = Host::new();
    let cases: [(&str, Value, &[&str], &str); 9] = [
        ("memory_flow", json!({ "mebibytes": 64 }), &["--max-memory=16"], "memory_mib"),
        ("memory_checkpoint", json!({ "mebibytes": 64 }), &["--max-memory=16"], "memory_mib"),
        ("memory_probe", json!({}), &["--max-memory=16"], "memory_mib"),
        ("recursion_flow", json!({ "depth": 10_000_000 }), &[], "recursed too deeply"),
        ("recursion_checkpoint", json!({ "depth": 10_000_000 }), &[], "recursed too deeply"),
        ("spin_flow", json!({}), &["--flow-seconds=1"], "flow_seconds"),
        ("spin_checkpoint", json!({}), &["--checkpoint-seconds=1"], "checkpoint_seconds"),
        ("sleep_checkpoint", json!({ "milliseconds": 600_000 }), &["--checkpoint-seconds=1"], "checkpoint_seconds"),
        ("log_volume", json!({ "lines": 64, "bytes": 65_536 }), &["--max-log=1"], "log"),
    ];
    for (flow, arguments, flags, message) in cases {
        let reply = host.try_flow(flow, &arguments, flags);
        let error = reply.refused("KitaruExecutionError", &[message]);
        assert_eq!((&error["failure_kind"], &error["origin"]), (&json!("limit"), &json!("runtime")), "{flow}{reply:?}");
    }
    for (flow, arguments) in [("memory_flow", json!({ "mebibytes": 64 })), ("recursion_checkpoint", json!({ "depth": 5_000 }))] {
        assert_eq!(host.flow(flow, &arguments, &[])["status"], "completed", "well below the limits");
    }
}

/// E6: a flow that sleeps by the clock of the world would see it.
#[test]
fn e6_a_flow_cannot_sleep_through_wasi() {
    let host = Host::new();
    let error = host.try_flow("sleep_flow", &json!({ "milliseconds": 10 }), &[]).error();
    assert_eq!(error["failure_kind"], "limit");
    assert!(error["message"].as_str().unwrap().contains("sleep in a checkpoint"), "{error}");
    assert_eq!(host.flow("sleep_checkpoint", &json!({ "milliseconds": 10 }), &[])["status"], "completed");
}

/// The host's data folder holds every journal, every answer, and compiled code under a key: nobody is given any of it.
#[test]
fn no_grant_reaches_the_data_folder() {
    let host = Host::new();
    let _ = host.item(["run", &kitaru_tests::example("hello"), "--arg", "name=World"]);
    let above = host.home().parent().unwrap().display().to_string();
    for flag in [
        format!("--allow-read={}", host.home().display()),
        format!("--allow-write={above}"),
        format!("--allow-read={}::data", host.home().join("cache").display()),
    ] {
        let reply = host.try_flow("no_calls", &json!({}), &[&flag]);
        let error = reply.refused("KitaruUsageError", &["overlaps the host's own data folder"]);
        assert!(error["hint"].as_str().unwrap().contains("KITARU_HOME"), "{error}");
    }
    assert_eq!(host.json(["executions", "list"]).items().len(), 1, "nothing was created");
}

/// What a guest writes to its log costs the host memory and disk, line by line.
#[test]
fn a_flood_of_empty_lines_ends_with_a_limit() {
    let host = Host::new();
    for flow in ["empty_lines", "empty_output", "empty_progress"] {
        let reply = host.try_flow(flow, &json!({}), &["--max-log=1"]);
        assert_eq!(reply.error()["failure_kind"], "limit", "{flow}{reply:?}");
        let lines = host.json(["executions", "logs", &reply.failed_execution()]).items();
        assert!(lines.len() <= 20_000, "{flow}: {} lines", lines.len());
    }
}

/// Calls that are refused are no durable calls: a flow that makes nothing else does not go on.
#[test]
fn a_loop_of_refused_calls_ends_at_the_deadline() {
    let host = Host::new();
    let reply = host.try_flow("refused_loop", &json!({}), &["--flow-seconds=1"]);
    let error = reply.error();
    assert_eq!(error["failure_kind"], "limit");
    assert!(error["message"].as_str().unwrap().contains("flow_seconds"), "{error}");
    let reply = host.try_flow("ignores_refusals", &json!({}), &["--max-calls=3"]);
    assert!(reply.error()["message"].as_str().unwrap().contains("`calls`"), "{reply:?}");
    assert_eq!(host.journal(&reply.failed_execution()).len(), 3);
}

/// An absurd limit is a long one.
#[test]
fn limits_without_bounds_are_no_panic() {
    let host = Host::new();
    let huge = u64::MAX.to_string();
    let flags = [format!("--checkpoint-seconds={huge}"), format!("--flow-seconds={huge}"), format!("--max-memory={huge}")];
    let done = host.flow("sequence", &json!({ "steps": 2 }), &flags.each_ref().map(String::as_str));
    assert_eq!(done["result"], 3);
}

/// One process drives one execution here, so the neighbour of a spinning flow is another process on the same store.
#[test]
fn a_spinning_flow_neither_blocks_others_nor_outlives_its_deadline() {
    let host = Host::new();
    let spinning = host.spawn(host.json_command(["run", &fixture("conformance:spin_flow"), "--flow-seconds", "3"]));
    let steps = host.flow("sequence", &json!({ "steps": 50 }), &[]);
    assert_eq!(steps["result"], 1275);
    let cancelled = host.spawn(host.json_command(["run", &fixture("conformance:spin_checkpoint")]));
    let exec = kitaru_tests::until("the spinning checkpoint", || {
        let running = host.json(["executions", "list", "--flow", "spin_checkpoint"]).items();
        running.first().filter(|summary| summary["checkpoint_count"] == 1).map(|summary| id(summary).to_owned())
    });
    assert_eq!(host.item(["executions", "cancel", &exec])["status"], "cancelled", "a spinning body can be ended");
    assert_eq!(cancelled.finish().code, Some(1));
    let error = spinning.finish().error();
    assert_eq!(error["failure_kind"], "limit");
    assert!(error["message"].as_str().unwrap().contains("more than 3 s"), "{error:#}");
    // From its creation on: what was compiled before is no time of the flow's.
    let spun = host.get(error["exec_id"].as_str().unwrap());
    let moment = |field: &str| spun[field].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    assert!(moment("ended_at") - moment("started_at") < 60, "its deadline of 3 s held: {spun:#}");
}

#[test]
fn an_attempt_that_is_ended_leaves_the_flow_unharmed() {
    let host = Host::new();
    let reply = host.try_flow("memory_checkpoint", &json!({ "mebibytes": 64 }), &["--max-memory=16"]);
    let execution = host.get(&reply.failed_execution());
    let call = checkpoint(&execution, "hogs");
    assert_eq!(call["failure"]["origin"], "runtime");
    assert_eq!(names(&call["attempts"], "status"), ["failed"]);
    assert_eq!(execution["failure"]["call_index"], 0, "the flow passed the failure on");
}
