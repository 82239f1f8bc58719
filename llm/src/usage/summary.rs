//! Sums of usage records, `llm_usage_summary_v1`.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::record::UsageRecord;
use crate::price::NanoUsd;

/// What the sums count as spent: everything that is not known to be reused.
pub const COST_POLICY: &str = "non_reused_is_incurred_v1";

/// Sums over records. Its JSON is `llm_usage_summary_v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageSummary {
    /// The version of this shape.
    pub schema_version: u32,
    /// Attempts.
    pub usage_record_count: u64,
    /// Attempts that reached a provider.
    pub incurred_usage_record_count: u64,
    /// Answers that were there already.
    pub reused_usage_record_count: u64,
    /// All tokens.
    pub total_tokens: u64,
    /// All tokens of attempts that reached a provider.
    pub incurred_total_tokens: u64,
    /// All tokens of answers that were there already.
    pub reused_total_tokens: u64,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Tokens read by attempts that reached a provider.
    pub incurred_input_tokens: u64,
    /// Tokens written to attempts that reached a provider.
    pub incurred_output_tokens: u64,
    /// Tokens read by what was there already.
    pub reused_input_tokens: u64,
    /// Tokens written in what was there already.
    pub reused_output_tokens: u64,
    /// What providers say that they charged.
    pub actual_cost_usd: NanoUsd,
    /// What tables say that calls cost.
    pub estimated_cost_usd: NanoUsd,
    /// For each attempt what its provider says, else what a table says.
    pub display_cost_usd: NanoUsd,
    /// What answers that were there already would have cost.
    pub saved_cost_usd: NanoUsd,
    /// Attempts that reached a provider and whose cost nobody knows. Not zero: the costs above are too low by them.
    pub records_without_cost_count: u64,
    /// Who made the records.
    pub adapters: BTreeSet<String>,
    /// The models that answered.
    pub models: BTreeSet<String>,
    /// What counts as spent.
    pub cost_policy: String,
    /// What is doubtful about the costs.
    pub warnings: BTreeSet<String>,
}

impl Default for UsageSummary {
    fn default() -> Self {
        Self {
            schema_version: 1,
            usage_record_count: 0,
            incurred_usage_record_count: 0,
            reused_usage_record_count: 0,
            total_tokens: 0,
            incurred_total_tokens: 0,
            reused_total_tokens: 0,
            input_tokens: 0,
            output_tokens: 0,
            incurred_input_tokens: 0,
            incurred_output_tokens: 0,
            reused_input_tokens: 0,
            reused_output_tokens: 0,
            actual_cost_usd: NanoUsd::ZERO,
            estimated_cost_usd: NanoUsd::ZERO,
            display_cost_usd: NanoUsd::ZERO,
            saved_cost_usd: NanoUsd::ZERO,
            records_without_cost_count: 0,
            adapters: BTreeSet::new(),
            models: BTreeSet::new(),
            cost_policy: COST_POLICY.into(),
            warnings: BTreeSet::new(),
        }
    }
}

fn add(sum: &mut u64, count: u64) {
    *sum = sum.saturating_add(count);
}

fn spend(sum: &mut NanoUsd, amount: Option<NanoUsd>) {
    *sum = sum.plus(amount.unwrap_or_default());
}

