//! Every setting with its value and where that came from: flags, then the environment, then the project's `kitaru.toml`, then the user's own file,
//! then defaults. What commands work with is chosen by the same rules; this is for people who ask why.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::connection::is_address;
use super::defaults::{defaults, to_json};
use super::{
    ChosenLogStore, ConfigError, Configuration, FileOwner, HostDurability, Isolation, LogFormat, LogStore, LogStoreFile,
    LogStoreSource, RunConfig, SecurityConfig, ServerConnection,
};

/// What is shown in the place of a value that nobody is shown.
const HIDDEN: &str = "***";
/// Variables of model calls, with the settings that they stand for.
const OF_MODELS: [(&str, &str); 4] = [
    ("models.default", "KITARU_DEFAULT_MODEL"),
    ("models.registry", "KITARU_MODEL_REGISTRY"),
    ("llm.mock_response", "KITARU_LLM_MOCK_RESPONSE"),
    ("llm.prices.estimated", "KITARU_LLM_ESTIMATED_COSTS"),
];

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingOrigin {
    /// Nobody said anything.
    Default,
    /// The user's own file.
    User(PathBuf),
    /// What a command has noted in the data folder.
    DataFolder(PathBuf),
    /// The project's file.
    Project(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A flag.
    Flag(&'static str),
}

impl SettingOrigin {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::User(_) => "user",
            Self::DataFolder(_) => "data folder",
            Self::Project(_) => "project",
            Self::Variable(_) => "environment",
            Self::Flag(_) => "flag",
        }
    }

    /// The very file, variable or flag.
    pub fn place(&self) -> Option<String> {
        match self {
            Self::Default => None,
            Self::User(path) | Self::DataFolder(path) | Self::Project(path) => Some(path.display().to_string()),
            Self::Variable(name) => Some(name.clone()),
            Self::Flag(name) => Some((*name).to_owned()),
        }
    }
}

/// One setting.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its name: that of the tables and the key in `kitaru.toml`, with dots between.
    pub key: String,
    /// What counts; null where nothing is set and what holds follows from elsewhere.
    pub value: Value,
    /// Where it came from.
    pub origin: SettingOrigin,
}

/// What settings are found out from, beside the files.
pub struct Settings<'a> {
    /// The files.
    pub configuration: &'a Configuration,
    /// The environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// What `log-store set` has said.
    pub log_store: &'a LogStoreFile,
    /// Settings that flags have said something about: the key, the flag, the value.
    pub flags: Vec<(&'static str, &'static str, Value)>,
    /// Values where nobody says anything, that others than this layer decide on.
    pub defaults: Vec<(&'static str, Value)>,
}

/// Settings cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// One of them cannot be understood.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Defaults cannot be written down.
    #[error("the defaults cannot be shown")]
    Shown(#[from] serde_json::Error),
}

type Known = BTreeMap<String, (Value, SettingOrigin)>;

