//! Lists that are longer than a page of the server.

use super::RemoteService;
use crate::ids::ExecutionId;
use crate::service::verbs::{List, ListParams, Logs, LogsParams};
use crate::service::{ExecutionSummary, ListQuery, Listing, LogEntry, LogQuery, ServiceError};

/// The most that a page has.
const PAGE: u64 = 1_000;
/// The most that a page of a log has.
pub(super) const LINES: u64 = 10_000;

impl RemoteService {
    /// Executions, as many as are asked for.
    pub(super) async fn executions(&self, query: &ListQuery) -> Result<Listing<ExecutionSummary>, ServiceError> {
        if query.flows.is_some() {
            // The key says already what its owner sees.
            return Err(ServiceError::usage("a server knows by itself of which flows a caller may see executions"));
        }
        let mut params = ListParams { limit: Some(query.limit.clamp(1, PAGE)), ..ListParams::of(query) };
        let mut page = self.call::<List>(params.clone()).await?;
        let mut items = std::mem::take(&mut page.items);
        let mut asked = params.limit.unwrap_or(PAGE);
        let mut was_full = items.len() as u64 == asked;
        // A search that found no more in what it looked through goes on where its caller wants it to, as beside the data folder.
        while let Some(cursor) =
            page.next_cursor.filter(|_| (query.words.is_empty() || was_full) && (items.len() as u64) < query.limit)
        {
            asked = (query.limit - items.len() as u64).min(PAGE);
            (params.cursor, params.offset, params.limit) = (Some(cursor), None, Some(asked));
            let next = self.call::<List>(params.clone()).await?;
            was_full = next.items.len() as u64 == asked;
            if !query.words.is_empty() {
                // Each page says what it looked through itself.
                page.total = page.total.saturating_add(next.total);
            }
            items.extend(next.items);
            page.next_cursor = next.next_cursor;
        }
        if query.limit == 0 {
            (items, page.next_cursor) = (Vec::new(), None);
        }
        Ok(Listing { items, total: page.total, next_cursor: page.next_cursor })
    }

    /// Lines of a log, as many as are asked for.
    pub(super) async fn lines(&self, id: ExecutionId, query: &LogQuery) -> Result<Vec<LogEntry>, ServiceError> {
        let mut params = LogsParams::of(id.to_string(), query);
        if params.limit.is_some_and(|limit| limit <= LINES) {
            return Ok(self.call::<Logs>(params).await?.items);
        }
        let wanted = params.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        params.limit = None;
        let mut lines = Vec::new();
        loop {
            let page = self.call::<Logs>(params.clone()).await?;
            lines.extend(page.items);
            params.after = page.next_cursor;
            // After a line the first ones are wanted, otherwise the last ones.
            let has_enough = query.after.is_some() && lines.len() >= wanted;
            if params.after.is_none() || has_enough {
                break;
            }
        }
        match query.after {
            Some(_) => lines.truncate(wanted),
            None => drop(lines.drain(..lines.len().saturating_sub(wanted))),
        }
        Ok(lines)
    }

    /// Which executions there are.
    pub(super) async fn all_ids(&self, query: &ListQuery) -> Result<Vec<ExecutionId>, ServiceError> {
        let all = self.executions(&ListQuery { limit: u64::MAX, ..query.clone() }).await?;
        all.items.iter().map(|one| self.id(&one.exec_id)).collect()
    }

    /// The execution that a text names. A whole ID names itself.
    pub(super) async fn named(&self, text: &str) -> Result<ExecutionId, ServiceError> {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return Err(ServiceError::usage("an execution ID must not be empty"));
        }
        if let Some(id) = text.parse().ok().filter(|_| text.len() == WHOLE) {
            return Ok(id);
        }
        let params = crate::service::verbs::ExecutionParams { execution: text };
        self.id(&self.call::<crate::service::verbs::Get>(params).await?.summary.exec_id)
    }
}

/// Characters of a whole ID.
const WHOLE: usize = 36;
