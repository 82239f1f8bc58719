//! Gemini's own protocol.

use serde_json::{Map, Value, json};

use super::{Events, items, line, model};
use crate::provider::reaction::{Answer, Finish, ToolCall};
use crate::provider::received::Received;

/// It has no word for "waits for tools".
fn finish_reason(answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::Filter => "SAFETY",
    }
}

/// A document, or a chunk of a stream: each has the same form.
fn document(answer: &Answer, received: &Received, parts: Vec<Value>, is_last: bool) -> Value {
    let mut candidate = json!({ "content": { "role": "model", "parts": parts }, "index": 0 });
    if is_last {
        candidate["finishReason"] = json!(finish_reason(answer));
    }
    let mut document = Map::new();
    document.insert("candidates".to_owned(), json!([candidate]));
    if let Some(usage) = answer.usage.filter(|_| is_last) {
        let usage = json!({
            "promptTokenCount": usage.input,
            // What it thinks is counted beside what it says.
            "candidatesTokenCount": usage.output.saturating_sub(usage.reasoning),
            "thoughtsTokenCount": usage.reasoning,
            "cachedContentTokenCount": usage.cached,
            "totalTokenCount": usage.input + usage.output,
        });
        document.insert("usageMetadata".to_owned(), usage);
    }
    document.insert("modelVersion".to_owned(), json!(model(answer, received)));
    document.insert("responseId".to_owned(), json!(format!("gem-{}", received.number)));
    Value::Object(document)
}

/// The parts that ask for tools. The first one is signed, if it thought.
fn calls(answer: &Answer) -> Vec<Value> {
    let call = |call: &ToolCall| json!({ "functionCall": { "id": call.id, "name": call.name, "args": call.value() } });
    let mut calls: Vec<Value> = answer.calls.iter().map(call).collect();
    if let (Some(first), Some(signature)) = (calls.first_mut(), signature(answer)) {
        first["thoughtSignature"] = json!(signature);
    }
    calls
}

fn signature(answer: &Answer) -> Option<String> {
    answer.thinking.as_ref().map(|thought| format!("signed:{thought}"))
}

/// What signs an answer that asks for no tools: in a stream it comes last, on an empty text.
fn signed(text: &str, answer: &Answer) -> Value {
    let mut part = json!({ "text": text });
    if let (true, Some(signature)) = (answer.calls.is_empty(), signature(answer)) {
        part["thoughtSignature"] = json!(signature);
    }
    part
}

pub(super) fn whole(answer: &Answer, received: &Received) -> Value {
    let text = (!answer.pieces.is_empty()).then(|| signed(&answer.text(), answer));
    document(answer, received, text.into_iter().chain(calls(answer)).collect(), true)
}

/// Its frames end in CRLF.
fn frame(value: &Value) -> String {
    format!("data: {value}\r\n\r\n")
}

pub(super) fn events(answer: &Answer, received: &Received) -> Events {
    let piece = |piece: &String| frame(&document(answer, received, vec![json!({ "text": piece })], false));
    let pieces = answer.pieces.iter().map(piece).collect();
    let end = (answer.thinking.is_some() && answer.calls.is_empty()).then(|| signed("", answer));
    let last = frame(&document(answer, received, end.into_iter().chain(calls(answer)).collect(), true));
    Events { head: Vec::new(), pieces, tail: vec![last] }
}

pub(super) fn conversation(body: &Value) -> Vec<(String, String)> {
    let text = |parts: &Value| items(parts).iter().filter_map(|part| part["text"].as_str()).collect::<String>();
    let system = (!body["systemInstruction"].is_null()).then(|| line("system", text(&body["systemInstruction"]["parts"])));
    let mut lines: Vec<(String, String)> = system.into_iter().collect();
    for content in items(&body["contents"]) {
        let parts = &content["parts"];
        let results = items(parts).iter().filter(|part| part["functionResponse"].is_object());
        let results: Vec<(String, String)> =
            results.map(|part| line("tool", part["functionResponse"]["response"].to_string())).collect();
        let said = text(parts);
        if results.is_empty() || !said.is_empty() {
            lines.push(line(if content["role"] == "model" { "assistant" } else { "user" }, said));
        }
        lines.extend(results);
    }
    lines
}