impl Settings<'_> {
    /// All of them, by name. Nothing in them is a key or password.
    ///
    /// # Errors
    /// When a variable says something that is not understood: then no command that it matters to would work either.
    pub fn all(&self) -> Result<Vec<Setting>, SettingsError> {
        let mut known = self.known_defaults()?;
        self.add_files(&mut known)?;
        self.add_environment(&mut known)?;
        self.add_log_store(&mut known)?;
        for (key, flag, value) in &self.flags {
            known.insert((*key).to_owned(), (value.clone(), SettingOrigin::Flag(flag)));
        }
        Ok(known.into_iter().map(|(key, (value, origin))| Setting { key, value, origin }).collect())
    }

    fn known_defaults(&self) -> Result<Known, SettingsError> {
        let known = defaults(&self.defaults)?.into_iter();
        Ok(known.map(|(key, value)| (key, (value, SettingOrigin::Default))).collect())
    }

    fn add_files(&self, known: &mut Known) -> Result<(), SettingsError> {
        for (key, value, owner) in self.configuration.said() {
            let Some((_, path)) = self.configuration.files().find(|(whose, _)| *whose == owner) else { continue };
            let origin = match owner {
                FileOwner::Project => SettingOrigin::Project(path.to_owned()),
                FileOwner::User => SettingOrigin::User(path.to_owned()),
            };
            if key.starts_with("log_store.") {
                continue;
            }
            let value = shown(&key, to_json(&value)?);
            // A default that is empty or unset is what this puts something into.
            let above = key.rsplit_once('.').map(|(above, _)| above.to_owned());
            if let Some(above) =
                above.filter(|above| known.get(above).is_some_and(|(_, origin)| *origin == SettingOrigin::Default))
            {
                known.remove(&above);
            }
            known.insert(key, (value, origin));
        }
        Ok(())
    }

    /// The typed rules of each variable, so that this and the commands cannot differ.
    fn add_environment(&self, known: &mut Known) -> Result<(), SettingsError> {
        let read = |name: &str| (self.environment)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let raw = |name: &str| read(name).map(OsString::from);
        let mut say = |key: &str, variable: &str, value: Value| {
            known.insert(key.to_owned(), (value, SettingOrigin::Variable(variable.to_owned())));
        };
        if read(HostDurability::VARIABLE).is_some() && !self.has_flag("host.durability") {
            let chosen = HostDurability::choose(None, raw(HostDurability::VARIABLE), None)?;
            say("host.durability", HostDurability::VARIABLE, chosen.mode.as_str().into());
        }
        if read(Isolation::VARIABLE).is_some() && !self.has_flag("host.isolate") {
            let chosen = Isolation::choose(None, raw(Isolation::VARIABLE), None)?;
            say("host.isolate", Isolation::VARIABLE, chosen.to_string().into());
        }
        let trust = |name: &str| raw(name).filter(|_| name != SecurityConfig::POLICY || !self.has_flag("security.signatures"));
        let trust = SecurityConfig::default().trust(None, trust)?;
        if read(SecurityConfig::POLICY).is_some() {
            say("security.signatures", SecurityConfig::POLICY, trust.policy.to_string().into());
        }
        if read(SecurityConfig::KEYS).is_some() {
            let keys: Vec<String> = trust.keys.iter().map(ToString::to_string).collect();
            say("security.trusted_keys", SecurityConfig::KEYS, keys.into());
        }
        let run = RunConfig::default().under(read)?;
        if let Some(cache) = run.cache {
            say("run.cache", RunConfig::CACHE, cache.into());
        }
        if let Some(retries) = run.retries {
            say("run.retries", RunConfig::RETRIES, retries.into());
        }
        if let Some(connection) = ServerConnection::of_environment(read)? {
            say("client.server_url", ServerConnection::URL, connection.url.into());
            say("client.auth_token", ServerConnection::TOKEN, HIDDEN.into());
        }
        for (key, variable) in OF_MODELS {
            // An empty answer is one too.
            let value = if key == "llm.mock_response" { (self.environment)(variable) } else { read(variable) };
            if let Some(value) = value {
                say(key, variable, value.into());
            }
        }
        let endpoint = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        if let Some((name, value)) = endpoint.into_iter().find_map(|name| Some((name, read(name)?))) {
            say("telemetry.otlp_endpoint", name, shown("telemetry.otlp_endpoint", value.into()));
        }
        if let Some(format) = LogFormat::choose(read(LogFormat::VARIABLE), None)? {
            say("telemetry.log_format", LogFormat::VARIABLE, format.as_str().into());
        }
        if let Some(name) = read("OTEL_SERVICE_NAME") {
            say("telemetry.service_name", "OTEL_SERVICE_NAME", name.into());
        }
        Ok(())
    }

    fn has_flag(&self, key: &str) -> bool {
        self.flags.iter().any(|(known, _, _)| *known == key)
    }

    /// One place says all of it.
    fn add_log_store(&self, known: &mut Known) -> Result<(), SettingsError> {
        let of_file = |owner| self.configuration.log_store_of(owner);
        let chosen =
            ChosenLogStore::choose(self.environment, of_file(FileOwner::Project), self.log_store, of_file(FileOwner::User))?;
        let path_of = |owner| self.configuration.files().find(|(whose, _)| *whose == owner).map(|(_, path)| path.to_owned());
        let variable = |name: &str| SettingOrigin::Variable(name.to_owned());
        let origin = |key: &str| match chosen.source {
            LogStoreSource::Environment => match key {
                "endpoint" => variable(LogStore::ENDPOINT),
                "secret" => variable(LogStore::API_KEY),
                _ => variable(LogStore::BACKEND),
            },
            LogStoreSource::Project => SettingOrigin::Project(path_of(FileOwner::Project).unwrap_or_default()),
            LogStoreSource::DataFolder => SettingOrigin::DataFolder(self.log_store.path().to_owned()),
            LogStoreSource::User => SettingOrigin::User(path_of(FileOwner::User).unwrap_or_default()),
            LogStoreSource::Default => SettingOrigin::Default,
        };
        let (endpoint, secret, header) = match &chosen.store {
            LogStore::Local => (None, None, None),
            LogStore::Otlp(collector) => {
                // Somebody may have put a key where its secret's name belongs.
                let is_typed = chosen.source == LogStoreSource::Environment;
                let secret = collector.secret.as_ref().map(|name| if is_typed { HIDDEN } else { name.as_str() });
                (Some(collector.endpoint.as_str()), secret, collector.header.as_deref())
            }
        };
        for (key, value) in
            [("backend", Some(chosen.store.backend())), ("endpoint", endpoint), ("secret", secret), ("header", header)]
        {
            let origin = if value.is_some() { origin(key) } else { SettingOrigin::Default };
            known.insert(format!("log_store.{key}"), (json!(value), origin));
        }
        Ok(())
    }
}