impl UsageSummary {
    /// The sums of these records. A record that comes twice counts once, and the one that was charged is the one that counts.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a UsageRecord>) -> Self {
        let records: Vec<_> = records.into_iter().collect();
        let mut seen = HashSet::new();
        let mut summary = Self::default();
        let (incurred, reused): (Vec<&UsageRecord>, Vec<&UsageRecord>) =
            records.into_iter().partition(|record| record.is_incurred());
        for record in incurred.into_iter().chain(reused) {
            if seen.insert(record.record_id.as_str()) {
                summary.count(record);
            }
        }
        summary
    }

    /// Adds one record. The caller sees to it that it is added once.
    pub fn count(&mut self, record: &UsageRecord) {
        let (input, output) = (record.tokens.input.unwrap_or(0), record.tokens.output.unwrap_or(0));
        let total = record.tokens.total();
        add(&mut self.usage_record_count, 1);
        add(&mut self.total_tokens, total);
        add(&mut self.input_tokens, input);
        add(&mut self.output_tokens, output);
        if record.is_incurred() {
            add(&mut self.incurred_usage_record_count, 1);
            add(&mut self.incurred_total_tokens, total);
            add(&mut self.incurred_input_tokens, input);
            add(&mut self.incurred_output_tokens, output);
            spend(&mut self.actual_cost_usd, record.actual_cost());
            spend(&mut self.estimated_cost_usd, record.estimated_cost());
            spend(&mut self.display_cost_usd, record.cost.amount);
            add(&mut self.records_without_cost_count, u64::from(record.cost.amount.is_none()));
        } else {
            add(&mut self.reused_usage_record_count, 1);
            add(&mut self.reused_total_tokens, total);
            add(&mut self.reused_input_tokens, input);
            add(&mut self.reused_output_tokens, output);
            spend(&mut self.saved_cost_usd, record.saved);
        }
        self.adapters.insert(record.adapter.clone());
        self.models.extend(record.model.clone());
        self.warnings.extend(record.cost.warnings.iter().cloned());
    }

    /// What it cost as far as anybody knows. None where nothing is known of a cost that there was, so that what is unknown never looks like zero.
    pub fn known_cost(&self) -> Option<NanoUsd> {
        let is_unknown = self.records_without_cost_count > 0 && self.display_cost_usd == NanoUsd::ZERO;
        (!is_unknown).then_some(self.display_cost_usd)
    }

    /// Adds sums over other records.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.usage_record_count, other.usage_record_count),
            (&mut self.incurred_usage_record_count, other.incurred_usage_record_count),
            (&mut self.reused_usage_record_count, other.reused_usage_record_count),
            (&mut self.total_tokens, other.total_tokens),
            (&mut self.incurred_total_tokens, other.incurred_total_tokens),
            (&mut self.reused_total_tokens, other.reused_total_tokens),
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.output_tokens, other.output_tokens),
            (&mut self.incurred_input_tokens, other.incurred_input_tokens),
            (&mut self.incurred_output_tokens, other.incurred_output_tokens),
            (&mut self.reused_input_tokens, other.reused_input_tokens),
            (&mut self.reused_output_tokens, other.reused_output_tokens),
            (&mut self.records_without_cost_count, other.records_without_cost_count),
        ] {
            add(sum, more);
        }
        spend(&mut self.actual_cost_usd, Some(other.actual_cost_usd));
        spend(&mut self.estimated_cost_usd, Some(other.estimated_cost_usd));
        spend(&mut self.display_cost_usd, Some(other.display_cost_usd));
        spend(&mut self.saved_cost_usd, Some(other.saved_cost_usd));
        self.adapters.extend(other.adapters.iter().cloned());
        self.models.extend(other.models.iter().cloned());
        self.warnings.extend(other.warnings.iter().cloned());
    }

    /// The sixteen flat keys `kitaru_llm_*_v1`, for queries that cannot look into JSON.
    pub fn to_flat_metadata(&self) -> Map<String, Value> {
        [
            ("usage_record_count", json!(self.usage_record_count)),
            ("incurred_usage_record_count", json!(self.incurred_usage_record_count)),
            ("reused_usage_record_count", json!(self.reused_usage_record_count)),
            ("total_tokens", json!(self.total_tokens)),
            ("incurred_total_tokens", json!(self.incurred_total_tokens)),
            ("reused_total_tokens", json!(self.reused_total_tokens)),
            ("actual_cost_usd", json!(self.actual_cost_usd)),
            ("estimated_cost_usd", json!(self.estimated_cost_usd)),
            ("display_cost_usd", json!(self.display_cost_usd)),
            ("records_without_cost_count", json!(self.records_without_cost_count)),
            ("input_tokens", json!(self.input_tokens)),
            ("output_tokens", json!(self.output_tokens)),
            ("incurred_input_tokens", json!(self.incurred_input_tokens)),
            ("incurred_output_tokens", json!(self.incurred_output_tokens)),
            ("reused_input_tokens", json!(self.reused_input_tokens)),
            ("reused_output_tokens", json!(self.reused_output_tokens)),
        ]
        .into_iter()
        .map(|(key, value)| (format!("kitaru_llm_{key}_v1"), value))
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::{calculated, record};
    use super::*;
    use crate::price::Cost;
    use crate::usage::CacheStatus;
    use proptest::prelude::*;

    #[test]
    fn retries_count_per_attempt_and_reused_work_costs_nothing() {
        let records = [
            record("e", 1, Cost::reported(NanoUsd::from_nanos(1_000_000))),
            record("e", 2, calculated(2_000_000)),
            record("f", 1, Cost::unknown("no price")),
            record("g", 1, calculated(4_000_000)).reused(CacheStatus::ReplayReused),
        ];
        let summary = serde_json::to_value(UsageSummary::of(&records)).unwrap();
        assert_eq!(
            summary,
            json!({
                "schema_version": 1, "usage_record_count": 4, "incurred_usage_record_count": 3, "reused_usage_record_count": 1,
                "total_tokens": 60, "incurred_total_tokens": 45, "reused_total_tokens": 15, "input_tokens": 40, "output_tokens": 20,
                "incurred_input_tokens": 30, "incurred_output_tokens": 15, "reused_input_tokens": 10, "reused_output_tokens": 5,
                "actual_cost_usd": 0.001, "estimated_cost_usd": 0.002, "display_cost_usd": 0.003, "saved_cost_usd": 0.004,
                "records_without_cost_count": 1, "adapters": ["kitaru"], "models": ["gpt-4o-mini-2024-07-18"],
                "cost_policy": "non_reused_is_incurred_v1", "warnings": ["no price"]
            })
        );
    }

    #[test]
    fn a_record_counts_once_and_the_charged_one_counts() {
        let charged = record("e", 1, calculated(2_000_000));
        let summary = UsageSummary::of(&[charged.clone().reused(CacheStatus::CheckpointCacheHit), charged]);
        assert_eq!((summary.usage_record_count, summary.incurred_usage_record_count), (1, 1));
        assert_eq!(summary.display_cost_usd, NanoUsd::from_nanos(2_000_000));
    }

    #[test]
    fn what_is_unknown_never_looks_like_zero() {
        let known = |records: &[UsageRecord]| UsageSummary::of(records).known_cost();
        let (unknown, turned_away) = (record("e", 1, Cost::unknown("no price")), record("e", 2, Cost::nothing()));
        assert_eq!(known(&[]), Some(NanoUsd::ZERO));
        assert_eq!(known(&[unknown.clone(), turned_away.clone()]), None);
        assert_eq!(known(&[turned_away, unknown.clone().reused(CacheStatus::ReplayReused)]), Some(NanoUsd::ZERO));
        assert_eq!(known(&[unknown, record("f", 1, calculated(7))]), Some(NanoUsd::from_nanos(7)));
    }

    #[test]
    fn there_are_sixteen_flat_keys() {
        let flat = UsageSummary::default().to_flat_metadata();
        assert_eq!(flat.len(), 16);
        assert_eq!(flat["kitaru_llm_display_cost_usd_v1"], 0.0);
    }

    proptest! {
        #[test]
        fn a_sum_of_sums_is_the_sum(costs in prop::collection::vec((0_u64..1_000_000_000, any::<bool>()), 0..12), cut in 0_usize..12) {
            let records: Vec<_> = costs.iter().enumerate().map(|(index, (nanos, reused))| {
                let record = record(&index.to_string(), 1, calculated(*nanos));
                if *reused { record.reused(CacheStatus::ReplayReused) } else { record }
            }).collect();
            let (left, right) = records.split_at(cut.min(records.len()));
            let mut sum = UsageSummary::of(left);
            sum.add(&UsageSummary::of(right));
            prop_assert_eq!(sum, UsageSummary::of(&records));
        }
    }
}
