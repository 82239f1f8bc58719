//! Messages of Anthropic: blocks.

use serde_json::{Map, Value, json};

use super::API;
use crate::chat::{Content, Extra, FunctionCall, Message, Part, Role, TextPart, ToolCall};
use crate::codec::CodecError;
use crate::codec::blocks::{answered_call, arguments, data_url, image, parts, refuse_unsaid, to_data_url};

/// The system instructions: text, or blocks of text.
pub(super) fn read_system(system: &Value) -> Result<Message, CodecError> {
    match system {
        Value::String(text) => Ok(Message::system(text.as_str())),
        Value::Array(blocks) => Ok(Message::system(Content::Parts(read_parts(blocks, "system")?))),
        _ => Err(CodecError::request("system", "text or an array of blocks")),
    }
}

/// Several instructions become one: texts with a blank line between them, blocks one after the other.
pub(super) fn write_system(messages: &[Message]) -> Option<Value> {
    let contents = || messages.iter().filter_map(|message| message.content.as_ref());
    let texts = contents().map(|content| match content {
        Content::Text(text) => Some(text.as_str()),
        Content::Parts(_) => None,
    });
    match texts.collect::<Option<Vec<_>>>() {
        Some(texts) if texts.is_empty() => None,
        Some(texts) => Some(Value::String(texts.join("\n\n"))),
        None => Some(contents().flat_map(|content| parts(Some(content))).map(|part| write_part(&part)).collect()),
    }
}

/// The messages of each element.
pub(super) fn read_messages(raw: &[Value]) -> Result<Vec<Vec<Message>>, CodecError> {
    raw.iter().enumerate().map(|(index, value)| read_message(index, value)).collect()
}

fn read_message(index: usize, value: &Value) -> Result<Vec<Message>, CodecError> {
    let path = || format!("messages[{index}]");
    let mut map = value.as_object().cloned().ok_or_else(|| CodecError::request(path(), "an object"))?;
    let Some(Value::String(role)) = map.shift_remove("role") else {
        return Err(CodecError::request(format!("{}.role", path()), "text"));
    };
    let role = Role::from(role);
    let mut messages = match map.shift_remove("content") {
        Some(Value::String(text)) => vec![Message::new(role, text)],
        Some(Value::Array(blocks)) if role == Role::User => read_user(&blocks, &path())?,
        Some(Value::Array(blocks)) => vec![read_assistant(role, &blocks, &path())?],
        _ => return Err(CodecError::request(format!("{}.content", path()), "text or an array of blocks")),
    };
    if let Some(first) = messages.first_mut() {
        first.extra.extend(map);
    }
    Ok(messages)
}

fn block_type(block: &Value) -> Option<&str> {
    block.get("type").and_then(Value::as_str)
}

/// A user's message: results of tools are messages of their own.
fn read_user(blocks: &[Value], path: &str) -> Result<Vec<Message>, CodecError> {
    let mut messages = Vec::new();
    for run in blocks.chunk_by(|a, b| block_type(a) != Some("tool_result") && block_type(b) != Some("tool_result")) {
        match run {
            [block] if block_type(block) == Some("tool_result") => messages.push(read_result(block, path)?),
            run => messages.push(Message::user(Content::Parts(read_parts(run, path)?))),
        }
    }
    if messages.is_empty() {
        messages.push(Message::user(Content::Parts(Vec::new())));
    }
    Ok(messages)
}

fn read_result(block: &Value, path: &str) -> Result<Message, CodecError> {
    let mut map = block.as_object().cloned().unwrap_or_default();
    map.shift_remove("type");
    let Some(Value::String(id)) = map.shift_remove("tool_use_id") else {
        return Err(CodecError::request(format!("{path}.content.tool_use_id"), "text"));
    };
    let content = match map.shift_remove("content") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(Content::Text(text)),
        Some(Value::Array(blocks)) => Some(Content::Parts(read_parts(&blocks, path)?)),
        Some(_) => return Err(CodecError::request(format!("{path}.content.content"), "text or an array of blocks")),
    };
    Ok(Message { role: Role::Tool, content, name: None, tool_calls: Vec::new(), tool_call_id: Some(id), extra: map })
}

fn read_assistant(role: Role, blocks: &[Value], path: &str) -> Result<Message, CodecError> {
    let (calls, others): (Vec<_>, Vec<_>) = blocks.iter().cloned().partition(|block| block_type(block) == Some("tool_use"));
    let parts = read_parts(&others, path)?;
    let call = |block: Value| {
        let Value::Object(mut map) = block else { return None };
        map.shift_remove("type");
        let (id, name, input) = (map.shift_remove("id")?, map.shift_remove("name")?, map.shift_remove("input")?);
        let arguments = input.as_object()?;
        let function = FunctionCall {
            name: name.as_str()?.to_owned(),
            arguments: Value::Object(arguments.clone()).to_string(),
            extra: Extra::new(),
        };
        Some(ToolCall { id: id.as_str()?.to_owned(), kind: "function".to_owned(), function, extra: map })
    };
    let calls = calls.into_iter().map(call).collect::<Option<Vec<_>>>();
    let tool_calls = calls.ok_or_else(|| CodecError::request(format!("{path}.content"), "made of valid `tool_use` blocks"))?;
    let content = (!parts.is_empty() || tool_calls.is_empty()).then_some(Content::Parts(parts));
    Ok(Message { role, content, name: None, tool_calls, tool_call_id: None, extra: Extra::new() })
}

