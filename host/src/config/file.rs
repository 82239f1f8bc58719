//! `kitaru.toml`: what a project grants its flows, how much they may use, which models it knows, and how the host works that runs them.

use std::path::{Path, PathBuf};

use kitaru_llm::gateway::GatewayConfig;
use schemars::JsonSchema;
use serde::Deserialize;

use super::isolation::{self, Isolation};
use super::log_store::LogStore;
use super::middleware::MiddlewareConfig;
use super::model_table::{ModelEntryError, ModelTable};
use super::models::ProjectModels;
use super::run::RunConfig;
use super::security::SecurityConfig;
use super::server::ServerConfig;
use super::telemetry::TelemetryConfig;
use crate::sandbox::{Grants, Limits};
use crate::store::{DurabilityMode, UnknownDurability};

/// Name of the file.
const FILE: &str = "kitaru.toml";

/// A project's configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProjectConfig {
    /// What checkpoints may touch. Folders are relative to the file.
    pub grants: Grants,
    /// What instances may use.
    pub limits: Limits,
    /// How the host works.
    pub host: HostConfig,
    /// Its model aliases, where it has any.
    pub models: Option<ProjectModels>,
    /// Those of the user's own file, below it.
    pub user_models: Option<ProjectModels>,
    /// What holds for new executions that do not say otherwise.
    pub run: RunConfig,
    /// How `serve` is reached.
    pub server: ServerConfig,
    /// Where log lines go beside the data folder, where a file says so.
    pub log_store: Option<LogStore>,
    /// How model calls are made. Files are relative to this one.
    pub llm: GatewayConfig,
    /// Components that stand in the way of model calls. Files are relative to this one.
    pub middleware: Vec<MiddlewareConfig>,
    /// Where events of executions go. The folder is relative to the file.
    pub telemetry: TelemetryConfig,
    /// Whose signatures of components count.
    pub security: SecurityConfig,
}

/// How the host works.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostConfig {
    /// Checkpoint bodies of all executions that run at a time.
    pub parallel: Option<usize>,
    /// Model calls of all executions that are made at a time.
    pub model_calls: Option<usize>,
    /// Flows in memory at a time.
    pub flows: Option<usize>,
    /// How large a process may be before flows that only wait leave its memory, in MiB.
    pub memory_mib: Option<u64>,
    /// How much memory all instances may have together, in MiB.
    pub instances_mib: Option<u64>,
    /// How much stack an instance has, in KiB.
    pub stack_kib: Option<u64>,
    /// How durable what it commits is.
    pub durability: Option<DurabilityMode>,
    /// Whether guests run in a process that has given its own rights away.
    pub isolate: Option<Isolation>,
}

/// What a project grants its flows, how much they may use, which models it knows, and how the host works that runs them. The user's own file has
/// the same tables.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "kitaru.toml")]
pub(super) struct Written {
    /// What checkpoints may touch, and which models may be called: nothing, unless it is said here or on the command line. Folders are relative to
    /// this file.
    grants: Grants,
    /// What one instance may use.
    limits: Limits,
    /// How one host process works, for all executions.
    host: WrittenHost,
    /// Models by short names, over those of the data folder.
    models: ModelTable,
    /// How model calls are made: limits, budgets, retries, a cache, scripted answers and more. Files are relative to this one.
    llm: GatewayConfig,
    /// Where events of executions go: nowhere, unless that is said.
    telemetry: TelemetryConfig,
    /// Whose components run.
    security: SecurityConfig,
    /// New executions whose flow says nothing itself.
    run: RunConfig,
    /// Where `serve` listens, how it is reached from outside, and how much it takes on.
    server: ServerConfig,
    /// Where log lines go beside the data folder, which always has them.
    log_store: Option<LogStore>,
}

/// What stands beside the gateway's own settings in the same table.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct WrittenBeside {
    llm: WrittenMiddleware,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
