//! Where log lines of executions go beside the data folder, which always has them: nowhere, or to a collector of OpenTelemetry. Said, in this order,
//! by `KITARU_LOG_STORE_BACKEND`, `_ENDPOINT` and `_API_KEY`; `[log_store]` of the project's `kitaru.toml`; `log-store set`, which writes
//! `log-store.toml` in the data folder; `[log_store]` of the user's file.
//!
//! Whoever says anything says all of it: a key of one place must not go to the address of another. Keys are named here, as those of stored
//! secrets, and nowhere had.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::connection::is_address;
use super::{ConfigError, whole_file};

/// Name of the file.
const FILE: &str = "log-store.toml";
/// What people read who open the file.
const HEAD: &str =
    "# Where log lines go beside this data folder. `kitaru-host log-store set` and `reset` write this file anew.\n\n";
/// Where collectors take log lines.
const PATH: &str = "/v1/logs";

/// Where log lines of executions go, beside the data folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", into = "Written")]
pub enum LogStore {
    /// Nowhere.
    #[default]
    Local,
    /// To a collector of OpenTelemetry.
    Otlp(LogCollector),
}

/// A collector of OpenTelemetry that takes log lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogCollector {
    /// Its address, as it was given; with nothing in it that may not be shown.
    pub endpoint: String,
    /// The stored secret with its key: `NAME`, or `NAME.KEY`.
    pub secret: Option<String>,
    /// The header that the key is sent in; without one it is a bearer token.
    pub header: Option<String>,
}

impl LogCollector {
    /// Where lines are sent.
    pub fn url(&self) -> String {
        let base = self.endpoint.trim_end_matches('/');
        if base.ends_with(PATH) { base.to_owned() } else { format!("{base}{PATH}") }
    }

    /// Whether others could read the key along: it would be sent without TLS, and not to this machine.
    pub fn shows_key(&self) -> bool {
        let url = self.endpoint.parse::<http::Uri>().ok();
        let host = url.as_ref().and_then(http::Uri::host).unwrap_or_default().trim_matches(['[', ']']);
        let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        self.secret.is_some() && !is_here && !self.endpoint.starts_with("https:")
    }
}

/// A log store that cannot be. Has no value in it but words that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogStoreProblem {
    /// Not a backend.
    #[error("the backend is `local` or `otlp`")]
    Backend,
    /// What only a collector has.
    #[error("the backend `local` has no endpoint, key or header")]
    Local,
    /// A collector without an address.
    #[error("the backend `otlp` needs the address of a collector")]
    NoEndpoint,
    /// An address that is none, or that may have a key in it.
    #[error("the endpoint must begin with http:// or https://, name a host, and have no user, query or fragment")]
    Endpoint,
    /// What cannot be the name of a secret, such as a key itself.
    #[error("the key is given as the name of a stored secret, `NAME` or `NAME.KEY`")]
    Secret,
    /// A header for nothing, or one that is none.
    #[error("the header is a name such as `x-api-key`, and is for a key")]
    Header,
}

impl LogStoreProblem {
    /// A hint that tells a person what to do, where there is one.
    pub fn hint(self) -> Option<&'static str> {
        match self {
            Self::NoEndpoint => Some("name it, for instance: --endpoint http://localhost:4318"),
            Self::Secret => Some("store it first: kitaru-host secrets set <name> --API_KEY"),
            _ => None,
        }
    }
}

/// As files have it.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Written {
    /// Nowhere (`local`), or to a collector of OpenTelemetry (`otlp`). If absent, it follows from whether there is an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["local", "otlp"]))]
    backend: Option<String>,
    /// The address of the collector; nothing in it may be a key. Lines go to `/v1/logs` below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    /// The stored secret with the collector's key: `NAME`, or `NAME.KEY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// The header that the key is sent in; without one it is a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
}

impl LogStore {
    /// The variable with the backend.
    pub const BACKEND: &'static str = "KITARU_LOG_STORE_BACKEND";
    /// The variable with the collector's address.
    pub const ENDPOINT: &'static str = "KITARU_LOG_STORE_ENDPOINT";
    /// The variable with the name of the secret that has the collector's key.
    pub const API_KEY: &'static str = "KITARU_LOG_STORE_API_KEY";

    /// The log store that these words mean. Where only an address is given, it is a collector's.
    ///
    /// # Errors
    /// When they mean none.
    pub fn of(
        backend: Option<&str>,
        endpoint: Option<String>,
        secret: Option<String>,
        header: Option<String>,
    ) -> Result<Self, LogStoreProblem> {
        let has_more = endpoint.is_some() || secret.is_some() || header.is_some();
        let is_collector = match backend.map(|word| word.trim().to_ascii_lowercase()).as_deref() {
            Some("local") if has_more => return Err(LogStoreProblem::Local),
            Some("local") => false,
            Some("otlp") => true,
            Some(_) => return Err(LogStoreProblem::Backend),
            None => has_more,
        };
        if !is_collector {
            return Ok(Self::Local);
        }
        let endpoint = endpoint.ok_or(LogStoreProblem::NoEndpoint)?.trim().to_owned();
        if !is_address(&endpoint) {
            return Err(LogStoreProblem::Endpoint);
        }
        if !secret.as_deref().is_none_or(may_name_secret) {
            return Err(LogStoreProblem::Secret);
        }
        let is_header = |name: &String| !name.is_empty() && name.parse::<http::HeaderName>().is_ok();
        if !header.as_ref().is_none_or(|name| is_header(name) && secret.is_some()) {
            return Err(LogStoreProblem::Header);
        }
        Ok(Self::Otlp(LogCollector { endpoint, secret, header }))
    }

