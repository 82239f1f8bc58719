//! Kitaru's tools and their parameters: each is here under its name, or docs/mcp.md says why it is not.

use std::collections::BTreeMap;

use kitaru_tests::{Assistant, Host, Mode, id, repository, until};
use serde_json::{Value, json};

use super::{BOTH, Place, started};

/// The tools of all of Kitaru's versions, with the names that they give their parameters.
const TOOLS: &[(&str, &[&str])] = &[
    ("kitaru_executions_list", &["status", "flow", "stack", "limit"]),
    ("kitaru_executions_get", &["exec_id"]),
    ("kitaru_executions_latest", &["status", "flow", "stack"]),
    ("get_execution_logs", &["exec_id", "checkpoint", "source", "limit"]),
    ("kitaru_executions_run", &["target", "args", "stack"]),
    ("kitaru_executions_cancel", &["exec_id"]),
    ("kitaru_executions_retry", &["exec_id"]),
    ("kitaru_executions_input", &["exec_id", "wait", "value"]),
    (
        "kitaru_executions_replay",
        &[
            "exec_id",
            "from_",
            "overrides",
            "flow_inputs",
            "exec_ids",
            "at",
            "flow_overrides",
            "checkpoint_overrides",
            "invocation_overrides",
            "skip",
            "tag",
            "wait",
            "on_error",
        ],
    ),
    ("kitaru_executions_resume", &["exec_id"]),
    ("kitaru_executions_abort_wait", &["exec_id", "wait"]),
    ("kitaru_executions_statistics", &["group_by", "metrics", "flow", "status", "stack", "tags", "max_groups"]),
    (
        "kitaru_executions_cohort",
        &["flow", "at", "deployment", "deployment_version", "order_by", "limit", "since", "until", "max_scan", "include_failed"],
    ),
    ("kitaru_executions_diff", &["original", "executions"]),
    ("kitaru_executions_diff_matrix", &["exec_ids"]),
    ("kitaru_executions_delete", &["exec_id"]),
    ("kitaru_artifacts_list", &["exec_id", "name", "kind", "producing_call", "limit"]),
    ("kitaru_artifacts_get", &["artifact_id"]),
    ("kitaru_start_local_server", &["port", "timeout"]),
    ("kitaru_stop_local_server", &[]),
    ("kitaru_status", &[]),
    ("kitaru_info", &["all", "all_packages", "packages"]),
    ("kitaru_stacks_list", &[]),
    ("manage_stack", &["action", "name"]),
    ("kitaru_clean_preview", &["scope"]),
    ("kitaru_deployments_deploy", &["target", "inputs", "tag", "exclusive", "stack", "image", "cache", "retries"]),
    ("kitaru_deployments_invoke", &["flow", "version", "tag", "inputs"]),
    ("kitaru_deployments_list", &["flow"]),
    ("kitaru_deployments_get", &["flow", "version", "tag"]),
    ("kitaru_deployments_delete", &["flow", "version"]),
    ("kitaru_deployments_tag", &["flow", "version", "tag", "exclusive"]),
    ("kitaru_deployments_untag", &["flow", "version", "tag"]),
    ("kitaru_flows_delete", &["flow"]),
    ("kitaru_secrets_create", &["name", "values", "private"]),
    ("kitaru_secrets_list", &["page", "size"]),
    ("kitaru_projects_list", &[]),
    ("kitaru_projects_current", &[]),
    ("kitaru_projects_show", &[]),
    ("kitaru_projects_use", &[]),
    ("kitaru_memory_*", &[]),
];

/// What the documentation says is not here: a tool, or a parameter of one as `tool.parameter`, with the reason.
fn absent() -> BTreeMap<String, String> {
    let page = std::fs::read_to_string(repository().join("docs/mcp.md")).unwrap();
    let section = page.split("\n## Not here, and why\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let mut absent = BTreeMap::new();
    for row in section.expect("a section on what is not here").lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [names, reason] = cells[..] else { panic!("{row}") };
        for name in names.split(',') {
            let before = absent.insert(name.trim().trim_matches('`').to_owned(), reason.to_owned());
            assert_eq!(before, None, "{name} is listed twice");
        }
    }
    absent
}

