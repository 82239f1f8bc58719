//! `executions pending-waits | abort-wait`.

use std::process::ExitCode;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::drive::go_on;
use crate::cli::error::CliError;
use crate::cli::table::table;

#[derive(Debug, Args)]
pub(crate) struct PendingWaitsCommand {
    /// Execution ID or a unique beginning of it; all executions if left out
    execution: Option<String>,
}

impl PendingWaitsCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        let id = match &self.execution {
            Some(execution) => Some(service.resolve(execution).await?),
            None => None,
        };
        let waits = service.pending_waits(id).await?;
        context.output.items(&waits, None, || {
            if waits.is_empty() {
                return "No pending waits.".into();
            }
            let row = |wait: &crate::service::PendingWaitView| {
                let schema = wait.schema.as_ref().map_or_else(|| "any".into(), ToString::to_string);
                vec![
                    wait.exec_id.clone(),
                    wait.name.clone(),
                    wait.question.clone().unwrap_or_default(),
                    schema,
                    wait.entered_waiting_at.clone(),
                ]
            };
            table(&["EXECUTION", "WAIT", "QUESTION", "SCHEMA", "SINCE"], &waits.iter().map(row).collect::<Vec<_>>())
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct AbortWaitCommand {
    /// Execution ID or a unique beginning of it
    execution: String,
    /// The wait's name or ID; may be left out where only one is open
    #[arg(long, value_name = "NAME | ID")]
    wait: Option<String>,
}

impl AbortWaitCommand {
    pub(super) fn execution(&self) -> &String {
        &self.execution
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        let id = service.resolve(&self.execution).await?;
        service.abort_wait(id, self.wait.as_deref()).await?;
        context.output.say("Aborted the wait");
        go_on(context, service.as_ref(), id, false).await
    }
}
