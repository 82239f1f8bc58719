//! What commands work with: the data folder and the service over it, or a server, opened when a command first needs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use super::args::{Global, HostLimitArgs};
use super::connection::{Connection, SaidBy, credentials};
use super::error::CliError;
use super::isolate::Plan;
use super::output::Output;
use crate::access::Access;
use crate::client::{ClientSettings, RemoteService};
use crate::clock::SystemClock;
use crate::config::{
    ChosenLogStore, Configuration, DurabilitySource, FileOwner, GrantMemory, Home, HostConfig, HostDurability, Isolation,
    LogFormat, LogStoreFile, MiddlewareConfig, ModelSources, ProcessEnvironment, ProjectConfig, RunConfig, ServerConfig,
    ServerConnection, TelemetryConfig, find_project_file, user_file,
};
use crate::engine::{Engine, EngineSettings, LoadMiddleware};
use crate::ids::{Ids as _, SystemIds};
use crate::mutex::lock;
use crate::sandbox::{Sandbox, Stack};
use crate::secrets::Keys;
use crate::service::{HostDefaults, LocalService, Service, load_middleware, log_store_settings};
use crate::signing::Trust;
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreOptions};
use crate::telemetry::{TelemetrySettings, Watcher, resource};

/// What commands work with.
pub(super) struct Context {
    pub(super) global: Global,
    pub(super) output: Output,
    /// In an isolated process, what it is left with.
    pub(super) plan: Option<Plan>,
    telemetry: OnceLock<Watcher>,
    connection: OnceLock<Connection>,
    /// By the project's file: one command reads each once, and so works with one state of it.
    projects: Mutex<BTreeMap<Option<PathBuf>, Configuration>>,
}

/// The service that a command works with.
pub(super) enum Chosen {
    /// Over the data folder.
    Local(Box<LocalService>),
    /// Over a server.
    Server(RemoteService),
}

impl Chosen {
    /// The verbs, whose ever they are.
    pub(super) fn service(&self) -> &dyn Service {
        match self {
            Self::Local(service) => service.as_ref(),
            Self::Server(service) => service,
        }
    }
}

impl Context {
    pub(super) fn new(global: Global, output: Output, plan: Option<Plan>) -> Self {
        let (telemetry, connection, projects) = (OnceLock::new(), OnceLock::new(), Mutex::default());
        if plan.is_some() {
            // It was found out before, and the file of logins is out of reach now.
            let _ = connection.set(Connection::Local);
        }
        Self { global, output, plan, telemetry, connection, projects }
    }

