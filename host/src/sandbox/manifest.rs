//! What a component says of itself: its flows and checkpoints. The format is described in `docs/manifest.md`.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::grants::{GrantError, Grants, Need, Needs};

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
    /// What its flows, and checkpoints that declare nothing themselves, need of an operator's grants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Needs>,
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
    /// What it needs of an operator's grants; absent where it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Needs>,
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
    /// A need that is declared is no grant.
    #[error("what {whose} declares to need cannot be granted")]
    Needs {
        /// Whose need.
        whose: String,
        /// What is wrong with it.
        #[source]
        source: GrantError,
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
        for (whose, needs) in manifest.declared() {
            let whose = whose.map_or_else(|| "the component".to_owned(), |name| format!("the checkpoint `{name}`"));
            needs.check().map_err(|source| ManifestError::Needs { whose, source })?;
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

    /// What is declared for a checkpoint: its own needs, or else those of the component; none where neither says anything.
    pub fn needs_of(&self, checkpoint: &str) -> Option<&Needs> {
        self.checkpoint(checkpoint).and_then(|checkpoint| checkpoint.needs.as_ref()).or(self.needs.as_ref())
    }

    /// All declared needs: of the component, and of each checkpoint that declares its own, by its name.
    pub fn declared(&self) -> impl Iterator<Item = (Option<&str>, &Needs)> {
        let own = self.checkpoints.iter().filter_map(|checkpoint| {
            let needs = checkpoint.needs.as_ref()?;
            Some((Some(checkpoint.name.as_str()), needs))
        });
        self.needs.iter().map(|needs| (None, needs)).chain(own)
    }

    /// What is declared and of which `grants` give nothing: whose need it is, as in [`Manifest::declared`], and the need.
    pub fn unmet(&self, grants: &Grants) -> Vec<(Option<&str>, Need)> {
        let mut unmet = Vec::new();
        for (whose, needs) in self.declared() {
            let granted = whose.map_or_else(|| grants.of_all(), |name| grants.for_checkpoint(name, None));
            unmet.extend(needs.iter().filter(|need| !need.is_met_by(&granted)).map(|need| (whose, need)));
        }
        unmet
    }

    /// What grants all that is declared, to whom it is declared for. Folders are those of their names below `folder`.
    pub fn needs_as_grants(&self, folder: &Path) -> Grants {
        let mut grants = Grants::default();
        for (whose, needs) in self.declared() {
            let of_one = needs.as_grants(folder);
            match whose {
                None => grants.extend(of_one),
                Some(name) => grants.checkpoints.entry(name.to_owned()).or_default().extend(of_one),
            }
        }
        grants
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

    fn declares(component: &Value, checkpoint: &Value) -> Result<Manifest, ManifestError> {
        let checkpoints = [serde_json::json!({ "name": "own", "needs": checkpoint }), serde_json::json!({ "name": "other" })];
        Manifest::parse(
            &serde_json::json!({ "manifest": 1, "flows": [], "checkpoints": checkpoints, "needs": component }).to_string(),
        )
    }

    #[test]
    fn needs_are_a_checkpoints_own_or_the_components() {
        use serde_json::json;
        let manifest = declares(&json!({ "env": ["LANG"], "later": ["x"] }), &json!({ "net": ["a:1"] })).unwrap();
        assert_eq!(manifest.needs_of("own").unwrap().net, ["a:1"]);
        assert_eq!(manifest.needs_of("other").unwrap().env, ["LANG"]);
        assert!(declares(&Value::Null, &Value::Null).unwrap().needs_of("own").is_none());
        assert!(declares(&Value::Null, &json!({})).unwrap().needs_of("own").unwrap().is_empty(), "it says that it needs nothing");
        let said = |error: ManifestError| {
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            format!("{error}: {source}")
        };
        let broken = said(declares(&Value::Null, &json!({ "net": ["a b"] })).unwrap_err());
        assert!(broken.contains("the checkpoint `own`") && broken.contains("`a b` is not a grant"), "{broken}");
        assert!(said(declares(&json!({ "read": ["../x"] }), &Value::Null).unwrap_err()).contains("the component"));
        assert!(matches!(declares(&json!({ "read": "docs" }), &Value::Null), Err(ManifestError::Json(_))));
    }

    #[test]
    fn what_is_declared_can_be_granted_to_whom_it_is_for() {
        use serde_json::json;
        let manifest = declares(&json!({ "llm": ["fast"] }), &json!({ "net": ["a:1"], "read": ["docs"] })).unwrap();
        let flags = |grants: &Grants| manifest.unmet(grants).iter().map(|(_, need)| need.flag()).collect::<Vec<_>>();
        assert_eq!(flags(&Grants::default()), ["--allow-llm=fast", "--allow-read=docs", "--allow-net=a:1"]);
        let all = manifest.needs_as_grants(Path::new("/p"));
        assert_eq!(flags(&all), [] as [&str; 0]);
        assert!(all.net.is_empty() && all.checkpoints["own"].net.len() == 1, "nobody else gets it");
    }
}
