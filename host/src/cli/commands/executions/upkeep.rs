//! `executions verify | upgrade | import | delete`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::super::run::locate;
use super::list::Filters;
use crate::cli::args::HostLimitArgs;
use crate::cli::component::{admitted, admitted_if_named};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::table;
use crate::cli::terminal::one_line;
use crate::ids::ExecutionId;
use crate::service::{DeletedView, Done, ListQuery, Service, ServiceError, VerificationView};
use crate::store::Status;

/// Which executions.
#[derive(Debug, Args)]
pub(crate) struct Which {
    /// Execution IDs or unique beginnings of them
    executions: Vec<String>,
    /// All that wait
    #[arg(long, conflicts_with = "executions")]
    waiting: bool,
}

impl Which {
    async fn ids(&self, service: &dyn Service) -> Result<Vec<ExecutionId>, CliError> {
        if self.waiting {
            let query = ListQuery { status: Some(Status::Waiting), limit: u64::MAX, ..ListQuery::default() };
            return Ok(service.ids(&query).await?);
        }
        if self.executions.is_empty() {
            return Err(CliError::usage("name an execution, or give `--waiting` for all that wait"));
        }
        Ok(service.resolve_all(&self.executions).await?)
    }
}

/// Check executions: the hash chain of their journals, and whether their code, or another component, still makes the recorded calls
#[derive(Debug, Args)]
pub(crate) struct VerifyCommand {
    #[command(flatten)]
    which: Which,
    /// Another version of the component
    #[arg(long, value_name = "FILE | FOLDER")]
    component: Option<PathBuf>,
}

impl VerifyCommand {
    pub(super) fn component(&self) -> Option<&PathBuf> {
        self.component.as_ref()
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let chosen = context.chosen(HostLimitArgs::default())?;
        let (service, component) = (chosen.service(), admitted_if_named(context, &chosen, self.component.as_ref()).await?);
        let ids = self.which.ids(service).await?;
        report(context, service.verify(&ids, component.as_deref()).await)
    }
}

/// Move waiting executions to another component, where that makes the recorded calls
#[derive(Debug, Args)]
pub(crate) struct UpgradeCommand {
    #[command(flatten)]
    which: Which,
    /// The component that takes over
    #[arg(long, value_name = "FILE | FOLDER")]
    component: PathBuf,
}

impl UpgradeCommand {
    pub(super) fn component(&self) -> &PathBuf {
        &self.component
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let chosen = context.chosen(HostLimitArgs::default())?;
        let component = admitted(context, &chosen, &locate(context, &self.component)?.0).await?;
        let service = chosen.service();
        let ids = self.which.ids(service).await?;
        report(context, service.upgrade(&ids, &component).await)
    }
}

/// Tells what came of each; where it failed in the middle, of those before that.
fn report(context: &Context, result: Result<Vec<VerificationView>, ServiceError>) -> Result<ExitCode, CliError> {
    match result {
        Ok(views) => show(context, &views),
        Err(error) => {
            let (done, error) = error.parted();
            if let Some(Done::Verifications(views)) = done {
                show(context, &views)?;
            }
            Err(error.into())
        }
    }
}

fn show(context: &Context, views: &[VerificationView]) -> Result<ExitCode, CliError> {
    let code = context.output.items(views, None, || {
        let row = |view: &VerificationView| {
            let verdict = if view.upgraded == Some(true) { "upgraded" } else { &*view.verdict };
            let reason = view.reason.as_deref().map(one_line).unwrap_or_default();
            vec![
                view.exec_id.clone(),
                view.flow_name.clone(),
                view.status.to_string(),
                view.chain.clone(),
                verdict.into(),
                reason,
            ]
        };
        if views.is_empty() {
            return "No executions.".into();
        }
        table(&["EXECUTION", "FLOW", "STATUS", "CHAIN", "VERDICT", "WHY"], &views.iter().map(row).collect::<Vec<_>>())
    })?;
    Ok(if views.iter().all(|view| view.holds) { code } else { ExitCode::FAILURE })
}

/// Read executions from a file that `export` wrote
#[derive(Debug, Args)]
pub(crate) struct ImportCommand {
    /// The file
    file: PathBuf,
    /// Keep the grants, limits and models that the executions had where they come from
    #[arg(long)]
    with_grants: bool,
}

impl ImportCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let file = std::fs::File::open(&self.file)
            .map_err(|error| CliError::usage(format!("cannot read `{}`: {error}", self.file.display())))?;
        let service = context.service()?;
        let imported = service.import(&mut std::io::BufReader::new(file), self.with_grants).await?;
        let texts = |ids: &[ExecutionId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (new, known, narrowed) = (texts(&imported.executions), texts(&imported.known), texts(&imported.narrowed));
        context.output.say(&format!("Read {}; {} here already", executions(new.len()), known.len()));
        if !narrowed.is_empty() {
            let left_out = executions(narrowed.len());
            context.output.say(&format!("Grants, raised limits and models of {left_out} were left out: nobody gave them here"));
            context
                .output
                .say("Give them to a replay (`--allow-…`), or import with --with-grants what comes from somebody whom you trust");
        }
        context.output.item(&json!({ "executions": new, "known": known, "narrowed": narrowed }), || new.join("\n"))
    }
}

/// Remove ended executions with all that only they needed
#[derive(Debug, Args)]
pub(crate) struct DeleteCommand {
    /// Execution IDs or unique beginnings of them
    executions: Vec<String>,
    /// All that ended before the last so many days
    #[arg(long, value_name = "DAYS", conflicts_with = "executions")]
    keep_days: Option<u32>,
    #[command(flatten)]
    filters: Filters,
}

impl DeleteCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        let ids = match self.keep_days {
            Some(days) => {
                let old = service.ended_before(days).await?;
                let query = ListQuery { limit: u64::MAX, ..self.filters.query(service.as_ref()).await? };
                let wanted: std::collections::HashSet<_> = service.ids(&query).await?.into_iter().collect();
                old.into_iter().filter(|id| wanted.contains(id)).collect()
            }
            None if self.executions.is_empty() => {
                return Err(CliError::usage("name an execution, or give `--keep-days` for all that ended before"));
            }
            None if self.filters.query(service.as_ref()).await?.is_narrow() => {
                return Err(CliError::usage(
                    "filters choose among what `--keep-days` removes; named executions are removed as they are",
                ));
            }
            None => service.resolve_all(&self.executions).await?,
        };
        match service.delete(&ids).await {
            Ok(deleted) => show_deleted(context, &deleted),
            Err(error) => {
                let (done, error) = error.parted();
                if let Some(Done::Deletion(deleted)) = done {
                    show_deleted(context, &deleted)?;
                }
                Err(error.into())
            }
        }
    }
}

fn show_deleted(context: &Context, deleted: &DeletedView) -> Result<ExitCode, CliError> {
    for failure in &deleted.failures {
        context.output.say(&format!("Not deleted: {}", one_line(&failure.reason)));
    }
    context.output.say(&format!("Deleted {}, freed {} bytes", executions(deleted.executions.len()), deleted.freed_bytes));
    let code = context.output.item(deleted, || deleted.executions.join("\n"))?;
    Ok(if deleted.deleted { code } else { ExitCode::FAILURE })
}

/// So many executions, for people.
pub(super) fn executions(count: usize) -> String {
    if count == 1 { "1 execution".into() } else { format!("{count} executions") }
}
