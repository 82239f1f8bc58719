//! `executions schema`: what the input of an execution's flow has to be.

use std::process::ExitCode;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::terminal;

pub(super) async fn run(context: &Context, execution: &str) -> Result<ExitCode, CliError> {
    let service = context.service()?;
    let schema = service.flow_schema(service.resolve(execution).await?).await?;
    context
        .output
        .item(&schema, || terminal::lines(&serde_json::to_string_pretty(&schema).unwrap_or_else(|_| schema.to_string())))
}
