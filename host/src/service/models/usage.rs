//! What model calls used, in groups: sums of their records, and what budgets count.

use std::collections::{BTreeMap, BTreeSet};

use kitaru_llm::price::NanoUsd;
use kitaru_llm::usage::{UsageRecord, UsageSummary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::engine::Engine;
use crate::service::ServiceError;
use crate::service::Word;
use crate::service::costs::records_of;
use crate::store::{ModelUsage, SpendScope, Spent, Store, UsageQuery};

/// What model calls are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageGroup {
    /// The day on which the call ended, UTC.
    Day,
    /// The flow.
    Flow,
    /// The model that was called. A call that fell back counts in the group of each.
    Model,
}

impl UsageGroup {
    /// All of them, in the order in which messages list them.
    pub const ALL: [Self; 3] = [Self::Day, Self::Flow, Self::Model];

    /// The word used on surfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Flow => "flow",
            Self::Model => "model",
        }
    }

    /// The grouping that `word` names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.as_str() == word)
    }
}

/// Which model calls to sum up. Everything that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct ModelUsageQuery {
    /// In which groups; everything together if absent.
    pub by: Option<UsageGroup>,
    /// Only of this flow.
    pub flow: Option<String>,
    /// Only on this day or later: days since 1 January 1970, UTC.
    pub since: Option<u64>,
    /// Only on days before this one.
    pub until: Option<u64>,
}

/// What some model calls used.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ModelUsageView {
    /// What it is a group of: `day`, `flow` or `model`; null for everything together.
    pub by: Option<Word>,
    /// The day, as `2026-11-21`, the flow, or the model as `provider/model`.
    pub name: Option<String>,
    /// Calls that were answered, or that at least somebody was asked for.
    pub calls: u64,
    /// What is known of what they cost, in dollars; null where there was a cost and nobody knows any of it.
    #[schemars(with = "Option<f64>")]
    pub cost_usd: Option<NanoUsd>,
    /// The sums of their records.
    #[schemars(with = "serde_json::Value")]
    pub llm_usage_summary_v1: UsageSummary,
    /// What budgets count; null where none has just this to count.
    pub budget: Option<BudgetView>,
}

/// What budgets count, in dollars. Deleted executions are part of it, imported ones are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BudgetView {
    /// What records told.
    #[schemars(with = "f64")]
    pub recorded_usd: NanoUsd,
    /// What counts as spent, and no record tells: calls that a crash cut off, attempts of which nobody knows the cost.
    #[schemars(with = "f64")]
    pub unrecorded_usd: NanoUsd,
    /// What is set aside for calls that are under way.
    #[schemars(with = "f64")]
    pub reserved_usd: NanoUsd,
    /// All of it: what limits are compared with.
    #[schemars(with = "f64")]
    pub total_usd: NanoUsd,
}

impl From<Spent> for BudgetView {
    fn from(spent: Spent) -> Self {
        Self {
            recorded_usd: NanoUsd::from_nanos(spent.recorded),
            unrecorded_usd: NanoUsd::from_nanos(spent.unrecorded),
            reserved_usd: NanoUsd::from_nanos(spent.reserved),
            total_usd: NanoUsd::from_nanos(spent.total()),
        }
    }
}

/// What model calls used, in groups and together.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ModelUsageReport {
    /// The groups, by name; days in their order. Everything together, where no grouping was asked for.
    pub groups: Vec<ModelUsageView>,
    /// Everything together.
    pub total: ModelUsageView,
}

/// What a group's calls have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Day(u64),
    Flow(String),
    Model(String),
}

impl Key {
    fn name(self) -> String {
        match self {
            Self::Day(day) => {
                let micros = i64::try_from(day).unwrap_or(i64::MAX).saturating_mul(86_400_000_000);
                Timestamp::from_micros(micros).to_rfc3339().chars().take(10).collect()
            }
            Self::Flow(name) | Self::Model(name) => name,
        }
    }

    /// The account that counts just this.
    fn account(&self) -> Option<SpendScope> {
        match self {
            Self::Day(day) => Some(SpendScope::Day(*day)),
            Self::Flow(flow) => Some(SpendScope::Flow(flow.clone())),
            Self::Model(_) => None,
        }
    }
}

/// Records are read in portions of this size.
const PORTION: u64 = 1_000;

