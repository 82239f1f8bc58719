//! The verbs of published flows, for every surface.

use async_trait::async_trait;

use super::{
    CurlView, DeletedDeploymentView, DeletedFlowView, DeployParams, DeploymentParams, DeploymentView, FlowParams, FlowView,
    InvokeParams, ListFlowsParams, RunParams, TagParams, UntagParams,
};
use crate::ids::ExecutionId;
use crate::service::{Listing, ServiceError};

/// Flows that were published, and executions that are started by name.
///
/// # Errors
/// When there is no such flow or version, or not one alone; when what is asked cannot be used; when an idempotency key was used for another request.
#[async_trait]
pub trait FlowVerbs: Send + Sync {
    /// `flows.list`: published flows, by name.
    async fn flows(&self, params: &ListFlowsParams) -> Result<Listing<FlowView>, ServiceError>;
    /// `flows.show`: one of them, with its versions.
    async fn flow(&self, params: &FlowParams) -> Result<FlowView, ServiceError>;
    /// `flows.deployments.show`: one version of it.
    async fn deployment(&self, params: &DeploymentParams) -> Result<DeploymentView, ServiceError>;
    /// `flows.deploy`: publishes versions, all of them or none.
    async fn deploy_all(&self, all: Vec<DeployParams>) -> Result<Vec<DeploymentView>, ServiceError>;
    /// `flows.tag`: gives a version a tag.
    async fn tag_flow(&self, params: &TagParams) -> Result<FlowView, ServiceError>;
    /// `flows.untag`: takes a tag from a version; not the tag `default`.
    async fn untag_flow(&self, params: &UntagParams) -> Result<FlowView, ServiceError>;
    /// `flows.deployments.delete`: removes a version that holds no exclusive tag. Executions of it go on.
    async fn delete_deployment(&self, params: &DeploymentParams) -> Result<DeletedDeploymentView, ServiceError>;
    /// `flows.delete`: removes a flow with all of its versions and tags. Executions of them go on.
    async fn delete_flow(&self, params: &FlowParams) -> Result<DeletedFlowView, ServiceError>;
    /// `flows.curl`: how a version is started over HTTP, at the address `server`, or at the usual one.
    async fn curl(&self, params: &DeploymentParams, server: Option<&str>) -> Result<CurlView, ServiceError>;
    /// `flows.invoke`: creates an execution of a published version; with a key, once for each caller. It runs when somebody drives it.
    async fn invoke(&self, params: &InvokeParams) -> Result<ExecutionId, ServiceError>;
    /// `executions.run`: creates an execution of a component that is kept here, or of a published version, in the same way.
    async fn run(&self, params: &RunParams) -> Result<ExecutionId, ServiceError>;
}
