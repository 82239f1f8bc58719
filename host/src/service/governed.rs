//! What governed the model calls of an execution: the policies and middleware of each, in their order, as they were recorded with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{LocalService, ServiceError};
use crate::ids::{CallId, ExecutionId};

/// What governed one model call.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct GovernedCallView {
    /// The durable call: the model call itself, or the checkpoint around it.
    pub call_id: String,
    /// Its attempt.
    pub attempt: u32,
    /// Position among what the attempt asked models.
    pub ordinal: u32,
    /// The model call's name.
    pub name: String,
    /// When it ended.
    pub at: String,
    /// Names and versions by surface, and the SHA-256 of all of it; null where the call was cut off before that was recorded.
    pub policies: Value,
}

impl GovernedCallView {
    /// The names of what governed it, in the order of the surfaces, each once.
    pub fn names(&self) -> Vec<&str> {
        const SURFACES: [&str; 5] =
            ["guardrails", "request_intercepts", "execution_intercepts", "request_sanitizers", "response_sanitizers"];
        let entries = SURFACES.iter().filter_map(|surface| self.policies.get(*surface)).filter_map(Value::as_array).flatten();
        let mut names: Vec<&str> = Vec::new();
        for name in entries.filter_map(|entry| entry.get("name").and_then(Value::as_str)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The SHA-256 of what governed it.
    pub fn digest(&self) -> Option<&str> {
        self.policies.get("sha256").and_then(Value::as_str)
    }
}

/// What governed the model calls of an execution, by call, attempt and position. Calls that were served ran here under nothing, and are not there.
///
/// # Errors
/// When there is no such execution, or the store cannot be read.
pub(super) async fn of(service: &LocalService, id: ExecutionId) -> Result<Vec<GovernedCallView>, ServiceError> {
    let rows = service.store().model_calls(id).await?;
    let view = |row: crate::store::ModelCallRow| GovernedCallView {
        call_id: CallId { execution: id, index: row.call }.to_string(),
        attempt: row.attempt,
        ordinal: row.ordinal,
        name: row.name,
        at: row.at.to_rfc3339(),
        policies: serde_json::from_str(&row.policies).unwrap_or_default(),
    };
    Ok(rows.into_iter().map(view).collect())
}
