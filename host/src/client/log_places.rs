//! Where lines of a log are: pages and streams go on after the number of one, which no page shows with its lines.

use super::RemoteService;
use super::following::lines;
use crate::ids::ExecutionId;
use crate::service::verbs::{Logs, LogsParams};
use crate::service::{LogQuery, ServiceError};

/// The number of the last line; 0 where there is none.
pub(super) async fn last_line(remote: &RemoteService, id: ExecutionId) -> Result<u64, ServiceError> {
    let query = LogQuery { limit: Some(1), ..LogQuery::default() };
    let said = lines(remote, id, &query).await?.next().await?;
    // A stream with a limit begins with the place before its lines.
    let before = said.id.filter(|_| said.name == "position").and_then(|id| id.parse::<u64>().ok());
    match before {
        Some(0) if remote.lines(id, &query).await?.is_empty() => Ok(0),
        Some(before) => Ok(before + 1),
        None => Err(ServiceError::state(format!("the server at {} does not say where a log ends", remote.address()))),
    }
}

/// The number of a line after which the last `count` of those come that are asked for; 0 where those are all.
pub(super) async fn before_last(
    remote: &RemoteService,
    id: ExecutionId,
    query: &LogQuery,
    count: u64,
) -> Result<u64, ServiceError> {
    let mut params = LogsParams { limit: None, after: Some(0), ..LogsParams::of(id.to_string(), query) };
    // After each page: how many lines came up to there, and the number of the last.
    let (mut ends, mut total) = (vec![(0, 0)], 0);
    loop {
        let page = remote.call::<Logs>(params.clone()).await?;
        total += page.count;
        let Some(end) = page.next_cursor else { break };
        ends.push((total, end));
        params.after = Some(end);
    }
    let others = total.saturating_sub(count);
    let (known, end) = ends.into_iter().rev().find(|(lines, _)| *lines <= others).unwrap_or_default();
    if known == others {
        return Ok(end);
    }
    // Within a page: one that ends there says it.
    (params.after, params.limit) = (Some(end), Some(others - known));
    Ok(remote.call::<Logs>(params).await?.next_cursor.unwrap_or(end))
}
