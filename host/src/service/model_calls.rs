//! The model calls of an execution: what was asked and answered, by whom, and what it cost.

use kitaru_llm::event::{Event, Kind, Phase, atof};
use kitaru_llm::price::NanoUsd;
use kitaru_llm::usage::{RecordStatus, UsageRecord, UsageSummary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LocalService, ServiceError, Word};
use crate::ids::{CallId, ExecutionId};
use crate::store::ModelCallRow;

/// A model call.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ModelCallView {
    /// The durable call: the model call itself, or the checkpoint around it.
    pub call_id: String,
    /// Its position among the execution's durable calls.
    pub call_index: u32,
    /// Its attempt.
    pub attempt: u32,
    /// Position among what the attempt asked models.
    pub ordinal: u32,
    /// The call's name.
    pub name: String,
    /// When it ended.
    pub at: String,
    /// The model that was called, as `provider/model`; null where none was.
    pub model: Option<String>,
    /// What the caller asked for: an alias, or a model.
    pub requested_model: Option<String>,
    /// How it ended: `completed` or `failed`.
    pub status: Word,
    /// What was asked, as it was recorded: sanitised by the policies that governed it.
    pub request: Value,
    /// What was answered, as it was recorded.
    pub response: Value,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// What is known of what it cost, in dollars.
    #[schemars(with = "f64")]
    pub cost_usd: NanoUsd,
    /// What an answer that was there already would have cost, in dollars.
    #[schemars(with = "f64")]
    pub saved_cost_usd: NanoUsd,
    /// How long it took, in milliseconds.
    pub latency_ms: Option<f64>,
    /// Its usage records, one for each attempt that reached a provider.
    pub usage: Vec<Value>,
}

pub(super) async fn of(service: &LocalService, id: ExecutionId) -> Result<Vec<ModelCallView>, ServiceError> {
    Ok(service.store().model_calls(id).await?.into_iter().map(|row| view(id, row)).collect())
}

fn view(id: ExecutionId, row: ModelCallRow) -> ModelCallView {
    let events: Vec<Event> = row.events.lines().filter_map(|line| atof::from_line(line).ok()).collect();
    let end_of = |wanted: Phase| {
        let is_end = |event: &&Event| matches!(&event.kind, Kind::Scope { phase, .. } if *phase == wanted);
        events.iter().find(is_end).map(|event| event.data.clone()).unwrap_or_default()
    };
    let usage: Vec<Value> = serde_json::from_str(&row.usage).unwrap_or_default();
    let records: Vec<UsageRecord> = usage.iter().map(UsageRecord::from_json).collect();
    let mut sum = UsageSummary::default();
    records.iter().for_each(|record| sum.count(record));
    let last = records.last();
    ModelCallView {
        call_id: CallId { execution: id, index: row.call }.to_string(),
        call_index: row.call,
        attempt: row.attempt,
        ordinal: row.ordinal,
        name: row.name,
        at: row.at.to_rfc3339(),
        model: last.and_then(|record| record.resolved_model.clone()),
        requested_model: last.and_then(|record| record.requested_model.clone()),
        status: match last.map(|record| record.status) {
            Some(RecordStatus::Completed) => "completed".into(),
            Some(RecordStatus::Failed) | None => "failed".into(),
        },
        request: end_of(Phase::Start),
        response: end_of(Phase::End),
        input_tokens: sum.input_tokens,
        output_tokens: sum.output_tokens,
        cost_usd: sum.display_cost_usd,
        saved_cost_usd: sum.saved_cost_usd,
        latency_ms: last.and_then(|record| record.latency_ms),
        usage,
    }
}
