//! OpenAI Responses.

use serde_json::{Value, json};

use super::{Events, items, line, model, named, text_of};
use crate::provider::reaction::{Answer, Finish, ToolCall};
use crate::provider::received::Received;

fn message_id(received: &Received) -> String {
    format!("msg_{}", received.number)
}

fn message(answer: &Answer, received: &Received) -> Value {
    json!({
        "type": "message",
        "id": message_id(received),
        "status": "completed",
        "role": "assistant",
        "content": [{ "type": "output_text", "text": answer.text(), "annotations": [] }],
    })
}

fn call_item(call: &ToolCall) -> Value {
    json!({
        "type": "function_call",
        "id": format!("fc_{}", call.id),
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments,
        "status": "completed",
    })
}

/// What it thought, encrypted.
fn thought(answer: &Answer, received: &Received) -> Option<Value> {
    let thought = answer.thinking.as_ref()?;
    let id = format!("rs_{}", received.number);
    Some(json!({ "type": "reasoning", "id": id, "summary": [], "encrypted_content": format!("encrypted:{thought}") }))
}

/// The document in a state: `in_progress`, or as it ends.
fn document(answer: &Answer, received: &Received, is_done: bool) -> Value {
    let (status, incomplete) = match answer.finish {
        _ if !is_done => ("in_progress", Value::Null),
        Finish::Stop => ("completed", Value::Null),
        Finish::Length => ("incomplete", json!({ "reason": "max_output_tokens" })),
        Finish::Filter => ("incomplete", json!({ "reason": "content_filter" })),
    };
    let mut output = Vec::new();
    if is_done {
        output.extend(thought(answer, received));
        output.extend((!answer.pieces.is_empty()).then(|| message(answer, received)));
        output.extend(answer.calls.iter().map(call_item));
    }
    let usage = answer.usage.filter(|_| is_done).map(|usage| {
        json!({
            "input_tokens": usage.input,
            "input_tokens_details": { "cached_tokens": usage.cached },
            "output_tokens": usage.output,
            "output_tokens_details": { "reasoning_tokens": usage.reasoning },
            "total_tokens": usage.input + usage.output,
        })
    });
    let mut document = json!({
        "id": format!("resp_{}", received.number),
        "object": "response",
        "created_at": 1_790_000_000,
        "status": status,
        "error": null,
        "incomplete_details": incomplete,
        "model": model(answer, received),
        "output": output,
        "usage": usage,
    });
    if let Some(cost) = answer.usage.filter(|_| is_done).and_then(|usage| usage.cost) {
        document["usage"]["cost"] = json!(cost);
    }
    document
}

pub(super) fn whole(answer: &Answer, received: &Received) -> Value {
    document(answer, received, true)
}

/// Numbers the events of a stream in their order.
struct Numbered(u64);

impl Numbered {
    fn event(&mut self, mut event: Value) -> String {
        event["sequence_number"] = json!(self.0);
        self.0 += 1;
        named(&event)
    }
}

pub(super) fn events(answer: &Answer, received: &Received) -> Events {
    let mut wire = Numbered(0);
    let id = message_id(received);
    let begun = document(answer, received, false);
    let mut head = vec![
        wire.event(json!({ "type": "response.created", "response": begun })),
        wire.event(json!({ "type": "response.in_progress", "response": begun })),
    ];
    let first = usize::from(answer.thinking.is_some());
    if let Some(thought) = thought(answer, received) {
        for kind in ["response.output_item.added", "response.output_item.done"] {
            head.push(wire.event(json!({ "type": kind, "output_index": 0, "item": thought })));
        }
    }
    let place = json!({ "item_id": id, "output_index": first, "content_index": 0 });
    let at_place = |kind: &str, key: &str, value: Value| {
        let mut event = place.clone();
        event["type"] = json!(kind);
        event[key] = value;
        event
    };
    let has_text = !answer.pieces.is_empty();
    if has_text {
        let item = json!({ "type": "message", "id": id, "status": "in_progress", "role": "assistant", "content": [] });
        head.push(wire.event(json!({ "type": "response.output_item.added", "output_index": first, "item": item })));
        let part = json!({ "type": "output_text", "text": "", "annotations": [] });
        head.push(wire.event(at_place("response.content_part.added", "part", part)));
    }
    let pieces =
        answer.pieces.iter().map(|piece| wire.event(at_place("response.output_text.delta", "delta", json!(piece)))).collect();
    let mut tail = Vec::new();
    if has_text {
        let whole = message(answer, received);
        tail.push(wire.event(at_place("response.output_text.done", "text", json!(answer.text()))));
        tail.push(wire.event(at_place("response.content_part.done", "part", whole["content"][0].clone())));
        tail.push(wire.event(json!({ "type": "response.output_item.done", "output_index": first, "item": whole })));
    }
    for (number, call) in answer.calls.iter().enumerate() {
        let index = number + first + usize::from(has_text);
        let item = call_item(call);
        let mut begun = item.clone();
        (begun["arguments"], begun["status"]) = (json!(""), json!("in_progress"));
        tail.push(wire.event(json!({ "type": "response.output_item.added", "output_index": index, "item": begun })));
        for half in call.halves() {
            let event = json!({
                "type": "response.function_call_arguments.delta", "item_id": item["id"], "output_index": index, "delta": half,
            });
            tail.push(wire.event(event));
        }
        tail.push(wire.event(json!({ "type": "response.output_item.done", "output_index": index, "item": item })));
    }
    let last = if answer.finish == Finish::Stop { "response.completed" } else { "response.incomplete" };
    tail.push(wire.event(json!({ "type": last, "response": document(answer, received, true) })));
    Events { head, pieces, tail }
}

pub(super) fn conversation(body: &Value) -> Vec<(String, String)> {
    let instructions = body["instructions"].as_str().map(|text| line("system", text));
    let mut lines: Vec<(String, String)> = instructions.into_iter().collect();
    match &body["input"] {
        Value::String(text) => lines.push(line("user", text.as_str())),
        input => lines.extend(items(input).iter().map(|item| match item["type"].as_str() {
            Some("function_call") => line("assistant", ""),
            Some("function_call_output") => line("tool", text_of(&item["output"])),
            _ => line(item["role"].as_str().unwrap_or_default(), text_of(&item["content"])),
        })),
    }
    lines
}
