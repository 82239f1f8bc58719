//! Contents of Gemini: turns made of parts.
//!
//! Results of functions refer to their calls by name, and only newer models number calls. Calls without a number get one that is unique in
//! their message, and lose it again where it would be sent.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::API;
use crate::chat::{Content, Extra, FunctionCall, Message, Part, Role, TextPart, ToolCall};
use crate::codec::CodecError;
use crate::codec::blocks::{answered_call, arguments, data_url, image, parts, refuse_unsaid, to_data_url};

/// How the numbers begin that this codec gives.
const NUMBERED: &str = "gemini-call-";

/// The number of a call that has none.
pub(super) fn number(place: usize) -> String {
    format!("{NUMBERED}{place}")
}

pub(super) fn read_system(system: &Value) -> Result<Message, CodecError> {
    let parts = system
        .get("parts")
        .and_then(Value::as_array)
        .ok_or_else(|| CodecError::request("systemInstruction.parts", "an array"))?;
    Ok(Message::system(read_parts(parts, "systemInstruction")?))
}

pub(super) fn write_system(messages: &[Message]) -> Option<Value> {
    let parts: Vec<Value> =
        messages.iter().flat_map(|message| parts(message.content.as_ref())).map(|part| write_part(&part)).collect();
    (!parts.is_empty()).then(|| json!({ "parts": parts }))
}

/// The messages of each turn.
pub(super) fn read_contents(raw: &[Value]) -> Result<Vec<Vec<Message>>, CodecError> {
    let mut names = BTreeMap::new();
    let mut groups = Vec::new();
    for (index, turn) in raw.iter().enumerate() {
        let group = read_turn(index, turn, &names)?;
        remember(&mut names, &group);
        groups.push(group);
    }
    Ok(groups)
}

/// Identifiers of calls by the name of their function, the latest of each.
type Calls = BTreeMap<String, String>;

fn remember(calls: &mut Calls, messages: &[Message]) {
    for call in messages.iter().flat_map(|message| &message.tool_calls) {
        calls.insert(call.function.name.clone(), call.id.clone());
    }
}

fn read_turn(index: usize, turn: &Value, calls: &Calls) -> Result<Vec<Message>, CodecError> {
    let path = || format!("contents[{index}]");
    let mut rest = turn.as_object().cloned().ok_or_else(|| CodecError::request(path(), "an object"))?;
    let role = match rest.shift_remove("role") {
        None | Some(Value::Null) => Role::User,
        Some(Value::String(word)) if word == "model" => Role::Assistant,
        Some(Value::String(word)) => Role::from(word),
        Some(_) => return Err(CodecError::request(format!("{}.role", path()), "text")),
    };
    let Some(Value::Array(parts)) = rest.shift_remove("parts") else {
        return Err(CodecError::request(format!("{}.parts", path()), "an array"));
    };
    let mut messages = if parts.iter().any(|part| part.get("functionResponse").is_some()) {
        read_results(&parts, &path(), calls)?
    } else {
        vec![read_message(role, &parts, &path())?]
    };
    if let Some(first) = messages.first_mut() {
        first.extra.extend(rest);
    }
    Ok(messages)
}

fn read_results(parts: &[Value], path: &str, calls: &Calls) -> Result<Vec<Message>, CodecError> {
    let is_result = |part: &Value| part.get("functionResponse").is_some();
    let mut messages = Vec::new();
    for run in parts.chunk_by(|a, b| !is_result(a) && !is_result(b)) {
        match run {
            [part] if is_result(part) => {
                let read = read_result(part, calls);
                messages.push(
                    read.ok_or_else(|| CodecError::request(format!("{path}.parts.functionResponse"), "a result with a name"))?,
                );
            }
            run => messages.push(Message::user(read_parts(run, path)?)),
        }
    }
    Ok(messages)
}

