//! What a component says of itself: its flows and checkpoints. The format is described in `docs/manifest.md`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A manifest, checked. Unknown fields are ignored, because the format only gains fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the format.
    pub manifest: u32,
    /// What built the component.
    #[serde(default)]
    pub sdk: Option<Sdk>,
    /// Entry points.
    pub flows: Vec<FlowInfo>,
    /// Units of work.
    pub checkpoints: Vec<CheckpointInfo>,
    /// What the SDK found wrong, such as a name that two flows share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// An SDK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sdk {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowInfo {
    /// Its name.
    pub name: String,
    /// Its documentation.
    #[serde(default)]
    pub doc: Option<String>,
    /// Its arguments, in order.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// JSON Schema of its input object.
    #[serde(default)]
    pub input: Value,
    /// JSON Schema of its result.
    #[serde(default)]
    pub result: Value,
    /// How it is to be run.
    #[serde(default)]
    pub options: FlowOptions,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointInfo {
    /// Its name.
    pub name: String,
    /// Its documentation.
    #[serde(default)]
    pub doc: Option<String>,
    /// Its arguments, in order.
    #[serde(default)]
    pub parameters: Vec<String>,
    /// JSON Schema of its input object.
    #[serde(default)]
    pub input: Value,
    /// JSON Schema of its result.
    #[serde(default)]
    pub result: Value,
    /// How it is to be run.
    #[serde(default)]
    pub options: CheckpointOptions,
}

/// How a flow is to be run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlowOptions {
    /// Runs after the first, for failures that are retryable.
    pub retries: u32,
    /// Whether its checkpoints are served from the cache, unless they say otherwise.
    pub cache: Option<bool>,
}

/// How a checkpoint is to be run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckpointOptions {
    /// Attempts after the first, for failures that are retryable.
    pub retries: u32,
    /// The checkpoint's type; `llm_call` and `tool_call` are well known.
    pub r#type: Option<String>,
    /// The pause before the first retry, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_delay_ms: Option<u64>,
    /// By what each further pause is longer than the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<f64>,
    /// The longest pause, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delay_ms: Option<u64>,
    /// The random part of a pause, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
    /// Kinds of failure that are worth a retry; empty: all that are retryable.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retry_on: Vec<String>,
    /// Kinds of failure that are not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub no_retry_on: Vec<String>,
    /// How long one attempt may take, in milliseconds; the host's own limit holds beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How often the body may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// What happens when nobody knows whether it ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_unknown: Option<OnUnknown>,
    /// Whether its results are served again to calls with the same input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<bool>,
    /// Added to the cache's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_key: Option<String>,
    /// How long a result may be served, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_ttl_ms: Option<u64>,
}

impl CheckpointOptions {
    /// Whether the body may run at most once (E5).
    pub fn is_once(&self) -> bool {
        self.effect == Some(Effect::Once)
    }
}

/// How often a checkpoint's body may run, for one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Never again once it started (E5).
    Once,
}

/// What becomes of a call that may have had its effect, or not (E5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// It ends in a failure of kind `unknown-outcome`.
    #[default]
    Fail,
    /// It runs again: the author says that this does no harm.
    Retry,
    /// A person is asked.
    Ask,
}

/// The manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not the JSON that a manifest is.
    #[error("it is not a manifest")]
    Json(#[from] serde_json::Error),
    /// A later SDK made it.
    #[error("it has format {0}, and this host reads format 1")]
    NewerFormat(u32),
    /// A name cannot be used.
    #[error("`{}` is not a usable name: letters, digits, `_` and `-`, at most 100, not starting with a digit", .0.escape_debug())]
    Name(String),
    /// A name is used twice.
    #[error("the name `{0}` is used twice")]
    Duplicate(String),
    /// Options of a checkpoint or flow cannot be kept.
    #[error("`{name}` cannot be run as it asks: {problem}")]
    Options {
        /// Whose options.
        name: String,
        /// What is wrong with them.
        problem: String,
    },
    /// The SDK reports an error.
    #[error("{0}")]
    Sdk(String),
}

