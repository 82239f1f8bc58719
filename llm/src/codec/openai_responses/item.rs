//! Items of OpenAI Responses.

use serde_json::{Map, Value, json};

use super::API;
use crate::chat::thinking::{BEFORE_CALL, Thinker};
use crate::chat::{Content, Extra, Message, Part, Role, ToolCall};
use crate::codec::CodecError;
use crate::codec::blocks::{answered_call, image, refuse_unsaid};

/// The messages of each item: always one.
pub(super) fn read_items(items: &[Value]) -> Result<Vec<Vec<Message>>, CodecError> {
    items.iter().enumerate().map(|(index, item)| read_item(index, item).map(|message| vec![message])).collect()
}

fn read_item(index: usize, item: &Value) -> Result<Message, CodecError> {
    let map = item.as_object().ok_or_else(|| CodecError::request(format!("input[{index}]"), "an object"))?;
    let read = match map.get("type").and_then(Value::as_str) {
        None | Some("message") if map.contains_key("role") => read_message(map),
        Some("function_call") => read_call(map),
        Some("function_call_output") => read_output(map),
        kind => {
            let role = Role::Other(kind.unwrap_or("item").to_owned());
            return Ok(native(role, map.clone()));
        }
    };
    read.ok_or_else(|| CodecError::request(format!("input[{index}]"), "a valid item"))
}

fn native(role: Role, map: Map<String, Value>) -> Message {
    Message::new(role, Content::Parts(vec![Part::Native(map)]))
}

