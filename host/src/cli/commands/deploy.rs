//! `deploy`: compiles if need be, and publishes a version of a flow.

use std::process::ExitCode;

use clap::Args;

use super::run::{in_file, locate, say_what_stays};
use crate::cli::args::{GrantArgs, HostLimitArgs, LimitArgs};
use crate::cli::component::{admitted_here, sent};
use crate::cli::context::{Chosen, Context};
use crate::cli::error::CliError;
use crate::cli::isolate::Guests;
use crate::cli::needs::{needs_on_server, settle};
use crate::cli::starting::{HowArgs, InputArgs};
use crate::registry::Target;
use crate::sandbox::FlowInfo;
use crate::service::{DeployParams, DeploymentView, FlowVerbs as _, Service as _};

/// Publish a flow, so that it can be started by its name.
///
/// Each deployment is a new version of the flow, which never changes: its component, its arguments, what it is granted, its limits. Tags say which
/// version is meant. The target is a component file or a project folder, which is compiled first.
#[derive(Debug, Args)]
pub(crate) struct DeployCommand {
    /// A component file (.wasm) or a project folder; with `:flow` after it where it has several flows
    target: String,
    /// Publish every flow of the component
    #[arg(long, conflicts_with_all = ["input", "arguments"])]
    all: bool,
    /// A tag of the version; `default` if absent. The first version of a flow has that in any case
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Take the tags from the versions that have them
    #[arg(long)]
    exclusive: bool,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

impl DeployCommand {
    pub(super) fn guests(&self) -> Result<Guests, CliError> {
        Ok(Guests {
            target: Some(Target::parse(&self.target)?.path),
            with_project: true,
            files: self.input.file().into_iter().collect(),
            grants: self.grants.grants()?,
            ..Guests::default()
        })
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let target = Target::parse(&self.target)?;
        if self.all && target.flow.is_some() {
            return Err(CliError::new("name one flow, or give `--all`, and not both"));
        }
        let (file, folder) = locate(context, &target.path)?;
        let config = context.project(&folder)?;
        let object = self.input.object()?;
        let chosen = context.chosen(HostLimitArgs::default())?;
        let service = chosen.service();
        let own = self.grants.grants_for(&chosen)?;
        let view = match &chosen {
            Chosen::Local(service) => {
                let bytes = admitted_here(context, service, &file).await?;
                service.put_component(bytes, None).await.map_err(|error| in_file(error.into(), &file))?
            }
            Chosen::Server(service) => sent(service, Target::read(&file)?, &file).await?,
        };
        let all = &view.manifest.flows;
        let named = |flow: &&FlowInfo| target.flow.as_ref().is_none_or(|name| flow.name == *name);
        let flows: Vec<&FlowInfo> = all.iter().filter(named).collect();
        if flows.is_empty() || (flows.len() > 1 && !self.all) {
            return Err(which_flow(target.flow.as_deref(), all));
        }
        let all_needs = self.grants.all_needs();
        let (settled, grants, limits) = match &chosen {
            Chosen::Local(_) => {
                let mut grants = config.grants;
                grants.make_absolute()?;
                grants.extend(own);
                let settled = settle(context, service, &view, &folder, all_needs, grants).await?;
                let (grants, limits) = (settled.grants.clone(), self.limits.changes().over(config.limits).into());
                (Some(settled), grants, limits)
            }
            Chosen::Server(_) => {
                say_what_stays(context, &folder)?;
                (None, needs_on_server(&view, all_needs, own), self.limits.changes())
            }
        };
        let params = |flow: &FlowInfo| {
            let input = self.input.complete(object.clone(), &flow.input)?;
            Ok(DeployParams {
                flow: flow.name.clone(),
                component: view.digest.clone(),
                tags: self.tags.clone(),
                exclusive: self.exclusive.then_some(true),
                input,
                grants: grants.clone(),
                limits,
                cache: self.how.cache(),
                retries: self.how.retries,
            })
        };
        let params = flows.into_iter().map(params).collect::<Result<Vec<_>, CliError>>()?;
        let deployed = match &chosen {
            Chosen::Local(service) => service.deploy_all(params).await?,
            Chosen::Server(service) => service.deploy_all(params).await?,
        };
        if let Some(settled) = settled {
            settled.remember(context, service).await?;
        }
        for view in &deployed {
            let tags = view.tags.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            context.output.say(&format!("Deployed {} version {}: {tags}", view.flow, view.version));
        }
        match deployed.as_slice() {
            [only] if !self.all => context.output.item(only, || line(only)),
            several => context.output.items(several, None, || several.iter().map(line).collect::<Vec<_>>().join("\n")),
        }
    }
}

fn line(view: &DeploymentView) -> String {
    format!("{} v{}", view.flow, view.version)
}

/// None, or several, of the component's flows are meant.
fn which_flow(named: Option<&str>, flows: &[FlowInfo]) -> CliError {
    let all = flows.iter().map(|flow| format!("`{}`", flow.name)).collect::<Vec<_>>().join(", ");
    match named {
        Some(name) => CliError::usage(format!("the component has no flow `{name}`; it has {all}")),
        None if flows.is_empty() => CliError::usage("the component has no flows"),
        None => CliError::usage(format!("the component has several flows: {all}"))
            .hint("name one: <component>:<flow>, or publish every one with --all"),
    }
}
