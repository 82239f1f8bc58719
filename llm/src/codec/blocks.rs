//! Pieces that several protocols share when they write messages.

use serde_json::{Map, Value};

use super::CodecError;
use crate::chat::{Content, ImagePart, Message, Part, Role, ToolCall};

/// The data of a `data:` URL in base64: its media type and its text.
pub(super) fn data_url(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("data:")?.split_once(";base64,")
}

/// The other way round.
pub(super) fn to_data_url(media_type: &str, data: &str) -> String {
    format!("data:{media_type};base64,{data}")
}

/// A picture at `url`.
pub(super) fn image(url: String, extra: Map<String, Value>) -> Part {
    Part::Image(ImagePart { url, detail: None, extra })
}

/// The texts of a content that is nothing but plain text, with `between` between its parts.
pub(super) fn plain_text(content: &Content, between: &str) -> Option<String> {
    match content {
        Content::Text(text) => Some(text.clone()),
        Content::Parts(parts) => {
            let texts = parts.iter().map(|part| match part {
                Part::Text(part) if part.extra.is_empty() => Some(part.text.as_str()),
                _ => None,
            });
            texts.collect::<Option<Vec<_>>>().map(|texts| texts.join(between))
        }
    }
}

/// The arguments of a call in a conversation as an object; nothing written means none.
pub(super) fn arguments(call: &ToolCall, message: usize, place: usize) -> Result<Value, CodecError> {
    let text = call.function.arguments.trim();
    if text.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_str(text).ok().filter(Value::is_object).ok_or_else(|| {
        CodecError::request(format!("messages[{message}].tool_calls[{place}].function.arguments"), "the text of a JSON object")
    })
}

/// The parts of a content, in order.
pub(super) fn parts(content: Option<&Content>) -> Vec<Part> {
    match content {
        None => Vec::new(),
        Some(Content::Text(text)) => vec![Part::from_text(text)],
        Some(Content::Parts(parts)) => parts.clone(),
    }
}

/// Refuses what a protocol has no word for in any message: who of several speaks, and, unless it has `detail`, how closely to look at a picture. (A
/// result of a tool may name its tool, which every protocol knows by the call.)
pub(super) fn refuse_unsaid(api: &'static str, messages: &[Message], detail: bool) -> Result<(), CodecError> {
    let unsupported = |feature| Err(CodecError::Unsupported { api, feature });
    for message in messages {
        if message.name.is_some() && message.role != Role::Tool {
            return unsupported("the name of a speaker");
        }
        let looks = |part: &Part| matches!(part, Part::Image(ImagePart { detail: Some(detail), .. }) if detail != "auto");
        if !detail && matches!(&message.content, Some(Content::Parts(parts)) if parts.iter().any(looks)) {
            return unsupported("how closely to look at a picture");
        }
    }
    Ok(())
}

/// The call that `message` answers.
pub(super) fn answered_call(message: &Message, index: usize) -> Result<&str, CodecError> {
    message.tool_call_id.as_deref().ok_or_else(|| CodecError::request(format!("messages[{index}].tool_call_id"), "text"))
}
