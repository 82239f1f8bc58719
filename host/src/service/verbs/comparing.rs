//! Executions beside each other: differences, cohorts, statistics.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::listing::{Plain, at_most, filtered, within};
use super::verb;
use crate::service::{CohortQuery, ExecutionDiff, ExecutionSummary, GroupBy, ListQuery, Metric, ServiceError, Statistics};

/// What to compare.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiffParams {
    /// The execution's ID, or a unique beginning of it.
    #[serde(alias = "original", alias = "exec_id")]
    pub execution: String,
    /// Those to compare it with; its replays if absent.
    #[serde(default, alias = "executions", skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
}

verb! {
    /// Compares an execution with others, checkpoint by checkpoint.
    Diff = "executions.diff", Get "/executions/{execution}/diff", Viewer, Reads, Ok("kitaru_executions_diff"), 200;
    |service, params: DiffParams| -> Plain<ExecutionDiff> {
        let original = service.resolve(&params.execution).await?;
        let others = service.resolve_all(at_most(&params.with, 100)?).await?;
        Ok(service.diff(original, &others).await?.into())
    }
}

/// What to compare.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatrixParams {
    /// Two executions or more.
    #[serde(alias = "exec_ids")]
    pub executions: Vec<String>,
}

verb! {
    /// Compares each of several executions with each that follows it.
    DiffMatrix = "executions.diff-matrix", Get "/diff-matrix", Viewer, Reads, Ok("kitaru_executions_diff_matrix"), 200;
    |service, params: MatrixParams| -> Plain<ExecutionDiff> {
        Ok(service.diff_matrix(&service.resolve_all(at_most(&params.executions, 30)?).await?).await?.into())
    }
}

filtered! {
    /// Which executions to find. Everything that is given must hold.
    pub struct CohortParams {
        /// Only those that can be replayed from here: a checkpoint's name or invocation ID.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub at: Option<String>,
        /// Failed ones too, and not only completed ones, where no status is named.
        pub include_failed: bool,
        /// How many to look at, the newest first: 500 if absent, at most 10000.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1, max = 10000))]
        pub max_scan: Option<u64>,
        /// How many to give at most: 50 if absent, at most 1000.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1, max = 1000))]
        pub limit: Option<u64>,
        /// The oldest first: `started_at`; the newest: `-started_at`, as if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub order_by: Option<String>,
    }
}

impl CohortParams {
    /// The parameters of a query.
    pub fn of(query: &CohortQuery) -> Self {
        Self {
            at: query.at.clone(),
            include_failed: query.include_failed,
            max_scan: Some(query.max_scan),
            limit: Some(query.limit as u64),
            order_by: query.oldest_first.then(|| "started_at".into()),
            ..Self::choosing(&query.filter)
        }
    }
}

verb! {
    /// Finds executions of a flow that can be replayed together.
    Cohort = "executions.cohort", Get "/cohort", Viewer, Reads, Ok("kitaru_executions_cohort"), 200;
    |service, params: CohortParams| -> Plain<ExecutionSummary> {
        let oldest_first = match params.order_by.as_deref() {
            None | Some("-started_at") => false,
            Some("started_at") => true,
            Some(other) => return Err(ServiceError::usage(format!("`order_by` must be `started_at` or `-started_at`, not `{other}`"))),
        };
        let query = CohortQuery {
            filter: params.chosen(service).await?,
            at: params.at,
            include_failed: params.include_failed,
            max_scan: within("max_scan", params.max_scan.unwrap_or(500), 10_000)?,
            limit: usize::try_from(within("limit", params.limit.unwrap_or(50), 1_000)?).unwrap_or(usize::MAX),
            oldest_first,
        };
        Ok(service.cohort(&query).await?.into())
    }
}

filtered! {
    /// What to count and measure. Everything that is given must hold.
    pub struct StatisticsParams {
        /// In which groups: `flow`, `status`, `tag`, `day`, `component`; all together if absent.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub group_by: Vec<String>,
        /// What to measure beside the count: `duration`, `failure-rate`, `statuses`, `tokens`, `cost`.
        #[serde(alias = "metric", skip_serializing_if = "Vec::is_empty")]
        pub metrics: Vec<String>,
        /// The most groups: 1000 if absent, at most 10000.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 1, max = 10000))]
        pub max_groups: Option<u64>,
    }
}

impl StatisticsParams {
    /// The parameters of a query.
    pub fn of(query: &ListQuery, group_by: &[GroupBy], metrics: &[Metric], most: usize) -> Self {
        Self {
            group_by: group_by.iter().map(|group| group.as_str().to_owned()).collect(),
            metrics: metrics.iter().map(|metric| metric.as_str().to_owned()).collect(),
            max_groups: Some(most as u64),
            ..Self::choosing(query)
        }
    }
}

verb! {
    /// Counts and measures executions, in groups.
    StatisticsVerb = "executions.statistics", Get "/statistics", Viewer, Reads, Ok("kitaru_executions_statistics"), 200;
    |service, params: StatisticsParams| -> Statistics {
        let unknown = |what: &str, word: &str| ServiceError::usage(format!("`{word}` is no {what}"));
        let groups = params.group_by.iter().map(|word| GroupBy::parse(word).ok_or_else(|| unknown("grouping", word)));
        let metrics = params.metrics.iter().map(|word| Metric::parse(word).ok_or_else(|| unknown("metric", word)));
        let (groups, metrics) = (groups.collect::<Result<Vec<_>, _>>()?, metrics.collect::<Result<Vec<_>, _>>()?);
        let most = usize::try_from(within("max_groups", params.max_groups.unwrap_or(1_000), 10_000)?).unwrap_or(usize::MAX);
        service.statistics(&params.chosen(service).await?, &groups, &metrics, most).await
    }
}
