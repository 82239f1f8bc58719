//! Why a replay cannot be planned, and how a person's override is read.

use serde_json::Value;

use super::Given;
use crate::ids::ExecutionId;

/// A replay cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Neither an anchor nor an override.
    #[error("a replay needs an anchor (`--from`) or an override")]
    NoAnchor,
    /// The selector is empty.
    #[error("`from` must be a non-empty selector.")]
    BlankAnchor,
    /// Nothing to replay from.
    #[error("Execution '{0}' has no checkpoint history to replay.")]
    NoHistory(ExecutionId),
    /// The selector fits no call.
    #[error("Unknown checkpoint selector '{selector}'. Available checkpoints: {available}.")]
    Unknown {
        /// What was given.
        selector: String,
        /// The names that there are.
        available: String,
    },
    /// The target of an override fits no call.
    #[error("Unknown checkpoint override target '{selector}'. Available checkpoints: {available}.")]
    UnknownTarget {
        /// What was given.
        selector: String,
        /// The names that there are.
        available: String,
    },
    /// The selector fits several calls.
    #[error(
        "Replay selector is ambiguous for checkpoint '{selector}'. Use a checkpoint call ID instead. Matching call IDs: {matches}."
    )]
    Ambiguous {
        /// What was given.
        selector: String,
        /// The calls that it fits.
        matches: String,
    },
    /// An override key has no selector.
    #[error("Checkpoint override keys must include a selector after `checkpoint.`.")]
    BlankOverride,
    /// Waits cannot be overridden.
    #[error("Wait overrides (`wait.*`) are not supported in replay. Answer the wait in the replayed execution instead.")]
    WaitOverride,
    /// An override key of another form.
    #[error("Override keys must start with `checkpoint.`. Received: '{0}'.")]
    OverrideKey(String),
    /// One call has two overrides.
    #[error("checkpoint `{0}` is overridden twice")]
    OverriddenTwice(String),
    /// A selector of a call to skip is empty.
    #[error("`skip` selectors must be non-empty.")]
    BlankSkip,
    /// A call is to be served as recorded and to be replaced.
    #[error("Cannot skip and override the same replay target: {0}")]
    SkippedAndOverridden(String),
    /// A call to be skipped has no recorded outcome.
    #[error("checkpoint `{0}` has no recorded outcome that a replay could serve in its place")]
    NothingToServe(String),
    /// What is given for a target is no object with one of the fields.
    #[error("{scope} override for '{selector}' must be an object with one or more of: input, output, model, code.")]
    NoFields {
        /// `Checkpoint` or `Invocation`.
        scope: &'static str,
        /// The target.
        selector: String,
    },
    /// What is given for a target has a field that nobody knows.
    #[error("Unknown replay override field(s) for '{selector}': {fields}. Allowed fields: code, input, model, output.")]
    UnknownFields {
        /// The target.
        selector: String,
        /// The fields.
        fields: String,
    },
    /// Both are given.
    #[error("Replay override for '{0}' cannot include both input and output.")]
    InputAndOutput(String),
    /// An input that is no object of named arguments.
    #[error("The input override for '{0}' must be a JSON object of named arguments.")]
    InputForm(String),
    /// Only model calls have a model.
    #[error("'{0}' is not an LLM checkpoint and cannot honor a model swap.")]
    NoModel(String),
    /// A call whose output is given asks no model.
    #[error("Replay override for '{0}' cannot include both output and model: a call whose output is given asks no model.")]
    OutputAndModel(String),
    /// A model that is no name.
    #[error("The model override for '{0}' must be a text: an alias or `provider/model`.")]
    ModelForm(String),
    /// Code is replaced as a whole component.
    #[error("'{0}' cannot honor a code swap: replay with another version of the component (`--component`).")]
    NoCode(String),
}

/// The selector in an override key `checkpoint.<selector>`.
///
/// # Errors
/// When the key has another form.
pub fn parse_override_key(key: &str) -> Result<&str, ReplayError> {
    if let Some(selector) = key.strip_prefix("checkpoint.") {
        let selector = selector.trim();
        return if selector.is_empty() { Err(ReplayError::BlankOverride) } else { Ok(selector) };
    }
    if key == "wait" || key.starts_with("wait.") {
        Err(ReplayError::WaitOverride)
    } else {
        Err(ReplayError::OverrideKey(key.to_owned()))
    }
}

/// What an entry `{input, model | output}` of `scope` (`Checkpoint` or `Invocation`) gives for `selector`.
///
/// # Errors
/// When it has another form, or asks for what no host can do.
pub fn parse_override_entry(scope: &'static str, selector: &str, entry: &Value) -> Result<Given, ReplayError> {
    const FIELDS: [&str; 4] = ["code", "input", "model", "output"];
    let target = || selector.to_owned();
    let fields = entry.as_object().filter(|fields| !fields.is_empty());
    let fields = fields.ok_or_else(|| ReplayError::NoFields { scope, selector: target() })?;
    let mut unknown: Vec<&str> = fields.keys().map(String::as_str).filter(|field| !FIELDS.contains(field)).collect();
    unknown.sort_unstable();
    if !unknown.is_empty() {
        return Err(ReplayError::UnknownFields { selector: target(), fields: unknown.join(", ") });
    }
    if fields.contains_key("code") {
        return Err(ReplayError::NoCode(target()));
    }
    let model = match fields.get("model").map(|model| model.as_str().map(str::trim).filter(|name| !name.is_empty())) {
        None => None,
        Some(Some(name)) => Some(name.to_owned()),
        Some(None) => return Err(ReplayError::ModelForm(target())),
    };
    let input = match fields.get("input") {
        Some(input) if !input.is_object() => return Err(ReplayError::InputForm(target())),
        input => input.map(Value::to_string),
    };
    match (input, fields.get("output"), model) {
        (Some(_), Some(_), _) => Err(ReplayError::InputAndOutput(target())),
        (None, Some(_), Some(_)) => Err(ReplayError::OutputAndModel(target())),
        (None, Some(output), None) => Ok(Given::Output(output.to_string())),
        (input, None, Some(name)) => Ok(Given::Model { name, input }),
        (Some(input), None, None) => Ok(Given::Input(input)),
        (None, None, None) => Err(ReplayError::NoFields { scope, selector: target() }),
    }
}
