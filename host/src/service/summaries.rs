//! Executions in brief, as lists have them.

use std::collections::HashMap;

use super::costs::Used;
use super::executions::{filter, object};
use super::{ExecutionSummary, FailureView, ListQuery, Listing, ServiceError, waits};
use crate::engine::{Engine, EngineError, artifacts_of, read_journal};
use crate::ids::ExecutionId;
use crate::journal::History;
use crate::store::{ExecutionFilter, ExecutionRow, ModelUsage, Page, Status};

pub(super) async fn list(engine: &Engine, query: &ListQuery) -> Result<Listing<ExecutionSummary>, ServiceError> {
    let filter = filter(query);
    let rows = engine.store().list(&filter, Page { offset: query.offset, limit: query.limit }).await?;
    let (last, full) = (rows.last().map(|row| row.position), rows.len() as u64 == query.limit);
    let items = in_brief(engine, &rows).await?.into_iter().map(|(summary, _)| summary).collect();
    let total = engine.store().count(&ExecutionFilter { before: None, ..filter }).await?;
    Ok(Listing { items, total, next_cursor: last.filter(|_| full) })
}

/// Executions in brief, each with its calls. What they used is read at once for all of them.
pub(super) async fn in_brief(engine: &Engine, rows: &[ExecutionRow]) -> Result<Vec<(ExecutionSummary, History)>, ServiceError> {
    let store = engine.store().as_ref();
    let ids: Vec<ExecutionId> = rows.iter().map(|row| row.new.id).collect();
    let mut usage: HashMap<ExecutionId, Vec<ModelUsage>> = HashMap::new();
    for row in store.model_usage_in(&ids).await? {
        usage.entry(row.execution).or_default().push(row);
    }
    let mut briefs = Vec::with_capacity(rows.len());
    for row in rows {
        let id = row.new.id;
        // One damaged journal must not hide other executions (E13).
        let history = match read_journal(store, id).await {
            Ok(journal) => journal.history,
            Err(EngineError::Record { .. } | EngineError::History { .. }) => History::default(),
            Err(error) => return Err(error.into()),
        };
        let artifacts = if history.is_empty() { 0 } else { artifacts_of(store, id, &history).await?.len() };
        let used = Used::of(usage.get(&id).map_or(&[], Vec::as_slice), history.calls());
        briefs.push((of(engine, row, &history, artifacts, &used).await?, history));
    }
    Ok(briefs)
}

/// An execution in brief.
pub(super) async fn of(
    engine: &Engine,
    row: &ExecutionRow,
    history: &History,
    artifact_count: usize,
    used: &Used,
) -> Result<ExecutionSummary, ServiceError> {
    let pending = match row.status {
        Status::Waiting => engine.pending_waits(row.new.id).await?.first().map(|wait| waits::view(wait, &row.new.flow)),
        _ => None,
    };
    let used = used.total();
    Ok(ExecutionSummary {
        exec_id: row.new.id.to_string(),
        flow_id: flow_id(&row.new.flow),
        flow_name: row.new.flow.clone(),
        status: row.status.as_str().into(),
        started_at: row.new.created_at.to_rfc3339(),
        ended_at: row.ended_at.map(|at| at.to_rfc3339()),
        stack_name: "local".into(),
        status_reason: row.status_reason.clone(),
        pending_wait: pending,
        failure: row.failure.as_ref().filter(|_| row.status == Status::Failed).map(FailureView::from),
        metadata: object(Some(&row.metadata)),
        checkpoint_count: history.calls().iter().filter(|call| call.descriptor.kind.is_checkpoint()).count(),
        artifact_count,
        cost_usd: used.as_ref().and_then(|used| used.known_cost()),
        total_tokens: used.as_ref().map(|used| used.total_tokens),
        original_exec_id: row.new.original.map(|id| id.to_string()),
        parent_exec_id: row.new.parent.map(|call| call.execution.to_string()),
        parent_call_id: row.new.parent.map(|call| call.to_string()),
        tags: row.new.tags.clone(),
        wakes_at: row.wake_at.filter(|_| row.status == Status::Waiting).map(|at| at.to_rfc3339()),
        component_digest: row.new.component.to_string(),
        is_due: engine.is_due(row),
    })
}

/// A stable identifier of a flow's name, in the form of a UUID (version 8).
fn flow_id(flow: &str) -> String {
    let mut bytes = [0; 16];
    blake3::Hasher::new_derive_key("kitaru-host 2026-11 flow id").update(flow.as_bytes()).finalize_xof().fill(&mut bytes);
    uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string()
}
