//! OpenAI Chat.

use serde_json::{Value, json};

use super::{Events, data, items, line, model, text_of};
use crate::provider::reaction::{Answer, Finish};
use crate::provider::received::Received;

fn finish_reason(answer: &Answer) -> &'static str {
    match answer.finish {
        _ if !answer.calls.is_empty() => "tool_calls",
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Filter => "content_filter",
    }
}

fn usage(answer: &Answer) -> Value {
    let Some(usage) = answer.usage else { return Value::Null };
    let mut value = json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": { "cached_tokens": usage.cached },
        "completion_tokens_details": { "reasoning_tokens": usage.reasoning },
    });
    if let Some(cost) = usage.cost {
        value["cost"] = json!(cost);
    }
    value
}

pub(super) fn whole(answer: &Answer, received: &Received) -> Value {
    let text = answer.text();
    let content = if text.is_empty() && !answer.calls.is_empty() { Value::Null } else { Value::String(text) };
    let mut message = json!({ "role": "assistant", "content": content });
    if !answer.calls.is_empty() {
        let calls = answer.calls.iter().map(
            |call| json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": call.arguments } }),
        );
        message["tool_calls"] = calls.collect();
    }
    if let Some(thought) = &answer.thinking {
        message["reasoning_content"] = json!(thought);
    }
    let mut document = json!({
        "id": format!("chatcmpl-{}", received.number),
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": model(answer, received),
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(answer) }],
    });
    if answer.usage.is_some() {
        document["usage"] = usage(answer);
    }
    document
}

pub(super) fn events(answer: &Answer, received: &Received) -> Events {
    let model = model(answer, received);
    let chunk = |choices: Value| {
        json!({
            "id": format!("chatcmpl-{}", received.number),
            "object": "chat.completion.chunk",
            "created": 1_790_000_000,
            "model": model,
            "choices": choices,
        })
    };
    let delta = |delta: Value| data(&chunk(json!([{ "index": 0, "delta": delta, "finish_reason": null }])));
    let mut tail = Vec::new();
    for (index, call) in answer.calls.iter().enumerate() {
        let function = json!({ "name": call.name, "arguments": "" });
        tail.push(delta(json!({ "tool_calls": [{ "index": index, "id": call.id, "type": "function", "function": function }] })));
        for half in call.halves() {
            tail.push(delta(json!({ "tool_calls": [{ "index": index, "function": { "arguments": half } }] })));
        }
    }
    tail.push(data(&chunk(json!([{ "index": 0, "delta": {}, "finish_reason": finish_reason(answer) }]))));
    // The real one counts only for those who ask.
    if answer.usage.is_some() && received.json()["stream_options"]["include_usage"] == true {
        let mut last = chunk(json!([]));
        last["usage"] = usage(answer);
        tail.push(data(&last));
    }
    tail.push("data: [DONE]\n\n".to_owned());
    let thought = answer.thinking.as_ref().map(|thought| delta(json!({ "reasoning_content": thought })));
    Events {
        head: [delta(json!({ "role": "assistant", "content": "" }))].into_iter().chain(thought).collect(),
        pieces: answer.pieces.iter().map(|piece| delta(json!({ "content": piece }))).collect(),
        tail,
    }
}

pub(super) fn conversation(body: &Value) -> Vec<(String, String)> {
    let messages = items(&body["messages"]).iter();
    messages.map(|message| line(message["role"].as_str().unwrap_or_default(), text_of(&message["content"]))).collect()
}