fn read_parts(blocks: &[Value], path: &str) -> Result<Vec<Part>, CodecError> {
    let read = |block: &Value| match block {
        Value::Object(map) => Ok(read_part(map)),
        _ => Err(CodecError::request(format!("{path}.content"), "an array of objects")),
    };
    blocks.iter().map(read).collect()
}

fn read_part(map: &Map<String, Value>) -> Part {
    if map.get("type").and_then(Value::as_str) == Some("image") {
        let source = map.get("source").and_then(Value::as_object);
        let text = |key: &str| source.and_then(|source| source.get(key)).and_then(Value::as_str);
        let url = match (text("type"), source.map(Map::len)) {
            (Some("base64"), Some(3)) => text("media_type").zip(text("data")).map(|(media, data)| to_data_url(media, data)),
            (Some("url"), Some(2)) => text("url").filter(|url| data_url(url).is_none()).map(str::to_owned),
            _ => None,
        };
        if let Some(url) = url {
            let mut extra = map.clone();
            extra.shift_remove("type");
            extra.shift_remove("source");
            return image(url, extra);
        }
        return Part::Native(map.clone());
    }
    Part::from(map.clone())
}

fn write_part(part: &Part) -> Value {
    match part {
        Part::Image(part) => {
            let source = match data_url(&part.url) {
                Some((media_type, data)) => json!({ "type": "base64", "media_type": media_type, "data": data }),
                None => json!({ "type": "url", "url": part.url }),
            };
            let mut map = Map::new();
            map.insert("type".to_owned(), json!("image"));
            map.insert("source".to_owned(), source);
            map.extend(part.extra.clone());
            Value::Object(map)
        }
        Part::Text(TextPart { .. }) | Part::Native(_) => Value::Object(part.clone().into()),
    }
}

fn write_content(content: &Content) -> Value {
    match content {
        Content::Text(text) => json!(text),
        Content::Parts(parts) => parts.iter().map(write_part).collect(),
    }
}

/// The elements for `messages`, the first of which stands at `start`. Results of tools that follow each other share one element, as the
/// protocol demands for tools of one answer.
pub(super) fn write_messages(start: usize, messages: &[Message]) -> Result<Vec<Value>, CodecError> {
    refuse_unsaid(API, messages, false)?;
    let mut out: Vec<Value> = Vec::new();
    let mut results: Vec<Value> = Vec::new();
    for (index, message) in (start..).zip(messages) {
        if message.role == Role::Tool {
            results.push(write_result(message, index)?);
            continue;
        }
        flush(&mut out, &mut results);
        if message.role.is_instruction() {
            return Err(CodecError::Unsupported { api: API, feature: "system instructions in the middle of a conversation" });
        }
        out.push(write_message(message, index)?);
    }
    flush(&mut out, &mut results);
    Ok(out)
}

fn flush(out: &mut Vec<Value>, results: &mut Vec<Value>) {
    if !results.is_empty() {
        out.push(json!({ "role": "user", "content": std::mem::take(results) }));
    }
}

fn write_result(message: &Message, index: usize) -> Result<Value, CodecError> {
    let mut map = Map::new();
    map.insert("type".to_owned(), json!("tool_result"));
    map.insert("tool_use_id".to_owned(), json!(answered_call(message, index)?));
    map.extend(message.content.as_ref().map(|content| ("content".to_owned(), write_content(content))));
    map.extend(message.extra.clone());
    Ok(Value::Object(map))
}

fn write_message(message: &Message, index: usize) -> Result<Value, CodecError> {
    let content = if message.tool_calls.is_empty() {
        let content = message.content.as_ref();
        content.map(write_content).ok_or_else(|| CodecError::request(format!("messages[{index}].content"), "text or parts"))?
    } else {
        // An empty text, as other protocols put it beside calls, is refused as a block.
        let said = message.content.as_ref().filter(|content| **content != Content::Text(String::new()));
        let mut blocks: Vec<Value> = parts(said).iter().map(write_part).collect();
        for (place, call) in message.tool_calls.iter().enumerate() {
            let mut map = Map::new();
            map.insert("type".to_owned(), json!("tool_use"));
            map.insert("id".to_owned(), json!(call.id));
            map.insert("name".to_owned(), json!(call.function.name));
            map.insert("input".to_owned(), arguments(call, index, place)?);
            map.extend(call.extra.clone());
            blocks.push(Value::Object(map));
        }
        Value::Array(blocks)
    };
    let mut map = Map::new();
    map.insert("role".to_owned(), json!(message.role.as_str()));
    map.insert("content".to_owned(), content);
    map.extend(message.extra.clone());
    Ok(Value::Object(map))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_of_several_messages_become_one() {
        let two = [Message::system("a"), Message::system("b")];
        assert_eq!(write_system(&two), Some(json!("a\n\nb")));
        assert_eq!(write_system(&[]), None);
    }
}
