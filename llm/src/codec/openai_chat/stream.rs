//! Streams of OpenAI Chat.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::OpenAiChat;
use super::response::{delta_text, read_usage};
use crate::codec::summary::Summary;
use crate::codec::{CodecError, StreamAggregator, StreamCodec};

impl StreamCodec for OpenAiChat {
    fn aggregator(&self) -> Box<dyn StreamAggregator> {
        Box::new(Aggregator::default())
    }

    fn text_delta(&self, chunk: &Value) -> Option<String> {
        delta_text(chunk)
    }

    fn chunk_summary(&self, index: u64, chunk: &Value) -> Value {
        let mut summary = Summary::new("openai_chat_completions", index);
        summary.text("event_type", chunk.get("object"));
        let choices = chunk.get("choices").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let place = |choice: &Value| choice.get("index").cloned().unwrap_or(json!(0));
        let reasons = choices.iter().filter_map(|choice| {
            let reason = choice.get("finish_reason").filter(|reason| reason.is_string())?;
            Some(json!({ "choice_index": place(choice), "finish_reason": reason }))
        });
        summary.list("choice_indices", choices.iter().map(place).collect());
        summary.list("finish_reasons", reasons.collect());
        summary.usage(chunk.get("usage").and_then(Value::as_object).map(read_usage));
        summary.finish()
    }
}

/// Choices by index, each with its message and the keys beside it.
#[derive(Default)]
struct Aggregator {
    top: Map<String, Value>,
    usage: Option<Value>,
    choices: BTreeMap<u64, Choice>,
}

#[derive(Default)]
struct Choice {
    message: Map<String, Value>,
    /// By their number, and by how many calls had the same number before.
    calls: BTreeMap<(u64, u64), Map<String, Value>>,
    rest: Map<String, Value>,
}

/// Keys that name something: the last value stands. All other texts are pieces of one text.
const NAMES: [&str; 7] = ["role", "id", "type", "format", "name", "signature", "index"];

