//! `model usage`.

use std::process::ExitCode;

use clap::Args;
use kitaru_llm::price::NanoUsd;

use crate::cli::context::Context;
use crate::cli::costs;
use crate::cli::error::CliError;
use crate::cli::table::table;
use crate::clock::{Clock as _, SystemClock};
use crate::service::{ModelUsageQuery, ModelUsageReport, ModelUsageView, UsageGroup};

/// Sum up what model calls used: calls, tokens, costs, and what budgets count
#[derive(Debug, Args)]
pub(crate) struct UsageCommand {
    /// What to group by: day, flow, model; everything together if absent
    #[arg(long, value_name = "WHAT", value_parser = parse_group)]
    by: Option<UsageGroup>,
    /// Only of this flow
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,
    /// Only on this day (UTC) or later: a date, or how many days ago, such as 7d
    #[arg(long, value_name = "DATE | AGO", value_parser = parse_day)]
    since: Option<u64>,
    /// Only before this day
    #[arg(long, value_name = "DATE | AGO", value_parser = parse_day)]
    until: Option<u64>,
}

fn parse_group(text: &str) -> Result<UsageGroup, String> {
    let known = UsageGroup::ALL.map(UsageGroup::as_str).join(", ");
    UsageGroup::parse(text).ok_or_else(|| format!("it must be one of: {known}"))
}

/// A day in UTC, as days since 1 January 1970.
fn parse_day(text: &str) -> Result<u64, String> {
    const SECONDS: u64 = 86_400;
    let wrong = || "give a date such as 2026-11-21, or how many days ago: 7d".to_owned();
    if let Some(days) = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok()) {
        return Ok((SystemClock.now().since_epoch().as_secs() / SECONDS).saturating_sub(days));
    }
    let date = text.parse::<jiff::civil::Date>().map_err(|_| wrong())?;
    let start = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| wrong())?;
    u64::try_from(start.timestamp().as_second()).map(|seconds| seconds / SECONDS).map_err(|_| wrong())
}

impl UsageCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let Self { by, flow, since, until } = self;
        let report = context.service()?.model_usage(&ModelUsageQuery { by, flow, since, until }).await?;
        context.output.items(&report.groups, None, || text(&report, by))
    }
}

fn text(report: &ModelUsageReport, by: Option<UsageGroup>) -> String {
    let ModelUsageReport { groups, total } = report;
    let is_nothing =
        |view: &ModelUsageView| view.calls == 0 && view.budget.is_none_or(|budget| budget.total_usd == NanoUsd::ZERO);
    if groups.iter().all(is_nothing) {
        return "No model calls.".into();
    }
    let title = by.map(|by| by.as_str().to_uppercase()).unwrap_or_default();
    let mut rows: Vec<Vec<String>> = groups.iter().map(row).collect();
    if groups.len() > 1 {
        rows.push(row(total));
    }
    let mut text = table(&[title.as_str(), "CALLS", "TOKENS", "COST", "SAVED", "BUDGET"], &rows);
    // Whoever compares costs with a limit has to know why they differ.
    if let Some(budget) = total.budget.filter(|budget| budget.unrecorded_usd.plus(budget.reserved_usd) > NanoUsd::ZERO) {
        text.push_str(&format!(
            "\nBudgets count {} by records, {} that no record tells, and {} set aside for calls under way.",
            budget.recorded_usd, budget.unrecorded_usd, budget.reserved_usd
        ));
    }
    text
}

fn row(view: &ModelUsageView) -> Vec<String> {
    let used = &view.llm_usage_summary_v1;
    vec![
        view.name.clone().unwrap_or_else(|| "all".into()),
        view.calls.to_string(),
        used.incurred_total_tokens.to_string(),
        costs::cost(used),
        used.saved_cost_usd.to_string(),
        view.budget.map(|budget| budget.total_usd.to_string()).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use kitaru_llm::usage::UsageSummary;

    use super::*;
    use crate::service::BudgetView;

    fn view(name: Option<&str>, calls: u64, used: UsageSummary, budget: Option<BudgetView>) -> ModelUsageView {
        let by = name.map(|_| "flow".into());
        ModelUsageView {
            by,
            name: name.map(str::to_owned),
            calls,
            cost_usd: used.known_cost(),
            llm_usage_summary_v1: used,
            budget,
        }
    }

    #[test]
    fn groups_and_their_total_are_a_table() {
        let nanos = NanoUsd::from_nanos;
        let known = UsageSummary { incurred_total_tokens: 36, display_cost_usd: nanos(1_500_000_000), ..UsageSummary::default() };
        let unknown = UsageSummary { incurred_total_tokens: 18, records_without_cost_count: 1, ..UsageSummary::default() };
        let mut both = known.clone();
        both.add(&unknown);
        let budget = BudgetView {
            recorded_usd: nanos(1_500_000_000),
            unrecorded_usd: nanos(250_000_000),
            reserved_usd: NanoUsd::ZERO,
            total_usd: nanos(1_750_000_000),
        };
        let report = ModelUsageReport {
            groups: vec![view(Some("a"), 2, known, Some(budget)), view(Some("b"), 1, unknown, None)],
            total: view(None, 3, both, Some(budget)),
        };
        let expected = "\
FLOW  CALLS  TOKENS  COST                  SAVED  BUDGET
a     2      36      $1.50                 $0.00  $1.75
b     1      18      unknown               $0.00
all   3      54      $1.50, and 1 unknown  $0.00  $1.75
Budgets count $1.50 by records, $0.25 that no record tells, and $0.00 set aside for calls under way.";
        assert_eq!(text(&report, Some(UsageGroup::Flow)), expected);
        let nothing = ModelUsageReport { groups: Vec::new(), total: view(None, 0, UsageSummary::default(), None) };
        assert_eq!(text(&nothing, Some(UsageGroup::Day)), "No model calls.");
    }

    #[test]
    fn days_are_dates_or_days_ago() {
        assert_eq!(parse_day("1970-01-03"), Ok(2));
        let today = SystemClock.now().since_epoch().as_secs() / 86_400;
        // Midnight may pass in between.
        assert!(parse_day("1d").is_ok_and(|day| day + 1 == today || day == today));
        for wrong in ["", "d", "1969-12-31", "yesterday", "-1d"] {
            assert!(parse_day(wrong).is_err(), "{wrong}");
        }
    }
}
