//! Responses of OpenAI Responses.

use serde_json::{Map, Value};

use super::OpenAiResponses;
use crate::chat::{ApiSpecific, ChatResponse, Content, FinishReason, ResponseToolCall, Usage};
use crate::codec::response_fields::{self, parse_arguments, take, take_text, text};
use crate::codec::{CodecError, ResponseCodec};

impl ResponseCodec for OpenAiResponses {
    fn decode_response(&self, response: &Value) -> Result<ChatResponse, CodecError> {
        let mut rest = response_fields::object(response)?;
        let Some(Value::Array(items)) = rest.shift_remove("output") else {
            return Err(CodecError::response("output", "an array"));
        };
        let texts: Vec<&str> = of_type(&items, "message")
            .filter_map(|item| item.get("content")?.as_array())
            .flatten()
            .filter(|part| part.get("type").and_then(Value::as_str) == Some("output_text"))
            .filter_map(|part| part.get("text")?.as_str())
            .collect();
        let tool_calls = of_type(&items, "function_call").map(|item| {
            let call = text(item, "call_id").zip(text(item, "name"));
            let arguments = text(item, "arguments").unwrap_or_default();
            call.map(|(id, name)| ResponseToolCall { id, name, arguments: parse_arguments(&arguments) })
        });
        let tool_calls: Vec<_> =
            tool_calls.collect::<Option<_>>().ok_or_else(|| CodecError::response("output", "made of valid items"))?;
        let status = take_text(&mut rest, "status");
        let incomplete_details = take(&mut rest, "incomplete_details");
        let usage = take(&mut rest, "usage");
        let details = |key: &str| usage.as_ref().and_then(|usage| usage.get(key)).filter(|value| !value.is_null()).cloned();
        let store = rest.get("store").and_then(Value::as_bool);
        if store.is_some() {
            rest.shift_remove("store");
        }
        if rest.get("error").is_some_and(Value::is_null) {
            rest.shift_remove("error");
        }
        Ok(ChatResponse {
            id: take_text(&mut rest, "id"),
            model: take_text(&mut rest, "model"),
            message: (!texts.is_empty()).then(|| Content::Text(texts.concat())),
            finish_reason: status
                .as_deref()
                .map(|status| finish_reason(status, incomplete_details.as_ref(), !tool_calls.is_empty())),
            tool_calls,
            usage: usage.as_ref().and_then(Value::as_object).map(read_usage),
            api_specific: Some(ApiSpecific::OpenAiResponses {
                status,
                incomplete_details,
                previous_response_id: take_text(&mut rest, "previous_response_id"),
                store,
                service_tier: take_text(&mut rest, "service_tier"),
                truncation: take(&mut rest, "truncation"),
                reasoning: take(&mut rest, "reasoning"),
                input_tokens_details: details("input_tokens_details"),
                output_tokens_details: details("output_tokens_details"),
                output_items: Some(items),
            }),
            extra: rest,
        })
    }
}

fn of_type<'b>(items: &'b [Value], kind: &'static str) -> impl Iterator<Item = &'b Value> {
    items.iter().filter(move |item| item.get("type").and_then(Value::as_str) == Some(kind))
}

/// The protocol has no word for "waits for tools": a completed response that asks for some is one.
fn finish_reason(status: &str, details: Option<&Value>, calls_tools: bool) -> FinishReason {
    match (status, details.and_then(|details| details.get("reason")).and_then(Value::as_str)) {
        ("completed", _) if calls_tools => FinishReason::ToolUse,
        ("completed", _) => FinishReason::Complete,
        ("incomplete", Some("max_output_tokens")) => FinishReason::Length,
        ("incomplete", Some("content_filter")) => FinishReason::ContentFilter,
        ("incomplete", Some(reason)) => FinishReason::Unknown(reason.to_owned()),
        (other, _) => FinishReason::Unknown(other.to_owned()),
    }
}

/// Usage as OpenAI Responses counts it. Tokens of the prompt cache are among the input's.
pub(super) fn read_usage(usage: &Map<String, Value>) -> Usage {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    let detail = |key: &str, inner: &str| usage.get(key).and_then(|details| details.get(inner)).and_then(Value::as_u64);
    let (prompt, completion) = (count("input_tokens"), count("output_tokens"));
    Usage {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: count("total_tokens").or_else(|| response_fields::sum(prompt, completion)),
        cache_read_tokens: detail("input_tokens_details", "cached_tokens"),
        cache_write_tokens: detail("input_tokens_details", "cache_write_tokens"),
        long_cache_write_tokens: None,
        reasoning_tokens: detail("output_tokens_details", "reasoning_tokens"),
        reported_cost_nanodollars: response_fields::reported_cost(usage),
    }
}