/// What model calls used.
pub(in crate::service) async fn summed(engine: &Engine, query: &ModelUsageQuery) -> Result<ModelUsageReport, ServiceError> {
    let store = engine.store().as_ref();
    let mut sums = Sums::default();
    let mut page =
        UsageQuery { flow: query.flow.clone(), since: query.since, until: query.until, after: None, limit: Some(PORTION) };
    loop {
        let rows = store.model_usage_of(&page).await?;
        rows.iter().for_each(|row| sums.add(row, query.by));
        match rows.last() {
            Some(last) => page.after = Some((last.day, last.position)),
            None => break,
        }
    }
    let accounts = accounts(store, query, &sums).await?;
    Ok(sums.report(query.by, accounts))
}

/// Sums while records are read.
#[derive(Default)]
struct Sums {
    total: Sum,
    groups: BTreeMap<Key, Sum>,
}

#[derive(Default)]
struct Sum {
    calls: u64,
    used: UsageSummary,
}

impl Sum {
    fn view(self, key: Option<(UsageGroup, Key)>, budget: Option<Spent>) -> ModelUsageView {
        let (by, name) = key.map(|(by, key)| (by.as_str(), key.name())).unzip();
        ModelUsageView {
            by: by.map(Word::Borrowed),
            name,
            calls: self.calls,
            cost_usd: self.used.known_cost(),
            llm_usage_summary_v1: self.used,
            budget: budget.map(BudgetView::from),
        }
    }
}

impl Sums {
    fn add(&mut self, row: &ModelUsage, by: Option<UsageGroup>) {
        let records = records_of(row);
        // A call that was refused before anybody was asked used nothing.
        if records.is_empty() {
            return;
        }
        self.total.calls = self.total.calls.saturating_add(1);
        let mut seen = BTreeSet::new();
        for record in &records {
            self.total.used.count(record);
            let key = match by {
                None => continue,
                Some(UsageGroup::Day) => Key::Day(row.day),
                Some(UsageGroup::Flow) => Key::Flow(row.flow.clone()),
                Some(UsageGroup::Model) => Key::Model(model_of(record)),
            };
            let group = self.groups.entry(key.clone()).or_default();
            group.used.count(record);
            if seen.insert(key) {
                group.calls = group.calls.saturating_add(1);
            }
        }
    }

    /// Groups that only an account knows of are there too: all of their records may be deleted.
    fn report(mut self, by: Option<UsageGroup>, accounts: Accounts) -> ModelUsageReport {
        for key in accounts.groups.keys() {
            self.groups.entry(key.clone()).or_default();
        }
        let total = self.total.view(None, accounts.total);
        let groups = match by {
            None => vec![total.clone()],
            Some(by) => {
                let view = |(key, sum): (Key, Sum)| {
                    let budget = accounts.groups.get(&key).copied();
                    sum.view(Some((by, key)), budget)
                };
                self.groups.into_iter().map(view).collect()
            }
        };
        ModelUsageReport { groups, total }
    }
}

fn model_of(record: &UsageRecord) -> String {
    record.resolved_model.clone().or_else(|| record.model.clone()).unwrap_or_else(|| "unknown".to_owned())
}

/// What budgets count.
#[derive(Default)]
struct Accounts {
    total: Option<Spent>,
    groups: BTreeMap<Key, Spent>,
}

/// Accounts are of a flow, or of a day: none is of the days of one flow, and none of a model.
async fn accounts(store: &dyn Store, query: &ModelUsageQuery, sums: &Sums) -> Result<Accounts, ServiceError> {
    let of_all_days = query.since.is_none() && query.until.is_none();
    let mut accounts = Accounts::default();
    match &query.flow {
        None => {
            let days = store.spent_by_day(query.since, query.until).await?;
            accounts.total = Some(days.iter().fold(Spent::default(), |sum, (_, spent)| plus(sum, *spent)));
            match query.by {
                Some(UsageGroup::Day) => accounts.groups.extend(days.into_iter().map(|(day, spent)| (Key::Day(day), spent))),
                Some(UsageGroup::Flow) if of_all_days => {
                    let flows = store.spent_by_flow().await?;
                    accounts.groups.extend(flows.into_iter().map(|(flow, spent)| (Key::Flow(flow), spent)));
                }
                _ => return Ok(accounts),
            }
        }
        Some(flow) if of_all_days => {
            let spent = store.spent(&SpendScope::Flow(flow.clone())).await?;
            accounts.total = Some(spent);
            if query.by != Some(UsageGroup::Flow) {
                return Ok(accounts);
            }
            if spent != Spent::default() {
                accounts.groups.insert(Key::Flow(flow.clone()), spent);
            }
        }
        Some(_) => return Ok(accounts),
    }
    // Nothing was ever spent there, and something may be set aside.
    for key in sums.groups.keys() {
        if let (false, Some(account)) = (accounts.groups.contains_key(key), key.account()) {
            accounts.groups.insert(key.clone(), store.spent(&account).await?);
        }
    }
    Ok(accounts)
}

