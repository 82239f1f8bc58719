//! Published flows: versions, tags, which of them a name means (X21), and what an execution of one begins with.

use std::collections::BTreeSet;

use kitaru_tests::{Host, Traces, example, fixture, id};
use serde_json::{Value, json};

/// Publishes `hello` for this name, with these flags; returns the version.
fn deploy(host: &Host, name: &str, flags: &[&str]) -> Value {
    let (target, argument) = (example("hello"), format!("name={name}"));
    host.item([&["deploy", &target, "--arg", &argument], flags].concat())
}

/// Whom an execution of the published `hello` greets.
fn greeted(host: &Host, flags: &[&str]) -> String {
    let execution = host.item([&["invoke", "hello"], flags].concat());
    assert_eq!(execution["status"], "completed", "{execution:#}");
    let result = execution["result"].as_str().unwrap();
    result.split(['!', ' ']).nth(1).unwrap().to_owned()
}

fn tags(host: &Host) -> Value {
    host.item(["flow", "show", "hello"])["tags"].clone()
}

#[test]
fn x21_the_first_version_is_the_default_and_a_later_one_takes_over() {
    let host = Host::warm();
    let first = deploy(&host, "Ada", &["--tag", "canary"]);
    assert_eq!((&first["flow"], &first["version"]), (&json!("hello"), &json!(1)));
    assert_eq!(first["tags"], json!({ "canary": false, "default": true }), "whatever else it is tagged");
    assert_eq!(first["input"], json!({ "name": "Ada" }));
    assert_eq!(first["schema"]["properties"]["name"]["type"], "string", "{first:#}");
    let component = host.item(["inspect", &example("hello")])["digest"].clone();
    assert_eq!(first["component_digest"], component);
    assert_eq!(greeted(&host, &[]), "Ada");

    let second = deploy(&host, "Bob", &["--tag", "canary"]);
    assert_eq!((&second["version"], &second["tags"]), (&json!(2), &json!({ "canary": false })));
    assert_eq!(greeted(&host, &[]), "Ada", "a version with other tags takes nothing over");
    let third = deploy(&host, "Cy", &[]);
    assert_eq!(third["tags"], json!({ "default": true }));
    assert_ne!(third["deployment_id"], second["deployment_id"]);
    assert_eq!(greeted(&host, &[]), "Cy");
    assert_eq!(greeted(&host, &["--version", "2"]), "Bob");
    assert_eq!(greeted(&host, &["--version", "v1"]), "Ada", "as it is shown");
    assert_eq!(tags(&host), json!({ "canary": [1, 2], "default": [3] }));

    let flow = host.item(["flow", "show", "hello"]);
    assert_eq!((&flow["deployment_count"], &flow["latest_version"], &flow["default_version"]), (&json!(3), &json!(3), &json!(3)));
    assert_eq!(host.json(["flow", "list"]).items(), std::slice::from_ref(&flow));
    assert_eq!(host.json(["flow", "deployments", "list", "hello"]).items(), *flow["deployments"].as_array().unwrap());
    assert_eq!(host.item(["flow", "deployments", "show", "hello"]), third);
    assert_eq!(host.item(["flow", "deployments", "show", "hello", "--version", "1"])["created_by"], "owner");
}

#[test]
fn x21_what_is_not_one_version_is_refused() {
    let host = Host::warm();
    for verb in [&["invoke"][..], &["flow", "show"], &["flow", "delete"], &["flow", "deployments", "show"]] {
        host.json([verb, &["hello"]].concat()).refused("LookupError", &["'hello' has no deployments"]);
    }
    deploy(&host, "Ada", &["--tag", "canary"]);
    deploy(&host, "Bob", &["--tag", "canary"]);
    let invoke = |flags: &[&str]| host.json([&["invoke", "hello"], flags].concat());
    invoke(&["--version", "1", "--tag", "canary"]).refused("KitaruUsageError", &["mutually exclusive"]);
    invoke(&["--tag", "canary"]).refused("KitaruStateError", &["'canary'", "ambiguous", "2, 1"]);
    invoke(&["--tag", "beta"]).refused("LookupError", &["'beta'"]);
    invoke(&["--version", "3"]).refused("LookupError", &["no version 3", "2, 1"]);
    host.json(["invoke", "kitaru::hello::v1"]).refused("KitaruUsageError", &["`::`"]);
    host.json(["invoke", " "]).refused("KitaruUsageError", &["must not be empty"]);
    assert_eq!(invoke(&["--version", "latest"]).error()["type"], Value::Null, "what cannot be parsed has no class");
    assert_eq!(host.json(["executions", "list"]).items(), [] as [Value; 0], "nothing was created");
}

