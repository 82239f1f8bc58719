//! Published flows: listed, published, tagged, removed, and started by their names.
//!
//! What holds between the tags of a flow (an exclusive one is on one version, `default` on exactly one) the store keeps in the transaction that
//! changes them. Here is which version a request means, and what an execution of it begins with.

mod curl;
mod params;
mod select;
mod start;
mod verbs;
mod views;

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Listing, LocalService, ServiceError};
use crate::engine::{DeployOrder, DeploymentSpec, EngineError};
use crate::ids::{ComponentDigest, ExecutionId};
use crate::sandbox::Grants;
use crate::store::{DEFAULT_TAG, DeploymentRow, FlowTag, Store, StoreError};

pub use params::{DeployParams, DeploymentParams, FlowParams, InvokeParams, ListFlowsParams, RunParams, TagParams, UntagParams};
pub use start::{HostDefaults, LOCAL_CALLER, start_key};
pub use verbs::FlowVerbs;
pub use views::{CurlView, DeletedDeploymentView, DeletedFlowView, DeploymentView, FlowView, SelectorView};

/// A page has so many flows, if nothing else is said, and at most.
const PAGE: u64 = 20;
const LONGEST_PAGE: u64 = 1000;
/// So many runs after the first are more than anybody means.
const MOST_RETRIES: u32 = 1000;

#[async_trait]
impl FlowVerbs for LocalService {
    async fn flows(&self, params: &ListFlowsParams) -> Result<Listing<FlowView>, ServiceError> {
        let limit = params.limit.unwrap_or(PAGE);
        if !(1..=LONGEST_PAGE).contains(&limit) {
            return Err(ServiceError::usage(format!("`limit` must be from 1 to {LONGEST_PAGE}.")));
        }
        let mut flows: BTreeMap<String, Vec<DeploymentRow>> = BTreeMap::new();
        for row in self.store().deployments(params.flow.as_deref().map(str::trim)).await? {
            flows.entry(row.flow.clone()).or_default().push(row);
        }
        let (total, from) = (flows.len() as u64, params.cursor.unwrap_or(0));
        let page =
            flows.iter().skip(usize::try_from(from).unwrap_or(usize::MAX)).take(usize::try_from(limit).unwrap_or(usize::MAX));
        let items = page.map(|(flow, rows)| FlowView::of(flow, rows)).collect::<Result<Vec<_>, _>>()?;
        let next = from.saturating_add(items.len() as u64);
        Ok(Listing { items, total, next_cursor: (next < total).then_some(next) })
    }

    async fn flow(&self, params: &FlowParams) -> Result<FlowView, ServiceError> {
        let flow = select::flow_name(&params.flow)?;
        let rows = self.store().deployments(Some(flow)).await?;
        if rows.is_empty() {
            return Err(select::none(flow));
        }
        Ok(FlowView::of(flow, &rows)?)
    }

    async fn deployment(&self, params: &DeploymentParams) -> Result<DeploymentView, ServiceError> {
        Ok(DeploymentView::of(&self.selected(params).await?)?)
    }

    async fn deploy_all(&self, all: Vec<DeployParams>) -> Result<Vec<DeploymentView>, ServiceError> {
        let orders = all.into_iter().map(|params| self.order(params)).collect::<Result<Vec<_>, _>>()?;
        let rows = self.engine().deploy(orders).await.map_err(|error| match error {
            EngineError::Store(error) => component_error(error),
            error => error.into(),
        })?;
        Ok(rows.iter().map(DeploymentView::of).collect::<Result<_, _>>()?)
    }

    async fn tag_flow(&self, params: &TagParams) -> Result<FlowView, ServiceError> {
        let name = select::tag_name(&params.tag)?;
        select::check_kind(name, params.exclusive)?;
        let row = select::deployment(self.store().as_ref(), &params.flow, Some(params.version), None).await?;
        let tag = FlowTag { name: name.to_owned(), exclusive: params.exclusive };
        self.store().tag_deployment(&row.flow, row.version, tag).await?;
        self.flow(&FlowParams { flow: row.flow }).await
    }

    async fn untag_flow(&self, params: &UntagParams) -> Result<FlowView, ServiceError> {
        let tag = select::tag_name(&params.tag)?;
        if tag == DEFAULT_TAG {
            return Err(ServiceError::Usage {
                message: format!("The tag '{DEFAULT_TAG}' is reserved and cannot be removed."),
                hint: Some(format!("move it: kitaru-host flow tag {} {DEFAULT_TAG} --version …", params.flow.trim())),
            });
        }
        let (version, by_tag) = if params.version.is_some() { (params.version, None) } else { (None, Some(tag)) };
        let row = select::deployment(self.store().as_ref(), &params.flow, version, by_tag).await?;
        if !row.tags.contains_key(tag) {
            return Err(ServiceError::Lookup(format!("Version {} of flow '{}' has no tag '{tag}'.", row.version, row.flow)));
        }
        self.store().untag_deployment(&row.flow, row.version, tag).await?;
        self.flow(&FlowParams { flow: row.flow }).await
    }

