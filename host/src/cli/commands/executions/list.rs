//! `executions list | latest`.

use std::process::ExitCode;

use clap::Args;

use crate::cli::args::KeyValue;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::table;
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::service::verbs::{parse_deployment, parse_status, parse_words};
use crate::service::{ExecutionSummary, ListQuery, Service};

#[derive(Debug, Args)]
pub(crate) struct Filters {
    /// Only of this status: running, waiting, completed, failed, cancelled
    #[arg(long)]
    status: Option<String>,
    /// Only of this flow
    #[arg(long)]
    flow: Option<String>,
    /// Only started as this version of a published flow: its ID; or, with --flow, its number, or a tag that it has now. A
    /// plain number is never a tag; v2 is the tag of that name where the flow has it, and otherwise version 2
    #[arg(long, value_name = "VERSION")]
    deployment: Option<String>,
    /// Only with this label; several must all be there
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only created at this moment or later: a time, or how long ago, such as 2h
    #[arg(long, value_name = "TIME | AGO", value_parser = parse_moment)]
    since: Option<Timestamp>,
    /// Only created before this moment
    #[arg(long, value_name = "TIME | AGO", value_parser = parse_moment)]
    until: Option<Timestamp>,
    /// Only with this value in what the flow logged about itself
    #[arg(long, value_name = "KEY=JSON")]
    metadata: Vec<KeyValue>,
    /// Only replays of this execution
    #[arg(long, value_name = "EXECUTION")]
    original: Option<String>,
    /// Only children of this execution
    #[arg(long, value_name = "EXECUTION")]
    parent: Option<String>,
}

impl Filters {
    pub(super) async fn query(self, service: &dyn Service) -> Result<ListQuery, CliError> {
        let status = self.status.as_deref().map(parse_status).transpose()?;
        let resolve = async |text: Option<&String>| match text {
            Some(text) => service.resolve(text).await.map(Some),
            None => Ok(None),
        };
        let json = |pair: KeyValue| {
            let value = serde_json::from_str(&pair.value).unwrap_or(serde_json::Value::String(pair.value));
            (pair.key, value)
        };
        let deployment = match &self.deployment {
            Some(text) => Some(parse_deployment(service, self.flow.as_deref(), text).await?),
            None => None,
        };
        Ok(ListQuery {
            status,
            flow: self.flow,
            deployment,
            flows: None,
            tags: self.tags,
            since: self.since,
            until: self.until,
            metadata: self.metadata.into_iter().map(json).collect(),
            original: resolve(self.original.as_ref()).await?,
            parent: resolve(self.parent.as_ref()).await?,
            // One request looks through some of all executions, which suits a list, and not what counts or deletes them.
            words: Vec::new(),
            cursor: None,
            offset: 0,
            limit: 1,
        })
    }
}

fn parse_moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse_moment(text, SystemClock.now())
}

#[derive(Debug, Args)]
pub(crate) struct ListCommand {
    #[command(flatten)]
    filters: Filters,
    /// Only with all of these words: in flow, ID, status, labels, status reason or an open question
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
    /// The newest so many
    #[arg(long)]
    limit: Option<u64>,
    /// Which page, from 1
    #[arg(long)]
    page: Option<u64>,
    /// Executions on a page
    #[arg(long)]
    size: Option<u64>,
    /// Go on after the page that gave this cursor
    #[arg(long, conflicts_with = "page")]
    cursor: Option<u64>,
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
        let service = context.service()?;
        let query = ListQuery {
            offset: (page - 1).saturating_mul(size),
            limit: size,
            cursor: self.cursor,
            words: self.search.as_deref().map(parse_words).transpose()?.unwrap_or_default(),
            ..self.filters.query(service.as_ref()).await?
        };
        let listing = service.list(&query).await?;
        let mut more = serde_json::Map::new();
        more.insert("total".into(), listing.total.into());
        more.extend(listing.next_cursor.map(|cursor| ("next_cursor".to_owned(), cursor.into())));
        context.output.page(&listing.items, more, || {
            let more = listing.next_cursor.map(|cursor| format!("; go on with --cursor {cursor}")).unwrap_or_default();
            if listing.items.is_empty() && !query.words.is_empty() {
                return format!("None found in {}{more}.", listing.total);
            }
            if listing.items.is_empty() {
                return if page > 1 { format!("No executions on page {page}.") } else { "No executions.".into() };
            }
            let mut text = lines(&listing.items);
            if !query.words.is_empty() {
                text.push_str(&format!("\n{} found in {}{more}", listing.items.len(), listing.total));
            } else if listing.total > listing.items.len() as u64 {
                text.push_str(&format!("\n{} of {}", listing.items.len(), listing.total));
            }
            text
        })
    }
}

/// A table. What models cost has columns where one was called.
fn lines(items: &[ExecutionSummary]) -> String {
    let with_models = items.iter().any(|item| item.total_tokens.is_some());
    let row = |item: &ExecutionSummary| {
        let wait = item.pending_wait.as_ref().map(|wait| wait.name.clone());
        let due = item.is_due.then(|| "its runner: it can go on".to_owned());
        let child = (item.status == "waiting").then(|| "a child flow".to_owned());
        let waits = wait.or(due).or_else(|| item.wakes_at.clone()).or(child).unwrap_or_default();
        let mut row = vec![item.exec_id.clone(), item.flow_name.clone(), item.status.to_string(), item.started_at.clone()];
        if with_models {
            row.extend(match (item.cost_usd, item.total_tokens) {
                (_, None) => [String::new(), String::new()],
                (cost, Some(tokens)) => [cost.map_or_else(|| "unknown".into(), |cost| cost.to_string()), tokens.to_string()],
            });
        }
        row.push(waits);
        row
    };
    let mut head = vec!["ID", "FLOW", "STATUS", "STARTED"];
    head.extend(if with_models { ["COST", "TOKENS"].as_slice() } else { &[] });
    head.push("WAITS FOR");
    table(&head, &items.iter().map(row).collect::<Vec<_>>())
}

#[derive(Debug, Args)]
pub(crate) struct LatestCommand {
    #[command(flatten)]
    filters: Filters,
}

impl LatestCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        let view = service.latest(&self.filters.query(service.as_ref()).await?).await?;
        super::get::print(context, &view)
    }
}
