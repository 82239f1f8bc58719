//! `serve`: looks after all executions of a data folder.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::cli::args::HostLimitArgs;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::signals::Asked;
use crate::engine::{Event, Observer};
use crate::store::Status;

#[derive(Debug, Args)]
pub(crate) struct ServeCommand {
    /// How long running checkpoints may take to their end when the host is stopped, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    grace: u64,
    #[command(flatten)]
    limits: HostLimitArgs,
}

impl ServeCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service_within(self.limits)?;
        let home = context.home()?.folder;
        context.output.say(&format!("Looking after the executions in {}; Ctrl-C ends it", home.display()));
        if context.output.is_json() {
            context.output.event("ready", &json!({ "home": home, "durability": context.durability()?.mode.as_str() }))?;
        }
        let output = context.output.clone();
        let observer = Observer::of_stops(move |event| match event {
            // It may stay with the question; when it leaves it, nothing has changed for anybody.
            Event::Waiting { id } => output.say(&format!("{} waiting", id.execution)),
            Event::Stopped { execution, status } if status != Status::Waiting => output.say(&format!("{execution} {status}")),
            _ => {}
        });
        let mut asked = Asked::listen();
        let looking = service.look_after(observer);
        tokio::pin!(looking);
        tokio::select! {
            ended = &mut looking => { ended?; return Ok(ExitCode::SUCCESS); }
            () = asked.ends() => {}
        }
        // Before it is said: whoever reads it can rely on it.
        service.stop();
        context.output.say("Stopping: what runs comes to its end, and goes on at the next start");
        tokio::select! {
            ended = &mut looking => ended?,
            () = tokio::time::sleep(Duration::from_secs(self.grace)) => {
                context.output.say("Some checkpoints still ran: they run again at the next start");
            }
            () = asked.ends() => {}
        }
        Ok(ExitCode::SUCCESS)
    }
}
