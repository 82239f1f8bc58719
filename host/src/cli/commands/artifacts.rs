//! `artifacts list | get`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::table::table;
use crate::cli::terminal;
use crate::service::ArtifactQuery;

/// Look at artifacts.
#[derive(Debug, Subcommand)]
pub(crate) enum ArtifactsCommand {
    /// List the artifacts of an execution
    List(ListCommand),
    /// Print one artifact's value
    Get(GetCommand),
}

#[derive(Debug, Args)]
pub(crate) struct ListCommand {
    /// Execution ID or a unique beginning of it
    execution: String,
    /// Only of this name
    #[arg(long)]
    name: Option<String>,
    /// Only of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Only of this checkpoint: its name, invocation ID or call ID
    #[arg(long, value_name = "CHECKPOINT")]
    producing_call: Option<String>,
    /// At most so many
    #[arg(long)]
    limit: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct GetCommand {
    /// Artifact ID, as `artifacts list` prints it
    artifact: String,
    /// Write the value to this file
    #[arg(long, value_name = "FILE")]
    to: Option<std::path::PathBuf>,
}

impl ArtifactsCommand {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::List(_) => "artifacts.list",
            Self::Get(_) => "artifacts.get",
        }
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let service = context.service()?;
        match self {
            Self::List(ListCommand { execution, name, kind, producing_call, limit }) => {
                let id = service.resolve(&execution).await?;
                let items = service.artifacts(id, &ArtifactQuery { name, kind, producing_call, limit }).await?;
                let rows = || {
                    let row = |item: &crate::service::ArtifactRef| {
                        let kind = item.kind.clone().unwrap_or_else(|| "-".into());
                        let size = item.metadata.get("size_bytes").map(Value::to_string).unwrap_or_default();
                        vec![
                            item.artifact_id.clone(),
                            item.name.clone(),
                            kind,
                            item.save_type.to_string(),
                            item.producing_call.clone(),
                            size,
                        ]
                    };
                    table(&["ID", "NAME", "KIND", "SAVED", "CHECKPOINT", "BYTES"], &items.iter().map(row).collect::<Vec<_>>())
                };
                context.output.items(&items, None, rows)
            }
            Self::Get(GetCommand { artifact, to }) => {
                let view = service.artifact(&artifact).await?;
                if let Some(path) = to {
                    std::fs::write(&path, &view.bytes)
                        .map_err(|error| CliError::new(format!("cannot write `{}`: {error}", path.display())))?;
                    context.output.say(&format!("Wrote {} bytes to {}", view.bytes.len(), path.display()));
                    return context.output.item(&view, String::new);
                }
                context.output.item(&view, || match &view.value {
                    Value::String(text) if view.value_format == "json" => terminal::lines(text),
                    value if view.value_format == "json" => {
                        terminal::lines(&serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()))
                    }
                    _ => format!(
                        "{} bytes of {}; write them out with --to FILE",
                        view.bytes.len(),
                        terminal::one_line(&view.value_type)
                    ),
                })
            }
        }
    }
}
