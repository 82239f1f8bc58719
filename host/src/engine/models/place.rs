//! Where a model call is made: its identifiers in events, and what it is allowed.

use std::sync::Arc;

use kitaru_llm::gateway::{CallFailure, CallPlace, PlaceOfCheckpoint};
use kitaru_llm::models::{Alias, SelectedModel};
use uuid::Uuid;

use super::kept::Which;
use crate::engine::run::Run;
use crate::ids::derived_uuid;
use crate::journal::Failure;
use crate::sandbox::Grants;

/// Where a call is made.
pub(super) fn of(run: &Run, which: Which, checkpoint: &str, grants: &Arc<Grants>) -> CallPlace {
    let grants = grants.clone();
    let allowed = move |model: &SelectedModel| is_granted(&grants, model);
    CallPlace {
        execution: Some(which.call.execution.to_string()),
        flow: Some(run.row.new.flow.clone()),
        checkpoint: Some(PlaceOfCheckpoint { id: which.call.to_string(), name: checkpoint.to_owned() }),
        attempt: which.attempt,
        // Where it stands among the scopes of its execution, whoever shows the events says.
        parent: None,
        uuid: Some(call_event(which)),
        allowed: Arc::new(allowed),
    }
}

/// Whether a model may be called.
pub(super) fn is_granted(grants: &Grants, model: &SelectedModel) -> bool {
    grants.covers_model(alias(model), &model.resolved_model)
}

/// What a call of a model comes to that the code does not declare: no grant lets it be made. None where it is declared, or nothing is.
pub(super) fn undeclared(grants: &Grants, model: &SelectedModel) -> Option<Failure> {
    if grants.narrowed.covers_model(alias(model), &model.resolved_model) {
        return None;
    }
    let (asked, resolved) = (&model.requested_model, &model.resolved_model);
    let shown = if asked == resolved { format!("`{asked}`") } else { format!("`{asked}` ({resolved})") };
    let message = format!("the code does not declare that it needs the model {shown}, so no grant lets it call that");
    Some(Failure::runtime(CallFailure::CAPABILITY, message))
}

fn alias(model: &SelectedModel) -> Option<&str> {
    model.alias.as_ref().map(Alias::as_str)
}

/// The event of a model call of an attempt.
pub(super) fn call_event(which: Which) -> Uuid {
    let Which { call, attempt, ordinal } = which;
    let mut hasher = blake3::Hasher::new_derive_key("kitaru-host 2026 events of an execution");
    hasher.update(format!("llm {call} {attempt} {ordinal}").as_bytes());
    derived_uuid(&hasher)
}
