//! Responses of Anthropic Messages.

use serde_json::{Map, Value};

use super::AnthropicMessages;
use crate::chat::{ApiSpecific, ChatResponse, Content, FinishReason, ResponseToolCall, Usage};
use crate::codec::response_fields::{self, take_text, text};
use crate::codec::{CodecError, ResponseCodec};

impl ResponseCodec for AnthropicMessages {
    fn decode_response(&self, response: &Value) -> Result<ChatResponse, CodecError> {
        let mut rest = response_fields::object(response)?;
        let Some(Value::Array(blocks)) = rest.shift_remove("content") else {
            return Err(CodecError::response("content", "an array"));
        };
        let texts: Vec<&str> = of_type(&blocks, "text").filter_map(|block| block.get("text")?.as_str()).collect();
        let tool_calls = of_type(&blocks, "tool_use").map(|block| {
            let call = text(block, "id").zip(text(block, "name"));
            call.map(|(id, name)| ResponseToolCall { id, name, arguments: block.get("input").cloned().unwrap_or_default() })
        });
        let tool_calls =
            tool_calls.collect::<Option<Vec<_>>>().ok_or_else(|| CodecError::response("content", "made of valid blocks"))?;
        let usage = rest.shift_remove("usage");
        let stop_reason = take_text(&mut rest, "stop_reason");
        let service_tier = usage.as_ref().and_then(|usage| text(usage, "service_tier"));
        let stop_sequence = take_text(&mut rest, "stop_sequence");
        if rest.get("stop_sequence").is_some_and(Value::is_null) {
            rest.shift_remove("stop_sequence");
        }
        Ok(ChatResponse {
            id: take_text(&mut rest, "id"),
            model: take_text(&mut rest, "model"),
            message: (!texts.is_empty()).then(|| Content::Text(texts.concat())),
            tool_calls,
            finish_reason: stop_reason.as_deref().map(finish_reason),
            usage: usage.as_ref().and_then(Value::as_object).map(read_usage),
            api_specific: Some(ApiSpecific::AnthropicMessages {
                object_type: take_text(&mut rest, "type"),
                role: take_text(&mut rest, "role"),
                stop_reason,
                stop_sequence,
                service_tier: take_text(&mut rest, "service_tier").or(service_tier),
                container: response_fields::take(&mut rest, "container"),
                content_blocks: Some(blocks),
            }),
            extra: rest,
        })
    }
}

fn of_type<'b>(blocks: &'b [Value], kind: &'static str) -> impl Iterator<Item = &'b Value> {
    blocks.iter().filter(move |block| block.get("type").and_then(Value::as_str) == Some(kind))
}

fn finish_reason(word: &str) -> FinishReason {
    match word {
        "end_turn" | "stop_sequence" => FinishReason::Complete,
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolUse,
        "refusal" => FinishReason::ContentFilter,
        other => FinishReason::Unknown(other.to_owned()),
    }
}

/// Usage as Anthropic counts it. Tokens of the prompt cache are counted apart from the prompt's.
pub(super) fn read_usage(usage: &Map<String, Value>) -> Usage {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    let (prompt, completion) = (count("input_tokens"), count("output_tokens"));
    Usage {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: response_fields::sum(prompt, completion),
        cache_read_tokens: count("cache_read_input_tokens"),
        cache_write_tokens: count("cache_creation_input_tokens"),
        // Five minutes is what all others are kept for.
        long_cache_write_tokens: usage
            .get("cache_creation")
            .and_then(|kept| kept.get("ephemeral_1h_input_tokens"))
            .and_then(Value::as_u64)
            .filter(|count| *count > 0),
        reasoning_tokens: None,
        reported_cost_nanodollars: response_fields::reported_cost(usage),
    }
}
