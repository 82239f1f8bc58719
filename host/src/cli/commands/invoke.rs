//! `invoke`: creates an execution of a published flow, drives it.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use super::flows::VersionArgs;
use crate::cli::args::HostLimitArgs;
use crate::cli::context::{Chosen, Context};
use crate::cli::error::CliError;
use crate::cli::isolate::Guests;
use crate::cli::starting::{HowArgs, InputArgs, StartArgs};
use crate::service::{DeploymentParams, FlowVerbs as _, InvokeParams, Service as _};

/// Run a published flow.
///
/// Without a version or a tag, the version with the tag `default` is run. Its own arguments hold where the command gives none. The result goes to
/// standard output.
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct InvokeCommand {
    /// The flow
    flow: String,
    #[command(flatten)]
    which: VersionArgs,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    start: StartArgs,
    #[command(flatten)]
    how: HowArgs,
    /// A label to find the execution by
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    #[command(flatten)]
    host: HostLimitArgs,
}

impl InvokeCommand {
    fn deployment(&self) -> DeploymentParams {
        self.which.params(&self.flow)
    }

    pub(super) fn guests(&self) -> Guests {
        Guests {
            deployment: Some(self.deployment()),
            with_project: true,
            files: self.input.file().into_iter().collect(),
            detaches: self.start.detach,
            host: self.host,
            ..Guests::default()
        }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let object = self.input.object()?;
        let chosen = context.chosen_for_models(self.host)?;
        let service = chosen.service();
        let DeploymentParams { flow, version, tag } = self.deployment();
        // Where nothing is to be read by the schema, the version need not be there any more: what was started with a key is.
        let schema = if self.input.has_single() { service.deployment(&self.deployment()).await?.schema } else { Value::Null };
        let input = self.input.complete(object, &schema)?;
        let params = InvokeParams {
            flow,
            version,
            tag,
            input,
            tags: self.labels,
            cache: self.how.cache(),
            retries: self.how.retries,
            idempotency_key: self.start.idempotency_key.clone(),
            ..InvokeParams::default()
        };
        let id = match &chosen {
            Chosen::Local(service) if self.start.detach || params.idempotency_key.is_some() => service.invoke(&params).await?,
            Chosen::Local(service) => service.begin(service.invocation(&params).await?).await?,
            Chosen::Server(service) => service.invoke(&params).await?,
        };
        context.output.say(&format!("Execution {id}"));
        self.start.go(context, &chosen, id, self.host).await
    }
}
