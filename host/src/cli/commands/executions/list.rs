//! `executions list | latest`.

use std::process::ExitCode;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::table;
use crate::service::{ListQuery, Service as _};
use crate::store::Status;

#[derive(Debug, Args)]
pub(crate) struct Filters {
    /// Only of this status: running, waiting, completed, failed, cancelled
    #[arg(long)]
    status: Option<String>,
    /// Only of this flow
    #[arg(long)]
    flow: Option<String>,
}

impl Filters {
    fn query(self) -> Result<ListQuery, CliError> {
        let status = self.status.as_deref().map(parse_status).transpose()?;
        Ok(ListQuery { status, flow: self.flow, offset: 0, limit: 1 })
    }
}

fn parse_status(text: &str) -> Result<Status, CliError> {
    Status::parse(&text.trim().to_lowercase()).ok_or_else(|| {
        let expected = Status::ALL.map(Status::as_str).join(", ");
        CliError::usage(format!("Unsupported status filter '{text}'. Expected one of: {expected}."))
    })
}

#[derive(Debug, Args)]
pub(crate) struct ListCommand {
    #[command(flatten)]
    filters: Filters,
    /// The newest so many
    #[arg(long)]
    limit: Option<u64>,
    /// Which page, from 1
    #[arg(long)]
    page: Option<u64>,
    /// Executions on a page
    #[arg(long)]
    size: Option<u64>,
}

impl ListCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        if self.limit.is_some() && (self.page.is_some() || self.size.is_some()) {
            return Err(CliError::usage(
                "`--limit` cannot be combined with `--page` or `--size`; `--limit N` is short for `--page 1 --size N`.",
            ));
        }
        for (flag, value) in [("--limit", self.limit), ("--page", self.page), ("--size", self.size)] {
            if value == Some(0) {
                return Err(CliError::usage(format!("`{flag}` must be >= 1.")));
            }
        }
        let page = self.page.unwrap_or(1);
        let size = self.limit.or(self.size).unwrap_or(20);
        let query = ListQuery { offset: (page - 1).saturating_mul(size), limit: size, ..self.filters.query()? };
        let listing = context.service()?.list(&query).await?;
        context.output.items(&listing.items, Some(listing.total), || {
            if listing.items.is_empty() {
                return if page > 1 { format!("No executions on page {page}.") } else { "No executions.".into() };
            }
            let row = |item: &crate::service::ExecutionSummary| {
                let waits = item.pending_wait.as_ref().map(|wait| wait.name.clone()).unwrap_or_default();
                vec![item.exec_id.clone(), item.flow_name.clone(), item.status.into(), item.started_at.clone(), waits]
            };
            let mut text =
                table(&["ID", "FLOW", "STATUS", "STARTED", "WAITS FOR"], &listing.items.iter().map(row).collect::<Vec<_>>());
            if listing.total > listing.items.len() as u64 {
                text.push_str(&format!("\n{} of {}", listing.items.len(), listing.total));
            }
            text
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct LatestCommand {
    #[command(flatten)]
    filters: Filters,
}

impl LatestCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let view = context.service()?.latest(&self.filters.query()?).await?;
        super::get::print(context, &view)
    }
}
