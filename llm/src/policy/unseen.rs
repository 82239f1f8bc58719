//! What a call reads, or is charged for, and its request only names: nobody can count that before it is sent.
//!
//! Providers invent ways for that faster than anybody keeps a list of them. So the list here is of settings that are known to bring nothing in and to
//! change no price, and with a budget to keep all others are refused.

use serde_json::{Map, Value};

use crate::chat::{ChatRequest, Content, Message, Part, Tool};

/// Settings beside those that have a place of their own in a request. What they say stands in the request, and how long an answer gets, or how many
/// there are, is for none of them to say.
#[rustfmt::skip]
const HARMLESS: &[&str] = &[
    // OpenAI's protocols.
    "background", "function_call", "functions", "include", "logit_bias", "logprobs", "prompt_cache_key", "prompt_cache_retention", "reasoning_effort",
    "safety_identifier", "stream_options", "text", "verbosity",
    // Those that others have in the same place, and that `extra_body` has too.
    "frequency_penalty", "metadata", "parallel_tool_calls", "presence_penalty", "reasoning", "response_format", "seed", "stop", "store", "temperature",
    "tool_choice", "top_k", "top_logprobs", "top_p", "user",
    // Anthropic.
    "anthropic_version", "cache_control", "output_config", "output_format", "thinking",
    // Gemini.
    "labels", "safetySettings", "safety_settings",
    // OpenRouter, Mistral, Groq, DeepSeek, xAI, DashScope, and what they have from each other.
    "context_length_exceeded_behavior", "deferred", "disable_reasoning", "disable_tool_validation", "enable_thinking", "include_reasoning",
    "preserve_thinking", "prompt_mode", "provider", "random_seed", "reasoning_format", "reasoning_split", "safe_prompt", "safety_mode",
    "session_id", "thinking_budget", "top_a", "trace", "transforms", "usage", "user_security_context",
    // Servers that anybody may run.
    "add_generation_prompt", "bad_words", "cache_prompt", "cache_salt", "chat_template", "chat_template_kwargs", "continue_final_message", "do_sample",
    "format", "grammar", "guided_choice", "guided_decoding_backend", "guided_grammar", "guided_json", "guided_regex", "ignore_eos",
    "include_stop_str_in_output", "json_schema", "keep_alive", "length_penalty", "min_p", "min_tokens", "mirostat", "mirostat_eta", "mirostat_lr",
    "mirostat_target", "mirostat_tau", "repetition_penalty", "skip_special_tokens", "spaces_between_special_tokens", "stop_token_ids", "structured_outputs",
];

/// Settings that hold others, and which of those are known. Google's stand below `extra_body` of its compatible address, and where a client that
/// unpacks it puts them.
const HOLDING: [(&str, &[&str]); 3] = [
    ("extra_body", HARMLESS),
    ("google", &["safety_settings", "safetySettings", "thinking_config", "thinkingConfig", "thought_tag_marker"]),
    (
        "generationConfig",
        &[
            "audioTimestamp",
            "logprobs",
            "mediaResolution",
            "responseLogprobs",
            "responseMimeType",
            "responseSchema",
            "thinkingConfig",
        ],
    ),
];

/// Keys of files that a provider fetches, or has already, or whose pages nobody counts.
const FILES: [&str; 8] = ["document_url", "fileUri", "file_data", "file_id", "file_ids", "file_uri", "file_url", "video_url"];

/// Types of parts and items that hold all that the model reads of them. Of others it is not known what they bring.
#[rustfmt::skip]
const HELD: &[&str] = &[
    "apply_patch_call_output", "computer_call_output", "custom_tool_call_output", "function_call_output", "image", "image_url", "input_audio",
    "input_image", "input_text", "local_shell_call_output", "output_text", "reasoning", "redacted_thinking", "reference", "refusal",
    "search_result", "shell_call_output", "text", "thinking", "tool_result", "tool_use",
];

