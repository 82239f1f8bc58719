//! Answers that come as a whole.

use kitaru_llm::chat::{JsonSchemaFormat, Message, Tool};
use kitaru_llm::gateway::{CallFailure, CallPlace, CallRequest};
use kitaru_llm::models::CallNames;
use kitaru_llm::price::NanoUsd;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::bench::{KEY, all_of, ask, config, lines, place, was_asked};
use crate::peer::{Peer, json as json_answer};
use crate::scenes::*;

const CONVERSATION: &str = "Grüße \u{1f980}";

fn request(scene: &Scene) -> CallRequest {
    CallRequest {
        system: Some("Be short.".into()),
        temperature: Some(0.5),
        max_tokens: Some(64),
        stop: vec!["END".into()],
        ..CallRequest::text(CONVERSATION).with_model(scene.alias)
    }
}

fn expected(scene: &Scene) -> Value {
    match scene.protocol {
        "bedrock_converse" => json!({
            "system": [{ "text": "Be short." }],
            "messages": [{ "role": "user", "content": [{ "text": CONVERSATION }] }],
            "inferenceConfig": { "maxTokens": 64, "temperature": 0.5, "stopSequences": ["END"] },
        }),
        "cohere_chat" => json!({
            "model": "command-r-plus", "message": CONVERSATION, "stream": false, "preamble": "Be short.",
            "temperature": 0.5, "stop_sequences": ["END"], "max_tokens": 64,
        }),
        _ => json!({
            "model": "llama3.2:3b", "stream": false,
            "options": { "temperature": 0.5, "num_predict": 64, "stop": ["END"] },
            "messages": [{ "role": "system", "content": "Be short." }, { "role": "user", "content": CONVERSATION }],
        }),
    }
}

#[tokio::test]
async fn each_protocol_is_spoken_and_what_is_recorded_is_what_was_sent() {
    for scene in SCENES {
        let peer = Peer::start(move |_, seen| Some(scene.answer(seen, &["Moin", "!"]))).await;
        let gateway = gateway(&config());
        let call = gateway.plan(request(&scene), CallNames::new().next(None).unwrap(), &models(&peer)).unwrap();
        let preview = gateway.preview(&call, &CallPlace::anywhere()).await.unwrap();
        assert!(peer.seen().is_empty(), "looking sends nothing");

        let record = ask(&gateway, &models(&peer), request(&scene)).await;
        let answer = record.outcome.clone().unwrap();
        assert_eq!(answer.text, "Moin!", "{}", scene.protocol);
        let usage = &record.usage[0];
        assert_eq!((usage.tokens.input, usage.tokens.output, usage.tokens.total), (Some(10), Some(5), Some(15)));
        // What runs on one's own machine costs nothing.
        assert!(scene.has_key || answer.cost_usd == Some(NanoUsd::from_nanos(0)));
        assert!(usage.raw_usage.as_ref().unwrap()["reported"].is_object(), "in the provider's own words");

        let [seen] = peer.seen().try_into().unwrap();
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", scene.whole_path));
        assert_eq!(body_of(&seen), expected(&scene), "{}", scene.protocol);
        let key = scene.has_key.then(|| format!("Bearer {KEY}"));
        assert_eq!(seen.header("authorization"), key.as_deref());
        assert_eq!((seen.header("accept"), seen.header("accept-encoding")), (Some("application/json"), None));
        assert!(seen.header("user-agent").unwrap().starts_with("kitaru-llm/"));

        let end = record.events.last().unwrap();
        let digest: String = Sha256::digest(&seen.body).iter().map(|byte| format!("{byte:02x}")).collect();
        let url = format!("http://{}{}", peer.address, scene.whole_path);
        let told = json!({ "protocol": scene.protocol, "url": url, "bytes": seen.body.len(), "sha256": digest });
        assert_eq!(end.metadata_member("kitaru.llm.translated"), Some(&told));
        assert_eq!((&preview["translated"], &preview["url"]), (&told, &json!(url)), "as it was looked at beforehand");
        assert_eq!(serde_json::to_vec(&preview["body"]).unwrap(), seen.body);
        // What policies and records see, as of every call of OpenAI Chat.
        let recorded = &record.events[0].data["content"];
        assert_eq!((&recorded["messages"][1]["content"], &recorded["max_tokens"]), (&json!(CONVERSATION), &json!(64)));
        assert_eq!(record.events[0].metadata_member("kitaru.llm.translation"), Some(&json!(scene.protocol)));
        assert!(!all_of(&record).contains(KEY));
    }
}

