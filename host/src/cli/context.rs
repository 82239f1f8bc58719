//! What commands work with: the data folder, and the service over it, opened when a command first needs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use super::args::{Global, HostLimitArgs};
use super::error::CliError;
use super::isolate::Plan;
use super::output::Output;
use crate::clock::SystemClock;
use crate::config::{
    GrantMemory, Home, HostConfig, HostDurability, Isolation, MiddlewareConfig, ModelSources, ProcessEnvironment, ProjectConfig,
    TelemetryConfig, find_project_file,
};
use crate::engine::{Engine, EngineSettings, LoadMiddleware};
use crate::ids::{Ids as _, SystemIds};
use crate::mutex::lock;
use crate::sandbox::{Sandbox, Stack};
use crate::secrets::Keys;
use crate::service::{LocalService, load_middleware};
use crate::signing::Trust;
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreOptions};
use crate::telemetry::{TelemetrySettings, Watcher};

/// What commands work with.
pub(super) struct Context {
    pub(super) global: Global,
    pub(super) output: Output,
    /// In an isolated process, what it is left with.
    pub(super) plan: Option<Plan>,
    telemetry: OnceLock<Watcher>,
    /// By file: one command reads each once, and so works with one state of it.
    projects: Mutex<BTreeMap<PathBuf, ProjectConfig>>,
}

impl Context {
    pub(super) fn new(global: Global, output: Output, plan: Option<Plan>) -> Self {
        Self { global, output, plan, telemetry: OnceLock::new(), projects: Mutex::default() }
    }

    /// Tells what is left to tell of what was driven, and says what could not be told.
    pub(super) async fn finish(&self) {
        if let Some(telemetry) = self.telemetry.get() {
            telemetry.finish().await.problems().iter().for_each(|problem| self.output.say(problem));
        }
    }

    /// The data folder.
    pub(super) fn home(&self) -> Result<Home, CliError> {
        // Where it was found to be, the process may not look any more.
        let given = self.plan.as_ref().map(|plan| plan.home.clone()).or_else(|| self.global.home.clone());
        Home::find(given, &current_folder()?, environment)
            .ok_or_else(|| CliError::new("there is no data folder").hint("name one with --home or KITARU_HOME"))
    }

    /// The service over the data folder, which is made if need be. Aliases that cannot be read are said: most commands work without them.
    pub(super) fn service(&self) -> Result<LocalService, CliError> {
        self.open(true, HostLimitArgs::default())
    }

    /// The same for what is about models, and so says by itself that aliases cannot be read.
    pub(super) fn model_service(&self) -> Result<LocalService, CliError> {
        self.open(false, HostLimitArgs::default())
    }

    /// The same, with these limits of the process.
    pub(super) fn service_within(&self, limits: HostLimitArgs) -> Result<LocalService, CliError> {
        self.open(true, limits)
    }

    /// Both.
    pub(super) fn service_for_models(&self, limits: HostLimitArgs) -> Result<LocalService, CliError> {
        self.open(false, limits)
    }

