//! Executions in brief, as lists have them.

use kitaru_llm::usage::UsageSummary;

use super::executions::{filter, object};
use super::{ExecutionSummary, FailureView, ListQuery, Listing, ServiceError, briefs, waits};
use crate::engine::Engine;
use crate::store::{ExecutionFilter, ExecutionRow, Page, Status};

/// A search by words looks through so many executions at a time, however few it finds: a caller who wants more goes on from there.
const WALK: u64 = 10_000;

/// A part of the executions that a filter is for, which is looked through in one go.
pub(super) struct Window {
    /// The filter, for this part.
    pub(super) filter: ExecutionFilter,
    /// Where what follows begins, if anything does.
    pub(super) next: Option<u64>,
}

/// The first part of a filter's executions: all of them where no words are searched for.
pub(super) async fn window(engine: &Engine, filter: ExecutionFilter) -> Result<Window, ServiceError> {
    if filter.words.is_empty() {
        return Ok(Window { filter, next: None });
    }
    let all = ExecutionFilter { words: Vec::new(), ..filter.clone() };
    let beyond = engine.store().list(&all, Page { offset: WALK, limit: 1 }).await?;
    let last = beyond.first().map(|row| row.position);
    Ok(Window { filter: ExecutionFilter { after: last, ..filter }, next: last.map(|last| last.saturating_add(1)) })
}

pub(super) async fn list(engine: &Engine, query: &ListQuery) -> Result<Listing<ExecutionSummary>, ServiceError> {
    let Window { filter, next } = window(engine, filter(query)).await?;
    let rows = engine.store().list(&filter, Page { offset: query.offset, limit: query.limit }).await?;
    let (last, full) = (rows.last().map(|row| row.position), rows.len() as u64 == query.limit);
    let items = in_brief(engine, &rows).await?;
    let total = if filter.words.is_empty() {
        engine.store().count(&ExecutionFilter { before: None, ..filter }).await?
    } else {
        // Where the page is full, the next one begins after its last, and looks through the rest.
        let after = if full { last.map(|last| last.saturating_sub(1)) } else { filter.after };
        engine.store().count(&ExecutionFilter { words: Vec::new(), after, ..filter }).await?
    };
    Ok(Listing { items, total, next_cursor: last.filter(|_| full).or(next) })
}

/// Executions in brief.
pub(super) async fn in_brief(engine: &Engine, rows: &[ExecutionRow]) -> Result<Vec<ExecutionSummary>, ServiceError> {
    let known = briefs::of(engine.store().as_ref(), rows).await?;
    let mut summaries = Vec::with_capacity(rows.len());
    for (row, brief) in rows.iter().zip(known) {
        summaries.push(of(engine, row, [brief.checkpoints, brief.artifacts()], brief.used()).await?);
    }
    Ok(summaries)
}

/// An execution in brief, with so many checkpoints and artifacts.
pub(super) async fn of(
    engine: &Engine,
    row: &ExecutionRow,
    [checkpoint_count, artifact_count]: [usize; 2],
    used: Option<UsageSummary>,
) -> Result<ExecutionSummary, ServiceError> {
    let pending = match row.status {
        Status::Waiting => engine.pending_waits(row.new.id).await?.first().map(|wait| waits::view(wait, &row.new.flow)),
        _ => None,
    };
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
        checkpoint_count,
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
