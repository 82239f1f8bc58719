//! Models among what an attempt used and was denied. What a call cost and how it went has records of its own; here stands that it was made, or was
//! kept from being made.

use kitaru_llm::gateway::{CallFailure, CallRecord, PlannedCall};
use kitaru_llm::models::SelectedModel;

use crate::sandbox::{AccessKind, Audit, ModelGrant};

/// Kinds of failure of calls that asked nobody, without anybody having forbidden it. What was not granted is noted where that is asked.
const ASKED_NOBODY: [&str; 6] = [
    CallFailure::CAPABILITY,
    CallFailure::USAGE,
    CallFailure::NOT_CONFIGURED,
    CallFailure::CREDENTIALS,
    CallFailure::MOCK,
    CallFailure::MIDDLEWARE,
];
/// Why a call is denied whose model the code does not declare.
const UNDECLARED: &str = "not declared";

/// A model is not granted here.
pub(super) fn denied(audit: &Audit, model: &SelectedModel) {
    note(audit, model, false, stands_for(model));
}

/// A call that no grant lets be made: its model is not declared, or none is known and none is granted.
pub(super) fn refused(audit: &Audit, planned: &PlannedCall) {
    match planned.selected() {
        Some(model) => note(audit, model, false, Some(UNDECLARED.to_owned())),
        // As the flag names it that would grant it.
        None => audit.noted(AccessKind::Llm, planned.request().model.as_deref().unwrap_or(ModelGrant::ALL), false, None),
    }
}

/// A call was under way when its body or its flow was cut short.
pub(super) fn cut_short(audit: &Audit, model: &SelectedModel) {
    note(audit, model, true, stands_for(model));
}

/// A call has ended: the models that it was answered by, and whether something kept it from asking one.
pub(super) fn ended(audit: &Audit, record: &CallRecord) {
    let Some(model) = &record.selected else { return };
    for used in &record.usage {
        let other = used.resolved_model.clone().filter(|resolved| *resolved != model.requested_model);
        note(audit, model, true, other);
    }
    let Err(failure) = &record.outcome else {
        if record.usage.is_empty() {
            note(audit, model, true, stands_for(model));
        }
        return;
    };
    match failure.kind {
        // Also where an attempt before this one was made.
        CallFailure::BUDGET => note(audit, model, false, Some(CallFailure::BUDGET.to_owned())),
        _ if !record.usage.is_empty() => {}
        CallFailure::GUARDRAIL_REJECTED => note(audit, model, false, Some(CallFailure::GUARDRAIL_REJECTED.to_owned())),
        kind if ASKED_NOBODY.contains(&kind) => {}
        _ => note(audit, model, true, stands_for(model)),
    }
}

fn note(audit: &Audit, model: &SelectedModel, allowed: bool, detail: Option<String>) {
    audit.noted(AccessKind::Llm, &model.requested_model, allowed, detail);
}

/// What it stands for, where that is something else.
fn stands_for(model: &SelectedModel) -> Option<String> {
    (model.requested_model != model.resolved_model).then(|| model.resolved_model.clone())
}
