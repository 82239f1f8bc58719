//! `auth audit`.

use std::process::ExitCode;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::table;
use crate::service::{AuditEntryView, AuditParams};

#[derive(Debug, Args)]
pub(crate) struct AuditCommand {
    /// Only of this service account, or of `owner`
    #[arg(long, value_name = "NAME")]
    who: Option<String>,
    /// Only of this verb, or of all that begin with it: `auth`, `executions.cancel`
    #[arg(long)]
    verb: Option<String>,
    /// Only about this: an execution, a flow, an account
    #[arg(long)]
    subject: Option<String>,
    /// Only what went like this
    #[arg(long, value_parser = ["done", "refused", "failed"])]
    outcome: Option<String>,
    /// How many; 1000 at most
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    limit: u64,
    /// Go on after the page that gave this cursor
    #[arg(long)]
    cursor: Option<u64>,
}

impl AuditCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let Self { who, verb, subject, outcome, limit, cursor } = self;
        let params = AuditParams { who, verb, subject, outcome, cursor, limit: Some(limit) };
        let listing = context.service()?.audit(params).await?;
        let mut more = serde_json::Map::new();
        more.extend(listing.next_cursor.map(|cursor| ("next_cursor".to_owned(), cursor.into())));
        context.output.page(&listing.items, more, || {
            if listing.items.is_empty() {
                return "Nothing was noted.".into();
            }
            let mut text = list(&listing.items);
            if let Some(cursor) = listing.next_cursor {
                text.push_str(&format!("\nmore: --cursor {cursor}"));
            }
            text
        })
    }
}

fn list(views: &[AuditEntryView]) -> String {
    let row = |view: &AuditEntryView| {
        vec![
            view.at.clone(),
            view.who.clone(),
            view.via.clone(),
            view.verb.clone(),
            view.subject.clone().unwrap_or_default(),
            view.outcome.clone(),
            view.source.clone().unwrap_or_default(),
            view.detail.clone().unwrap_or_default(),
        ]
    };
    table(&["AT", "WHO", "BY", "VERB", "SUBJECT", "OUTCOME", "FROM", "DETAIL"], &views.iter().map(row).collect::<Vec<_>>())
}
