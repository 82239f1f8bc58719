//! Executions counted and measured, in groups.

use std::collections::BTreeMap;

use kitaru_llm::usage::UsageSummary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::briefs::{self, Brief};
use super::executions::filter;
use super::{ListQuery, LocalService, ServiceError};
use crate::store::{ExecutionRow, Page, Status};

/// What executions are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// The flow.
    Flow,
    /// The status.
    Status,
    /// Each label; an execution with several counts in each group.
    Tag,
    /// The day of creation, UTC.
    Day,
    /// The component.
    Component,
}

impl GroupBy {
    /// All of them, in the order in which messages list them.
    pub const ALL: [Self; 5] = [Self::Flow, Self::Status, Self::Tag, Self::Day, Self::Component];

    /// The word used on surfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::Status => "status",
            Self::Tag => "tag",
            Self::Day => "day",
            Self::Component => "component",
        }
    }

    /// The grouping that `word` names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.as_str() == word)
    }

    /// The values of one execution.
    fn values(self, row: &ExecutionRow) -> Vec<String> {
        match self {
            Self::Flow => vec![row.new.flow.clone()],
            Self::Status => vec![row.status.as_str().to_owned()],
            Self::Tag => row.new.tags.clone(),
            Self::Day => vec![row.new.created_at.to_rfc3339().chars().take(10).collect()],
            Self::Component => vec![row.new.component.to_string()],
        }
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// From creation to end, in seconds: mean, median, 95th percentile, maximum, of those that have ended.
    Duration,
    /// The part of those that have ended which failed.
    FailureRate,
    /// How many of each status.
    Statuses,
    /// Tokens of model calls that reached a provider: read, written, both.
    Tokens,
    /// What model calls cost, in dollars: altogether, and for each execution that called any.
    Cost,
}

impl Metric {
    /// All of them, in the order in which messages list them.
    pub const ALL: [Self; 5] = [Self::Duration, Self::FailureRate, Self::Statuses, Self::Tokens, Self::Cost];

    /// The word used on surfaces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Duration => "duration",
            Self::FailureRate => "failure-rate",
            Self::Statuses => "statuses",
            Self::Tokens => "tokens",
            Self::Cost => "cost",
        }
    }

    /// Whether it is measured by the records of model calls.
    fn is_of_models(self) -> bool {
        matches!(self, Self::Tokens | Self::Cost)
    }

    /// The metric that `word` names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.as_str() == word)
    }
}

/// One group.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StatisticsGroup {
    /// What its executions have in common.
    pub keys: Map<String, Value>,
    /// How many there are.
    pub execution_count: usize,
    /// What was measured.
    pub metrics: Map<String, Value>,
}

/// Groups, largest first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Statistics {
    /// Those that were asked for.
    pub groups: Vec<StatisticsGroup>,
    /// Whether there are more.
    pub truncated: bool,
    /// How many there are in all.
    pub group_count: usize,
}

#[derive(Default)]
struct Measured {
    count: usize,
    seconds: Vec<f64>,
    statuses: BTreeMap<&'static str, usize>,
    used: UsageSummary,
    /// Executions whose calls of models were answered, here or before.
    callers: usize,
}

/// Executions are read in portions of this size.
const PORTION: u64 = 1_000;

/// Counts and measures the executions that pass `query`.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn measure(
    service: &LocalService,
    query: &ListQuery,
    group_by: &[GroupBy],
    metrics: &[Metric],
    most: usize,
) -> Result<Statistics, ServiceError> {
    let mut groups: BTreeMap<Vec<String>, Measured> = BTreeMap::new();
    let mut filter = filter(query);
    loop {
        let rows = service.store().list(&filter, Page { offset: 0, limit: PORTION }).await?;
        let is_of_models = metrics.iter().any(|metric| metric.is_of_models());
        let briefs = if is_of_models { briefs::of(service.engine().store().as_ref(), &rows).await? } else { Vec::new() };
        for (position, row) in rows.iter().enumerate() {
            let used = briefs.get(position).and_then(Brief::used);
            for keys in combinations(row, group_by) {
                groups.entry(keys).or_default().add(row, used.as_ref());
            }
        }
        match rows.last() {
            Some(last) => filter.before = Some(last.position),
            None => break,
        }
    }
    let group_count = groups.len();
    let mut sorted: Vec<(Vec<String>, Measured)> = groups.into_iter().collect();
    sorted.sort_by(|(a, one), (b, other)| other.count.cmp(&one.count).then_with(|| a.cmp(b)));
    let groups = sorted.into_iter().take(most).map(|(keys, measured)| StatisticsGroup {
        keys: group_by.iter().map(|group| group.as_str().to_owned()).zip(keys.into_iter().map(Value::from)).collect(),
        execution_count: measured.count,
        metrics: metrics.iter().map(|metric| (metric.as_str().to_owned(), measured.of(*metric))).collect(),
    });
    Ok(Statistics { groups: groups.collect(), truncated: group_count > most, group_count })
}

/// The groups that an execution belongs to: one for each combination of its values.
fn combinations(row: &ExecutionRow, group_by: &[GroupBy]) -> Vec<Vec<String>> {
    group_by.iter().fold(vec![Vec::new()], |known, group| {
        let values = group.values(row);
        known.iter().flat_map(|keys| values.iter().map(|value| [keys.as_slice(), std::slice::from_ref(value)].concat())).collect()
    })
}

impl Measured {
    fn add(&mut self, row: &ExecutionRow, used: Option<&UsageSummary>) {
        self.count += 1;
        *self.statuses.entry(row.status.as_str()).or_default() += 1;
        if let Some(used) = used {
            self.callers += 1;
            self.used.add(used);
        }
        self.seconds.extend(row.ended_at.map(|end| end.since(row.new.created_at).as_secs_f64()));
    }

    fn of(&self, metric: Metric) -> Value {
        match metric {
            Metric::Statuses => json!(self.statuses),
            Metric::Tokens | Metric::Cost if self.callers == 0 => Value::Null,
            Metric::Tokens => json!({
                "input": self.used.incurred_input_tokens,
                "output": self.used.incurred_output_tokens,
                "total": self.used.incurred_total_tokens,
            }),
            Metric::Cost => {
                let known = self.used.known_cost();
                let mean = known.map(|known| known.as_dollars() / self.callers as f64);
                json!({ "total_usd": known, "mean_usd": mean, "unknown_count": self.used.records_without_cost_count })
            }
            Metric::FailureRate => {
                let of = |status: Status| self.statuses.get(status.as_str()).copied().unwrap_or_default();
                let ended = of(Status::Completed) + of(Status::Failed) + of(Status::Cancelled);
                if ended == 0 { Value::Null } else { json!(of(Status::Failed) as f64 / ended as f64) }
            }
            Metric::Duration => {
                let mut seconds = self.seconds.clone();
                seconds.sort_by(f64::total_cmp);
                let Some(max) = seconds.last() else { return Value::Null };
                let at = |part: f64| seconds.get(((seconds.len() - 1) as f64 * part).round() as usize);
                let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
                json!({ "mean_seconds": mean, "p50_seconds": at(0.5), "p95_seconds": at(0.95), "max_seconds": max })
            }
        }
    }
}
