//! What verbs about published flows are asked with: one flat object each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::sandbox::{Grants, LimitChanges};

/// A page of the published flows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListFlowsParams {
    /// Only the flow of this name, if there is one.
    pub flow: Option<String>,
    /// Go on after the page that had this as its `next_cursor`.
    pub cursor: Option<u64>,
    /// How many to give at most, 1 to 1000; 20 if absent.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u64>,
}

/// A published flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowParams {
    /// Its name.
    pub flow: String,
}

/// One version of a published flow: by its number, or by a tag, or, with neither, the one with the tag `default`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeploymentParams {
    /// The flow.
    pub flow: String,
    /// The version's number.
    pub version: Option<u64>,
    /// A tag that one version has.
    pub tag: Option<String>,
}

/// A version to publish.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployParams {
    /// The flow, one of the component's.
    pub flow: String,
    /// SHA-256 of the component, which the store has.
    pub component: String,
    /// Tags of the version; `default` if absent. The first version of a flow has that in any case.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether no other version of the flow keeps the tags. If absent, they are what they are in this flow, and new ones are shared. `default` is
    /// always exclusive.
    pub exclusive: Option<bool>,
    /// Arguments that hold where an execution is started without them.
    #[serde(default)]
    pub input: Map<String, Value>,
    /// What checkpoints may touch, and which models may be called.
    #[serde(default)]
    pub grants: Grants,
    /// Limits other than the host's.
    #[serde(default)]
    pub limits: LimitChanges,
    /// Whether checkpoints are served from the cache, whatever they say themselves.
    pub cache: Option<bool>,
    /// How often the flow is tried again after it failed, whatever it says itself.
    pub retries: Option<u32>,
}

/// A tag that a version is to get.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TagParams {
    /// The flow.
    pub flow: String,
    /// The tag.
    pub tag: String,
    /// The version's number.
    pub version: u64,
    /// Whether no other version of the flow keeps it. If absent, it is what it is in this flow, and a new one is shared. `default` is always exclusive.
    pub exclusive: Option<bool>,
}

/// A tag that a version is to lose.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UntagParams {
    /// The flow.
    pub flow: String,
    /// The tag.
    pub tag: String,
    /// The version's number; may be left out where one version has the tag.
    pub version: Option<u64>,
}

/// An execution of a published version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InvokeParams {
    /// The flow.
    pub flow: String,
    /// The version's number.
    pub version: Option<u64>,
    /// A tag that one version has. With neither, the version with the tag `default` is meant.
    pub tag: Option<String>,
    /// The flow's arguments, over the version's defaults.
    #[serde(default)]
    pub input: Map<String, Value>,
    /// Labels to find the execution by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether checkpoints are served from the cache, whatever version and checkpoints say.
    pub cache: Option<bool>,
    /// How often the flow is tried again after it failed, whatever version and flow say.
    pub retries: Option<u32>,
    /// Grants beside those of the version.
    #[serde(default)]
    pub grants: Grants,
    /// Limits other than those of the version.
    #[serde(default)]
    pub limits: LimitChanges,
    /// A request that is repeated with the same key within 24 hours gets the same execution.
    pub idempotency_key: Option<String>,
}

/// An execution of a stored component, or of a published version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunParams {
    /// SHA-256 of a component that the store has; if absent, a published version of the flow is run.
    pub component: Option<String>,
    /// The flow; may be left out where the component has one.
    pub flow: Option<String>,
    /// Of a published flow, the version's number.
    pub version: Option<u64>,
    /// Of a published flow, a tag that one version has.
    pub tag: Option<String>,
    /// The flow's arguments.
    #[serde(default)]
    pub input: Map<String, Value>,
    /// Labels to find the execution by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Whether checkpoints are served from the cache, whatever they say themselves.
    pub cache: Option<bool>,
    /// How often the flow is tried again after it failed, whatever it says itself.
    pub retries: Option<u32>,
    /// Grants beside those that the host and the version give.
    #[serde(default)]
    pub grants: Grants,
    /// Limits other than those of the host or the version.
    #[serde(default)]
    pub limits: LimitChanges,
    /// Grant all that the component declares to need. Folders are those of their names where the host was started.
    #[serde(default)]
    pub allow_needs: bool,
    /// A request that is repeated with the same key within 24 hours gets the same execution.
    pub idempotency_key: Option<String>,
}