fn tool(name: &str) -> Tool {
    Tool::function(name, Some("Looks.".into()), json!({ "type": "object", "properties": { "at": { "type": "string" } } }))
}

fn asks_for_two(scene: &Scene) -> Value {
    match scene.protocol {
        "bedrock_converse" => json!({
            "output": { "message": { "role": "assistant", "content": [
                { "text": "Let me look." },
                { "toolUse": { "toolUseId": "t-1", "name": "look", "input": { "at": "a" } } },
                { "toolUse": { "toolUseId": "t-2", "name": "look", "input": { "at": "b" } } },
            ] } },
            "stopReason": "tool_use",
            "usage": { "inputTokens": 1, "outputTokens": 1, "totalTokens": 2, "cacheReadInputTokens": 3 },
        }),
        _ => json!({
            "model": "llama3.2:3b", "done": true, "done_reason": "stop",
            "message": { "role": "assistant", "content": "Let me look.", "tool_calls": [
                { "id": "t-1", "function": { "name": "look", "arguments": { "at": "a" } } },
                { "id": "t-2", "function": { "name": "look", "arguments": { "at": "b" } } },
            ] },
        }),
    }
}

#[tokio::test]
async fn tools_are_asked_for_and_their_results_go_back() {
    for scene in [BEDROCK, OLLAMA] {
        let peer = Peer::start(move |number, seen| {
            Some(if number == 0 { json_answer(&asks_for_two(&scene)) } else { scene.answer(seen, &["Done."]) })
        })
        .await;
        let gateway = gateway(&config());
        let first = CallRequest { tools: vec![tool("look")], ..CallRequest::text("q").with_model(scene.alias) };
        let answer = ask(&gateway, &models(&peer), first.clone()).await.outcome.unwrap();
        let calls: Vec<_> = answer.tool_calls.iter().map(|call| (call.id.as_str(), call.arguments["at"].clone())).collect();
        assert_eq!(calls, [("t-1", json!("a")), ("t-2", json!("b"))]);
        assert_eq!(
            (answer.text.as_str(), json!(answer.finish_reason)),
            ("Let me look.", json!("tool_use")),
            "{}",
            scene.protocol
        );

        let results = ["t-1", "t-2"].map(|id| Message::tool(id, format!("result of {id}")));
        let conversation = [Message::user("q"), answer.message].into_iter().chain(results);
        let messages = conversation.map(|message| serde_json::to_value(message).unwrap()).collect();
        let second = CallRequest { tools: first.tools, ..CallRequest::messages(messages).with_model(scene.alias) };
        assert_eq!(ask(&gateway, &models(&peer), second).await.outcome.unwrap().text, "Done.");

        let body = body_of(&peer.seen()[1]);
        if scene.protocol == "bedrock_converse" {
            let used = |id: &str, at: &str| json!({ "toolUse": { "toolUseId": id, "name": "look", "input": { "at": at } } });
            let got = |id: &str| json!({ "toolResult": { "toolUseId": id, "content": [{ "text": format!("result of {id}") }] } });
            assert_eq!(body["messages"][1]["content"], json!([{ "text": "Let me look." }, used("t-1", "a"), used("t-2", "b")]));
            assert_eq!(body["messages"][2], json!({ "role": "user", "content": [got("t-1"), got("t-2")] }), "in one message");
            assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["name"], "look");
            assert_eq!(body["inferenceConfig"]["maxTokens"], 4096, "the limit that is ours, and no other");
        } else {
            assert_eq!(body["messages"][1]["tool_calls"][1]["function"]["arguments"], json!({ "at": "b" }));
            assert_eq!(body["messages"][2], json!({ "role": "tool", "content": "result of t-1" }));
            assert_eq!(body["tools"][0]["function"]["name"], "look");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_before_a_byte_is_sent() {
    let peer = Peer::start(|_, _| None).await;
    let gateway = gateway(&config());
    let schema = JsonSchemaFormat { name: "a".into(), description: None, schema: json!({ "type": "object" }), strict: None };
    for scene in SCENES {
        let call = CallRequest { schema: Some(schema.clone()), ..CallRequest::text("q").with_model(scene.alias) };
        let record = ask(&gateway, &models(&peer), call).await;
        assert_eq!((was_asked(&record), record.usage.len()), (None, 0));
        let failure = record.outcome.unwrap_err();
        assert_eq!((failure.kind, failure.retryable), (CallFailure::USAGE, false), "{failure}");
        assert!(failure.message.contains("has no way to say the form that the answer is to have"), "{failure}");
    }
    let call = CallRequest { tools: vec![tool("look")], ..CallRequest::text("q").with_model("cohere") };
    let failure = ask(&gateway, &models(&peer), call).await.outcome.unwrap_err();
    assert!(failure.message.contains("no way to say tools"), "{failure}");
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn what_is_not_counted_stays_unknown() {
    for scene in SCENES {
        let mut document = scene.document("a");
        let counts = ["usage", "meta", "prompt_eval_count", "eval_count"];
        document.as_object_mut().unwrap().retain(|key, _| !counts.contains(&key.as_str()));
        let peer = Peer::start(move |_, _| Some(json_answer(&document))).await;
        let record = ask(&gateway(&config()), &models(&peer), request(&scene)).await;
        let answer = record.outcome.unwrap();
        assert_eq!(
            (answer.usage, record.usage[0].tokens.total, &record.usage[0].raw_usage),
            (None, None, &None),
            "{}",
            scene.protocol
        );
        assert_eq!(answer.cost_usd, None, "nor is it free");
    }
}

#[tokio::test]
async fn pictures_go_along() {
    let picture = json!([{ "type": "text", "text": "What?" }, { "type": "image_url", "image_url": { "url": "data:image/png;base64,aWNv" } }]);
    for scene in [BEDROCK, OLLAMA] {
        let peer = Peer::start(move |_, seen| Some(scene.answer(seen, &["An icon."]))).await;
        let call = CallRequest::messages(vec![json!({ "role": "user", "content": picture })]).with_model(scene.alias);
        ask(&gateway(&config()), &models(&peer), call).await.outcome.unwrap();
        let message = &body_of(&peer.seen()[0])["messages"][0];
        let found = if scene.protocol == "ollama_chat" {
            &message["images"][0]
        } else {
            &message["content"][1]["image"]["source"]["bytes"]
        };
        assert_eq!(found, "aWNv", "{message}");
    }
}

/// A protocol of ours that an alias names is spoken to whoever is there, without a translator.
#[tokio::test]
async fn an_alias_that_names_a_protocol_is_not_translated() {
    let peer = crate::bench::peer("plain").await;
    let alias = json!({ "model": OLLAMA.model, "base_url": peer.url(), "api": "openai_chat" });
    let models = crate::bench::models_of(json!({ "plain": alias }));
    let record = ask(&gateway(&config()), &models, CallRequest::text("q").with_model("plain")).await;
    assert_eq!(record.outcome.unwrap().text, "plain");
    assert_eq!(peer.seen()[0].path, "/chat/completions");
    assert!(!lines(&record.events).contains("kitaru.llm.translat"));
}

#[tokio::test]
async fn an_answer_of_another_shape_is_the_providers_fault_and_is_not_quoted() {
    for scene in SCENES {
        for body in ["{\"secret\":\"s-1\"}", "[\"s-1\"]", "{\"output\":{\"message\":{\"content\":[{\"video\":\"s-1\"}]}}}"] {
            let peer = Peer::always(200, &[("content-type", "application/json")], body).await;
            let record = crate::bench::ask_at(&gateway(&config()), &models(&peer), request(&scene), place()).await;
            let failure = record.outcome.unwrap_err();
            assert_eq!(failure.kind, CallFailure::PROVIDER, "{} {failure}", scene.protocol);
            assert!(!failure.message.contains("s-1"), "{failure}");
        }
    }
}
