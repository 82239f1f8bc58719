//! `info`: everything that a bug report needs.

mod file;
mod yaml;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use kitaru_llm::models::Provider;
use serde_json::{Map, Value, json};

use crate::cli::connection::Connection;
use crate::cli::context::{Context, current_folder, environment};
use crate::cli::error::CliError;
use crate::cli::facts::facts;
use crate::cli::table;
use crate::config::{ChosenLogStore, find_project_file, masked, user_file};
use crate::registry::Toolchain;
use crate::service::{InfoParams, InfoView};
use file::Form;

#[derive(Debug, Args)]
pub(crate) struct InfoCommand {
    /// Everything: crates that this program was built with, and every setting with where it came from
    #[arg(short, long)]
    all: bool,
    /// Versions of these crates that this program was built with
    #[arg(short, long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
    packages: Vec<String>,
    /// Write it to this file, as its name says: .json, .yaml or .toml
    #[arg(short, long, value_name = "PATH")]
    file: Option<PathBuf>,
}

impl InfoCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        // Before anything is looked up that takes time.
        let form = self.file.as_deref().map(Form::of).transpose()?;
        let mut snapshot = super::status::snapshot(context).await?;
        if let Some(map) = snapshot.as_object_mut() {
            self.add(context, map).await?;
        }
        let Some((path, form)) = self.file.as_deref().zip(form) else {
            return context.output.item(&snapshot, || text(&snapshot));
        };
        form.write(path, &snapshot)?;
        context.output.say(&format!("Written to {}", path.display()));
        let item = json!({ "file": path, "format": form.as_str() });
        context.output.item(&item, || path.display().to_string())
    }

    /// What `status` does not have. What cannot be found out is a warning.
    async fn add(&self, context: &Context, map: &mut Map<String, Value>) -> Result<(), CliError> {
        let params = InfoParams { all: self.all, packages: self.packages.clone() };
        let facts = facts(context)?;
        let log_store_warning = facts.warning.clone();
        let view = match context.connection() {
            // What cannot be asked for is the warning that `status` has found already, or is not for everybody to know.
            Ok(Connection::Server { .. }) => match context.model_service() {
                Ok(service) => service.info(&params).await.ok(),
                Err(_) => None,
            },
            // `status` has looked at the store already, and says why it cannot be opened.
            _ => Some(InfoView::without_store(&facts, &params).await),
        };
        merge(map, serde_json::to_value(view).unwrap_or_default());
        let mut say = |key: &str, value: Value| map.insert(key.to_owned(), value);
        say("kitaru_global_config_path", json!(user_file(environment)));
        say(
            "repository_config_path",
            json!(current_folder().ok().and_then(|here| find_project_file(&here.canonicalize().ok()?))),
        );
        say("local_stores_path", json!(facts.folder));
        say("log_store_status", json!(log_store(context.log_store())));
        say("log_store_warning", json!(log_store_warning));
        say("wasm_toolchain", json!(Toolchain::find().map(|found| format!("{:?}", found.route)).ok()));
        say("environment", json!(masked(variables(), &provider_keys())));
        if self.all {
            let (settings, problem) = match super::config::shown(context) {
                Ok(settings) => (json!(settings), None),
                Err(error) => (Value::Null, Some(error.chain())),
            };
            map.insert("settings".into(), settings);
            // The first thing that went wrong is the warning.
            if let (Some(problem), true) = (problem, map.get("warning").is_none_or(Value::is_null)) {
                map.insert("warning".into(), problem.into());
            }
        }
        Ok(())
    }
}

/// Adds what is not there yet, or there and nothing.
fn merge(map: &mut Map<String, Value>, more: Value) {
    let Value::Object(more) = more else { return };
    for (key, value) in more {
        match map.get_mut(&key) {
            Some(Value::Object(known)) => merge(known, value),
            Some(Value::Null) | None => {
                map.insert(key, value);
            }
            Some(_) => {}
        }
    }
}

fn log_store(chosen: Result<ChosenLogStore, CliError>) -> String {
    chosen.map_or_else(|_| "unknown".into(), |chosen| format!("{} ({})", chosen.store.backend(), chosen.source.as_str()))
}

/// All variables whose names and values are text.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
}

fn provider_keys() -> Vec<&'static str> {
    Provider::all().iter().flat_map(|provider| provider.keys.iter().copied()).collect()
}

fn text(snapshot: &Value) -> String {
    let mut rows = Vec::new();
    flatten(&mut rows, String::new(), snapshot);
    let rows: Vec<(&str, String)> = rows.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    table::fields(&rows)
}

fn flatten(rows: &mut Vec<(String, String)>, name: String, value: &Value) {
    let below = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(rows, below(key), value)),
        // Pairs of a name and a value are read as such.
        Value::Array(items) if items.iter().any(|item| item.get("value").is_some()) => {
            for item in items {
                let key = ["name", "key"].into_iter().find_map(|key| item.get(key)).and_then(Value::as_str);
                flatten(rows, below(key.unwrap_or_default()), item.get("value").unwrap_or(&Value::Null));
            }
        }
        Value::Null => {}
        Value::String(text) => rows.push((name, text.clone())),
        other => rows.push((name, other.to_string())),
    }
}
