//! Replays as surfaces ask for them: selectors and overrides read, one order made.

use kitaru_llm::models::FrozenModels;

use super::{LocalService, ReplayCommand, ServiceError};
use crate::engine::{DeploymentSpec, EngineError, FrozenSpec, ReplayOrder, Starter};
use crate::ids::ExecutionId;
use crate::journal::{
    Given, OverrideRequest, OverrideScope, ReplayError, ReplayRequest, parse_override_entry, parse_override_key,
};
use crate::sandbox::Grants;

/// The order that a command is for one source, where models are these now.
///
/// # Errors
/// When an override has another form than overrides have.
pub(super) fn order(
    source: ExecutionId,
    command: ReplayCommand,
    models: FrozenModels,
    starter: Option<Starter>,
) -> Result<ReplayOrder, ServiceError> {
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
        starter,
    })
}

/// Whether an execution was granted what whoever asks could not start it with now: more than the host gives to its component, or the version that it
/// was started as has, and not on their own behalf.
pub(super) async fn has_grants_of_others(service: &LocalService, id: ExecutionId) -> Result<bool, ServiceError> {
    let row = service.engine().execution(id).await?;
    let spec: FrozenSpec = serde_json::from_str(&row.new.frozen_spec).map_err(|error| ServiceError::state(error.to_string()))?;
    let answers = spec.starter.and_then(|starter| starter.account);
    let asks = service.behalf.starter().and_then(|starter| starter.account);
    if spec.grants == Grants::default() || (answers.is_some() && answers == asks) {
        return Ok(false);
    }
    let mut given = service.granted(row.new.component, &Grants::default()).await?;
    if let Some(deployed) = &spec.deployment {
        let rows = service.store().deployments(Some(&row.new.flow)).await?;
        // One that was removed gives nobody anything any more.
        if let Some(version) = rows.iter().find(|row| row.id.to_string() == deployed.deployment_id) {
            given.extend(DeploymentSpec::of(version)?.grants);
        }
    }
    let mut with_its_own = given.clone();
    with_its_own.extend(spec.grants);
    Ok(with_its_own != given)
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
