//! The entry points that the host calls: runs the flow or checkpoint of a name.

use crate::needs;
use crate::registry::{self, Entry};
use crate::{Checkpoint, Error, Failure, Flow, Origin, Result};

/// Runs the flow `name` on an object of named arguments.
pub fn run_flow(name: &str, input: &str) -> Result<String> {
    let flows = registry::flows();
    let flow = find("flow", name, flows.iter().map(|flow| &flow.0))?;
    (flow.run)(&Flow::new(), input)
}

/// Runs one attempt of the checkpoint `name` on an object of named arguments.
pub fn run_checkpoint(name: &str, input: &str) -> Result<String> {
    let checkpoints = registry::checkpoints();
    let checkpoint = find("checkpoint", name, checkpoints.iter().map(|checkpoint| &checkpoint.entry))?;
    if let Some(running) = checkpoints.iter().copied().find(|checkpoint| checkpoint.entry.name == name) {
        needs::begin(running);
    }
    (checkpoint.run)(&Checkpoint::new(), input)
}

fn find<'e, S>(what: &str, name: &str, entries: impl Iterator<Item = &'e Entry<S>> + Clone) -> Result<&'e Entry<S>> {
    entries.clone().find(|entry| entry.name == name).ok_or_else(|| {
        let names: Vec<&str> = entries.map(|entry| entry.name).collect();
        let message = match names.as_slice() {
            [] => format!("this component has no {what} `{name}`, nor any other"),
            names => format!("this component has no {what} `{name}`; it has: {}", names.join(", ")),
        };
        Error::Failed(Failure::new("not-found", message, Origin::Runtime, false))
    })
}
