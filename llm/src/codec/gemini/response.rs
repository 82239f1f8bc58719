//! Responses of Gemini.

use serde_json::{Map, Value};

use super::Gemini;
use super::content::number;
use crate::chat::{ApiSpecific, ChatResponse, Content, FinishReason, ResponseToolCall, Usage};
use crate::codec::response_fields::{self, count, take, take_text, text};
use crate::codec::{CodecError, ResponseCodec};

impl ResponseCodec for Gemini {
    fn decode_response(&self, response: &Value) -> Result<ChatResponse, CodecError> {
        let mut rest = response_fields::object(response)?;
        let feedback = take(&mut rest, "promptFeedback");
        let candidates = match take(&mut rest, "candidates") {
            Some(Value::Array(candidates)) => candidates,
            // A prompt that was refused has no answers.
            None if feedback.is_some() => Vec::new(),
            _ => return Err(CodecError::response("candidates", "an array")),
        };
        let first = candidates.iter().min_by_key(|candidate| count(candidate, "index").unwrap_or(0));
        let parts = first.map(parts_of).unwrap_or_default();
        let texts: Vec<&str> = parts.iter().filter_map(answer_text).collect();
        let calls = parts.iter().filter_map(|part| part.get("functionCall")).enumerate();
        let tool_calls: Vec<_> = calls
            .map(|(place, call)| {
                let id = text(call, "id").unwrap_or_else(|| number(place));
                let arguments =
                    call.get("args").filter(|args| !args.is_null()).cloned().unwrap_or_else(|| Value::Object(Map::new()));
                text(call, "name").map(|name| ResponseToolCall { id, name, arguments })
            })
            .collect::<Option<_>>()
            .ok_or_else(|| CodecError::response("candidates[0].content.parts", "made of valid parts"))?;
        let word = first.and_then(|candidate| text(candidate, "finishReason"));
        let blocked = first.is_none().then(|| feedback.as_ref().and_then(|feedback| text(feedback, "blockReason"))).flatten();
        Ok(ChatResponse {
            id: take_text(&mut rest, "responseId"),
            model: take_text(&mut rest, "modelVersion"),
            message: (!texts.is_empty()).then(|| Content::Text(texts.concat())),
            finish_reason: match (word, blocked) {
                (Some(word), _) => Some(finish_reason(&word, !tool_calls.is_empty())),
                (None, Some(_)) => Some(FinishReason::ContentFilter),
                (None, None) => None,
            },
            tool_calls,
            usage: take(&mut rest, "usageMetadata").as_ref().and_then(Value::as_object).map(read_usage),
            api_specific: Some(ApiSpecific::Gemini { candidates: Some(candidates), prompt_feedback: feedback }),
            extra: rest,
        })
    }
}

/// The parts of a candidate.
pub(super) fn parts_of(candidate: &Value) -> &[Value] {
    let parts = candidate.get("content").and_then(|content| content.get("parts"));
    parts.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The text of a part that belongs to the answer, and not to the thinking before it.
pub(super) fn answer_text(part: &Value) -> Option<&str> {
    let is_thought = part.get("thought").and_then(Value::as_bool).unwrap_or(false);
    part.get("text").and_then(Value::as_str).filter(|_| !is_thought)
}

fn finish_reason(word: &str, calls_tools: bool) -> FinishReason {
    match word {
        "STOP" if calls_tools => FinishReason::ToolUse,
        "STOP" => FinishReason::Complete,
        "MAX_TOKENS" => FinishReason::Length,
        "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "IMAGE_SAFETY" => FinishReason::ContentFilter,
        other => FinishReason::Unknown(other.to_owned()),
    }
}

/// Usage as Gemini counts it. Tokens of the prompt cache are among the prompt's; thoughts are counted apart from the answers and are
/// added here.
pub(super) fn read_usage(usage: &Map<String, Value>) -> Usage {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    let thoughts = count("thoughtsTokenCount");
    let prompt = count("promptTokenCount").map(|prompt| prompt.saturating_add(count("toolUsePromptTokenCount").unwrap_or(0)));
    let completion = match (count("candidatesTokenCount"), thoughts) {
        (None, None) => None,
        (answers, thoughts) => Some(answers.unwrap_or(0).saturating_add(thoughts.unwrap_or(0))),
    };
    Usage {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: count("totalTokenCount").or_else(|| response_fields::sum(prompt, completion)),
        cache_read_tokens: count("cachedContentTokenCount"),
        cache_write_tokens: None,
        long_cache_write_tokens: None,
        reasoning_tokens: thoughts,
        reported_cost_nanodollars: None,
    }
}
