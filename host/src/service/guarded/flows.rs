//! Verbs of published flows. A caller whose scope has not a flow is told that there is none.

use async_trait::async_trait;

use super::GuardedService;
use crate::access::Role;
use crate::ids::ExecutionId;
use crate::service::{
    CurlView, DeletedDeploymentView, DeletedFlowView, DeployParams, DeploymentParams, DeploymentView, FlowParams, FlowVerbs,
    FlowView, InvokeParams, ListFlowsParams, Listing, RunParams, ServiceError, TagParams, UntagParams,
};

impl GuardedService {
    fn need_flow(&self, role: Role, flow: &str) -> Result<(), ServiceError> {
        self.need(role)?;
        if self.caller.scope.covers(flow.trim()) {
            return Ok(());
        }
        Err(ServiceError::Lookup(format!("No deployments found for flow '{}'.", flow.trim().escape_debug())))
    }
}

#[async_trait]
impl FlowVerbs for GuardedService {
    async fn flows(&self, params: &ListFlowsParams) -> Result<Listing<FlowView>, ServiceError> {
        self.need(Role::Viewer)?;
        if self.caller.scope.is_all() {
            return self.inner.flows(params).await;
        }
        // Pages of what the caller may see: those of all flows would tell how many others there are.
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let some = ListFlowsParams { flow: params.flow.clone(), cursor, limit: Some(1_000) };
            let page = self.inner.flows(&some).await?;
            seen.extend(page.items.into_iter().filter(|flow| self.caller.scope.covers(&flow.flow)));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        let (total, from, limit) = (seen.len() as u64, params.cursor.unwrap_or(0), params.limit.unwrap_or(20));
        let page = seen.into_iter().skip(usize::try_from(from).unwrap_or(usize::MAX));
        let items: Vec<FlowView> = page.take(usize::try_from(limit).unwrap_or(usize::MAX)).collect();
        let next = from.saturating_add(items.len() as u64);
        Ok(Listing { items, total, next_cursor: (next < total).then_some(next) })
    }

    async fn flow(&self, params: &FlowParams) -> Result<FlowView, ServiceError> {
        self.need_flow(Role::Viewer, &params.flow)?;
        self.inner.flow(params).await
    }

    async fn deployment(&self, params: &DeploymentParams) -> Result<DeploymentView, ServiceError> {
        self.need_flow(Role::Viewer, &params.flow)?;
        self.inner.deployment(params).await
    }

    async fn deploy_all(&self, all: Vec<DeployParams>) -> Result<Vec<DeploymentView>, ServiceError> {
        for params in &all {
            self.need_flow(Role::Author, &params.flow)?;
            self.need_to_grant(&params.grants, &params.limits)?;
        }
        self.inner.deploy_all(all).await
    }

    async fn tag_flow(&self, params: &TagParams) -> Result<FlowView, ServiceError> {
        self.need_flow(Role::Author, &params.flow)?;
        self.inner.tag_flow(params).await
    }

    async fn untag_flow(&self, params: &UntagParams) -> Result<FlowView, ServiceError> {
        self.need_flow(Role::Author, &params.flow)?;
        self.inner.untag_flow(params).await
    }

    async fn delete_deployment(&self, params: &DeploymentParams) -> Result<DeletedDeploymentView, ServiceError> {
        self.need_flow(Role::Admin, &params.flow)?;
        self.inner.delete_deployment(params).await
    }

    async fn delete_flow(&self, params: &FlowParams) -> Result<DeletedFlowView, ServiceError> {
        self.need_flow(Role::Admin, &params.flow)?;
        self.inner.delete_flow(params).await
    }

    async fn curl(&self, params: &DeploymentParams, server: Option<&str>) -> Result<CurlView, ServiceError> {
        self.need_flow(Role::Viewer, &params.flow)?;
        self.inner.curl(params, server).await
    }

    async fn invoke(&self, params: &InvokeParams) -> Result<ExecutionId, ServiceError> {
        self.need_flow(Role::Author, &params.flow)?;
        self.need_to_grant(&params.grants, &params.limits)?;
        self.inner.invoke(params).await
    }

    async fn run(&self, params: &RunParams) -> Result<ExecutionId, ServiceError> {
        self.need(Role::Author)?;
        self.need_to_grant(&params.grants, &params.limits)?;
        if params.allow_needs {
            self.need_all(Role::Admin)?;
        }
        let mut params = params.clone();
        if !self.caller.scope.is_all() {
            params.flow = Some(self.flow_to_start(&params).await?);
        }
        self.inner.run(&params).await
    }
}
