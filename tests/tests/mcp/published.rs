//! Published flows as tools, over standard input and output and over HTTP.

use std::time::Duration;

use kitaru_tests::{Assistant, Host, Mode, Served, Told, example, fixture};
use serde_json::{Value, json};

use super::served::with_key;
use super::{BOTH, named, started};

/// A host that has published `hello`, with a name for whoever gives none, and flows that ask something; and a key for it.
struct Place {
    host: Host,
    served: Served,
    key: String,
}

/// How an assistant's program reaches it.
#[derive(Clone, Copy, Debug)]
enum Over {
    Pipes,
    Http,
}

const WAYS: [(Mode, Over); 4] =
    [(Mode::Newest, Over::Pipes), (Mode::Newest, Over::Http), (Mode::Legacy, Over::Pipes), (Mode::Legacy, Over::Http)];

impl Place {
    fn new() -> Self {
        let host = Host::warm();
        let _ = host.item(["deploy", &example("hello"), "--arg", "name=Ada"]);
        let _ = host.item(["deploy", &fixture("conformance:wait_bool")]);
        let served = Served::start(&host);
        let key = Served::key(&host, "desk", "author", &[]);
        Self { host, served, key }
    }

    fn assistant(&self, (mode, over): (Mode, Over), elicits: bool) -> Assistant {
        match over {
            Over::Pipes => Assistant::of_command(&self.host.command(["mcp"]), mode, elicits),
            Over::Http => with_key(&self.served, &self.key, mode, elicits),
        }
    }
}

fn tools(assistant: &mut Assistant) -> Value {
    assistant.tell(&json!({ "do": "tools" })).result()["tools"].clone()
}

fn has(tools: &Value, name: &str) -> bool {
    tools.as_array().unwrap().iter().any(|tool| tool["name"] == name)
}

fn result(told: &Told) -> &Value {
    let value = told.value();
    assert_eq!((&value["execution"]["status"], &value["warning"]), (&json!("completed"), &Value::Null), "{value:#}");
    &value["execution"]["result"]
}

#[test]
fn a_published_flow_is_started_by_its_own_tool() {
    let place = Place::new();
    for way in WAYS {
        let mut assistant = place.assistant(way, true);
        let tools = tools(&mut assistant);
        let hello = named(&tools, "name", "flow_hello");
        let schema = &hello["inputSchema"];
        assert_eq!(
            (&schema["properties"]["name"]["type"], &schema["properties"]["name"]["default"]),
            (&json!("string"), &json!("Ada"))
        );
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(!required.contains(&json!("name")), "there is a value for it: {schema:#}");
        assert!(hello["description"].as_str().unwrap().contains("`hello` (version 1)"), "{hello:#}");
        assert_eq!(hello["annotations"]["readOnlyHint"], false, "{hello:#}");

        let told = assistant.call("flow_hello", &json!({}));
        assert_eq!(
            (&told.value()["target"], result(&told)),
            (&json!("hello"), &json!("Hello, Ada! Yours durably, Kitaru.")),
            "{way:?}"
        );
        let told = assistant.call("flow_hello", &json!({ "name": "Bob" }));
        assert_eq!(result(&told), &json!("Hello, Bob! Yours durably, Kitaru."), "{way:?}");
        let before = assistant.call("kitaru_executions_list", &json!({})).value()["total"].clone();
        let said = assistant.call("flow_hello", &json!({ "name": 5 })).refusal();
        assert!(
            ["KitaruUsageError", "does not fit the flow `hello`", "/name"].iter().all(|part| said.contains(part)),
            "{way:?}: {said}"
        );
        let unknown = assistant.call("flow_nothing", &json!({}));
        assert!(unknown.error()["message"].as_str().unwrap().contains("flow_nothing"), "{way:?}: {unknown:?}");
        let after = assistant.call("kitaru_executions_list", &json!({})).value()["total"].clone();
        assert_eq!(after, before, "{way:?}: what was refused started nothing");

        let answers = json!([{ "action": "accept", "content": { "answer": true } }]);
        let told = assistant.answering("flow_wait_bool", &json!({}), &answers);
        assert_eq!((result(&told), told.asked().len()), (&json!("approved"), 1), "{way:?}: {told:?}");
        assert!(told.asked()[0]["message"].as_str().unwrap().contains("Approve?"), "{way:?}: {told:?}");
        let after = assistant.call("kitaru_executions_list", &json!({ "flow": "wait_bool" })).value().clone();
        let number = WAYS.iter().position(|other| format!("{other:?}") == format!("{way:?}")).unwrap() + 1;
        assert_eq!(after["total"], number, "{way:?}: the call that went around for an answer started one");
        assistant.end();
    }
}

