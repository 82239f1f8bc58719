//! Tools that a model may ask for, and what it asks.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Error, Result, schema};

/// A tool that a model may ask for: a name, what it does, and a type whose JSON Schema says what it takes.
///
/// ```
/// use kitaru::prelude::*;
///
/// #[data]
/// struct ReadFile {
///     path: String,
/// }
///
/// let tool = Tool::new::<ReadFile>("read_file", "Reads a text file");
/// assert_eq!(tool.name(), "read_file");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    name: String,
    description: String,
    parameters: Value,
}

impl Tool {
    /// A tool whose arguments are the fields of `T`.
    ///
    /// ```
    /// # use kitaru::prelude::*;
    /// # #[data] struct ListFiles { folder: String }
    /// let tool = Tool::new::<ListFiles>("list_files", "Lists the files of a folder");
    /// ```
    pub fn new<T: JsonSchema>(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self::with_schema(name, description, schema::of::<T>().to_value())
    }

    /// A tool whose arguments satisfy a JSON Schema of your own.
    ///
    /// ```
    /// # use kitaru::prelude::*;
    /// let tool = Tool::with_schema("now", "Tells the time", json!({ "type": "object", "properties": {} }));
    /// ```
    pub fn with_schema(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        Self { name: name.into(), description: description.into(), parameters }
    }

    /// Its name.
    ///
    /// ```
    /// # use kitaru::prelude::*;
    /// assert_eq!(Tool::with_schema("now", "", json!({})).name(), "now");
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn to_json(&self) -> Value {
        let Self { name, description, parameters } = self;
        json!({ "type": "function", "function": { "name": name, "description": description, "parameters": parameters } })
    }
}

/// Whether a model must, may or must not ask for tools.
///
/// ```
/// use kitaru::llm::ToolChoice;
/// assert_ne!(ToolChoice::Auto, ToolChoice::Named("search".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// Not at all.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(String),
}

impl ToolChoice {
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Auto => json!("auto"),
            Self::None => json!("none"),
            Self::Required => json!("required"),
            Self::Named(name) => json!({ "type": "function", "function": { "name": name } }),
        }
    }
}

/// A tool that a model asks for.
///
/// ```
/// use kitaru::prelude::*;
///
/// #[data]
/// struct ReadFile {
///     path: String,
/// }
///
/// # fn main() -> Result<()> {
/// let call = ToolCall { id: "call_1".into(), name: "read_file".into(), arguments: json!({ "path": "a.txt" }) };
/// assert_eq!(call.parse::<ReadFile>()?.path, "a.txt");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCall {
    /// What the answer to it refers to: [`Message::tool`](super::Message::tool).
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// Its arguments, as the model wrote them. They need not fit.
    pub arguments: Value,
}

impl ToolCall {
    /// The arguments as a `T`.
    ///
    /// # Errors
    /// [`Error::Serialization`] for arguments that do not fit: tell the model, with [`Message::tool`](super::Message::tool).
    ///
    /// ```
    /// # use kitaru::prelude::*;
    /// # fn f(call: &ToolCall) -> Result<String> { call.parse::<String>() }
    /// ```
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(&self.arguments)
            .map_err(|error| Error::serialization(format!("the arguments of tool `{}` do not fit: {error}", self.name)))
    }
}
