//! The events of seven situations, line by line with what the callbacks said in between (A1).
//!
//! `golden/origin.txt` has what the pipeline of the format's origin wrote in these situations, as it wrote it, among what the program said that ran it.
//! What is expected here is made of that, and only its defects are mended: the agent at the top has no parent (D6), redacted calls have no annotation
//! (D1), a failed call says so in its metadata (D5).

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::middleware::{Chunks, ReadyChunks};
use super::probe::{self, Log};
use super::{CallEnd, CallOptions, Failure, FromFn, LlmCall, NewScope, Registration, ScopeEnd, ToolCall, Verdict};
use crate::chat::RawRequest;
use crate::clock::Timestamp;
use crate::codec::OpenAiChat;
use crate::event::{Attributes, Category};

fn request() -> RawRequest {
    let mut request = RawRequest::new(json!({
        "model": "gpt-4o-mini", "temperature": 0.0, "max_tokens": 16, "seed": 7,
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "my ssn is 123-45-6789"}],
    }));
    request.headers.insert("authorization".into(), json!("Bearer sk-secret"));
    request
}

fn response() -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-mini-2024", "system_fingerprint": "fp",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "secret 123-45-6789"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25, "prompt_tokens_details": {"cached_tokens": 4}},
    })
}

/// What the program said that ran the origin's pipeline, and not a callback of it.
const SAID_BY_THE_PROGRAM: [&str; 4] = ["RETURN ", "CHUNK ", "PROVIDER got ", "Err("];

/// The lines of the origin with its defects mended, identifiers by the order of their appearance, and without times.
fn expected() -> Vec<String> {
    let mut ids = HashMap::new();
    let mut section = "";
    let mut lines = Vec::new();
    for line in include_str!("golden/origin.txt").lines() {
        if let Some(event) = line.strip_prefix("EVENT ") {
            lines.push(probe::without_chance(mended(serde_json::from_str(event).unwrap(), section), &mut ids));
        } else if let Some(next) = line.strip_prefix("--- ") {
            section = next;
            lines.push(format!("# {section}"));
        } else if !SAID_BY_THE_PROGRAM.iter().any(|start| line.starts_with(start)) {
            lines.push(format!("> {line}"));
        }
    }
    lines
}

fn mended(mut event: Value, section: &str) -> Value {
    let is_call = event["category"] == "llm";
    if event["category"] == "agent" {
        event["parent_uuid"] = Value::Null;
    }
    if is_call && event["data"].to_string().contains("[REDACTED]") {
        let profile = event["category_profile"].as_object_mut().unwrap();
        profile.retain(|key, _| !key.starts_with("annotated_"));
    }
    if is_call && section == "2. provider error" && event["scope_category"] == "end" {
        event["metadata"] = json!({ "error.type": "internal", "otel.status_code": "ERROR" });
    }
    event
}

