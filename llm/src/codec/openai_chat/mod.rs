//! OpenAI Chat Completions, and everything that is compatible with it.
//!
//! The shapes of [`crate::chat`] are close to this protocol's, so most of it is reading and writing the same keys.

mod response;
mod stream;

use serde::Deserialize as _;
use serde_json::{Map, Value, json};

use super::fields::{Fields, keep_rest, read_shared, read_tool_choice};
use super::merge::{Patch, splice};
use super::{Codec, CodecError};
use crate::chat::{ChatRequest, Message, RawRequest, ResponseFormat, Role, Tool};

const API: &str = "OpenAI Chat";

/// The protocol. Two departures from "what did not change is sent as it was": a streamed request asks for its usage unless it says
/// otherwise (`stream_options.include_usage`), because a call without usage cannot be accounted for; and a limit of tokens that is written
/// where none was is called `max_completion_tokens` for the models of OpenAI that refuse the older name.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenAiChat;

/// Whether `model` refuses `max_tokens`.
fn wants_new_limit(model: Option<&str>) -> bool {
    let model = model.unwrap_or_default();
    let name = model.rsplit('/').next().unwrap_or(model);
    ["gpt-5", "o1", "o3", "o4"].iter().any(|start| name.starts_with(start))
}

fn read_messages(raw: &[Value]) -> Result<Vec<Vec<Message>>, CodecError> {
    let read = |(index, value): (usize, &Value)| {
        let message = Message::deserialize(value).map_err(|_| CodecError::request(format!("messages[{index}]"), "a message"))?;
        Ok(vec![message])
    };
    raw.iter().enumerate().map(read).collect()
}

fn write_message(message: &Message) -> Result<Value, CodecError> {
    let mut value = serde_json::to_value(message).map_err(|_| CodecError::request("messages", "JSON"))?;
    if let (Role::Assistant, None, Some(map)) = (&message.role, &message.content, value.as_object_mut()) {
        map.insert("content".to_owned(), Value::Null);
    }
    Ok(value)
}

fn raw_messages(body: &Value) -> &[Value] {
    body.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn tool_json(tool: &Tool) -> Value {
    Value::Object(tool.clone().into())
}

/// Either of the two forms of `stop`.
fn read_stop(fields: &mut Fields) -> Result<Option<Vec<String>>, CodecError> {
    match fields.take("stop") {
        None => Ok(None),
        Some(Value::String(one)) => Ok(Some(vec![one])),
        Some(other) => Vec::deserialize(other).map(Some).map_err(|_| CodecError::request("stop", "text or an array of texts")),
    }
}

impl Codec for OpenAiChat {
    fn decode(&self, request: &RawRequest) -> Result<ChatRequest, CodecError> {
        let mut fields = Fields::of(&request.content, "")?;
        let mut out = ChatRequest::default();
        let messages = fields.array("messages")?.unwrap_or_default();
        out.messages = read_messages(&messages)?.into_iter().flatten().collect();
        read_shared(&mut fields, &mut out)?;
        let (new, old) = (fields.count("max_completion_tokens")?, fields.count("max_tokens")?);
        // Which of both counts where both are there is for the provider to say.
        out.params.max_tokens = new.max(old);
        out.params.stop = read_stop(&mut fields)?;
        out.tools = fields.tools("tools", Tool::from)?;
        out.tool_choice = read_tool_choice(&mut fields);
        out.response_format = fields.take("response_format").map(ResponseFormat::from);
        keep_rest(fields, &mut out)?;
        Ok(out)
    }

    fn encode(&self, request: &ChatRequest, original: &RawRequest) -> Result<RawRequest, CodecError> {
        let old = self.decode(original)?;
        let mut patch = Patch::begin(&original.content, &old, request, &[])?;
        patch.set_shared(API, |_| true)?;
        if old.messages != request.messages {
            let raw = raw_messages(&original.content);
            let write = |_, new: &[Message]| new.iter().map(write_message).collect();
            let messages = splice(raw, &read_messages(raw)?, &request.messages, write)?;
            patch.body.insert("messages".to_owned(), Value::Array(messages));
        }
        if old.params.max_tokens != request.params.max_tokens {
            let present = |key: &str| original.content.get(key).is_some_and(|value| !value.is_null());
            let new_name =
                present("max_completion_tokens") || (!present("max_tokens") && wants_new_limit(request.model.as_deref()));
            let (key, other) =
                if new_name { ("max_completion_tokens", "max_tokens") } else { ("max_tokens", "max_completion_tokens") };
            patch.set(key, old.params.max_tokens.map(Value::from), request.params.max_tokens.map(Value::from));
            patch.body.shift_remove(other);
        }
        patch.set("stop", old.params.stop.clone().map(Value::from), request.params.stop.clone().map(Value::from));
        let tools = |tools: &[Tool]| (!tools.is_empty()).then(|| tools.iter().map(tool_json).collect::<Value>());
        patch.set("tools", tools(&old.tools), tools(&request.tools));
        patch.set("tool_choice", old.tool_choice.clone().map(Value::from), request.tool_choice.clone().map(Value::from));
        let format = |request: &ChatRequest| request.response_format.clone().map(Value::from);
        patch.set("response_format", format(&old), format(request));
        let mut body = patch.body;
        if request.stream == Some(true) {
            ask_for_usage(&mut body);
        }
        Ok(RawRequest { headers: original.headers.clone(), content: Value::Object(body) })
    }
}

fn ask_for_usage(body: &mut Map<String, Value>) {
    let options = body.entry("stream_options").or_insert(Value::Null);
    match options {
        Value::Object(options) => {
            options.entry("include_usage").or_insert(json!(true));
        }
        Value::Null => *options = json!({ "include_usage": true }),
        _ => {}
    }
}
