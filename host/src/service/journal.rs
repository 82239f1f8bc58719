//! The durable calls of an execution, with what went in and came out.

use super::executions::{call_status, failure_of, provenance, value};
use super::{JournalCall, LocalService, ServiceError};
use crate::engine::{Engine, read_journal};
use crate::ids::{CallId, ExecutionId};
use crate::journal::{History, Outcome};
use crate::store::ExecutionRow;

/// Which durable calls of an execution.
#[derive(Clone, Copy, Debug, Default)]
pub struct JournalQuery {
    /// Only those after the one with this index.
    pub after: Option<u32>,
    /// At most so many.
    pub limit: Option<u64>,
}

/// The calls that are asked for.
pub(super) async fn calls(
    service: &LocalService,
    id: ExecutionId,
    query: JournalQuery,
) -> Result<Vec<JournalCall>, ServiceError> {
    let (engine, store) = (service.engine(), service.store().as_ref());
    let row = engine.execution(id).await?;
    let JournalQuery { after, limit } = query;
    if after.is_none() && limit.is_none() {
        let history = read_journal(store, id).await?.history;
        return views(engine, &row, &history, 0..history.len()).await;
    }
    // Whoever reads a part reads the next one too.
    let journal = service.journals().up_to_date(store, id).await?;
    let first = after.map_or(0, |after| after.saturating_add(1));
    let most = limit.map_or(u32::MAX, |limit| u32::try_from(limit).unwrap_or(u32::MAX));
    let end = first.saturating_add(most).min(journal.history.len());
    views(engine, &row, &journal.history, first..end).await
}

/// These of an execution's calls.
pub(super) async fn views(
    engine: &Engine,
    row: &ExecutionRow,
    history: &History,
    which: impl Iterator<Item = u32> + Send,
) -> Result<Vec<JournalCall>, ServiceError> {
    let mut calls = Vec::new();
    for index in which {
        let Some(record) = history.call(index) else { continue };
        let (provenance, original_call_id, other_input) = provenance(record);
        let output = match record.end.as_ref().map(|end| &end.outcome) {
            Some(Outcome::Success(payload)) => Some(value(engine, payload).await?),
            _ => None,
        };
        calls.push(JournalCall {
            index,
            call_id: CallId { execution: row.new.id, index }.to_string(),
            kind: record.descriptor.kind.as_str().into(),
            name: record.descriptor.name.clone(),
            invocation_id: record.descriptor.invocation.clone(),
            status: call_status(record, row.status).into(),
            provenance: provenance.into(),
            other_input,
            original_call_id,
            child_exec_id: record.child.map(|id| id.to_string()),
            wakes_at: record.deadline.map(|at| at.to_rfc3339()),
            attempts: record.attempts.len(),
            started_at: record.started_at.to_rfc3339(),
            ended_at: record.end.as_ref().map(|end| end.at.to_rfc3339()),
            input: value(engine, &record.descriptor.input).await?,
            output,
            failure: failure_of(record),
        });
    }
    Ok(calls)
}
