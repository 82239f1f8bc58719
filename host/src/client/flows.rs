//! Verbs of published flows, and starts.

use async_trait::async_trait;

use super::RemoteService;
use crate::ids::ExecutionId;
use crate::service::verbs::{
    DeleteDeployment, DeleteFlow, Deploy, DeployMany, DeployManyParams, Deployment, Flow, Flows, Invoke, Run, Tag, Untag,
};
use crate::service::{
    CurlView, DeletedDeploymentView, DeletedFlowView, DeployParams, DeploymentParams, DeploymentView, FlowParams, FlowVerbs,
    FlowView, InvokeParams, ListFlowsParams, Listing, RunParams, ServiceError, TagParams, UntagParams,
};

#[async_trait]
impl FlowVerbs for RemoteService {
    async fn flows(&self, params: &ListFlowsParams) -> Result<Listing<FlowView>, ServiceError> {
        let page = self.call::<Flows>(params.clone()).await?;
        Ok(Listing { items: page.items, total: page.total, next_cursor: page.next_cursor })
    }

    async fn flow(&self, params: &FlowParams) -> Result<FlowView, ServiceError> {
        self.call::<Flow>(params.clone()).await
    }

    async fn deployment(&self, params: &DeploymentParams) -> Result<DeploymentView, ServiceError> {
        self.call::<Deployment>(params.clone()).await
    }

    async fn deploy_all(&self, mut all: Vec<DeployParams>) -> Result<Vec<DeploymentView>, ServiceError> {
        match (all.pop(), all.is_empty()) {
            (None, _) => Ok(Vec::new()),
            (Some(only), true) => Ok(vec![self.call::<Deploy>(only).await?]),
            (Some(last), false) => {
                all.push(last);
                Ok(self.call::<DeployMany>(DeployManyParams { versions: all }).await?.items)
            }
        }
    }

    async fn tag_flow(&self, params: &TagParams) -> Result<FlowView, ServiceError> {
        self.call::<Tag>(params.clone()).await
    }

    async fn untag_flow(&self, params: &UntagParams) -> Result<FlowView, ServiceError> {
        self.call::<Untag>(params.clone()).await
    }

    async fn delete_deployment(&self, params: &DeploymentParams) -> Result<DeletedDeploymentView, ServiceError> {
        self.call::<DeleteDeployment>(params.clone()).await
    }

    async fn delete_flow(&self, params: &FlowParams) -> Result<DeletedFlowView, ServiceError> {
        self.call::<DeleteFlow>(params.clone()).await
    }

    async fn curl(&self, params: &DeploymentParams, server: Option<&str>) -> Result<CurlView, ServiceError> {
        // By the address that works from here.
        let version = self.deployment(params).await?;
        Ok(CurlView::of(params, &version, Some(server.unwrap_or(self.address()))))
    }

    async fn invoke(&self, params: &InvokeParams) -> Result<ExecutionId, ServiceError> {
        let view = self.call::<Invoke>(params.clone()).await?;
        self.started(&view.summary.exec_id)
    }

    async fn run(&self, params: &RunParams) -> Result<ExecutionId, ServiceError> {
        let view = self.call::<Run>(params.clone()).await?;
        self.started(&view.summary.exec_id)
    }
}
