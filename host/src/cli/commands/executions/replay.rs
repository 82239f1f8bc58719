//! `executions replay`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::super::run::locate;
use crate::cli::args::{GrantArgs, HostLimitArgs, KeyValue, LimitArgs, parse_json, parse_object};
use crate::cli::component::admitted;
use crate::cli::context::{Chosen, Context, current_folder};
use crate::cli::drive::go_on;
use crate::cli::error::CliError;
use crate::cli::isolate::Guests;
use crate::cli::starting::{leave, with_arguments};
use crate::cli::table::table;
use crate::cli::terminal::one_line;
use crate::service::{Done, ReplayCommand as Order, ReplaySubmission};

/// Start a new execution that reuses another's journal before a checkpoint.
///
/// Calls before the anchor are served from the source, the anchor and all after it run. The source is never touched. Several executions, or
/// a file of IDs, make a batch, whose submission is reported.
#[derive(Debug, Args)]
pub(crate) struct ReplayCommand {
    /// Execution ID or a unique beginning of it; several make a batch
    #[arg(required_unless_present = "ids_file")]
    executions: Vec<String>,
    /// A file with a JSON list of execution IDs, or an object with `exec_ids`
    #[arg(long, value_name = "FILE", conflicts_with = "executions")]
    ids_file: Option<PathBuf>,
    /// The checkpoint from which to run: its name, invocation ID or call ID
    #[arg(long, visible_alias = "at", value_name = "CHECKPOINT")]
    from: Option<String>,
    /// Use this output instead of the recorded one; the checkpoint does not run. JSON, or text that is not JSON
    #[arg(long = "override", value_name = "checkpoint.NAME=JSON")]
    overrides: Vec<KeyValue>,
    /// The same as a JSON object
    #[arg(long = "overrides", value_name = "JSON")]
    overrides_json: Option<String>,
    /// By checkpoint name, {"input": …}, {"model": …} (model calls only) or {"output": …} for all of its calls
    #[arg(long, value_name = "JSON")]
    checkpoint_overrides: Option<String>,
    /// By invocation ID or call ID, the same for one call; wins against the checkpoint's
    #[arg(long, value_name = "JSON")]
    invocation_overrides: Option<String>,
    /// Serve this call after the anchor all the same
    #[arg(long, value_name = "CHECKPOINT")]
    skip: Vec<String>,
    /// `unchanged`: serve calls after the anchor too, where name, invocation ID and input are the same as in the source
    #[arg(long, value_name = "WHAT")]
    reuse: Option<Reuse>,
    /// Flow arguments to change, as a JSON object; others are kept
    #[arg(long, visible_aliases = ["input", "flow-overrides"], value_name = "JSON")]
    args: Option<String>,
    /// One flow argument to change
    #[arg(long = "arg", value_name = "KEY=VALUE")]
    arguments: Vec<KeyValue>,
    /// Ask waits before the anchor again
    #[arg(long)]
    ask_again: bool,
    /// Another version of the component
    #[arg(long, value_name = "FILE | FOLDER")]
    component: Option<PathBuf>,
    /// A label of the new executions
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Return at once; the flow runs in the background
    #[arg(long, conflicts_with = "wait")]
    detach: bool,
    /// Of a batch: drive the replays here, and report how they ended
    #[arg(long)]
    wait: bool,
    /// Of a batch: what happens when one execution cannot be replayed
    #[arg(long, value_name = "fail | collect")]
    on_error: Option<OnError>,
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

/// What `--reuse` reuses.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reuse {
    Unchanged,
}

/// What `--on-error` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum OnError {
    Fail,
    Collect,
}

