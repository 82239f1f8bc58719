//! `executions export`: to one file for another store, or as events for other programs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use kitaru_llm::event::{Event, atof};
use serde_json::json;

use super::upkeep::executions;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::signals::Asked;
use crate::ids::ExecutionId;
use crate::service::Service;

/// In which form executions are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// One file with all that they need, for `import`
    #[default]
    Archive,
    /// Events, one line each (ATOF 0.1)
    Atof,
    /// Trajectories, one line for each execution (ATIF 1.6)
    Atif,
}

impl ExportFormat {
    fn as_str(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Atof => "atof",
            Self::Atif => "atif",
        }
    }
}

/// Write executions, with all that they need, to one file; or as events, to a file or to standard output
///
/// Events leave out what went into the flow and its calls and came out of them, unless --content is given. Payloads of model calls are those
/// that were recorded with the calls, which were sanitised then.
#[derive(Debug, Args)]
pub(crate) struct ExportCommand {
    /// Execution IDs or unique beginnings of them
    #[arg(required = true)]
    executions: Vec<String>,
    /// The form: an archive for `import`, or events
    #[arg(long, value_enum, default_value_t)]
    format: ExportFormat,
    /// The file. Events go to standard output without it
    #[arg(long, alias = "output-file", value_name = "FILE")]
    to: Option<PathBuf>,
    /// Show inputs, outputs and messages of failures in events, as they are
    #[arg(long)]
    content: bool,
    /// Go on until the execution ends: for one execution, as atof
    #[arg(short, long, conflicts_with = "to")]
    follow: bool,
}

impl ExportCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let is_archive = self.format == ExportFormat::Archive;
        if is_archive && (self.content || self.follow) {
            return Err(CliError::usage("`--content` and `--follow` are for events: give `--format atof`"));
        }
        if self.follow && (self.format != ExportFormat::Atof || self.executions.len() != 1) {
            return Err(CliError::usage("`--follow` is for one execution, with `--format atof`"));
        }
        if is_archive && self.to.is_none() {
            return Err(CliError::usage("name the file: `--to FILE`").hint("events need none: `--format atof`"));
        }
        let service = context.service()?;
        let ids = service.resolve_all(&self.executions).await?;
        if self.follow {
            return self.follow(service.as_ref(), &ids).await;
        }
        let Some(to) = &self.to else {
            let lines = self.lines(service.as_ref(), &ids).await?;
            return written(std::io::stdout().lock().write_all(lines.as_bytes()));
        };
        let failed = |error: std::io::Error| CliError::new(format!("cannot write `{}`: {error}", to.display()));
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        // Made beside and renamed, so that a failure leaves nothing half written.
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let exported = if is_archive {
            service.export(&ids, &mut std::io::BufWriter::new(&mut file)).await?
        } else {
            file.write_all(self.lines(service.as_ref(), &ids).await?.as_bytes()).map_err(failed)?;
            ids
        };
        file.as_file().sync_all().map_err(failed)?;
        let size = file.as_file().metadata().map_err(failed)?.len();
        file.persist(to).map_err(|error| failed(error.error))?;
        let exported: Vec<String> = exported.iter().map(ToString::to_string).collect();
        context.output.say(&format!("Wrote {} to {}", executions(exported.len()), to.display()));
        let item = json!({ "file": to, "format": self.format.as_str(), "size_bytes": size, "executions": exported });
        context.output.item(&item, || exported.join("\n"))
    }

    /// The executions one after the other, each in the order of time.
    async fn lines(&self, service: &dyn Service, ids: &[ExecutionId]) -> Result<String, CliError> {
        let mut lines = String::new();
        for id in ids {
            if self.format == ExportFormat::Atif {
                let trajectory = service.trajectory(*id, self.content).await?;
                let line = serde_json::to_string(&trajectory);
                lines.push_str(&line.map_err(|error| CliError::new(format!("execution {id} has no trajectory: {error}")))?);
                lines.push('\n');
            } else {
                push(&mut lines, &service.events(*id, self.content).await?);
            }
        }
        Ok(lines)
    }

    async fn follow(&self, service: &dyn Service, ids: &[ExecutionId]) -> Result<ExitCode, CliError> {
        let Some(id) = ids.first() else { return Ok(ExitCode::FAILURE) };
        let mut follow = service.follow_events(*id, self.content).await?;
        let mut asked = Asked::listen();
        loop {
            let events = tokio::select! {
                events = follow.next() => events?,
                () = asked.ends() => return Ok(ExitCode::FAILURE),
            };
            let Some(events) = events else { return Ok(ExitCode::SUCCESS) };
            let mut lines = String::new();
            push(&mut lines, &events);
            let mut out = std::io::stdout().lock();
            if let Err(error) = out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
                return written(Err(error));
            }
        }
    }
}

fn push(lines: &mut String, events: &[Event]) {
    for event in events {
        lines.push_str(&atof::to_line(event));
        lines.push('\n');
    }
}

/// A reader that has gone away is no failure.
fn written(result: std::io::Result<()>) -> Result<ExitCode, CliError> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::new(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