fn read_result(part: &Value, calls: &Calls) -> Option<Message> {
    let mut rest = part.as_object()?.clone();
    let Some(Value::Object(mut result)) = rest.shift_remove("functionResponse") else { return None };
    let name = result.shift_remove("name")?.as_str()?.to_owned();
    let id = match result.shift_remove("id") {
        Some(Value::String(id)) => id,
        _ => calls.get(&name).cloned().unwrap_or_else(|| number(0)),
    };
    let content = match result.shift_remove("response")? {
        // How a text is put into an object.
        Value::Object(map) if map.len() == 1 && map.get("result").is_some_and(Value::is_string) => {
            map.get("result").and_then(Value::as_str).unwrap_or_default().to_owned()
        }
        other => other.to_string(),
    };
    rest.extend(result);
    Some(Message { name: Some(name), extra: rest, ..Message::tool(id, content) })
}

fn read_message(role: Role, raw: &[Value], path: &str) -> Result<Message, CodecError> {
    let (calls, others): (Vec<_>, Vec<_>) = raw.iter().cloned().partition(|part| part.get("functionCall").is_some());
    let read = calls.into_iter().enumerate().map(|(place, part)| read_call(&part, place)).collect::<Option<Vec<_>>>();
    let tool_calls = read.ok_or_else(|| CodecError::request(format!("{path}.parts.functionCall"), "a call with a name"))?;
    let content = (!others.is_empty() || tool_calls.is_empty()).then(|| read_parts(&others, path)).transpose()?;
    Ok(Message { role, content, name: None, tool_calls, tool_call_id: None, extra: Extra::new() })
}

fn read_call(part: &Value, place: usize) -> Option<ToolCall> {
    let mut rest = part.as_object()?.clone();
    let Some(Value::Object(mut call)) = rest.shift_remove("functionCall") else { return None };
    let name = call.shift_remove("name")?.as_str()?.to_owned();
    let id = match call.shift_remove("id") {
        Some(Value::String(id)) => id,
        _ => number(place),
    };
    let arguments = call.shift_remove("args").filter(|args| !args.is_null()).unwrap_or_else(|| json!({}));
    let arguments = arguments.as_object().map(|_| arguments.to_string())?;
    rest.shift_remove("id");
    Some(ToolCall { id, kind: "function".to_owned(), function: FunctionCall { name, arguments, extra: call }, extra: rest })
}

/// One plain text is a text; anything else is parts.
fn read_parts(raw: &[Value], path: &str) -> Result<Content, CodecError> {
    let read = |part: &Value| {
        part.as_object().map(read_part).ok_or_else(|| CodecError::request(format!("{path}.parts"), "an array of objects"))
    };
    let mut parts = raw.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    match parts.as_mut_slice() {
        [Part::Text(part)] if part.extra.is_empty() => Ok(Content::Text(std::mem::take(&mut part.text))),
        _ => Ok(Content::Parts(parts)),
    }
}

fn read_part(map: &Map<String, Value>) -> Part {
    let mut rest = map.clone();
    // Thoughts are no answer, and a part that has a `type` of its own could not be told from ours.
    if map.get("thought") == Some(&json!(true)) || map.contains_key("type") {
        return Part::Native(rest);
    }
    if let Some(Value::String(text)) = map.get("text") {
        rest.shift_remove("text");
        return Part::Text(TextPart { text: text.clone(), extra: rest });
    }
    let inline = map.get("inlineData").and_then(Value::as_object).filter(|inline| inline.len() == 2);
    let text = |key: &str| inline.and_then(|inline| inline.get(key)).and_then(Value::as_str);
    match (text("mimeType"), text("data")) {
        (Some(media_type), Some(data)) if media_type.starts_with("image/") && !media_type.contains(';') => {
            rest.shift_remove("inlineData");
            image(to_data_url(media_type, data), rest)
        }
        _ => Part::Native(rest),
    }
}

fn write_part(part: &Part) -> Value {
    let mut map = Map::new();
    match part {
        Part::Text(part) => {
            map.insert("text".to_owned(), json!(part.text));
            map.extend(part.extra.clone());
        }
        Part::Image(part) => {
            match data_url(&part.url) {
                Some((media_type, data)) => map.insert("inlineData".to_owned(), json!({ "mimeType": media_type, "data": data })),
                None => map.insert("fileData".to_owned(), json!({ "fileUri": part.url })),
            };
            map.extend(part.extra.clone());
        }
        Part::Native(native) => map = native.clone(),
    }
    Value::Object(map)
}

