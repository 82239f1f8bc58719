//! What `clean` would delete on this machine, for the assistant of whoever sits at it. Nothing here can delete.

use std::sync::Arc;

use rmcp::model::{CallToolResult, Tool, ToolAnnotations};
use serde_json::{Map, Value, json};

use super::visitor::Visitor;
use super::{results, schemas};
use crate::service::ServiceError;
use crate::service::clean::{CleanPreviewer, CleanScope};

/// The tool's name.
pub(super) const NAME: &str = "kitaru_clean_preview";
const SCOPE: &str = "scope";

/// The tool, for whoever works on folders of this machine.
pub(super) fn tool(visitor: &Visitor) -> Option<Tool> {
    visitor.cleaning.as_ref()?;
    let scopes = [CleanScope::Project, CleanScope::Global, CleanScope::All].map(|scope| scope.as_str());
    let scope = json!({
        "type": "string",
        "enum": scopes,
        "default": CleanScope::Project.as_str(),
        "description": "Whose data folders: the project's, the user's, or both.",
    });
    let input = json!({ "type": "object", "properties": { SCOPE: scope }, "additionalProperties": false });
    let about = "Shows what `kitaru-host clean` would delete, with sizes. Deletes nothing: a person does that, at a terminal.";
    let annotations = ToolAnnotations::new().read_only(true).destructive(false).idempotent(true).open_world(false);
    let tool = Tool::new(NAME, about, schemas::plain(input)).with_title("Clean: preview").with_annotations(annotations);
    Some(tool.with_raw_output_schema(schemas::plain(CleanPreviewer::schema().into()).into()))
}

/// Shows it.
pub(super) async fn call(previewer: Arc<CleanPreviewer>, given: Map<String, Value>) -> CallToolResult {
    match preview(previewer, given).await {
        Ok(view) => results::value(view, None),
        Err(error) => results::refused(&error),
    }
}

async fn preview(previewer: Arc<CleanPreviewer>, mut given: Map<String, Value>) -> Result<Value, ServiceError> {
    let scope = match given.shift_remove(SCOPE) {
        None | Some(Value::Null) => CleanScope::Project,
        Some(word) => word
            .as_str()
            .and_then(CleanScope::parse)
            .ok_or_else(|| ServiceError::usage(format!("`{SCOPE}` must be `project`, `global` or `all`, and {word} is not")))?,
    };
    if let Some(other) = given.keys().next() {
        return Err(ServiceError::usage(format!("unknown field `{other}`, expected `{SCOPE}`")));
    }
    // It walks through folders.
    let looked = tokio::task::spawn_blocking(move || previewer.preview(scope)).await;
    let view = looked.map_err(|error| ServiceError::state(format!("the look was cut short: {error}")))??;
    serde_json::to_value(view).map_err(|error| ServiceError::state(error.to_string()))
}
