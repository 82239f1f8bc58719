//! `config show | path | schema`: what is set, who says so, and what can be.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::connection::{Connection, SaidBy, credentials};
use crate::cli::context::{Context, current_folder, environment, variable};
use crate::cli::error::CliError;
use crate::cli::table::{fields, table};
use crate::config::{
    HomeSource, ServerConnection, Setting, SettingOrigin, Settings, SettingsError, USER_FILE, find_project_file, schema,
    user_file,
};
use crate::engine::EngineSettings;
use crate::sandbox::Stack;

/// Show what is set, who says so, and what can be.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every setting with its value
    Show(ShowCommand),
    /// Show which files are read
    Path,
    /// Print the JSON Schema of kitaru.toml, by which editors know its keys
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct ShowCommand {
    /// Only settings whose name begins like this, such as `host` or `limits.memory`
    prefix: Option<String>,
    /// Say where each value came from: a flag, a variable, a file, or nobody
    #[arg(long)]
    origin: bool,
}

/// A setting, for programs.
#[derive(Serialize)]
pub(super) struct Shown {
    key: String,
    value: Value,
    origin: &'static str,
    place: Option<String>,
}

impl Shown {
    fn of(setting: &Setting) -> Self {
        let (key, value) = (setting.key.clone(), setting.value.clone());
        Self { key, value, origin: setting.origin.as_str(), place: setting.origin.place() }
    }
}

/// Every setting of commands in this folder, for programs.
pub(super) fn shown(context: &Context) -> Result<Vec<Shown>, CliError> {
    Ok(settings(context)?.iter().map(Shown::of).collect())
}

impl ConfigCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Show(_) => "config.show",
            Self::Path => "config.path",
            Self::Schema => "config.schema",
        }
    }

    pub(super) fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        match self {
            Self::Show(command) => command.run(context),
            Self::Path => path(context),
            Self::Schema => print_schema(context),
        }
    }
}

impl ShowCommand {
    fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let prefix = self.prefix.unwrap_or_default();
        let wanted = |setting: &Setting| setting.key.starts_with(&prefix);
        let settings: Vec<Setting> = settings(context)?.into_iter().filter(wanted).collect();
        if settings.is_empty() {
            return Err(CliError::usage(format!("no setting begins with `{prefix}`")).hint("see all: kitaru-host config show"));
        }
        let text = || {
            let value = |value: &Value| if value.is_null() { "-".to_owned() } else { value.to_string() };
            let origin = |origin: &SettingOrigin| origin.place().unwrap_or_else(|| origin.as_str().to_owned());
            match self.origin {
                true => {
                    let row = |it: &Setting| vec![it.key.clone(), value(&it.value), origin(&it.origin)];
                    table(&["SETTING", "VALUE", "ORIGIN"], &settings.iter().map(row).collect::<Vec<_>>())
                }
                false => {
                    let row = |it: &Setting| vec![it.key.clone(), value(&it.value)];
                    table(&["SETTING", "VALUE"], &settings.iter().map(row).collect::<Vec<_>>())
                }
            }
        };
        context.output.items(&settings.iter().map(Shown::of).collect::<Vec<_>>(), None, text)
    }
}

/// Every setting of commands in this folder.
fn settings(context: &Context) -> Result<Vec<Setting>, CliError> {
    let (global, configuration) = (&context.global, context.configuration(&current_folder()?)?);
    let mut flags = Vec::new();
    if let Some(durability) = global.durability {
        flags.push(("host.durability", "--durability", durability.as_str().into()));
    }
    if let Some(isolation) = global.isolate {
        flags.push(("host.isolate", "--isolate", isolation.to_string().into()));
    }
    if let Some(policy) = global.signatures {
        flags.push(("security.signatures", "--signatures", policy.as_str().into()));
    }
    let defaults = defaults().into();
    let log_store = context.log_store_file()?;
    let all = Settings { configuration: &configuration, environment: &variable, log_store: &log_store, flags, defaults }.all();
    let mut all = all.map_err(|error| match error {
        SettingsError::Config(error) => CliError::from(error),
        SettingsError::Shown(error) => unshown(&error),
    })?;
    server(context, &mut all)?;
    all.insert(0, home(context)?);
    Ok(all)
}

