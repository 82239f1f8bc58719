//! Executions, looked at.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::listing::{ListParams, Page, Plain};
use super::verb;
use crate::sandbox::AccessKind;
use crate::service::{
    AccessQuery, AccessView, ExecutionChangesView, ExecutionSummary, ExecutionView, GovernedCallView, JournalCall, JournalQuery,
    LogEntry, LogQuery, ModelCallView, Service, ServiceError,
};
use crate::store::LogSource;

/// An execution.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecutionParams {
    /// Its ID, or a unique beginning of it.
    #[serde(alias = "exec_id")]
    pub execution: String,
}

verb! {
    /// Lists executions, newest first.
    List = "executions.list", Get "/executions", Viewer, Reads, Ok("kitaru_executions_list"), 200;
    |service, params: ListParams| -> Page<ExecutionSummary> {
        Ok(service.list(&params.query(service).await?).await?.into())
    }
}

verb! {
    /// Shows the newest execution that passes the filters.
    Latest = "executions.latest", Get "/executions/latest", Viewer, Reads, Ok("kitaru_executions_latest"), 200;
    |service, params: ListParams| -> ExecutionView { service.latest(&params.query(service).await?).await }
}

verb! {
    /// Shows one execution, whole: its checkpoints, attempts, waits, artifacts, usage and failure.
    Get = "executions.get", Get "/executions/{execution}", Viewer, Reads, Ok("kitaru_executions_get"), 200;
    |service, params: ExecutionParams| -> ExecutionView {
        service.get(service.resolve(&params.execution).await?).await
    }
}

/// What somebody knows of an execution.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangesParams {
    /// Its ID, or a unique beginning of it.
    #[serde(alias = "exec_id")]
    pub execution: String,
    /// Only what changed since an earlier look: the `cursor` that it gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
}

verb! {
    /// Shows what changed of an execution and its durable calls since an earlier look; the first look gives all of it.
    Changes = "executions.changes", Get "/executions/{execution}/changes", Viewer, Reads,
    Err("an assistant looks at what it asks for: `kitaru_executions_get`, and `kitaru_executions_journal` from a call on"), 200;
    |service, params: ChangesParams| -> ExecutionChangesView {
        service.changes(service.resolve(&params.execution).await?, params.since.as_deref()).await
    }
}

/// Which durable calls of an execution.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JournalParams {
    /// Its ID, or a unique beginning of it.
    #[serde(alias = "exec_id")]
    pub execution: String,
    /// Only calls after the one with this index: the `next_cursor` of the page before.
    #[serde(default, alias = "cursor", skip_serializing_if = "Option::is_none")]
    pub after: Option<u32>,
    /// The next so many; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub limit: Option<u64>,
}

/// Durable calls.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JournalPage {
    /// The calls, by index.
    pub items: Vec<JournalCall>,
    /// How many that are.
    pub count: u64,
    /// What to give as `after` for those that follow, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<u32>,
}

impl JournalParams {
    async fn page(&self, service: &dyn Service) -> Result<JournalPage, ServiceError> {
        if self.limit == Some(0) {
            return Err(ServiceError::usage("`limit` must be at least 1"));
        }
        // One more tells whether there is more.
        let query = JournalQuery { after: self.after, limit: self.limit.map(|limit| limit.saturating_add(1)) };
        let mut items = service.journal(service.resolve(&self.execution).await?, query).await?;
        let most = self.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        let has_more = items.len() > most;
        items.truncate(most);
        let next_cursor = items.last().filter(|_| has_more).map(|call| call.index);
        Ok(JournalPage { count: items.len() as u64, items, next_cursor })
    }
}

verb! {
    /// Shows an execution's durable calls with what went in and came out.
    Journal = "executions.journal", Get "/executions/{execution}/journal", Viewer, Reads, Ok("kitaru_executions_journal"), 200;
    |service, params: JournalParams| -> JournalPage { params.page(service).await }
}

/// Which accesses of an execution.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessParams {
    /// Its ID, or a unique beginning of it.
    #[serde(alias = "exec_id")]
    pub execution: String,
    /// Only denials.
    #[serde(default)]
    pub denied: bool,
    /// Only of the checkpoint with this name, invocation ID or call ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Only of this kind: `read`, `write`, `env`, `net`, `secret`, `llm` or `load`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

verb! {
    /// Shows what an execution's checkpoints used of their grants, and what they were denied.
    Access = "executions.access", Get "/executions/{execution}/accesses", Viewer, Reads, Ok("kitaru_executions_access"), 200;
    |service, params: AccessParams| -> Plain<AccessView> {
        let kind = params.kind.as_deref().map(|word| {
            {
                let known = AccessKind::ALL.into_iter().find(|kind| kind.as_str() == word);
                known.ok_or_else(|| ServiceError::usage(format!("`{word}` is no kind of capability")))
            }
        });
        let query = AccessQuery { denied: params.denied, checkpoint: params.checkpoint.clone(), kind: kind.transpose()? };
        Ok(service.accesses(service.resolve(&params.execution).await?, &query).await?.into())
    }
}

/// Which events of an execution.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsParams {
    /// Its ID, or a unique beginning of it.
    #[serde(alias = "exec_id")]
    pub execution: String,
    /// With inputs, outputs and messages as they are.
    #[serde(default)]
    pub content: bool,
}

