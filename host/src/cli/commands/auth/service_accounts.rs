//! `auth service-accounts create | list | show | update | delete`.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{ActiveArgs, for_flows, given, role_parser, yes};
use crate::access::Role;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::{fields, table};
use crate::service::{
    CreateServiceAccountParams, ListServiceAccountsParams, ServiceAccountParams, ServiceAccountView, UpdateServiceAccountParams,
};

/// Service accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceAccountsCommand {
    /// Make a service account. It can do nothing before it has an API key
    Create(CreateCommand),
    /// List service accounts by name
    List(ListCommand),
    /// Show a service account
    Show(NamedCommand),
    /// Change a service account; that counts from the next request on
    Update(UpdateCommand),
    /// Remove a service account with its keys, and all tokens, sessions and links that were made with them
    Delete(NamedCommand),
}

#[derive(Debug, Args)]
pub(crate) struct CreateCommand {
    /// Its name: letters, digits, `.`, `_` and `-`
    name: String,
    /// What it is for
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
    /// What it may do; each role may what those before it may
    #[arg(long, value_parser = role_parser(), default_value = Role::Viewer.as_str())]
    role: Role,
    /// Only this flow, or all that begin like it before a `*`. May be repeated
    #[arg(long = "flow", value_name = "FLOW")]
    flows: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListCommand {
    #[command(flatten)]
    active: ActiveArgs,
    /// Only the one of this name
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct NamedCommand {
    /// Its name or ID
    account: String,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateCommand {
    /// Its name or ID
    account: String,
    /// Another name
    #[arg(long)]
    name: Option<String>,
    /// Another description
    #[arg(long)]
    description: Option<String>,
    /// Another role
    #[arg(long, value_parser = role_parser())]
    role: Option<Role>,
    /// Only this flow, in place of those that it had, or all that begin like it before a `*`. May be repeated
    #[arg(long = "flow", value_name = "FLOW", conflicts_with = "all_flows")]
    flows: Vec<String>,
    /// All flows
    #[arg(long)]
    all_flows: bool,
    /// Let its keys count again
    #[arg(long)]
    active: bool,
    /// Let none of its keys count
    #[arg(long, conflicts_with = "active")]
    no_active: bool,
}

impl ServiceAccountsCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "auth.service-accounts.create",
            Self::List(_) => "auth.service-accounts.list",
            Self::Show(_) => "auth.service-accounts.show",
            Self::Update(_) => "auth.service-accounts.update",
            Self::Delete(_) => "auth.service-accounts.delete",
        }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        match self {
            Self::Create(CreateCommand { name, description, role, flows }) => {
                let params = CreateServiceAccountParams { name, description, role: Some(role), flows: given(flows) };
                let view = service.create_service_account(params).await?;
                context.output.say(&format!("Created service account {}", view.name));
                context.output.item(&view, || text(&view))
            }
            Self::List(ListCommand { active, name }) => {
                let params = ListServiceAccountsParams { active: active.wanted(), name };
                let views = service.service_accounts(params).await?;
                context.output.items(&views, None, || list(&views))
            }
            Self::Show(NamedCommand { account }) => {
                let view = service.service_account(ServiceAccountParams { account }).await?;
                context.output.item(&view, || text(&view))
            }
            Self::Update(command) => {
                let view = service.update_service_account(command.params()).await?;
                context.output.say(&format!("Updated service account {}", view.name));
                context.output.item(&view, || text(&view))
            }
            Self::Delete(NamedCommand { account }) => {
                let deleted = service.delete_service_account(ServiceAccountParams { account }).await?;
                context.output.say(&format!("Deleted service account {}", deleted.name_or_id));
                context.output.item(&deleted, String::new)
            }
        }
    }
}

impl UpdateCommand {
    fn params(self) -> UpdateServiceAccountParams {
        let Self { account, name, description, role, flows, all_flows, active, no_active } = self;
        let active = (active || no_active).then_some(active);
        UpdateServiceAccountParams { account, name, description, role, flows: given(flows), all_flows, active }
    }
}

fn text(view: &ServiceAccountView) -> String {
    let mut rows = vec![
        ("Name", view.name.clone()),
        ("Account ID", view.service_account_id.clone()),
        ("Role", view.role.to_string()),
        ("Flows", for_flows(&view.flows)),
        ("Active", yes(view.active)),
        ("Created", view.created_at.clone()),
        ("Updated", view.updated_at.clone()),
    ];
    if !view.description.is_empty() {
        rows.insert(2, ("Description", view.description.clone()));
    }
    fields(&rows)
}

fn list(views: &[ServiceAccountView]) -> String {
    if views.is_empty() {
        return "No service accounts.".into();
    }
    let row = |view: &ServiceAccountView| {
        vec![view.name.clone(), view.role.to_string(), for_flows(&view.flows), yes(view.active), view.created_at.clone()]
    };
    table(&["NAME", "ROLE", "FLOWS", "ACTIVE", "CREATED"], &views.iter().map(row).collect::<Vec<_>>())
}
