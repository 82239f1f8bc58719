//! `info`: everything that a bug report needs.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table;
use crate::registry::Toolchain;

#[derive(Debug, Args)]
pub(crate) struct InfoCommand {}

impl InfoCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let mut snapshot = super::status::snapshot(context).await?;
        let folder = context.home()?.folder;
        let size = |name: &str| folder_size(&folder.join(name));
        if let Some(map) = snapshot.as_object_mut() {
            map.insert(
                "system_info".into(),
                json!({
                    "os": std::env::consts::OS,
                    "arch": std::env::consts::ARCH,
                    "cores": std::thread::available_parallelism().map_or(0, usize::from),
                }),
            );
            map.insert("wit_package".into(), json!("kitaru:flow@0.1.0"));
            map.insert("wasm_toolchain".into(), json!(Toolchain::find().map(|found| format!("{:?}", found.route)).ok()));
            map.insert("environment".into(), json!(environment()));
            let database: u64 = ["kitaru.db", "kitaru.db-wal"].into_iter().map(size).sum();
            map.insert(
                "disk_bytes".into(),
                json!({
                    "database": database,
                    "blobs": size("blobs"),
                    "components": size("components"),
                    "compiled_code": size("cache"),
                }),
            );
        }
        context.output.item(&snapshot, || text(&snapshot))
    }
}

/// Names of the variables that change what this program does. Their values may be anybody's business, or not.
fn environment() -> Vec<String> {
    let mut names: Vec<String> = std::env::vars_os()
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with("KITARU_") || name == "NO_COLOR")
        .collect();
    names.sort();
    names
}

fn folder_size(path: &std::path::Path) -> u64 {
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
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                flatten(rows, if name.is_empty() { key.clone() } else { format!("{name}.{key}") }, value);
            }
        }
        Value::Null => {}
        Value::String(text) => rows.push((name, text.clone())),
        other => rows.push((name, other.to_string())),
    }
}
