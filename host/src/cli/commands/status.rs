//! `status`: where the data is, here or on a server, and what it holds.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::connection::{Connection, SaidBy};
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table;
use crate::config::HomeSource;
use crate::service::{Service as _, ServiceError};

#[derive(Debug, Args)]
pub(crate) struct StatusCommand {}

impl StatusCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let snapshot = snapshot(context).await?;
        context.output.item(&snapshot, || text(&snapshot))
    }
}

/// What `status` and `info` tell. A store that cannot be opened and a server that cannot be reached are warnings: these commands are how people find
/// out.
pub(super) async fn snapshot(context: &Context) -> Result<Value, CliError> {
    let told = match context.connection() {
        Ok(Connection::Local) => of_folder(context).await?,
        Ok(Connection::Server { server, said_by, .. }) => of_server(context, &server.url, said_by).await,
        Err(error) => Told { connection: "unknown", warning: Some(error.chain()), ..Told::default() },
    };
    let home = context.home()?;
    let marker = (home.source == HomeSource::Project).then_some(&home.folder);
    Ok(json!({
        "sdk_version": env!("CARGO_PKG_VERSION"),
        "connection": told.connection,
        "connection_target": told.target,
        "connection_sources": {
            "data_folder": told.folder_by,
            "durability": told.durability.map(|(_, source)| source),
            "server": told.server_by,
        },
        "durability": told.durability.map(|(mode, _)| mode),
        "config_directory": home.folder,
        "server_url": told.server_by.and(told.target.as_ref()),
        "server_version": told.server_version,
        "active_user": told.user,
        "active_stack": if told.server_by.is_some() { "server" } else { "local" },
        "repository_root": marker.as_ref().and_then(|marker| marker.parent()),
        "uses_repo_local_config": marker.is_some(),
        "store": told.store,
        "models": told.models,
        "limits": told.limits,
        "warning": told.warning,
    }))
}

/// What is found out about whom commands work with.
#[derive(Default)]
struct Told {
    connection: &'static str,
    target: Option<String>,
    folder_by: Option<&'static str>,
    server_by: Option<&'static str>,
    server_version: Option<String>,
    user: Option<String>,
    durability: Option<(&'static str, &'static str)>,
    store: Value,
    models: Value,
    limits: Value,
    warning: Option<String>,
}

async fn of_folder(context: &Context) -> Result<Told, CliError> {
    let home = context.home()?;
    // Where it cannot be told, the warning says why.
    let durability = context.durability().ok().map(|found| (found.mode.as_str(), found.source.as_str()));
    let mut told = Told {
        connection: "local",
        target: Some(home.folder.display().to_string()),
        folder_by: Some(home.source.as_str()),
        durability,
        ..Told::default()
    };
    match context.local_for_models() {
        Ok(service) => {
            told.store = shown(service.store_summary().await, &mut told.warning);
            told.models = shown(service.models_summary().await, &mut told.warning);
            told.limits = json!({
                "instances_mib": service.measures().memory.ceiling.map(|bytes| bytes >> 20),
                "stack_kib": context.stack()?.kib(),
            });
        }
        Err(error) => told.warning = Some(error.chain()),
    }
    Ok(told)
}

async fn of_server(context: &Context, url: &str, said_by: &SaidBy) -> Told {
    let mut told =
        Told { connection: "server", target: Some(url.to_owned()), server_by: Some(said_by.as_str()), ..Told::default() };
    let service = match context.model_service() {
        Ok(service) => service,
        Err(error) => return Told { warning: Some(error.chain()), ..told },
    };
    // Whom it does not know it tells nothing.
    match service.who_am_i().await {
        Ok(who) => told.user = Some(format!("{} ({})", who.who, who.role)),
        Err(error) => return Told { warning: Some(context.explained(error.into()).with_hint()), ..told },
    }
    match service.system().await {
        Ok(system) => {
            told.limits =
                json!({ "instances_mib": system.process.instances_ceiling_bytes.map(|bytes| bytes >> 20), "stack_kib": null });
            told.store = shown(Ok(system.store), &mut told.warning);
            told.models = shown(Ok(system.models), &mut told.warning);
            told.server_version = Some(system.version);
        }
        Err(error) => told.warning = Some(CliError::from(error).chain()),
    }
    told
}

/// What was found out, or null: then the first reason is the warning.
fn shown(found: Result<impl Serialize, ServiceError>, warning: &mut Option<String>) -> Value {
    match found {
        Ok(view) => serde_json::to_value(view).unwrap_or(Value::Null),
        Err(error) => {
            warning.get_or_insert_with(|| CliError::from(error).chain());
            Value::Null
        }
    }
}

/// What is known of models, in a line.
pub(super) fn models_line(count: u64, default_alias: Option<&str>, default_model: Option<&str>, keys: &[&str]) -> String {
    let mut line = match count {
        0 => "no alias".to_owned(),
        1 => "1 alias".to_owned(),
        _ => format!("{count} aliases"),
    };
    if let Some(alias) = default_alias {
        line.push_str(&format!(", default {alias}"));
    }
    if let Some(model) = default_model {
        line.push_str(&format!(", KITARU_DEFAULT_MODEL is {model}"));
    }
    match keys {
        [] => line.push_str("; the environment has no provider's key"),
        keys => line.push_str(&format!("; keys in the environment: {}", keys.join(", "))),
    }
    line
}

fn text(snapshot: &Value) -> String {
    let at = |path: &str| snapshot.pointer(path).and_then(Value::as_str).unwrap_or("-").to_owned();
    let mut rows = vec![("Version", at("/sdk_version"))];
    if snapshot.get("connection").and_then(Value::as_str) == Some("server") {
        rows.push(("Server", at("/connection_target")));
        rows.push(("Named by", at("/connection_sources/server")));
        rows.push(("Its version", at("/server_version")));
        rows.push(("You are", at("/active_user")));
    } else {
        rows.push(("Data folder", at("/connection_target")));
        rows.push(("Found by", at("/connection_sources/data_folder")));
    }
    rows.push(("Project", at("/repository_root")));
    if let Some(mode) = snapshot.get("durability").and_then(Value::as_str) {
        rows.push(("Durability", format!("{mode} ({})", at("/connection_sources/durability"))));
    }
    if let Some(Value::Object(executions)) = snapshot.pointer("/store/executions") {
        let counts =
            executions.iter().filter(|(_, count)| **count != json!(0)).map(|(status, count)| format!("{count} {status}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        rows.push(("Executions", if counts.is_empty() { "none".into() } else { counts }));
    }
    if let Some(models @ Value::Object(_)) = snapshot.get("models") {
        let text = |key: &str| models.get(key).and_then(Value::as_str);
        let keys = models.get("provider_keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
        let count = models.get("alias_count").and_then(Value::as_u64).unwrap_or_default();
        rows.push(("Models", models_line(count, text("default_alias"), text("default_model"), &keys)));
    }
    if let Some(warning) = snapshot.get("warning").and_then(Value::as_str) {
        rows.push(("Warning", warning.to_owned()));
    }
    table::fields(&rows)
}