/// What is neither offered nor explained, or both.
fn problems(tools: &[(&str, &[&str])], offered: &Value, absent: &BTreeMap<String, String>) -> Vec<String> {
    let (mut problems, mut unused) = (Vec::new(), absent.clone());
    let mut check = |name: String, is_here: bool| match (is_here, unused.remove(&name)) {
        (true, Some(_)) => problems.push(format!("`{name}` is said not to be here, and is")),
        (false, None) => problems.push(format!("`{name}` is not here, and nobody says why")),
        (false, Some(reason)) if reason.len() < 20 => problems.push(format!("`{name}` is not here for no reason")),
        _ => {}
    };
    for (tool, parameters) in tools {
        let found = offered.as_array().unwrap().iter().find(|offered| offered["name"] == *tool);
        check((*tool).to_owned(), found.is_some());
        for parameter in found.iter().flat_map(|_| parameters.iter()) {
            let is_here = found.is_some_and(|found| found["inputSchema"]["properties"][parameter].is_object());
            check(format!("{tool}.{parameter}"), is_here);
        }
    }
    problems.extend(unused.keys().map(|name| format!("`{name}` is said not to be here, and is nothing of Kitaru's")));
    problems
}

#[test]
fn every_tool_and_parameter_of_kitaru_is_here_or_it_is_said_why_not() {
    let host = Host::new();
    for mode in BOTH {
        let mut assistant = Assistant::of_command(&host.command(["mcp"]), mode, false);
        let offered = assistant.tell(&json!({ "do": "tools" })).result()["tools"].clone();
        let problems = problems(TOOLS, &offered, &absent());
        assert!(problems.is_empty(), "{mode:?}:\n  {}", problems.join("\n  "));
    }
}

/// That the comparison above can fail.
#[test]
fn what_is_missing_is_found() {
    let tools: &[(&str, &[&str])] = &[("tea_make", &["leaves", "milk"]), ("tea_pour", &[])];
    let offered = json!([{ "name": "tea_make", "inputSchema": { "properties": { "leaves": {} } } }]);
    let said = |names: &[(&str, &str)]| -> BTreeMap<String, String> {
        names.iter().map(|(name, why)| ((*name).to_owned(), (*why).to_owned())).collect()
    };
    let why = "nobody drinks it that way here";
    assert_eq!(problems(tools, &offered, &said(&[("tea_make.milk", why), ("tea_pour", why)])), [] as [String; 0]);
    let expected = ["`tea_make.milk` is not here, and nobody says why", "`tea_pour` is not here, and nobody says why"];
    assert_eq!(problems(tools, &offered, &said(&[])), expected);
    let listed = said(&[("tea_make.milk", ""), ("tea_make.leaves", why), ("tea_pour", why), ("coffee", why)]);
    let expected = [
        "`tea_make.leaves` is said not to be here, and is",
        "`tea_make.milk` is not here for no reason",
        "`coffee` is said not to be here, and is nothing of Kitaru's",
    ];
    assert_eq!(problems(tools, &offered, &listed), expected);
}

