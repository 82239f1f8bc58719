//! The MCP server, as a client sees it that is not ours: the official Python SDK, over standard input and output and over HTTP. The SDK checks
//! every structured result against the schema that the tool promises.

use kitaru_host::service::verbs;
use kitaru_tests::{Assistant, Host, Mode, Told, id, names, repository, until};
use serde_json::{Value, json};

#[path = "mcp/cleaning.rs"]
mod cleaning;
#[path = "mcp/http.rs"]
mod http;
#[path = "mcp/kitaru.rs"]
mod kitaru;
#[path = "mcp/published.rs"]
mod published;
#[path = "mcp/questions.rs"]
mod questions;
#[path = "mcp/reading.rs"]
mod reading;
#[path = "mcp/served.rs"]
mod served;

const BOTH: [Mode; 2] = [Mode::Newest, Mode::Legacy];

/// A data folder that has the fixture's component, and an assistant that works on it.
struct Place {
    host: Host,
    assistant: Assistant,
    component: String,
}

impl Place {
    fn new(mode: Mode, elicits: bool) -> Self {
        let host = Host::warm();
        let component = host.flow("no_calls", &json!({}), &[])["component_digest"].as_str().unwrap().to_owned();
        let assistant = Assistant::of_command(&host.command(["mcp"]), mode, elicits);
        Self { host, assistant, component }
    }

    fn run(&mut self, flow: &str, arguments: &Value) -> Told {
        self.run_answering(flow, arguments, &json!([]))
    }

    fn run_answering(&mut self, flow: &str, arguments: &Value, answers: &Value) -> Told {
        let target = format!("{}:{flow}", self.component);
        self.assistant.answering("kitaru_executions_run", &json!({ "target": target, "args": arguments }), answers)
    }
}

/// The ID of what a tool has started.
fn started(told: &Told) -> String {
    told.value()["exec_id"].as_str().unwrap_or_else(|| panic!("{told:?}")).to_owned()
}

fn named<'a>(list: &'a Value, key: &str, name: &str) -> &'a Value {
    let items = list.as_array().unwrap_or_else(|| panic!("no list: {list}"));
    items.iter().find(|item| item[key] == name).unwrap_or_else(|| panic!("no {name} in {list:#}"))
}

#[test]
fn every_verb_that_has_a_tool_is_offered_with_its_schema() {
    for mode in BOTH {
        let host = Host::new();
        let mut assistant = Assistant::of_command(&host.command(["mcp"]), mode, false);
        let info = assistant.tell(&json!({ "do": "info" })).result().clone();
        let version = info["version"].as_str().unwrap();
        assert_eq!(version >= "2026-07-28", mode == Mode::Newest, "{info:#}");
        assert!(info["instructions"].as_str().unwrap().contains("durable flows"), "{info:#}");
        assert_eq!(info["capabilities"]["tools"]["listChanged"], true, "{info:#}");

        let tools = assistant.tell(&json!({ "do": "tools" })).result()["tools"].clone();
        let mut expected: Vec<&str> = verbs::all().iter().filter_map(|verb| verb.about.tool.ok()).collect();
        // Of folders of this machine, and so no verb.
        expected.push(cleaning::TOOL);
        let mut offered: Vec<&str> = tools.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        expected.sort_unstable();
        offered.sort_unstable();
        assert_eq!(offered, expected);
        let cancel = named(&tools, "name", "kitaru_executions_cancel");
        assert_eq!(
            (&cancel["annotations"]["destructiveHint"], &cancel["annotations"]["readOnlyHint"]),
            (&json!(true), &json!(false))
        );
        let get = named(&tools, "name", "kitaru_executions_get");
        assert_eq!(get["annotations"]["readOnlyHint"], true);
        assert!(get["inputSchema"]["properties"]["exec_id"].is_object(), "Kitaru's name: {get:#}");
        assert!(get["outputSchema"]["properties"]["checkpoints"].is_object(), "{get:#}");
        assistant.end();
    }
}

#[test]
fn every_tool_and_prompt_stands_in_the_documentation() {
    let page = std::fs::read_to_string(repository().join("docs/mcp.md")).unwrap();
    let missing: Vec<&str> = verbs::all()
        .iter()
        .filter_map(|verb| verb.about.tool.ok())
        .chain([cleaning::TOOL, "investigate_failure", "review_waits", "replay_with_fix", "compare_replay"])
        .filter(|name| !page.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "docs/mcp.md has not {missing:?}");
}