/// Adds a piece to what came before it.
fn extend(whole: &mut Map<String, Value>, piece: &Map<String, Value>) {
    for (key, value) in piece {
        match (whole.get_mut(key), value) {
            (Some(Value::String(text)), Value::String(more)) if !NAMES.contains(&key.as_str()) => text.push_str(more),
            (Some(Value::Array(items)), Value::Array(more)) if key == "reasoning_details" => {
                more.iter().for_each(|more| extend_numbered(items, more));
            }
            (Some(Value::Array(items)), Value::Array(more)) => items.extend(more.iter().cloned()),
            (Some(Value::Object(inner)), Value::Object(more)) => extend(inner, more),
            (Some(_), Value::Null) => {}
            // Some providers repeat the names of a call as empty texts.
            (Some(Value::String(_)), Value::String(more)) if more.is_empty() => {}
            _ => {
                whole.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Adds an element to a list whose elements have numbers: one that has the number of the last one, and its type, goes on with it.
fn extend_numbered(items: &mut Vec<Value>, more: &Value) {
    let same = |key: &str, last: &Map<String, Value>| more.get(key).is_some_and(|value| last.get(key) == Some(value));
    match (items.last_mut(), more) {
        (Some(Value::Object(last)), Value::Object(piece)) if same("index", last) && same("type", last) => extend(last, piece),
        _ => items.push(more.clone()),
    }
}

/// Whether a piece begins another call than the one `before` it with the same number: one that has another identifier, and a name. (Some servers
/// make up an identifier for every piece, but name the function only once.)
fn is_another(before: &Map<String, Value>, piece: &Map<String, Value>) -> bool {
    let differs = filled(before.get("id")).zip(filled(piece.get("id"))).is_some_and(|(before, piece)| before != piece);
    let is_named = |call: &Map<String, Value>| filled(call.get("function").and_then(|function| function.get("name"))).is_some();
    differs && is_named(before) && is_named(piece)
}

fn filled(text: Option<&Value>) -> Option<&str> {
    text.and_then(Value::as_str).filter(|text| !text.is_empty())
}

impl Choice {
    fn push(&mut self, choice: &Map<String, Value>) {
        for (key, value) in choice {
            match (key.as_str(), value) {
                ("index", _) => {}
                ("delta", Value::Object(delta)) => self.push_delta(delta),
                ("delta", _) => {}
                ("logprobs", _) => extend(&mut self.rest, &[(key.clone(), value.clone())].into_iter().collect()),
                (_, Value::Null) if self.rest.contains_key(key) => {}
                _ => {
                    self.rest.insert(key.clone(), value.clone());
                }
            }
        }
    }

    fn push_delta(&mut self, delta: &Map<String, Value>) {
        let mut delta = delta.clone();
        if let Some(Value::Array(calls)) = delta.shift_remove("tool_calls") {
            for (place, call) in calls.iter().enumerate() {
                let Some(call) = call.as_object() else { continue };
                // A provider that leaves the number out sends whole calls, each after the last one.
                let index = match call.get("index").and_then(Value::as_u64) {
                    Some(index) => index,
                    None if call.contains_key("id") => {
                        self.calls.keys().next_back().map_or(0, |(last, _)| last.saturating_add(1))
                    }
                    None => u64::try_from(place).unwrap_or(u64::MAX),
                };
                let mut call = call.clone();
                call.shift_remove("index");
                let latest = self.calls.range((index, 0)..=(index, u64::MAX)).next_back();
                let slot = match latest {
                    // Gemini gives parallel calls, each whole, the same number.
                    Some((&(index, earlier), before)) if is_another(before, &call) => (index, earlier.saturating_add(1)),
                    Some((&slot, _)) => slot,
                    None => (index, 0),
                };
                extend(self.calls.entry(slot).or_default(), &call);
            }
        }
        extend(&mut self.message, &delta);
    }

    fn finish(mut self, index: u64) -> Value {
        let mut message = Map::new();
        message.insert("role".to_owned(), self.message.shift_remove("role").unwrap_or_else(|| json!("assistant")));
        message.insert("content".to_owned(), self.message.shift_remove("content").unwrap_or_default());
        // Some providers begin every stream with an empty text; a message that only calls tools has none.
        if !self.calls.is_empty() && message.get("content") == Some(&json!("")) {
            message.insert("content".to_owned(), Value::Null);
        }
        message.extend(self.message);
        if !self.calls.is_empty() {
            message.insert("tool_calls".to_owned(), self.calls.into_values().map(Value::Object).collect());
        }
        let mut choice = Map::new();
        choice.insert("index".to_owned(), json!(index));
        choice.insert("message".to_owned(), Value::Object(message));
        choice.insert("finish_reason".to_owned(), self.rest.shift_remove("finish_reason").unwrap_or_default());
        choice.extend(self.rest);
        Value::Object(choice)
    }
}

impl StreamAggregator for Aggregator {
    fn push(&mut self, chunk: &Value) -> Result<(), CodecError> {
        let map = chunk.as_object().ok_or_else(|| CodecError::response("chunk", "an object"))?;
        for (key, value) in map {
            match (key.as_str(), value) {
                ("choices", Value::Array(choices)) => {
                    for choice in choices.iter().filter_map(Value::as_object) {
                        let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
                        self.choices.entry(index).or_default().push(choice);
                    }
                }
                ("usage", Value::Null) => {}
                ("usage", usage) => self.usage = Some(usage.clone()),
                ("object", Value::String(kind)) => {
                    let kind = kind.strip_suffix(".chunk").unwrap_or(kind);
                    self.top.insert(key.clone(), json!(kind));
                }
                (_, Value::Null) if self.top.contains_key(key) => {}
                _ => {
                    self.top.insert(key.clone(), value.clone());
                }
            }
        }
        CodecError::reported_in(chunk).map_or(Ok(()), Err)
    }

    fn finish(self: Box<Self>) -> Value {
        let mut whole = self.top;
        whole.insert("choices".to_owned(), self.choices.into_iter().map(|(index, choice)| choice.finish(index)).collect());
        if let Some(usage) = self.usage {
            whole.insert("usage".to_owned(), usage);
        }
        Value::Object(whole)
    }
}