verb! {
    /// Shows an execution as events: scopes that begin and end, and marks, in the order of time.
    Events = "executions.events", Get "/executions/{execution}/events", Viewer, Reads, Ok("kitaru_executions_events"), 200;
    |service, params: EventsParams| -> Plain<Value> {
        let events = service.events(service.resolve(&params.execution).await?, params.content).await?;
        Ok(events.iter().map(kitaru_llm::event::atof::to_json).collect::<Vec<_>>().into())
    }
}

verb! {
    /// Shows an execution as a trajectory: what its models were told, said and did.
    Trajectory = "executions.trajectory", Get "/executions/{execution}/trajectory", Viewer, Reads,
    Err("it is a file format; `kitaru_executions_events` tells the same"), 200;
    |service, params: EventsParams| -> Value {
        let trajectory = service.trajectory(service.resolve(&params.execution).await?, params.content).await?;
        serde_json::to_value(&trajectory).map_err(|error| ServiceError::state(error.to_string()))
    }
}

/// Which log lines of an execution.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogsParams {
    /// Its ID, or a unique beginning of it.
    #[serde(alias = "exec_id")]
    pub execution: String,
    /// Only this checkpoint's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
    /// Only what checkpoints (`step`) or the flow body (`runner`) wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The last so many; with `after`, the next so many. At most 10000; 1000 from the beginning if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub limit: Option<u64>,
    /// Only lines after the one of this number: the `next_cursor` of the page before.
    #[serde(default, alias = "cursor", skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}

/// So many lines are on a page that says no size.
const LINES: u64 = 1_000;
/// So many may be.
const MOST_LINES: u64 = 10_000;

/// Lines of a log.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogPage {
    /// The lines, the oldest first.
    pub items: Vec<LogEntry>,
    /// How many that are.
    pub count: u64,
    /// What to give as `after` for those that follow, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<u64>,
}

impl LogsParams {
    /// The query that it is.
    ///
    /// # Errors
    /// When it asks for what there is not.
    pub fn query(&self) -> Result<LogQuery, ServiceError> {
        let source = match self.source.as_deref() {
            None => None,
            Some("step") => Some(LogSource::Step),
            Some("runner") => Some(LogSource::Runner),
            Some(other) => return Err(ServiceError::usage(format!("`source` must be `step` or `runner`, not `{other}`."))),
        };
        if self.checkpoint.is_some() && source == Some(LogSource::Runner) {
            return Err(ServiceError::usage("`checkpoint` cannot be combined with `source` `runner`."));
        }
        if self.limit.is_some_and(|limit| !(1..=MOST_LINES).contains(&limit)) {
            return Err(ServiceError::usage(format!("`limit` must be from 1 to {MOST_LINES}")));
        }
        Ok(LogQuery { checkpoint: self.checkpoint.clone(), source, limit: self.limit, after: self.after })
    }

    /// The page of a log that it asks for.
    async fn page(&self, service: &dyn Service) -> Result<LogPage, ServiceError> {
        let mut query = self.query()?;
        // After the last ones nothing follows.
        let size = if query.after.is_some() || query.limit.is_none() { Some(query.limit.unwrap_or(LINES)) } else { None };
        if let Some(size) = size {
            // One more tells whether there is more.
            (query.after, query.limit) = (Some(query.after.unwrap_or(0)), Some(size.saturating_add(1)));
        }
        let mut items = service.logs(service.resolve(&self.execution).await?, &query).await?;
        let most = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
        let has_more = items.len() > most;
        items.truncate(most);
        let next_cursor = items.last().filter(|_| has_more).map(|entry| entry.line);
        Ok(LogPage { count: items.len() as u64, items, next_cursor })
    }

    /// The parameters of a query.
    pub fn of(execution: String, query: &LogQuery) -> Self {
        let source = query.source.map(|source| source.as_str().to_owned());
        Self { execution, checkpoint: query.checkpoint.clone(), source, limit: query.limit, after: query.after }
    }
}

verb! {
    /// Shows what an execution wrote.
    Logs = "executions.logs", Get "/executions/{execution}/logs", Viewer, Reads, Ok("get_execution_logs"), 200;
    |service, params: LogsParams| -> LogPage { params.page(service).await }
}

verb! {
    /// Shows the JSON Schema of an execution's input.
    Schema_ = "executions.schema", Get "/executions/{execution}/schema", Viewer, Reads,
    Err("tools of published flows carry their schemas"), 200;
    |service, params: ExecutionParams| -> Value { service.flow_schema(service.resolve(&params.execution).await?).await }
}

verb! {
    /// Shows the model calls of an execution: what was asked and answered, and what it cost and saved.
    ModelCalls = "executions.model-calls", Get "/executions/{execution}/model-calls", Viewer, Reads,
    Ok("kitaru_executions_model_calls"), 200;
    |service, params: ExecutionParams| -> Plain<ModelCallView> {
        Ok(service.model_calls(service.resolve(&params.execution).await?).await?.into())
    }
}

verb! {
    /// Shows which policies and middleware governed the model calls of an execution.
    Governed = "executions.governed", Get "/executions/{execution}/governed", Viewer, Reads,
    Err("`kitaru_executions_model_calls` tells what they made of the calls"), 200;
    |service, params: ExecutionParams| -> Plain<GovernedCallView> {
        Ok(service.governed(service.resolve(&params.execution).await?).await?.into())
    }
}
