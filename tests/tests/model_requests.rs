//! What is asked of a model and how its answer comes back: bytes (A10), tools, types with repairs, checks beforehand, calls that a checkpoint
//! makes by itself.

use kitaru_tests::models::{entry, failed, told, usage};
use kitaru_tests::provider::Reaction;
use kitaru_tests::{Models, checkpoint, id, names};
use serde_json::{Value, json};

/// Everything that an author can say of a call.
fn full_request() -> Value {
    json!({
        "prompt": [{ "role": "user", "content": "Hello" }, { "role": "assistant", "content": "Hi." }, { "role": "user", "content": "Which river?" }],
        "system": "Be brief.", "temperature": 0.25, "top_p": 0.5, "max_tokens": 77, "stop": ["END"], "seed": 7,
        "tools": [{ "type": "function", "function": { "name": "look_up", "description": "Looks it up", "parameters": { "type": "object" } } }],
        "tool_choice": { "type": "function", "function": { "name": "look_up" } }, "parallel_tool_calls": false,
        "extra": { "logit_bias": { "50256": -100 } }, "correlation": "ticket-17", "name": "asked",
    })
}

#[test]
fn a10_what_is_recorded_and_previewed_is_what_was_sent() {
    let models = Models::always("Said.");
    let request = full_request();
    let previewed = models.run("model_asked_first", &json!({ "request": request }))["result"].clone();
    assert_eq!(previewed["check"], json!({ "ok": true }));
    assert!(models.provider.exchanges().is_empty(), "nobody was asked");
    for flow in ["model_calls", "model_body"] {
        let done = models.run(flow, &json!({ "requests": [request] }));
        let calls = models.provider.calls();
        let sent = calls.last().unwrap().received.json();
        let records = models.records(id(&done));
        let recorded = &records[0].start()["data"];
        let mut sorted = sent.clone();
        sorted.sort_all_objects();
        assert_eq!(
            recorded["content"].to_string(),
            sorted.to_string(),
            "{flow}: events have their keys in order, and else every byte"
        );
        assert_eq!(previewed["preview"]["ok"]["body"], sent, "{flow}: what was previewed");
        assert!(!recorded["headers"].to_string().to_lowercase().contains("authorization"), "{recorded:#}");
        assert_eq!(told(&done)[0]["ok"]["correlation"], "ticket-17");
    }
    let received = &models.provider.calls()[0].received;
    let body = received.json();
    let said =
        ["model", "temperature", "top_p", "stop", "seed", "parallel_tool_calls", "logit_bias"].map(|key| body[key].clone());
    assert_eq!(json!(said), json!(["gpt-4o-mini", 0.25, 0.5, ["END"], 7, false, { "50256": -100 }]));
    assert_eq!((received.tools(), received.conversation().len()), (vec!["look_up".to_owned()], 4));
    assert_eq!(previewed["preview"]["ok"]["url"], format!("{}/chat/completions", models.provider.openai()));
}

#[test]
fn a_request_cannot_replace_what_is_the_calls_own() {
    let models = Models::always("Said.");
    let requests = ["model", "messages", "stream"].map(|key| json!({ "prompt": "x", "extra": { key: "y" } }));
    for (answer, key) in models.ask(&json!(requests)).iter().zip(["model", "messages", "stream"]) {
        failed(answer, "usage", &["extra", key]);
    }
    assert!(models.provider.exchanges().is_empty());
}

#[test]
fn a_model_asks_for_a_tool_and_gets_what_it_came_to() {
    let slip = Reaction::tool_call("call_1", "look_up", json!({ "wrod": "Nile" }));
    let asks = Reaction::tool_call("call_2", "look_up", json!({ "word": "Nile" })).and_text("Let me look.");
    let models = Models::answering([slip, asks, Reaction::text("It is a river.")]);
    let done = models.run("model_with_tool", &json!({ "question": "What is the Nile?" }));
    assert_eq!(done["result"], "It is a river.");
    assert_eq!(names(&done["checkpoints"], "invocation_id"), ["llm_1", "llm_2", "model_step", "llm_3"]);
    let calls = models.provider.calls();
    assert!(calls.iter().all(|call| call.received.tools() == ["look_up"]));
    let last = calls[2].received.conversation();
    let roles: Vec<&str> = last.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "assistant", "tool"]);
    assert!(last[2].1.starts_with("error: ") && last[2].1.contains("look_up"), "the model is told of its slip: {last:?}");
    assert_eq!((last[3].1.as_str(), last[4].1.as_str()), ("Let me look.", "Nile is a river"));
    let messages = calls[2].received.json()["messages"].clone();
    assert_eq!(messages[3]["tool_calls"][0]["id"], "call_2");
    assert_eq!(messages[4]["tool_call_id"], "call_2");
    // Before the last turn nothing is asked again.
    models.provider.then(Reaction::text("Indeed."));
    let again = models.item(&["executions", "replay", id(&done), "--from", "llm_3"]);
    assert_eq!((&again["result"], models.hits()), (&json!("Indeed."), 4));
}

