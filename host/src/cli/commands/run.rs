//! `run`: compiles if need be, creates an execution, drives it.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::args::{GrantArgs, HostLimitArgs, LimitArgs};
use crate::cli::component::{admitted_here, sent};
use crate::cli::context::{Chosen, Context};
use crate::cli::error::CliError;
use crate::cli::isolate::Guests;
use crate::cli::needs::settle;
use crate::cli::starting::{HowArgs, InputArgs, StartArgs};
use crate::engine::{FrozenSpec, Submission, Submitted};
use crate::ids::ExecutionId;
use crate::registry::{Target, build_project};
use crate::sandbox::{FlowInfo, Grants, Limits};
use crate::service::{ComponentView, LOCAL_CALLER, RunParams, Service, start_key};

/// Run a flow, and print its result; a project is compiled first
#[derive(Debug, Args)]
pub(crate) struct RunCommand {
    /// A component file (.wasm) or a project folder; with `:flow` after it where it has several flows
    target: String,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    start: StartArgs,
    #[command(flatten)]
    how: HowArgs,
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
        Ok(Guests {
            target: Some(Target::parse(&self.target)?.path),
            with_project: true,
            files: self.input.file().into_iter().collect(),
            grants: self.grants.grants()?,
            detaches: self.start.detach,
            host: self.host,
            ..Guests::default()
        })
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let target = Target::parse(&self.target)?;
        let (component, folder) = locate(context, &target.path)?;
        let chosen = context.chosen_for_models(self.host)?;
        let service = match &chosen {
            Chosen::Local(service) => service.as_ref(),
            Chosen::Server(service) => {
                let id = self.ordered(context, service, target, &component, &folder).await?;
                context.output.say(&format!("Execution {id}"));
                return self.start.go(context, &chosen, id, self.host).await;
            }
        };
        let config = context.project(&folder)?;
        let (models, defaults) = (context.models(&config)?.known()?.frozen, context.run_defaults(&config)?);
        let mut grants = config.grants;
        grants.make_absolute()?;
        grants.extend(self.grants.grants()?);
        let arguments = self.input.object()?;
        let bytes = admitted_here(context, service, &component).await?;
        let view = service.inspect(&bytes).await.map_err(|error| in_file(error.into(), &component))?;
        let flow = flow_of(&view, target.flow.as_deref());
        let schema = flow.map_or(Value::Null, |flow| flow.input.clone());
        let input = self.input.complete(arguments, &schema)?;
        let settled = settle(context, service, &view, &folder, self.grants.all_needs(), grants).await?;
        let mut spec = FrozenSpec::new(settled.grants.clone(), self.limits.changes().over(config.limits));
        spec.cache = self.how.cache();
        spec.cache_default = defaults.cache;
        // What a flow says itself goes before what is configured for all.
        spec.retries =
            self.how.retries.or_else(|| defaults.retries.filter(|_| flow.is_none_or(|flow| flow.options.retries == 0)));
        spec.models = models;
        let (component, input) = (Submitted::Bytes(bytes), Value::Object(input));
        let submission = Submission { component, flow: target.flow, input, spec, tags: self.tags };
        let id = match &self.start.idempotency_key {
            Some(key) => {
                let start = start_key(LOCAL_CALLER, key, "run", &asked(&view.digest, &submission))?;
                service.submit_once(submission, start).await?
            }
            None if self.start.detach => service.submit(submission).await?,
            None => service.begin(submission).await?,
        };
        context.output.say(&format!("Execution {id}"));
        settled.remember(context, service).await?;
        self.start.go(context, &chosen, id, self.host).await
    }

    /// Creates an execution on a server, which has a configuration of its own: what it grants, what limits it has, which models it knows.
    async fn ordered(
        &self,
        context: &Context,
        service: &dyn Service,
        target: Target,
        component: &Path,
        folder: &Path,
    ) -> Result<ExecutionId, CliError> {
        let grants = self.grants.grants_on_server()?;
        let arguments = self.input.object()?;
        say_what_stays(context, folder)?;
        let view = sent(service, Target::read(component)?, component).await?;
        let schema = flow_of(&view, target.flow.as_deref()).map_or(Value::Null, |flow| flow.input.clone());
        let params = RunParams {
            component: Some(view.digest),
            flow: target.flow,
            input: self.input.complete(arguments, &schema)?,
            tags: self.tags.clone(),
            cache: self.how.cache(),
            retries: self.how.retries,
            grants,
            limits: self.limits.changes(),
            allow_needs: self.grants.all_needs(),
            idempotency_key: self.start.idempotency_key.clone(),
            ..RunParams::default()
        };
        Ok(service.run(&params).await?)
    }
}

/// The flow that is meant; the first where none is named.
fn flow_of<'v>(view: &'v ComponentView, name: Option<&str>) -> Option<&'v FlowInfo> {
    let mut flows = view.manifest.flows.iter();
    match name {
        Some(name) => flows.find(|flow| flow.name == name),
        None => flows.next(),
    }
}

/// Says what a project's configuration does not do to what runs on a server: nobody there has agreed to it.
pub(in crate::cli) fn say_what_stays(context: &Context, folder: &Path) -> Result<(), CliError> {
    let config = context.project(folder)?;
    if config.grants != Grants::default() || config.limits != Limits::default() {
        context.output.say(
            "note: grants and limits of kitaru.toml are this machine's; on the server its own hold, and those that flags give",
        );
    }
    Ok(())
}

/// All that a command asks for that starts an execution: what models mean by now is no part of it.
fn asked(component: &str, submission: &Submission) -> Value {
    let Submission { flow, input, spec, tags, .. } = submission;
    let FrozenSpec { grants, limits, cache, retries, .. } = spec;
    json!({
        "component": component, "flow": flow, "input": input, "tags": tags,
        "grants": grants, "limits": limits, "cache": cache, "retries": retries,
    })
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
    if let Some(kib) = limits.stack_kib {
        command.arg("--max-stack").arg(kib.to_string());
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C in this terminal is not meant for it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map(drop).map_err(|error| CliError::new(format!("the background process could not be started: {error}")))
}
