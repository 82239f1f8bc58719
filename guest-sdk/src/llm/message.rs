//! Messages of a conversation.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// One message of a conversation. It is what the wire protocols have in common: an object with a role, a content and whatever else a
/// provider knows, kept as it came.
///
/// ```
/// use kitaru::llm::Message;
///
/// let message = Message::user("What is a tide?");
/// assert_eq!((message.role(), message.text().as_str()), ("user", "What is a tide?"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Message(Map<String, Value>);

impl Message {
    fn new(role: &str, content: Value) -> Self {
        Self(Map::from_iter([("role".to_owned(), json!(role)), ("content".to_owned(), content)]))
    }

    /// Instructions.
    ///
    /// ```
    /// assert_eq!(kitaru::llm::Message::system("Be brief.").role(), "system");
    /// ```
    pub fn system(text: impl Into<String>) -> Self {
        Self::new("system", Value::String(text.into()))
    }

    /// What the person, or the program that asks, says.
    ///
    /// ```
    /// assert_eq!(kitaru::llm::Message::user("Hello").role(), "user");
    /// ```
    pub fn user(text: impl Into<String>) -> Self {
        Self::new("user", Value::String(text.into()))
    }

    /// What the model said. [`Answer::message`](super::Answer::message) makes it from an answer, tools included.
    ///
    /// ```
    /// assert_eq!(kitaru::llm::Message::assistant("Hello").role(), "assistant");
    /// ```
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new("assistant", Value::String(text.into()))
    }

    /// What a tool came to: the answer to the call with this ID ([`ToolCall::id`](super::ToolCall::id)).
    ///
    /// ```
    /// assert_eq!(kitaru::llm::Message::tool("call_1", "3 files").role(), "tool");
    /// ```
    pub fn tool(call: impl Into<String>, result: impl Into<String>) -> Self {
        let mut message = Self::new("tool", Value::String(result.into()));
        message.0.insert("tool_call_id".into(), Value::String(call.into()));
        message
    }

    /// A message of any form that the host understands.
    ///
    /// ```
    /// use kitaru::serde_json::json;
    /// let image = json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,AA==" } });
    /// let message = kitaru::llm::Message::from_parts("user", vec![json!({ "type": "text", "text": "What is this?" }), image]);
    /// assert_eq!(message.text(), "What is this?");
    /// ```
    pub fn from_parts(role: &str, parts: Vec<Value>) -> Self {
        Self::new(role, Value::Array(parts))
    }

    pub(crate) fn from_map(map: Map<String, Value>) -> Self {
        Self(map)
    }

    /// Who speaks: `system`, `user`, `assistant`, `tool`.
    ///
    /// ```
    /// assert_eq!(kitaru::llm::Message::user("Hello").role(), "user");
    /// ```
    pub fn role(&self) -> &str {
        self.0.get("role").and_then(Value::as_str).unwrap_or_default()
    }

    /// The text of it; of several parts, those that are text, joined.
    ///
    /// ```
    /// assert_eq!(kitaru::llm::Message::assistant("Hello").text(), "Hello");
    /// ```
    pub fn text(&self) -> String {
        match self.0.get("content") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => {
                let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect();
                texts.join("\n")
            }
            _ => String::new(),
        }
    }

    /// The whole message.
    ///
    /// ```
    /// assert_eq!(kitaru::llm::Message::user("Hello").as_map().len(), 2);
    /// ```
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

impl JsonSchema for Message {
    fn schema_name() -> Cow<'static, str> {
        "Message".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "object",
            "properties": { "role": { "type": "string" }, "content": {} },
            "required": ["role", "content"],
        })
    }
}
