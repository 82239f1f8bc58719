//! The configuration that an execution keeps for life.

use kitaru_llm::models::FrozenModels;
use serde::{Deserialize, Serialize};

use super::EngineError;
use crate::ids::ExecutionId;
use crate::sandbox::{FlowOptions, Grants, Limits};
use crate::scope::Scope;
use crate::store::NewExecution;

/// Frozen when the execution is created; recovery and retry use it whatever is configured by then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FrozenSpec {
    /// Version of this form.
    pub version: u32,
    /// The host that made it.
    pub host_version: String,
    /// What its checkpoints may touch.
    pub grants: Grants,
    /// What its instances may use.
    pub limits: Limits,
    /// Whether checkpoints are served from the cache, whatever they say themselves (E14).
    #[serde(default)]
    pub cache: Option<bool>,
    /// Whether checkpoints are served from the cache where neither they nor the flow say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_default: Option<bool>,
    /// How often the flow is tried again, whatever it says itself.
    #[serde(default)]
    pub retries: Option<u32>,
    /// What the flow said itself when the execution was created; for people.
    #[serde(default)]
    pub flow_defaults: FlowOptions,
    /// What models mean to it.
    #[serde(default)]
    pub models: FrozenModels,
    /// The published version that it was started as, if it was; for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<DeployedAs>,
    /// Who started it over the network, if an account did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starter: Option<Starter>,
}

/// Who started an execution over the network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Starter {
    /// The identifier of the account that answers for what the execution was granted; none where whoever has the data folder does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The flows that may be started of other components, and whose executions may be read, on its behalf. What the execution started itself, and
    /// what was started with it, may be read besides.
    pub flows: Scope,
    /// Of a replay, the tops of those trees that its calls are served from, the nearest first: what is in them may be read as what is in its own
    /// tree, since their journals hand its bodies their IDs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trees: Vec<ExecutionId>,
}

/// A published version of the execution's flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployedAs {
    /// Its identifier.
    pub deployment_id: String,
    /// Its number.
    pub version: u64,
}

impl FrozenSpec {
    /// The spec of a new execution.
    pub fn new(grants: Grants, limits: Limits) -> Self {
        let host_version = env!("CARGO_PKG_VERSION").to_owned();
        let (cache, cache_default, retries, flow_defaults, models, deployment, starter) = Default::default();
        Self {
            version: 1,
            host_version,
            grants,
            limits,
            cache,
            cache_default,
            retries,
            flow_defaults,
            models,
            deployment,
            starter,
        }
    }

    /// Takes in what is known of models now, for a new execution that replays the one whose spec this is: aliases of now win, and what only the
    /// source knew stays, so that its calls still mean something where its aliases are gone.
    pub(super) fn learn(&mut self, now: FrozenModels) {
        let before = std::mem::take(&mut self.models);
        self.models = FrozenModels {
            registry: before.registry.overlaid(now.registry),
            default_model: now.default_model.or(before.default_model),
            transported: now.transported || before.transported,
        };
    }

    /// That of an execution.
    pub(super) fn of(execution: &NewExecution) -> Result<Self, EngineError> {
        serde_json::from_str(&execution.frozen_spec).map_err(|source| unreadable(execution.id, source))
    }

    /// As it is stored for `execution`.
    pub(super) fn to_text(&self, execution: ExecutionId) -> Result<String, EngineError> {
        serde_json::to_string(self).map_err(|source| unreadable(execution, source))
    }
}

fn unreadable(execution: ExecutionId, source: serde_json::Error) -> EngineError {
    EngineError::StoredJson { what: "configuration", execution, source }
}

#[cfg(test)]
mod tests {
    use kitaru_llm::models::{ModelAlias, ModelRegistry};

    use super::*;

    fn models(aliases: &[(&str, &str)], default_model: Option<&str>) -> FrozenModels {
        let mut registry = ModelRegistry::default();
        for (alias, model) in aliases {
            registry.register(alias, ModelAlias::of(*model)).unwrap();
        }
        FrozenModels { registry, default_model: default_model.map(str::to_owned), transported: false }
    }

    #[test]
    fn a_replay_knows_the_models_of_now_and_those_of_its_source() {
        let mut spec = FrozenSpec::new(Grants::default(), Limits::default());
        spec.models = models(&[("fast", "openai/a"), ("smart", "openai/b")], Some("x/y"));
        let before = spec.models.clone();
        spec.learn(FrozenModels::default());
        assert_eq!(spec.models, before, "where nothing is known, all stays");
        spec.learn(models(&[("smart", "openai/c")], None));
        let of = |alias: &str| spec.models.registry.find(alias).unwrap().1.model.as_str();
        assert_eq!((of("fast"), of("smart")), ("openai/a", "openai/c"));
        assert_eq!(spec.models.registry.default.as_ref().unwrap().as_str(), "smart");
        assert_eq!(spec.models.default_model.as_deref(), Some("x/y"));
        spec.learn(models(&[], Some("z/z")));
        assert_eq!(spec.models.default_model.as_deref(), Some("z/z"));
    }

    #[test]
    fn a_spec_without_models_reads_as_one_that_knows_none() {
        let spec = FrozenSpec::new(Grants::default(), Limits::default());
        let mut json = serde_json::to_value(&spec).unwrap();
        json.as_object_mut().unwrap().remove("models");
        assert_eq!(serde_json::from_value::<FrozenSpec>(json).unwrap(), spec);
    }
}
