//! `executions diff | diff-matrix | statistics`.

use std::process::ExitCode;

use clap::Args;
use kitaru_llm::price::NanoUsd;
use serde_json::Value;

use super::list::Filters;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::table;
use crate::cli::terminal::one_line;
use crate::service::{ExecutionDiff, GroupBy, Metric};

/// Compare an execution with others, checkpoint by checkpoint
#[derive(Debug, Args)]
pub(crate) struct DiffCommand {
    /// Execution ID or a unique beginning of it
    original: String,
    /// The others; its replays, if none is named
    others: Vec<String>,
}

/// Compare each of several executions with each that follows it
#[derive(Debug, Args)]
pub(crate) struct DiffMatrixCommand {
    /// Execution IDs or unique beginnings of them
    #[arg(required = true, num_args = 2..)]
    executions: Vec<String>,
}

impl DiffCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        let ids = service.resolve_all(&[vec![self.original], self.others].concat()).await?;
        let Some((original, others)) = ids.split_first() else { return Ok(ExitCode::SUCCESS) };
        let diffs = service.diff(*original, others).await?;
        context.output.items(&diffs, None, || text(&diffs))
    }
}

impl DiffMatrixCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        let ids = service.resolve_all(&self.executions).await?;
        let diffs = service.diff_matrix(&ids).await?;
        context.output.items(&diffs, None, || text(&diffs))
    }
}

fn text(diffs: &[ExecutionDiff]) -> String {
    let one = |diff: &ExecutionDiff| {
        let seconds = |delta: Option<f64>| delta.map(|delta| format!("{delta:+.3} s")).unwrap_or_default();
        // Most flows call no models, and need no empty columns.
        let used = diff.token_delta.is_some();
        let row = |call: &crate::service::CheckpointDiff| {
            let artifacts = call.artifacts.iter().filter(|artifact| artifact.result != "unchanged");
            let artifacts: Vec<String> =
                artifacts.map(|artifact| format!("{} {}", one_line(&artifact.name), artifact.result)).collect();
            let mut row = vec![one_line(&call.invocation_id), call.result.to_string(), seconds(call.duration_delta_seconds)];
            if used {
                row.push(call.token_delta.map(|delta| format!("{:+}", delta.total_tokens)).unwrap_or_default());
                row.push(call.token_delta.map(|_| cost(call.cost_delta_usd)).unwrap_or_default());
            }
            row.push(artifacts.join(", "));
            row
        };
        let rows: Vec<_> = diff.checkpoints.iter().map(row).collect();
        let titles: &[&str] = match used {
            true => &["CHECKPOINT", "RESULT", "DURATION", "TOKENS", "COST", "ARTIFACTS"],
            false => &["CHECKPOINT", "RESULT", "DURATION", "ARTIFACTS"],
        };
        let models = diff.token_delta.map(|delta| format!("; {:+} tokens, {}", delta.total_tokens, cost(diff.cost_delta_usd)));
        format!(
            "{} ({})  and  {} ({}): {}{}\n{}",
            diff.original_exec_id,
            diff.original_status,
            diff.replay_exec_id,
            diff.replay_status,
            diff.result,
            models.unwrap_or_default(),
            table(titles, &rows)
        )
    };
    diffs.iter().map(one).collect::<Vec<_>>().join("\n\n")
}

/// What was spent more or less. What nobody knows is said as that.
fn cost(delta: Option<f64>) -> String {
    let Some(delta) = delta else { return "unknown".into() };
    let amount = NanoUsd::from_dollars_rounded_up(delta.abs()).unwrap_or_default();
    format!("{}{amount}", if delta < 0.0 { '-' } else { '+' })
}

/// Count and measure executions, in groups
#[derive(Debug, Args)]
pub(crate) struct StatisticsCommand {
    #[command(flatten)]
    filters: Filters,
    /// What to group by: flow, status, tag, day, component. May be repeated
    #[arg(long, value_name = "WHAT", value_parser = parse_group)]
    group_by: Vec<GroupBy>,
    /// What to measure: duration, failure-rate, statuses, tokens, cost. May be repeated
    #[arg(long, value_name = "WHAT", value_parser = parse_metric)]
    metric: Vec<Metric>,
    /// The largest so many groups
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    max_groups: usize,
}

fn parse_group(text: &str) -> Result<GroupBy, String> {
    let known = GroupBy::ALL.map(GroupBy::as_str).join(", ");
    GroupBy::parse(text).ok_or_else(|| format!("it must be one of: {known}"))
}

fn parse_metric(text: &str) -> Result<Metric, String> {
    let known = Metric::ALL.map(Metric::as_str).join(", ");
    Metric::parse(text).ok_or_else(|| format!("it must be one of: {known}"))
}

impl StatisticsCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        let query = self.filters.query(service.as_ref()).await?;
        let metrics = if self.metric.is_empty() { Metric::ALL.to_vec() } else { self.metric };
        let statistics = service.statistics(&query, &self.group_by, &metrics, self.max_groups).await?;
        context.output.item(&statistics, || {
            let number = |value: &Value| match value.as_f64() {
                Some(number) if number.fract() == 0.0 => Some(format!("{number:.0}")),
                number => number.map(|number| format!("{number:.3}")),
            };
            let row = |group: &crate::service::StatisticsGroup| {
                let keys = group.keys.values().map(|key| one_line(key.as_str().unwrap_or_default()));
                let measured = group.metrics.values().map(|value| match value {
                    Value::Object(parts) => {
                        let parts = parts.iter().map(|(part, value)| {
                            if let Some(part) = part.strip_suffix("_usd") {
                                let amount = value.as_f64().and_then(NanoUsd::from_dollars_rounded_up);
                                return format!(
                                    "{part} {}",
                                    amount.map_or_else(|| "unknown".to_owned(), |amount| amount.to_string())
                                );
                            }
                            let text = number(value).unwrap_or_else(|| value.to_string());
                            match part.strip_suffix("_seconds") {
                                Some(part) => format!("{part} {text} s"),
                                None => format!("{part} {text}"),
                            }
                        });
                        parts.collect::<Vec<_>>().join(", ")
                    }
                    value => number(value).unwrap_or_else(|| "-".into()),
                });
                keys.chain([group.execution_count.to_string()]).chain(measured).collect::<Vec<_>>()
            };
            let titles: Vec<String> = self
                .group_by
                .iter()
                .map(|group| group.as_str().to_uppercase())
                .chain(["EXECUTIONS".to_owned()])
                .chain(metrics.iter().map(|metric| metric.as_str().to_uppercase()))
                .collect();
            let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
            table(&titles, &statistics.groups.iter().map(row).collect::<Vec<_>>())
        })
    }
}
