//! The usage record of one attempt of one call, `llm_usage_v1`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::tokens::TokenCounts;
use crate::models::{CallName, ModelRef, SelectedModel};
use crate::price::{Cost, CostSource, NanoUsd};

/// Whether a call was charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BillingEffect {
    /// It was made, and whatever it cost was spent.
    #[default]
    Incurred,
    /// Its answer was there already.
    ReusedNotIncurred,
    /// Nobody knows. Counted as incurred.
    Unknown,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheStatus {
    /// The provider.
    #[default]
    Executed,
    /// The cache of the checkpoint around the call.
    CheckpointCacheHit,
    /// The cache of answers.
    ResponseCacheHit,
    /// The execution that is replayed.
    ReplayReused,
    /// Nobody knows.
    Unknown,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordStatus {
    /// With an answer.
    #[default]
    Completed,
    /// Without one.
    Failed,
}

/// What one attempt of one call used. Its JSON is `llm_usage_v1` ([`to_json`](Self::to_json)).
#[derive(Clone, Debug, PartialEq)]
pub struct UsageRecord {
    /// Identifies the attempt, so that it is counted once: its event, and the number of the attempt.
    pub record_id: String,
    /// Who made the record.
    pub adapter: String,
    /// By what kind of call.
    pub surface: String,
    /// The call's name.
    pub call_name: Option<String>,
    /// The call's event.
    pub event_id: Option<String>,
    /// The checkpoint around the call.
    pub checkpoint_id: Option<String>,
    /// The checkpoint's name.
    pub checkpoint_name: Option<String>,
    /// The model that answered: the provider's own name of it, which may be another than was asked for.
    pub model: Option<String>,
    /// What was asked for.
    pub requested_model: Option<String>,
    /// The model that was called.
    pub resolved_model: Option<String>,
    /// The provider.
    pub provider: Option<String>,
    /// The SHA-256 of the body that was sent, in hexadecimal digits: a repair and a fallback send another one than the call began with. Nothing where
    /// nobody was asked, or somebody else asked; and where a sanitiser takes a part of the body out, which could be guessed by its digest.
    pub request_sha256: Option<String>,
    /// The tokens.
    pub tokens: TokenCounts,
    /// The tokens in the provider's own words.
    pub raw_usage: Option<Value>,
    /// What it cost.
    pub cost: Cost,
    /// How long it took, in milliseconds.
    pub latency_ms: Option<f64>,
    /// How it ended.
    pub status: RecordStatus,
    /// Whether it was charged.
    pub billing_effect: BillingEffect,
    /// Where the answer came from.
    pub cache_status: CacheStatus,
    /// What a reused answer would have cost, for the one who wants to know what was saved.
    pub saved: Option<NanoUsd>,
}

/// What a record is about, beside what the provider said.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// The call's name.
    pub name: &'a CallName,
    /// The call's event.
    pub event_id: &'a str,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The model that was called.
    pub selected: &'a SelectedModel,
}

impl UsageRecord {
    /// The record of an attempt that reached a provider.
    pub fn of(call: Recorded<'_>, model: Option<String>, tokens: TokenCounts, cost: Cost) -> Self {
        let attempt = call.attempt.max(1);
        let record_id = if attempt == 1 { call.event_id.to_owned() } else { format!("{}::{attempt}", call.event_id) };
        Self {
            record_id,
            adapter: "kitaru".into(),
            surface: "kitaru_llm".into(),
            call_name: Some(call.name.to_string()),
            event_id: Some(call.event_id.to_owned()),
            checkpoint_id: None,
            checkpoint_name: None,
            model: model.or_else(|| Some(call.selected.resolved_model.clone())),
            requested_model: Some(call.selected.requested_model.clone()),
            resolved_model: Some(call.selected.resolved_model.clone()),
            provider: ModelRef::parse(&call.selected.resolved_model).ok().map(|parts| parts.provider),
            request_sha256: None,
            tokens,
            raw_usage: None,
            cost,
            latency_ms: None,
            status: RecordStatus::Completed,
            billing_effect: BillingEffect::Incurred,
            cache_status: CacheStatus::Executed,
            saved: None,
        }
    }

    /// The record of the same answer when it is given again without a call: it costs nothing, and what it had cost is what is saved.
    #[must_use]
    pub fn reused(mut self, status: CacheStatus) -> Self {
        self.saved = self.saved.or(self.cost.amount);
        self.cost = Cost { warnings: std::mem::take(&mut self.cost.warnings), ..Cost::nothing() };
        self.billing_effect = BillingEffect::ReusedNotIncurred;
        self.cache_status = status;
        self
    }

    /// Whether it counts as spent: all that is not known to be reused does.
    pub fn is_incurred(&self) -> bool {
        self.billing_effect != BillingEffect::ReusedNotIncurred
    }

    /// What the provider says that it charged.
    pub fn actual_cost(&self) -> Option<NanoUsd> {
        self.cost.amount.filter(|_| self.cost.source == CostSource::ProviderReported)
    }

    /// What a table says that it costs.
    pub fn estimated_cost(&self) -> Option<NanoUsd> {
        self.cost.amount.filter(|_| self.cost.source == CostSource::Calculator)
    }

