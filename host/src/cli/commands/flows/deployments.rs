//! `flow deployments list | show | delete | curl`: the versions of a published flow.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{FlowArgs, VersionArgs, tags, versions};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::granted::granted;
use crate::cli::table::fields;
use crate::service::{CurlView, DeploymentParams, DeploymentView, FlowParams, Service};

/// Look at the versions of a published flow.
#[derive(Debug, Subcommand)]
pub(crate) enum DeploymentsCommand {
    /// List the versions of a flow, the latest first
    List(FlowArgs),
    /// Show a version: what executions of it begin with. Without a number or a tag, the default
    Show(WhichArgs),
    /// Delete a version. One that holds an exclusive tag stays; executions go on
    Delete(WhichArgs),
    /// Print the command that starts a version over HTTP. Without a number or a tag, the default
    Curl(CurlCommand),
}

#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct WhichArgs {
    /// The flow
    flow: String,
    #[command(flatten)]
    which: VersionArgs,
}

#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct CurlCommand {
    /// The flow
    flow: String,
    #[command(flatten)]
    which: VersionArgs,
    /// The server's address; if absent, where `serve` listens by default
    #[arg(long, value_name = "URL")]
    server_url: Option<String>,
}

impl WhichArgs {
    fn params(&self) -> DeploymentParams {
        self.which.params(&self.flow)
    }
}

impl DeploymentsCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "flow.deployments.list",
            Self::Show(_) => "flow.deployments.show",
            Self::Delete(_) => "flow.deployments.delete",
            Self::Curl(_) => "flow.deployments.curl",
        }
    }

    pub(super) async fn run(self, context: &Context, service: &dyn Service) -> Result<ExitCode, CliError> {
        match self {
            Self::List(FlowArgs { flow }) => {
                let views = service.flow(&FlowParams { flow }).await?.deployments;
                context.output.items(&views, Some(views.len() as u64), || versions(&views))
            }
            Self::Show(which) => {
                let view = service.deployment(&which.params()).await?;
                context.output.item(&view, || text(&view))
            }
            Self::Delete(which) => {
                let deleted = service.delete_deployment(&which.params()).await?;
                context.output.say(&format!("Deleted {} version {}", deleted.flow, deleted.version));
                context.output.item(&deleted, String::new)
            }
            Self::Curl(CurlCommand { flow, which, server_url }) => {
                let view = service.curl(&which.params(&flow), server_url.as_deref()).await?;
                tell(context, &view);
                context.output.item(&view, || view.curl_command.clone())
            }
        }
    }
}

fn text(view: &DeploymentView) -> String {
    let mut rows = vec![
        ("Flow", view.flow.clone()),
        ("Version", format!("v{}", view.version)),
        ("Tags", tags(view)),
        ("Component", format!("sha256:{}", view.component_digest)),
        ("Deployed", format!("{} by {}", view.created_at, view.created_by)),
    ];
    let mut add = |name: &'static str, value: String| rows.extend(Some((name, value)).filter(|(_, value)| !value.is_empty()));
    add("Arguments", if view.input.is_empty() { String::new() } else { serde_json::to_string(&view.input).unwrap_or_default() });
    add("Grants", granted(&view.grants));
    add("Cache", view.cache.map(|cache| if cache { "on" } else { "off" }.to_owned()).unwrap_or_default());
    add("Retries", view.retries.map(|retries| retries.to_string()).unwrap_or_default());
    fields(&rows)
}

/// What to know before the command is used.
fn tell(context: &Context, view: &CurlView) {
    context.output.say(&format!("Version {}; for a credential: {}", view.resolved_deployment_version, view.token_command));
    view.warning_lines.iter().for_each(|line| context.output.say(&format!("warning: {line}")));
}
