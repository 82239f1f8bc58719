//! What models mean for one execution, fixed when it was created: a change of the configuration changes no call of an execution that goes on.

use serde::{Deserialize, Serialize};

use super::credentials::Environment;
use super::registry::{ModelRegistry, RegistryError, RegistryOrigin};
use super::select::{DEFAULT_MODEL_VARIABLE, SelectError, SelectedModel, effective_registry, select_model};

/// What models mean for one execution. Its JSON is kept with the execution; there is no credential in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FrozenModels {
    /// The aliases.
    pub registry: ModelRegistry,
    /// The value of `KITARU_DEFAULT_MODEL`, also a blank one: that is an error of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_model: Option<String>,
    /// Whether `KITARU_MODEL_REGISTRY` was merged over the local registry.
    pub transported: bool,
}

/// Shows the frozen default, and nothing else of an environment.
struct Frozen<'a>(&'a FrozenModels);

impl Environment for Frozen<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        (name == DEFAULT_MODEL_VARIABLE).then(|| self.0.default_model.clone()).flatten()
    }
}

impl FrozenModels {
    /// Fixes what models mean now: the local registry, `KITARU_MODEL_REGISTRY` over it, and `KITARU_DEFAULT_MODEL`.
    ///
    /// # Errors
    /// When `KITARU_MODEL_REGISTRY` does not hold a registry.
    pub fn freeze(local: ModelRegistry, environment: &dyn Environment) -> Result<Self, RegistryError> {
        let (registry, origin) = effective_registry(local, environment)?;
        let default_model = environment.variable(DEFAULT_MODEL_VARIABLE);
        Ok(Self { registry, default_model, transported: origin == RegistryOrigin::Transported })
    }

    /// Where the registry came from: a person who reads an error can change only a local one.
    pub fn origin(&self) -> RegistryOrigin {
        if self.transported { RegistryOrigin::Transported } else { RegistryOrigin::Local }
    }

    /// The model that a call means.
    ///
    /// # Errors
    /// When none can be told; see [`select_model`].
    pub fn select(&self, requested: Option<&str>) -> Result<SelectedModel, SelectError> {
        select_model(requested, &Frozen(self), &self.registry, self.origin())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::models::ModelAlias;

    #[test]
    fn l7_what_was_frozen_counts_and_survives_its_json() {
        let mut local = ModelRegistry::default();
        local.register("fast", ModelAlias::of("openai/a")).unwrap();
        let environment = BTreeMap::from([(DEFAULT_MODEL_VARIABLE.to_owned(), "x/y".to_owned())]);
        let frozen = FrozenModels::freeze(local, &environment).unwrap();
        assert_eq!(frozen.select(None).unwrap().resolved_model, "x/y");
        assert_eq!(frozen.select(Some("Fast")).unwrap().resolved_model, "openai/a");
        let json = serde_json::to_string(&frozen).unwrap();
        assert_eq!(serde_json::from_str::<FrozenModels>(&json).unwrap(), frozen);
        assert_eq!(frozen.origin(), RegistryOrigin::Local);
    }

    #[test]
    fn l8_a_blank_default_stays_an_error() {
        let environment = BTreeMap::from([(DEFAULT_MODEL_VARIABLE.to_owned(), " ".to_owned())]);
        let frozen = FrozenModels::freeze(ModelRegistry::default(), &environment).unwrap();
        assert!(matches!(frozen.select(None), Err(SelectError::EmptyDefault)));
        let variable = BTreeMap::from([("KITARU_MODEL_REGISTRY".to_owned(), r#"{"aliases":{}}"#.to_owned())]);
        assert!(FrozenModels::freeze(ModelRegistry::default(), &variable).unwrap().transported);
    }
}
