//! Anthropic Messages.

use serde_json::{Value, json};

use super::{Events, items, line, model, named, text_of};
use crate::provider::reaction::{Answer, Finish};
use crate::provider::received::Received;

fn stop_reason(answer: &Answer) -> &'static str {
    match answer.finish {
        _ if !answer.calls.is_empty() => "tool_use",
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Filter => "refusal",
    }
}

/// Usage as Anthropic counts it: what came from its cache is not among the input. The output as far as it is known.
fn usage(answer: &Answer, output: u64) -> Value {
    let Some(usage) = answer.usage else { return json!({}) };
    let mut value = json!({
        "input_tokens": usage.input.saturating_sub(usage.cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": output,
    });
    if let Some(cost) = usage.cost {
        value["cost"] = json!(cost);
    }
    value
}

fn output(answer: &Answer) -> u64 {
    answer.usage.map(|usage| usage.output).unwrap_or_default()
}

/// The message with this content; what is not known when it begins is null.
fn message(answer: &Answer, received: &Received, content: Vec<Value>, stop_reason: Option<&str>, output: u64) -> Value {
    json!({
        "id": format!("msg_{}", received.number),
        "type": "message",
        "role": "assistant",
        "model": model(answer, received),
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": null,
        "usage": usage(answer, output),
    })
}

/// What it thought, with a signature.
fn thought(answer: &Answer) -> Option<Value> {
    let thought = answer.thinking.as_ref()?;
    Some(json!({ "type": "thinking", "thinking": thought, "signature": format!("signed:{thought}") }))
}

pub(super) fn whole(answer: &Answer, received: &Received) -> Value {
    let text = (!answer.pieces.is_empty()).then(|| json!({ "type": "text", "text": answer.text() }));
    let calls =
        answer.calls.iter().map(|call| json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": call.value() }));
    let content = thought(answer).into_iter().chain(text).chain(calls).collect();
    message(answer, received, content, Some(stop_reason(answer)), output(answer))
}

pub(super) fn events(answer: &Answer, received: &Received) -> Events {
    let delta = |index: usize, delta: Value| named(&json!({ "type": "content_block_delta", "index": index, "delta": delta }));
    let start =
        |index: usize, block: Value| named(&json!({ "type": "content_block_start", "index": index, "content_block": block }));
    let stop = |index: usize| named(&json!({ "type": "content_block_stop", "index": index }));
    let has_text = !answer.pieces.is_empty();
    let mut head = vec![
        named(&json!({ "type": "message_start", "message": message(answer, received, Vec::new(), None, 1) })),
        named(&json!({ "type": "ping" })),
    ];
    let mut tail = Vec::new();
    let first = usize::from(answer.thinking.is_some());
    if let Some(thought) = thought(answer) {
        head.push(start(0, json!({ "type": "thinking", "thinking": "", "signature": "" })));
        head.push(delta(0, json!({ "type": "thinking_delta", "thinking": thought["thinking"] })));
        head.push(delta(0, json!({ "type": "signature_delta", "signature": thought["signature"] })));
        head.push(stop(0));
    }
    if has_text {
        head.push(start(first, json!({ "type": "text", "text": "" })));
        tail.push(stop(first));
    }
    for (number, call) in answer.calls.iter().enumerate() {
        let index = number + first + usize::from(has_text);
        tail.push(start(index, json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": {} })));
        for half in call.halves() {
            tail.push(delta(index, json!({ "type": "input_json_delta", "partial_json": half })));
        }
        tail.push(stop(index));
    }
    let end = json!({ "stop_reason": stop_reason(answer), "stop_sequence": null });
    let mut last = json!({ "type": "message_delta", "delta": end });
    if answer.usage.is_some() {
        last["usage"] = json!({ "output_tokens": output(answer) });
    }
    tail.push(named(&last));
    tail.push(named(&json!({ "type": "message_stop" })));
    let pieces = answer.pieces.iter().map(|piece| delta(first, json!({ "type": "text_delta", "text": piece }))).collect();
    Events { head, pieces, tail }
}

pub(super) fn conversation(body: &Value) -> Vec<(String, String)> {
    let system = (!body["system"].is_null()).then(|| line("system", text_of(&body["system"])));
    let mut lines: Vec<(String, String)> = system.into_iter().collect();
    for message in items(&body["messages"]) {
        let content = &message["content"];
        let results = items(content).iter().filter(|block| block["type"] == "tool_result");
        let results: Vec<(String, String)> = results.map(|block| line("tool", text_of(&block["content"]))).collect();
        let text = text_of(content);
        // A message that only brings results says nothing itself.
        if results.is_empty() || !text.is_empty() {
            lines.push(line(message["role"].as_str().unwrap_or_default(), text));
        }
        lines.extend(results);
    }
    lines
}