    /// The JSON of `llm_usage_v1`. All keys are there, null where unknown; `saved_cost_usd` only where something was saved,
    /// `request_sha256` only where something was sent.
    pub fn to_json(&self) -> Value {
        let tokens = &self.tokens;
        let mut cost = json!({
            "actual_cost_usd": self.actual_cost(),
            "estimated_cost_usd": self.estimated_cost(),
            "currency": "USD",
            "source": self.cost.source,
            "source_label": self.cost.source_label,
            "pricing_version": self.cost.pricing_version,
        });
        if let (Some(saved), Some(cost)) = (self.saved, cost.as_object_mut()) {
            cost.insert("saved_cost_usd".into(), json!(saved));
        }
        let mut record = json!({
            "schema_version": 1,
            "record_id": self.record_id,
            "adapter": self.adapter,
            "surface": self.surface,
            "call_name": self.call_name,
            "event_id": self.event_id,
            "checkpoint_id": self.checkpoint_id,
            "checkpoint_name": self.checkpoint_name,
            "model": self.model,
            "requested_model": self.requested_model,
            "resolved_model": self.resolved_model,
            "provider": self.provider,
            "usage": {
                "input_tokens": tokens.input,
                "output_tokens": tokens.output,
                "total_tokens": tokens.total,
                "cached_input_tokens": tokens.cached_input,
                "reasoning_tokens": tokens.reasoning,
                "raw": self.raw_usage,
            },
            "cost": cost,
            "latency_ms": self.latency_ms,
            "status": self.status,
            "billing_effect": self.billing_effect,
            "cache_status": self.cache_status,
            "warnings": self.cost.warnings,
        });
        if let (Some(digest), Some(record)) = (&self.request_sha256, record.as_object_mut()) {
            record.insert("request_sha256".into(), json!(digest));
        }
        record
    }

    /// The key under which the record stands in the metadata key `llm_usage_v1`, where records of one checkpoint merge.
    pub fn metadata_key(&self) -> String {
        match &self.event_id {
            Some(event) => format!("{event}::{}", self.record_id),
            None => self.record_id.clone(),
        }
    }

    /// The records as the value of the metadata key `llm_usage_v1`.
    pub fn to_metadata<'a>(records: impl IntoIterator<Item = &'a Self>) -> Map<String, Value> {
        records.into_iter().map(|record| (record.metadata_key(), record.to_json())).collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::usage) fn record(event: &str, attempt: u32, cost: Cost) -> UsageRecord {
        let selected = SelectedModel {
            requested_model: "fast".into(),
            alias: Some("fast".parse().unwrap()),
            resolved_model: "openai/gpt-4o-mini".into(),
            secret: None,
        };
        let name = CallName::normalise("outline").unwrap();
        let call = Recorded { name: &name, event_id: event, attempt, selected: &selected };
        UsageRecord::of(call, Some("gpt-4o-mini-2024-07-18".into()), TokenCounts::of(10, 5), cost)
    }

    pub(in crate::usage) fn calculated(nanos: u64) -> Cost {
        Cost {
            amount: Some(NanoUsd::from_nanos(nanos)),
            source: CostSource::Calculator,
            source_label: Some("genai-prices".into()),
            ..Cost::default()
        }
    }

    #[test]
    fn a_record_has_all_its_keys() {
        let json = record("e", 1, Cost::reported(NanoUsd::from_nanos(1_000_000))).to_json();
        assert_eq!(
            json,
            json!({
                "schema_version": 1, "record_id": "e", "adapter": "kitaru", "surface": "kitaru_llm", "call_name": "outline", "event_id": "e",
                "checkpoint_id": null, "checkpoint_name": null, "model": "gpt-4o-mini-2024-07-18", "requested_model": "fast",
                "resolved_model": "openai/gpt-4o-mini", "provider": "openai",
                "usage": { "input_tokens": 10, "output_tokens": 5, "total_tokens": 15, "cached_input_tokens": null, "reasoning_tokens": null, "raw": null },
                "cost": { "actual_cost_usd": 0.001, "estimated_cost_usd": null, "currency": "USD", "source": "provider_reported",
                          "source_label": null, "pricing_version": null },
                "latency_ms": null, "status": "completed", "billing_effect": "incurred", "cache_status": "executed", "warnings": []
            })
        );
        assert_eq!(UsageRecord::to_metadata(&[record("e", 1, Cost::nothing()), record("e", 2, Cost::nothing())]).len(), 2);
        assert_eq!(record("e", 1, Cost::nothing()).metadata_key(), "e::e");
    }

    #[test]
    fn l22_a_reused_answer_costs_nothing_and_shows_what_was_saved() {
        let reused = record("e", 1, calculated(2_000_000)).reused(CacheStatus::ReplayReused);
        let json = reused.to_json();
        assert_eq!(json["billing_effect"], "reused_not_incurred");
        assert_eq!(json["cost"]["actual_cost_usd"], Value::Null);
        assert_eq!(json["cost"]["estimated_cost_usd"], Value::Null);
        assert_eq!(json["cost"]["saved_cost_usd"], 0.002);
        assert_eq!(reused.clone().reused(CacheStatus::ReplayReused).saved, reused.saved);
    }
}
