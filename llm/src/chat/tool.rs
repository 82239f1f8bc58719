//! Tools that a model may ask for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Extra;

/// Types of tools that the caller runs as it runs its functions, though the provider describes them.
const OF_CALLER: [&str; 5] = ["function", "custom", "local_shell", "shell", "apply_patch"];
/// How the types of more of them begin; a date or a word follows.
const OF_CALLER_DATED: [&str; 4] = ["computer", "bash_", "text_editor_", "memory_"];
/// The keys of a Gemini tool that names no more than what the caller runs.
const OF_CALLER_KEYS: [&str; 2] = ["functionDeclarations", "computerUse"];

/// Whether the caller runs calls of tools of the type `kind`. `call` is one: a shell may stand in a container of the provider's, and a call that does not
/// say where is the caller's, unless its output stands beside it.
pub(super) fn is_run_by_caller(kind: &str, call: &Map<String, Value>) -> bool {
    let is_away = kind == "shell" && place_of(call).is_some_and(|place| place != "local");
    !is_away && (OF_CALLER.contains(&kind) || OF_CALLER_DATED.iter().any(|beginning| kind.starts_with(beginning)))
}

/// Where a shell stands, if that is said.
fn place_of(shell: &Map<String, Value>) -> Option<&str> {
    shell.get("environment").and_then(|environment| environment.get("type")).and_then(Value::as_str)
}

/// A tool that the model may ask for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Map<String, Value>", into = "Map<String, Value>")]
pub enum Tool {
    /// A function of the caller: `{"type":"function","function":{…}}`.
    Function(FunctionTool),
    /// A tool of the provider (web search, computer use …), in its own shape.
    Native(Map<String, Value>),
}

impl Tool {
    /// A function that takes what the JSON Schema `parameters` accepts.
    pub fn function(name: impl Into<String>, description: Option<String>, parameters: Value) -> Self {
        let function =
            FunctionSpec { name: name.into(), description, parameters: Some(parameters), strict: None, extra: Extra::new() };
        Self::Function(FunctionTool { function, extra: Extra::new() })
    }

    /// Whether the provider may run it by itself: what it finds then stands in no request.
    pub fn is_run_by_provider(&self) -> bool {
        let Self::Native(map) = self else { return false };
        match map.get("type").and_then(Value::as_str) {
            // OpenAI says that the caller runs a shell whose environment is `local`, and not whose it is without one; OpenRouter runs that itself.
            Some("shell") => place_of(map) != Some("local"),
            Some(kind) => !is_run_by_caller(kind, map),
            // Anthropic's functions need no type, and Gemini's tools have none.
            None => !map.contains_key("input_schema") && !map.keys().all(|key| OF_CALLER_KEYS.contains(&key.as_str())),
        }
    }

    /// The name of the function, or of the provider's tool where it has one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Function(tool) => Some(&tool.function.name),
            Self::Native(map) => map.get("name").or_else(|| map.get("type")).and_then(Value::as_str),
        }
    }
}

/// A function of the caller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionTool {
    /// What the model is told of it.
    pub function: FunctionSpec,
    /// The provider's other keys beside it, such as `cache_control`.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What the model is told of a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FunctionSpec {
    /// Its name.
    pub name: String,
    /// What it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Whether the provider is to enforce the schema while it writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// The provider's other keys.
    #[serde(flatten)]
    pub extra: Extra,
}

impl From<Map<String, Value>> for Tool {
    fn from(map: Map<String, Value>) -> Self {
        if map.get("type").and_then(Value::as_str) == Some("function") {
            let mut inner = map.clone();
            inner.shift_remove("type");
            if let Ok(tool) = FunctionTool::deserialize(Value::Object(inner)) {
                return Self::Function(tool);
            }
        }
        Self::Native(map)
    }
}

impl From<Tool> for Map<String, Value> {
    fn from(tool: Tool) -> Self {
        match tool {
            Tool::Function(FunctionTool { function, extra }) => {
                let mut inner = Map::new();
                inner.insert("name".to_owned(), Value::String(function.name));
                inner.extend(function.description.map(|text| ("description".to_owned(), Value::String(text))));
                inner.extend(function.parameters.map(|schema| ("parameters".to_owned(), schema)));
                inner.extend(function.strict.map(|strict| ("strict".to_owned(), Value::Bool(strict))));
                inner.extend(function.extra);
                let mut map = Map::new();
                map.insert("type".to_owned(), json!("function"));
                map.insert("function".to_owned(), Value::Object(inner));
                map.extend(extra);
                map
            }
            Tool::Native(map) => map,
        }
    }
}

/// How the model is to use its tools.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Value", into = "Value")]
pub enum ToolChoice {
    /// As it likes: `"auto"`.
    Auto,
    /// Not at all: `"none"`.
    None,
    /// At least one of them: `"required"`.
    Required,
    /// This function: `{"type":"function","function":{"name":…}}`.
    Function(String),
    /// Anything else, in the provider's own shape.
    Native(Value),
}

impl From<Value> for ToolChoice {
    fn from(value: Value) -> Self {
        match &value {
            Value::String(word) => match word.as_str() {
                "auto" => Self::Auto,
                "none" => Self::None,
                "required" => Self::Required,
                _ => Self::Native(value),
            },
            Value::Object(map) => {
                let named = map.get("function").and_then(Value::as_object).filter(|function| function.len() == 1);
                match named.and_then(|function| function.get("name")).and_then(Value::as_str) {
                    Some(name) if map.len() == 2 && map.get("type") == Some(&json!("function")) => {
                        Self::Function(name.to_owned())
                    }
                    _ => Self::Native(value),
                }
            }
            _ => Self::Native(value),
        }
    }
}

impl From<ToolChoice> for Value {
    fn from(choice: ToolChoice) -> Self {
        match choice {
            ToolChoice::Auto => json!("auto"),
            ToolChoice::None => json!("none"),
            ToolChoice::Required => json!("required"),
            ToolChoice::Function(name) => json!({ "type": "function", "function": { "name": name } }),
            ToolChoice::Native(value) => value,
        }
    }
}
