//! How many tokens a request may have, told before it is sent and without the model's own tokenizer.

use std::num::NonZeroU32;

use serde_json::Value;

use crate::chat::{ChatRequest, Content, Extra, ImagePart, Message, Part, Tool};

/// Tokens that a provider puts around each message.
const PER_MESSAGE: u64 = 16;
/// Tokens that a provider puts before the tools, where there are any, and in the place of each that it describes itself.
const FOR_TOOLS: u64 = 1024;
/// The most tokens that a model may count for a picture, by the beginning of its name: at low detail, and otherwise. The first that fits counts.
///
/// OpenAI divides a picture into tiles, and `gpt-4o-mini` counts each as 33 of another model's; newer models count patches, as Anthropic and Gemini count areas.
const PICTURES: [(&str, u64, u64); 3] = [("gpt-4o-mini", 2_833, 48_169), ("gpt-4o", 85, 1_445), ("gemini", 4_128, 4_128)];
/// The same for all other models.
const PER_PICTURE: (u64, u64) = (5_120, 5_120);

/// The most tokens that `model` may count for a picture.
fn picture_tokens(model: Option<&str>, picture: &ImagePart) -> u64 {
    // Gateways put their own prefix before a model's name.
    let name = model.map(|model| model.rsplit('/').next().unwrap_or(model)).unwrap_or_default();
    let known = PICTURES.iter().find(|(beginning, ..)| name.starts_with(beginning));
    let (low, high) = known.map_or(PER_PICTURE, |(_, low, high)| (*low, *high));
    if picture.detail.as_deref() == Some("low") { low } else { high }
}

/// How a request's tokens are estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenEstimate {
    /// So many bytes of text are one token. With 1 the estimate of text is never too low, for no token is shorter; English has about 4.
    pub bytes_per_token: NonZeroU32,
}

impl TokenEstimate {
    /// Never too low for text.
    pub const SURE: Self = Self { bytes_per_token: NonZeroU32::MIN };
    /// About right for English.
    pub const LIKELY: Self = Self {
        bytes_per_token: match NonZeroU32::new(4) {
            Some(four) => four,
            None => NonZeroU32::MIN,
        },
    };
}

