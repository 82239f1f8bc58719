//! A call as its author writes it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chat::{JsonSchemaFormat, Tool, ToolChoice};
use crate::models::Prompt;

/// So often an answer is sent back at most, whatever a call says.
pub const MOST_REPAIRS: u32 = 5;

/// A call as its author writes it. Its JSON is what a journal keeps as the call's input, so it never holds a credential. Fields that say nothing
/// are left out of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallRequest {
    /// What is asked: a text, or a conversation.
    pub prompt: Prompt,
    /// The call's name; none for `llm_1`, `llm_2` … in the order of the calls of a scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// An alias, or a model as `provider/model`; none for the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Instructions before the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// How freely to sample, 0 to 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Sample only from the likeliest tokens that make up this share, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// How many tokens the answer may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    /// A number that makes the provider's sampling repeatable, as far as it can be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// The tools that the model may ask for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool>,
    /// How it is to use them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may ask for several tools in one answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// The JSON Schema that the answer has to fit. The provider is told of it, and the gateway checks it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<JsonSchemaFormat>,
    /// How often an answer that does not fit the schema is sent back to be mended, at most [`MOST_REPAIRS`]. Streams cannot be mended.
    #[serde(skip_serializing_if = "is_zero")]
    pub repairs: u32,
    /// Whether the answer is to come in pieces.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// The provider's own parameters, laid into the body of the request. They cannot replace the conversation, the model or the delivery.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
    /// The author's own word for the call, repeated in its answer and its records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// Whether the answer is to have the provider's own document too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub raw: bool,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl Default for CallRequest {
    /// An empty prompt, which no call accepts, and nothing else.
    fn default() -> Self {
        Self {
            prompt: Prompt::Text(String::new()),
            name: None,
            model: None,
            system: None,
            temperature: None,
            top_p: None,
            max_tokens: None,
            stop: Vec::new(),
            seed: None,
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            schema: None,
            repairs: 0,
            stream: false,
            extra: Map::new(),
            correlation: None,
            raw: false,
        }
    }
}

impl CallRequest {
    /// A call that asks one text.
    pub fn text(prompt: impl Into<String>) -> Self {
        Self { prompt: Prompt::Text(prompt.into()), ..Self::default() }
    }

    /// A call that goes on with a conversation: objects with at least `role` and `content`.
    pub fn messages(messages: Vec<Value>) -> Self {
        Self { prompt: Prompt::Messages(messages), ..Self::default() }
    }

    /// The same, of this model or alias.
    #[must_use]
    pub fn with_model(self, model: impl Into<String>) -> Self {
        Self { model: Some(model.into()), ..self }
    }
}
