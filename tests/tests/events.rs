//! What leaves executions as events: exports, followers, files that grow.

use kitaru_tests::{Host, id};
use serde_json::{Value, json};

/// A word that goes in and comes out, and is in no event unless somebody asks.
const RAW: &str = "RAWMARKER";

fn exported(host: &Host, arguments: &[&str]) -> Vec<Value> {
    host.text([&["executions", "export"], arguments].concat()).ok().json_lines()
}

/// Category and end of each scope, in order.
fn scopes(events: &[Value]) -> Vec<String> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or("none").to_owned();
    assert!(events.iter().all(|event| event["atof_version"] == "0.1"), "{events:?}");
    events.iter().map(|event| format!("{} {}", text(event, "category"), text(event, "scope_category"))).collect()
}

#[test]
fn an_execution_is_exported_as_events_without_what_went_in_and_out() {
    let host = Host::new();
    let run = host.flow("echo_value", &json!({ "value": RAW }), &[]);
    let events = exported(&host, &[id(&run), "--format", "atof"]);
    assert_eq!(scopes(&events), ["agent start", "function start", "function end", "agent end"]);
    assert_eq!((&events[0]["parent_uuid"], &events[1]["parent_uuid"]), (&Value::Null, &events[0]["uuid"]));
    assert_eq!(events[0]["uuid"], run["exec_id"]);
    assert!(!json!(events).to_string().contains(RAW));
    assert_eq!(exported(&host, &[id(&run), "--format", "atof"]), events, "an export says the same whenever it is made");
    let with = exported(&host, &[id(&run), "--format", "atof", "--content"]);
    assert!(with[0]["data"].to_string().contains(RAW) && with[3]["data"].to_string().contains(RAW));
    let trajectory = exported(&host, &[id(&run), "--format", "atif"]);
    assert_eq!((&trajectory[0]["schema_version"], &trajectory[0]["session_id"]), (&json!("ATIF-v1.6"), &run["exec_id"]));
    let file = host.path("events.jsonl");
    let written = host.item(["executions", "export", id(&run), "--format", "atof", "--to", &file]);
    assert_eq!(written["format"], "atof");
    let lines = std::fs::read_to_string(&file).unwrap();
    assert_eq!(lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>(), events);
}

#[test]
fn what_cannot_be_exported_together_is_refused() {
    let host = Host::new();
    let run = host.flow("no_calls", &json!({}), &[]);
    let refused =
        |more: &[&str]| host.json([&["executions", "export", id(&run)], more].concat()).refused("KitaruUsageError", &["--"]);
    for more in [&[][..], &["--content"], &["--follow"], &["--format", "atif", "--follow"]] {
        let _ = refused(more);
    }
}

#[test]
fn a_follower_and_a_file_see_an_execution_to_its_end() {
    let host = Host::new();
    let _ = host.file("kitaru.toml", "[telemetry]\natof = \"events\"\n");
    let waiting = host.flow("wait_bool", &json!({}), &[]);
    let file = host.path(&format!("events/{}.jsonl", id(&waiting)));
    let so_far = std::fs::read_to_string(&file).unwrap();
    assert_eq!(so_far.lines().count(), 2, "the flow and its wait have begun: {so_far}");
    let follower = host.command(["executions", "export", id(&waiting), "--format", "atof", "--follow"]).spawn().unwrap();
    let _ = host.item(["executions", "input", id(&waiting), "--value", "true"]);
    let followed = follower.wait_with_output().unwrap();
    assert!(followed.status.success());
    let whole = std::fs::read_to_string(&file).unwrap();
    assert!(whole.starts_with(&so_far), "what was told stays told");
    let events = exported(&host, &[id(&waiting), "--format", "atof"]);
    assert_eq!(scopes(&events), ["agent start", "custom start", "custom end", "agent end"]);
    for seen in [whole, String::from_utf8(followed.stdout).unwrap()] {
        assert_eq!(seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>(), events);
    }
}

#[test]
fn a_collector_that_is_not_there_fails_nothing() {
    let host = Host::new();
    // Nobody listens there once it is dropped.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = kitaru_tests::fixture("conformance:no_calls");
    let mut command = host.command(["run", &target]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{gone}")).env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=SECRETKEY");
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.contains("spans were not sent") && !told.contains("SECRETKEY"), "{told}");
}
