//! `secrets set | show | list | delete`.

mod set;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::{fields, table};
use crate::secrets::ExposeSecret as _;
use crate::service::{SecretDetailView, SecretView};

/// Keep keys and passwords, encrypted, for the requests that the host makes.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretsCommand {
    Set(set::SetCommand),
    /// Show a secret, without its values
    Show(ShowCommand),
    /// List secrets, without their values
    List,
    /// Remove a secret with all of its values
    Delete(DeleteCommand),
}

#[derive(Debug, Args)]
pub(crate) struct ShowCommand {
    /// The secret's name or ID
    secret: String,
    /// Print its values too
    #[arg(long, visible_alias = "reveal")]
    show_values: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteCommand {
    /// The secret's name or ID
    secret: String,
}

impl SecretsCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Set(_) => "secrets.set",
            Self::Show(_) => "secrets.show",
            Self::List => "secrets.list",
            Self::Delete(_) => "secrets.delete",
        }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        match self {
            Self::Set(command) => command.run(context).await,
            Self::Show(ShowCommand { secret, show_values }) => {
                let view = context.service()?.secret(&secret, show_values).await?;
                context.output.item(&view, || text(&view))
            }
            Self::List => {
                let views = context.service()?.secrets().await?;
                context.output.items(&views, None, || list(&views))
            }
            Self::Delete(DeleteCommand { secret }) => {
                let deleted = context.service()?.delete_secret(&secret).await?;
                context.output.say(&format!("Deleted secret {}", deleted.secret.name));
                context.output.item(&deleted, String::new)
            }
        }
    }
}

fn text(view: &SecretDetailView) -> String {
    let SecretView { id, name, keys, version, metadata, created_at, updated_at, .. } = &view.secret;
    let mut rows = vec![
        ("Name".to_owned(), name.clone()),
        ("Secret ID".to_owned(), id.clone()),
        ("Version".to_owned(), version.to_string()),
        ("Keys".to_owned(), keys.join(", ")),
        ("Created".to_owned(), created_at.clone()),
        ("Updated".to_owned(), updated_at.clone()),
    ];
    if *metadata != json!({}) {
        rows.push(("Metadata".to_owned(), metadata.to_string()));
    }
    for (key, value) in view.values.iter().flat_map(|values| values.iter()) {
        rows.push((format!("Value ({key})"), value.expose_secret().to_owned()));
    }
    fields(&rows.iter().map(|(name, value)| (name.as_str(), value.clone())).collect::<Vec<_>>())
}

fn list(views: &[SecretView]) -> String {
    if views.is_empty() {
        return "No secrets.".into();
    }
    let row =
        |view: &SecretView| vec![view.name.clone(), view.version.to_string(), view.keys.join(", "), view.updated_at.clone()];
    table(&["NAME", "VERSION", "KEYS", "UPDATED"], &views.iter().map(row).collect::<Vec<_>>())
}