#[test]
fn a_flow_runs_to_its_end_and_is_found_again() {
    for mode in BOTH {
        let mut place = Place::new(mode, false);
        let told = place.run("log_lines", &json!({}));
        let (exec, value) = (started(&told), told.value().clone());
        assert_eq!(value["target"], format!("{}:log_lines", place.component));
        assert_eq!((&value["execution"]["status"], &value["warning"]), (&json!("completed"), &Value::Null), "{value:#}");

        let assistant = &mut place.assistant;
        let got = assistant.call("kitaru_executions_get", &json!({ "exec_id": exec })).value().clone();
        assert_eq!((id(&got), &got["status"]), (exec.as_str(), &json!("completed")));
        assert_eq!(got, place.host.get(&exec), "the command line shows the same");
        let listed = assistant.call("kitaru_executions_list", &json!({ "status": null, "flow": "log_lines", "stack": null }));
        assert_eq!((&listed.value()["count"], id(&listed.value()["items"][0])), (&json!(1), exec.as_str()));
        let journal = assistant.call("kitaru_executions_journal", &json!({ "execution": &exec[..13] })).value().clone();
        assert_eq!(journal["items"], json!(place.host.journal(&exec)));
        assert!(journal.get("next_cursor").is_none_or(Value::is_null), "{journal:#}");
        let limited = assistant.call("kitaru_executions_journal", &json!({ "execution": exec, "limit": 1 })).value().clone();
        assert_eq!((&limited["count"], &limited["items"][0]), (&json!(1), &journal["items"][0]));
        let status = assistant.call("kitaru_status", &json!({})).value().clone();
        assert!(status.is_object(), "{status}");
    }
}

#[test]
fn x18_the_log_is_plain_text() {
    let mut place = Place::new(Mode::Newest, false);
    let exec = started(&place.run("log_lines", &json!({})));
    let entries = place.host.json(["executions", "logs", &exec]).items();
    let told = place.assistant.call("get_execution_logs", &json!({ "exec_id": exec }));
    let result = told.result();
    assert!(result.get("structuredContent").is_none_or(Value::is_null), "{result:#}");
    let text = told.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), entries.len(), "{text}");
    for (line, entry) in lines.iter().zip(&entries) {
        let checkpoint =
            entry.get("checkpoint_name").and_then(Value::as_str).map(|name| format!("[{name}] ")).unwrap_or_default();
        let part = |key: &str| entry[key].as_str().unwrap().to_owned();
        assert_eq!(*line, format!("{} {} {checkpoint}{}", part("timestamp"), part("level"), part("message")));
    }
    assert!(lines.iter().any(|line| line.contains("[prints] ")), "{text}");
    let last = place.assistant.call("get_execution_logs", &json!({ "exec_id": exec, "limit": 1 })).text();
    assert_eq!(last, *lines.last().unwrap());

    let silent = started(&place.run("no_calls", &json!({})));
    assert_eq!(place.assistant.call("get_execution_logs", &json!({ "exec_id": silent })).text(), "No log entries found.");
}

#[test]
fn x19_refusals_say_what_to_do_instead() {
    let mut place = Place::new(Mode::Newest, false);
    let component = place.component.clone();
    let cases = [
        (
            "kitaru_executions_get",
            json!({ "exec_id": "nonsense" }),
            vec!["KitaruRuntimeError", "'nonsense' was not found", "hint: "],
        ),
        ("kitaru_executions_get", json!({}), vec!["KitaruUsageError", "execution"]),
        ("kitaru_executions_get", json!({ "exec_id": "a", "execution": "b" }), vec!["give one of them"]),
        ("kitaru_executions_list", json!({ "colour": "red" }), vec!["KitaruUsageError", "colour"]),
        ("kitaru_executions_list", json!({ "stack": "aws" }), vec!["aws", "local"]),
        ("kitaru_executions_list", json!({ "limit": 0 }), vec!["limit"]),
        ("kitaru_executions_run", json!({ "target": "mod" }), vec!["KitaruUsageError", "`<digest>:<flow>`", "\"mod\""]),
        ("kitaru_executions_run", json!({ "target": "main.py:flow" }), vec!["'main.py' is no component", "hint: "]),
        ("kitaru_executions_run", json!({ "target": format!("{}:x", "0".repeat(64)) }), vec!["0000"]),
        ("kitaru_executions_run", json!({ "target": format!("{component}:nothing") }), vec!["nothing"]),
        ("kitaru_executions_latest", json!({ "flow": "nobody" }), vec!["LookupError"]),
    ];
    for (tool, arguments, parts) in cases {
        let said = place.assistant.call(tool, &arguments).refusal();
        assert!(parts.iter().all(|part| said.contains(part)), "{tool} {arguments}: {said}");
    }
    let unknown = place.assistant.call("kitaru_secrets_delete", &json!({ "name": "x" }));
    assert!(unknown.error()["message"].as_str().unwrap().contains("kitaru_secrets_delete"), "{unknown:?}");
    // None of that has ended the conversation, or started anything.
    let listed = place.assistant.call("kitaru_executions_list", &json!({})).value().clone();
    assert_eq!(listed["total"], 1, "{listed:#}");
}