#[test]
fn x21_exclusive_tags_move_and_keep_their_version() {
    let host = Host::warm();
    for name in ["Ada", "Bob", "Cy"] {
        deploy(&host, name, &["--tag", "shared"]);
    }
    let tag = |flags: &[&str]| host.json([&["flow", "tag", "hello"], flags].concat());
    assert_eq!(tag(&["stable", "--version", "2", "--exclusive"]).item()["tags"]["stable"], json!([2]));
    assert_eq!(tag(&["stable", "--version", "3"]).item()["tags"]["stable"], json!([3]), "it stays exclusive");
    assert_eq!(greeted(&host, &["--tag", "stable"]), "Cy");
    let delete = |version: &str| host.json(["flow", "deployments", "delete", "hello", "--version", version]);
    delete("3").refused("KitaruStateError", &["Version 3", "'stable'"]);
    delete("1").refused("KitaruStateError", &["'default'"]);
    tag(&["default", "--version", "2"]).item();
    assert_eq!(delete("1").item(), json!({ "flow": "hello", "version": 1, "deleted": true }));
    assert_eq!(tags(&host), json!({ "default": [2], "shared": [2, 3], "stable": [3] }));
    delete("1").refused("LookupError", &["no version 1"]);
    host.json(["flow", "deployments", "delete", "hello"]).refused("KitaruUsageError", &["Name the version"]);

    let untag = |flags: &[&str]| host.json([&["flow", "untag", "hello"], flags].concat());
    untag(&["default", "--version", "2"]).refused("KitaruUsageError", &["'default' is reserved"]);
    untag(&["shared"]).refused("KitaruStateError", &["ambiguous"]);
    untag(&["shared", "--version", "9"]).refused("LookupError", &["no version 9"]);
    untag(&["stable", "--version", "2"]).refused("LookupError", &["Version 2", "'stable'"]);
    untag(&["stable"]).item();
    assert_eq!(untag(&["shared", "--version", "3"]).item()["tags"], json!({ "default": [2], "shared": [2] }));
    tag(&["kitaru:deployment:x", "--version", "2"]).refused("KitaruUsageError", &["reserved namespace"]);
    tag(&[" ", "--version", "2"]).refused("KitaruUsageError", &["1 to 100 bytes"]);
    tag(&["x", "--version", "1"]).refused("LookupError", &["no version 1"]);

    let deleted = host.item(["flow", "delete", "hello"]);
    assert_eq!(deleted, json!({ "flow": "hello", "versions": [3, 2], "deleted": true }));
    assert_eq!(host.json(["flow", "list"]).items(), [] as [Value; 0]);
    assert_eq!(deploy(&host, "Di", &[])["version"], 4, "no number means two things");
}

