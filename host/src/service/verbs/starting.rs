//! Published flows, and executions that are started.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::listing::{Page, Plain};
use super::verb;
use crate::service::{
    CurlView, DeletedDeploymentView, DeletedFlowView, DeployParams, DeploymentParams, DeploymentView, ExecutionView, FlowParams,
    FlowView, InvokeParams, ListFlowsParams, RunParams, ServiceError, TagParams, UntagParams,
};

verb! {
    /// Starts a flow of a component that is kept here, or a published one; the host drives it at once.
    Run = "executions.run", Post "/executions", Author, Changes, Ok("kitaru_executions_run"), 201;
    |service, params: RunParams| -> ExecutionView { service.get(service.run(&params).await?).await }
}

verb! {
    /// Lists published flows.
    Flows = "flow.list", Get "/flows", Viewer, Reads, Ok("kitaru_deployments_list"), 200;
    |service, params: ListFlowsParams| -> Page<FlowView> { Ok(service.flows(&params).await?.into()) }
}

verb! {
    /// Shows a published flow with its versions and tags.
    Flow = "flow.show", Get "/flows/{flow}", Viewer, Reads, Ok("kitaru_flows_show"), 200;
    |service, params: FlowParams| -> FlowView { service.flow(&params).await }
}

verb! {
    /// Shows one version of a published flow.
    Deployment = "flow.deployments.show", Get "/flows/{flow}/deployment", Viewer, Reads, Ok("kitaru_deployments_get"), 200;
    |service, params: DeploymentParams| -> DeploymentView { service.deployment(&params).await }
}

verb! {
    /// Publishes a version of a flow.
    Deploy = "deploy", Post "/flows/{flow}/versions", Author, Changes, Ok("kitaru_deployments_deploy"), 201;
    |service, params: DeployParams| -> DeploymentView {
        let deployed = service.deploy_all(vec![params]).await?;
        deployed.into_iter().next().ok_or_else(|| ServiceError::state("Nothing was published."))
    }
}

/// Versions to publish together.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployManyParams {
    /// The versions, each of a flow of its own.
    pub versions: Vec<DeployParams>,
}

verb! {
    /// Publishes versions of several flows, all of them or none.
    DeployMany = "deploy-many", Post "/versions", Author, Changes, Err("one at a time: `kitaru_deployments_deploy`"), 201;
    |service, params: DeployManyParams| -> Plain<DeploymentView> { Ok(service.deploy_all(params.versions).await?.into()) }
}

verb! {
    /// Gives a version a tag.
    Tag = "flow.tag", Put "/flows/{flow}/tags/{tag}", Author, Changes, Ok("kitaru_deployments_tag"), 200;
    |service, params: TagParams| -> FlowView { service.tag_flow(&params).await }
}

verb! {
    /// Takes a tag from a version.
    Untag = "flow.untag", Delete "/flows/{flow}/tags/{tag}", Author, Destroys, Ok("kitaru_deployments_untag"), 200;
    |service, params: UntagParams| -> FlowView { service.untag_flow(&params).await }
}

verb! {
    /// Removes a version of a published flow.
    DeleteDeployment = "flow.deployments.delete", Delete "/flows/{flow}/deployment", Admin, Destroys,
    Ok("kitaru_deployments_delete"), 200;
    |service, params: DeploymentParams| -> DeletedDeploymentView { service.delete_deployment(&params).await }
}

verb! {
    /// Removes a published flow with all of its versions.
    DeleteFlow = "flow.delete", Delete "/flows/{flow}", Admin, Destroys, Ok("kitaru_flows_delete"), 200;
    |service, params: FlowParams| -> DeletedFlowView { service.delete_flow(&params).await }
}

verb! {
    /// Shows how a version is started over HTTP.
    Curl = "flow.deployments.curl", Get "/flows/{flow}/curl", Viewer, Reads, Err("an assistant has the tool itself"), 200;
    |service, params: DeploymentParams| -> CurlView { service.curl(&params, None).await }
}

verb! {
    /// Starts a published flow; the host drives it at once.
    Invoke = "invoke", Post "/flows/{flow}/executions", Author, Changes, Ok("kitaru_deployments_invoke"), 201;
    |service, params: InvokeParams| -> ExecutionView { service.get(service.invoke(&params).await?).await }
}
