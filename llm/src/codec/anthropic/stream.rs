//! Streams of Anthropic Messages.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::AnthropicMessages;
use super::response::read_usage;
use crate::codec::response_fields::{count, parse_arguments, text};
use crate::codec::summary::Summary;
use crate::codec::{CodecError, StreamAggregator, StreamCodec};

impl StreamCodec for AnthropicMessages {
    fn aggregator(&self) -> Box<dyn StreamAggregator> {
        Box::new(Aggregator::default())
    }

    fn text_delta(&self, chunk: &Value) -> Option<String> {
        match kind(chunk) {
            Some("content_block_start") => text(chunk.get("content_block")?, "text"),
            Some("content_block_delta") if kind(chunk.get("delta")?) == Some("text_delta") => text(chunk.get("delta")?, "text"),
            _ => None,
        }
        .filter(|text| !text.is_empty())
    }

    fn chunk_summary(&self, index: u64, chunk: &Value) -> Value {
        let mut summary = Summary::new("anthropic_messages", index);
        summary.text("event_type", chunk.get("type"));
        summary.text("stop_reason", chunk.get("delta").and_then(|delta| delta.get("stop_reason")));
        summary.indices(chunk, &["index"]);
        let usage = chunk.get("usage").or_else(|| chunk.get("message")?.get("usage"));
        summary.usage(usage.and_then(Value::as_object).map(read_usage));
        summary.finish()
    }
}

fn kind(value: &Value) -> Option<&str> {
    value.get("type").and_then(Value::as_str)
}

#[derive(Default)]
struct Aggregator {
    message: Map<String, Value>,
    blocks: BTreeMap<u64, Block>,
}

/// A block, and the pieces of its input, which are JSON only when all are there.
#[derive(Default)]
struct Block {
    map: Map<String, Value>,
    input: Option<String>,
}

impl Block {
    fn append(&mut self, key: &str, more: Option<String>) {
        let more = more.unwrap_or_default();
        match self.map.get_mut(key) {
            Some(Value::String(text)) => text.push_str(&more),
            _ => {
                self.map.insert(key.to_owned(), Value::String(more));
            }
        }
    }

    fn push(&mut self, delta: &Map<String, Value>) {
        let text = |key: &str| delta.get(key).and_then(Value::as_str).map(str::to_owned);
        match delta.get("type").and_then(Value::as_str) {
            Some("text_delta") => self.append("text", text("text")),
            Some("thinking_delta") => self.append("thinking", text("thinking")),
            // Comes once, whole.
            Some("signature_delta") => {
                self.map.insert("signature".to_owned(), json!(text("signature")));
            }
            Some("input_json_delta") => {
                self.input.get_or_insert_default().push_str(&text("partial_json").unwrap_or_default());
            }
            Some("citations_delta") => {
                let citation = delta.get("citation").cloned().unwrap_or_default();
                match self.map.get_mut("citations") {
                    Some(Value::Array(citations)) => citations.push(citation),
                    _ => {
                        self.map.insert("citations".to_owned(), json!([citation]));
                    }
                }
            }
            // A kind that is not known yet: its texts are pieces, its other values stand as they are.
            _ => {
                for (key, value) in delta.iter().filter(|(key, _)| key.as_str() != "type") {
                    match value {
                        Value::String(more) => self.append(key, Some(more.clone())),
                        other => {
                            self.map.insert(key.clone(), other.clone());
                        }
                    }
                }
            }
        }
    }

    fn finish(mut self) -> Value {
        if let Some(input) = self.input.filter(|input| !input.is_empty()) {
            self.map.insert("input".to_owned(), parse_arguments(&input));
        }
        Value::Object(self.map)
    }
}

impl Aggregator {
    fn block(&mut self, chunk: &Value) -> &mut Block {
        self.blocks.entry(count(chunk, "index").unwrap_or(0)).or_default()
    }

    /// Later counts replace earlier ones: they are totals.
    fn merge_usage(&mut self, usage: &Map<String, Value>) {
        let slot = self.message.entry("usage").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(whole) = slot {
            for (key, value) in
                usage.iter().filter(|(key, value)| !value.is_null() || !whole.contains_key(*key)).collect::<Vec<_>>()
            {
                whole.insert(key.clone(), value.clone());
            }
        }
    }
}

impl StreamAggregator for Aggregator {
    fn push(&mut self, chunk: &Value) -> Result<(), CodecError> {
        let kind = kind(chunk).ok_or_else(|| CodecError::response("chunk.type", "text"))?;
        let inner = |key: &str| chunk.get(key).and_then(Value::as_object);
        match kind {
            "message_start" => {
                self.message = inner("message").cloned().unwrap_or_default();
                self.message.insert("content".to_owned(), json!([]));
            }
            "content_block_start" => {
                let map = inner("content_block").cloned().unwrap_or_default();
                self.block(chunk).map = map;
            }
            "content_block_delta" => {
                if let Some(delta) = inner("delta") {
                    self.block(chunk).push(delta);
                }
            }
            "message_delta" => {
                self.message.extend(inner("delta").cloned().unwrap_or_default());
                if let Some(usage) = inner("usage") {
                    self.merge_usage(usage);
                }
                // What else an event carries (`context_management`) belongs to the message.
                let others = chunk.as_object().into_iter().flatten();
                let others = others.filter(|(key, _)| !matches!(key.as_str(), "type" | "delta" | "usage"));
                self.message.extend(others.map(|(key, value)| (key.clone(), value.clone())));
            }
            "error" => {
                let reported = CodecError::reported_in(chunk);
                return Err(reported.unwrap_or_else(|| CodecError::response("chunk", "an event")));
            }
            // `ping`, `content_block_stop`, `message_stop`, and what may come one day.
            _ => {}
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Value {
        let mut message = self.message;
        message.insert("content".to_owned(), self.blocks.into_values().map(Block::finish).collect());
        Value::Object(message)
    }
}
