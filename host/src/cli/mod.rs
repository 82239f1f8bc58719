//! The command line: parses, calls the service, renders. No rule of the product lives here.
//!
//! Data goes to standard output, talk to standard error. With `-o json` a success is one line on standard output and an error one line on
//! standard error, in the shapes that Kitaru's users know. Exit code 0 or 1.

mod args;
mod assignments;
mod commands;
mod component;
mod connection;
mod context;
mod conversation;
mod costs;
mod drive;
mod elsewhere;
mod error;
mod facts;
mod granted;
mod hearing;
mod hidden;
mod isolate;
mod limit_args;
mod limit_flags;
mod log;
mod needs;
mod output;
mod progress;
mod prompt;
mod signals;
mod speaking;
mod starting;
mod table;
mod terminal;
mod usage;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use args::Global;
use commands::Command;
use context::Context;
use error::CliError;
use output::Output;

/// Runs durable flows compiled to WebAssembly components.
///
/// Flows survive crashes, wait for people, and can be replayed from any checkpoint. They can touch nothing that is not granted.
#[derive(Debug, Parser)]
#[command(name = "kitaru-host", version, long_version = crate::service::long_version(), propagate_version = true, max_term_width = 110)]
#[command(after_help = FIRST_STEPS)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

const FIRST_STEPS: &str = "\
First steps:
  kitaru-host new my-flow                  Make a project with a flow
  kitaru-host run my-flow --arg name=Ada   Compile it, and run the flow
  kitaru-host executions list              See what ran, and what waits
  kitaru-host executions get <ID>          See one execution, and how to go on
  kitaru-host serve                        Offer page and API

`kitaru-host <COMMAND> --help` says more of a command.";

/// The whole program.
pub fn main() -> ExitCode {
    let arguments = assignments::spelled_out(std::env::args_os().collect(), &command());
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => Cli { global: cli.global.with_environment(), ..cli },
        Err(error) => return usage::report_usage(&error),
    };
    let output = Output::new(&cli.global, cli.command.name());
    // Before there is any other thread.
    let plan = match cli.global.within.as_deref().map(|plan| isolate::enter(plan, &output)).transpose() {
        Ok(plan) => plan,
        Err(error) => return output.fail(&error),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.fail(&CliError::new(format!("the runtime could not be started: {error}"))),
    };
    let code = runtime.block_on(async {
        let verbose = cli.global.verbose;
        let context = Context::new(cli.global, output.clone(), plan);
        match context.log_format() {
            Ok(format) => log::start(verbose, format, cli.command.serves()),
            // What tells how things stand tells that too.
            Err(_) if cli.command.degrades() => log::start(verbose, None, false),
            Err(error) => return output.fail(&error),
        }
        let first = match cli.command.is_elsewhere(&context) {
            // Nothing of any guest runs here.
            Ok(true) => Ok(None),
            Ok(false) if context.plan.is_some() => Ok(None),
            Ok(false) => isolate::run(&context, &cli.command).await,
            // What tells how things stand tells that too.
            Err(_) if cli.command.degrades() => Ok(None),
            Err(error) => Err(error),
        };
        let ran = match first {
            Ok(None) => cli.command.run(&context).await,
            Ok(Some(code)) => Ok(code),
            Err(error) => Err(error),
        };
        let code = ran.unwrap_or_else(|error| output.fail(&context.explained(error)));
        context.finish().await;
        code
    });
    // A prompt that nobody answered still sits on standard input in a thread of its own.
    runtime.shutdown_background();
    code
}

/// All commands with their flags, for completions and for whoever compares them with other surfaces.
pub fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