    /// Whom commands work with.
    pub(super) fn connection(&self) -> Result<&Connection, CliError> {
        if let Some(known) = self.connection.get() {
            return Ok(known);
        }
        let chosen = Connection::choose(&self.global, &credentials(), variable)?;
        Ok(self.connection.get_or_init(|| chosen))
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

    /// An error of a command, with what helps against it where a server has said it.
    pub(super) fn explained(&self, error: CliError) -> CliError {
        let Some(Connection::Server { server, key_by, .. }) = self.connection.get() else { return error };
        if error.class != Some("KitaruAuthenticationError") {
            return error;
        }
        error.hint(match key_by {
            SaidBy::Environment => format!("set KITARU_AUTH_TOKEN to a key that counts at {}", server.url),
            SaidBy::Flag | SaidBy::Login(_) => format!("log in again: kitaru-host login {}", server.url),
        })
    }

    /// The service that commands work with.
    pub(super) fn service(&self) -> Result<Arc<dyn Service>, CliError> {
        self.chosen(HostLimitArgs::default()).map(shared)
    }

    /// The same for what is about models, and so says by itself that aliases cannot be read.
    pub(super) fn model_service(&self) -> Result<Arc<dyn Service>, CliError> {
        self.chosen_for_models(HostLimitArgs::default()).map(shared)
    }

    /// The same, for commands that do some things otherwise with a server; with these limits where it is this process that does them.
    pub(super) fn chosen(&self, limits: HostLimitArgs) -> Result<Chosen, CliError> {
        self.choose(true, limits)
    }

    /// Both.
    pub(super) fn chosen_for_models(&self, limits: HostLimitArgs) -> Result<Chosen, CliError> {
        self.choose(false, limits)
    }

    fn choose(&self, warns: bool, limits: HostLimitArgs) -> Result<Chosen, CliError> {
        match self.connection()? {
            Connection::Local => self.open(warns, limits).map(|service| Chosen::Local(Box::new(service))),
            Connection::Server { server, said_by, .. } => {
                if let Some(flag) = self.global.of_this_machine().or_else(|| limits.of_this_machine()) {
                    let message =
                        format!("`{flag}` is about this machine, and commands go to {}, {}", server.url, said_by.phrase());
                    return Err(CliError::usage(message).hint("leave it out: the server has its own; or say --local"));
                }
                if self.global.verbose > 0 {
                    self.output.say(&format!("Server: {}, {}", server.url, said_by.phrase()));
                }
                if ServerConnection::is_open(&server.url) {
                    self.output
                        .say(&format!("warning: others can read along what is said to {}, and the key with it", server.url));
                }
                let settings = ClientSettings::of_environment(|name| std::env::var_os(name));
                Ok(Chosen::Server(RemoteService::new(server.clone(), settings)?))
            }
        }
    }

    /// The service over the data folder, whomever other commands work with: for what is of this machine. The folder is made if need be. Aliases that
    /// cannot be read are said: most commands work without them.
    pub(super) fn local(&self) -> Result<LocalService, CliError> {
        self.open(true, HostLimitArgs::default())
    }

    /// The same for what is about models, and so says by itself that aliases cannot be read.
    pub(super) fn local_for_models(&self) -> Result<LocalService, CliError> {
        self.open(false, HostLimitArgs::default())
    }

    /// The same, with these limits of the process.
    pub(super) fn local_within(&self, limits: HostLimitArgs) -> Result<LocalService, CliError> {
        self.open(true, limits)
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
        let sandbox = Sandbox::with_stack(Some(&home.folder), SystemIds.seed(), self.stack_within(limits)?)?;
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
        let engine = match self.telemetry(&engine, store.clone(), &project.telemetry)? {
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
        let access = Access::new(store.clone(), Arc::new(SystemClock), Arc::new(SystemIds), &home.folder);
        let run = self.run_defaults(&project)?;
        let stored: Vec<_> = project.middleware.iter().filter_map(|one| one.component.stored()).collect();
        let middleware = load_later(sandbox, store, project.middleware, trust);
        let engine = engine.with_models(project.llm, middleware, Arc::new(ProcessEnvironment), now);
        let memory = GrantMemory::new(&home.folder);
        let host = HostDefaults { grants: project.grants, limits: project.limits, run, folder: current_folder()? };
        let service = LocalService::new(engine).with_models(models).with_grants(memory).with_host(host);
        Ok(service.keeping(stored).with_access(access).with_facts(super::facts::facts(self)?))
    }

    /// Where it is said which models there are, for what runs with this configuration.
    pub(super) fn models(&self, project: &ProjectConfig) -> Result<ModelSources, CliError> {
        let sources = ModelSources::new(&self.home()?.folder, project.models.clone(), Arc::new(ProcessEnvironment));
        Ok(sources.over(project.user_models.clone()))
    }

    /// Whose components run here.
    pub(super) fn trust(&self, project: &ProjectConfig) -> Result<Trust, CliError> {
        Ok(project.security.trust(self.global.signatures, |name| std::env::var_os(name))?)
    }

    /// Whoever tells of what is driven here, if anybody is to be told.
    fn telemetry(&self, engine: &Engine, store: Arc<dyn Store>, config: &TelemetryConfig) -> Result<Option<&Watcher>, CliError> {
        let instance = SystemIds.execution().to_string();
        let settings = TelemetrySettings::choose(config, variable, instance.clone());
        let log_store = log_store_settings(engine, &self.log_store()?.store, resource(config, variable, instance));
        let (watcher, notes) = Watcher::start(store, Arc::new(SystemClock), settings, log_store);
        notes.iter().for_each(|note| self.output.say(&format!("note: {note}")));
        Ok(watcher.map(|watcher| self.telemetry.get_or_init(|| watcher)))
    }

    /// Where log lines go beside the data folder.
    pub(super) fn log_store(&self) -> Result<ChosenLogStore, CliError> {
        let files = self.configuration(&current_folder()?)?;
        let of_file = |owner| files.log_store_of(owner);
        Ok(ChosenLogStore::choose(variable, of_file(FileOwner::Project), &self.log_store_file()?, of_file(FileOwner::User))?)
    }

    /// What `log-store set` writes.
    pub(super) fn log_store_file(&self) -> Result<LogStoreFile, CliError> {
        Ok(LogStoreFile::of(&self.home()?.folder))
    }

    /// What holds for new executions that do not say otherwise.
    pub(super) fn run_defaults(&self, project: &ProjectConfig) -> Result<RunConfig, CliError> {
        Ok(project.run.under(variable)?)
    }

    /// How the server of this host works.
    pub(super) fn server(&self) -> Result<ServerConfig, CliError> {
        Ok(self.project(&current_folder()?)?.server)
    }

    /// How durable what this host commits is.
    pub(super) fn durability(&self) -> Result<HostDurability, CliError> {
        let (variable, files) = (std::env::var_os(HostDurability::VARIABLE), self.configuration(&current_folder()?)?);
        let chosen = HostDurability::choose(self.global.durability, variable, files.merged.host.durability)?;
        Ok(match (chosen.source, files.owner_of("host.durability")) {
            (DurabilitySource::Project, Some(FileOwner::User)) => HostDurability { source: DurabilitySource::User, ..chosen },
            _ => chosen,
        })
    }

    /// Whether guests run in a process that has given its own rights away.
    pub(super) fn isolation(&self) -> Result<Isolation, CliError> {
        let variable = std::env::var_os(Isolation::VARIABLE);
        Ok(Isolation::choose(self.global.isolate, variable, self.host_config()?.isolate)?)
    }

    /// How this host writes its own log. What is wrong with files, commands that need them say themselves.
    pub(super) fn log_format(&self) -> Result<Option<LogFormat>, CliError> {
        let configured = current_folder().and_then(|folder| self.project(&folder)).ok();
        let configured = configured.and_then(|project| project.telemetry.log_format);
        Ok(LogFormat::choose(variable(LogFormat::VARIABLE), configured)?)
    }

    /// How much this host does at a time.
    pub(super) fn host_settings(&self) -> Result<EngineSettings, CliError> {
        let default = EngineSettings::default();
        let HostConfig { parallel, model_calls, flows, memory_mib, instances_mib, .. } = self.host_config()?;
        let (parallel, model_calls) = (parallel.unwrap_or(default.parallel), model_calls.unwrap_or(default.model_calls));
        Ok(EngineSettings { parallel, model_calls, flows, memory_mib, instances_mib })
    }

    /// How much stack instances have.
    pub(super) fn stack(&self) -> Result<Stack, CliError> {
        self.stack_within(HostLimitArgs::default())
    }

    /// The same, with these limits of the process.
    fn stack_within(&self, limits: HostLimitArgs) -> Result<Stack, CliError> {
        let (kib, hint) = match limits.stack_kib {
            Some(kib) => (Some(kib), "change `--max-stack`"),
            None => (self.host_config()?.stack_kib, "change `stack_kib` of `[host]` in kitaru.toml"),
        };
        kib.map_or_else(|| Ok(Stack::default()), Stack::of_kib).map_err(|error| CliError::usage(error.to_string()).hint(hint))
    }

    /// What the project of the current folder says about this host.
    fn host_config(&self) -> Result<HostConfig, CliError> {
        Ok(self.project(&current_folder()?)?.host)
    }

    /// The configuration of the project that `folder` is in, over the user's own.
    pub(super) fn project(&self, folder: &Path) -> Result<ProjectConfig, CliError> {
        Ok(self.configuration(folder)?.merged)
    }

    /// The same, with whose file says what.
    pub(super) fn configuration(&self, folder: &Path) -> Result<Configuration, CliError> {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let file = find_project_file(&folder);
        let mut projects = lock(&self.projects);
        if let Some(known) = projects.get(&file) {
            return Ok(known.clone());
        }
        let read = Configuration::read(user_file(environment).as_deref(), file.as_deref())?;
        projects.insert(file, read.clone());
        Ok(read)
    }

    /// Whether a person sits at this terminal and can be asked.
    pub(super) fn is_interactive(&self) -> bool {
        use std::io::IsTerminal as _;
        !self.output.is_json() && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }
}

fn shared(chosen: Chosen) -> Arc<dyn Service> {
    match chosen {
        Chosen::Local(service) => Arc::new(*service),
        Chosen::Server(service) => Arc::new(service),
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

/// An environment variable, as text.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A path that the environment names.
pub(super) fn environment(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The current folder.
pub(super) fn current_folder() -> Result<PathBuf, CliError> {
    std::env::current_dir().map_err(|error| CliError::new(format!("the current folder cannot be used: {error}")))
}
