//! `auth whoami | token | service-accounts | api-keys | audit`.

mod api_keys;
mod audit;
mod service_accounts;

use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use crate::access::Role;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::fields;
use crate::secrets::ExposeSecret as _;
use crate::service::{TokenParams, WhoAmIView};

/// Say who may come over the network, and see what they did.
#[derive(Debug, Subcommand)]
pub(crate) enum AuthCommand {
    /// Say who you are here, and what you may
    Whoami,
    /// Make a short-lived token, and print it
    Token(TokenCommand),
    /// Service accounts: who may come over the network, and what they may
    #[command(subcommand)]
    ServiceAccounts(service_accounts::ServiceAccountsCommand),
    /// API keys of service accounts
    #[command(subcommand)]
    ApiKeys(api_keys::ApiKeysCommand),
    /// List what callers did, the newest first
    Audit(audit::AuditCommand),
}

#[derive(Debug, Args)]
pub(crate) struct TokenCommand {
    /// How long it counts, in seconds: an hour if absent, and a day at most
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// What it allows; as much as you may if absent
    #[arg(long, value_parser = role_parser())]
    role: Option<Role>,
    /// Only for this flow, or for all that begin like it before a `*`. May be repeated
    #[arg(long = "flow", value_name = "FLOW")]
    flows: Vec<String>,
}

impl AuthCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Whoami => "auth.whoami",
            Self::Token(_) => "auth.token",
            Self::ServiceAccounts(command) => command.name(),
            Self::ApiKeys(command) => command.name(),
            Self::Audit(_) => "auth.audit",
        }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        match self {
            Self::Whoami => {
                let view = context.service()?.who_am_i().await?;
                context.output.item(&view, || who(&view))
            }
            Self::Token(TokenCommand { seconds, role, flows }) => {
                let params = TokenParams { seconds, role, flows: given(flows) };
                let view = context.service()?.make_token(params).await?;
                context.output.say(&format!(
                    "Until {}, with the role {}, for {}",
                    view.expires_at,
                    view.role,
                    for_flows(&view.flows)
                ));
                context.output.item(&view, || view.token.text().expose_secret().to_owned())
            }
            Self::ServiceAccounts(command) => command.run(context).await,
            Self::ApiKeys(command) => command.run(context).await,
            Self::Audit(command) => command.run(context).await,
        }
    }
}

fn role_parser() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::as_str)).try_map(|word| word.parse::<Role>())
}

/// Flags that were given at all.
fn given(flows: Vec<String>) -> Option<Vec<String>> {
    Some(flows).filter(|flows| !flows.is_empty())
}

/// Whether something is to be active, as two flags say it.
#[derive(Debug, Args)]
struct ActiveArgs {
    /// Those that count
    #[arg(long)]
    active: bool,
    /// Those that do not count
    #[arg(long, conflicts_with = "active")]
    no_active: bool,
}

impl ActiveArgs {
    fn wanted(&self) -> Option<bool> {
        (self.active || self.no_active).then_some(self.active)
    }
}

fn for_flows(flows: &Option<Vec<String>>) -> String {
    flows.as_ref().map_or_else(|| "all flows".to_owned(), |flows| flows.join(", "))
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

fn who(view: &WhoAmIView) -> String {
    let mut rows = vec![
        ("Who", view.who.clone()),
        ("Role", view.role.to_string()),
        ("Flows", for_flows(&view.flows)),
        ("By", view.via.clone()),
    ];
    rows.extend(view.expires_at.clone().map(|at| ("Until", at)));
    fields(&rows)
}
