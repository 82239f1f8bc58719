//! The verbs of published flows, for every surface.

use async_trait::async_trait;

use super::{
    CurlView, DeletedDeploymentView, DeletedFlowView, DeployParams, DeploymentParams, DeploymentView, FlowParams, FlowView,
    InvokeParams, ListFlowsParams, RunParams, TagParams, UntagParams,
};
use crate::ids::ExecutionId;
use crate::service::{Listing, LocalService, ServiceError};

/// Flows that were published, and executions that are started by name.
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
    /// `flows.untag`: takes a tag from a version.
    async fn untag_flow(&self, params: &UntagParams) -> Result<FlowView, ServiceError>;
    /// `flows.deployments.delete`: removes a version.
    async fn delete_deployment(&self, params: &DeploymentParams) -> Result<DeletedDeploymentView, ServiceError>;
    /// `flows.delete`: removes a flow with all of its versions.
    async fn delete_flow(&self, params: &FlowParams) -> Result<DeletedFlowView, ServiceError>;
    /// `flows.curl`: how a version is started over HTTP, at the address `server`.
    async fn curl(&self, params: &DeploymentParams, server: Option<&str>) -> Result<CurlView, ServiceError>;
    /// `flows.invoke`: creates an execution of a published version; with a key, once.
    async fn invoke(&self, params: &InvokeParams) -> Result<ExecutionId, ServiceError>;
    /// `executions.run`: creates an execution of a component that is kept here, or of a published version; with a key, once.
    async fn run(&self, params: &RunParams) -> Result<ExecutionId, ServiceError>;
}

#[async_trait]
impl FlowVerbs for LocalService {
    async fn flows(&self, params: &ListFlowsParams) -> Result<Listing<FlowView>, ServiceError> {
        LocalService::flows(self, params).await
    }

    async fn flow(&self, params: &FlowParams) -> Result<FlowView, ServiceError> {
        LocalService::flow(self, params).await
    }

    async fn deployment(&self, params: &DeploymentParams) -> Result<DeploymentView, ServiceError> {
        LocalService::deployment(self, params).await
    }

    async fn deploy_all(&self, all: Vec<DeployParams>) -> Result<Vec<DeploymentView>, ServiceError> {
        LocalService::deploy_all(self, all, &self.caller_name()).await
    }

    async fn tag_flow(&self, params: &TagParams) -> Result<FlowView, ServiceError> {
        LocalService::tag_flow(self, params).await
    }

    async fn untag_flow(&self, params: &UntagParams) -> Result<FlowView, ServiceError> {
        LocalService::untag_flow(self, params).await
    }

    async fn delete_deployment(&self, params: &DeploymentParams) -> Result<DeletedDeploymentView, ServiceError> {
        LocalService::delete_deployment(self, params).await
    }

    async fn delete_flow(&self, params: &FlowParams) -> Result<DeletedFlowView, ServiceError> {
        LocalService::delete_flow(self, params).await
    }

    async fn curl(&self, params: &DeploymentParams, server: Option<&str>) -> Result<CurlView, ServiceError> {
        LocalService::curl(self, params, server).await
    }

    async fn invoke(&self, params: &InvokeParams) -> Result<ExecutionId, ServiceError> {
        LocalService::invoke(self, params, &self.caller_name()).await
    }

    async fn run(&self, params: &RunParams) -> Result<ExecutionId, ServiceError> {
        LocalService::run(self, params, &self.caller_name()).await
    }
}
