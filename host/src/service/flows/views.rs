//! Published flows and their versions, in the JSON shapes that Kitaru's clients know.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::engine::{DeploymentSpec, EngineError};
use crate::sandbox::{Grants, Limits};
use crate::store::{DEFAULT_TAG, DeploymentRow};

/// A published version of a flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeploymentView {
    /// Its ID.
    pub deployment_id: String,
    /// The flow.
    pub flow: String,
    /// Its number.
    pub version: u64,
    /// Its tags, and whether each of them is exclusive.
    pub tags: BTreeMap<String, bool>,
    /// SHA-256 of its component.
    pub component_digest: String,
    /// When it was published.
    pub created_at: String,
    /// Who published it.
    pub created_by: String,
    /// JSON Schema of the flow's input.
    pub schema: Value,
    /// Arguments that hold where an execution is started without them.
    pub input: Map<String, Value>,
    /// What its checkpoints may touch.
    pub grants: Grants,
    /// What its instances may use.
    pub limits: Limits,
    /// Whether checkpoints are served from the cache, whatever they say themselves.
    pub cache: Option<bool>,
    /// How often the flow is tried again after it failed, whatever it says itself.
    pub retries: Option<u32>,
    /// Always `local`: the embedded store.
    pub stack: String,
}

impl DeploymentView {
    pub(super) fn of(row: &DeploymentRow) -> Result<Self, EngineError> {
        let DeploymentSpec { input, grants, limits, cache, retries, .. } = DeploymentSpec::of(row)?;
        Ok(Self {
            deployment_id: row.id.to_string(),
            flow: row.flow.clone(),
            version: row.version,
            tags: row.tags.clone(),
            component_digest: row.component.to_string(),
            created_at: row.created_at.to_rfc3339(),
            created_by: row.created_by.clone(),
            schema: serde_json::from_str(&row.schema).unwrap_or_default(),
            input,
            grants,
            limits,
            cache,
            retries,
            stack: "local".into(),
        })
    }
}

/// A published flow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlowView {
    /// Its name.
    pub flow: String,
    /// How many versions it has.
    pub deployment_count: u64,
    /// The highest number of a version.
    pub latest_version: Option<u64>,
    /// The version that is meant where none is named.
    pub default_version: Option<u64>,
    /// Its tags, each with the versions that have it.
    pub tags: BTreeMap<String, Vec<u64>>,
    /// Its versions, the latest first.
    pub deployments: Vec<DeploymentView>,
}

impl FlowView {
    /// One flow, of all of its versions, the latest first.
    pub(super) fn of(flow: &str, rows: &[DeploymentRow]) -> Result<Self, EngineError> {
        let mut tags: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        for row in rows.iter().rev() {
            for tag in row.tags.keys() {
                tags.entry(tag.clone()).or_default().push(row.version);
            }
        }
        Ok(Self {
            flow: flow.to_owned(),
            deployment_count: rows.len() as u64,
            latest_version: rows.first().map(|row| row.version),
            default_version: tags.get(DEFAULT_TAG).and_then(|versions| versions.last()).copied(),
            tags,
            deployments: rows.iter().map(DeploymentView::of).collect::<Result<_, _>>()?,
        })
    }
}

/// A version that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeletedDeploymentView {
    /// The flow.
    pub flow: String,
    /// Its number.
    pub version: u64,
    /// Always true.
    pub deleted: bool,
}

/// A flow that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeletedFlowView {
    /// The flow.
    pub flow: String,
    /// The versions that it had, the latest first.
    pub versions: Vec<u64>,
    /// Always true.
    pub deleted: bool,
}

/// What was asked for when a version was chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SelectorView {
    /// The number.
    pub version: Option<u64>,
    /// The tag.
    pub tag: Option<String>,
}

/// How to start a version over HTTP.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurlView {
    /// The flow.
    pub flow: String,
    /// What was asked for.
    pub selector: SelectorView,
    /// The version that this is now.
    pub resolved_deployment_version: u64,
    /// Its ID.
    pub deployment_id: String,
    /// The server.
    pub server_url: String,
    /// Where to send the request.
    pub invoke_url: String,
    /// The environment variable that the command takes the credential from.
    pub token_env_var: String,
    /// What sets it.
    pub token_command: String,
    /// What to send.
    pub request_body: Value,
    /// The command.
    pub curl_command: String,
    /// What to know before it is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warning_lines: Vec<String>,
    /// The same in one text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}
