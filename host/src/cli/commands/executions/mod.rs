//! `executions …`: one file per verb or family of verbs.

mod access;
mod answer_links;
mod cohort;
mod compare;
mod export;
mod following;
mod get;
mod input;
mod list;
mod logs;
mod model_calls;
mod replay;
mod schema;
mod upkeep;
mod waits;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::args::HostLimitArgs;
use crate::cli::component::admitted_if_named;
use crate::cli::context::Context;
use crate::cli::drive::{go_on, report};
use crate::cli::error::CliError;
use crate::cli::isolate::Guests;

/// Look at executions and act on them. IDs may be given as unique beginnings.
#[derive(Debug, Subcommand)]
pub(crate) enum ExecutionsCommand {
    /// List executions, newest first
    List(list::ListCommand),
    /// Show one execution, whole
    Get(Named),
    /// Show the newest execution
    Latest(list::LatestCommand),
    /// Show what an execution's checkpoints used of their grants, and what they were denied
    Access(access::AccessCommand),
    /// Show what an execution wrote
    Logs(logs::LogsCommand),
    /// List the questions that wait for an answer
    PendingWaits(waits::PendingWaitsCommand),
    /// Answer a wait; the execution goes on at once
    Input(input::InputCommand),
    /// Make links by which others answer questions
    #[command(subcommand)]
    Waits(answer_links::WaitsCommand),
    /// End a wait without an answer
    AbortWait(waits::AbortWaitCommand),
    /// Drive an execution on by hand: after a crash, or an answer that nobody followed
    Resume(Named),
    /// Reopen a failed execution: completed calls are served, the failed one runs again
    Retry(RetryCommand),
    /// Start a new execution that reuses another's journal before a checkpoint
    Replay(Box<replay::ReplayCommand>),
    /// End an execution
    Cancel(Named),
    /// Show an execution's durable calls with what went in and came out
    Journal(get::JournalCommand),
    /// Show what models were asked and answered, and what that cost
    ModelCalls(Named),
    /// Show the JSON Schema of an execution's input
    Schema(Named),
    Diff(compare::DiffCommand),
    DiffMatrix(compare::DiffMatrixCommand),
    Cohort(cohort::CohortCommand),
    Verify(upkeep::VerifyCommand),
    Upgrade(upkeep::UpgradeCommand),
    Statistics(compare::StatisticsCommand),
    Export(export::ExportCommand),
    Import(upkeep::ImportCommand),
    Delete(upkeep::DeleteCommand),
}

/// A command about one execution.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Execution ID or a unique beginning of it
    pub(super) execution: String,
}

#[derive(Debug, Args)]
pub(crate) struct RetryCommand {
    /// Execution ID or a unique beginning of it
    execution: String,
    /// A fixed version of the component, which takes over
    #[arg(long, value_name = "FILE | FOLDER")]
    component: Option<std::path::PathBuf>,
}

impl ExecutionsCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "executions.list",
            Self::Get(_) => "executions.get",
            Self::Latest(_) => "executions.latest",
            Self::Access(_) => "executions.access",
            Self::Logs(_) => "executions.logs",
            Self::PendingWaits(_) => "executions.pending-waits",
            Self::Input(_) => "executions.input",
            Self::Waits(command) => command.name(),
            Self::AbortWait(_) => "executions.abort-wait",
            Self::Resume(_) => "executions.resume",
            Self::Retry(_) => "executions.retry",
            Self::Replay(_) => "executions.replay",
            Self::Cancel(_) => "executions.cancel",
            Self::Journal(_) => "executions.journal",
            Self::ModelCalls(_) => "executions.model-calls",
            Self::Schema(_) => "executions.schema",
            Self::Diff(_) => "executions.diff",
            Self::DiffMatrix(_) => "executions.diff-matrix",
            Self::Cohort(_) => "executions.cohort",
            Self::Verify(_) => "executions.verify",
            Self::Upgrade(_) => "executions.upgrade",
            Self::Statistics(_) => "executions.statistics",
            Self::Export(_) => "executions.export",
            Self::Import(_) => "executions.import",
            Self::Delete(_) => "executions.delete",
        }
    }

    /// What the command needs, if guests run in it.
    pub(super) fn guests(&self) -> Result<Option<Guests>, CliError> {
        let of = |execution: &String| Guests { executions: vec![execution.clone()], ..Guests::default() };
        Ok(match self {
            Self::Input(command) => Some(command.guests()),
            Self::AbortWait(command) => Some(of(command.execution())),
            Self::Resume(named) => Some(of(&named.execution)),
            Self::Retry(command) => Some(Guests { target: command.component.clone(), ..of(&command.execution) }),
            Self::Replay(command) => Some(command.guests()?),
            // No body runs, and no grant counts.
            Self::Verify(command) => Some(Guests { target: command.component().cloned(), ..Guests::default() }),
            // What is due goes on.
            Self::Upgrade(command) => Some(Guests { target: Some(command.component().clone()), all: true, ..Guests::default() }),
            _ => None,
        })
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        match self {
            Self::List(command) => command.run(context).await,
            Self::Get(command) => get::run(context, &command.execution).await,
            Self::Latest(command) => command.run(context).await,
            Self::Access(command) => command.run(context).await,
            Self::Logs(command) => command.run(context).await,
            Self::PendingWaits(command) => command.run(context).await,
            Self::Input(command) => command.run(context).await,
            Self::Waits(command) => command.run(context).await,
            Self::AbortWait(command) => command.run(context).await,
            Self::Resume(command) => resume(context, &command.execution).await,
            Self::Retry(command) => command.run(context).await,
            Self::Replay(command) => command.run(context).await,
            Self::Cancel(command) => cancel(context, &command.execution).await,
            Self::Journal(command) => command.run(context).await,
            Self::ModelCalls(named) => model_calls::run(context, &named.execution).await,
            Self::Schema(named) => schema::run(context, &named.execution).await,
            Self::Diff(command) => command.run(context).await,
            Self::DiffMatrix(command) => command.run(context).await,
            Self::Cohort(command) => command.run(context).await,
            Self::Verify(command) => command.run(context).await,
            Self::Upgrade(command) => command.run(context).await,
            Self::Statistics(command) => command.run(context).await,
            Self::Export(command) => command.run(context).await,
            Self::Import(command) => command.run(context).await,
            Self::Delete(command) => command.run(context).await,
        }
    }
}

async fn resume(context: &Context, execution: &str) -> Result<ExitCode, CliError> {
    let service = context.service()?;
    let id = service.resolve(execution).await?;
    service.check_resumable(id).await?;
    crate::cli::drive::drive(context, service.as_ref(), id, crate::cli::drive::Attach::Person).await?;
    report(context, service.as_ref(), id, true).await
}

async fn cancel(context: &Context, execution: &str) -> Result<ExitCode, CliError> {
    let service = context.service()?;
    let id = service.resolve(execution).await?;
    service.cancel(id).await?;
    context.output.say(&format!("Cancelled execution {id}"));
    let view = service.get(id).await?;
    context.output.item(&view, || format!("Status: {}", view.summary.status))
}

impl RetryCommand {
    async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let chosen = context.chosen(HostLimitArgs::default())?;
        let (service, component) = (chosen.service(), admitted_if_named(context, &chosen, self.component.as_ref()).await?);
        let id = service.resolve(&self.execution).await?;
        service.retry(id, component.as_deref()).await?;
        context.output.say(&format!("Retrying execution {id}"));
        go_on(context, service, id, true).await
    }
}