#[test]
fn a_flow_is_published_tagged_started_and_removed_as_kitaru_s_client_says_it() {
    for mode in BOTH {
        let host = Host::warm();
        let component = host.flow("no_calls", &json!({}), &[])["component_digest"].as_str().unwrap().to_owned();
        let mut assistant = Assistant::of_command(&host.command(["mcp"]), mode, false);
        let target = format!("{component}:echo_value");
        // Kitaru's client sends null for what was not given.
        let deploy = |value: Value, tag: Value, exclusive: Value| {
            json!({
                "target": target, "inputs": { "value": value }, "tag": tag, "exclusive": exclusive,
                "stack": null, "image": null, "cache": null, "retries": null,
            })
        };
        let mut call = |tool: &str, arguments: Value| assistant.call(tool, &arguments).value().clone();
        let first = call("kitaru_deployments_deploy", deploy(json!(1), json!("default"), json!(null)));
        assert_eq!(
            (&first["flow"], &first["version"], &first["tags"]),
            (&json!("echo_value"), &json!(1), &json!({ "default": true }))
        );
        assert_eq!(first["input"], json!({ "value": 1 }), "{mode:?}");
        let second = call("kitaru_deployments_deploy", deploy(json!(2), json!("canary"), json!(true)));
        assert_eq!((&second["version"], &second["tags"]), (&json!(2), &json!({ "canary": true })), "{mode:?}");
        let _ = call("kitaru_deployments_deploy", json!({ "target": format!("sha256:{component}:no_calls"), "stack": "local" }));

        let listed = |value: &Value| -> Vec<String> {
            value["items"].as_array().unwrap().iter().map(|flow| flow["flow"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(listed(&call("kitaru_deployments_list", json!({ "flow": null }))), ["echo_value", "no_calls"]);
        let one = call("kitaru_deployments_list", json!({ "flow": "echo_value" }));
        assert_eq!((listed(&one), &one["total"]), (vec!["echo_value".to_owned()], &json!(1)), "{mode:?}");
        assert_eq!(call("kitaru_deployments_list", json!({ "flow": "echo" }))["total"], 0, "{mode:?}");
        let shown = call("kitaru_deployments_get", json!({ "flow": "echo_value", "version": null, "tag": "canary" }));
        assert_eq!(shown["version"], 2, "{mode:?}");

        let result = |value: &Value| value["execution"]["result"].clone();
        let invoked =
            call("kitaru_deployments_invoke", json!({ "flow": "echo_value", "version": null, "tag": null, "inputs": null }));
        assert_eq!((result(&invoked), &invoked["target"]), (json!(1), &json!("echo_value")), "{mode:?}: {invoked:#}");
        let invoked =
            call("kitaru_deployments_invoke", json!({ "flow": "echo_value", "tag": "canary", "inputs": { "value": 3 } }));
        assert_eq!(result(&invoked), 3, "{mode:?}");

        let cohort = |which: Value| json!({ "flow": "echo_value", "at": null, "deployment_version": which["number"], "deployment": which["name"] });
        let mut count = |which: Value| call("kitaru_executions_cohort", cohort(which))["count"].clone();
        assert_eq!([count(json!({})), count(json!({ "number": 1 })), count(json!({ "name": "canary" }))], [2, 1, 1], "{mode:?}");

        let tagged = call("kitaru_deployments_tag", json!({ "flow": "echo_value", "version": 2, "tag": "default" }));
        assert_eq!(tagged["default_version"], 2, "{mode:?}");
        let untagged = call("kitaru_deployments_untag", json!({ "flow": "echo_value", "tag": "canary" }));
        assert_eq!(untagged["tags"], json!({ "default": [2] }), "{mode:?}");
        let deleted = call("kitaru_deployments_delete", json!({ "flow": "echo_value", "version": 1 }));
        assert_eq!(deleted, json!({ "flow": "echo_value", "version": 1, "deleted": true }), "{mode:?}");
        let gone = call("kitaru_flows_delete", json!({ "flow": "echo_value" }));
        assert_eq!((&gone["deleted"], &gone["versions"]), (&json!(true), &json!([2])), "{mode:?}");
        assert_eq!(host.json(["flow", "list"]).items().len(), 1, "{mode:?}");

        let refused = [
            (json!({ "target": "main.py" }), "`<digest>:<flow>`"),
            (json!({ "target": component }), "flow"),
            (json!({ "target": target, "flow": "no_calls" }), "give one of them"),
            (json!({ "target": target, "stack": "aws" }), "only \"local\""),
            (json!({ "target": target, "image": "python:3.12" }), "image"),
            (json!({ "target": target, "inputs": { "valeu": 1 }, "input": {} }), "give one of them"),
        ];
        for (arguments, part) in refused {
            let said = assistant.call("kitaru_deployments_deploy", &arguments).refusal();
            assert!(said.contains("KitaruUsageError") && said.contains(part), "{mode:?} {arguments}: {said}");
        }
        assert_eq!(host.json(["flow", "list"]).items().len(), 1, "{mode:?}: what was refused published nothing");
    }
}

#[test]
fn secrets_are_made_and_listed_as_kitaru_s_client_says_it() {
    let host = Host::new();
    let mut assistant = Assistant::of_command(&host.command(["mcp"]), Mode::Newest, false);
    for (name, private) in [("a", json!(null)), ("b", json!(true)), ("c", Value::Null)] {
        let arguments = json!({ "name": name, "values": { "key": "correct horse" }, "private": private });
        let _ = assistant.call("kitaru_secrets_create", &arguments).value();
    }
    let refused = assistant.call("kitaru_secrets_create", &json!({ "name": "d", "values": { "key": "x" }, "private": false }));
    assert!(refused.refusal().contains("always private"), "{refused:?}");
    let mut names = |arguments: Value| -> Vec<String> {
        let listed = assistant.call("kitaru_secrets_list", &arguments).value().clone();
        let items = listed["items"].as_array().unwrap();
        assert_eq!(listed["count"], items.len(), "{listed:#}");
        items.iter().map(|secret| secret["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(json!({})), ["a", "b", "c"]);
    assert_eq!(names(json!({ "page": 1, "size": 20 })), ["a", "b", "c"], "as Kitaru's client has it");
    assert_eq!(names(json!({ "page": 2, "size": 2 })), ["c"]);
    assert_eq!(names(json!({ "page": 3, "size": 2 })), [] as [&str; 0]);
    assert!(assistant.call("kitaru_secrets_list", &json!({ "page": 0 })).refusal().contains("from 1"));
}

/// The verbs that nobody else calls here through the SDK, which checks what they give against their schemas.
#[test]
fn executions_are_compared_counted_stopped_and_removed() {
    for mode in BOTH {
        let mut place = Place::new(mode, false);
        let runs: Vec<String> = (0..2).map(|_| started(&place.run("option_result", &json!({ "present": true })))).collect();
        let asks = started(&place.run("wait_bool", &json!({})));
        let stays = started(&place.run("wait_bool", &json!({})));
        let mut call = |tool: &str, arguments: Value| place.assistant.call(tool, &arguments).value().clone();

        let matrix = call("kitaru_executions_diff_matrix", json!({ "exec_ids": runs }));
        assert_eq!(matrix["count"], 1, "{mode:?}: {matrix:#}");
        let cohort = call(
            "kitaru_executions_cohort",
            json!({ "flow": "option_result", "at": "maybe", "order_by": "-started_at", "limit": 50 }),
        );
        let mut found: Vec<&str> = cohort["items"].as_array().unwrap().iter().map(id).collect();
        found.reverse();
        assert_eq!(found, runs, "{mode:?}: the newest first");
        let arguments =
            json!({ "group_by": ["flow"], "metrics": ["statuses"], "flow": null, "stack": "local", "max_groups": 1000 });
        let counted = call("kitaru_executions_statistics", arguments);
        assert_eq!(counted["group_count"], 3, "{mode:?}: {counted:#}");
        assert_eq!(
            call("kitaru_executions_latest", json!({ "status": "waiting", "flow": null }))["exec_id"],
            json!(stays),
            "{mode:?}"
        );

        let aborted = call("kitaru_executions_abort_wait", json!({ "exec_id": asks, "wait": "approve" }));
        assert_eq!(aborted["waits"][0]["status"], "aborted", "{mode:?}: {aborted:#}");
        let cancelled = call("kitaru_executions_cancel", json!({ "exec_id": stays }));
        assert_eq!(id(&cancelled), stays, "{mode:?}: {cancelled:#}");
        until("the end", || (call("kitaru_executions_get", json!({ "exec_id": stays }))["status"] == "cancelled").then_some(()));
        let said = place.assistant.call("kitaru_executions_resume", &json!({ "exec_id": stays })).refusal();
        assert!(said.contains("KitaruStateError"), "{mode:?}: {said}");
        let mut call = |tool: &str, arguments: Value| place.assistant.call(tool, &arguments).value().clone();
        let deleted = call("kitaru_executions_delete", json!({ "exec_id": stays }));
        assert_eq!((id(&deleted), &deleted["deleted"]), (stays.as_str(), &json!(true)), "{mode:?}");
        let said = place.assistant.call("kitaru_executions_get", &json!({ "exec_id": stays })).refusal();
        assert!(said.contains("was not found"), "{mode:?}: {said}");
    }
}