#[tokio::test]
async fn a1_events_are_those_of_the_origin_with_its_defects_mended() {
    let pipeline = probe::pipeline();
    let log = Log::of(&pipeline);
    let stack = pipeline.stack();
    let agent = stack
        .push(NewScope {
            attributes: Attributes::none().with(Attributes::RELOCATABLE).with(Attributes::PARALLEL),
            input: json!({"q": 1}),
            metadata: json!({"trace": "t1"}),
            ..NewScope::new("agent-run", Category::Agent)
        })
        .unwrap();
    let global = pipeline.registrations();
    probe::register_guardrail(global, &log, "cond-b", 10, Verdict::Allow);
    probe::register_guardrail(global, &log, "cond-a", 10, Verdict::Allow);
    let local = stack.registrations(agent.uuid).unwrap();
    probe::register_guardrail(&local, &log, "cond-scope", 1, Verdict::Allow);
    probe::register_intercept(global, &log);
    probe::register_sanitizers(global, &log);
    probe::register_wrapper(global, &log, "exec-inner", 20, "");
    probe::register_wrapper(global, &log, "exec-outer", 10, " openai");

    log.section("1. managed OK");
    let got = Arc::new(std::sync::Mutex::new(None));
    let seen = Arc::clone(&got);
    let model = FromFn(move |request: RawRequest| {
        *seen.lock().unwrap() = Some(request);
        async { Ok(response()) }
    });
    let call = LlmCall {
        options: CallOptions {
            attributes: Attributes::none().with(Attributes::STATEFUL),
            metadata: json!({"m": 1}),
            ..CallOptions::default()
        },
        model_name: Some("gpt-4o-mini".into()),
        codec: Some(Arc::new(OpenAiChat)),
        response_codec: Some(Arc::new(OpenAiChat)),
        ..LlmCall::new("openai", request())
    };
    assert_eq!(call.run(&stack, Arc::new(model)).await.unwrap(), response(), "the caller gets the original");
    let got = got.lock().unwrap().clone().unwrap();
    assert_eq!(got.headers["authorization"], json!("Bearer sk-secret"));
    assert_eq!((&got.headers["x-added"], &got.content["max_tokens"]), (&json!("1"), &json!(99)));
    assert_eq!(got.content["messages"], request().content["messages"]);

    log.section("2. provider error");
    let failing =
        LlmCall { options: CallOptions { data: json!({"d": 1}), ..CallOptions::default() }, ..LlmCall::new("openai", request()) };
    let model = FromFn(|_: RawRequest| async { Err::<Value, Failure>(probe::boom()) });
    assert_eq!(failing.run(&stack, Arc::new(model)).await.unwrap_err().error_type(), "internal");

    log.section("3. rejected");
    let deny = FromFn(|_: &super::CallInfo, _: &RawRequest| Ok(Verdict::Reject { reason: "over budget".into() }));
    global.llm.guardrails.register(Registration::new("deny", 100), Arc::new(deny)).unwrap();
    let model = FromFn(|_: RawRequest| async { Ok(response()) });
    let rejected = LlmCall::new("openai", request()).run(&stack, Arc::new(model)).await.unwrap_err();
    assert_eq!(rejected.to_string(), "guardrail rejected: over budget");
    assert!(global.llm.guardrails.deregister("deny"));

    log.section("4. stream");
    let chunk =
        |choices: Value| json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices});
    let mut last = chunk(json!([]));
    last["usage"] = json!({"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3});
    let chunks = [
        chunk(json!([{"index": 0, "delta": {"role": "assistant", "content": "hel"}, "finish_reason": null}])),
        chunk(json!([{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}])),
        last,
    ];
    let source = chunks.to_vec();
    let model = FromFn(move |_: RawRequest| {
        let chunks: Chunks = Box::new(ReadyChunks(source.clone().into_iter().map(Ok)));
        async move { Ok(chunks) }
    });
    let call = LlmCall {
        response_codec: Some(Arc::new(OpenAiChat)),
        stream_codec: Some(Arc::new(OpenAiChat)),
        ..LlmCall::new("openai", request())
    };
    let mut stream = call.stream(&stack, Arc::new(model), None).await.unwrap();
    let mut received = Vec::new();
    while let Some(chunk) = stream.next().await {
        received.push(chunk.unwrap());
    }
    drop(stream);
    assert_eq!(received, chunks);

    log.section("5. tool");
    let allow = FromFn(|_: &super::CallInfo, _: &Value| Ok(Verdict::Allow));
    global.tool.guardrails.register(Registration::new("tcond", 1), Arc::new(allow)).unwrap();
    let tool = FromFn(|arguments: Value| async move { Ok(json!({"sum": arguments["a"]})) });
    let call = ToolCall {
        options: CallOptions { attributes: Attributes::none().with(Attributes::REMOTE), ..CallOptions::default() },
        ..ToolCall::new("add", json!({"a": 1}))
    };
    assert_eq!(call.run(&stack, Arc::new(tool)).await.unwrap(), json!({"sum": 1}));

    log.section("6. manual with explicit ts, end earlier than start");
    let call = LlmCall {
        options: CallOptions { at: Some(Timestamp::from_micros(32_472_144_000_000_000)), ..CallOptions::default() },
        ..LlmCall::new("manual", request())
    };
    let open = call.start(&stack, None).await;
    open.end(json!({"choices": []}), CallEnd::default()).await.unwrap();

    log.section("7. pop");
    let scope_end = ScopeEnd { output: json!({"ok": true}), ..ScopeEnd::default() };
    stack.pop(&agent, scope_end).unwrap();

    let golden = expected();
    for (at, (ours, theirs)) in log.normalised().iter().zip(&golden).enumerate() {
        assert_eq!(ours, theirs, "line {}", at + 1);
    }
    assert_eq!(log.normalised().len(), golden.len());
    // What is compared was written by the origin: all of its events are there, and have more than was mended.
    assert_eq!(
        golden.iter().filter(|line| line.starts_with('{')).count(),
        include_str!("golden/origin.txt").matches("EVENT ").count()
    );
    assert!(stack.registrations(agent.uuid).is_err());
}