impl Default for TokenEstimate {
    fn default() -> Self {
        Self::SURE
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn json_length(value: &impl serde::Serialize) -> u64 {
    serde_json::to_vec(value).map_or(u64::MAX, |bytes| length(bytes.len()))
}

/// Keys beside those that have a place of their own; nothing where there are none.
fn extra_length(extra: &Extra) -> u64 {
    if extra.is_empty() { 0 } else { json_length(extra) }
}

/// Bytes of text of one message, and tokens of its pictures.
fn message_size(message: &Message, model: Option<&str>) -> (u64, u64) {
    let (text, pictures) = match &message.content {
        None => (0, 0),
        Some(Content::Text(text)) => (length(text.len()), 0),
        Some(Content::Parts(parts)) => parts.iter().fold((0_u64, 0_u64), |(text, pictures), part| match part {
            Part::Text(part) => {
                (text.saturating_add(length(part.text.len())).saturating_add(extra_length(&part.extra)), pictures)
            }
            Part::Image(part) => {
                (text.saturating_add(extra_length(&part.extra)), pictures.saturating_add(picture_tokens(model, part)))
            }
            Part::Native(native) => (text.saturating_add(json_length(native)), pictures),
        }),
    };
    let calls = if message.tool_calls.is_empty() { 0 } else { json_length(&message.tool_calls) };
    let name = message.name.as_ref().map_or(0, |name| length(name.len()));
    (text.saturating_add(calls).saturating_add(name).saturating_add(extra_length(&message.extra)), pictures)
}

/// What the model reads and the request only names, so that nobody can tell its tokens before: the key that names it. What the provider's own tools
/// find is read too, and most of them are charged for beside that.
pub(super) fn unseen_input(request: &ChatRequest) -> Option<&'static str> {
    const KEPT: [&str; 13] = [
        "conversation",
        "prompt",
        "cachedContent",
        "cached_content",
        "container",
        "mcp_servers",
        "web_search_options",
        "plugins",
        // Of xAI, Azure, DashScope, and Groq.
        "search_parameters",
        "data_sources",
        "enable_search",
        "search_settings",
        "compound_custom",
    ];
    const FILES: [&str; 4] = ["file_id", "file_url", "fileUri", "file_uri"];
    fn names(value: &Value, key: &str) -> bool {
        match value {
            Value::Object(map) => {
                map.get(key).is_some_and(|value| !value.is_null()) || map.values().any(|inner| names(inner, key))
            }
            Value::Array(items) => items.iter().any(|inner| names(inner, key)),
            _ => false,
        }
    }
    if request.previous_response_id.is_some() {
        return Some("previous_response_id");
    }
    if request.tools.iter().any(Tool::is_run_by_provider) {
        return Some("tools");
    }
    let is_kept = |key: &&str| request.extra.get(*key).is_some_and(|value| !matches!(value, Value::Null | Value::Bool(false)));
    let parts = || {
        request.messages.iter().flat_map(|message| match &message.content {
            Some(Content::Parts(parts)) => parts.as_slice(),
            _ => &[],
        })
    };
    let is_file = |key: &&str| {
        parts().any(
            |part| matches!(part, Part::Native(part) if part.contains_key(*key) || part.values().any(|value| names(value, key))),
        )
    };
    KEPT.into_iter().find(is_kept).or_else(|| FILES.into_iter().find(is_file))
}

/// Whether a request asks its provider to keep a part of it for longer than usual, which costs more: `cache_control` with a `ttl` of an hour, anywhere.
pub(super) fn keeps_for_long(request: &ChatRequest) -> bool {
    fn asks(value: &Value) -> bool {
        match value {
            Value::Object(map) => {
                map.get("cache_control").and_then(|control| control.get("ttl")).is_some_and(|ttl| ttl == "1h")
                    || map.values().any(asks)
            }
            Value::Array(items) => items.iter().any(asks),
            _ => false,
        }
    }
    serde_json::to_value(request).is_ok_and(|request| asks(&request))
}

/// The tokens that a request may have: its text, its pictures, its tools, and what providers put around them.
pub fn estimate_input_tokens(request: &ChatRequest, by: TokenEstimate) -> u64 {
    let tools = if request.tools.is_empty() { 0 } else { json_length(&request.tools) };
    let format = request.response_format.as_ref().map_or(0, json_length);
    let mut bytes = tools.saturating_add(format).saturating_add(extra_length(&request.extra));
    let described = request.tools.iter().filter(|tool| matches!(tool, Tool::Native(_))).count();
    let mut around = if request.tools.is_empty() { 0 } else { FOR_TOOLS.saturating_mul(length(described).saturating_add(1)) };
    for message in &request.messages {
        let (text, pictures) = message_size(message, request.model.as_deref());
        bytes = bytes.saturating_add(text);
        around = around.saturating_add(PER_MESSAGE).saturating_add(pictures);
    }
    bytes.div_ceil(u64::from(by.bytes_per_token.get())).saturating_add(around)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Api;
    use serde_json::json;

    #[test]
    fn everything_that_is_sent_counts() {
        let mut request = ChatRequest::new("m", vec![Message::user("x".repeat(400))]);
        assert_eq!(estimate_input_tokens(&request, TokenEstimate::SURE), 416);
        assert_eq!(estimate_input_tokens(&request, TokenEstimate::LIKELY), 116);
        request.tools.push(Tool::function("f", None, json!({})));
        assert!(estimate_input_tokens(&request, TokenEstimate::SURE) > 416 + 1024);
        let parts = json!({ "role": "user", "content": [{ "type": "text", "text": "ab" }, { "type": "image_url", "image_url": { "url": "data:x" } }] });
        let picture = ChatRequest::new("m", vec![serde_json::from_value(parts).unwrap()]);
        assert_eq!(estimate_input_tokens(&picture, TokenEstimate::SURE), 2 + 16 + 5_120);
    }

    #[test]
    fn a_picture_counts_as_its_model_counts_it() {
        let of = |model: &str, detail: Option<&str>| {
            picture_tokens(Some(model), &ImagePart { detail: detail.map(str::to_owned), ..ImagePart::default() })
        };
        assert_eq!((of("gpt-4o-mini", None), of("gpt-4o-mini-2024-07-18", Some("low"))), (48_169, 2_833));
        assert_eq!((of("gpt-4o", Some("high")), of("openai/gpt-4o", Some("low"))), (1_445, 85));
        assert_eq!(
            (of("gemini-2.5-flash", None), of("claude-haiku-4-5", None), picture_tokens(None, &ImagePart::default())),
            (4_128, 5_120, 5_120)
        );
    }

    #[test]
    fn what_is_kept_for_an_hour_is_seen_wherever_it_stands() {
        let block = |ttl: &str| json!({ "type": "text", "text": "x", "cache_control": { "type": "ephemeral", "ttl": ttl } });
        let request = |ttl: &str| {
            decoded(Api::AnthropicMessages, json!({ "model": "m", "max_tokens": 1, "system": [block(ttl)], "messages": [] }))
        };
        assert!(keeps_for_long(&request("1h")) && !keeps_for_long(&request("5m")));
    }

    fn decoded(api: Api, body: Value) -> ChatRequest {
        api.protocol().decode(&crate::chat::RawRequest::new(body)).unwrap()
    }

    #[test]
    fn text_under_keys_of_one_provider_counts_too() {
        let text = "x".repeat(10_000);
        for body in [
            json!({ "messages": [{ "role": "assistant", "content": "a", "reasoning_content": text }] }),
            json!({ "messages": [{ "role": "assistant", "refusal": text }] }),
            json!({ "messages": [{ "role": "user", "content": [{ "type": "text", "text": "a", "x": text }] }] }),
            json!({ "messages": [], "functions": [{ "name": "f", "description": text }] }),
            json!({ "messages": [], "prompt": text }),
        ] {
            assert!(estimate_input_tokens(&decoded(Api::OpenAiChat, body), TokenEstimate::SURE) > 10_000);
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
            (Api::Gemini, json!({ "contents": [], "tools": [{ "functionDeclarations": [], "codeExecution": {} }] }), "tools"),
        ] {
            assert_eq!(unseen_input(&decoded(api, body)), Some(key));
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
            responses(json!({ "type": "shell" })),
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
            assert!(estimate_input_tokens(&request, TokenEstimate::SURE) > 2 * FOR_TOOLS, "its description is read: {body}");
        }
    }
}
