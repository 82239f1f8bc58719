//! The endpoint of a host that is served, for assistants with a key of their own: role, scope, record, and the end of a key.

use std::collections::BTreeSet;

use kitaru_host::access::Role;
use kitaru_host::service::verbs;
use kitaru_tests::{Assistant, Host, Mode, Served, Told, id, until};
use serde_json::{Value, json};

use super::BOTH;

/// An assistant that comes with this key.
pub(super) fn with_key(served: &Served, key: &str, mode: Mode, elicits: bool) -> Assistant {
    let url = format!("http://{}/mcp", served.address);
    Assistant::of_url(&url, &[("authorization", &format!("Bearer {key}"))], mode, elicits)
}

/// Whether nothing was done for whoever asked, as the protocol or its transport says it.
fn is_turned_away(told: &Told) -> bool {
    told.failure().is_some()
}

#[test]
fn an_assistant_comes_to_a_served_host_with_its_key() {
    for mode in BOTH {
        let host = Host::warm();
        let served = Served::start(&host);
        let asks = id(&host.flow("wait_bool", &json!({}), &[])).to_owned();
        let (hidden, component) = {
            let run = host.flow("log_lines", &json!({}), &[]);
            (id(&run).to_owned(), run["component_digest"].as_str().unwrap().to_owned())
        };
        let key = Served::key(&host, "desk", "operator", &["wait_*"]);
        let mut assistant = with_key(&served, &key, mode, false);

        // The tools are those of the role, and none of this machine's folders.
        let listed = assistant.tell(&json!({ "do": "tools" })).result()["tools"].clone();
        let offered: BTreeSet<&str> = listed.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        let of_role = verbs::all().iter().filter(|verb| verb.about.role <= Role::Operator);
        assert_eq!(offered, of_role.filter_map(|verb| verb.about.tool.ok()).collect::<BTreeSet<_>>(), "{mode:?}");

        // What its scope has not is not there, whatever is asked of it.
        let seen = assistant.call("kitaru_executions_list", &json!({})).value().clone();
        assert_eq!((&seen["total"], id(&seen["items"][0])), (&json!(1), asks.as_str()), "{mode:?}");
        for tool in [
            "kitaru_executions_get",
            "kitaru_executions_journal",
            "get_execution_logs",
            "kitaru_executions_cancel",
            "kitaru_executions_retry",
        ] {
            let said = assistant.call(tool, &json!({ "exec_id": hidden })).refusal();
            assert!(said.contains("was not found") && !said.contains("log_lines"), "{mode:?} {tool}: {said}");
        }
        for part in ["", "/journal", "/logs"] {
            let read = assistant.tell(&json!({ "do": "read", "uri": format!("kitaru://executions/{hidden}{part}") }));
            assert!(read.error()["message"].as_str().unwrap().contains("was not found"), "{mode:?}: {read:?}");
        }
        // A tool that it is not offered is refused as well.
        let target = format!("{component}:wait_bool");
        let said = assistant.call("kitaru_executions_run", &json!({ "target": target })).refusal();
        assert!(said.contains("KitaruAuthorizationError"), "{mode:?}: {said}");

        let arguments = json!({ "exec_id": asks, "value": true });
        let done = assistant.call("kitaru_executions_input", &arguments).value().clone();
        assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!("approved")), "{mode:?}");
        assert_eq!(host.get(&asks)["result"], "approved");

        let record = host.json(["auth", "audit", "--who", "desk"]).items();
        let noted = |verb: &str| -> Vec<&Value> { record.iter().filter(|entry| entry["verb"] == verb).collect() };
        let [answered] = noted("executions.input")[..] else { panic!("{mode:?}: {record:#?}") };
        assert_eq!(
            [&answered["outcome"], &answered["via"], &answered["subject"], &answered["source"]],
            [&json!("done"), &json!("api-key"), &json!(asks), &json!("127.0.0.1")],
            "{mode:?}"
        );
        assert_eq!(noted("executions.run")[0]["outcome"], "refused", "{mode:?}: {record:#?}");
        assert!(record.iter().all(|entry| !entry.to_string().contains(&key)));

        let _ = host.item(["auth", "service-accounts", "delete", "desk"]);
        until("a refusal", || is_turned_away(&assistant.call("kitaru_executions_list", &json!({}))).then_some(()));
        let last = assistant.tell(&json!({ "do": "read", "uri": format!("kitaru://executions/{asks}") }));
        assert!(is_turned_away(&last), "{mode:?}: {last:?}");
    }
}

#[test]
fn a_key_that_is_rotated_and_an_account_that_is_changed_count_from_the_next_call_on() {
    for mode in BOTH {
        let host = Host::warm();
        let served = Served::start(&host);
        let key = Served::key(&host, "desk", "author", &[]);
        let component = host.flow("no_calls", &json!({}), &[])["component_digest"].as_str().unwrap().to_owned();
        let mut assistant = with_key(&served, &key, mode, false);
        let run = json!({ "target": format!("{component}:no_calls") });
        assert_eq!(assistant.call("kitaru_executions_run", &run).value()["execution"]["status"], "completed");
        let _ = host.item(["auth", "service-accounts", "update", "desk", "--role", "viewer"]);
        let said = until("a smaller role", || {
            let told = assistant.call("kitaru_executions_run", &run);
            (told.result()["isError"] == true).then(|| told.refusal())
        });
        assert!(said.contains("KitaruAuthorizationError"), "{mode:?}: {said}");
        let rotated = host.item(["auth", "api-keys", "rotate", "desk", "key"]);
        until("the end of the old key", || is_turned_away(&assistant.call("kitaru_status", &json!({}))).then_some(()));
        let mut again = with_key(&served, rotated["key"].as_str().unwrap(), mode, false);
        assert!(again.call("kitaru_status", &json!({})).value().is_object(), "{mode:?}");
    }
}
