//! `executions replay`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Map, Value};

use super::super::run::{detach, locate, with_arguments};
use crate::cli::args::{GrantArgs, KeyValue, LimitArgs, parse_json, parse_object};
use crate::cli::context::Context;
use crate::cli::drive::go_on;
use crate::cli::error::CliError;
use crate::registry::Target;
use crate::service::{ReplayCommand as Order, Service as _};

/// Start a new execution that reuses another's journal before a checkpoint.
///
/// Calls before the anchor are served from the source, the anchor and all after it run. The source is never touched.
#[derive(Debug, Args)]
pub(crate) struct ReplayCommand {
    /// Execution ID or a unique beginning of it
    execution: String,
    /// The checkpoint from which to run: its name, invocation ID or call ID
    #[arg(long, visible_alias = "at", value_name = "CHECKPOINT")]
    from: Option<String>,
    /// Use this output instead of the recorded one; the checkpoint does not run. JSON, or text that is not JSON
    #[arg(long = "override", value_name = "checkpoint.NAME=JSON")]
    overrides: Vec<KeyValue>,
    /// The same as a JSON object
    #[arg(long = "overrides", value_name = "JSON")]
    overrides_json: Option<String>,
    /// Flow arguments to change, as a JSON object; others are kept
    #[arg(long, visible_alias = "input", value_name = "JSON")]
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
    /// Return at once; the flow runs in the background
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

impl ReplayCommand {
    pub(super) async fn run(self, context: &Context) -> Result<ExitCode, CliError> {
        let mut overrides: Vec<(String, Value)> = Vec::new();
        if let Some(text) = &self.overrides_json {
            overrides.extend(parse_object("--overrides", text)?);
        }
        for KeyValue { key, value } in &self.overrides {
            overrides.push((key.clone(), override_value(value)?));
        }
        let arguments = match &self.args {
            Some(text) => parse_object("--args", text)?,
            None => Map::new(),
        };
        let component = match &self.component {
            Some(path) => Some(Target::read(&locate(context, path)?.0)?),
            None => None,
        };
        let service = context.service()?;
        let source = service.resolve(&self.execution).await?;
        // What an argument's text means depends on the flow's schema, which a given component knows.
        let schema = match (&component, self.arguments.is_empty()) {
            (_, true) => Value::Null,
            (Some(bytes), _) => {
                let flow = service.get(source).await?.summary.flow_name;
                let view = service.inspect(bytes).await?;
                view.manifest.flow(&flow).map_or(Value::Null, |flow| flow.input.clone())
            }
            (None, _) => service.flow_schema(source).await?,
        };
        let order = Order {
            from: self.from,
            overrides,
            inputs: with_arguments(arguments, &self.arguments, &schema)?,
            ask_again: self.ask_again,
            component,
            grants: self.grants.grants()?,
            limits: self.limits.changes(),
        };
        let id = service.replay(source, order).await?;
        context.output.say(&format!("Execution {id} replays {source}"));
        if self.detach {
            detach(context, id)?;
            let view = service.get(id).await?;
            return context.output.item(&view, || id.to_string());
        }
        go_on(context, &service, id, true).await
    }
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
