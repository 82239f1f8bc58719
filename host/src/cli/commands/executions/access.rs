//! `executions access`: what checkpoints used and were denied, record by record.

use std::process::ExitCode;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::table;
use crate::sandbox::AccessKind;
use crate::service::{AccessQuery, AccessView};

#[derive(Debug, Args)]
pub(crate) struct AccessCommand {
    /// Execution ID or a unique beginning of it
    execution: String,
    /// Only what was denied
    #[arg(long)]
    denied: bool,
    /// Only of this checkpoint: its name, an invocation ID or a call ID
    #[arg(long, value_name = "NAME")]
    checkpoint: Option<String>,
    /// Only of this kind of capability
    #[arg(long, value_parser = kind_parser())]
    kind: Option<AccessKind>,
    /// Print one JSON object in a line for each record
    #[arg(long)]
    jsonl: bool,
}

fn kind_parser() -> impl TypedValueParser<Value = AccessKind> {
    PossibleValuesParser::new(AccessKind::ALL.map(AccessKind::as_str)).try_map(|word| {
        AccessKind::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or_else(|| "it is no kind of capability".to_owned())
    })
}

impl AccessCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        let id = service.resolve(&self.execution).await?;
        let query = AccessQuery { denied: self.denied, checkpoint: self.checkpoint, kind: self.kind };
        let records = service.accesses(id, &query).await?;
        if self.jsonl {
            for record in &records {
                context.output.json_line(record)?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        context.output.items(&records, None, || {
            if records.is_empty() {
                return format!("No such access is recorded for execution {id}.");
            }
            table(
                &["CALL", "CHECKPOINT", "ATTEMPT", "", "KIND", "WHAT", "TIMES", "FIRST AT"],
                &records.iter().map(row).collect::<Vec<_>>(),
            )
        })
    }
}

fn row(access: &AccessView) -> Vec<String> {
    let what = match &access.detail {
        Some(detail) => format!("{} ({detail})", access.target),
        None => access.target.clone(),
    };
    vec![
        access.call_index.to_string(),
        access.invocation_id.clone().unwrap_or_else(|| access.checkpoint_name.clone()),
        access.attempt.to_string(),
        if access.allowed { "used" } else { "denied" }.to_owned(),
        access.kind.clone(),
        what,
        access.count.to_string(),
        access.first_at.clone(),
    ]
}
