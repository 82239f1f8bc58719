//! What the model calls of one execution used, altogether and by checkpoint.

use std::collections::{BTreeMap, HashSet};

use kitaru_llm::price::{Cost, NanoUsd};
use kitaru_llm::usage::{UsageRecord, UsageSummary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ServiceError;
use crate::ids::ExecutionId;
use crate::journal::{AttemptStatus, CallKind, CallRecord, History, Provenance};
use crate::store::{ModelUsage, Status, Store};

/// What the model calls of a checkpoint used in its execution, by all attempts. All null where it called none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointUsage {
    /// What is known of what they cost, in dollars: nothing where the checkpoint was served. Null also where there was a cost and nobody knows any
    /// of it.
    #[schemars(with = "Option<f64>")]
    pub cost_usd: Option<NanoUsd>,
    /// What answers that were there already would have cost, in dollars.
    #[schemars(with = "Option<f64>")]
    pub saved_cost_usd: Option<NanoUsd>,
    /// Tokens read, those of answers that were there already among them.
    pub input_tokens: Option<u64>,
    /// Tokens written, likewise.
    pub output_tokens: Option<u64>,
    /// Both.
    pub total_tokens: Option<u64>,
    /// Attempts whose cost nobody knows: `cost_usd` is too low by them.
    pub records_without_cost_count: Option<u64>,
}

impl From<&UsageSummary> for CheckpointUsage {
    fn from(summary: &UsageSummary) -> Self {
        Self {
            cost_usd: summary.known_cost(),
            saved_cost_usd: Some(summary.saved_cost_usd),
            input_tokens: Some(summary.input_tokens),
            output_tokens: Some(summary.output_tokens),
            total_tokens: Some(summary.total_tokens),
            records_without_cost_count: Some(summary.records_without_cost_count),
        }
    }
}

/// Sums over the model calls of an execution.
#[derive(Debug, Default)]
pub(super) struct Used {
    total: UsageSummary,
    by_call: BTreeMap<u32, UsageSummary>,
}

impl Used {
    /// What an execution used that has this status.
    pub(super) async fn read(
        store: &dyn Store,
        id: ExecutionId,
        history: &History,
        status: Status,
    ) -> Result<Self, ServiceError> {
        Ok(Self::of(&store.model_usage(id).await?, history.calls(), status))
    }

    /// What was paid for stands in the records, of all attempts. A call that was answered again without being made has none: what it would have
    /// cost stands in its metadata. No record is in both. Of an attempt whose host died there is neither, and nobody knows what that cost.
    pub(super) fn of(rows: &[ModelUsage], calls: &[CallRecord], status: Status) -> Self {
        Self::of_some(rows, calls, 0..u32::try_from(calls.len()).unwrap_or(u32::MAX), status)
    }

    /// The same of some of the calls, and of the records under their indexes.
    pub(super) fn of_some(rows: &[ModelUsage], calls: &[CallRecord], which: impl Iterator<Item = u32>, status: Status) -> Self {
        let mut used = Self::default();
        let recorded: HashSet<(u32, u32)> = rows.iter().map(|row| (row.call, row.attempt)).collect();
        for row in rows {
            let call = usize::try_from(row.call).ok().and_then(|index| calls.get(index));
            for record in records_of(row) {
                used.total.count(&record);
                // A reopened execution may have another call there now: then only the execution paid for it.
                if call.is_some_and(|call| is_of(call, &record)) {
                    used.by_call.entry(row.call).or_default().count(&record);
                }
            }
        }
        for index in which {
            let call = usize::try_from(index).ok().and_then(|index| calls.get(index));
            let end = call.and_then(|call| call.end.as_ref());
            for record in end.map(|end| reused_by(&end.provenance, end.metadata.as_ref())).unwrap_or_default() {
                used.total.count(&record);
                used.by_call.entry(index).or_default().count(&record);
            }
            let asked = call.into_iter().flat_map(|call| attempts_that_asked(call, status));
            for _ in asked.filter(|attempt| !recorded.contains(&(index, *attempt))) {
                used.total.count(&lost());
                used.by_call.entry(index).or_default().count(&lost());
            }
        }
        used
    }

    /// All of it; nothing where no model was called.
    pub(super) fn total(&self) -> Option<UsageSummary> {
        Some(&self.total).filter(|total| total.usage_record_count > 0).cloned()
    }

    /// What a durable call used; nothing where it called no model.
    pub(super) fn summary_of(&self, index: u32) -> Option<&UsageSummary> {
        self.by_call.get(&index)
    }

