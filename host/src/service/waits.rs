//! Which wait is meant, and which are open.

use serde_json::Value;

use super::{PendingWaitView, ServiceError};
use crate::engine::Engine;
use crate::ids::ExecutionId;
use crate::store::{ExecutionFilter, Page, Status, WaitRow};

/// The open wait that `selector` names, by name first and then by ID; without one, the only open wait.
pub(super) async fn select(engine: &Engine, id: ExecutionId, selector: Option<&str>) -> Result<WaitRow, ServiceError> {
    let mut open = engine.pending_waits(id).await?;
    if open.is_empty() {
        return Err(ServiceError::state(format!("Execution '{id}' has no pending waits to resolve.")));
    }
    let names = |waits: &[WaitRow]| waits.iter().map(|wait| wait.wait.name.clone()).collect::<Vec<_>>().join(", ");
    let Some(selector) = selector else {
        let listed = names(&open);
        return match (open.pop(), open.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(ServiceError::State {
                message: format!(
                    "Execution '{id}' has multiple pending waits ({listed}). Use `kitaru-host executions input --interactive` to resolve them."
                ),
                hint: Some("or name one with --wait".into()),
            }),
        };
    };
    let selector = selector.trim();
    if selector.is_empty() {
        return Err(ServiceError::usage("`wait` must be a non-empty string."));
    }
    let available = names(&open);
    let by_name = open.iter().filter(|wait| wait.wait.name == selector).count();
    if by_name > 1 {
        return Err(ServiceError::state(format!(
            "Multiple pending waits match '{selector}' on execution '{id}'. Use a wait ID."
        )));
    }
    let fits = |wait: &WaitRow| if by_name == 1 { wait.wait.name == selector } else { wait.id.to_string() == selector };
    let position = open.iter().position(fits).ok_or_else(|| {
        ServiceError::state(format!("Execution '{id}' has no pending wait '{selector}'. Available waits: {available}."))
    })?;
    Ok(open.swap_remove(position))
}

/// Open waits of one execution, or of all that wait (oldest execution first).
pub(super) async fn pending(engine: &Engine, id: Option<ExecutionId>) -> Result<Vec<PendingWaitView>, ServiceError> {
    let executions = match id {
        Some(id) => vec![engine.execution(id).await?],
        None => {
            let filter = ExecutionFilter { statuses: vec![Status::Waiting], ..ExecutionFilter::default() };
            let mut rows = engine.store().list(&filter, Page { offset: 0, limit: u64::MAX }).await?;
            rows.reverse();
            rows
        }
    };
    let mut views = Vec::new();
    for execution in executions {
        let open = engine.pending_waits(execution.new.id).await?;
        views.extend(open.iter().map(|wait| view(wait, &execution.new.flow)));
    }
    Ok(views)
}

/// A wait of a flow, for people.
pub(super) fn view(row: &WaitRow, flow: &str) -> PendingWaitView {
    let json = |text: &Option<String>| text.as_ref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    PendingWaitView {
        wait_id: row.id.to_string(),
        exec_id: row.id.execution.to_string(),
        flow_name: flow.to_owned(),
        name: row.wait.name.clone(),
        question: row.wait.question.clone(),
        schema: json(&row.wait.schema),
        metadata: json(&row.wait.metadata),
        entered_waiting_at: row.entered_at.to_rfc3339(),
        deadline: row.wait.deadline.map(|at| at.to_rfc3339()),
    }
}