/// Defaults that the engine and the sandbox decide on.
fn defaults() -> [(&'static str, Value); 3] {
    let default = EngineSettings::default();
    [
        ("host.parallel", json!(default.parallel)),
        ("host.model_calls", json!(default.model_calls)),
        ("host.stack_kib", json!(Stack::default().kib())),
    ]
}

/// The server that commands work with, where a flag or a login says it: the environment is among the settings already.
fn server(context: &Context, all: &mut [Setting]) -> Result<(), CliError> {
    let origin = |said_by: &SaidBy| match said_by {
        SaidBy::Flag => SettingOrigin::Flag("--server"),
        SaidBy::Environment => SettingOrigin::Variable(ServerConnection::TOKEN.into()),
        SaidBy::Login(path) => SettingOrigin::User(path.clone()),
    };
    let (url, key) = match context.connection()? {
        Connection::Server { said_by: SaidBy::Environment, .. } => return Ok(()),
        Connection::Server { server, said_by, key_by } => ((json!(server.url), origin(said_by)), (json!("***"), origin(key_by))),
        Connection::Local => {
            let flag = if context.global.local { "--local" } else { "--home" };
            let is_flag = context.global.local || context.global.home_by_flag;
            let origin = if is_flag { SettingOrigin::Flag(flag) } else { SettingOrigin::Default };
            ((Value::Null, origin.clone()), (Value::Null, origin))
        }
    };
    for (name, (value, origin)) in [("client.server_url", url), ("client.auth_token", key)] {
        if let Some(setting) = all.iter_mut().find(|setting| setting.key == name) {
            (setting.value, setting.origin) = (value, origin);
        }
    }
    Ok(())
}

fn unshown(error: &serde_json::Error) -> CliError {
    CliError::new(format!("the defaults cannot be shown: {error}"))
}

/// The data folder, which no file can name.
fn home(context: &Context) -> Result<Setting, CliError> {
    let home = context.home()?;
    let origin = match home.source {
        // One of both has said it: the flag goes before the variable, and may say the same.
        HomeSource::Given if environment("KITARU_HOME").is_some_and(|folder| folder == home.folder) => {
            SettingOrigin::Variable("KITARU_HOME".into())
        }
        HomeSource::Given => SettingOrigin::Flag("--home"),
        HomeSource::Project => SettingOrigin::Project(home.folder.clone()),
        HomeSource::Platform => SettingOrigin::Default,
    };
    Ok(Setting { key: "home".into(), value: json!(home.folder), origin })
}

fn path(context: &Context) -> Result<ExitCode, CliError> {
    let here = current_folder()?;
    let folder = here.canonicalize().unwrap_or(here);
    let (user, home) = (user_file(environment), context.home()?.folder);
    let log_store = context.log_store_file()?;
    let item = json!({
        "project": find_project_file(&folder),
        "user": user,
        "user_exists": user.as_ref().is_some_and(|file| file.exists()),
        "user_named_by": environment(USER_FILE).map(|_| USER_FILE),
        "data_folder": home,
        "log_store": log_store.path(),
        "credentials": credentials().path().ok(),
    });
    context.output.item(&item, || {
        let at = |key: &str| item.get(key).and_then(Value::as_str).unwrap_or("-").to_owned();
        let user = match item.get("user_exists") {
            Some(Value::Bool(true)) => at("user"),
            _ => format!("{} (not there)", at("user")),
        };
        fields(&[("Project", at("project")), ("User", user), ("Data folder", at("data_folder"))])
    })
}

/// The same in every folder, and whatever is wrong with the files there: somebody may want it to mend them.
fn print_schema(context: &Context) -> Result<ExitCode, CliError> {
    let schema = schema(&defaults()).map_err(|error| unshown(&error))?;
    context.output.item(&schema, || format!("{schema:#}"))
}
