//! `executions logs [--follow]`.

use std::process::ExitCode;

use clap::Args;
use owo_colors::OwoColorize as _;

use super::following::follow;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::terminal::one_line;
use crate::service::{LogEntry, LogQuery};
use crate::store::LogSource;

#[derive(Debug, Args)]
pub(crate) struct LogsCommand {
    /// Execution ID or a unique beginning of it
    execution: String,
    /// Only this checkpoint's lines
    #[arg(long, value_name = "NAME")]
    checkpoint: Option<String>,
    /// Only what checkpoints (step) or the flow body (runner) wrote
    #[arg(long, value_name = "step|runner")]
    source: Option<String>,
    /// The last so many lines
    #[arg(long)]
    limit: Option<u64>,
    /// Go on until the execution ends
    #[arg(short, long)]
    follow: bool,
    /// With --follow: what models say too, while they say it
    #[arg(long)]
    chunks: bool,
    /// Accepted for Kitaru's sake: lines come when they are written
    #[arg(long, value_name = "SECONDS")]
    interval: Option<f64>,
    /// Group the lines by checkpoint
    #[arg(long)]
    grouped: bool,
}

impl LogsCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let query = self.query(context)?;
        let service = context.service()?;
        let id = service.resolve(&self.execution).await?;
        let verbosity = context.global.verbose;
        if self.follow {
            // First, so that nothing is said that is not heard.
            let chunks = if self.chunks { Some(service.follow_chunks(id).await?) } else { None };
            return follow(context, id, service.follow(id, &query).await?, chunks).await;
        }
        let lines = service.logs(id, &query).await?;
        context.output.items(&lines, None, || {
            if lines.is_empty() {
                return format!("No log entries found for execution {id}.\nA flow writes them with cx.info(…) or println!.");
            }
            if self.grouped { grouped(&lines, verbosity) } else { plain(&lines, verbosity) }
        })
    }

    fn query(&self, context: &Context) -> Result<LogQuery, CliError> {
        let source = match self.source.as_deref().map(str::trim) {
            None => None,
            Some("step") => Some(LogSource::Step),
            Some("runner") => Some(LogSource::Runner),
            Some(other) => return Err(CliError::usage(format!("`--source` must be `step` or `runner`, not `{other}`."))),
        };
        if self.limit == Some(0) {
            return Err(CliError::usage("`--limit` must be >= 1."));
        }
        if self.interval.is_some_and(|seconds| !seconds.is_finite() || seconds <= 0.0) {
            return Err(CliError::usage("`--interval` must be > 0."));
        }
        if self.grouped && context.output.is_json() {
            return Err(CliError::usage("`--grouped` cannot be combined with `--output json`."));
        }
        if self.grouped && self.follow {
            return Err(CliError::usage("`--grouped` cannot be combined with `--follow`."));
        }
        if self.chunks && !self.follow {
            return Err(CliError::usage("`--chunks` is for `--follow`: what was said is in `executions model-calls`."));
        }
        if self.chunks && (self.checkpoint.is_some() || source.is_some()) {
            return Err(CliError::usage("`--chunks` cannot be combined with `--checkpoint` or `--source`."));
        }
        if self.checkpoint.as_deref().is_some_and(|name| name.trim().is_empty()) {
            return Err(CliError::usage("`--checkpoint` must be a non-empty name."));
        }
        if self.checkpoint.is_some() && source == Some(LogSource::Runner) {
            return Err(CliError::usage("`--checkpoint` cannot be combined with `--source runner`."));
        }
        Ok(LogQuery { checkpoint: self.checkpoint.clone(), source, limit: self.limit, after: None })
    }
}

pub(super) fn line(entry: &LogEntry, verbosity: u8, with_checkpoint: bool) -> String {
    let mut text = String::new();
    if verbosity >= 1 {
        text.push_str(&format!("{} {:5} ", entry.timestamp, entry.level));
    }
    if verbosity >= 2 {
        text.push_str(&format!("[{}] ", entry.module));
    }
    if let (Some(checkpoint), true) = (&entry.checkpoint_name, with_checkpoint) {
        text.push_str(&format!("[{}] ", one_line(checkpoint)));
    }
    text.push_str(&one_line(&entry.message));
    text
}

fn plain(lines: &[LogEntry], verbosity: u8) -> String {
    lines.iter().map(|entry| line(entry, verbosity, true)).collect::<Vec<_>>().join("\n")
}

fn grouped(lines: &[LogEntry], verbosity: u8) -> String {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    for entry in lines {
        let name = entry.checkpoint_name.clone().unwrap_or_else(|| "flow".into());
        let text = format!("  {}", line(entry, verbosity, false));
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, texts)) => texts.push(text),
            None => groups.push((name, vec![text])),
        }
    }
    groups
        .into_iter()
        .map(|(name, texts)| format!("{}\n{}", one_line(&name).bold(), texts.join("\n")))
        .collect::<Vec<_>>()
        .join("\n")
}
