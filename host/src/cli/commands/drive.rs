//! `drive`: what `--detach` starts. Hidden, because `resume` is what people use.

use std::process::ExitCode;

use clap::Args;

use crate::cli::args::HostLimitArgs;
use crate::cli::context::Context;
use crate::cli::drive::{Attach, drive, report};
use crate::cli::error::CliError;
use crate::cli::isolate::Guests;
use crate::service::Service as _;

#[derive(Debug, Args)]
pub(crate) struct DriveCommand {
    /// Execution IDs
    #[arg(required = true)]
    executions: Vec<String>,
    #[command(flatten)]
    limits: HostLimitArgs,
}

impl DriveCommand {
    pub(super) fn guests(&self) -> Guests {
        Guests { executions: self.executions.clone(), ..Guests::default() }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.local_within(self.limits)?;
        let mut ids = Vec::with_capacity(self.executions.len());
        for execution in &self.executions {
            ids.push(service.resolve(execution).await?);
        }
        match ids.as_slice() {
            [id] => {
                drive(context, &service, *id, Attach::Wait).await?;
                report(context, &service, *id, true).await
            }
            several => {
                service.drive_all(several).await?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}