impl ReplayCommand {
    pub(super) fn guests(&self) -> Result<Guests, CliError> {
        let executions = match &self.ids_file {
            Some(file) => read_ids(file)?,
            None => self.executions.clone(),
        };
        let is_batch = executions.len() != 1 || self.ids_file.is_some() || self.on_error.is_some();
        Ok(Guests {
            target: self.component.clone(),
            files: self.ids_file.iter().cloned().collect(),
            grants: self.grants.grants()?,
            detaches: self.detach || (is_batch && !self.wait),
            executions,
            ..Guests::default()
        })
    }

    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let executions = match &self.ids_file {
            Some(file) => read_ids(file)?,
            None => self.executions.clone(),
        };
        let chosen = context.chosen_for_models(HostLimitArgs::default())?;
        let (service, order) = (chosen.service(), self.order(context, &chosen, executions.first()).await?);
        match executions.as_slice() {
            [one] if self.ids_file.is_none() && self.on_error.is_none() => {
                let source = service.resolve(one).await?;
                let id = service.replay(source, order).await?;
                context.output.say(&format!("Execution {id} replays {source}"));
                if self.detach {
                    leave(context, &chosen, &[id], HostLimitArgs::default())?;
                    let view = service.get(id).await?;
                    return context.output.item(&view, || id.to_string());
                }
                go_on(context, service, id, true).await
            }
            [] => Err(CliError::usage("there is no execution to replay: the list of IDs is empty")),
            several => self.batch(context, &chosen, several, order).await,
        }
    }

    async fn order(&self, context: &Context, chosen: &Chosen, first: Option<&String>) -> Result<Order, CliError> {
        let service = chosen.service();
        if self.grants.all_needs() && matches!(chosen, Chosen::Server(_)) {
            return Err(CliError::usage(
                "`--allow-needs` names folders of this machine, and a replay on a server can have none of them",
            )
            .hint("grant what it needs, each by itself: --allow-…"));
        }
        let mut overrides: Vec<(String, Value)> = Vec::new();
        if let Some(text) = &self.overrides_json {
            overrides.extend(parse_object("--overrides", text)?);
        }
        for KeyValue { key, value } in &self.overrides {
            overrides.push((key.clone(), override_value(value)?));
        }
        let object = |flag: &str, text: &Option<String>| match text {
            Some(text) => parse_object(flag, text),
            None => Ok(Map::new()),
        };
        let (component, folder) = match &self.component {
            Some(path) => {
                let (file, folder) = locate(context, path)?;
                (Some(admitted(context, chosen, &file).await?), folder)
            }
            None => (None, current_folder()?),
        };
        // What an argument's text means depends on the flow's schema, which a given component knows.
        let schema = match (&component, first.filter(|_| !self.arguments.is_empty())) {
            (_, None) => Value::Null,
            (Some(bytes), Some(first)) => {
                let source = service.resolve(first).await?;
                let flow = service.get(source).await?.summary.flow_name;
                let view = service.inspect(bytes).await?;
                view.manifest.flow(&flow).map_or(Value::Null, |flow| flow.input.clone())
            }
            (None, Some(first)) => service.flow_schema(service.resolve(first).await?).await?,
        };
        Ok(Order {
            from: self.from.clone(),
            overrides,
            checkpoint_overrides: object("--checkpoint-overrides", &self.checkpoint_overrides)?,
            invocation_overrides: object("--invocation-overrides", &self.invocation_overrides)?,
            skip: self.skip.clone(),
            reuse_unchanged: self.reuse.is_some(),
            inputs: with_arguments(object("--args", &self.args)?, &self.arguments, &schema)?,
            ask_again: self.ask_again,
            component,
            tags: self.tags.clone(),
            grants: self.grants.grants_for(chosen)?,
            needs_in: self.grants.all_needs().then_some(folder),
            limits: self.limits.changes(),
        })
    }

    /// Several sources: by default every one that can be replayed is, in the background.
    async fn batch(&self, context: &Context, chosen: &Chosen, sources: &[String], order: Order) -> Result<ExitCode, CliError> {
        let service = chosen.service();
        let collect = self.on_error != Some(OnError::Fail);
        let mut submission = match service.replay_batch(sources, order, collect).await {
            Ok(submission) => submission,
            Err(error) => {
                let (done, error) = error.parted();
                if let Some(Done::Replays(mut submission)) = done {
                    // Those that were begun go on like others.
                    let gone_on = self.go_on(context, chosen, &mut submission).await;
                    show(context, &submission)?;
                    gone_on?;
                }
                return Err(error.into());
            }
        };
        let gone_on = self.go_on(context, chosen, &mut submission).await;
        // They are there, whatever becomes of them.
        let code = show(context, &submission)?;
        gone_on.map(|()| if submission.failures.is_empty() { code } else { ExitCode::FAILURE })
    }

    /// Sees to it that the replays of a batch are driven: here, or by a process in the background.
    async fn go_on(&self, context: &Context, chosen: &Chosen, submission: &mut ReplaySubmission) -> Result<(), CliError> {
        let ids = submission.replays();
        if self.wait {
            chosen.service().drive_batch(submission).await.map_err(CliError::from)
        } else if ids.is_empty() {
            Ok(())
        } else {
            leave(context, chosen, &ids, HostLimitArgs::default())
        }
    }
}

/// Tells what became of each source.
fn show(context: &Context, submission: &ReplaySubmission) -> Result<ExitCode, CliError> {
    context.output.item(submission, || {
        let mut rows: Vec<Vec<String>> = Vec::new();
        for result in &submission.results {
            rows.push(vec![result.original_exec_id.clone(), result.replay_exec_id.clone(), result.status.to_string()]);
        }
        for left in submission.failures.iter().chain(&submission.skipped) {
            rows.push(vec![left.original_exec_ref.clone(), String::new(), one_line(&left.reason)]);
        }
        table(&["SOURCE", "REPLAY", "STATUS"], &rows)
    })
}

/// IDs from a file: a JSON list, or an object with `exec_ids`.
fn read_ids(file: &std::path::Path) -> Result<Vec<String>, CliError> {
    let text =
        std::fs::read_to_string(file).map_err(|error| CliError::usage(format!("cannot read `{}`: {error}", file.display())))?;
    let mut value = parse_json("--ids-file", &text)?;
    if let Some(ids) = value.get_mut("exec_ids") {
        value = ids.take();
    }
    serde_json::from_value(value)
        .map_err(|_| CliError::usage("`--ids-file` must hold a JSON list of execution IDs, or an object with `exec_ids`."))
}

/// Text that is not JSON stands for itself, unless it looks like JSON that went wrong.
fn override_value(text: &str) -> Result<Value, CliError> {
    if serde_json::from_str::<Value>(text).is_err() && !text.trim_start().starts_with(['{', '[', '"']) {
        return Ok(Value::String(text.to_owned()));
    }
    parse_json("--override", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn override_values() {
        assert_eq!(override_value("edited notes").unwrap(), json!("edited notes"));
        assert_eq!(override_value("\"quoted\"").unwrap(), json!("quoted"));
        assert_eq!(override_value("[1]").unwrap(), json!([1]));
        assert!(override_value("{broken").is_err());
    }
}
