//! What commands work with: the data folder, and the service over it, opened when a command first needs it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::args::Global;
use super::error::CliError;
use super::output::Output;
use crate::clock::SystemClock;
use crate::config::{
    Home, HostConfig, HostDurability, MiddlewareConfig, ModelSources, ProcessEnvironment, ProjectConfig, TelemetryConfig,
    find_project_file,
};
use crate::engine::{Engine, EngineSettings, LoadMiddleware};
use crate::ids::{Ids as _, SystemIds};
use crate::sandbox::Sandbox;
use crate::secrets::Keys;
use crate::service::{LocalService, load_middleware};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreOptions};
use crate::telemetry::{TelemetrySettings, Watcher};

/// What commands work with.
pub(super) struct Context {
    pub(super) global: Global,
    pub(super) output: Output,
    telemetry: OnceLock<Watcher>,
}

impl Context {
    pub(super) fn new(global: Global, output: Output) -> Self {
        Self { global, output, telemetry: OnceLock::new() }
    }

    /// Tells what is left to tell of what was driven, and says what could not be told.
    pub(super) async fn finish(&self) {
        if let Some(telemetry) = self.telemetry.get() {
            telemetry.finish().await.problems().iter().for_each(|problem| self.output.say(problem));
        }
    }

    /// The data folder.
    pub(super) fn home(&self) -> Result<Home, CliError> {
        Home::find(self.global.home.clone(), &current_folder()?, environment)
            .ok_or_else(|| CliError::new("there is no data folder").hint("name one with --home or KITARU_HOME"))
    }

    /// The service over the data folder, which is made if need be.
    pub(super) fn service(&self) -> Result<LocalService, CliError> {
        let home = self.home()?;
        if let Some(ignored) = &home.ignored {
            self.output.say(&format!(
                "note: `{}` was not made here by `kitaru-host init`, so it is not used; if you trust it: kitaru-host init --trust",
                ignored.display()
            ));
        }
        let options = StoreOptions { durability: self.durability()?.mode };
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open_with(&home.folder, options)?);
        let sandbox = Sandbox::new(Some(&home.folder), SystemIds.seed())?;
        let settings = self.host_settings()?;
        let engine = Engine::new(store.clone(), sandbox.clone(), Arc::new(SystemClock), Arc::new(SystemIds), settings);
        let engine = engine.with_keys(Keys::new(std::env::var_os(Keys::VARIABLE), &home.folder));
        let project = self.project(&current_folder()?)?;
        let engine = match self.telemetry(store.clone(), &project.telemetry) {
            Some(telemetry) => engine.with_monitor(telemetry.monitor()),
            None => engine,
        };
        let models = self.models(&project)?;
        let now = models.clone();
        // What cannot be read now was refused when somebody asked for it.
        let now = Arc::new(move || now.known().map(|known| known.frozen).unwrap_or_default());
        let middleware = load_later(sandbox, store, project.middleware);
        let engine = engine.with_models(project.llm, middleware, Arc::new(ProcessEnvironment), now);
        Ok(LocalService::new(engine).with_models(models))
    }

    /// Where it is said which models there are, for what runs with this configuration.
    pub(super) fn models(&self, project: &ProjectConfig) -> Result<ModelSources, CliError> {
        Ok(ModelSources::new(&self.home()?.folder, project.models.clone(), Arc::new(ProcessEnvironment)))
    }

    /// Whoever tells of what is driven here, if anybody is to be told.
    fn telemetry(&self, store: Arc<dyn Store>, config: &TelemetryConfig) -> Option<&Watcher> {
        let read = |name: &str| std::env::var(name).ok();
        let settings = TelemetrySettings::choose(config, read, SystemIds.execution().to_string());
        let (watcher, notes) = Watcher::start(store, Arc::new(SystemClock), settings);
        notes.iter().for_each(|note| self.output.say(&format!("note: {note}")));
        watcher.map(|watcher| self.telemetry.get_or_init(|| watcher))
    }

    /// How durable what this host commits is.
    pub(super) fn durability(&self) -> Result<HostDurability, CliError> {
        let variable = std::env::var_os(HostDurability::VARIABLE);
        Ok(HostDurability::choose(self.global.durability, variable, self.host_config()?.durability)?)
    }

    /// How much this host does at a time.
    fn host_settings(&self) -> Result<EngineSettings, CliError> {
        let default = EngineSettings::default();
        let HostConfig { parallel, flows, memory_mib, .. } = self.host_config()?;
        Ok(EngineSettings { parallel: parallel.unwrap_or(default.parallel), flows, memory_mib })
    }

    /// What the project of the current folder says about this host.
    fn host_config(&self) -> Result<HostConfig, CliError> {
        Ok(self.project(&current_folder()?)?.host)
    }

    /// The configuration of the project that `folder` is in.
    pub(super) fn project(&self, folder: &Path) -> Result<ProjectConfig, CliError> {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        match find_project_file(&folder) {
            Some(file) => Ok(ProjectConfig::read(&file)?),
            None => Ok(ProjectConfig::default()),
        }
    }

    /// Whether a person sits at this terminal and can be asked.
    pub(super) fn is_interactive(&self) -> bool {
        use std::io::IsTerminal as _;
        !self.output.is_json() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }
}

/// Loads a project's middleware when the first model is called.
fn load_later(sandbox: Arc<Sandbox>, store: Arc<dyn Store>, configured: Vec<MiddlewareConfig>) -> Option<LoadMiddleware> {
    if configured.is_empty() {
        return None;
    }
    let configured = Arc::new(configured);
    Some(Arc::new(move || {
        let (sandbox, store, configured) = (sandbox.clone(), store.clone(), configured.clone());
        Box::pin(async move {
            let loaded = load_middleware(&sandbox, store.as_ref(), &configured).await;
            loaded.map_err(|error| Arc::new(error) as Arc<dyn std::error::Error + Send + Sync>)
        })
    }))
}

/// A path that the environment names.
pub(super) fn environment(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The current folder.
pub(super) fn current_folder() -> Result<PathBuf, CliError> {
    std::env::current_dir().map_err(|error| CliError::new(format!("the current folder cannot be used: {error}")))
}
