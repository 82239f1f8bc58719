//! Whom commands work with: the data folder of this machine, or a server. The first that says so counts: a flag, the environment, a login.

use std::path::{Path, PathBuf};

use super::args::Global;
use super::context::environment;
use super::error::CliError;
use crate::config::{Credentials, CredentialsError, ServerConnection};

/// Whom commands work with.
#[derive(Clone, Debug)]
pub(super) enum Connection {
    /// The data folder of this machine.
    Local,
    /// A server.
    Server {
        /// Its address, and what proves to it who asks.
        server: ServerConnection,
        /// Who says so.
        said_by: SaidBy,
        /// Who has its key.
        key_by: SaidBy,
    },
}

/// Who says which server commands work with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SaidBy {
    /// `--server`.
    Flag,
    /// `KITARU_SERVER_URL`.
    Environment,
    /// `login`, which stored it in this file.
    Login(PathBuf),
}

impl SaidBy {
    /// The word for it.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Environment => "environment",
            Self::Login(_) => "login",
        }
    }

    /// For people: who it was that named the server.
    pub(super) fn phrase(&self) -> &'static str {
        match self {
            Self::Flag => "as --server says",
            Self::Environment => "as KITARU_SERVER_URL says",
            Self::Login(_) => "where you are logged in",
        }
    }
}