/// What each protocol is sent back of what its model thought, somewhere in the body.
const THOUGHTS: [(&str, &str); 4] = [
    ("openai_chat", "\"reasoning_content\":\"hm-7\""),
    ("openai_responses", "\"encrypted_content\":\"encrypted:hm-7\""),
    ("anthropic_messages", "\"signature\":\"signed:hm-7\""),
    ("gemini", "\"thoughtSignature\":\"signed:hm-7\""),
];

#[test]
fn thinking_goes_back_with_the_results_of_tools_in_each_protocol() {
    for (api, expected) in THOUGHTS {
        let asks = Reaction::tool_call("call_1", "look_up", json!({ "word": "Nile" })).thinking("hm-7");
        let models = Models::answering([asks, Reaction::text("It is a river.")]);
        let base = match api {
            "anthropic_messages" => models.provider.anthropic(),
            "gemini" => models.provider.gemini(),
            _ => models.provider.openai(),
        };
        let _ = models.alias("fast", "vllm/thinker", &base, &["--api", api]);
        let done = models.run("model_with_tool", &json!({ "question": "What is the Nile?" }));
        assert_eq!(done["result"], "It is a river.", "{api}");
        let sent = models.provider.calls()[1].received.json().to_string();
        assert!(sent.contains(expected), "{api}: {sent}");
        let thought = sent.find("hm-7").zip(sent.find("Nile is a river"));
        assert!(thought.is_some_and(|(thought, result)| thought < result), "{api}: before the result: {sent}");
    }
}

/// The model that asked for a tool is gone, and another provider goes on: it is told nothing that it could not read.
#[test]
fn thinking_does_not_go_to_a_fallback_that_cannot_read_it() {
    for (api, _) in THOUGHTS {
        let asks = Reaction::tool_call("call_1", "look_up", json!({ "word": "Nile" })).thinking("hm-7");
        let models = Models::answering([asks, Reaction::status(404), Reaction::text("It is a river.")]);
        let base = match api {
            "anthropic_messages" => models.provider.anthropic(),
            "gemini" => models.provider.gemini(),
            _ => models.provider.openai(),
        };
        let (other, other_base) = match api {
            "openai_chat" => ("anthropic_messages", models.provider.anthropic()),
            _ => ("openai_chat", models.provider.openai()),
        };
        let _ = models.alias("spare", "lmstudio/other", &other_base, &["--api", other]);
        let _ = models.alias("fast", "vllm/thinker", &base, &["--api", api, "--fallback", "spare", "--default"]);
        let done = models.run("model_with_tool", &json!({ "question": "What is the Nile?" }));
        assert_eq!(done["result"], "It is a river.", "{api}");
        let calls = models.provider.calls();
        let [_, refused, taken] = &calls[..] else { panic!("{api}: three calls: {calls:?}") };
        assert!(refused.received.json().to_string().contains("hm-7"), "{api}");
        let taken = taken.received.json().to_string();
        assert!(!taken.contains("hm-7") && taken.contains("Nile is a river"), "{api}: {taken}");
    }
}

/// An answer that is no `River`, and one that is.
const UNFIT: &str = r#"{"name":"Nile","kilometres":"many"}"#;
const FIT: &str = r#"{"name":"Nile","kilometres":6650}"#;

#[test]
fn a_typed_answer_is_checked_and_mended() {
    let models = Models::answering([Reaction::text("The Nile."), Reaction::text(UNFIT), Reaction::text(FIT)]);
    let done = models.run("model_typed", &json!({ "repairs": 2 }));
    assert_eq!((&done["result"], models.hits()), (&json!({ "name": "Nile", "kilometres": 6650 }), 3));
    let calls = models.provider.calls();
    let format = calls[0].received.json()["response_format"].clone();
    assert_eq!(format["type"], "json_schema", "the model is told of the type: {format:#}");
    assert!(format.to_string().contains("kilometres"), "{format:#}");
    let mended = calls[2].received.conversation();
    assert!(mended.len() > calls[0].received.conversation().len(), "it is told what was wrong: {mended:?}");
    assert!(mended.iter().any(|(_, text)| text.contains("kilometres")), "{mended:?}");
    let call = &done["checkpoints"][0];
    assert_eq!(names(&done["checkpoints"], "name"), ["llm_1"], "one call, however often it was mended");
    let found = entry(call, "llm_1");
    assert_eq!((&found["tokens_input"], &found["tokens_output"]), (&json!(33), &json!(21)), "all of it was paid for");
    assert_eq!((usage(call).len(), models.records(id(&done))[0].spent), (3, 3 * Models::COST));
    assert_eq!(models.artifact(&done, "llm_1_response").1, json!({ "name": "Nile", "kilometres": 6650 }));
}