#[test]
fn a_failed_execution_is_retried_and_replayed() {
    let mut place = Place::new(Mode::Newest, false);
    let failed = place.run("uncaught", &json!({ "message": "it broke" }));
    let exec = started(&failed);
    let view = &failed.value()["execution"];
    assert_eq!((&view["status"], &view["failure"]["message"]), (&json!("failed"), &json!("it broke")), "{view:#}");
    let retried = place.assistant.call("kitaru_executions_retry", &json!({ "exec_id": exec })).value().clone();
    assert_eq!((id(&retried), &retried["status"]), (exec.as_str(), &json!("failed")), "{retried:#}");
    let again = names(&retried["checkpoints"], "status").into_iter().filter(|status| *status == "failed").count();
    assert_eq!(again, 1, "the same call, tried again: {retried:#}");

    let source = started(&place.run("option_result", &json!({ "present": true })));
    let overrides = json!({ "checkpoint.maybe": "elsewhere" });
    let arguments = json!({ "exec_ids": [source], "overrides": overrides, "wait": true, "tag": "changed" });
    let replayed = place.assistant.call("kitaru_executions_replay", &arguments).value().clone();
    let replay = replayed["results"][0]["replay_exec_id"].as_str().unwrap_or_else(|| panic!("{replayed:#}")).to_owned();
    // It may be driven by whoever looks after all executions, and the call have returned before.
    let view = until("the end of the replay", || Some(place.host.get(&replay)).filter(|view| view["status"] == "completed"));
    assert_eq!(
        (&view["original_exec_id"], &view["result"], &view["tags"]),
        (&json!(source), &json!("elsewhere"), &json!(["changed"]))
    );
    let diff =
        place.assistant.call("kitaru_executions_diff", &json!({ "original": source, "executions": [replay] })).value().clone();
    assert_eq!(diff["count"], 1, "{diff:#}");
}

#[test]
fn values_of_secrets_come_in_and_never_out() {
    let host = Host::new();
    let log = host.path("log");
    let mut command = host.command(["mcp"]);
    command.env("KITARU_LOG", "trace");
    // The client's own standard error is its server's.
    let mut assistant = Assistant::of_command_telling(&command, Mode::Legacy, false, &log);
    let arguments = json!({ "name": "mail", "values": { "password": "correct horse" } });
    let made = assistant.call("kitaru_secrets_create", &arguments);
    let shown = [
        made,
        assistant.call("kitaru_secrets_show", &json!({ "name": "mail" })),
        assistant.call("kitaru_secrets_list", &json!({})),
    ];
    assert!(shown.iter().all(|told| told.text().contains("mail") && !told.text().contains("correct horse")), "{shown:?}");
    assistant.end();
    let said = std::fs::read_to_string(log).unwrap();
    assert!(!said.is_empty() && !said.contains("correct horse"), "{said}");
}

#[test]
fn whoever_closes_the_conversation_ends_the_server() {
    let host = Host::warm();
    let said = host.text(["mcp"]);
    assert!(said.stdout.is_empty(), "standard output is for the protocol: {said:?}");
    let _ = said.ok();
    let refused = host.with_input(["mcp"], "this is no protocol\n");
    for line in refused.stdout.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {refused:?}"));
        assert_eq!(line["jsonrpc"], "2.0", "{refused:?}");
    }

    let mut place = Place::new(Mode::Legacy, false);
    let exec = started(&place.run("wait_bool", &json!({})));
    let Place { host, assistant, .. } = place;
    assistant.end();
    let left = host.get(&exec);
    assert_eq!((&left["status"], &left["runner"]), (&json!("waiting"), &Value::Null), "{left:#}");
    let done = host.item(["executions", "input", &exec, "--value", "true"]);
    assert_eq!(done["status"], "completed");
}