    /// What a durable call used.
    pub(super) fn of_call(&self, index: u32) -> CheckpointUsage {
        self.by_call.get(&index).map(CheckpointUsage::from).unwrap_or_default()
    }
}

/// The usage records of a model call. Of one that cannot be read it is known that there was a call, and not what it cost.
pub(super) fn records_of(row: &ModelUsage) -> Vec<UsageRecord> {
    match serde_json::from_str::<Vec<Value>>(&row.usage) {
        Ok(records) => records.iter().map(UsageRecord::from_json).collect(),
        Err(_) => vec![UsageRecord::from_json(&Value::Null)],
    }
}

/// What is counted of an attempt to ask a model that left no record: its host died. That it began is durable before anybody is asked.
pub(super) fn lost() -> UsageRecord {
    let cost = Cost::unknown("a host died during a call, which left no record");
    UsageRecord { adapter: "kitaru".into(), surface: "kitaru_llm".into(), cost, ..UsageRecord::from_json(&Value::Null) }
}

/// The attempts of a model call that are over, of an execution that has this status.
fn attempts_that_asked(call: &CallRecord, status: Status) -> impl Iterator<Item = u32> {
    let is_model = call.descriptor.kind == CallKind::Llm;
    let attempts = call.attempts.iter().filter(move |_| is_model);
    attempts.filter(move |attempt| status.is_terminal() || attempt.status != AttemptStatus::Running).map(|attempt| attempt.number)
}

fn is_of(call: &CallRecord, record: &UsageRecord) -> bool {
    let names = [&call.descriptor.invocation, &call.descriptor.name];
    record.checkpoint_name.as_ref().is_none_or(|name| names.contains(&name))
}

