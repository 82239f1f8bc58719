//! What a call reads, or is charged for, and its request only names: nobody can count that before it is sent.
//!
//! Providers invent ways for that faster than anybody keeps a list of them. So the list here is of settings that are known to bring nothing in and to
//! change no price, and with a budget to keep all others are refused.

use serde_json::{Map, Value};

use crate::chat::{ChatRequest, Content, Part, Tool};

/// Settings beside those that have a place of their own in a request. What they say stands in the request, and how long an answer gets, or how many
/// there are, is for none of them to say.
#[rustfmt::skip]
const HARMLESS: &[&str] = &[
    // OpenAI's protocols.
    "background", "function_call", "functions", "logit_bias", "logprobs", "prompt_cache_key", "prompt_cache_retention", "reasoning_effort",
    "safety_identifier", "stream_options", "text", "verbosity",
    // Those that others have in the same place, and that `extra_body` has too.
    "frequency_penalty", "metadata", "parallel_tool_calls", "presence_penalty", "reasoning", "response_format", "seed", "stop", "store", "temperature",
    "tool_choice", "top_k", "top_logprobs", "top_p", "user",
    // Anthropic.
    "anthropic_version", "cache_control", "output_config", "thinking",
    // Gemini.
    "labels", "safetySettings", "safety_settings",
    // OpenRouter, Mistral, Groq, DeepSeek, xAI, DashScope, and what they have from each other.
    "disable_reasoning", "enable_thinking", "include_reasoning", "preserve_thinking", "provider", "random_seed", "reasoning_format", "reasoning_split",
    "safe_prompt", "session_id", "thinking_budget", "top_a", "trace", "transforms", "usage",
    // Servers that anybody may run.
    "add_generation_prompt", "bad_words", "cache_prompt", "cache_salt", "chat_template", "chat_template_kwargs", "continue_final_message", "do_sample",
    "format", "grammar", "guided_choice", "guided_decoding_backend", "guided_grammar", "guided_json", "guided_regex", "ignore_eos",
    "include_stop_str_in_output", "json_schema", "keep_alive", "length_penalty", "min_p", "min_tokens", "mirostat", "repetition_penalty",
    "skip_special_tokens", "spaces_between_special_tokens", "stop_token_ids", "structured_outputs",
];