    /// The word for it.
    pub fn backend(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Otlp(_) => "otlp",
        }
    }

    /// The log store that the environment names, if it names one.
    fn of_environment(environment: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, ConfigError> {
        let read = |name| environment(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let (backend, endpoint, secret) = (read(Self::BACKEND), read(Self::ENDPOINT), read(Self::API_KEY));
        if backend.is_none() && endpoint.is_none() && secret.is_none() {
            return Ok(None);
        }
        let name = match (&backend, &endpoint) {
            (Some(_), _) => Self::BACKEND,
            (None, Some(_)) => Self::ENDPOINT,
            (None, None) => Self::API_KEY,
        };
        let store = Self::of(backend.as_deref(), endpoint, secret, None).map_err(|problem| {
            let name = match problem {
                LogStoreProblem::Endpoint => Self::ENDPOINT,
                LogStoreProblem::Secret => Self::API_KEY,
                _ => name,
            };
            ConfigError::Environment { name, problem: problem.to_string() }
        })?;
        Ok(Some(store))
    }
}

/// Whether this can be a secret's name. Keys of providers are longer, or have other characters.
fn may_name_secret(text: &str) -> bool {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    is_plain && text.len() <= 100 && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}

impl TryFrom<Written> for LogStore {
    type Error = LogStoreProblem;

    fn try_from(written: Written) -> Result<Self, LogStoreProblem> {
        let Written { backend, endpoint, secret, header } = written;
        Self::of(backend.as_deref(), endpoint, secret, header)
    }
}

impl From<LogStore> for Written {
    fn from(store: LogStore) -> Self {
        let backend = Some(store.backend().to_owned());
        match store {
            LogStore::Local => Self { backend, ..Self::default() },
            LogStore::Otlp(LogCollector { endpoint, secret, header }) => {
                Self { backend, endpoint: Some(endpoint), secret, header }
            }
        }
    }
}

/// Who says where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStoreSource {
    /// The environment.
    Environment,
    /// The project's `kitaru.toml`.
    Project,
    /// `log-store set`, in the data folder.
    DataFolder,
    /// The user's file.
    User,
    /// Nobody.
    Default,
}

impl LogStoreSource {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Project => "project",
            Self::DataFolder => "data folder",
            Self::User => "user",
            Self::Default => "default",
        }
    }
}

/// The log store that counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChosenLogStore {
    /// Which.
    pub store: LogStore,
    /// Who says so.
    pub source: LogStoreSource,
}

impl ChosenLogStore {
    /// Chooses among what environment, project, data folder and user say.
    ///
    /// # Errors
    /// When what counts cannot be understood.
    pub fn choose(
        environment: impl Fn(&str) -> Option<String>,
        project: Option<LogStore>,
        data_folder: &LogStoreFile,
        user: Option<LogStore>,
    ) -> Result<Self, ConfigError> {
        if let Some(store) = LogStore::of_environment(environment)? {
            return Ok(Self { store, source: LogStoreSource::Environment });
        }
        if let Some(store) = project {
            return Ok(Self { store, source: LogStoreSource::Project });
        }
        if let Some(store) = data_folder.read()? {
            return Ok(Self { store, source: LogStoreSource::DataFolder });
        }
        Ok(match user {
            Some(store) => Self { store, source: LogStoreSource::User },
            None => Self { store: LogStore::Local, source: LogStoreSource::Default },
        })
    }
}

/// What `log-store set` has said, in a data folder.
#[derive(Clone, Debug)]
pub struct LogStoreFile(PathBuf);

impl LogStoreFile {
    /// That of the data folder `folder`.
    pub fn of(folder: &Path) -> Self {
        Self(folder.join(FILE))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What was said last, if anything.
    ///
    /// # Errors
    /// When it cannot be read or understood.
    pub fn read(&self) -> Result<Option<LogStore>, ConfigError> {
        let text = match std::fs::read_to_string(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|source| ConfigError::Read { path: self.0.clone(), source })?,
        };
        let parsed = toml::from_str(&text);
        parsed.map(Some).map_err(|source| ConfigError::Parse { path: self.0.clone(), source: Box::new(source) })
    }

    /// Says where log lines go from now on.
    ///
    /// # Errors
    /// When the file cannot be written: then it is as it was.
    pub fn set(&self, store: &LogStore) -> io::Result<()> {
        let text = toml::to_string(store).map_err(io::Error::other)?;
        whole_file::write(&self.0, &format!("{HEAD}{text}"))
    }

    /// Takes back what was said.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn reset(&self) -> io::Result<()> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

#[cfg(test)]
#[path = "log_store_tests.rs"]
mod tests;