/// The name of the function that each result in the conversation belongs to, by the result's position. Numbers that this codec gives are unique
/// in their message only, so a result answers the call before it that had its number last.
pub(super) fn names_of_results(messages: &[Message]) -> BTreeMap<usize, String> {
    let mut calls: BTreeMap<&str, &str> = BTreeMap::new();
    let mut names = BTreeMap::new();
    for (index, message) in messages.iter().enumerate() {
        calls.extend(message.tool_calls.iter().map(|call| (call.id.as_str(), call.function.name.as_str())));
        if let Some(name) = message.tool_call_id.as_deref().and_then(|id| calls.get(id)) {
            names.insert(index, (*name).to_owned());
        }
    }
    names
}

/// The turns for these messages, the first of which stands at `start`. Results that follow each other share one turn.
pub(super) fn write_contents(
    start: usize,
    messages: &[Message],
    names: &BTreeMap<usize, String>,
) -> Result<Vec<Value>, CodecError> {
    refuse_unsaid(API, messages, false)?;
    let mut out: Vec<Value> = Vec::new();
    let mut results: Vec<Value> = Vec::new();
    for (index, message) in (start..).zip(messages) {
        if message.role == Role::Tool {
            results.push(write_result(message, index, names)?);
            continue;
        }
        flush(&mut out, &mut results);
        if message.role.is_instruction() {
            return Err(CodecError::Unsupported { api: API, feature: "system instructions in the middle of a conversation" });
        }
        let mut raw: Vec<Value> = parts(message.content.as_ref()).iter().map(write_part).collect();
        for (place, call) in message.tool_calls.iter().enumerate() {
            raw.push(write_call(call, index, place)?);
        }
        let mut turn = Map::new();
        let role = if message.role == Role::Assistant { "model" } else { message.role.as_str() };
        turn.insert("role".to_owned(), json!(role));
        turn.insert("parts".to_owned(), Value::Array(raw));
        turn.extend(message.extra.clone());
        out.push(Value::Object(turn));
    }
    flush(&mut out, &mut results);
    Ok(out)
}

fn flush(out: &mut Vec<Value>, results: &mut Vec<Value>) {
    if !results.is_empty() {
        out.push(json!({ "role": "user", "parts": std::mem::take(results) }));
    }
}

fn write_call(call: &ToolCall, index: usize, place: usize) -> Result<Value, CodecError> {
    let mut function = Map::new();
    if !call.id.starts_with(NUMBERED) {
        function.insert("id".to_owned(), json!(call.id));
    }
    function.insert("name".to_owned(), json!(call.function.name));
    function.insert("args".to_owned(), arguments(call, index, place)?);
    function.extend(call.function.extra.clone());
    let mut part = Map::new();
    part.insert("functionCall".to_owned(), Value::Object(function));
    part.extend(call.extra.clone());
    Ok(Value::Object(part))
}

fn write_result(message: &Message, index: usize, names: &BTreeMap<usize, String>) -> Result<Value, CodecError> {
    let id = answered_call(message, index)?;
    let name = message.name.as_deref().or_else(|| names.get(&index).map(String::as_str));
    let name =
        name.ok_or_else(|| CodecError::request(format!("messages[{index}].tool_call_id"), "a call of this conversation"))?;
    let text = message.text();
    let response = serde_json::from_str(&text).ok().filter(Value::is_object).unwrap_or_else(|| json!({ "result": text }));
    let mut result = Map::new();
    if !id.starts_with(NUMBERED) {
        result.insert("id".to_owned(), json!(id));
    }
    result.insert("name".to_owned(), json!(name));
    result.insert("response".to_owned(), response);
    result.extend(message.extra.clone());
    Ok(json!({ "functionResponse": result }))
}