    async fn delete_deployment(&self, params: &DeploymentParams) -> Result<DeletedDeploymentView, ServiceError> {
        if params.version.is_none() && params.tag.is_none() {
            return Err(ServiceError::Usage {
                message: "Name the version to delete.".into(),
                hint: Some(format!("see them: kitaru-host flow deployments list {}", params.flow.trim())),
            });
        }
        let DeploymentRow { flow, version, .. } = self.selected(params).await?;
        match self.store().delete_deployment(&flow, version).await {
            Err(StoreError::Conflict { message }) => Err(ServiceError::State {
                message,
                hint: Some(format!("move it first: kitaru-host flow tag {flow} <tag> --version …")),
            }),
            deleted => Ok(deleted.map(|()| DeletedDeploymentView { flow, version, deleted: true })?),
        }
    }

    async fn delete_flow(&self, params: &FlowParams) -> Result<DeletedFlowView, ServiceError> {
        let flow = select::flow_name(&params.flow)?;
        let versions = self.store().delete_flow(flow).await?;
        if versions.is_empty() {
            return Err(select::none(flow));
        }
        Ok(DeletedFlowView { flow: flow.to_owned(), versions, deleted: true })
    }

    async fn curl(&self, params: &DeploymentParams, server: Option<&str>) -> Result<CurlView, ServiceError> {
        let version = DeploymentView::of(&self.selected(params).await?)?;
        Ok(CurlView::of(params, &version, server))
    }

    async fn invoke(&self, params: &InvokeParams) -> Result<ExecutionId, ServiceError> {
        let start = self.start_key("flows.invoke", params.idempotency_key.as_deref(), params)?;
        self.start(start, self.invocation(params)).await
    }

    async fn run(&self, params: &RunParams) -> Result<ExecutionId, ServiceError> {
        let start = self.start_key("executions.run", params.idempotency_key.as_deref(), params)?;
        self.start(start, self.submission(params)).await
    }
}

impl LocalService {
    fn order(&self, params: DeployParams) -> Result<DeployOrder, ServiceError> {
        let DeployParams { flow, component, tags, exclusive, input, mut grants, limits, cache, retries } = params;
        let flow = select::flow_name(&flow)?.to_owned();
        check_retries(retries)?;
        let tags = if tags.is_empty() { vec![DEFAULT_TAG.to_owned()] } else { tags };
        let tag = |text: String| {
            let name = select::tag_name(&text)?.to_owned();
            // Of several tags, the others may be shared.
            let exclusive = exclusive.filter(|_| name != DEFAULT_TAG);
            Ok(FlowTag { name, exclusive })
        };
        if let [only] = tags.as_slice() {
            select::check_kind(only.trim(), exclusive)?;
        }
        let tags = tags.into_iter().map(tag).collect::<Result<Vec<_>, ServiceError>>()?;
        grants.make_absolute().map_err(EngineError::from)?;
        let mut spec = DeploymentSpec::new(grants, limits.over(self.host().limits));
        (spec.input, spec.cache, spec.retries) = (input, cache, retries);
        let component = parse_digest(&component)?;
        Ok(DeployOrder { component, flow: Some(flow), tags, spec, created_by: self.caller_name() })
    }

    async fn selected(&self, params: &DeploymentParams) -> Result<DeploymentRow, ServiceError> {
        select::deployment(self.store().as_ref(), &params.flow, params.version, params.tag.as_deref()).await
    }
}

/// What executions of a version are granted, and its component; for a host that gives away everything else before it drives one.
///
/// # Errors
/// When there is no such version, or not one alone.
pub async fn granted_to_deployment(
    store: &dyn Store,
    params: &DeploymentParams,
) -> Result<(ComponentDigest, Grants), ServiceError> {
    let row = select::deployment(store, &params.flow, params.version, params.tag.as_deref()).await?;
    Ok((row.component, DeploymentSpec::of(&row)?.grants))
}

/// The component that a SHA-256 names, with or without `sha256:` before it.
///
/// # Errors
/// When it is none.
pub fn parse_digest(text: &str) -> Result<ComponentDigest, ServiceError> {
    text.trim().trim_start_matches("sha256:").parse().map_err(|error| ServiceError::Usage {
        message: format!("'{}' is no component: {error}.", text.trim()),
        hint: Some("a component is named by its SHA-256, as `kitaru-host inspect` shows it".into()),
    })
}

/// A component that the store has not is for whoever asked to bring.
pub(in crate::service) fn component_error(error: StoreError) -> ServiceError {
    match error {
        StoreError::NotFound { what: "component", id } => ServiceError::NotFound {
            message: format!("Component '{id}' was not found."),
            hint: Some("bring it to the store first".into()),
        },
        error => error.into(),
    }
}

fn check_retries(retries: Option<u32>) -> Result<(), ServiceError> {
    if retries.is_some_and(|retries| retries > MOST_RETRIES) {
        return Err(ServiceError::usage(format!("Flow retries must be <= {MOST_RETRIES}.")));
    }
    Ok(())
}