/// Types of items that are calls of tools that the caller runs.
#[rustfmt::skip]
const OF_CALLER: &[&str] = &[
    "apply_patch_call", "computer_call", "custom_tool_call", "function_call", "local_shell_call", "shell_call",
];

/// Keys of Gemini's parts, which have no type, that hold all that the model reads of them.
#[rustfmt::skip]
const UNTYPED: &[&str] = &[
    "codeExecutionResult", "executableCode", "functionCall", "functionResponse", "inlineData", "inline_data", "text", "thought", "thoughtSignature",
    "thought_signature",
];

/// How an address of something begins that the provider fetches.
const AWAY: [&str; 6] = ["http:", "https:", "gs:", "s3:", "file:", "file-"];

/// Keys of media types, and how those begin that are counted: pictures by their number, the others by their bytes. A small PDF may have a thousand
/// pages, and a small video may be long.
const MEDIA_TYPES: [&str; 3] = ["media_type", "mimeType", "mime_type"];
const COUNTED: [&str; 3] = ["audio/", "image/", "text/"];

/// Keys whose text is read as it stands.
#[rustfmt::skip]
const TEXTS: &[&str] = &[
    "arguments", "code", "content", "context", "current_url", "encrypted_content", "input", "output", "reasoning", "reasoning_content", "refusal",
    "signature", "stderr", "stdout", "summary", "text", "thinking", "title",
];

/// Keys of what an earlier answer was made of, which nobody fetches again.
const LABELS: [&str; 2] = ["annotations", "citations"];

/// Whether a model searches by itself, whatever a request says: what it finds is read, and most searches are charged for beside that.
pub(super) fn searches_by_itself(model: &str) -> bool {
    let model = model.to_ascii_lowercase();
    // Gateways put their own prefix before a model's name, and what they do beside it behind.
    let (name, mut variants) = match model.split_once(':') {
        Some((name, variants)) => (name, variants.split(':')),
        None => (model.as_str(), "".split(':')),
    };
    let name = name.rsplit('/').next().unwrap_or(name);
    variants.any(|variant| variant == "online")
        || ["search-preview", "search-api", "deep-research", "sonar"].iter().any(|word| name.contains(word))
        || name.ends_with("-online")
        || name.starts_with("compound")
}

/// What the model may read, or do, and the request only names: the key that names it, with those around it where it is a setting. What the provider's own tools find is read
/// too, and most of them are charged for beside that.
pub(super) fn unseen_input(request: &ChatRequest) -> Option<String> {
    if request.previous_response_id.is_some() {
        return Some("previous_response_id".to_owned());
    }
    if request.tools.iter().any(Tool::is_run_by_provider) {
        return Some("tools".to_owned());
    }
    let in_message = |message: &Message| {
        let parts = match &message.content {
            Some(Content::Parts(parts)) => parts.as_slice(),
            _ => &[],
        };
        parts.iter().find_map(unheld).or_else(|| named_beside(message))
    };
    unknown_setting(&request.extra, HARMLESS).or_else(|| request.messages.iter().find_map(in_message))
}

/// The first of these settings that is switched on and not `known`.
fn unknown_setting(settings: &Map<String, Value>, known: &[&str]) -> Option<String> {
    settings.iter().find_map(|(key, value)| match value {
        Value::Null | Value::Bool(false) => None,
        Value::Array(items) if items.is_empty() => None,
        _ if is_usual(key, value) => None,
        _ if known.contains(&key.as_str()) => None,
        Value::Object(inner) => match HOLDING.iter().find(|(holding, _)| holding == key) {
            Some((_, known)) => unknown_inside(key, inner, known),
            None => Some(shown(key)),
        },
        _ => Some(shown(key)),
    })
}

/// Whether a setting asks for what there would be without it: one answer, in text.
fn is_usual(key: &str, value: &Value) -> bool {
    match key {
        "best_of" => value.as_u64() == Some(1),
        "modalities" | "responseModalities" => {
            let words = value.as_array().map(Vec::as_slice).unwrap_or_default();
            words.iter().all(|word| word.as_str().is_some_and(|word| word.eq_ignore_ascii_case("text"))) && !words.is_empty()
        }
        _ => false,
    }
}

