//! What `clean` would delete, shown to the assistant of whoever sits at the machine.

use std::collections::BTreeSet;

use kitaru_tests::{Assistant, Host, Reply, id};
use serde_json::{Value, json};

use super::{BOTH, named};

/// The tool that is no verb.
pub(super) const TOOL: &str = "kitaru_clean_preview";

fn keys(item: &Value) -> BTreeSet<&String> {
    item.as_object().unwrap().keys().collect()
}

#[test]
fn an_assistant_sees_what_would_be_deleted_and_deletes_nothing() {
    for mode in BOTH {
        let host = Host::warm();
        let run = host.flow("no_calls", &json!({}), &[]);
        let mut assistant = Assistant::of_command(&host.command(["mcp"]), mode, false);
        let tools = assistant.tell(&json!({ "do": "tools" })).result()["tools"].clone();
        let tool = named(&tools, "name", TOOL);
        assert_eq!(tool["inputSchema"]["properties"]["scope"]["enum"], json!(["project", "global", "all"]), "{tool:#}");
        let hints = [&tool["annotations"]["readOnlyHint"], &tool["annotations"]["destructiveHint"]];
        assert_eq!(hints, [&json!(true), &json!(false)]);

        // The SDK has checked it against the schema; the command line says the same.
        let shown = assistant.call(TOOL, &json!({ "scope": "global" })).value().clone();
        let said = host.item(["clean", "global", "--dry-run"]);
        assert_eq!(keys(&shown), keys(&said));
        for key in ["scope", "dry_run", "aborted", "backup_path", "deleted_paths", "active_environment_overrides"] {
            assert_eq!(shown[key], said[key], "{key}");
        }
        assert_eq!((&shown["dry_run"], &shown["deleted_paths"]), (&json!(true), &json!([])));
        assert_eq!(shown["preview"][0]["path"], said["preview"][0]["path"]);
        assert!(shown["total_bytes"].as_u64().unwrap() > 0, "{shown:#}");

        let refused = [
            (json!({}), "No Kitaru project found"),
            (json!({ "scope": null }), "No Kitaru project found"),
            (json!({ "scope": "everything" }), "\"everything\" is not"),
            (json!({ "scope": "global", "force": true }), "unknown field `force`"),
        ];
        for (arguments, part) in refused {
            let told = assistant.call(TOOL, &arguments).refusal();
            assert!(told.contains("KitaruUsageError") && told.contains(part), "{arguments}: {told}");
        }
        assistant.end();
        assert_eq!(host.get(id(&run))["status"], "completed", "it is all there");
    }
}

#[test]
fn without_a_scope_it_is_the_project_s_folder() {
    let host = Host::new();
    let in_project = |words: &[&str]| {
        let mut command = host.json_command(words);
        command.env_remove("KITARU_HOME");
        command
    };
    let _ = Reply::from(in_project(&["init"])).item();
    let mut assistant = Assistant::of_command(&in_project(&["mcp"]), BOTH[0], false);
    let shown = assistant.call(TOOL, &json!({})).value().clone();
    assert_eq!((&shown["scope"], shown["preview"].as_array().unwrap().len()), (&json!("project"), 1), "{shown:#}");
    assert!(shown["preview"][0]["path"].as_str().unwrap().ends_with(".kitaru"), "{shown:#}");
    assistant.end();
    assert!(host.work().join(".kitaru").is_dir());
}