    fn open(&self, warns: bool, limits: HostLimitArgs) -> Result<LocalService, CliError> {
        let home = self.home()?;
        if let Some(ignored) = &home.ignored {
            self.output.say(&format!(
                "note: `{}` was not made here by `kitaru-host init`, so it is not used; if you trust it: kitaru-host init --trust",
                ignored.display()
            ));
        }
        let options = StoreOptions { durability: self.durability()?.mode };
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open_with(&home.folder, options)?);
        let sandbox = Sandbox::with_stack(Some(&home.folder), SystemIds.seed(), self.stack()?)?;
        if let Some(plan) = &self.plan {
            sandbox.stay_within(plan.walls.clone());
        }
        let mut settings = self.host_settings()?;
        settings.instances_mib = limits.instances_mib.or(settings.instances_mib);
        let engine = Engine::new(store.clone(), sandbox.clone(), Arc::new(SystemClock), Arc::new(SystemIds), settings);
        let engine = engine.with_keys(Keys::new(std::env::var_os(Keys::VARIABLE), &home.folder));
        let project = self.project(&current_folder()?)?;
        let trust = self.trust(&project)?;
        let engine = engine.with_trust(trust.clone());
        let engine = match self.telemetry(store.clone(), &project.telemetry) {
            Some(telemetry) => engine.with_monitor(telemetry.monitor()),
            None => engine,
        };
        let models = self.models(&project)?;
        if let (true, Err(error)) = (warns, models.known()) {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            self.output.say(&format!("warning: no model can be called by an alias: {error}{cause}"));
        }
        let now = models.clone();
        let now = Arc::new(move || match now.known() {
            Ok(known) => Ok(known.frozen),
            Err(error) => Err(Arc::new(error) as Arc<dyn std::error::Error + Send + Sync>),
        });
        let stored: Vec<_> = project.middleware.iter().filter_map(|one| one.component.stored()).collect();
        let middleware = load_later(sandbox, store, project.middleware, trust);
        let engine = engine.with_models(project.llm, middleware, Arc::new(ProcessEnvironment), now);
        let memory = GrantMemory::new(&home.folder);
        Ok(LocalService::new(engine).with_models(models).with_grants(memory).keeping(stored))
    }

    /// Where it is said which models there are, for what runs with this configuration.
    pub(super) fn models(&self, project: &ProjectConfig) -> Result<ModelSources, CliError> {
        Ok(ModelSources::new(&self.home()?.folder, project.models.clone(), Arc::new(ProcessEnvironment)))
    }

    /// Whose components run here.
    pub(super) fn trust(&self, project: &ProjectConfig) -> Result<Trust, CliError> {
        Ok(project.security.trust(self.global.signatures, |name| std::env::var_os(name))?)
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

    /// Whether guests run in a process that has given its own rights away.
    pub(super) fn isolation(&self) -> Result<Isolation, CliError> {
        let variable = std::env::var_os(Isolation::VARIABLE);
        Ok(Isolation::choose(self.global.isolate, variable, self.host_config()?.isolate)?)
    }

    /// How much this host does at a time.
    fn host_settings(&self) -> Result<EngineSettings, CliError> {
        let default = EngineSettings::default();
        let HostConfig { parallel, model_calls, flows, memory_mib, instances_mib, .. } = self.host_config()?;
        let (parallel, model_calls) = (parallel.unwrap_or(default.parallel), model_calls.unwrap_or(default.model_calls));
        Ok(EngineSettings { parallel, model_calls, flows, memory_mib, instances_mib })
    }

    /// How much stack instances have.
    pub(super) fn stack(&self) -> Result<Stack, CliError> {
        let Some(kib) = self.host_config()?.stack_kib else { return Ok(Stack::default()) };
        Stack::of_kib(kib)
            .map_err(|error| CliError::usage(error.to_string()).hint("change `stack_kib` of `[host]` in kitaru.toml"))
    }

    /// What the project of the current folder says about this host.
    fn host_config(&self) -> Result<HostConfig, CliError> {
        Ok(self.project(&current_folder()?)?.host)
    }

    /// The configuration of the project that `folder` is in.
    pub(super) fn project(&self, folder: &Path) -> Result<ProjectConfig, CliError> {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let Some(file) = find_project_file(&folder) else { return Ok(ProjectConfig::default()) };
        let mut projects = lock(&self.projects);
        if let Some(known) = projects.get(&file) {
            return Ok(known.clone());
        }
        let read = ProjectConfig::read(&file)?;
        projects.insert(file, read.clone());
        Ok(read)
    }

    /// Whether a person sits at this terminal and can be asked.
    pub(super) fn is_interactive(&self) -> bool {
        use std::io::IsTerminal as _;
        !self.output.is_json() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }
}

/// Loads a project's middleware when the first model is called.
fn load_later(
    sandbox: Arc<Sandbox>,
    store: Arc<dyn Store>,
    configured: Vec<MiddlewareConfig>,
    trust: Trust,
) -> Option<LoadMiddleware> {
    if configured.is_empty() {
        return None;
    }
    let (configured, trust) = (Arc::new(configured), Arc::new(trust));
    Some(Arc::new(move || {
        let (sandbox, store, configured, trust) = (sandbox.clone(), store.clone(), configured.clone(), trust.clone());
        Box::pin(async move {
            let loaded = load_middleware(&sandbox, store.as_ref(), &configured, &trust).await;
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
