//! Artifacts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::listing::Plain;
use super::verb;
use crate::service::{ArtifactQuery, ArtifactRef, ArtifactValueView};

/// Which artifacts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArtifactsParams {
    /// The execution's ID, or a unique beginning of it.
    #[serde(alias = "exec_id")]
    pub execution: String,
    /// Only of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Only of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only of the checkpoint with this name, invocation ID or call ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub producing_call: Option<String>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub limit: Option<u64>,
}

verb! {
    /// Lists the artifacts of an execution.
    Artifacts = "artifacts.list", Get "/executions/{execution}/artifacts", Viewer, Reads, Ok("kitaru_artifacts_list"), 200;
    |service, params: ArtifactsParams| -> Plain<ArtifactRef> {
        let id = service.resolve(&params.execution).await?;
        let limit = params.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let query = ArtifactQuery { name: params.name, kind: params.kind, producing_call: params.producing_call, limit };
        Ok(service.artifacts(id, &query).await?.into())
    }
}

/// An artifact.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArtifactParams {
    /// Its ID.
    #[serde(alias = "artifact_id")]
    pub artifact: String,
}

verb! {
    /// Shows one artifact with its value.
    Artifact = "artifacts.get", Get "/artifacts/{artifact}", Viewer, Reads, Ok("kitaru_artifacts_get"), 200;
    |service, params: ArtifactParams| -> ArtifactValueView { service.artifact(&params.artifact).await }
}
