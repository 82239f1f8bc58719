//! The configuration that an execution keeps for life.

use serde::{Deserialize, Serialize};

use super::EngineError;
use crate::ids::ExecutionId;
use crate::sandbox::{FlowOptions, Grants, Limits};
use crate::store::NewExecution;

/// Frozen when the execution is created; recovery and retry use it whatever is configured by then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrozenSpec {
    /// Version of this form.
    pub version: u32,
    /// The host that made it.
    pub host_version: String,
    /// What its checkpoints may touch.
    pub grants: Grants,
    /// What its instances may use.
    pub limits: Limits,
    /// Whether checkpoints are served from the cache, whatever they say themselves (E14).
    #[serde(default)]
    pub cache: Option<bool>,
    /// How often the flow is tried again, whatever it says itself.
    #[serde(default)]
    pub retries: Option<u32>,
    /// What the flow said itself when the execution was created; for people.
    #[serde(default)]
    pub flow_defaults: FlowOptions,
}

impl FrozenSpec {
    /// The spec of a new execution.
    pub fn new(grants: Grants, limits: Limits) -> Self {
        let host_version = env!("CARGO_PKG_VERSION").to_owned();
        Self { version: 1, host_version, grants, limits, cache: None, retries: None, flow_defaults: FlowOptions::default() }
    }

    /// That of an execution.
    pub(super) fn of(execution: &NewExecution) -> Result<Self, EngineError> {
        serde_json::from_str(&execution.frozen_spec).map_err(|source| unreadable(execution.id, source))
    }

    /// As it is stored for `execution`.
    pub(super) fn to_text(&self, execution: ExecutionId) -> Result<String, EngineError> {
        serde_json::to_string(self).map_err(|source| unreadable(execution, source))
    }
}

fn unreadable(execution: ExecutionId, source: serde_json::Error) -> EngineError {
    EngineError::StoredJson { what: "configuration", execution, source }
}
