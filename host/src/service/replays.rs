//! Replays as surfaces ask for them: selectors and overrides read, one order made.

use kitaru_llm::models::FrozenModels;

use super::{LocalService, ReplayCommand, ServiceError};
use crate::access::{Role, Scope};
use crate::engine::{DeploymentSpec, EngineError, FrozenSpec, ReplayOrder, Starter};
use crate::ids::ExecutionId;
use crate::journal::{
    Given, OverrideRequest, OverrideScope, ReplayError, ReplayRequest, parse_override_entry, parse_override_key,
};
use crate::sandbox::{Grants, Limits};
use crate::store::{DeploymentRow, ExecutionRow};

/// The order that a command is for one source, where models are these now, and limits at most those.
///
/// # Errors
/// When an override has another form than overrides have.
pub(super) fn order(
    source: ExecutionId,
    command: ReplayCommand,
    models: FrozenModels,
    starter: Option<Starter>,
    most: Option<Limits>,
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
        most,
        models,
        tags: command.tags,
        starter,
    })
}

/// Whether an execution was granted what whoever asks could not start it with now: more than the host gives to its component, or the version that it
/// was started as has. Who started it makes no difference: what they could grant then, or the host gave, may be withdrawn by now.
pub(super) async fn has_grants_of_others(service: &LocalService, id: ExecutionId) -> Result<bool, ServiceError> {
    let row = service.engine().execution(id).await?;
    let spec = spec_of(&row)?;
    if spec.grants == Grants::default() {
        return Ok(false);
    }
    let mut given = service.granted(row.new.component, &Grants::default()).await?;
    if let Some(version) = version_of(service, &row.new.flow, &spec).await? {
        given.extend(DeploymentSpec::of(&version)?.grants);
    }
    let mut with_its_own = given.clone();
    with_its_own.extend(spec.grants);
    Ok(with_its_own != given)
}

/// The flows that an execution may start, and whose executions it may read: those of whoever started it.
pub(super) async fn acts_within(service: &LocalService, id: ExecutionId) -> Result<Scope, ServiceError> {
    let row = service.engine().execution(id).await?;
    Ok(spec_of(&row)?.starter.map_or(Scope::ALL, |starter| starter.flows))
}

/// The limits that whoever asks could start an execution with now: the host's, or those of the version that it was started as. None where they may
/// give it any.
pub(super) async fn most_of(service: &LocalService, id: ExecutionId) -> Result<Option<Limits>, ServiceError> {
    if service.caller().may(Role::Admin) {
        return Ok(None);
    }
    let row = service.engine().execution(id).await?;
    let version = version_of(service, &row.new.flow, &spec_of(&row)?).await?;
    Ok(Some(match version {
        Some(version) => DeploymentSpec::of(&version)?.limits,
        None => service.host().limits,
    }))
}

fn spec_of(row: &ExecutionRow) -> Result<FrozenSpec, ServiceError> {
    serde_json::from_str(&row.new.frozen_spec).map_err(|error| ServiceError::state(error.to_string()))
}

/// The published version that an execution of a flow was started as. One that was removed gives nobody anything any more.
async fn version_of(service: &LocalService, flow: &str, spec: &FrozenSpec) -> Result<Option<DeploymentRow>, ServiceError> {
    let Some(deployed) = &spec.deployment else { return Ok(None) };
    let rows = service.store().deployments(Some(flow)).await?;
    Ok(rows.into_iter().find(|row| row.id.to_string() == deployed.deployment_id))
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
