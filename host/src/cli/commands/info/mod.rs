//! `info`: everything that a bug report needs.

mod file;
mod packages;
mod yaml;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use kitaru_llm::models::Provider;
use serde_json::{Map, Value, json};

use crate::cli::context::{Context, current_folder, environment};
use crate::cli::error::CliError;
use crate::cli::table;
use crate::config::{ChosenLogStore, LogStore, find_project_file, masked, user_file};
use crate::registry::Toolchain;
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
            self.add(context, map)?;
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
    fn add(&self, context: &Context, map: &mut Map<String, Value>) -> Result<(), CliError> {
        let folder = context.home()?.folder;
        let size = |name: &str| folder_size(&folder.join(name));
        let mut say = |key: &str, value: Value| map.insert(key.to_owned(), value);
        say("kitaru_global_config_path", json!(user_file(environment)));
        say(
            "repository_config_path",
            json!(current_folder().ok().and_then(|here| find_project_file(&here.canonicalize().ok()?))),
        );
        say("local_stores_path", json!(folder));
        let (status, warning) = log_store(context.log_store());
        say("log_store_status", json!(status));
        say("log_store_warning", json!(warning));
        say("environment_type", json!(environment_type()));
        say(
            "system_info",
            json!({
                "os": std::env::consts::OS,
                "arch": std::env::consts::ARCH,
                "cores": std::thread::available_parallelism().map_or(0, usize::from),
            }),
        );
        say("wit_package", json!("kitaru:flow@0.1.0"));
        say("wasm_toolchain", json!(Toolchain::find().map(|found| format!("{:?}", found.route)).ok()));
        say("environment", json!(masked(variables(), &provider_keys())));
        let database: u64 = ["kitaru.db", "kitaru.db-wal"].into_iter().map(size).sum();
        say(
            "disk_bytes",
            json!({
                "database": database,
                "blobs": size("blobs"),
                "components": size("components"),
                "compiled_code": size("cache"),
            }),
        );
        let wants_packages = self.all || !self.packages.is_empty();
        say("packages", if wants_packages { packages::packages(&self.packages).into() } else { Value::Null });
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

fn log_store(chosen: Result<ChosenLogStore, CliError>) -> (String, Option<String>) {
    match chosen {
        Ok(ChosenLogStore { store, source }) => {
            let shows_key = matches!(&store, LogStore::Otlp(collector) if collector.shows_key());
            let warning = shows_key.then(|| "the log store's key is sent without TLS".to_owned());
            (format!("{} ({})", store.backend(), source.as_str()), warning)
        }
        Err(error) => ("unknown".into(), Some(error.chain())),
    }
}

/// All variables whose names and values are text.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
}

fn provider_keys() -> Vec<&'static str> {
    Provider::all().iter().flat_map(|provider| provider.keys.iter().copied()).collect()
}

/// What kind of place this is, as far as a place says that of itself.
fn environment_type() -> &'static str {
    let is_set = |name: &str| environment(name).is_some();
    if is_set("CI") {
        "ci"
    } else if is_set("KUBERNETES_SERVICE_HOST") {
        "kubernetes"
    } else if ["/.dockerenv", "/run/.containerenv"].iter().any(|file| Path::new(file).exists()) {
        "container"
    } else {
        "native"
    }
}

fn folder_size(path: &Path) -> u64 {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    std::fs::read_dir(path).map_or(0, |files| files.flatten().map(|file| folder_size(&file.path())).sum())
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