/// Retries that one checkpoint may ask for.
const MOST_RETRIES: u32 = 1_000;

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// When it is not one, or its names cannot be used.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        let manifest: Self = serde_json::from_str(text)?;
        if manifest.manifest != 1 {
            return Err(ManifestError::NewerFormat(manifest.manifest));
        }
        if let Some(error) = manifest.errors.first() {
            return Err(ManifestError::Sdk(error.clone()));
        }
        check_names(manifest.flows.iter().map(|flow| flow.name.as_str()))?;
        check_names(manifest.checkpoints.iter().map(|checkpoint| checkpoint.name.as_str()))?;
        for FlowInfo { name, options, .. } in &manifest.flows {
            check_retries(name, options.retries)?;
        }
        for CheckpointInfo { name, options, .. } in &manifest.checkpoints {
            check_retries(name, options.retries)?;
            options.check().map_err(|problem| ManifestError::Options { name: name.clone(), problem: problem.to_owned() })?;
        }
        Ok(manifest)
    }

    /// The flow of this name.
    pub fn flow(&self, name: &str) -> Option<&FlowInfo> {
        self.flows.iter().find(|flow| flow.name == name)
    }

    /// The checkpoint of this name.
    pub fn checkpoint(&self, name: &str) -> Option<&CheckpointInfo> {
        self.checkpoints.iter().find(|checkpoint| checkpoint.name == name)
    }
}

fn check_retries(name: &str, retries: u32) -> Result<(), ManifestError> {
    if retries <= MOST_RETRIES {
        return Ok(());
    }
    let problem = format!("it has {retries} retries, and {MOST_RETRIES} are allowed");
    Err(ManifestError::Options { name: name.to_owned(), problem })
}

impl CheckpointOptions {
    /// What the SDK refuses at compile time, for guests that were made without it.
    fn check(&self) -> Result<(), &'static str> {
        let number = |number: Option<f64>, low: f64, high: f64| number.is_none_or(|number| (low..=high).contains(&number));
        if !number(self.backoff, 1.0, 100.0) {
            return Err("`backoff` must be a number from 1 to 100");
        }
        if !number(self.jitter, 0.0, 1.0) {
            return Err("`jitter` must be a number from 0 to 1");
        }
        if self.is_once() && self.retries > 0 {
            return Err("an effect that may happen once cannot have retries");
        }
        if self.is_once() && self.cache == Some(true) {
            return Err("an effect that may happen once cannot be cached");
        }
        Ok(())
    }
}

fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), ManifestError> {
    let mut seen = std::collections::HashSet::new();
    for name in names {
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !starts_well || name.len() > 100 || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
            return Err(ManifestError::Name(name.chars().take(100).collect()));
        }
        if !seen.insert(name) {
            return Err(ManifestError::Duplicate(name.to_owned()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_formats_are_checked() {
        let with = |flow: &str| format!(r#"{{"manifest":1,"flows":[{{"name":{}}}],"checkpoints":[]}}"#, Value::from(flow));
        assert!(Manifest::parse(&with("hello_2-x")).is_ok());
        for bad in ["", "2x", "a b", "a/b", "a\u{0}", "é", &"x".repeat(101)] {
            assert!(matches!(Manifest::parse(&with(bad)), Err(ManifestError::Name(_))), "{bad:?}");
        }
        assert!(matches!(Manifest::parse("[]"), Err(ManifestError::Json(_))));
        assert!(matches!(Manifest::parse(r#"{"manifest":2,"flows":[],"checkpoints":[]}"#), Err(ManifestError::NewerFormat(2))));
        let twice = r#"{"manifest":1,"flows":[{"name":"a"},{"name":"a"}],"checkpoints":[]}"#;
        assert!(matches!(Manifest::parse(twice), Err(ManifestError::Duplicate(_))));
    }
}