#[test]
fn what_a_version_begins_with_holds_unless_the_command_says_otherwise() {
    let host = Host::warm();
    let target = fixture("conformance:arguments");
    let deployed = host.item([
        "deploy",
        &target,
        "--input",
        r#"{"text":"a","count":3}"#,
        "--max-calls",
        "7",
        "--retries",
        "2",
        "--no-cache",
    ]);
    assert_eq!((&deployed["limits"]["calls"], &deployed["retries"], &deployed["cache"]), (&json!(7), &json!(2), &json!(false)));
    let short = host.json(["invoke", "arguments"]);
    short.refused("KitaruUsageError", &["does not fit the flow `arguments`", "list"]);
    let execution = host.item(["invoke", "arguments", "--arg", "list=[1]", "--arg", "text=12", "--label", "mine"]);
    assert_eq!(execution["result"], json!({ "text": "12", "count": 3, "flag": null, "list": [1], "shape": null }));
    let spec = &execution["frozen_execution_spec"];
    assert_eq!((&spec["limits"]["calls"], &execution["tags"]), (&json!(7), &json!(["mine"])));
    assert_eq!(spec["deployment"], json!({ "deployment_id": deployed["deployment_id"], "version": 1 }));
    assert_eq!(spec["resolved_execution"], json!({ "cache": false, "retries": 2 }), "{spec:#}");
    let other = host.item(["invoke", "arguments", "--input", r#"{"list":[]}"#, "--retries", "0", "--cache"]);
    assert_eq!(other["frozen_execution_spec"]["resolved_execution"], json!({ "cache": true, "retries": 0 }));

    // What can never fit is refused when it is published.
    let wrong = |input: &str| host.json(["deploy", &target, "--input", input]);
    wrong(r#"{"count":"three"}"#).refused("KitaruUsageError", &["does not fit the flow `arguments`", "/count"]);
    wrong(r#"{"words":1}"#).refused("KitaruUsageError", &["words"]);
    assert_eq!(host.item(["flow", "show", "arguments"])["deployment_count"], 1);
}

#[test]
fn a_version_runs_when_its_file_is_gone_and_with_what_it_was_granted() {
    let host = Host::warm();
    let file = host.file("flow.wasm", std::fs::read(fixture("conformance")).unwrap());
    let deployed = host.item(["deploy", &format!("{file}:count"), "--arg", "steps=2", &host.writable()]);
    assert_eq!(deployed["grants"]["write"].as_array().map(Vec::len), Some(1), "{deployed:#}");
    std::fs::remove_file(&file).unwrap();
    let path = format!("path={}", Traces::guest_path());
    let execution = host.item(["invoke", "count", "--arg", &path]);
    assert_eq!((&execution["status"], &execution["result"]), (&json!("completed"), &json!(3)));
    assert_eq!(Traces::new(&host).read().len(), 2);
    // And when it is not deployed any more, what was started goes on.
    let waiting = host.item(["deploy", &fixture("conformance:wait_bool")]);
    let execution = host.item(["invoke", "wait_bool"]);
    assert_eq!((&waiting["version"], &execution["status"]), (&json!(1), &json!("waiting")));
    host.item(["flow", "delete", "wait_bool"]);
    assert_eq!(host.item(["executions", "input", id(&execution), "--value", "true"])["status"], "completed");
}

#[test]
fn what_the_hosts_own_configuration_grants_is_granted_to_what_is_invoked() {
    let host = Host::warm();
    host.item(["deploy", &fixture("conformance:read_env"), "--arg", "name=APP_ZONE"]);
    let invoke = || {
        let mut command = host.json_command(["invoke", "read_env"]);
        command.env("APP_ZONE", "seen");
        kitaru_tests::Reply::from(command)
    };
    assert_eq!(invoke().error()["failure_kind"], "capability");
    host.file("kitaru.toml", "[grants]\nenv = [\"APP_ZONE\"]\n");
    assert_eq!(invoke().item()["result"], "seen");
}

#[test]
fn of_several_flows_one_is_named_or_all_are_published() {
    let host = Host::warm();
    let target = fixture("conformance");
    let error = host.json(["deploy", &target]).refused("KitaruUsageError", &["several flows", "`no_calls`"]);
    assert!(error["hint"].as_str().unwrap().contains("--all"), "{error}");
    host.json(["deploy", &fixture("conformance:nowhere")]).refused("KitaruUsageError", &["no flow `nowhere`"]);
    assert_eq!(host.json(["deploy", &fixture("conformance:no_calls"), "--all"]).code, Some(1));
    assert_eq!(host.json(["flow", "list"]).items(), [] as [Value; 0]);

    let published = host.json(["deploy", &target, "--all", "--tag", "nightly"]).items();
    let manifest = host.item(["inspect", &target])["manifest"].clone();
    let names: BTreeSet<&str> = manifest["flows"].as_array().unwrap().iter().map(|flow| flow["name"].as_str().unwrap()).collect();
    let found: BTreeSet<&str> = published.iter().map(|version| version["flow"].as_str().unwrap()).collect();
    assert_eq!(found, names);
    assert!(published.iter().all(|version| version["tags"] == json!({ "default": true, "nightly": false })));
    let listed = host.json(["flow", "list", "--page", "2", "--size", "10"]).ok().envelope();
    assert_eq!((&listed["count"], &listed["total"]), (&json!(10), &json!(names.len())));
    let page: Vec<&str> = listed["items"].as_array().unwrap().iter().map(|flow| flow["flow"].as_str().unwrap()).collect();
    assert_eq!(page, names.iter().copied().skip(10).take(10).collect::<Vec<_>>(), "by name");
    assert_eq!(host.json(["flow", "list", "--page", "99"]).items(), [] as [Value; 0]);
}

#[test]
fn an_invocation_can_be_left_to_the_background() {
    let host = Host::warm();
    deploy(&host, "Ada", &[]);
    let started = host.item(["invoke", "hello", "--detach"]);
    let ended = kitaru_tests::until("the end of the execution", || {
        let execution = host.get(id(&started));
        (execution["status"] == "completed").then_some(execution)
    });
    assert_eq!(ended["result"], "Hello, Ada! Yours durably, Kitaru.");
}

#[test]
fn a_version_can_be_started_over_http() {
    let host = Host::warm();
    deploy(&host, "it's", &["--tag", "canary"]);
    let curl = |flags: &[&str]| host.item([&["flow", "deployments", "curl", "hello"], flags].concat());
    let usual = curl(&[]);
    assert_eq!(usual["invoke_url"], "http://127.0.0.1:8383/api/v1/flows/hello/executions");
    assert_eq!(usual["request_body"], json!({ "input": { "name": "it's" } }));
    assert_eq!(
        (&usual["selector"], &usual["resolved_deployment_version"]),
        (&json!({ "version": null, "tag": null }), &json!(1))
    );
    assert!(usual["warning"].as_str().unwrap().contains("8383"), "{usual:#}");
    let named = curl(&["--tag", "canary", "--server-url", "https://kitaru.example.com/"]);
    assert_eq!(named["request_body"]["tag"], "canary");
    assert_eq!(named.get("warning"), None, "{named:#}");
    // The command as a shell takes it.
    let words = format!("curl() {{ for word; do printf '%s\\n' \"$word\"; done; }}; {}", named["curl_command"].as_str().unwrap());
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", &words]).env("KITARU_SERVER_ACCESS_TOKEN", "kt_x");
    let said = String::from_utf8(shell.output().unwrap().stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[2], named["invoke_url"].as_str().unwrap(), "{said}");
    assert!(lines.contains(&"Authorization: Bearer kt_x"), "{said}");
    assert_eq!(serde_json::from_str::<Value>(lines.last().unwrap()).unwrap(), named["request_body"]);
}

#[test]
fn people_see_what_is_published() {
    let host = Host::warm();
    assert_eq!(host.text(["flow", "list"]).ok().stdout.trim(), "No published flows.");
    let deployed = host.text(["deploy", &example("hello"), "--tag", "canary"]).ok();
    assert_eq!(deployed.stdout.trim(), "hello v1");
    assert!(deployed.stderr.contains("Deployed hello version 1: canary, default"), "{deployed:?}");
    let shown = host.text(["flow", "show", "hello"]).ok().stdout;
    assert!(shown.contains("Default:  v1") && shown.contains("canary (shared), default"), "{shown}");
    let listed = host.text(["flows", "list"]).ok().stdout;
    assert!(listed.contains("FLOW") && listed.contains("canary, default"), "{listed}");
    let curl = host.text(["flow", "deployments", "curl", "hello"]).ok();
    assert!(curl.stdout.starts_with("curl -X POST ") && curl.stderr.contains("kitaru-host auth token"), "{curl:?}");
    let gone = host.text(["invoke", "gone"]);
    assert!(gone.stderr.contains("'gone' has no deployments") && gone.stderr.contains("kitaru-host deploy"), "{gone:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_version_runs_isolated_with_what_it_was_granted() {
    let host = Host::warm();
    let isolated = "--isolate=best-effort";
    host.item(["deploy", &fixture("conformance:count"), "--arg", "steps=1", &host.writable(), isolated]);
    let path = format!("path={}", Traces::guest_path());
    let execution = host.item(["invoke", "count", "--arg", &path, isolated]);
    assert_eq!((&execution["status"], Traces::new(&host).read().len()), (&json!("completed"), 1));
}

#[test]
fn executions_are_found_by_the_version_that_they_were_started_as() {
    let host = Host::warm();
    let deploy = |flow: &str, flags: &[&str]| {
        let target = fixture(&format!("conformance:{flow}"));
        host.item([["deploy", &target].as_slice(), flags].concat())["deployment_id"].as_str().unwrap().to_owned()
    };
    let (first, second) = (deploy("thrice", &[]), deploy("thrice", &["--tag", "canary"]));
    let other = deploy("no_calls", &[]);
    let invoke = |words: &[&str]| id(&host.item([["invoke"].as_slice(), words].concat())).to_owned();
    let (one, two) = (invoke(&["thrice"]), invoke(&["thrice", "--tag", "canary"]));
    let three = invoke(&["no_calls"]);
    host.flow("thrice", &json!({}), &[]);
    let found = |words: &[&str]| -> Vec<String> {
        let items = host.json([["executions"].as_slice(), words].concat()).items();
        items.iter().map(|item| id(item).to_owned()).collect()
    };
    for (which, expected) in
        [("1", &one), ("v2", &two), ("default", &one), ("canary", &two), (first.as_str(), &one), (second.as_str(), &two)]
    {
        for verb in ["list", "cohort"] {
            assert_eq!(found(&[verb, "--flow", "thrice", "--deployment", which]), [expected.as_str()], "{verb} {which}");
        }
    }
    assert_eq!(found(&["list", "--deployment", &other]), [three.as_str()], "an ID needs no flow");
    assert_eq!(found(&["list", "--flow", "thrice", "--deployment", &other]), [] as [&str; 0]);
    assert_eq!(found(&["list", "--flow", "thrice", "--deployment", "7"]), [] as [&str; 0]);
    let counted = host.item(["executions", "statistics", "--flow", "thrice", "--deployment", "1"]);
    assert_eq!(counted["groups"][0]["execution_count"], 1, "{counted:#}");
    // What looks like a version is the tag of that name, where there is one; a plain number never is a tag.
    for tag in ["v2", "2"] {
        let _ = host.item(["flow", "tag", "thrice", tag, "--version", "1"]);
    }
    for (which, expected) in [("v2", &one), ("2", &two), ("v1", &one)] {
        for verb in ["list", "cohort"] {
            assert_eq!(found(&[verb, "--flow", "thrice", "--deployment", which]), [expected.as_str()], "tagged: {verb} {which}");
        }
    }
    host.json(["executions", "list", "--flow", "thrice", "--deployment", "v0"]).refused("LookupError", &["the tag 'v0'"]);
    // A version that was deleted has left its executions, and a tag that moved means another version.
    let _ = host.item(["flow", "tag", "thrice", "default", "--version", "2"]);
    let _ = host.item(["flow", "deployments", "delete", "thrice", "--version", "1"]);
    for which in ["1", "v1"] {
        assert_eq!(found(&["list", "--flow", "thrice", "--deployment", which]), [one.as_str()], "deleted: {which}");
    }
    for which in ["default", "v2"] {
        assert_eq!(found(&["list", "--flow", "thrice", "--deployment", which]), [two.as_str()], "{which}");
    }
    host.json(["executions", "list", "--deployment", "1"]).refused("KitaruUsageError", &["no flow is named"]);
    // A configuration that nobody can read is no version's, and hides no other.
    let store = rusqlite::Connection::open(host.database()).unwrap();
    store
        .execute("UPDATE executions SET frozen_spec = 'damaged' WHERE hex(exec_id) = ?1", [two.replace('-', "").to_uppercase()])
        .unwrap();
    assert_eq!(found(&["list", "--flow", "thrice", "--deployment", "2"]), [] as [&str; 0]);
    assert_eq!(found(&["list", "--flow", "thrice", "--deployment", "1"]), [one.as_str()]);
}
