//! `grants list | forget`: what components were granted for good.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::granted::granted;
use crate::cli::table::table;
use crate::service::{ForgottenGrants, RememberedGrantsView};

/// See and take back what components were granted for good.
#[derive(Debug, Subcommand)]
pub(crate) enum GrantsCommand {
    /// List what components were granted for good, when somebody answered `always`
    List,
    /// Take it back: executions that were created before keep what they have
    Forget(ForgetCommand),
}

#[derive(Debug, Args)]
pub(crate) struct ForgetCommand {
    /// The component's digest, or a unique beginning of it
    #[arg(required_unless_present = "all")]
    component: Option<String>,
    /// Take back everything
    #[arg(long, conflicts_with = "component")]
    all: bool,
}

impl GrantsCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::List => "grants.list",
            Self::Forget(_) => "grants.forget",
        }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        match self {
            Self::List => {
                let views = service.remembered_grants().await?;
                context.output.items(&views, None, || list(&views))
            }
            Self::Forget(ForgetCommand { component, .. }) => {
                let which = component.map_or(ForgottenGrants::All, ForgottenGrants::Of);
                let views = service.forget_grants(which).await?;
                context.output.say(&format!("Taken back from {} component(s)", views.len()));
                context.output.items(&views, None, || list(&views))
            }
        }
    }
}

fn list(views: &[RememberedGrantsView]) -> String {
    if views.is_empty() {
        return "Nothing is granted for good.".into();
    }
    let row = |view: &RememberedGrantsView| {
        let digest = view.component_digest.chars().take(12).collect();
        vec![digest, view.flows.join(", "), view.granted_at.clone(), granted(&view.grants)]
    };
    table(&["COMPONENT", "FLOWS", "GRANTED AT", "WHAT"], &views.iter().map(row).collect::<Vec<_>>())
}
