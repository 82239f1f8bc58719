//! Streams of Gemini: every chunk is a response of its own, with the parts that are new.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Gemini;
use super::response::{answer_text, parts_of, read_usage};
use crate::codec::response_fields::count;
use crate::codec::summary::Summary;
use crate::codec::{CodecError, StreamAggregator, StreamCodec};

fn candidates(chunk: &Value) -> &[Value] {
    chunk.get("candidates").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

impl StreamCodec for Gemini {
    fn aggregator(&self) -> Box<dyn StreamAggregator> {
        Box::new(Aggregator::default())
    }

    fn text_delta(&self, chunk: &Value) -> Option<String> {
        let first = candidates(chunk).iter().find(|candidate| count(candidate, "index").unwrap_or(0) == 0)?;
        let text: String = parts_of(first).iter().filter_map(answer_text).collect();
        Some(text).filter(|text| !text.is_empty())
    }

    fn chunk_summary(&self, index: u64, chunk: &Value) -> Value {
        let mut summary = Summary::new("gemini_generate_content", index);
        let place = |candidate: &Value| candidate.get("index").cloned().unwrap_or(json!(0));
        let reasons = candidates(chunk).iter().filter_map(|candidate| {
            let reason = candidate.get("finishReason").filter(|reason| reason.is_string())?;
            Some(json!({ "choice_index": place(candidate), "finish_reason": reason }))
        });
        summary.list("choice_indices", candidates(chunk).iter().map(place).collect());
        summary.list("finish_reasons", reasons.collect());
        summary.usage(chunk.get("usageMetadata").and_then(Value::as_object).map(read_usage));
        summary.finish()
    }
}

#[derive(Default)]
struct Aggregator {
    top: Map<String, Value>,
    candidates: BTreeMap<u64, Candidate>,
    seen: bool,
}

#[derive(Default)]
struct Candidate {
    content: Map<String, Value>,
    parts: Vec<Value>,
    rest: Map<String, Value>,
}

impl Candidate {
    fn push(&mut self, candidate: &Map<String, Value>) {
        for (key, value) in candidate {
            match (key.as_str(), value) {
                ("content", Value::Object(content)) => {
                    for (key, value) in content.iter().filter(|(key, _)| key.as_str() != "parts") {
                        self.content.insert(key.clone(), value.clone());
                    }
                    for part in content.get("parts").and_then(Value::as_array).into_iter().flatten() {
                        self.push_part(part);
                    }
                }
                ("content", _) => {}
                _ => {
                    self.rest.insert(key.clone(), value.clone());
                }
            }
        }
    }

    /// A text goes on from the text before it, if both are answer or both are thought. A signature ends its part.
    fn push_part(&mut self, part: &Value) {
        let is_thought = |part: &Value| part.get("thought").and_then(Value::as_bool).unwrap_or(false);
        let is_text = |part: &Value| part.get("text").is_some_and(Value::is_string);
        if let (Some(last), Some(more)) = (self.parts.last_mut(), part.as_object())
            && is_text(last)
            && is_text(part)
            && is_thought(last) == is_thought(part)
            && last.get("thoughtSignature").is_none()
            && let Some(whole) = last.as_object_mut()
        {
            for (key, value) in more {
                match (whole.get_mut(key), value) {
                    (Some(Value::String(text)), Value::String(more)) if key == "text" => text.push_str(more),
                    _ => {
                        whole.insert(key.clone(), value.clone());
                    }
                }
            }
            return;
        }
        self.parts.push(part.clone());
    }

    fn finish(mut self) -> Value {
        if !self.parts.is_empty() {
            self.content.insert("parts".to_owned(), Value::Array(self.parts));
        }
        let mut candidate = Map::new();
        candidate.insert("content".to_owned(), Value::Object(self.content));
        candidate.extend(self.rest);
        Value::Object(candidate)
    }
}

impl StreamAggregator for Aggregator {
    fn push(&mut self, chunk: &Value) -> Result<(), CodecError> {
        if let Some(error) = CodecError::reported_in(chunk) {
            return Err(error);
        }
        let map = chunk.as_object().ok_or_else(|| CodecError::response("chunk", "an object"))?;
        for (key, value) in map {
            match (key.as_str(), value) {
                ("candidates", Value::Array(items)) => {
                    self.seen = true;
                    for candidate in items.iter().filter_map(Value::as_object) {
                        let index = candidate.get("index").and_then(Value::as_u64).unwrap_or(0);
                        self.candidates.entry(index).or_default().push(candidate);
                    }
                }
                // Later counts are totals, but some leave out what earlier ones said.
                ("usageMetadata", Value::Object(usage)) => match self.top.get_mut(key) {
                    Some(Value::Object(whole)) => whole.extend(usage.clone()),
                    _ => {
                        self.top.insert(key.clone(), value.clone());
                    }
                },
                _ => {
                    self.top.insert(key.clone(), value.clone());
                }
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Value {
        let mut whole = self.top;
        if self.seen || !whole.contains_key("promptFeedback") {
            whole.insert("candidates".to_owned(), self.candidates.into_values().map(Candidate::finish).collect());
        }
        Value::Object(whole)
    }
}
