//! The flows and checkpoints of the component, which register themselves at start-up.

use schemars::Schema;

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

/// A registered flow.
#[derive(Debug)]
pub struct FlowEntry(pub Entry<Flow>);

/// A registered checkpoint with its options.
#[derive(Debug)]
pub struct CheckpointEntry {
    /// What it shares with flows.
    pub entry: Entry<Checkpoint>,
    /// How many more attempts follow a failed one.
    pub retries: u32,
    /// The author's word for what it does, such as `tool_call`.
    pub kind: Option<&'static str>,
}

inventory::collect!(FlowEntry);
inventory::collect!(CheckpointEntry);

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
