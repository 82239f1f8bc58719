//! What a model answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Message, ToolCall};
use crate::{Result, json as text};

/// What a model answered, with what it consumed and cost.
///
/// ```no_run
/// use kitaru::prelude::*;
///
/// #[flow]
/// fn ask(cx: &Flow, question: String) -> Result<String> {
///     let answer = cx.llm(question).ask()?;
///     cx.log("tokens", answer.usage.total_tokens)?;
///     Ok(answer.text)
/// }
/// # fn main() {}
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct Answer {
    /// What it said; empty where it only asks for tools.
    pub text: String,
    /// The tools that it asks for, in order.
    pub tool_calls: Vec<ToolCall>,
    /// The message as it continues the conversation: [`Answer::message`].
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
    /// Why it stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
    /// The model that answered, by its provider's name for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it consumed.
    #[serde(deserialize_with = "or_default")]
    pub usage: Usage,
    /// What it cost, in dollars; none where nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// The answer as JSON, where [`Llm::json`](super::Llm::json) asked for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Whether it came from the host's cache of answers, at no cost.
    pub cached: bool,
    /// What [`Llm::correlation`](super::Llm::correlation) said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// The provider's own document, where [`Llm::raw`](super::Llm::raw) asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<Value>,
}

/// Why a model stopped.
///
/// ```
/// use kitaru::llm::FinishReason;
/// assert_ne!(FinishReason::Complete, FinishReason::Length);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// It had said all.
    Complete,
    /// It reached the limit of tokens.
    Length,
    /// It waits for tools.
    ToolUse,
    /// The provider cut it off for what it said or was asked.
    ContentFilter,
    /// Another reason, by the provider's word.
    Unknown(String),
}

/// What a call consumed, in tokens; none where the provider did not say.
///
/// ```
/// assert_eq!(kitaru::llm::Usage::default().input_tokens, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[non_exhaustive]
pub struct Usage {
    /// Read, those of the provider's cache of prompts included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Written, thinking included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
    /// Of those read, those from the provider's cache of prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input_tokens: Option<u64>,
    /// Of those written, those that were thinking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
}

fn or_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Answer {
    /// The message that continues the conversation after this answer, with the tools that it asks for.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Flow, mut history: Vec<Message>) -> Result<Vec<Message>> {
    /// let answer = cx.llm(&history).ask()?;
    /// history.push(answer.message());
    /// # Ok(history)
    /// # }
    /// ```
    pub fn message(&self) -> Message {
        if let Some(message) = &self.message {
            // Every message of a prompt has a content, and be it nothing.
            let mut map = message.as_map().clone();
            map.entry("content").or_insert(Value::Null);
            return Message::from_map(map);
        }
        if self.tool_calls.is_empty() {
            return Message::assistant(self.text.clone());
        }
        let calls: Vec<Value> = self.tool_calls.iter().map(call_of_message).collect();
        let content = if self.text.is_empty() { Value::Null } else { json!(self.text) };
        Message::from_map(Map::from_iter([
            ("role".to_owned(), json!("assistant")),
            ("content".to_owned(), content),
            ("tool_calls".to_owned(), Value::Array(calls)),
        ]))
    }

    /// Reads what the host gives. A replay, or a person who answers in a model's place, may give a text alone, or the JSON that was asked for.
    pub(crate) fn from_text(given: &str) -> Result<Self> {
        Ok(match text::from_text::<Value>(given)? {
            Value::String(said) => Self { text: said, ..Self::default() },
            Value::Object(map) if is_answer(&map) => text::from_text(given)?,
            other => Self { text: other.to_string(), value: Some(other), ..Self::default() },
        })
    }
}

/// Whether it is an answer, and not JSON that stands for one.
fn is_answer(map: &Map<String, Value>) -> bool {
    map.get("text").is_some_and(Value::is_string)
        && (map.len() == 1 || map.contains_key("message") || map.contains_key("tool_calls"))
}

fn call_of_message(call: &ToolCall) -> Value {
    let arguments = match &call.arguments {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    json!({ "id": call.id, "type": "function", "function": { "name": call.name, "arguments": arguments } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_the_host_writes_it_and_as_people_do() {
        let whole = Answer::from_text(
            r#"{"text":"Hi","message":{"role":"assistant","content":"Hi"},"tool_calls":[],"usage":null,"finish_reason":"complete","cost_usd":0.5,"new":1}"#,
        )
        .unwrap();
        assert_eq!(
            (whole.text.as_str(), whole.cost_usd, whole.finish_reason.clone()),
            ("Hi", Some(0.5), Some(FinishReason::Complete))
        );
        assert_eq!(whole.message(), Message::assistant("Hi"));
        assert_eq!(Answer::from_text(r#""Hi""#).unwrap(), Answer { text: "Hi".into(), ..Answer::default() });
        assert_eq!(Answer::from_text(r#"{"text":"Hi"}"#).unwrap().text, "Hi");
        let value = Answer::from_text(r#"{"text":"a field of theirs","length":3}"#).unwrap().value.unwrap();
        assert_eq!(value, json!({ "text": "a field of theirs", "length": 3 }));
        assert!(Answer::from_text("{").is_err());
    }

    #[test]
    fn tools_that_were_asked_for_stand_in_the_message() {
        let call = ToolCall { id: "c".into(), name: "t".into(), arguments: json!({ "a": 1 }) };
        let message = Answer { tool_calls: vec![call], ..Answer::default() }.message();
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(
            text,
            r#"{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"t","arguments":"{\"a\":1}"}}]}"#
        );
    }
}
