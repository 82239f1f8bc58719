//! Where a model call is made: its identifiers in events, and what it is allowed.

use std::sync::Arc;

use kitaru_llm::gateway::{CallPlace, PlaceOfCheckpoint};
use kitaru_llm::models::{Alias, SelectedModel};
use uuid::Uuid;

use super::kept::Which;
use crate::engine::run::Run;
use crate::ids::derived_uuid;
use crate::sandbox::Grants;

/// Where a call is made.
pub(super) fn of(run: &Run, which: Which, checkpoint: &str) -> CallPlace {
    let grants = run.spec.grants.clone();
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
    grants.covers_model(model.alias.as_ref().map(Alias::as_str), &model.resolved_model)
}

/// The event of a model call of an attempt.
pub(super) fn call_event(which: Which) -> Uuid {
    let Which { call, attempt, ordinal } = which;
    let mut hasher = blake3::Hasher::new_derive_key("kitaru-host 2026 events of an execution");
    hasher.update(format!("llm {call} {attempt} {ordinal}").as_bytes());
    derived_uuid(&hasher)
}
