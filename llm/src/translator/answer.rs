//! From what `genai` reads to a document, or chunks, of OpenAI Chat. Counts are taken from the provider's own document.

use genai::chat::{ChatResponse, ContentPart, StopReason, ToolCall};
use serde_json::{Map, Value, json};

use crate::provider::Translation;

/// A whole answer. `raw` is the provider's own.
///
/// # Errors
/// When something in it has no place in OpenAI Chat.
pub(super) fn whole(translation: Translation, model: &str, answer: ChatResponse, raw: &Value) -> Result<Value, &'static str> {
    let ChatResponse { content, reasoning_content, stop_reason, .. } = answer;
    let (mut text, mut calls) = (None::<String>, Vec::new());
    for part in content.into_parts() {
        match part {
            ContentPart::Text(piece) => text.get_or_insert_default().push_str(&piece),
            ContentPart::ToolCall(call) => calls.push(call),
            // What was thought stands beside it.
            ContentPart::ThoughtSignature(_) | ContentPart::ReasoningContent(_) => {}
            ContentPart::Binary(_) | ContentPart::ToolResponse(_) | ContentPart::Custom(_) => {
                return Err("it has parts of an unknown kind");
            }
        }
    }
    let reason = finish_reason(stop_reason.as_ref(), !calls.is_empty());
    let mut message = Map::new();
    message.insert("role".to_owned(), json!("assistant"));
    message.insert("content".to_owned(), json!(text.filter(|text| !text.is_empty() || calls.is_empty())));
    message.extend(reasoning_content.filter(|text| !text.is_empty()).map(|text| ("reasoning_content".to_owned(), json!(text))));
    if !calls.is_empty() {
        message.insert("tool_calls".to_owned(), calls.iter().map(tool_call).map(Value::Object).collect());
    }
    let mut document = top(translation, model, raw, "chat.completion");
    document.insert("choices".to_owned(), json!([{ "index": 0, "message": message, "finish_reason": reason }]));
    document.extend(usage(translation, raw).map(|usage| ("usage".to_owned(), usage)));
    Ok(Value::Object(document))
}

/// What a document of OpenAI Chat begins with. `raw` is the document of the provider that has it.
pub(super) fn top(translation: Translation, model: &str, raw: &Value, object: &str) -> Map<String, Value> {
    let text = |pointer: &str| raw.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (id, answered, tier) = match translation {
        Translation::BedrockConverse => (None, None, text("/serviceTier/type")),
        Translation::CohereChat => (text("/generation_id"), None, None),
        Translation::OllamaChat => (None, text("/model"), None),
    };
    let mut top = Map::new();
    top.extend(id.map(|id| ("id".to_owned(), Value::String(id))));
    top.insert("object".to_owned(), json!(object));
    top.insert("model".to_owned(), Value::String(answered.unwrap_or_else(|| model.to_owned())));
    top.extend(tier.map(|tier| ("service_tier".to_owned(), Value::String(tier))));
    top
}

