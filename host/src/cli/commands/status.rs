//! `status`: where the data is, and what it holds.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

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

/// What `status` and `info` tell. A store that cannot be opened is a warning: these commands are how people find out.
pub(super) async fn snapshot(context: &Context) -> Result<Value, CliError> {
    let home = context.home()?;
    let marker = (home.source == HomeSource::Project).then_some(&home.folder);
    // Where it cannot be told, the warning says why.
    let durability = context.durability().ok();
    let (mut held, mut models, mut limits, mut warning) = (Value::Null, Value::Null, Value::Null, None);
    match context.model_service() {
        Ok(service) => {
            held = told(service.store_summary().await, &mut warning);
            models = told(service.models_summary().await, &mut warning);
            limits = json!({
                "instances_mib": service.measures().memory.ceiling.map(|bytes| bytes >> 20),
                "stack_kib": context.stack()?.kib(),
            });
        }
        Err(error) => warning = Some(error.chain()),
    }
    Ok(json!({
        "sdk_version": env!("CARGO_PKG_VERSION"),
        "connection": "local",
        "connection_target": home.folder,
        "connection_sources": {
            "data_folder": home.source.as_str(),
            "durability": durability.map(|durability| durability.source.as_str()),
        },
        "durability": durability.map(|durability| durability.mode.as_str()),
        "config_directory": home.folder,
        "server_url": null,
        "active_stack": "local",
        "repository_root": marker.as_ref().and_then(|marker| marker.parent()),
        "uses_repo_local_config": marker.is_some(),
        "store": held,
        "models": models,
        "limits": limits,
        "warning": warning,
    }))
}

/// What was found out, or null: then the first reason is the warning.
fn told(found: Result<impl Serialize, ServiceError>, warning: &mut Option<String>) -> Value {
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
    let mut rows = vec![
        ("Version", at("/sdk_version")),
        ("Data folder", at("/connection_target")),
        ("Found by", at("/connection_sources/data_folder")),
        ("Project", at("/repository_root")),
    ];
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
