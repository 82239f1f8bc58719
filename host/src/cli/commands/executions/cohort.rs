//! `executions cohort`.

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::list::Filters;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::service::CohortQuery;
use crate::store::Status;

/// Find executions of a flow that can be replayed together
///
/// Prints their IDs, for `executions replay`. As JSON, the answer's `exec_ids` make the answer itself a file for `replay --ids-file`.
#[derive(Debug, Args)]
pub(crate) struct CohortCommand {
    #[command(flatten)]
    filters: Filters,
    /// Only those that can be replayed from this checkpoint: its name or invocation ID
    #[arg(long, visible_alias = "from", value_name = "CHECKPOINT")]
    at: Option<String>,
    /// Failed executions too, and not only completed ones
    #[arg(long)]
    include_failed: bool,
    /// Which come first
    #[arg(long, default_value = "-started_at", allow_hyphen_values = true)]
    order_by: Order,
    /// How many to give at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    limit: u64,
    /// How many executions to look at, the newest first
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    max_scan: u64,
}

/// What `--order-by` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Order {
    #[value(name = "-started_at")]
    NewestFirst,
    #[value(name = "started_at")]
    OldestFirst,
}

impl CohortCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        let filter = self.filters.query(service.as_ref()).await?;
        if filter.status.is_some_and(|status| !matches!(status, Status::Completed | Status::Failed)) {
            return Err(CliError::usage("`--status` must be `completed` or `failed`: others are not replayed together."));
        }
        if filter.flow.is_none() {
            return Err(CliError::usage("`--flow` is required: executions of one flow are replayed together."));
        }
        let query = CohortQuery {
            filter,
            at: self.at,
            include_failed: self.include_failed,
            max_scan: self.max_scan,
            limit: usize::try_from(self.limit).unwrap_or(usize::MAX),
            oldest_first: self.order_by == Order::OldestFirst,
        };
        let found = service.cohort(&query).await?;
        let ids: Vec<String> = found.iter().map(|summary| summary.exec_id.clone()).collect();
        let mut more = serde_json::Map::new();
        more.insert("exec_ids".into(), ids.clone().into());
        context.output.page(&found, more, || ids.join("\n"))
    }
}
