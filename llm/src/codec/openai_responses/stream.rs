//! Streams of OpenAI Responses.
//!
//! The last event carries the whole response, so there is little to put together. The items are collected all the same: for a stream
//! that ends early, and for providers whose last event leaves the output out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::OpenAiResponses;
use super::response::read_usage;
use crate::codec::response_fields::{count, text};
use crate::codec::summary::Summary;
use crate::codec::{CodecError, StreamAggregator, StreamCodec};

impl StreamCodec for OpenAiResponses {
    fn aggregator(&self) -> Box<dyn StreamAggregator> {
        Box::new(Aggregator::default())
    }

    fn text_delta(&self, chunk: &Value) -> Option<String> {
        let is_text = chunk.get("type").and_then(Value::as_str) == Some("response.output_text.delta");
        is_text.then(|| text(chunk, "delta")).flatten().filter(|text| !text.is_empty())
    }

    fn chunk_summary(&self, index: u64, chunk: &Value) -> Value {
        let mut summary = Summary::new("openai_responses", index);
        summary.text("event_type", chunk.get("type"));
        let response = chunk.get("response");
        summary.text("status", response.and_then(|response| response.get("status")));
        let reason = response.and_then(|response| response.get("incomplete_details")?.get("reason"));
        summary.text("finish_reason", reason);
        summary.indices(chunk, &["output_index", "content_index"]);
        summary.usage(response.and_then(|response| response.get("usage")).and_then(Value::as_object).map(read_usage));
        summary.finish()
    }
}

#[derive(Default)]
struct Aggregator {
    response: Map<String, Value>,
    items: BTreeMap<u64, Map<String, Value>>,
}

/// Adds `more` to the text under `key`.
fn append(map: &mut Map<String, Value>, key: &str, more: &str) {
    match map.get_mut(key) {
        Some(Value::String(text)) => text.push_str(more),
        _ => {
            map.insert(key.to_owned(), json!(more));
        }
    }
}

impl Aggregator {
    /// Changes the part of an item that `chunk` belongs to. Parts come in order, so one that is further away than the next is ignored.
    fn change_part(&mut self, chunk: &Value, change: impl FnOnce(&mut Value)) {
        let Some(item) = self.items.get_mut(&count(chunk, "output_index").unwrap_or(0)) else { return };
        let index = usize::try_from(count(chunk, "content_index").unwrap_or(0)).unwrap_or(usize::MAX);
        let slot = item.entry("content").or_insert_with(|| json!([]));
        let Some(parts) = slot.as_array_mut() else { return };
        if index == parts.len() {
            parts.push(json!({}));
        }
        if let Some(part) = parts.get_mut(index) {
            change(part);
        }
    }
}

impl StreamAggregator for Aggregator {
    fn push(&mut self, chunk: &Value) -> Result<(), CodecError> {
        let kind = chunk.get("type").and_then(Value::as_str).ok_or_else(|| CodecError::response("chunk.type", "text"))?;
        if let Some(Value::Object(response)) = chunk.get("response") {
            self.response.clone_from(response);
        }
        let output_index = count(chunk, "output_index").unwrap_or(0);
        let delta = chunk.get("delta").and_then(Value::as_str).unwrap_or_default();
        match kind {
            "response.output_item.added" | "response.output_item.done" => {
                if let Some(Value::Object(item)) = chunk.get("item") {
                    self.items.insert(output_index, item.clone());
                }
            }
            "response.content_part.added" | "response.content_part.done" => {
                if let Some(part) = chunk.get("part") {
                    self.change_part(chunk, |slot| slot.clone_from(part));
                }
            }
            "response.output_text.delta" | "response.refusal.delta" => {
                let (key, kind) = if kind == "response.refusal.delta" { ("refusal", "refusal") } else { ("text", "output_text") };
                self.change_part(chunk, |slot| {
                    if let Value::Object(part) = slot {
                        part.entry("type").or_insert_with(|| json!(kind));
                        append(part, key, delta);
                    }
                });
            }
            "response.function_call_arguments.delta" => {
                if let Some(item) = self.items.get_mut(&output_index) {
                    append(item, "arguments", delta);
                }
            }
            "error" | "response.failed" => {
                let reported = CodecError::reported_in(chunk);
                return Err(reported.unwrap_or_else(|| CodecError::response("chunk", "an event")));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Value {
        let mut response = self.response;
        let has_output = response.get("output").and_then(Value::as_array).is_some_and(|output| !output.is_empty());
        if !has_output {
            response.insert("output".to_owned(), self.items.into_values().map(Value::Object).collect());
        }
        Value::Object(response)
    }
}