struct WrittenMiddleware {
    /// Components that stand in the way of model calls.
    middleware: Vec<MiddlewareConfig>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct WrittenHost {
    /// Checkpoints of all executions that run at a time.
    parallel: Option<usize>,
    /// Model calls of all executions that are made at a time.
    model_calls: Option<usize>,
    /// Flows that `serve` has in memory, with those that only wait. If absent, 1000 less `parallel`, and at least 250.
    flows: Option<usize>,
    /// Flows that only wait leave the memory of `serve` while it is larger than this, in MiB. If absent, half of what the machine or the process's
    /// control group has.
    memory_mib: Option<u64>,
    /// Memory of all instances together, in MiB; what wants more waits. If absent, half of what the machine or the process's control group has.
    instances_mib: Option<u64>,
    /// Stack of one instance, in KiB.
    stack_kib: Option<u64>,
    /// What must survive: the death of the machine (`full`), or only that of the process (`process`).
    #[schemars(extend("enum" = DurabilityMode::ALL.map(DurabilityMode::as_str)))]
    durability: Option<String>,
    /// Whether guests run in a process that has given its own rights away; `best-effort` is as far as the kernel can.
    #[schemars(schema_with = "isolation::schema")]
    isolate: Option<Isolation>,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read `{path}`")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file says something that is not understood.
    #[error("`{path}` is not a usable configuration")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The file's `[host] durability` is none.
    #[error("`{path}` is not a usable configuration")]
    Durability {
        /// Which file.
        path: PathBuf,
        /// What it says.
        #[source]
        source: UnknownDurability,
    },
    /// An entry of the file's `[models]` cannot be used.
    #[error(transparent)]
    Model(#[from] ModelEntryError),
    /// An environment variable that is to hold a durability holds something else.
    #[error("the environment variable `{name}` cannot be used")]
    Variable {
        /// Which.
        name: &'static str,
        /// What it says.
        #[source]
        source: UnknownDurability,
    },
    /// An environment variable that counts cannot be understood.
    #[error("the environment variable `{name}` cannot be used: {problem}")]
    Environment {
        /// Which.
        name: &'static str,
        /// Why.
        problem: String,
    },
    /// An environment variable holds none of the words that it may hold.
    #[error("Invalid value for {name}: `{}`", .value.escape_debug())]
    InvalidVariable {
        /// Which.
        name: &'static str,
        /// What it holds.
        value: String,
        /// What it may hold.
        hint: &'static str,
    },
}

impl ConfigError {
    /// A hint that tells a person what to do, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } | Self::Parse { .. } | Self::Environment { .. } => None,
            Self::Durability { source, .. } | Self::Variable { source, .. } => Some(source.hint()),
            Self::Model(error) => error.source.hint().map(Into::into),
            Self::InvalidVariable { hint, .. } => Some((*hint).to_owned()),
        }
    }
}

impl ProjectConfig {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// When it cannot be read or understood; an unknown key is an error, because a misspelt limit must not be no limit.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Understands `text`, which the configuration file at `path` holds.
    ///
    /// # Errors
    /// Those of [`Self::read`], but that of a file that cannot be read.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let unusable = |source| ConfigError::Parse { path: path.to_owned(), source: Box::new(source) };
        let written: Written = toml::from_str(text).map_err(unusable)?;
        let Written { mut grants, limits, host, models, mut llm, mut telemetry, security, run, mut server, log_store } = written;
        let WrittenBeside { llm: WrittenMiddleware { mut middleware } } = toml::from_str(text).map_err(unusable)?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        middleware.iter_mut().for_each(|one| one.resolve(folder));
        llm.middleware.clear();
        for grant in grants.folders_mut() {
            grant.host = folder.join(&grant.host);
        }
        let durability = host.durability.as_deref().map(|word| word.parse::<DurabilityMode>()).transpose();
        let durability = durability.map_err(|source| ConfigError::Durability { path: path.to_owned(), source })?;
        let WrittenHost { parallel, model_calls, flows, memory_mib, instances_mib, stack_kib, isolate, .. } = host;
        let host = HostConfig { parallel, model_calls, flows, memory_mib, instances_mib, stack_kib, durability, isolate };
        let registry = models.registry(path, text, "models.")?;
        let has_models = !registry.aliases.is_empty() || registry.default.is_some();
        let models = has_models.then(|| ProjectModels { file: path.to_owned(), registry });
        llm.prices.file = llm.prices.file.map(|file| folder.join(file));
        telemetry.atof = telemetry.atof.map(|atof| folder.join(atof));
        server.resolve(folder);
        let user_models = None;
        Ok(Self { grants, limits, host, models, user_models, run, server, log_store, llm, middleware, telemetry, security })
    }
}

