//! `login`: proves to a server who asks, and stores what proves it.

use std::convert::Infallible;
use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use crate::cli::connection::{address, credentials};
use crate::cli::context::{Context, variable};
use crate::cli::error::CliError;
use crate::cli::hidden;
use crate::client::{ClientSettings, RemoteService, log_in_with_code};
use crate::config::{Login, ServerConnection};
use crate::secrets::{ExposeSecret as _, SecretString};
use crate::service::{AccessVerbs as _, WhoAmIView};

/// Where `serve` listens if nothing else is said.
const USUAL: &str = "http://127.0.0.1:8383";
/// What stands between the address and the code in a log-in link.
const LINK: &str = "/login#code=";
/// Longer than any key.
const LONGEST: u64 = 16 * 1024;

/// Work with a server from now on, and not with the data folder of this machine
///
/// The key is asked for, and not shown; or it comes from standard input, or from KITARU_AUTH_TOKEN. It is stored for you alone, when the server has taken it.
/// The link that `serve` prints logs in without a key, for twelve hours.
#[derive(Debug, Args)]
pub(crate) struct LoginCommand {
    /// The server's address, or a log-in link of it; if absent, where `serve` of this machine listens by default
    #[arg(value_name = "URL | LINK", value_parser = unseen)]
    url: Option<SecretString>,
    /// Read the key from standard input
    #[arg(long)]
    key_stdin: bool,
    /// The key. Others on this machine may see it there while the command runs, and the shell may remember it
    #[arg(long, value_name = "KEY", value_parser = unseen, conflicts_with = "key_stdin")]
    api_key: Option<SecretString>,
}

/// Any text, kept so that it does not show: a link has a code in it.
fn unseen(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

impl LoginCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let text = self.url.as_ref().map_or(USUAL, |url| url.expose_secret());
        let (url, code) = match text.split_once(LINK) {
            Some((url, code)) => (url, Some(SecretString::from(code))),
            None => (text, None),
        };
        let url = address(url, "URL")?;
        if code.is_some() && (self.key_stdin || self.api_key.is_some()) {
            return Err(CliError::usage("a log-in link needs no key"));
        }
        if ServerConnection::is_open(&url) {
            context
                .output
                .say(&format!("warning: others can read along what is said to {url}, and the key with it; use https://"));
        }
        let settings = ClientSettings::of_environment(|name| std::env::var_os(name));
        let token = match code {
            Some(code) => log_in_with_code(&url, &code, settings.clone()).await?.token.text().clone(),
            None => self.key(context, &url).await?,
        };
        let server = ServerConnection::new(&url, token.clone()).map_err(|problem| CliError::usage(problem.to_string()))?;
        let who = RemoteService::new(server, settings)?.who_am_i().await.map_err(|error| refused(error.into(), &url))?;
        let credentials = credentials();
        credentials.log_in(&url, Login { token, who: who.who.clone(), expires_at: who.expires_at.clone() })?;
        let until = who.expires_at.as_ref().map(|at| format!(", until {at}")).unwrap_or_default();
        context.output.say(&format!("Logged in to {url} as {} ({}){until}", who.who, who.role));
        match ServerConnection::variables(variable) {
            (Some(_), _) => context.output.say("note: KITARU_SERVER_URL goes before what is stored"),
            (None, Some(_)) => context
                .output
                .say("note: KITARU_AUTH_TOKEN alone is an error for other commands: unset it, or set KITARU_SERVER_URL too"),
            (None, None) => {}
        }
        let WhoAmIView { who, role, flows, via, expires_at, .. } = who;
        let item = json!({
            "mode": "remote", "url": url, "who": who, "role": role, "flows": flows, "via": via, "expires_at": expires_at,
            "stored_in": credentials.path()?,
        });
        context.output.item(&item, String::new)
    }

    async fn key(&self, context: &Context, url: &str) -> Result<SecretString, CliError> {
        if let Some(key) = &self.api_key {
            context.output.say("warning: others may have seen the key: pipe it to --key-stdin, or let yourself be asked for it");
            return Ok(key.clone());
        }
        if self.key_stdin {
            return read_key();
        }
        if let Some(key) = ServerConnection::key_of_environment(url, variable)? {
            return Ok(key);
        }
        let none = || {
            CliError::usage("there is no key, and nobody to ask for it")
                .hint("pipe it to --key-stdin, or set KITARU_AUTH_TOKEN, or give the log-in link that `kitaru-host serve` prints")
        };
        let key = hidden::ask(&format!("API key for {url}"), none).await?;
        not_empty(key)
    }
}

/// The key, from a pipe: spaces around it, and the line end that `echo` puts there, are left out.
fn read_key() -> Result<SecretString, CliError> {
    if std::io::stdin().is_terminal() {
        return Err(
            CliError::usage("`--key-stdin` reads what is piped to it.").hint("at a terminal, leave it out: the key is asked for")
        );
    }
    let mut text = Zeroizing::new(String::with_capacity(usize::try_from(LONGEST).unwrap_or_default()));
    let read = std::io::stdin().lock().take(LONGEST).read_to_string(&mut text);
    read.map_err(|error| CliError::usage(format!("cannot read standard input: {error}")))?;
    not_empty(SecretString::from(text.trim()))
}

fn not_empty(key: SecretString) -> Result<SecretString, CliError> {
    if key.expose_secret().trim().is_empty() {
        return Err(CliError::usage("the key is empty; nothing was stored"));
    }
    Ok(key)
}

/// A key that does not count is not stored.
fn refused(error: CliError, url: &str) -> CliError {
    if error.class == Some("KitaruAuthenticationError") {
        let hint = format!("nothing was stored; make a key where the data folder of {url} is: kitaru-host auth api-keys create");
        return error.hint(hint);
    }
    error
}
