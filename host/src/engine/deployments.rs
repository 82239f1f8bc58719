//! Flows that are published: checked once, kept with all that their executions begin with, and never changed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::submit::pick_flow;
use super::{Engine, EngineError, check_schema};
use crate::ids::ComponentDigest;
use crate::sandbox::{FlowInfo, Grants, Limits};
use crate::store::{DeploymentRow, FlowTag, NewDeployment, StoreError};

/// What executions of a published version begin with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeploymentSpec {
    /// Version of this form.
    pub version: u32,
    /// The host that published it.
    pub host_version: String,
    /// Arguments that hold where an execution is started without them.
    pub input: Map<String, Value>,
    /// What its checkpoints may touch.
    pub grants: Grants,
    /// What its instances may use.
    pub limits: Limits,
    /// Whether checkpoints are served from the cache, whatever they say themselves.
    #[serde(default)]
    pub cache: Option<bool>,
    /// How often the flow is tried again, whatever it says itself.
    #[serde(default)]
    pub retries: Option<u32>,
}

impl DeploymentSpec {
    /// What executions begin with that nothing else was said for.
    pub fn new(grants: Grants, limits: Limits) -> Self {
        let host_version = env!("CARGO_PKG_VERSION").to_owned();
        Self { version: 1, host_version, input: Map::new(), grants, limits, cache: None, retries: None }
    }

    /// That of a published version.
    ///
    /// # Errors
    /// When what is stored cannot be read.
    pub fn of(deployment: &DeploymentRow) -> Result<Self, EngineError> {
        serde_json::from_str(&deployment.spec).map_err(|source| {
            let what = format!("version {} of the flow `{}`", deployment.version, deployment.flow);
            StoreError::Damaged { what, source: Some(Box::new(source)) }.into()
        })
    }
}

/// A version to publish.
#[derive(Clone, Debug)]
pub struct DeployOrder {
    /// Its component, which the store has.
    pub component: ComponentDigest,
    /// The flow; may be left out where the component has one.
    pub flow: Option<String>,
    /// Its tags.
    pub tags: Vec<FlowTag>,
    /// What its executions begin with.
    pub spec: DeploymentSpec,
    /// Who publishes it.
    pub created_by: String,
}

impl Engine {
    /// Publishes versions of flows: all of them or none.
    ///
    /// # Errors
    /// When the store has no such component or it cannot run here, it has no such flow, or its defaults or grants cannot be used.
    pub async fn deploy(&self, orders: Vec<DeployOrder>) -> Result<Vec<DeploymentRow>, EngineError> {
        let mut new = Vec::with_capacity(orders.len());
        for order in orders {
            new.push(self.new_deployment(order).await?);
        }
        Ok(self.store.publish(new).await?)
    }

    async fn new_deployment(&self, order: DeployOrder) -> Result<NewDeployment, EngineError> {
        let DeployOrder { component, flow, tags, spec, created_by } = order;
        let program = self.stored_program(component).await?;
        let flow = pick_flow(program.manifest(), flow.as_deref())?;
        check_defaults(flow, &spec.input)?;
        self.check_grants(&spec.grants)?;
        // From here on a sweep leaves it alone until the row is there.
        if !self.store.keep_component(component).await? {
            return Err(StoreError::not_found("component", component).into());
        }
        Ok(NewDeployment {
            id: self.ids.deployment(),
            flow: flow.name.clone(),
            component,
            schema: flow.input.to_string(),
            spec: serde_json::to_string(&spec).map_err(|error| StoreError::Backend(Box::new(error)))?,
            created_by,
            created_at: self.clock.now(),
            tags,
        })
    }
}

/// Checks arguments that others will be added to: each must fit, and none need be there.
fn check_defaults(flow: &FlowInfo, defaults: &Map<String, Value>) -> Result<(), EngineError> {
    let mut schema = flow.input.clone();
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("required");
    }
    check_schema(&schema, &Value::Object(defaults.clone()))
        .map_err(|problem| EngineError::Input { flow: flow.name.clone(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn flow() -> FlowInfo {
        let input = json!({
            "type": "object", "additionalProperties": false, "required": ["topic", "count"],
            "properties": { "topic": { "type": "string" }, "count": { "type": "integer" } },
        });
        serde_json::from_value(json!({ "name": "write", "input": input })).unwrap()
    }

    #[test]
    fn defaults_may_be_few_and_must_fit() {
        let check = |defaults: Value| check_defaults(&flow(), defaults.as_object().unwrap());
        check(json!({})).unwrap();
        check(json!({ "count": 3 })).unwrap();
        for (wrong, part) in [(json!({ "count": "three" }), "/count"), (json!({ "words": 3 }), "words")] {
            let error = check(wrong).unwrap_err().to_string();
            assert!(error.contains("`write`") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn what_is_kept_reads_back() {
        let mut spec = DeploymentSpec::new(Grants { env: vec!["LANG".into()], ..Grants::default() }, Limits::default());
        spec.input.insert("count".into(), json!(3));
        (spec.cache, spec.retries) = (Some(false), Some(2));
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<DeploymentSpec>(&text).unwrap(), spec);
    }
}
