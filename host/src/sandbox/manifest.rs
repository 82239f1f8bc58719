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

/// How a checkpoint is to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckpointOptions {
    /// Attempts after the first, for failures that are retryable.
    pub retries: u32,
    /// The checkpoint's type; `llm_call` and `tool_call` are well known.
    pub r#type: Option<String>,
}

/// Retries that one checkpoint may ask for.
const MOST_RETRIES: u32 = 1_000;

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
    /// A checkpoint asks for more attempts than any host makes.
    #[error("the checkpoint `{name}` has {retries} retries, and {MOST_RETRIES} are allowed")]
    Retries {
        /// The checkpoint.
        name: String,
        /// What it asks for.
        retries: u32,
    },
    /// The SDK reports an error.
    #[error("{0}")]
    Sdk(String),
}

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
        if let Some(checkpoint) = manifest.checkpoints.iter().find(|checkpoint| checkpoint.options.retries > MOST_RETRIES) {
            return Err(ManifestError::Retries { name: checkpoint.name.clone(), retries: checkpoint.options.retries });
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
