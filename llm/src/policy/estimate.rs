//! How many tokens a request may have, told before it is sent and without the model's own tokenizer.

use std::num::NonZeroU32;

use serde_json::{Map, Value};

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

/// How many pictures stand in the provider's own shape here.
fn pictures_in(map: &Map<String, Value>) -> u64 {
    fn in_value(value: &Value) -> u64 {
        match value {
            Value::String(text) => {
                let begins =
                    |beginning: &str| text.get(..beginning.len()).is_some_and(|head| head.eq_ignore_ascii_case(beginning));
                u64::from(begins("image/") || begins("data:image/"))
            }
            Value::Array(items) => items.iter().map(in_value).fold(0, u64::saturating_add),
            Value::Object(map) => pictures_in(map),
            _ => 0,
        }
    }
    map.values().map(in_value).fold(0, u64::saturating_add)
}

/// Bytes of text of one message, and tokens of its pictures.
fn message_size(message: &Message, model: Option<&str>) -> (u64, u64) {
    let native_pictures =
        |map: &Map<String, Value>| pictures_in(map).saturating_mul(picture_tokens(model, &ImagePart::default()));
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
            Part::Native(native) => (text.saturating_add(json_length(native)), pictures.saturating_add(native_pictures(native))),
        }),
    };
    let calls = if message.tool_calls.is_empty() { 0 } else { json_length(&message.tool_calls) };
    let name = message.name.as_ref().map_or(0, |name| length(name.len()));
    (
        text.saturating_add(calls).saturating_add(name).saturating_add(extra_length(&message.extra)),
        pictures.saturating_add(native_pictures(&message.extra)),
    )
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
        let own = json!({ "messages": [{ "role": "user", "content": [{ "type": "image_url", "image_url": "data:image/png;base64,AA==" }] }] });
        assert!(
            estimate_input_tokens(&decoded(Api::OpenAiChat, own), TokenEstimate::SURE) > 5_120,
            "a picture in a shape of its own"
        );
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
}
