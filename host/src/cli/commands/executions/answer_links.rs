//! `executions waits link`: a link for whoever is to answer a question, by mail or in a chat.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::config::ServerConfig;
use crate::secrets::ExposeSecret as _;
use crate::service::WaitLinkParams;

/// Make links by which others answer questions.
#[derive(Debug, Subcommand)]
pub(crate) enum WaitsCommand {
    /// Make a link that answers a question once, for whoever has it, and print it
    Link(LinkCommand),
}

#[derive(Debug, Args)]
pub(crate) struct LinkCommand {
    /// Execution ID or a unique beginning of it
    execution: String,
    /// The wait's name or ID; may be left out where only one is open
    #[arg(long, value_name = "NAME | ID")]
    wait: Option<String>,
    /// How long the link works, in seconds: a day if absent, and 30 days at most
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// The address by which whoever answers reaches the host that serves this data folder. Also `public_url` of `server` in kitaru.toml
    #[arg(long, value_name = "URL")]
    at: Option<String>,
}

impl WaitsCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Link(_) => "executions.waits.link",
        }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        match self {
            Self::Link(command) => command.run(context).await,
        }
    }
}

impl LinkCommand {
    async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        let id = service.resolve(&self.execution).await?;
        let wait = match self.wait.as_deref().map(str::trim) {
            None => id.to_string(),
            Some(whole) if whole.contains(':') => whole.to_owned(),
            Some(name) => format!("{id}:{name}"),
        };
        let made = service.make_wait_link(WaitLinkParams { wait, seconds: self.seconds }).await?;
        let url = made.url.text().expose_secret();
        // A server knows where it is reached. A data folder does not: what it says is the end of an address.
        let url = match url.starts_with('/') {
            true => format!("{}{url}", self.at.map_or_else(|| Ok(address(&context.server()?)), |at| checked(&at))?),
            false => url.to_owned(),
        };
        context.output.say(&format!("Until {}, once", made.expires_at));
        context.output.item(&json!({ "url": url, "expires_at": made.expires_at }), || url.clone())
    }
}

/// Where `serve` is reached that reads this configuration.
fn address(config: &ServerConfig) -> String {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    config.public_url.clone().unwrap_or_else(|| format!("{scheme}://{}", config.listen))
}

fn checked(at: &str) -> Result<String, CliError> {
    let address = at.trim().trim_end_matches('/');
    if address.starts_with("http://") || address.starts_with("https://") {
        return Ok(address.to_owned());
    }
    Err(CliError::usage("`--at` must begin with http:// or https://"))
}