fn unknown_inside(key: &str, inner: &Map<String, Value>, known: &[&str]) -> Option<String> {
    unknown_setting(inner, known).map(|inside| format!("{key}.{inside}"))
}

/// A key as a message can have it: it may be anything.
fn shown(key: &str) -> String {
    key.chars().filter(|char| !char.is_control()).take(64).collect()
}

/// What a part of a message names and does not hold, or may hold more of than its bytes tell: a key of it, or its type.
fn unheld(part: &Part) -> Option<String> {
    let native = match part {
        Part::Text(_) => return None,
        Part::Image(picture) => {
            let is_picture = ["http:", "https:", "data:image/"].iter().any(|beginning| begins(&picture.url, beginning));
            return (!is_picture).then(|| "image_url".to_owned());
        }
        Part::Native(native) => native,
    };
    match native.get("type") {
        None => named_in(native).or_else(|| native.keys().find(|key| !UNTYPED.contains(&key.as_str())).map(|key| shown(key))),
        // What a model asked its caller for is text, whatever stands there.
        Some(Value::String(kind)) if OF_CALLER.contains(&kind.as_str()) => None,
        Some(Value::String(kind)) => {
            named_in(native).or_else(|| (!HELD.contains(&kind.as_str()) && !is_text_document(native)).then(|| shown(kind)))
        }
        Some(_) => Some("type".to_owned()),
    }
}

/// Whether it is a document of Anthropic that is text, or made of blocks.
fn is_text_document(part: &Map<String, Value>) -> bool {
    let source = part.get("source").and_then(|source| source.get("type")).and_then(Value::as_str);
    part.get("type").is_some_and(|kind| kind == "document") && matches!(source, Some("text" | "content"))
}

/// What stands beside the content of a message, and beside its calls.
fn named_beside(message: &Message) -> Option<String> {
    let is_kept = message.extra.get("audio").and_then(|audio| audio.get("id")).is_some_and(|id| !id.is_null());
    if is_kept {
        return Some("audio".to_owned());
    }
    named_in(&message.extra).or_else(|| message.tool_calls.iter().find_map(|call| named_in(&call.extra)))
}

/// The key of what is only named here: a file, an address; or of what nobody can count by its bytes. Thinking that the provider keeps, and that a message
/// has the identifier of, is let through: it goes back with every answer of OpenAI Responses that calls tools, and was paid for when it was written.
fn named_in(map: &Map<String, Value>) -> Option<String> {
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default();
    map.iter().find_map(|(key, value)| {
        let name = key.as_str();
        if FILES.contains(&name) && !value.is_null() {
            return Some(shown(key));
        }
        let is_text = TEXTS.contains(&name) || matches!((kind, name), ("text", "data") | ("search_result", "source"));
        if LABELS.contains(&name) || (is_text && value.is_string()) { None } else { named_at(key, value) }
    })
}

fn named_at(key: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let is_away = AWAY.iter().any(|beginning| begins(text, beginning));
            let media = if MEDIA_TYPES.contains(&key) { Some(text.as_str()) } else { text.trim_start().get(5..) };
            let is_media = MEDIA_TYPES.contains(&key) || begins(text, "data:");
            let is_counted = || media.is_some_and(|media| COUNTED.iter().any(|beginning| begins(media, beginning)));
            (is_away || (is_media && !is_counted())).then(|| shown(key))
        }
        Value::Array(items) => items.iter().find_map(|item| named_at(key, item)),
        Value::Object(map) => named_in(map),
        _ => None,
    }
}

/// Whether a text begins so, in any case.
fn begins(text: &str, beginning: &str) -> bool {
    text.trim_start().get(..beginning.len()).is_some_and(|head| head.eq_ignore_ascii_case(beginning))
}

#[cfg(test)]
#[path = "unseen_tests.rs"]
mod tests;