impl Connection {
    /// Finds out whom commands work with.
    pub(super) fn choose(
        global: &Global,
        credentials: &Credentials,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, CliError> {
        if let Some(text) = &global.server {
            if global.home_by_flag {
                return Err(CliError::usage("`--server` cannot be combined with `--home`: work with one of both."));
            }
            let (server, key_by) = named(text, credentials, variable)?;
            return Ok(Self::Server { server, said_by: SaidBy::Flag, key_by });
        }
        // Whoever names a folder in so many words means it.
        if global.local || global.home_by_flag {
            return Ok(Self::Local);
        }
        if let Some(server) = ServerConnection::of_environment(variable)? {
            return Ok(Self::Server { server, said_by: SaidBy::Environment, key_by: SaidBy::Environment });
        }
        Ok(match credentials.read()?.connection() {
            Some(server) => {
                let login = SaidBy::Login(credentials.path()?.to_owned());
                Self::Server { server, said_by: login.clone(), key_by: login }
            }
            None => Self::Local,
        })
    }
}

/// The server that a flag names. A key goes only to the server that it belongs to: that of the environment to the one that it names, or, where it
/// names none, to whichever is asked for.
fn named(
    text: &str,
    credentials: &Credentials,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(ServerConnection, SaidBy), CliError> {
    let url = address(text, "--server")?;
    if let Some(token) = ServerConnection::key_of_environment(&url, variable)? {
        return Ok((ServerConnection { url, token }, SaidBy::Environment));
    }
    match credentials.read()?.to(&url) {
        Some(server) => Ok((server, SaidBy::Login(credentials.path()?.to_owned()))),
        None => Err(CliError::new(format!("nobody has logged in to {url} here"))
            .class("KitaruAuthenticationError")
            .hint(format!("kitaru-host login {url}"))),
    }
}

/// The address that somebody typed. What is none is not repeated: it may be a key.
pub(super) fn address(text: &str, place: &str) -> Result<String, CliError> {
    ServerConnection::address(text).map_err(|problem| {
        CliError::usage(format!("`{place}` is no address of a server: {problem}")).hint("such as https://flows.example.com")
    })
}

/// The stored logins.
pub(super) fn credentials() -> Credentials {
    Credentials::of(environment)
}

impl From<CredentialsError> for CliError {
    fn from(error: CredentialsError) -> Self {
        let hint = error.hint();
        let class = match &error {
            CredentialsError::NoFolder | CredentialsError::Exposed { .. } | CredentialsError::Parse { .. } => "KitaruUsageError",
            CredentialsError::File(_) => "KitaruRuntimeError",
        };
        Self::of(&error, class, hint)
    }
}

/// What belongs to the data folder of this machine, where commands work with a server.
pub(super) fn only_local(command: &str, url: &str, phrase: &str) -> CliError {
    let command = spaced(command);
    CliError::new(format!("`{command}` is about a data folder of this machine, and commands go to {url}, {phrase}"))
        .class("KitaruFeatureNotAvailableError")
        .hint(format!("for the data folder of this machine: kitaru-host --local {command} …"))
}

/// A command's name as it is typed.
pub(super) fn spaced(command: &str) -> String {
    command.replace('.', " ")
}

/// Folders of this machine are nothing that a server could grant: what is named has to be whole.
pub(super) fn check_folder_of_server(path: &Path) -> Result<(), CliError> {
    if path.has_root() {
        return Ok(());
    }
    Err(CliError::usage(format!("`{}` would be a folder of the server: give its whole path there", path.display()))
        .hint("such as --allow-read=/srv/docs::docs"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Login;
    use crate::secrets::ExposeSecret as _;

    fn global(arguments: &[&str]) -> Global {
        let command = <Global as clap::Args>::augment_args(clap::Command::new("x").no_binary_name(true));
        <Global as clap::FromArgMatches>::from_arg_matches(&command.try_get_matches_from(arguments).unwrap()).unwrap()
    }

    fn chosen(arguments: &[&str], stored: &[&str], variables: &[(&str, &str)]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let credentials = Credentials::of(|_| Some(folder.path().to_owned()));
        for url in stored {
            let login = Login { token: format!("key of {url}").into(), who: "ada".into(), expires_at: None };
            credentials.log_in(url, login).unwrap();
        }
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        match Connection::choose(&global(arguments), &credentials, variable) {
            Ok(Connection::Local) => Ok("local".into()),
            Ok(Connection::Server { server, said_by, .. }) => {
                Ok(format!("{} {} {}", said_by.as_str(), server.url, server.token.expose_secret()))
            }
            Err(error) => Err(error.chain()),
        }
    }

    #[test]
    fn the_nearest_word_counts() {
        let (a, b) = ("https://a.example", "https://b.example");
        let variables = [(ServerConnection::URL, "https://b.example/"), (ServerConnection::TOKEN, "kh_B")];
        let of_login = |url: &str| format!("{url} key of {url}");
        assert_eq!(chosen(&[], &[], &[]).unwrap(), "local");
        assert_eq!(chosen(&[], &[a, b], &[]).unwrap(), format!("login {}", of_login(b)));
        assert_eq!(chosen(&[], &[a], &variables).unwrap(), format!("environment {b} kh_B"));
        assert_eq!(chosen(&["--server", "https://A.example/"], &[a, b], &[]).unwrap(), format!("flag {}", of_login(a)));
        assert_eq!(chosen(&["--local"], &[a], &variables).unwrap(), "local");
    }

    #[test]
    fn a_key_goes_to_its_own_server_alone() {
        let (a, b) = ("https://a.example", "https://b.example");
        let of_b = [(ServerConnection::URL, b), (ServerConnection::TOKEN, "kh_B")];
        let of_any = [(ServerConnection::TOKEN, "kh_X")];
        assert_eq!(chosen(&["--server", a], &[a], &of_b).unwrap(), format!("flag {a} key of {a}"));
        assert_eq!(chosen(&["--server", b], &[], &of_b).unwrap(), format!("flag {b} kh_B"));
        assert_eq!(chosen(&["--server", a], &[], &of_any).unwrap(), format!("flag {a} kh_X"));
        let error = chosen(&["--server", "https://c.example"], &[a], &of_b).unwrap_err();
        assert!(error.contains("nobody has logged in to https://c.example"), "{error}");
        let error = chosen(&["--server", "kh_SECRET"], &[a], &[]).unwrap_err();
        assert!(error.contains("`--server`") && !error.contains("SECRET"), "{error}");
    }
}
