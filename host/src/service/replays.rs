//! Replays as surfaces ask for them: selectors and overrides read, one order made.

use kitaru_llm::models::FrozenModels;

use super::{ReplayCommand, ServiceError};
use crate::engine::{EngineError, ReplayOrder};
use crate::ids::ExecutionId;
use crate::journal::{
    Given, OverrideRequest, OverrideScope, ReplayError, ReplayRequest, parse_override_entry, parse_override_key,
};

/// The order that a command is for one source, where models are these now.
///
/// # Errors
/// When an override has another form than overrides have.
pub(super) fn order(source: ExecutionId, command: ReplayCommand, models: FrozenModels) -> Result<ReplayOrder, ServiceError> {
    let overrides = overrides(&command).map_err(EngineError::from)?;
    let request = ReplayRequest {
        from: command.from,
        overrides,
        skip: command.skip,
        inputs_changed: false,
        ask_again: command.ask_again,
        reuse_unchanged: command.reuse_unchanged,
    };
    Ok(ReplayOrder {
        source,
        request,
        inputs: command.inputs,
        component: command.component,
        grants: command.grants,
        needs_in: command.needs_in,
        limits: command.limits,
        models,
        tags: command.tags,
    })
}

fn overrides(command: &ReplayCommand) -> Result<Vec<OverrideRequest>, ReplayError> {
    let mut found = Vec::new();
    for (key, value) in &command.overrides {
        let (selector, given) = (parse_override_key(key)?.to_owned(), Given::Output(value.to_string()));
        found.push(OverrideRequest { scope: OverrideScope::One, selector, given });
    }
    let families = command.checkpoint_overrides.iter().map(|entry| (OverrideScope::Checkpoint, "Checkpoint", entry));
    let exact = command.invocation_overrides.iter().map(|entry| (OverrideScope::Invocation, "Invocation", entry));
    for (scope, word, (selector, entry)) in families.chain(exact) {
        let given = parse_override_entry(word, selector, entry)?;
        found.push(OverrideRequest { scope, selector: selector.clone(), given });
    }
    Ok(found)
}