fn plus(one: Spent, other: Spent) -> Spent {
    Spent {
        recorded: one.recorded.saturating_add(other.recorded),
        unrecorded: one.unrecorded.saturating_add(other.unrecorded),
        reserved: one.reserved.saturating_add(other.reserved),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ids::ExecutionId;

    fn record(model: &str, cost: Value) -> Value {
        json!({
            "resolved_model": model, "usage": { "total_tokens": 15 }, "billing_effect": "incurred",
            "cost": { "actual_cost_usd": cost, "source": "provider_reported" },
        })
    }

    fn row(flow: &str, day: u64, usage: &Value) -> ModelUsage {
        ModelUsage {
            position: 1,
            execution: ExecutionId::from_bytes([7; 16]),
            call: 0,
            attempt: 1,
            ordinal: 0,
            name: "a".into(),
            flow: flow.into(),
            day,
            at: Timestamp::from_micros(0),
            usage: usage.to_string(),
            spent: 0,
        }
    }

    fn report(by: Option<UsageGroup>, accounts: Accounts) -> ModelUsageReport {
        let mut sums = Sums::default();
        let fell_back = json!([record("x/a", json!(0.25)), record("x/b", json!(0.5))]);
        for row in [row("f", 3, &fell_back), row("g", 1, &json!([record("x/a", Value::Null)])), row("g", 1, &json!([]))] {
            sums.add(&row, by);
        }
        sums.report(by, accounts)
    }

    fn told(report: &ModelUsageReport) -> Vec<(Option<&str>, u64, Option<f64>)> {
        let groups = report.groups.iter();
        groups.map(|view| (view.name.as_deref(), view.calls, view.cost_usd.map(NanoUsd::as_dollars))).collect()
    }

    #[test]
    fn a_call_counts_once_in_each_of_its_groups() {
        let grouped = |by| report(Some(by), Accounts::default());
        let days = grouped(UsageGroup::Day);
        assert_eq!(told(&days), [(Some("1970-01-02"), 1, None), (Some("1970-01-04"), 1, Some(0.75))]);
        assert_eq!(told(&grouped(UsageGroup::Flow)), [(Some("f"), 1, Some(0.75)), (Some("g"), 1, None)]);
        assert_eq!(told(&grouped(UsageGroup::Model)), [(Some("x/a"), 2, Some(0.25)), (Some("x/b"), 1, Some(0.5))]);
        for by in UsageGroup::ALL {
            let total = grouped(by).total;
            assert_eq!((total.by, total.calls, total.llm_usage_summary_v1.total_tokens), (None, 2, 45));
            assert_eq!(total.llm_usage_summary_v1.records_without_cost_count, 1);
            assert_eq!(UsageGroup::parse(by.as_str()), Some(by));
        }
        let together = report(None, Accounts::default());
        assert_eq!(told(&together), [(None, 2, Some(0.75))]);
    }

    #[test]
    fn what_only_an_account_knows_is_listed() {
        let spent = Spent { recorded: 5, unrecorded: 6, reserved: 7 };
        let accounts = Accounts { total: Some(spent), groups: BTreeMap::from([(Key::Flow("deleted".into()), spent)]) };
        let report = report(Some(UsageGroup::Flow), accounts);
        let names: Vec<_> =
            report.groups.iter().map(|view| (view.name.as_deref(), view.budget.map(|budget| budget.total_usd))).collect();
        assert_eq!(names, [(Some("deleted"), Some(NanoUsd::from_nanos(18))), (Some("f"), None), (Some("g"), None)]);
        assert_eq!(report.total.budget, Some(BudgetView::from(spent)));
    }
}
