//! `mcp`: the data folder, or a server, for an assistant, over standard input and output.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::clean;
use crate::cli::args::HostLimitArgs;
use crate::cli::context::{Chosen, Context};
use crate::cli::error::CliError;
use crate::cli::signals::Asked;
use crate::engine::Observer;
use crate::mcp::{self, Visitor};
use crate::service::clean::CleanPreviewer;
use crate::service::{AccessVerbs as _, LocalService};

#[derive(Debug, Args)]
pub(crate) struct McpCommand {
    /// How long running checkpoints may take to their end when the assistant has gone, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    grace: u64,
    #[command(flatten)]
    limits: HostLimitArgs,
}

impl McpCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        if std::io::stdin().is_terminal() {
            context
                .output
                .say("Standard input is a terminal: it is an assistant's program that starts this command; Ctrl-C ends it");
        }
        match context.chosen(self.limits)? {
            Chosen::Local(service) => self.over_folder(*service, clean::previewer(context)?).await,
            Chosen::Server(service) => {
                let who = service.who_am_i().await?;
                let (service, role) = (Arc::new(service), who.role);
                let visitor = Visitor { service, guarded: None, who: who.who, role, stays: None, cleaning: None };
                let mut asked = Asked::listen();
                tokio::select! {
                    talked = mcp::stdio(visitor) => talked?,
                    () = asked.ends() => {}
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    /// Looks after the executions while it talks.
    async fn over_folder(self, service: LocalService, previewer: CleanPreviewer) -> Result<ExitCode, CliError> {
        let mut asked = Asked::listen();
        let looking = service.look_after(Observer::silent());
        let talking = mcp::stdio(Visitor::owner(Arc::new(service.clone())).with_cleaning(previewer));
        tokio::pin!(looking, talking);
        let talked = tokio::select! {
            ended = &mut looking => { ended?; return Ok(ExitCode::SUCCESS); }
            talked = &mut talking => talked,
            () = asked.ends() => Ok(()),
        };
        // What runs is left to whoever looks after the folder next; programs of assistants do not wait long.
        service.stop();
        tokio::select! {
            ended = &mut looking => ended?,
            () = tokio::time::sleep(Duration::from_secs(self.grace)) => {}
            () = asked.ends() => {}
        }
        match talked {
            Ok(()) => Ok(ExitCode::SUCCESS),
            Err(error) => Err(CliError::from(error)),
        }
    }
}
