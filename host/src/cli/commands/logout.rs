//! `logout`: forgets what `login` stored.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::cli::connection::{address, credentials};
use crate::cli::context::{Context, variable};
use crate::cli::error::CliError;
use crate::config::ServerConnection;

/// Forget a server, and work with the data folder of this machine again
///
/// What it takes is the key that is stored here. The key itself goes on to count: `auth api-keys delete` takes it back.
#[derive(Debug, Args)]
pub(crate) struct LogoutCommand {
    /// The server's address; the one that commands work with, if absent
    url: Option<String>,
}

impl LogoutCommand {
    pub(super) fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let url = self.url.as_deref().map(|text| address(text, "URL")).transpose()?;
        let credentials = credentials();
        let forgotten = credentials.log_out(url.as_deref())?;
        let current = credentials.read()?.current;
        context.output.say(&match (&forgotten, &url) {
            (Some(url), _) => format!("Logged out of {url}"),
            (None, Some(url)) => format!("Nobody is logged in to {url} here"),
            (None, None) => "Nobody is logged in to a server here".into(),
        });
        let (named, _) = ServerConnection::variables(variable);
        if named.is_some() {
            context.output.say("note: KITARU_SERVER_URL still names a server");
        }
        if let Some(current) = &current {
            context.output.say(&format!("note: commands go on to work with {current}"));
        }
        let item = json!({
            "mode": if forgotten.is_some() { "remote_server" } else { "local_store" },
            "target": forgotten,
            "local_fallback_available": named.is_none() && current.is_none(),
        });
        context.output.item(&item, String::new)
    }
}
