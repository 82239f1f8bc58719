//! Published flows: numbered versions that never change, and the tags that point at them.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::ids::{ComponentDigest, DeploymentId};
use crate::store::StoreError;

/// The tag of the version that is meant where none is named. Every published flow has it, on one version.
pub const DEFAULT_TAG: &str = "default";

/// A tag that a version is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowTag {
    /// Its name.
    pub name: String,
    /// Whether one version of the flow has it at a time. None: as it is now in this flow; a tag that the flow has not yet is shared.
    /// [`DEFAULT_TAG`] is exclusive whatever this says.
    pub exclusive: Option<bool>,
}

/// A version of a flow about to be published.
#[derive(Clone, Debug)]
pub struct NewDeployment {
    /// Its identifier.
    pub id: DeploymentId,
    /// The flow's name.
    pub flow: String,
    /// Which component; its bytes are in the store already.
    pub component: ComponentDigest,
    /// JSON Schema of the flow's input, as JSON.
    pub schema: String,
    /// What executions of it begin with (inputs, grants, limits), as JSON.
    pub spec: String,
    /// Who publishes it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Its tags, beside [`DEFAULT_TAG`], which it gets if no version of the flow has it.
    pub tags: Vec<FlowTag>,
}

/// A published version of a flow. Only its tags change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentRow {
    /// Its identifier.
    pub id: DeploymentId,
    /// The flow's name.
    pub flow: String,
    /// Its number among the flow's versions, from 1 on. No number is given twice, also not after its version was deleted.
    pub version: u64,
    /// Its component.
    pub component: ComponentDigest,
    /// JSON Schema of the flow's input, as JSON.
    pub schema: String,
    /// What executions of it begin with, as JSON.
    pub spec: String,
    /// Who published it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// Its tags, and whether each of them is exclusive.
    pub tags: BTreeMap<String, bool>,
}

/// Published flows. The components of all versions are needed: a sweep leaves them alone.
#[async_trait]
pub trait Flows {
    /// Publishes versions, durably: all of them or none. Each gets the number after the latest that its flow ever had.
    async fn publish(&self, new: Vec<NewDeployment>) -> Result<Vec<DeploymentRow>, StoreError>;
    /// All versions, or those of one flow: by the flow's name, the latest first.
    async fn deployments(&self, flow: Option<&str>) -> Result<Vec<DeploymentRow>, StoreError>;
    /// One version of a flow.
    async fn deployment(&self, flow: &str, version: u64) -> Result<Option<DeploymentRow>, StoreError>;
    /// The versions of a flow that have a tag, the latest first.
    async fn tagged(&self, flow: &str, tag: &str) -> Result<Vec<DeploymentRow>, StoreError>;
    /// Gives a version a tag, durably. An exclusive one leaves the version that had it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn tag_deployment(&self, flow: &str, version: u64, tag: FlowTag) -> Result<(), StoreError>;
    /// Takes a tag from a version, durably.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the version is not there, or has no such tag; [`StoreError::Conflict`] for [`DEFAULT_TAG`], which only moves.
    async fn untag_deployment(&self, flow: &str, version: u64, tag: &str) -> Result<(), StoreError>;
    /// Removes a version with its shared tags, durably. Executions of it stay as they are.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when it holds an exclusive tag.
    async fn delete_deployment(&self, flow: &str, version: u64) -> Result<(), StoreError>;
    /// Removes all versions of a flow with all tags, durably. Their numbers, the latest first.
    async fn delete_flow(&self, flow: &str) -> Result<Vec<u64>, StoreError>;
}