/// What the provider counted, as OpenAI Chat says it, and in its own words beside (`reported`). Nothing where it says nothing: unknown is not zero.
pub(super) fn usage(translation: Translation, raw: &Value) -> Option<Value> {
    let count = |pointer: &str| raw.pointer(pointer).and_then(Value::as_u64);
    // Cohere counts in fractions of a token that are whole.
    let whole = |pointer: &str| {
        raw.pointer(pointer).and_then(Value::as_f64).filter(|count| *count >= 0.0).map(|count| count.ceil() as u64)
    };
    let (mut read, written, cached, kept, reported) = match translation {
        Translation::BedrockConverse => {
            let at = |name: &str| count(&format!("/usage/{name}"));
            let (cached, kept) = (at("cacheReadInputTokens"), at("cacheWriteInputTokens"));
            (at("inputTokens"), at("outputTokens"), cached, kept, raw.get("usage").cloned())
        }
        Translation::CohereChat => {
            let tokens = raw.pointer("/meta/tokens");
            (whole("/meta/tokens/input_tokens"), whole("/meta/tokens/output_tokens"), None, None, tokens.cloned())
        }
        Translation::OllamaChat => {
            let counts = raw.as_object()?.iter().filter(|(name, _)| name.ends_with("_count"));
            let counts: Map<String, Value> = counts.map(|(name, value)| (name.clone(), value.clone())).collect();
            let reported = (!counts.is_empty()).then_some(Value::Object(counts));
            (count("/prompt_eval_count"), count("/eval_count"), count("/prompt_eval_cached_count"), None, reported)
        }
    };
    if translation == Translation::BedrockConverse {
        // Converse counts what goes through its cache beside what it reads.
        read = read.map(|read| read.saturating_add(cached.unwrap_or(0)).saturating_add(kept.unwrap_or(0)));
    }
    let reported = reported.filter(|reported| !reported.is_null())?;
    let mut usage = Map::new();
    let mut put = |name: &str, value: Option<Value>| usage.extend(value.map(|value| (name.to_owned(), value)));
    put("prompt_tokens", read.map(Value::from));
    put("completion_tokens", written.map(Value::from));
    put("total_tokens", read.zip(written).map(|(read, written)| read.saturating_add(written).into()));
    let details = [("cached_tokens", cached), ("cache_write_tokens", kept)];
    let details: Map<String, Value> =
        details.into_iter().filter_map(|(name, count)| Some((name.to_owned(), Value::from(count?)))).collect();
    put("prompt_tokens_details", (!details.is_empty()).then_some(Value::Object(details)));
    put("reported", Some(reported));
    Some(Value::Object(usage))
}

/// Why it ended, in OpenAI's words where there is one, else in the provider's.
pub(super) fn finish_reason(reason: Option<&StopReason>, calls: bool) -> Value {
    match reason {
        None if calls => json!("tool_calls"),
        None => Value::Null,
        // Ollama has no word for it.
        Some(StopReason::Completed(_)) if calls => json!("tool_calls"),
        Some(StopReason::Completed(_) | StopReason::StopSequence(_)) => json!("stop"),
        Some(StopReason::MaxTokens(_)) => json!("length"),
        Some(StopReason::ToolCall(_)) => json!("tool_calls"),
        Some(StopReason::ContentFilter(_)) => json!("content_filter"),
        Some(StopReason::Other(word)) => match word.as_str() {
            "guardrail_intervened" | "content_filtered" => json!("content_filter"),
            word => json!(word),
        },
    }
}

/// A tool call, whole. Arguments that are a text are the model's own.
pub(super) fn tool_call(call: &ToolCall) -> Map<String, Value> {
    let arguments = match &call.fn_arguments {
        Value::String(text) => text.clone(),
        Value::Null => "{}".to_owned(),
        other => other.to_string(),
    };
    let function = json!({ "name": call.fn_name, "arguments": arguments });
    let fields = [("id", json!(call.call_id)), ("type", json!("function")), ("function", function)];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_counted_stays_unknown() {
        for translation in Translation::ALL {
            assert_eq!(usage(translation, &json!({ "message": {} })), None);
        }
        let part = usage(Translation::BedrockConverse, &json!({ "usage": { "outputTokens": 3 } })).unwrap();
        assert_eq!(part, json!({ "completion_tokens": 3, "reported": { "outputTokens": 3 } }));
    }

    #[test]
    fn what_went_through_a_cache_is_input() {
        let raw =
            json!({ "usage": { "inputTokens": 10, "outputTokens": 5, "cacheReadInputTokens": 3, "cacheWriteInputTokens": 2 } });
        let counted = usage(Translation::BedrockConverse, &raw).unwrap();
        let read = (&counted["prompt_tokens"], &counted["total_tokens"], &counted["prompt_tokens_details"]);
        assert_eq!(read, (&json!(15), &json!(20), &json!({ "cached_tokens": 3, "cache_write_tokens": 2 })));
        let raw = json!({ "prompt_eval_count": 7, "eval_count": 2, "done": true });
        assert_eq!(usage(Translation::OllamaChat, &raw).unwrap()["total_tokens"], 9);
        let raw = json!({ "meta": { "tokens": { "input_tokens": 7.0, "output_tokens": 2.0 } } });
        assert_eq!(usage(Translation::CohereChat, &raw).unwrap()["total_tokens"], 9);
    }
}
