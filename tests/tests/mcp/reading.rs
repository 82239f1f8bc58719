//! Resources and prompts.

use kitaru_tests::{Host, Mode};
use serde_json::{Value, json};

use super::{BOTH, Place, named, started};

fn contents(place: &mut Place, uri: &str) -> Value {
    let read = place.assistant.tell(&json!({ "do": "read", "uri": uri }));
    let [content] = read.result()["contents"].as_array().unwrap().as_slice() else { panic!("{read:?}") };
    assert_eq!(content["uri"], uri);
    content.clone()
}

fn parsed(content: &Value) -> Value {
    assert_eq!(content["mimeType"], "application/json", "{content:#}");
    serde_json::from_str(content["text"].as_str().unwrap()).unwrap()
}

#[test]
fn executions_and_artifacts_can_be_read() {
    for mode in BOTH {
        let mut place = Place::new(mode, false);
        let exec = started(&place.run("log_lines", &json!({})));
        let listed = place.assistant.tell(&json!({ "do": "resources" })).result()["resources"].clone();
        let uri = format!("kitaru://executions/{exec}");
        assert!(named(&listed, "uri", &uri)["title"].as_str().unwrap().contains("log_lines"), "{listed:#}");
        assert_eq!(listed.as_array().unwrap().len(), 2);
        let templates = place.assistant.tell(&json!({ "do": "templates" })).result()["resourceTemplates"].clone();
        let templates: Vec<&str> = templates.as_array().unwrap().iter().map(|one| one["uriTemplate"].as_str().unwrap()).collect();
        let expected = [
            "kitaru://executions/{id}",
            "kitaru://executions/{id}/journal",
            "kitaru://executions/{id}/logs",
            "kitaru://artifacts/{id}",
        ];
        assert_eq!(templates, expected);

        let view = contents(&mut place, &uri);
        assert_eq!(parsed(&view), place.host.get(&exec));
        let journal = contents(&mut place, &format!("{uri}/journal"));
        assert_eq!(parsed(&journal)["items"], json!(place.host.journal(&exec)));
        let log = contents(&mut place, &format!("{uri}/logs"));
        assert_eq!(log["mimeType"], "text/plain");
        assert!(log["text"].as_str().unwrap().contains("[prints] "), "{log:#}");

        let saved = started(&place.run("save_kinds", &json!({ "blob_bytes": 3 })));
        let artifacts = place.assistant.call("kitaru_artifacts_list", &json!({ "exec_id": saved })).value()["items"].clone();
        let id_of = |name: &str| named(&artifacts, "name", name)["artifact_id"].as_str().unwrap().to_owned();
        let prompt = contents(&mut place, &format!("kitaru://artifacts/{}", id_of("my_prompt")));
        assert_eq!(parsed(&prompt), json!({ "kind": "prompt" }));
        let blob = contents(&mut place, &format!("kitaru://artifacts/{}", id_of("my_blob")));
        assert_eq!((&blob["mimeType"], &blob["blob"]), (&json!("application/octet-stream"), &json!("////")));
        let got = place.assistant.call("kitaru_artifacts_get", &json!({ "artifact_id": id_of("my_prompt") })).value().clone();
        assert_eq!((&got["value"], &got["value_format"]), (&json!({ "kind": "prompt" }), &json!("json")));

        for wrong in ["kitaru://executions/nonsense", "kitaru://nothing/x", "kitaru://artifacts/x"] {
            let told = place.assistant.tell(&json!({ "do": "read", "uri": wrong }));
            assert!(told.error()["message"].as_str().is_some_and(|message| !message.is_empty()), "{wrong}: {told:?}");
        }
    }
}

#[test]
fn a_long_list_of_executions_has_pages() {
    let mut place = Place::new(Mode::Newest, false);
    for _ in 0..51 {
        let _ = started(&place.run("no_calls", &json!({})));
    }
    let listed = place.assistant.tell(&json!({ "do": "resources" })).result()["resources"].clone();
    let mut uris: Vec<&str> = listed.as_array().unwrap().iter().map(|one| one["uri"].as_str().unwrap()).collect();
    uris.sort_unstable();
    uris.dedup();
    assert_eq!(uris.len(), 52);
}

#[test]
fn prompts_are_about_executions_that_there_are() {
    let mut place = Place::new(Mode::Newest, false);
    let listed = place.assistant.tell(&json!({ "do": "prompts" })).result()["prompts"].clone();
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["investigate_failure", "review_waits", "replay_with_fix", "compare_replay"]);

    let failed = started(&place.run("uncaught", &json!({ "message": "it broke" })));
    let waiting = started(&place.run("wait_bool", &json!({})));
    let replay = place.assistant.call("kitaru_executions_replay", &json!({ "exec_id": failed, "at": "fail" })).value().clone();
    let replay = replay["results"][0]["replay_exec_id"].as_str().unwrap_or_else(|| panic!("{replay:#}")).to_owned();
    let cases = [
        ("investigate_failure", json!({ "execution": failed }), vec![failed.as_str(), "it broke", "kitaru_executions_journal"]),
        ("investigate_failure", json!({}), vec!["failed", "it broke"]),
        ("review_waits", json!({}), vec![waiting.as_str(), "Approve?"]),
        ("review_waits", json!({ "execution": failed }), vec!["No question"]),
        (
            "replay_with_fix",
            json!({ "execution": failed, "from": "fail", "fix": "say less" }),
            vec![failed.as_str(), "`fail`", "say less"],
        ),
        ("compare_replay", json!({ "replay": replay }), vec![replay.as_str(), failed.as_str(), "kitaru_executions_diff"]),
    ];
    for (name, arguments, parts) in cases {
        let told = place.assistant.tell(&json!({ "do": "prompt", "name": name, "arguments": arguments }));
        let text = told.result()["messages"][0]["content"]["text"].as_str().unwrap_or_else(|| panic!("{told:?}"));
        assert!(parts.iter().all(|part| text.contains(part)), "{name}: {text}");
    }
    let wrong = [
        ("replay_with_fix", json!({}), "needs the argument `execution`"),
        ("compare_replay", json!({ "replay": failed }), "no replay"),
        ("investigate_failure", json!({ "execution": "nonsense" }), "nonsense"),
        ("nothing", json!({}), "no prompt `nothing`"),
    ];
    for (name, arguments, part) in wrong {
        let told = place.assistant.tell(&json!({ "do": "prompt", "name": name, "arguments": arguments }));
        assert!(told.error()["message"].as_str().unwrap().contains(part), "{name}: {told:?}");
    }
}

#[test]
fn nothing_is_asked_and_nothing_has_failed_in_an_empty_folder() {
    let host = Host::new();
    let mut assistant = kitaru_tests::Assistant::of_command(&host.command(["mcp"]), Mode::Newest, false);
    let review = assistant.tell(&json!({ "do": "prompt", "name": "review_waits" }));
    assert!(review.result()["messages"][0]["content"]["text"].as_str().unwrap().starts_with("No question"), "{review:?}");
    let failed = assistant.tell(&json!({ "do": "prompt", "name": "investigate_failure" }));
    assert!(failed.error()["message"].as_str().unwrap().starts_with("LookupError"), "{failed:?}");
    assert_eq!(assistant.tell(&json!({ "do": "resources" })).result()["resources"], json!([]));
}
