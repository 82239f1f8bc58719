//! The flows and checkpoints of the component, which register themselves at start-up.

use schemars::Schema;
use serde::Serialize;

use crate::{Checkpoint, Flow, Result};

/// A function that a component offers.
#[derive(Debug)]
pub struct Entry<S: 'static> {
    /// Its name: the function's, or the author's own.
    pub name: &'static str,
    /// Its documentation; empty where it has none.
    pub doc: &'static str,
    /// File and line, for messages.
    pub place: &'static str,
    /// The arguments' names in order.
    pub parameters: &'static [&'static str],
    /// The schema of the arguments, as one object.
    pub input: fn() -> Schema,
    /// The schema of the result.
    pub result: fn() -> Schema,
    /// The body, from JSON text to JSON text.
    pub run: fn(&S, &str) -> Result<String>,
}

/// A registered flow with its options.
#[derive(Debug)]
pub struct FlowEntry(pub Entry<Flow>, pub FlowOptions);

/// What a flow's attribute says.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct FlowOptions {
    /// How often the flow is tried again after it failed.
    pub retries: u32,
    /// Whether its checkpoints are served from the cache, unless they or the person who runs it say otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<bool>,
}

/// A registered checkpoint with its options.
#[derive(Debug)]
pub struct CheckpointEntry {
    /// What it shares with flows.
    pub entry: Entry<Checkpoint>,
    /// What its attribute says.
    pub options: CheckpointOptions,
    /// What its attribute declares, if it declares anything.
    pub needs: Option<Needs>,
}

/// Declared needs, by kind, in the manifest's form.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Needs {
    /// Folders to read.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub read: &'static [&'static str],
    /// Folders to read and write.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub write: &'static [&'static str],
    /// Environment variables.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub env: &'static [&'static str],
    /// Hosts.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub net: &'static [&'static str],
    /// Secrets.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub secrets: &'static [&'static str],
    /// Models.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub llm: &'static [&'static str],
}

/// What a component declares, beside its checkpoints.
#[derive(Debug)]
pub struct ComponentNeeds(pub Needs);

/// What a checkpoint's attribute says, in the manifest's form.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CheckpointOptions {
    /// How many more attempts follow a failed one.
    pub retries: u32,
    /// The author's word for what it does, such as `tool_call`.
    pub r#type: Option<&'static str>,
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
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub retry_on: &'static [&'static str],
    /// Kinds of failure that are not.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub no_retry_on: &'static [&'static str],
    /// How long one attempt may take, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// `once`: an attempt whose end nobody knows is not repeated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effect: Option<&'static str>,
    /// What happens then: `fail`, `retry` or `ask`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_unknown: Option<&'static str>,
    /// Whether its results are served again to calls with the same input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<bool>,
    /// Added to what tells one cached result from another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_key: Option<&'static str>,
    /// How long a result may be served, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_ttl_ms: Option<u64>,
}

inventory::collect!(FlowEntry);
inventory::collect!(CheckpointEntry);
inventory::collect!(ComponentNeeds);

/// All flows, sorted by name.
pub(crate) fn flows() -> Vec<&'static FlowEntry> {
    let mut flows: Vec<_> = inventory::iter::<FlowEntry>().collect();
    flows.sort_by_key(|flow| (flow.0.name, flow.0.place));
    flows
}

/// All checkpoints, sorted by name.
pub(crate) fn checkpoints() -> Vec<&'static CheckpointEntry> {
    let mut checkpoints: Vec<_> = inventory::iter::<CheckpointEntry>().collect();
    checkpoints.sort_by_key(|checkpoint| (checkpoint.entry.name, checkpoint.entry.place));
    checkpoints
}

/// What the component declares, one entry for each place where it does.
pub(crate) fn component_needs() -> Vec<Needs> {
    inventory::iter::<ComponentNeeds>().map(|needs| needs.0).collect()
}
