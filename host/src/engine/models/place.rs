//! Where a model call is made: its identifiers in events, and what it is allowed.

use std::sync::Arc;

use kitaru_llm::gateway::{CallFailure, CallPlace, PlaceOfCheckpoint, PlannedCall};
use kitaru_llm::models::{Alias, SelectedModel};
use serde_json::json;
use uuid::Uuid;

use super::kept::Which;
use super::uses;
use crate::engine::run::Run;
use crate::ids::derived_uuid;
use crate::journal::Failure;
use crate::sandbox::{Audit, Grants};

/// Where a call is made. What is not granted is noted in `audit`; none for a call that is only looked at, or that the body makes by itself.
pub(super) fn of(run: &Run, which: Which, checkpoint: &str, grants: &Arc<Grants>, audit: Option<&Audit>) -> CallPlace {
    let (grants, audit) = (grants.clone(), audit.cloned());
    let allowed = move |model: &SelectedModel| {
        let is_granted = is_granted(&grants, model);
        if let Some(audit) = audit.as_ref().filter(|_| !is_granted) {
            uses::denied(audit, model);
        }
        is_granted
    };
    CallPlace {
        execution: Some(which.call.execution.to_string()),
        root: run.row.new.root.map(|root| root.to_string()),
        flow: Some(run.row.new.flow.clone()),
        checkpoint: Some(PlaceOfCheckpoint { id: which.call.to_string(), name: checkpoint.to_owned() }),
        attempt: which.attempt,
        // Where it stands among the scopes of its execution, whoever shows the events says.
        parent: None,
        uuid: Some(call_event(which)),
        budget: run.spec.limits.llm_usd,
        allowed: Arc::new(allowed),
    }
}

/// Whether a model may be called.
pub(super) fn is_granted(grants: &Grants, model: &SelectedModel) -> bool {
    grants.covers_model(alias(model), &model.resolved_model)
}

/// What a call comes to that no grant lets be made, as far as that can be told before a model and its key are there: the code does not declare the
/// model, or no model is known and none is granted. None where it may be made, or where the call itself says why not.
pub(super) fn refused(grants: &Grants, planned: &PlannedCall) -> Option<Failure> {
    let Some(model) = planned.selected() else {
        if grants.may_name_models() {
            return None;
        }
        let hint = "--allow-llm grants all models, --allow-llm=NAME one; [grants] llm in kitaru.toml does it for good";
        let details = json!({ "flag": "--allow-llm", "hint": hint }).to_string();
        let message = "calls of models are not granted: --allow-llm";
        return Some(Failure { details: Some(details), ..Failure::runtime(CallFailure::CAPABILITY, message) });
    };
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
