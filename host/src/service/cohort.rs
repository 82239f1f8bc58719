//! Cohorts: executions of one flow that can be replayed together, from the same checkpoint.

use super::{ExecutionSummary, ListQuery, LocalService, ServiceError, executions, summaries};
use crate::engine::{EngineError, read_journal};
use crate::journal::{ReplayPlan, ReplayRequest};
use crate::store::{Page, Status};

/// Executions that are looked at together.
const AT_A_TIME: usize = 50;

/// Which executions to find.
#[derive(Clone, Debug)]
pub struct CohortQuery {
    /// Status, flow, labels, times. Its cursor and limit do not count.
    pub filter: ListQuery,
    /// Only those that can be replayed from here: a checkpoint's name or invocation ID.
    pub at: Option<String>,
    /// Failed ones too, and not only completed ones, where the filter names no status.
    pub include_failed: bool,
    /// How many to look at, the newest first.
    pub max_scan: u64,
    /// How many to give at most.
    pub limit: usize,
    /// The oldest of those that were found come first.
    pub oldest_first: bool,
}

/// Executions to replay together.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn find(service: &LocalService, query: &CohortQuery) -> Result<Vec<ExecutionSummary>, ServiceError> {
    let mut filter = executions::filter(&query.filter);
    if filter.statuses.is_empty() {
        filter.statuses = vec![Status::Completed];
        filter.statuses.extend(query.include_failed.then_some(Status::Failed));
    }
    let rows = service.store().list(&filter, Page { offset: 0, limit: query.max_scan }).await?;
    let mut found = Vec::new();
    for some in rows.chunks(AT_A_TIME) {
        if found.len() >= query.limit && !query.oldest_first {
            break;
        }
        let briefs = summaries::in_brief(service.engine(), some).await?;
        for (row, summary) in some.iter().zip(briefs) {
            if let Some(at) = &query.at {
                let request = ReplayRequest { from: Some(at.clone()), ..ReplayRequest::default() };
                let history = match read_journal(service.store().as_ref(), row.new.id).await {
                    Ok(journal) => journal.history,
                    Err(EngineError::Record { .. } | EngineError::History { .. }) => continue,
                    Err(error) => return Err(error.into()),
                };
                if ReplayPlan::new(row.new.id, &history, &request).is_err() {
                    continue;
                }
            }
            found.push(summary);
        }
    }
    if query.oldest_first {
        found.reverse();
    }
    found.truncate(query.limit);
    Ok(found)
}
