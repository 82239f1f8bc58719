//! `auth api-keys create | list | show | update | rotate | delete`.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{ActiveArgs, yes};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::{fields, table};
use crate::secrets::ExposeSecret as _;
use crate::service::{
    ApiKeyMadeView, ApiKeyParams, ApiKeyView, CreateApiKeyParams, ListApiKeysParams, RotateApiKeyParams, UpdateApiKeyParams,
};

/// API keys of service accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeysCommand {
    /// Make an API key, and print it: nobody can see it again
    Create(CreateCommand),
    /// List the API keys of a service account, without what they are
    List(ListCommand),
    /// Show an API key, without what it is
    Show(NamedCommand),
    /// Change the name or description of an API key, or whether it counts
    Update(UpdateCommand),
    /// Give an API key another secret, and print it: nobody can see it again
    Rotate(RotateCommand),
    /// Remove an API key, and all tokens, sessions and links that were made with it
    Delete(NamedCommand),
}

#[derive(Debug, Args)]
pub(crate) struct CreateCommand {
    /// The service account's name or ID
    account: String,
    /// The key's name: letters, digits, `.`, `_` and `-`
    name: String,
    /// What it is for
    #[arg(long, default_value = "", hide_default_value = true)]
    description: String,
}

#[derive(Debug, Args)]
pub(crate) struct ListCommand {
    /// The service account's name or ID
    account: String,
    #[command(flatten)]
    active: ActiveArgs,
    /// Only the one of this name
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct NamedCommand {
    /// The service account's name or ID
    account: String,
    /// The key's name or ID
    key: String,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateCommand {
    /// The service account's name or ID
    account: String,
    /// The key's name or ID
    key: String,
    /// Another name
    #[arg(long)]
    name: Option<String>,
    /// Another description
    #[arg(long)]
    description: Option<String>,
    /// Let it count again
    #[arg(long)]
    active: bool,
    /// Let it not count
    #[arg(long, conflicts_with = "active")]
    no_active: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RotateCommand {
    /// The service account's name or ID
    account: String,
    /// The key's name or ID
    key: String,
    /// For so many minutes the secret before counts too; a week at most
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    retain_minutes: u64,
}

impl ApiKeysCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Create(_) => "auth.api-keys.create",
            Self::List(_) => "auth.api-keys.list",
            Self::Show(_) => "auth.api-keys.show",
            Self::Update(_) => "auth.api-keys.update",
            Self::Rotate(_) => "auth.api-keys.rotate",
            Self::Delete(_) => "auth.api-keys.delete",
        }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        match self {
            Self::Create(CreateCommand { account, name, description }) => {
                let made = service.create_api_key(CreateApiKeyParams { account, name, description }).await?;
                print(context, "Created", &made)
            }
            Self::List(ListCommand { account, active, name }) => {
                let params = ListApiKeysParams { account, active: active.wanted(), name };
                let views = service.api_keys(params).await?;
                context.output.items(&views, None, || list(&views))
            }
            Self::Show(NamedCommand { account, key }) => {
                let view = service.api_key(ApiKeyParams { account, key }).await?;
                context.output.item(&view, || text(&view))
            }
            Self::Update(UpdateCommand { account, key, name, description, active, no_active }) => {
                let active = (active || no_active).then_some(active);
                let view = service.update_api_key(UpdateApiKeyParams { account, key, name, description, active }).await?;
                context.output.say(&format!("Updated API key {}", view.name));
                context.output.item(&view, || text(&view))
            }
            Self::Rotate(RotateCommand { account, key, retain_minutes }) => {
                let made = service.rotate_api_key(RotateApiKeyParams { account, key, retain_minutes }).await?;
                print(context, "Rotated", &made)
            }
            Self::Delete(NamedCommand { account, key }) => {
                let deleted = service.delete_api_key(ApiKeyParams { account, key }).await?;
                context.output.say(&format!("Deleted API key {}", deleted.name_or_id));
                context.output.item(&deleted, String::new)
            }
        }
    }
}

/// Prints a key that was just made: as text nothing but the key goes to standard output, so that it can be piped to where it is kept.
fn print(context: &Context, what: &str, made: &ApiKeyMadeView) -> Result<ExitCode, CliError> {
    let ApiKeyView { name, service_account_name, retain_period_minutes, .. } = &made.api_key;
    context.output.say(&format!("{what} API key {name} of {service_account_name}"));
    if *retain_period_minutes > 0 {
        context.output.say(&format!("The one before counts for {retain_period_minutes} more minute(s)"));
    }
    context.output.say("Store it now: nobody can see it again");
    context.output.item(made, || made.key.text().expose_secret().to_owned())
}

fn text(view: &ApiKeyView) -> String {
    let mut rows = vec![
        ("Name", view.name.clone()),
        ("Key ID", view.api_key_id.clone()),
        ("Service account", view.service_account_name.clone()),
        ("Active", yes(view.active)),
        ("Created", view.created_at.clone()),
        ("Updated", view.updated_at.clone()),
    ];
    if !view.description.is_empty() {
        rows.insert(3, ("Description", view.description.clone()));
    }
    rows.extend(view.last_login.clone().map(|at| ("Last used", at)));
    rows.extend(view.last_rotated.clone().map(|at| ("Last rotated", at)));
    if view.retain_period_minutes > 0 {
        rows.push(("Retained for", format!("{} minute(s)", view.retain_period_minutes)));
    }
    fields(&rows)
}

fn list(views: &[ApiKeyView]) -> String {
    if views.is_empty() {
        return "No API keys.".into();
    }
    let row = |view: &ApiKeyView| {
        let or_never = |at: &Option<String>| at.clone().unwrap_or_else(|| "never".to_owned());
        vec![
            view.name.clone(),
            view.api_key_id.clone(),
            yes(view.active),
            or_never(&view.last_login),
            or_never(&view.last_rotated),
        ]
    };
    table(&["NAME", "ID", "ACTIVE", "LAST USED", "LAST ROTATED"], &views.iter().map(row).collect::<Vec<_>>())
}