/// The usage records of a call that ended like this, if it was answered again without being made.
pub(super) fn reused_by(provenance: &Provenance, metadata: Option<&String>) -> Vec<UsageRecord> {
    let is_reused = provenance.source().is_some();
    // Few calls ask models, and whatever else is metadata need not even be read.
    let metadata = metadata.filter(|text| is_reused && text.contains("\"llm_usage_v1\""));
    let metadata = metadata.and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or_default();
    let records = metadata.get("llm_usage_v1").and_then(Value::as_object);
    let read = records.into_iter().flat_map(|records| records.values()).map(UsageRecord::from_json);
    // Whoever wrote it: what was not made here is not paid for here.
    read.filter(|record| !record.is_incurred()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Timestamp;
    use crate::journal::{Attempt, CallEnd, CanonicalJson, Descriptor, Outcome, Payload};

    fn payload() -> Payload {
        Payload::Inline(b"null".to_vec())
    }

    fn call(name: &str, provenance: Provenance, metadata: &Value) -> CallRecord {
        let at = Timestamp::from_micros(0);
        CallRecord {
            descriptor: Descriptor {
                kind: CallKind::Checkpoint,
                name: name.into(),
                invocation: format!("{name}_2"),
                input: payload(),
                input_hash: CanonicalJson::of(&Value::Null).hash(),
                checkpoint_type: None,
            },
            started_at: at,
            attempts: Vec::new(),
            end: Some(CallEnd {
                outcome: Outcome::Success(payload()),
                provenance,
                at,
                seq: 1,
                metadata: Some(metadata.to_string()),
            }),
            attempts_before_reopening: 0,
            issued_seq: 0,
            changed_seq: 0,
            deadline: None,
            child: None,
            retry_at: None,
            spent_attempts: 0,
        }
    }

    fn incurred(checkpoint: &str, cost: Value) -> Value {
        json!({
            "record_id": "r", "checkpoint_name": checkpoint, "usage": { "input_tokens": 10, "output_tokens": 5 }, "status": "completed",
            "billing_effect": "incurred", "cache_status": "executed", "cost": { "estimated_cost_usd": cost, "source": "calculator" },
        })
    }

    fn reused(saved: f64) -> Value {
        json!({
            "record_id": "r", "usage": { "input_tokens": 10, "output_tokens": 5 }, "billing_effect": "reused_not_incurred",
            "cost": { "source": "none", "saved_cost_usd": saved },
        })
    }

    fn row(call: u32, usage: &str) -> ModelUsage {
        ModelUsage {
            position: 1,
            execution: ExecutionId::from_bytes([7; 16]),
            call,
            attempt: 1,
            ordinal: 0,
            name: "a".into(),
            flow: "f".into(),
            day: 0,
            at: Timestamp::from_micros(0),
            usage: usage.into(),
            spent: 0,
        }
    }

    fn served() -> Provenance {
        Provenance::Cached { source: ExecutionId::from_bytes([8; 16]), call: 3 }
    }

    #[test]
    fn what_was_made_is_paid_for_and_what_was_served_is_saved() {
        let metadata = json!({ "llm_usage_v1": { "x": reused(0.5), "y": incurred("b_2", json!(0.25)) } });
        let calls =
            [call("a", Provenance::Ran, &metadata), call("b", served(), &metadata), call("c", Provenance::Ran, &json!({}))];
        let attempts = json!([incurred("a_2", json!(0.25)), incurred("a", json!(0.25))]).to_string();
        let used = Used::of(&[row(0, &attempts), row(0, "[]")], &calls, Status::Completed);
        let (made, served) = (used.of_call(0), used.of_call(1));
        assert_eq!((made.cost_usd, made.total_tokens), (Some(NanoUsd::from_nanos(500_000_000)), Some(30)));
        assert_eq!((served.cost_usd, served.total_tokens), (Some(NanoUsd::ZERO), Some(15)));
        assert_eq!(served.saved_cost_usd, Some(NanoUsd::from_nanos(500_000_000)));
        assert_eq!(used.of_call(2), CheckpointUsage::default());
        let total = used.total().unwrap();
        assert_eq!((total.incurred_usage_record_count, total.reused_usage_record_count), (2, 1));
        assert_eq!(
            (total.display_cost_usd, total.saved_cost_usd),
            (NanoUsd::from_nanos(500_000_000), NanoUsd::from_nanos(500_000_000))
        );
    }

    #[test]
    fn what_another_call_cost_that_stood_there_is_the_executions() {
        let calls = [call("a", Provenance::Ran, &json!({}))];
        let used = Used::of(&[row(0, &json!([incurred("dropped", json!(0.25))]).to_string())], &calls, Status::Completed);
        assert_eq!(used.of_call(0), CheckpointUsage::default());
        assert_eq!(used.total().map(|total| total.display_cost_usd), Some(NanoUsd::from_nanos(250_000_000)));
    }

    #[test]
    fn of_an_attempt_without_a_record_nobody_knows_the_cost() {
        let asked = |statuses: &[AttemptStatus]| {
            let at = Timestamp::from_micros(0);
            let attempts = (1..).zip(statuses).map(|(number, status)| {
                let status = status.clone();
                Attempt { number, started_at: at, ended_at: None, status, metadata: None }
            });
            let mut call = call("a", Provenance::Ran, &json!({}));
            (call.descriptor.kind, call.attempts) = (CallKind::Llm, attempts.collect());
            call
        };
        let unknown = |rows: &[ModelUsage], call: &CallRecord, status| {
            let total = Used::of(rows, std::slice::from_ref(call), status).total();
            total.map(|total| (total.usage_record_count, total.records_without_cost_count))
        };
        let second = ModelUsage { attempt: 2, ..row(0, &json!([incurred("a", json!(0.25))]).to_string()) };
        let again = asked(&[AttemptStatus::Interrupted, AttemptStatus::Completed]);
        assert_eq!(unknown(std::slice::from_ref(&second), &again, Status::Completed), Some((2, 1)));
        assert_eq!(
            unknown(&[row(0, "[]"), second], &again, Status::Completed),
            Some((1, 0)),
            "there is a record, and it says nothing"
        );
        let left = asked(&[AttemptStatus::Running]);
        assert_eq!(unknown(&[], &left, Status::Running), None, "it may be under way");
        assert_eq!(unknown(&[], &left, Status::Cancelled), Some((1, 1)));
        let body = CallRecord { descriptor: Descriptor { kind: CallKind::Checkpoint, ..again.descriptor.clone() }, ..again };
        assert_eq!(unknown(&[], &body, Status::Completed), None, "nobody knows that it asked a model");
    }

    #[test]
    fn a_cost_that_nobody_knows_is_not_zero() {
        let calls = [call("a", Provenance::Ran, &json!({})), call("b", Provenance::Ran, &json!({}))];
        let used =
            Used::of(&[row(0, &json!([incurred("a", Value::Null)]).to_string()), row(1, "damaged")], &calls, Status::Completed);
        for call in [0, 1] {
            assert_eq!((used.of_call(call).cost_usd, used.of_call(call).records_without_cost_count), (None, Some(1)));
        }
        assert_eq!(used.total().and_then(|total| total.known_cost()), None);
        assert_eq!(Used::of(&[], &calls, Status::Completed).total(), None, "no model was called");
    }
}