/// The value, unless it may have a key in it: addresses of collectors may.
fn shown(key: &str, value: Value) -> Value {
    let may_hide = key == "telemetry.otlp_endpoint" && !value.as_str().is_some_and(is_address);
    if may_hide { HIDDEN.into() } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(
        project: &str,
        variables: &[(&str, &str)],
        flags: Vec<(&'static str, &'static str, Value)>,
    ) -> Result<BTreeMap<String, (Value, String)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kitaru.toml");
        std::fs::write(&path, project).unwrap();
        let configuration = Configuration::read(None, Some(&path)).map_err(|error| error.to_string())?;
        let log_store = LogStoreFile::of(folder.path());
        let environment = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let defaults = vec![("host.parallel", json!(64))];
        let settings =
            Settings { configuration: &configuration, environment: &environment, log_store: &log_store, flags, defaults };
        let all = settings.all().map_err(|error| error.to_string())?;
        let origin = |setting: &Setting| match &setting.origin {
            SettingOrigin::Variable(name) => name.clone(),
            other => other.as_str().to_owned(),
        };
        Ok(all.iter().map(|setting| (setting.key.clone(), (setting.value.clone(), origin(setting)))).collect())
    }

    #[test]
    fn each_setting_says_where_it_came_from() {
        let project = "[host]\ndurability = \"process\"\nflows = 5\n[telemetry.resource]\nteam = \"a\"\n[grants]\nnet = [\"a.example\"]\n\
                       [log_store]\nendpoint = \"http://c.example\"\nsecret = \"creds\"\n";
        let of = |found: &BTreeMap<String, (Value, String)>, key: &str| found.get(key).cloned();
        let plain = all(project, &[], Vec::new()).unwrap();
        let said = |value: Value, origin: &str| Some((value, origin.to_owned()));
        assert_eq!(of(&plain, "host.durability"), said("process".into(), "project"));
        assert_eq!(of(&plain, "host.flows"), said(5.into(), "project"));
        assert_eq!(of(&plain, "host.parallel"), said(64.into(), "default"));
        assert_eq!(of(&plain, "limits.memory_mib"), said(256.into(), "default"));
        assert_eq!(of(&plain, "run.cache"), said(Value::Null, "default"));
        assert_eq!(of(&plain, "grants.net"), said(json!(["a.example"]), "project"));
        assert_eq!(of(&plain, "telemetry.resource.team"), said("a".into(), "project"));
        assert_eq!(of(&plain, "telemetry.resource"), None, "what it was put into");
        assert_eq!(of(&plain, "server.listen"), said("127.0.0.1:8383".into(), "default"));
        assert_eq!(of(&plain, "llm.retry.attempts").map(|(_, origin)| origin), Some("default".into()));
        assert_eq!(of(&plain, "log_store.secret"), said("creds".into(), "project"));
        let variables = [("KITARU_DURABILITY", "full"), ("KITARU_CACHE", "on"), ("KITARU_LLM_MOCK_RESPONSE", "")];
        let varied = all(project, &variables, Vec::new()).unwrap();
        assert_eq!(of(&varied, "host.durability"), said("full".into(), "KITARU_DURABILITY"));
        assert_eq!(of(&varied, "run.cache"), said(true.into(), "KITARU_CACHE"));
        assert_eq!(of(&varied, "llm.mock_response"), said("".into(), "KITARU_LLM_MOCK_RESPONSE"));
        let flag = vec![("host.durability", "--durability", json!("process"))];
        let flagged = all(project, &[("KITARU_DURABILITY", "nonsense")], flag).unwrap();
        assert_eq!(of(&flagged, "host.durability"), said("process".into(), "flag"), "what does not count is not read");
    }

    #[test]
    fn no_key_is_shown() {
        let variables = [
            ("KITARU_SERVER_URL", "https://k.example"),
            ("KITARU_AUTH_TOKEN", "kh_SECRET"),
            ("KITARU_LOG_STORE_ENDPOINT", "http://c.example"),
            ("KITARU_LOG_STORE_API_KEY", "SECRET"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:SECRET@c.example"),
        ];
        let found = all("", &variables, Vec::new()).unwrap();
        assert!(!format!("{found:?}").contains("SECRET"), "{found:?}");
        assert_eq!(found["client.auth_token"], (HIDDEN.into(), "KITARU_AUTH_TOKEN".into()));
        assert_eq!(found["client.server_url"].0, "https://k.example");
    }

    #[test]
    fn a_variable_that_is_not_understood_is_an_error() {
        for (name, value) in [
            ("KITARU_CACHE", "maybe"),
            ("KITARU_RETRIES", "many"),
            ("KITARU_DURABILITY", "fast"),
            ("KITARU_ISOLATE", "perhaps"),
            ("KITARU_LOG_FORMAT", "xml"),
            ("KITARU_SIGNATURES", "required"),
            ("KITARU_SERVER_URL", "https://k.example"),
            ("KITARU_LOG_STORE_BACKEND", "s3"),
        ] {
            let error = all("", &[(name, value)], Vec::new()).unwrap_err();
            assert!(error.contains(name), "{name}: {error}");
        }
    }
}