/// The nearest `kitaru.toml` at or above `folder`.
pub fn find_project_file(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(FILE)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_relative_to_the_file_and_typos_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(
            &path,
            "[grants]\nread = [\"docs\"]\nnet = [\"api.example.com:443\"]\n[limits]\nmemory_mib = 64\n[host]\nflows = 4\n",
        )
        .unwrap();
        let config = ProjectConfig::read(&path).unwrap();
        assert_eq!(config.grants.read[0].host, folder.path().join("docs"));
        assert_eq!(config.grants.read[0].guest, "docs");
        let own = "[grants.checkpoints.fetch]\nnet = [\"api.example.com:443\"]\nwrite = [\"out\"]\n";
        std::fs::write(&path, own).unwrap();
        let own = ProjectConfig::read(&path).unwrap().grants;
        assert!(own.is_empty(), "all others have nothing");
        assert_eq!(own.checkpoints["fetch"].write[0].host, folder.path().join("out"));
        assert_eq!((config.limits.memory_mib, config.limits.calls), (64, Limits::default().calls));
        assert_eq!(config.host, HostConfig { flows: Some(4), ..HostConfig::default() });
        std::fs::write(&path, "[limits]\ncpu_seconds = 1\n[host]\ninstances_mib = 5\nstack_kib = 6\n").unwrap();
        let config = ProjectConfig::read(&path).unwrap();
        assert_eq!((config.limits.cpu_seconds, config.limits.argument_mib), (1, None));
        assert_eq!((config.host.instances_mib, config.host.stack_kib), (Some(5), Some(6)));
        let host = ["[host]\nmemory = 1\n", "[host]\ndurability = 1\n"];
        std::fs::write(&path, "[telemetry]\natof = \"events\"\n[telemetry.resource]\nteam = \"a\"\n").unwrap();
        let telemetry = ProjectConfig::read(&path).unwrap().telemetry;
        assert_eq!((telemetry.atof, telemetry.content), (Some(folder.path().join("events")), false));
        assert_eq!(telemetry.resource["team"], "a");
        for bad in ["[telemetry]\notlp = 1\n", "[limits]\nmemory = 1\n", "[grant]\n", "[grants]\nnet = [\"ftp://x\"]\n", "x"]
            .into_iter()
            .chain(host)
        {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(ProjectConfig::read(&path), Err(ConfigError::Parse { .. })), "{bad}");
        }
        assert_eq!(find_project_file(&folder.path().join("a")), Some(path));
    }

    #[test]
    fn a_project_has_models_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            ProjectConfig::read(&path)
        };
        assert_eq!(read("[grants]\nllm = [\"fast\"]\n").unwrap().models, None);
        let text = "[models]\ndefault = \"fast\"\n[models.aliases.fast]\nmodel = \"openai/gpt-4o-mini\"\nsecret = \"creds\"\n";
        let models = read(text).unwrap().models.unwrap();
        assert_eq!((&models.file, models.registry.default.as_ref().unwrap().as_str()), (&path, "fast"));
        assert_eq!(models.registry.find("fast").unwrap().1.secret.as_deref(), Some("creds"));
        let error = read("[models.aliases.fast]\nmodel = \"gpt-4o\"\n").unwrap_err();
        let said = error.to_string();
        assert!(said.contains("`models.aliases.fast.model` in line 2 of") && said.contains(FILE), "{said}");
        assert!(matches!(read("[models.aliases.fast]\nmodle = \"openai/a\"\n"), Err(ConfigError::Parse { .. })));
    }

    #[test]
    fn model_calls_have_settings_and_their_files_are_relative_to_this_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, "[llm]\non_missing = \"pending\"\n[llm.prices]\nfile = \"prices.json\"\n").unwrap();
        let llm = ProjectConfig::read(&path).unwrap().llm;
        assert_eq!(llm.on_missing, kitaru_llm::models::OnMissing::Pending);
        assert_eq!(llm.prices.file, Some(folder.path().join("prices.json")));
        std::fs::write(&path, "[llm]\non_missing = \"wait\"\n").unwrap();
        let error = ProjectConfig::read(&path).unwrap_err();
        let ConfigError::Parse { source, .. } = &error else { panic!("{error:?}") };
        assert!(source.to_string().contains("line 2") && source.to_string().contains("on_missing"), "{source}");
    }

    #[test]
    fn the_durability_is_one_of_two_words() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            ProjectConfig::read(&path)
        };
        assert_eq!(read("[host]\nparallel = 2\n").unwrap().host, HostConfig { parallel: Some(2), ..HostConfig::default() });
        for mode in DurabilityMode::ALL {
            let config = read(&format!("[host]\ndurability = \"{}\"\n", mode.as_str())).unwrap();
            assert_eq!(config.host.durability, Some(mode));
        }
        let error = read("[host]\ndurability = \"fast\"\n").unwrap_err();
        assert!(matches!(&error, ConfigError::Durability { source, .. } if source.0 == "fast"), "{error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("`full`") && hint.contains("`process`")), "{error:?}");
    }
}
