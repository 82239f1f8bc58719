//! Responses of OpenAI Chat.

use serde_json::{Map, Value};

use super::OpenAiChat;
use crate::chat::thinking::in_chat_message;
use crate::chat::{ApiSpecific, ChatResponse, Content, FinishReason, ResponseToolCall, Usage};
use crate::codec::response_fields::{self, count, parse_arguments, read_content, text};
use crate::codec::{CodecError, ResponseCodec};

impl ResponseCodec for OpenAiChat {
    fn decode_response(&self, response: &Value) -> Result<ChatResponse, CodecError> {
        let mut rest = response_fields::object(response)?;
        let Some(Value::Array(choices)) = rest.shift_remove("choices") else {
            return Err(CodecError::response("choices", "an array"));
        };
        let mut out = ChatResponse {
            id: response_fields::take_text(&mut rest, "id"),
            model: response_fields::take_text(&mut rest, "model"),
            usage: rest.shift_remove("usage").as_ref().and_then(Value::as_object).map(read_usage),
            ..ChatResponse::default()
        };
        // What the provider's own tools found or ran for any of the answers.
        for key in ["annotations", "executed_tools"] {
            let found = choices.iter().filter_map(|choice| choice.get("message")?.get(key)?.as_array());
            let found: Vec<Value> = found.flatten().cloned().collect();
            if !found.is_empty() {
                rest.insert(key.to_owned(), Value::Array(found));
            }
        }
        let (mut logprobs, mut thinking) = (None, None);
        if let Some(choice) = choices.iter().min_by_key(|choice| count(choice, "index").unwrap_or(0)) {
            let message = choice.get("message").and_then(Value::as_object);
            let message = message.ok_or_else(|| CodecError::response("choices[0].message", "an object"))?;
            out.message = message.get("content").filter(|content| !content.is_null()).map(read_message_content).transpose()?;
            out.tool_calls = read_tool_calls(message)?;
            thinking = in_chat_message(message);
            out.finish_reason = choice.get("finish_reason").and_then(Value::as_str).map(finish_reason);
            logprobs = choice.get("logprobs").filter(|value| !value.is_null()).cloned();
            // A refusal says why there is no content.
            if let Some(refusal) = message.get("refusal").filter(|value| value.is_string()) {
                rest.insert("refusal".to_owned(), refusal.clone());
            }
        }
        out.api_specific = Some(ApiSpecific::OpenAiChat {
            logprobs,
            system_fingerprint: response_fields::take_text(&mut rest, "system_fingerprint"),
            service_tier: response_fields::take_text(&mut rest, "service_tier"),
            thinking,
        });
        out.extra = rest;
        Ok(out)
    }
}

fn read_message_content(value: &Value) -> Result<Content, CodecError> {
    read_content(value).ok_or_else(|| CodecError::response("choices[0].message.content", "text or an array of parts"))
}

fn read_tool_calls(message: &Map<String, Value>) -> Result<Vec<ResponseToolCall>, CodecError> {
    let call = |id: &Value, function: &Value| {
        let name = function.get("name")?.as_str()?.to_owned();
        let arguments = match function.get("arguments") {
            None | Some(Value::Null) => parse_arguments(""),
            Some(Value::String(text)) => parse_arguments(text),
            // Some servers give the arguments themselves instead of their text.
            Some(other) => other.clone(),
        };
        Some(ResponseToolCall { id: id.as_str().unwrap_or_default().to_owned(), name, arguments })
    };
    if let Some(Value::Array(calls)) = message.get("tool_calls") {
        let read = |(index, value): (usize, &Value)| {
            let id = value.get("id").unwrap_or(&Value::Null);
            let read = match (value.get("function"), value.get("custom")) {
                (Some(function), _) => call(id, function),
                // A tool that takes text as it is.
                (None, Some(custom)) => custom.get("name").and_then(Value::as_str).map(|name| ResponseToolCall {
                    id: id.as_str().unwrap_or_default().to_owned(),
                    name: name.to_owned(),
                    arguments: custom.get("input").cloned().unwrap_or_default(),
                }),
                (None, None) => None,
            };
            read.ok_or_else(|| CodecError::response(format!("choices[0].message.tool_calls[{index}]"), "a call of a tool"))
        };
        return calls.iter().enumerate().map(read).collect();
    }
    // The form before there were several tools.
    Ok(message.get("function_call").and_then(|function| call(&Value::Null, function)).into_iter().collect())
}

fn finish_reason(word: &str) -> FinishReason {
    match word {
        "stop" => FinishReason::Complete,
        "length" => FinishReason::Length,
        "tool_calls" | "function_call" => FinishReason::ToolUse,
        "content_filter" => FinishReason::ContentFilter,
        other => FinishReason::Unknown(other.to_owned()),
    }
}

/// Usage as OpenAI Chat counts it. Tokens of the prompt cache are among the prompt's.
pub(super) fn read_usage(usage: &Map<String, Value>) -> Usage {
    let at = |path: &[&str]| {
        path.iter()
            .try_fold(None, |at: Option<&Value>, key| {
                let next = match at {
                    Some(value) => value.get(*key),
                    None => usage.get(*key),
                };
                next.map(Some)
            })
            .flatten()
    };
    let count = |path: &[&str]| at(path).and_then(Value::as_u64);
    let reasoning = count(&["completion_tokens_details", "reasoning_tokens"]);
    let (prompt, completion) = (count(&["prompt_tokens"]), count(&["completion_tokens"]));
    // xAI counts thinking beside what it wrote, and only the total tells so.
    let with_thinking = completion.zip(reasoning).and_then(|(written, thought)| written.checked_add(thought));
    let all = prompt.zip(with_thinking).and_then(|(read, written)| read.checked_add(written));
    let completion = if all.is_some() && all == count(&["total_tokens"]) { with_thinking } else { completion };
    Usage {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: count(&["total_tokens"]).or_else(|| response_fields::sum(prompt, completion)),
        cache_read_tokens: count(&["prompt_tokens_details", "cached_tokens"]).or_else(|| count(&["prompt_cache_hit_tokens"])),
        cache_write_tokens: count(&["prompt_tokens_details", "cache_write_tokens"]),
        long_cache_write_tokens: None,
        reasoning_tokens: reasoning,
        reported_cost_nanodollars: response_fields::reported_cost(usage),
    }
}

/// The text that a piece of the first choice adds.
pub(super) fn delta_text(chunk: &Value) -> Option<String> {
    let choices = chunk.get("choices")?.as_array()?;
    let first = choices.iter().find(|choice| count(choice, "index").unwrap_or(0) == 0)?;
    text(first.get("delta")?, "content").filter(|text| !text.is_empty())
}