/// Settings that hold others, and which of those are known. Google's stand below `extra_body` of its compatible address, and where a client that
/// unpacks it puts them.
const HOLDING: [(&str, &[&str]); 3] = [
    ("extra_body", HARMLESS),
    ("google", &["thinking_config", "thinkingConfig"]),
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

/// Keys of files and pictures that a provider fetches, or has already.
const FILES: [&str; 5] = ["file_id", "file_url", "fileUri", "file_uri", "video_url"];

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

/// What the model may read, or do, and the request only names: the key that names it, with those around it. What the provider's own tools find is read
/// too, and most of them are charged for beside that.
pub(super) fn unseen_input(request: &ChatRequest) -> Option<String> {
    if request.previous_response_id.is_some() {
        return Some("previous_response_id".to_owned());
    }
    if request.tools.iter().any(Tool::is_run_by_provider) {
        return Some("tools".to_owned());
    }
    let parts = request.messages.iter().flat_map(|message| match &message.content {
        Some(Content::Parts(parts)) => parts.as_slice(),
        _ => &[],
    });
    let mut native = parts.filter_map(|part| if let Part::Native(part) = part { Some(part) } else { None });
    unknown_setting(&request.extra, HARMLESS).or_else(|| native.find_map(file_in).map(str::to_owned))
}

/// The first of these settings that is switched on and not `known`.
fn unknown_setting(settings: &Map<String, Value>, known: &[&str]) -> Option<String> {
    settings.iter().find_map(|(key, value)| match value {
        Value::Null | Value::Bool(false) => None,
        _ if known.contains(&key.as_str()) => None,
        Value::Object(inner) => match HOLDING.iter().find(|(holding, _)| holding == key) {
            Some((_, known)) => unknown_inside(key, inner, known),
            None => Some(shown(key)),
        },
        _ => Some(shown(key)),
    })
}

fn unknown_inside(key: &str, inner: &Map<String, Value>, known: &[&str]) -> Option<String> {
    unknown_setting(inner, known).map(|inside| format!("{key}.{inside}"))
}

/// A key as a message can have it: it may be anything.
fn shown(key: &str) -> String {
    key.chars().filter(|char| !char.is_control()).take(64).collect()
}

/// The key of a file that a part names.
fn file_in(part: &Map<String, Value>) -> Option<&'static str> {
    fn in_value(value: &Value) -> Option<&'static str> {
        match value {
            Value::Object(map) => file_in(map),
            Value::Array(items) => items.iter().find_map(in_value),
            _ => None,
        }
    }
    let named = FILES.into_iter().find(|key| part.get(*key).is_some_and(|value| !value.is_null()));
    named.or_else(|| part.values().find_map(in_value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Api;
    use crate::policy::{TokenEstimate, estimate_input_tokens};
    use serde_json::json;

    fn decoded(api: Api, body: Value) -> ChatRequest {
        api.protocol().decode(&crate::chat::RawRequest::new(body)).unwrap()
    }

    #[test]
    fn models_that_search_are_told_by_whoever_serves_them() {
        for model in [
            "openrouter/openai/gpt-4o-mini:online",
            "openrouter/openai/gpt-4o:nitro:online",
            "openai/gpt-4o-search-preview",
            "openrouter/openai/gpt-4o-mini-search-preview-2025-03-11",
            "openai/gpt-5-search-api",
            "perplexity/sonar",
            "openrouter/perplexity/Sonar-Pro",
            "openrouter/perplexity/llama-3.1-sonar-large-128k-online",
            "openai/o3-deep-research",
            "groq/compound-beta",
            "openrouter/groq/compound",
            "groq/groq/compound-mini",
        ] {
            assert!(searches_by_itself(model), "{model}");
        }
        for model in [
            "openai/gpt-4o-mini",
            "openrouter/openai/gpt-4o:free",
            "openrouter/anthropic/claude-sonnet-4.5:thinking",
            "perplexity/r1-1776",
            "groq/llama-3.3-70b-versatile",
            "ollama/qwen3:8b",
        ] {
            assert!(!searches_by_itself(model), "{model}");
        }
    }

    #[test]
    fn settings_that_nobody_knows_are_told_where_they_stand() {
        let google = |inner: Value| json!({ "messages": [], "extra_body": { "google": inner } });
        for (body, key) in [
            (google(json!({ "cached_content": "c" })), "extra_body.google.cached_content"),
            (google(json!({ "tools": [] })), "extra_body.google.tools"),
            (json!({ "messages": [], "google": { "cachedContent": "c" } }), "google.cachedContent"),
            (json!({ "messages": [], "extra_body": { "enable_search": true } }), "extra_body.enable_search"),
            (json!({ "messages": [], "extra_body": { "extra_body": { "tools": [] } } }), "extra_body.extra_body.tools"),
            // These would go past the limit of tokens, or to another model.
            (json!({ "messages": [], "extra_body": { "max_tokens": 100_000 } }), "extra_body.max_tokens"),
            (json!({ "messages": [], "max_output_tokens": 100_000 }), "max_output_tokens"),
            (json!({ "messages": [], "best_of": 20 }), "best_of"),
            (json!({ "messages": [], "models": ["a/dear-one"] }), "models"),
            (json!({ "messages": [], "extra_body": "all" }), "extra_body"),
            (json!({ "messages": [], "google": ["x"] }), "google"),
            (json!({ "messages": [], "dataSources": [{ "type": "azure_search" }] }), "dataSources"),
            (json!({ "messages": [], "web_search": { "enable": true } }), "web_search"),
            (json!({ "messages": [], "modalities": ["text", "audio"] }), "modalities"),
            (json!({ "messages": [], "not_there\nyet": 1 }), "not_thereyet"),
        ] {
            assert_eq!(unseen_input(&decoded(Api::OpenAiChat, body)).as_deref(), Some(key));
        }
        let images = json!({ "contents": [], "generationConfig": { "responseModalities": ["IMAGE"] } });
        assert_eq!(unseen_input(&decoded(Api::Gemini, images)).as_deref(), Some("generationConfig.responseModalities"));
        let fast = json!({ "max_tokens": 1, "messages": [], "speed": "fast" });
        assert_eq!(unseen_input(&decoded(Api::AnthropicMessages, fast)).as_deref(), Some("speed"));

        for (api, body) in [
            (Api::OpenAiChat, google(json!({ "thinking_config": { "thinking_budget": 800 } }))),
            (Api::OpenAiChat, google(Value::Null)),
            (Api::OpenAiChat, json!({ "messages": [], "enable_search": false, "plugins": null })),
            (
                Api::OpenAiChat,
                json!({ "messages": [], "reasoning_effort": "low", "logit_bias": {}, "extra_body": { "top_k": 5 } }),
            ),
            (Api::OpenAiChat, json!({ "messages": [], "stream": true, "stream_options": { "include_usage": true } })),
            (Api::OpenAiResponses, json!({ "input": "q", "text": { "verbosity": "low" }, "reasoning": { "effort": "low" } })),
            (
                Api::AnthropicMessages,
                json!({ "max_tokens": 1, "messages": [], "thinking": { "type": "enabled" }, "output_config": { "effort": "low" } }),
            ),
            (
                Api::Gemini,
                json!({ "contents": [], "safetySettings": [], "generationConfig": { "thinkingConfig": {}, "temperature": 1 } }),
            ),
        ] {
            assert_eq!(unseen_input(&decoded(api, body.clone())), None, "{body}");
        }
    }

    #[test]
    fn what_is_only_named_is_told() {
        for (api, body, key) in [
            (Api::OpenAiResponses, json!({ "input": "q", "previous_response_id": "r" }), "previous_response_id"),
            (Api::OpenAiResponses, json!({ "input": "q", "conversation": "c" }), "conversation"),
            (
                Api::OpenAiResponses,
                json!({ "input": [{ "role": "user", "content": [{ "type": "input_file", "file_id": "f" }] }] }),
                "file_id",
            ),
            (Api::Gemini, json!({ "contents": [{ "role": "user", "parts": [{ "fileData": { "fileUri": "u" } }] }] }), "fileUri"),
            (Api::OpenAiResponses, json!({ "input": "q", "tools": [{ "type": "web_search" }] }), "tools"),
            (
                Api::AnthropicMessages,
                json!({ "max_tokens": 1, "messages": [], "tools": [{ "type": "web_search_20250305", "name": "web_search" }] }),
                "tools",
            ),
            (Api::Gemini, json!({ "contents": [], "tools": [{ "googleSearch": {} }] }), "tools"),
            (Api::AnthropicMessages, json!({ "max_tokens": 1, "messages": [], "mcp_servers": [{ "url": "u" }] }), "mcp_servers"),
            (Api::OpenAiChat, json!({ "messages": [], "web_search_options": {} }), "web_search_options"),
            (Api::OpenAiChat, json!({ "messages": [], "plugins": [{ "id": "web" }] }), "plugins"),
            (Api::OpenAiChat, json!({ "messages": [], "search_parameters": { "mode": "auto" } }), "search_parameters"),
            (Api::OpenAiChat, json!({ "messages": [], "data_sources": [{ "type": "azure_search" }] }), "data_sources"),
            (Api::OpenAiChat, json!({ "messages": [], "enable_search": true }), "enable_search"),
            (Api::OpenAiChat, json!({ "messages": [], "search_settings": {} }), "search_settings"),
            (Api::OpenAiChat, json!({ "messages": [], "compound_custom": { "tools": {} } }), "compound_custom"),
            (
                Api::OpenAiResponses,
                json!({ "input": "q", "tools": [{ "type": "shell", "environment": { "type": "container_auto" } }] }),
                "tools",
            ),
            // Where a shell stands that does not say is for the provider to choose, and OpenRouter runs all of them itself.
            (Api::OpenAiResponses, json!({ "input": "q", "tools": [{ "type": "shell" }] }), "tools"),
            (Api::OpenAiResponses, json!({ "input": "q", "tools": [{ "type": "shell", "environment": null }] }), "tools"),
            (
                Api::OpenAiResponses,
                json!({ "input": "q", "tools": [{ "type": "shell", "environment": { "type": "container_reference", "container_id": "c" } }] }),
                "tools",
            ),
            (Api::Gemini, json!({ "contents": [], "tools": [{ "functionDeclarations": [], "codeExecution": {} }] }), "tools"),
        ] {
            assert_eq!(unseen_input(&decoded(api, body)).as_deref(), Some(key));
        }
        let plain = json!({ "input": [{ "role": "user", "content": [{ "type": "input_text", "text": "file_id" }] }] });
        assert_eq!(unseen_input(&decoded(Api::OpenAiResponses, plain)), None);
        let tools = json!([{ "type": "custom", "name": "sql" }, { "type": "function", "name": "f", "parameters": {} }]);
        let own = json!({ "input": "q", "tools": tools });
        assert_eq!(unseen_input(&decoded(Api::OpenAiResponses, own)), None, "the caller runs these");
        let off = json!({ "messages": [], "enable_search": false });
        assert_eq!(unseen_input(&decoded(Api::OpenAiChat, off)), None, "nothing is searched");
    }

    #[test]
    fn tools_that_the_caller_runs_are_seen_whoever_describes_them() {
        let anthropic = |kind: &str| {
            let tools = json!([{ "type": kind, "name": "x" }]);
            (Api::AnthropicMessages, json!({ "max_tokens": 1, "messages": [], "tools": tools }))
        };
        let responses = |tool: Value| (Api::OpenAiResponses, json!({ "input": "q", "tools": [tool] }));
        let gemini = |tool: Value| (Api::Gemini, json!({ "contents": [], "tools": [tool] }));
        for (api, body) in [
            anthropic("bash_20250124"),
            anthropic("text_editor_20250728"),
            anthropic("computer_20250124"),
            anthropic("memory_20250818"),
            responses(json!({ "type": "local_shell" })),
            responses(json!({ "type": "shell", "environment": { "type": "local" } })),
            responses(json!({ "type": "apply_patch" })),
            responses(json!({ "type": "computer_use_preview", "environment": "browser" })),
            // Its description is no text, so that nobody reads it as a function.
            responses(json!({ "type": "function", "name": "f", "description": 7 })),
            gemini(json!({ "functionDeclarations": [{ "name": "f", "description": 7 }] })),
            gemini(json!({ "computerUse": { "environment": "ENVIRONMENT_BROWSER" } })),
        ] {
            let request = decoded(api, body.clone());
            assert!(matches!(request.tools.as_slice(), [Tool::Native(_)]), "{body}");
            assert_eq!(unseen_input(&request), None, "{body}");
            assert!(estimate_input_tokens(&request, TokenEstimate::SURE) > 2 * 1024, "its description is read: {body}");
        }
    }
}
