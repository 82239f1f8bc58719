//! `flow list | show | tag | untag | delete | deployments …`: published flows.

mod deployments;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::{fields, table};
use crate::service::{DeploymentParams, DeploymentView, FlowParams, FlowView, ListFlowsParams, TagParams, UntagParams};

/// Look at published flows, and say which of their versions are meant.
#[derive(Debug, Subcommand)]
pub(crate) enum FlowCommand {
    /// List published flows
    List(ListCommand),
    /// Show a published flow: its versions, and which tags they have
    Show(FlowArgs),
    Tag(TagCommand),
    Untag(UntagCommand),
    /// Delete a published flow with all of its versions. Executions of them go on
    Delete(FlowArgs),
    /// Look at the versions of a published flow
    #[command(subcommand)]
    Deployments(deployments::DeploymentsCommand),
}

#[derive(Debug, Args)]
pub(crate) struct FlowArgs {
    /// The flow
    flow: String,
}

#[derive(Debug, Args)]
pub(crate) struct ListCommand {
    /// Only the flow of this name, if there is one
    #[arg(long, value_name = "NAME")]
    flow: Option<String>,
    /// Which page, from 1
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..), hide_default_value = true)]
    page: u64,
    /// Flows on a page, 20 if absent
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1000), hide_default_value = true)]
    size: u64,
}

/// Give a version a tag
///
/// The tag `default`, and any other that is exclusive, leaves the version that has it.
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct TagCommand {
    /// The flow
    flow: String,
    /// The tag
    tag: String,
    /// The version's number
    #[arg(long, value_name = "NUMBER", value_parser = parse_version)]
    version: u64,
    /// From now on, one version has the tag at a time
    #[arg(long)]
    exclusive: bool,
}

/// Take a tag from a version
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct UntagCommand {
    /// The flow
    flow: String,
    /// The tag
    tag: String,
    /// The version's number; may be left out where one version has the tag
    #[arg(long, value_name = "NUMBER", value_parser = parse_version)]
    version: Option<u64>,
}

/// Which version of a flow.
#[derive(Clone, Debug, Args)]
pub(crate) struct VersionArgs {
    /// The version's number
    #[arg(long, value_name = "NUMBER", value_parser = parse_version)]
    version: Option<u64>,
    /// A tag that one version has
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
}

impl VersionArgs {
    /// The version of this flow.
    pub(crate) fn params(&self, flow: &str) -> DeploymentParams {
        DeploymentParams { flow: flow.to_owned(), version: self.version, tag: self.tag.clone() }
    }
}

/// A number, with or without the `v` that it is shown with.
fn parse_version(text: &str) -> Result<u64, String> {
    match text.strip_prefix('v').unwrap_or(text).parse() {
        Ok(version) if version > 0 => Ok(version),
        _ => Err("a version is a whole number from 1 on".into()),
    }
}

impl FlowCommand {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "flow.list",
            Self::Show(_) => "flow.show",
            Self::Tag(_) => "flow.tag",
            Self::Untag(_) => "flow.untag",
            Self::Delete(_) => "flow.delete",
            Self::Deployments(command) => command.name(),
        }
    }

    pub(crate) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        match self {
            Self::List(ListCommand { flow, page, size }) => {
                let cursor = Some((page - 1).saturating_mul(size));
                let listing = service.flows(&ListFlowsParams { flow: flow.clone(), cursor, limit: Some(size) }).await?;
                context.output.items(&listing.items, Some(listing.total), || list(&listing.items, flow.as_deref(), page))
            }
            Self::Show(FlowArgs { flow }) => {
                let view = service.flow(&FlowParams { flow }).await?;
                context.output.item(&view, || text(&view))
            }
            Self::Tag(TagCommand { flow, tag, version, exclusive }) => {
                let exclusive = exclusive.then_some(true);
                let view = service.tag_flow(&TagParams { flow, tag: tag.clone(), version, exclusive }).await?;
                context.output.say(&format!("Tagged {} version {version}: {}", view.flow, tag.trim()));
                context.output.item(&view, String::new)
            }
            Self::Untag(UntagCommand { flow, tag, version }) => {
                let view = service.untag_flow(&UntagParams { flow, tag: tag.clone(), version }).await?;
                context.output.say(&format!("Untagged {}: {}", view.flow, tag.trim()));
                context.output.item(&view, String::new)
            }
            Self::Delete(FlowArgs { flow }) => {
                let deleted = service.delete_flow(&FlowParams { flow }).await?;
                context.output.say(&format!("Deleted {} with {} version(s)", deleted.flow, deleted.versions.len()));
                context.output.item(&deleted, String::new)
            }
            Self::Deployments(command) => command.run(context, service.as_ref()).await,
        }
    }
}

fn list(views: &[FlowView], flow: Option<&str>, page: u64) -> String {
    if views.is_empty() {
        return match flow {
            Some(flow) => format!("No published flow '{flow}'."),
            None if page > 1 => format!("No published flows on page {page}."),
            None => "No published flows.".into(),
        };
    }
    let number = |number: Option<u64>| number.map(|number| format!("v{number}")).unwrap_or_default();
    let row = |view: &FlowView| {
        let tags = view.tags.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let count = view.deployment_count.to_string();
        vec![view.flow.clone(), count, number(view.latest_version), number(view.default_version), tags]
    };
    table(&["FLOW", "VERSIONS", "LATEST", "DEFAULT", "TAGS"], &views.iter().map(row).collect::<Vec<_>>())
}

fn text(view: &FlowView) -> String {
    let number = |number: Option<u64>| number.map_or_else(|| "none".to_owned(), |number| format!("v{number}"));
    let head = fields(&[
        ("Flow", view.flow.clone()),
        ("Default", number(view.default_version)),
        ("Latest", number(view.latest_version)),
    ]);
    format!("{head}\n\n{}", versions(&view.deployments))
}

fn versions(views: &[DeploymentView]) -> String {
    let row = |view: &DeploymentView| {
        let digest = view.component_digest.chars().take(12).collect();
        vec![format!("v{}", view.version), tags(view), digest, view.created_at.clone(), view.created_by.clone()]
    };
    table(&["VERSION", "TAGS", "COMPONENT", "DEPLOYED", "BY"], &views.iter().map(row).collect::<Vec<_>>())
}

/// Tags in a list; those that others may have too are marked.
fn tags(view: &DeploymentView) -> String {
    let tag = |(tag, exclusive): (&String, &bool)| if *exclusive { tag.clone() } else { format!("{tag} (shared)") };
    view.tags.iter().map(tag).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::parse_version;

    #[test]
    fn versions_are_numbers_from_one_on() {
        assert_eq!((parse_version("3"), parse_version("v12")), (Ok(3), Ok(12)));
        for wrong in ["0", "v0", "", "v", "-1", "1.0", "latest"] {
            assert!(parse_version(wrong).is_err(), "{wrong}");
        }
    }
}