fn take_text(map: &mut Map<String, Value>, key: &str) -> Option<String> {
    match map.shift_remove(key) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn read_message(map: &Map<String, Value>) -> Option<Message> {
    let mut rest = map.clone();
    rest.shift_remove("type");
    let role = Role::from(take_text(&mut rest, "role")?);
    let content = read_content(&rest.shift_remove("content")?)?;
    Some(Message { extra: rest, ..Message::new(role, content) })
}

/// The item's own identifier and status are kept with the message: `id` of the call is what its output refers to.
fn read_call(map: &Map<String, Value>) -> Option<Message> {
    let mut rest = map.clone();
    rest.shift_remove("type");
    let (id, name) = (take_text(&mut rest, "call_id")?, take_text(&mut rest, "name")?);
    let arguments = take_text(&mut rest, "arguments")?;
    let call = ToolCall::function(id, name, arguments);
    Some(Message { role: Role::Assistant, content: None, name: None, tool_calls: vec![call], tool_call_id: None, extra: rest })
}

fn read_output(map: &Map<String, Value>) -> Option<Message> {
    let mut rest = map.clone();
    rest.shift_remove("type");
    let id = take_text(&mut rest, "call_id")?;
    let content = read_content(&rest.shift_remove("output")?)?;
    Some(Message { extra: rest, ..Message::tool(id, content) })
}

fn read_content(value: &Value) -> Option<Content> {
    match value {
        Value::String(text) => Some(Content::Text(text.clone())),
        Value::Array(parts) => {
            parts.iter().map(|part| part.as_object().map(read_part)).collect::<Option<_>>().map(Content::Parts)
        }
        _ => None,
    }
}

fn read_part(map: &Map<String, Value>) -> Part {
    let mut rest = map.clone();
    match map.get("type").and_then(Value::as_str) {
        Some("input_text" | "output_text") => match rest.shift_remove("text") {
            Some(Value::String(text)) => {
                rest.shift_remove("type");
                let mut part = Part::from_text(text);
                if let Part::Text(part) = &mut part {
                    part.extra = rest;
                }
                part
            }
            _ => Part::Native(map.clone()),
        },
        Some("input_image") => {
            let detail = rest.shift_remove("detail");
            match (rest.shift_remove("image_url"), detail) {
                (Some(Value::String(url)), detail @ (None | Some(Value::String(_)))) => {
                    rest.shift_remove("type");
                    let mut part = image(url, rest);
                    if let Part::Image(part) = &mut part {
                        part.detail = detail.and_then(|detail| detail.as_str().map(str::to_owned));
                    }
                    part
                }
                _ => Part::Native(map.clone()),
            }
        }
        _ => Part::Native(map.clone()),
    }
}

/// The items for these messages, the first of which stands at `start`.
pub(super) fn write_items(start: usize, messages: &[Message]) -> Result<Vec<Value>, CodecError> {
    refuse_unsaid(API, messages, true)?;
    let mut items = Vec::new();
    for (index, message) in (start..).zip(messages) {
        write_item(&mut items, message, index)?;
    }
    Ok(items)
}

fn write_item(items: &mut Vec<Value>, message: &Message, index: usize) -> Result<(), CodecError> {
    if let (Role::Other(_), Some(Content::Parts(parts))) = (&message.role, &message.content)
        && let [Part::Native(item)] = parts.as_slice()
    {
        items.push(Value::Object(item.clone()));
        return Ok(());
    }
    if message.role == Role::Tool {
        let mut map = Map::new();
        map.insert("type".to_owned(), json!("function_call_output"));
        map.insert("call_id".to_owned(), json!(answered_call(message, index)?));
        let output = message.content.as_ref().map_or_else(|| json!(""), |content| write_content(content, "input_text"));
        map.insert("output".to_owned(), output);
        map.extend(message.extra.clone());
        items.push(Value::Object(map));
        return Ok(());
    }
    let mut extra = message.extra.clone();
    // An assistant's empty text beside its calls says nothing.
    let silent = !message.tool_calls.is_empty() && message.content == Some(Content::Text(String::new()));
    match &message.content {
        Some(Content::Parts(parts)) if parts.iter().any(is_reasoning) => {
            for run in parts.chunk_by(|a, b| !is_reasoning(a) && !is_reasoning(b)) {
                match run {
                    [Part::Native(item)] if Thinker::of(item) == Some(Thinker::Responses) => {
                        items.push(Value::Object(item.clone()));
                    }
                    run => items.push(said(&message.role, &Content::Parts(run.to_vec()), std::mem::take(&mut extra))),
                }
            }
        }
        Some(content) if !silent => items.push(said(&message.role, content, std::mem::take(&mut extra))),
        None if message.tool_calls.is_empty() => {
            return Err(CodecError::request(format!("messages[{index}].content"), "text or parts"));
        }
        _ => {}
    }
    for call in &message.tool_calls {
        let mut beside = call.extra.clone();
        if let Some(Value::Array(thoughts)) = beside.shift_remove(BEFORE_CALL) {
            items.extend(thoughts);
        }
        let mut map = Map::new();
        map.insert("type".to_owned(), json!("function_call"));
        map.insert("call_id".to_owned(), json!(call.id));
        map.insert("name".to_owned(), json!(call.function.name));
        map.insert("arguments".to_owned(), json!(call.function.arguments));
        map.extend(beside);
        if let [_] = message.tool_calls.as_slice() {
            map.extend(std::mem::take(&mut extra));
        }
        items.push(Value::Object(map));
    }
    Ok(())
}

fn is_reasoning(part: &Part) -> bool {
    part.thinker() == Some(Thinker::Responses)
}

/// The item of a message.
fn said(role: &Role, content: &Content, extra: Extra) -> Value {
    let kind = if *role == Role::Assistant { "output_text" } else { "input_text" };
    let mut map = Map::new();
    map.insert("type".to_owned(), json!("message"));
    map.insert("role".to_owned(), json!(role.as_str()));
    map.insert("content".to_owned(), write_content(content, kind));
    map.extend(extra);
    Value::Object(map)
}

fn write_content(content: &Content, text_kind: &str) -> Value {
    match content {
        Content::Text(text) => json!(text),
        Content::Parts(parts) => parts.iter().map(|part| write_part(part, text_kind)).collect(),
    }
}

fn write_part(part: &Part, text_kind: &str) -> Value {
    let mut map = Map::new();
    match part {
        Part::Text(part) => {
            map.insert("type".to_owned(), json!(text_kind));
            map.insert("text".to_owned(), json!(part.text));
            map.extend(part.extra.clone());
        }
        Part::Image(part) => {
            map.insert("type".to_owned(), json!("input_image"));
            map.insert("image_url".to_owned(), json!(part.url));
            map.extend(part.detail.as_ref().map(|detail| ("detail".to_owned(), json!(detail))));
            map.extend(part.extra.clone());
        }
        Part::Native(native) => map = native.clone(),
    }
    Value::Object(map)
}