#[test]
fn a_published_flow_that_asks_a_program_without_forms_is_answered_by_a_tool() {
    let place = Place::new();
    for way in WAYS {
        let mut assistant = place.assistant(way, false);
        let told = assistant.call("flow_wait_bool", &json!({}));
        let exec = started(&told);
        assert_eq!(told.value()["execution"]["status"], "waiting", "{way:?}: {told:?}");
        assert!(told.text().contains("kitaru_executions_input") && told.text().contains(&exec), "{}", told.text());
        let done = assistant.call("kitaru_executions_input", &json!({ "exec_id": exec, "value": false })).value().clone();
        assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!("declined")), "{way:?}: {done:#}");
        assistant.end();
    }
}

/// What is published while a program listens: version after version, so that none of them is what it knew already.
#[test]
fn whoever_listens_is_told_what_others_publish_and_remove() {
    let place = Place::new();
    for way in WAYS {
        let mut assistant = place.assistant(way, false);
        assert!(has(&tools(&mut assistant), "flow_hello"), "{way:?}");
        let mut version = 0;
        let heard = std::thread::scope(|scope| {
            let listening = scope.spawn(|| {
                let heard = assistant.tell(&json!({ "do": "listen", "seconds": 60 })).result()["event"].clone();
                (heard, tools(&mut assistant))
            });
            while !listening.is_finished() {
                let deployed = place.host.item(["deploy", &example("hello"), "--arg", "name=Ada"]);
                version = deployed["version"].as_u64().unwrap();
                std::thread::sleep(Duration::from_millis(500));
            }
            listening.join().unwrap()
        });
        assert_eq!(heard.0, "ToolsListChanged", "{way:?}");
        assert!(version > 1 && has(&heard.1, "flow_hello"), "{way:?}");

        let _ = place.host.item(["flow", "delete", "hello"]);
        if way.0 == Mode::Legacy {
            // It need not say that it listens, and may be told of the last version first.
            let removed = std::iter::repeat_with(|| {
                let heard = assistant.tell(&json!({ "do": "listen", "seconds": 60 })).result()["event"].clone();
                assert_eq!(heard, "ToolsListChanged", "{way:?}");
                tools(&mut assistant)
            });
            assert!(removed.take(2).any(|tools| !has(&tools, "flow_hello")), "{way:?}");
        }
        assert!(!has(&tools(&mut assistant), "flow_hello"), "{way:?}");
        let gone = assistant.call("flow_hello", &json!({}));
        assert!(gone.error()["message"].as_str().unwrap().contains("no tool `flow_hello`"), "{way:?}: {gone:?}");
        assistant.end();
        let _ = place.host.item(["deploy", &example("hello"), "--arg", "name=Ada"]);
    }
}

#[test]
fn a_flow_is_a_tool_for_whoever_may_start_it() {
    let place = Place::new();
    let (looks, greets) =
        (Served::key(&place.host, "eyes", "viewer", &[]), Served::key(&place.host, "greeter", "author", &["hello"]));
    for mode in BOTH {
        let mut viewer = with_key(&place.served, &looks, mode, false);
        assert!(!has(&tools(&mut viewer), "flow_hello"));
        let said = viewer.call("flow_hello", &json!({})).refusal();
        assert!(said.contains("KitaruAuthorizationError"), "{mode:?}: {said}");
        let mut greeter = with_key(&place.served, &greets, mode, false);
        let seen = tools(&mut greeter);
        assert!(has(&seen, "flow_hello") && !has(&seen, "flow_wait_bool"), "{mode:?}");
        assert_eq!(result(&greeter.call("flow_hello", &json!({}))), &json!("Hello, Ada! Yours durably, Kitaru."), "{mode:?}");
        let hidden = greeter.call("flow_wait_bool", &json!({}));
        assert!(hidden.error()["message"].as_str().unwrap().contains("no tool `flow_wait_bool`"), "{mode:?}: {hidden:?}");
    }
    assert_eq!(place.host.json(["executions", "list"]).items().len(), BOTH.len(), "nothing else was started");
}
