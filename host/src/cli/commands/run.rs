//! `run`: compiles if need be, creates an execution, drives it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Args;
use serde_json::{Map, Value};

use crate::cli::args::{GrantArgs, HostLimitArgs, KeyValue, LimitArgs, argument_value, parse_object};
use crate::cli::component::admitted;
use crate::cli::context::Context;
use crate::cli::drive::{Attach, drive, report};
use crate::cli::error::CliError;
use crate::cli::isolate::Guests;
use crate::cli::needs::settle;
use crate::engine::{FrozenSpec, Submission, Submitted};
use crate::ids::ExecutionId;
use crate::registry::{Target, build_project};
use crate::service::Service;

/// Run a flow.
///
/// The target is a component file or a project folder, which is compiled first. The result goes to standard output.
#[derive(Debug, Args)]
pub(crate) struct RunCommand {
    /// `<file.wasm | project folder>[:flow]`
    target: String,
    /// The flow's arguments as a JSON object: text, @file, or - for standard input
    #[arg(long, value_name = "JSON|@FILE|-")]
    input: Option<String>,
    /// One argument; JSON where that fits its type, otherwise the text
    #[arg(long = "arg", value_name = "KEY=VALUE")]
    arguments: Vec<KeyValue>,
    /// Return at once; the flow runs in the background
    #[arg(long, conflicts_with = "wait")]
    detach: bool,
    /// Stay when the flow waits for an answer, until it comes from elsewhere
    #[arg(long)]
    wait: bool,
    /// Serve checkpoints from the cache, whatever they say themselves
    #[arg(long, conflicts_with = "no_cache")]
    cache: bool,
    /// Serve no checkpoint from the cache
    #[arg(long)]
    no_cache: bool,
    /// How often the flow is tried again after it failed, whatever it says itself
    #[arg(long, value_name = "COUNT", value_parser = parse_retries, allow_negative_numbers = true)]
    retries: Option<u32>,
    /// A label to find the execution by
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    host: HostLimitArgs,
}

impl RunCommand {
    pub(super) fn guests(&self) -> Result<Guests, CliError> {
        let input = self.input.as_deref().and_then(|input| input.strip_prefix('@')).map(PathBuf::from);
        Ok(Guests {
            target: Some(Target::parse(&self.target)?.path),
            with_project: true,
            files: input.into_iter().collect(),
            grants: self.grants.grants()?,
            detaches: self.detach,
            host: self.host,
            ..Guests::default()
        })
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let target = Target::parse(&self.target)?;
        let (component, folder) = locate(context, &target.path)?;
        let config = context.project(&folder)?;
        let models = context.models(&config)?.known()?.frozen;
        let mut grants = config.grants;
        grants.make_absolute()?;
        grants.extend(self.grants.grants()?);
        let arguments = match &self.input {
            Some(input) => parse_object("--input", &read_input(input)?)?,
            None => Map::new(),
        };
        let service = context.service_for_models(self.host)?;
        let bytes = admitted(context, &service, &component).await?;
        let view = service.inspect(&bytes).await.map_err(|error| in_file(error.into(), &component))?;
        let flows = &view.manifest.flows;
        let flow = match &target.flow {
            Some(name) => flows.iter().find(|flow| flow.name == *name),
            None => flows.first(),
        };
        let schema = flow.map_or(Value::Null, |flow| flow.input.clone());
        let input = with_arguments(arguments, &self.arguments, &schema)?;
        let settled = settle(context, &service, &view, &folder, self.grants.all_needs(), grants).await?;
        let mut spec = FrozenSpec::new(settled.grants.clone(), self.limits.changes().over(config.limits));
        spec.cache = self.cache.then_some(true).or(self.no_cache.then_some(false));
        spec.retries = self.retries;
        spec.models = models;
        let (component, input) = (Submitted::Bytes(bytes), Value::Object(input));
        let submission = Submission { component, flow: target.flow, input, spec, tags: self.tags };
        let id = if self.detach { service.submit(submission).await? } else { service.begin(submission).await? };
        context.output.say(&format!("Execution {id}"));
        settled.remember(context, &service).await?;
        if self.detach {
            detach(context, &[id], self.host)?;
            let view = service.get(id).await?;
            return context.output.item(&view, || id.to_string());
        }
        let attach = if self.wait { Attach::Wait } else { Attach::Person };
        drive(context, &service, id, attach).await?;
        report(context, &service, id, true).await
    }
}

fn parse_retries(text: &str) -> Result<u32, String> {
    let number: i64 = text.parse().map_err(|_| "it must be a whole number".to_owned())?;
    u32::try_from(number)
        .map_err(|_| "Flow retries must be >= 0.".to_owned())
        .and_then(|retries| if retries <= 1_000 { Ok(retries) } else { Err("Flow retries must be <= 1000.".into()) })
}

/// The component file of a target, and the folder whose configuration counts.
pub(in crate::cli) fn locate(context: &Context, path: &Path) -> Result<(PathBuf, PathBuf), CliError> {
    if path.is_dir() {
        // Behind the walls nothing can be built; it was before.
        if let Some(component) = context.plan.as_ref().and_then(|plan| plan.component.clone()) {
            return Ok((component, path.to_owned()));
        }
        let built = build_project(path, context.output.is_quiet() || context.output.is_json() || context.global.verbose == 0)?;
        return Ok((built.component, path.to_owned()));
    }
    Ok((path.to_owned(), crate::cli::context::current_folder()?))
}

/// Names the file in an error about its contents.
pub(in crate::cli) fn in_file(mut error: CliError, file: &Path) -> CliError {
    let message = std::mem::replace(&mut error.message, format!("cannot use `{}`", file.display()));
    error.causes.insert(0, message);
    error
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

/// Starts a process of its own that drives executions.
pub(in crate::cli) fn detach(context: &Context, ids: &[ExecutionId], limits: HostLimitArgs) -> Result<(), CliError> {
    if let Some(note) = context.plan.as_ref().and_then(|plan| plan.submitted.as_ref()) {
        // Whoever waits in front of the walls starts it.
        let text = ids.iter().map(|id| format!("{id}\n")).collect::<String>();
        return std::fs::write(note, text).map_err(|error| CliError::new(format!("cannot note what was submitted: {error}")));
    }
    let program = std::env::current_exe().map_err(|error| CliError::new(format!("this program cannot find itself: {error}")))?;
    let mut command = Command::new(program);
    command.arg("drive").args(ids.iter().map(ToString::to_string)).arg("--home").arg(context.home()?.folder);
    // It may have been this command's flag.
    command.arg("--durability").arg(context.durability()?.mode.as_str());
    command.arg(format!("--isolate={}", context.isolation()?));
    if let Some(policy) = context.global.signatures {
        command.arg("--signatures").arg(policy.as_str());
    }
    if let Some(mib) = limits.instances_mib {
        command.arg("--max-instances-memory").arg(mib.to_string());
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C in this terminal is not meant for it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map(drop).map_err(|error| CliError::new(format!("the background process could not be started: {error}")))
}
