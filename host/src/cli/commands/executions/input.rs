//! `executions input`: answers a wait, from the command line or by asking a person.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::cli::args::parse_json;
use crate::cli::context::Context;
use crate::cli::drive::go_on;
use crate::cli::error::CliError;
use crate::cli::isolate::Guests;
use crate::cli::prompt::{Answer, Keyboard, ask, give, show};
use crate::cli::signals::Asked;
use crate::service::Service;

#[derive(Debug, Args)]
pub(crate) struct InputCommand {
    /// Execution ID or a unique beginning of it
    execution: Option<String>,
    /// The wait's name or ID; may be left out where only one is open
    #[arg(long, value_name = "NAME | ID")]
    wait: Option<String>,
    /// The answer
    #[arg(long, value_name = "JSON")]
    value: Option<String>,
    /// End the wait without an answer
    #[arg(long)]
    abort: bool,
    /// Ask a person, for one execution or all that wait
    #[arg(short, long)]
    interactive: bool,
}

impl InputCommand {
    /// Without an execution, it is any of those that wait.
    pub(super) fn guests(&self) -> Guests {
        let executions: Vec<String> = self.execution.iter().cloned().collect();
        Guests { all: executions.is_empty(), executions, ..Guests::default() }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        if self.interactive {
            return self.sweep(context).await;
        }
        let Some(execution) = &self.execution else {
            return Err(CliError::new(
                "Execution ID is required in non-interactive mode. Use `--interactive` to sweep all waiting executions.",
            ));
        };
        if self.abort && self.value.is_some() {
            return Err(CliError::new("`--abort` cannot be combined with `--value`."));
        }
        let value = match (&self.value, self.abort) {
            (Some(text), _) => parse_json("--value", text)?,
            (None, true) => Value::Null,
            (None, false) => return Err(CliError::new("`--value` is required (or use `--abort` / `--interactive`).")),
        };
        let service = context.service()?;
        let id = service.resolve(execution).await?;
        if self.abort {
            service.abort_wait(id, self.wait.as_deref()).await?;
            context.output.say("Aborted the wait");
        } else {
            service.input(id, self.wait.as_deref(), &value).await?;
            context.output.say("Answered the wait");
        }
        go_on(context, service.as_ref(), id, false).await
    }

    async fn sweep(self, context: &Context) -> Result<ExitCode, CliError> {
        use std::io::IsTerminal as _;
        for (given, flag) in
            [(self.value.is_some(), "--value"), (self.abort, "--abort"), (context.output.is_json(), "--output json")]
        {
            if given {
                return Err(CliError::new(format!("`--interactive` cannot be combined with `{flag}`.")));
            }
        }
        if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
            return Err(CliError::new("`--interactive` requires an interactive terminal."));
        }
        let service = context.service()?;
        let id = match &self.execution {
            Some(execution) => Some(service.resolve(execution).await?),
            None => None,
        };
        let waits = service.pending_waits(id).await?;
        if waits.is_empty() {
            context.output.say("No pending waits.");
            return Ok(ExitCode::SUCCESS);
        }
        let mut asked = Asked::listen();
        let mut keyboard = Keyboard::open();
        let mut failed = false;
        for wait in &waits {
            show(wait);
            loop {
                let answer = tokio::select! {
                    biased;
                    () = asked.ends() => {
                        return Err(CliError::new("interrupted; questions that were not answered stay open"));
                    }
                    answer = ask(&mut keyboard, wait) => answer,
                };
                let Some(answer) = answer else { return Ok(code(failed)) };
                if answer == Answer::Leave {
                    break;
                }
                match give(service.as_ref(), wait, answer).await {
                    Ok(true) => {
                        failed |= !self.go_on(context, service.as_ref(), &wait.exec_id).await;
                        break;
                    }
                    Ok(false) => {}
                    Err(error) => {
                        context.output.fail(&error);
                        failed = true;
                        break;
                    }
                }
            }
        }
        Ok(code(failed))
    }

    async fn go_on(&self, context: &Context, service: &dyn Service, execution: &str) -> bool {
        let gone_on = async {
            let id = service.resolve(execution).await?;
            go_on(context, service, id, false).await
        };
        gone_on.await.map_err(|error| context.output.fail(&error)).is_ok()
    }
}

fn code(failed: bool) -> ExitCode {
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
