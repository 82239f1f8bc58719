//! Usage records as they are read back from where they were kept.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::record::{BillingEffect, CacheStatus, RecordStatus, UsageRecord};
use super::tokens::TokenCounts;
use crate::price::{Cost, CostSource, NanoUsd};

/// What stands under a key, if it can be read as what it should be.
fn read<T: DeserializeOwned>(value: &Value, key: &str) -> Option<T> {
    value.get(key).and_then(|value| serde_json::from_value(value.clone()).ok())
}

impl UsageRecord {
    /// The record whose JSON this is ([`to_json`](Self::to_json)). What is missing or odd is unknown: a record that cannot be read at all tells
    /// that there was an attempt, and that nobody knows its cost.
    pub fn from_json(json: &Value) -> Self {
        let usage = json.get("usage").unwrap_or(&Value::Null);
        let billing_effect = read(json, "billing_effect").unwrap_or(BillingEffect::Unknown);
        let (cost, saved) = cost_of(json, billing_effect);
        Self {
            record_id: read(json, "record_id").unwrap_or_default(),
            adapter: read(json, "adapter").unwrap_or_else(|| "unknown".to_owned()),
            surface: read(json, "surface").unwrap_or_else(|| "unknown".to_owned()),
            call_name: read(json, "call_name"),
            event_id: read(json, "event_id"),
            checkpoint_id: read(json, "checkpoint_id"),
            checkpoint_name: read(json, "checkpoint_name"),
            model: read(json, "model"),
            requested_model: read(json, "requested_model"),
            resolved_model: read(json, "resolved_model"),
            provider: read(json, "provider"),
            request_sha256: read(json, "request_sha256"),
            tokens: TokenCounts {
                input: read(usage, "input_tokens"),
                output: read(usage, "output_tokens"),
                total: read(usage, "total_tokens"),
                cached_input: read(usage, "cached_input_tokens"),
                cache_write: None,
                long_cache_write: None,
                reasoning: read(usage, "reasoning_tokens"),
            },
            raw_usage: usage.get("raw").filter(|raw| !raw.is_null()).cloned(),
            cost,
            latency_ms: read(json, "latency_ms"),
            status: read(json, "status").unwrap_or(RecordStatus::Failed),
            billing_effect,
            cache_status: read(json, "cache_status").unwrap_or(CacheStatus::Unknown),
            saved,
        }
    }
}

/// The cost, and what was saved.
fn cost_of(json: &Value, billing_effect: BillingEffect) -> (Cost, Option<NanoUsd>) {
    let kept = json.get("cost").unwrap_or(&Value::Null);
    let source: Option<CostSource> = read(kept, "source");
    let warnings: Vec<String> = read(json, "warnings").unwrap_or_default();
    let amount = read(kept, "actual_cost_usd").or_else(|| read(kept, "estimated_cost_usd"));
    // No amount is written of what cost nothing: an answer that was there already, an attempt that was turned away, a scripted answer. Of a cost
    // that nobody knows it is written why.
    let cost_nothing = match billing_effect {
        BillingEffect::ReusedNotIncurred => true,
        BillingEffect::Incurred => source == Some(CostSource::None) && warnings.is_empty(),
        BillingEffect::Unknown => false,
    };
    let cost = Cost {
        amount: amount.or(cost_nothing.then_some(NanoUsd::ZERO)),
        source: source.unwrap_or_default(),
        source_label: read(kept, "source_label"),
        pricing_version: read(kept, "pricing_version"),
        priced_at: None,
        warnings,
    };
    (cost, read(kept, "saved_cost_usd"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::record::tests::{calculated, record};
    use super::super::summary::UsageSummary;
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let failed = |billing_effect, cost| UsageRecord { status: RecordStatus::Failed, billing_effect, ..record("e", 2, cost) };
        let raw = UsageRecord {
            raw_usage: Some(json!({ "prompt_tokens": 10 })),
            latency_ms: Some(1.5),
            request_sha256: Some("0f".repeat(32)),
            ..record("e", 1, calculated(7))
        };
        for written in [
            raw,
            record("e", 1, Cost::reported(NanoUsd::from_nanos(5_850))),
            record("e", 1, Cost::unknown("no price")),
            record("e", 1, Cost::nothing()),
            failed(BillingEffect::Incurred, Cost::nothing()),
            failed(BillingEffect::Unknown, Cost::unknown("the attempt failed")),
            record("e", 1, calculated(7)).reused(CacheStatus::ReplayReused),
            record("e", 1, Cost::unknown("no price")).reused(CacheStatus::ResponseCacheHit),
        ] {
            assert_eq!(UsageRecord::from_json(&written.to_json()), written);
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_attempt_of_unknown_cost() {
        for odd in [json!(null), json!([]), json!({}), json!({ "billing_effect": "free", "cost": { "actual_cost_usd": -1 } })] {
            let summary = UsageSummary::of(&[UsageRecord::from_json(&odd)]);
            assert_eq!((summary.incurred_usage_record_count, summary.records_without_cost_count), (1, 1), "{odd}");
        }
    }
}
