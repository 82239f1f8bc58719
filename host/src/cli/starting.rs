//! What commands that start executions, or publish what is started later, have in common: arguments, and what becomes of what was started.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};

use super::args::{HostLimitArgs, KeyValue, argument_value, parse_object};
use super::commands::detach;
use super::context::{Chosen, Context};
use super::drive::{Attach, drive, report};
use super::error::CliError;
use crate::ids::ExecutionId;

/// The input of a flow.
#[derive(Clone, Debug, Args)]
pub(super) struct InputArgs {
    /// The flow's arguments as a JSON object: text, @file, or - for standard input
    #[arg(long, value_name = "JSON|@FILE|-")]
    input: Option<String>,
    /// One argument; JSON where that fits its type, otherwise the text
    #[arg(long = "arg", value_name = "KEY=VALUE")]
    arguments: Vec<KeyValue>,
}

impl InputArgs {
    /// The file that it is read from.
    pub(super) fn file(&self) -> Option<PathBuf> {
        self.input.as_deref().and_then(|input| input.strip_prefix('@')).map(PathBuf::from)
    }

    /// Whether there are single arguments, which take their types from the flow's schema.
    pub(super) fn has_single(&self) -> bool {
        !self.arguments.is_empty()
    }

    /// What `--input` says, without single arguments.
    pub(super) fn object(&self) -> Result<Map<String, Value>, CliError> {
        match &self.input {
            Some(input) => parse_object("--input", &read_input(input)?),
            None => Ok(Map::new()),
        }
    }

    /// The same with the single arguments of a flow whose input has this schema.
    pub(super) fn complete(&self, object: Map<String, Value>, schema: &Value) -> Result<Map<String, Value>, CliError> {
        with_arguments(object, &self.arguments, schema)
    }
}

/// How a flow is to be run, whatever it says itself.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct HowArgs {
    /// Serve checkpoints from the cache, whatever they say themselves
    #[arg(long, conflicts_with = "no_cache")]
    cache: bool,
    /// Serve no checkpoint from the cache
    #[arg(long)]
    no_cache: bool,
    /// How often the flow is tried again after it failed, whatever it says itself
    #[arg(long, value_name = "COUNT", value_parser = parse_retries, allow_negative_numbers = true)]
    pub(super) retries: Option<u32>,
}

impl HowArgs {
    /// Whether checkpoints are served from the cache, if anything is said about it.
    pub(super) fn cache(self) -> Option<bool> {
        self.cache.then_some(true).or(self.no_cache.then_some(false))
    }
}

/// What becomes of an execution that was started.
#[derive(Clone, Debug, Args)]
pub(super) struct StartArgs {
    /// Return at once; the flow runs in the background
    #[arg(long, conflicts_with = "wait")]
    pub(super) detach: bool,
    /// Stay when the flow waits for an answer, until it comes from elsewhere
    #[arg(long)]
    wait: bool,
    /// Start it once: for 24 hours, the same command with the same key gets the same execution
    #[arg(long, value_name = "KEY")]
    pub(super) idempotency_key: Option<String>,
}

impl StartArgs {
    /// Drives an execution that was started, or leaves that to a process of its own.
    pub(super) async fn go(
        &self,
        context: &Context,
        chosen: &Chosen,
        id: ExecutionId,
        host: HostLimitArgs,
    ) -> Result<ExitCode, CliError> {
        let service = chosen.service();
        if self.detach {
            leave(context, chosen, &[id], host)?;
            let view = service.get(id).await?;
            return context.output.item(&view, || id.to_string());
        }
        let attach = if self.wait { Attach::Wait } else { Attach::Person };
        drive(context, service, id, attach).await?;
        report(context, service, id, true).await
    }
}

/// Leaves executions to whoever drives them in the background: a process of its own, or the server, which does so by itself.
pub(super) fn leave(context: &Context, chosen: &Chosen, ids: &[ExecutionId], host: HostLimitArgs) -> Result<(), CliError> {
    match chosen {
        Chosen::Local(_) => detach(context, ids, host),
        Chosen::Server(_) => Ok(()),
    }
}

fn parse_retries(text: &str) -> Result<u32, String> {
    let number: i64 = text.parse().map_err(|_| "it must be a whole number".to_owned())?;
    u32::try_from(number)
        .map_err(|_| "Flow retries must be >= 0.".to_owned())
        .and_then(|retries| if retries <= 1_000 { Ok(retries) } else { Err("Flow retries must be <= 1000.".into()) })
}

fn read_input(text: &str) -> Result<String, CliError> {
    match text.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).map_err(|error| CliError::usage(format!("cannot read `{path}`: {error}"))),
        None if text == "-" => std::io::read_to_string(std::io::stdin())
            .map_err(|error| CliError::usage(format!("cannot read standard input: {error}"))),
        None => Ok(text.to_owned()),
    }
}

/// Adds `--arg`s to the input.
pub(super) fn with_arguments(
    mut input: Map<String, Value>,
    arguments: &[KeyValue],
    schema: &Value,
) -> Result<Map<String, Value>, CliError> {
    for argument in arguments {
        if input.insert(argument.key.clone(), argument_value(schema, argument)).is_some() {
            return Err(CliError::usage(format!("the argument `{}` is given twice", argument.key)));
        }
    }
    Ok(input)
}