#[test]
fn a_typed_answer_that_never_fits_fails() {
    for (repairs, hits) in [(0, 1), (1, 2)] {
        let models = Models::always(UNFIT);
        let reply = models.try_run("model_typed", &json!({ "repairs": repairs }));
        assert_eq!((&reply.error()["failure_kind"], models.hits()), (&json!("schema"), hits), "{reply:?}");
        let failure = models.host.get(&reply.failed_execution())["failure"].clone();
        assert!(failure["message"].as_str().unwrap().contains("kilometres"), "{failure:#}");
    }
    let models = Models::always(FIT);
    let reply = models.try_run("model_typed", &json!({ "repairs": 6 }));
    assert_eq!((&reply.error()["failure_kind"], models.hits()), (&json!("usage"), 0), "{reply:?}");
}

#[test]
fn a_check_says_beforehand_what_the_call_would_say() {
    let models = Models::always("Said.");
    models.settings("[llm]\ndeny = [\"openai/gpt-4o\"]\n[llm.size]\nmax_request_bytes = 1000\n");
    let _ = models.alias("smart", "openai/gpt-4o", &models.provider.openai(), &[]);
    let check = |request: Value| models.run("model_asked_first", &json!({ "request": request }))["result"]["check"].clone();
    assert_eq!(check(json!({ "prompt": "x" })), json!({ "ok": true }));
    failed(&check(json!({ "prompt": "x", "model": "smart" })), "guardrail-rejected", &["openai/gpt-4o"]);
    failed(&check(json!({ "prompt": "x".repeat(2000) })), "guardrail-rejected", &[]);
    failed(&check(json!({ "prompt": " " })), "usage", &["Prompt cannot be empty."]);
    let newest = models.newest();
    assert!(models.records(id(&newest)).is_empty(), "no call was made");
    assert!(models.provider.exchanges().is_empty());
}

/// A call that the checkpoint makes by itself is among the others, and reaches no provider.
fn span(response: Option<Value>, fail: Option<&str>) -> (Models, Value) {
    let models = Models::answering([]);
    let request = json!({ "prompt": "x", "name": "own" });
    let done = models.run("model_span", &json!({ "request": request, "response": response, "fail": fail }));
    assert!(models.provider.exchanges().is_empty());
    (models, done)
}

#[test]
fn a_call_that_a_checkpoint_makes_by_itself_is_recorded() {
    let response = json!({
        "id": "c", "object": "chat.completion", "model": "gpt-4o-mini",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": "Said elsewhere." }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18 },
    });
    let (models, done) = span(Some(response), None);
    assert_eq!(done["result"], json!({ "ok": null }));
    let call = checkpoint(&done, "model_span_of_body");
    let found = entry(call, "own");
    assert_eq!((&found["tokens_input"], &found["tokens_output"], &found["cost_usd"]), (&json!(11), &json!(7), &json!(5.85e-6)));
    assert_eq!(models.artifact(&done, "own_response").1, "Said elsewhere.");
    let records = models.records(id(&done));
    assert_eq!((records.len(), records[0].spent), (1, Models::COST));
    assert_eq!(records[0].start()["uuid"], records[0].end()["uuid"]);
    assert!(records[0].end()["metadata"]["error.type"].is_null());
}

#[test]
fn a_call_that_a_checkpoint_made_in_vain_is_recorded_with_its_class() {
    for fail in [Some("timeout"), None] {
        let (models, done) = span(None, fail);
        assert_eq!(done["status"], "completed");
        let records = models.records(id(&done));
        let [record] = &records[..] else { panic!("one record: {records:#?}") };
        let class = &record.end()["metadata"]["error.type"];
        match fail {
            Some(word) => assert_eq!(class, word),
            None => assert!(class.is_string(), "nobody knows how it ended: {:#}", record.end()),
        }
        assert_eq!(record.usage[0]["status"], "failed");
    }
}
