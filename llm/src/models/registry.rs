//! The registry of aliases: a local one, and one that travels with an execution in `KITARU_MODEL_REGISTRY`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::alias::{Alias, AliasError};
use crate::codec::Api;

/// What an alias stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelAlias {
    /// The model as `provider/model`.
    pub model: String,
    /// The secret that holds the provider's key, for when the environment has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Another address of the provider's API, up to and without the path of the call: a gateway, a local server, a resource of one's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// The protocol spoken there, where it is not the provider's usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// Models or aliases that are tried in this order after the model has failed for good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<String>,
}

impl ModelAlias {
    /// An alias of `model`, with everything else as usual.
    pub fn of(model: impl Into<String>) -> Self {
        Self { model: model.into(), secret: None, base_url: None, api: None, fallbacks: Vec::new() }
    }

    /// The same with the name of a secret.
    #[must_use]
    pub fn with_secret(self, secret: impl Into<String>) -> Self {
        Self { secret: Some(secret.into()), ..self }
    }
}

/// Where a registry came from: a person who reads an error can change only a local one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryOrigin {
    /// This machine's own configuration.
    Local,
    /// `KITARU_MODEL_REGISTRY` was merged over it.
    Transported,
}

/// Aliases, and which of them is meant when a call names no model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelRegistry {
    /// What each alias stands for.
    #[serde(default)]
    pub aliases: BTreeMap<Alias, ModelAlias>,
    /// The alias of calls that name no model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Alias>,
}

/// A registry that cannot be used, or a change that it refuses.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A name that cannot be an alias.
    #[error(transparent)]
    Alias(#[from] AliasError),
    /// An alias of nothing.
    #[error("Model identifier cannot be empty.")]
    EmptyModel,
    /// No such alias.
    #[error("Model alias `{alias}` is not registered.")]
    Unknown {
        /// What was asked for.
        alias: String,
    },
    /// `KITARU_MODEL_REGISTRY` is not what it should be.
    #[error("`KITARU_MODEL_REGISTRY` does not hold a model registry: {reason}")]
    Variable {
        /// What is wrong with it.
        reason: String,
    },
}

impl RegistryError {
    /// A hint that tells a person what to do, where there is one.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Variable { .. } => Some(
                "it is JSON such as {\"aliases\":{\"fast\":{\"model\":\"openai/gpt-4o-mini\",\"secret\":\"openai-creds\"}},\"default\":\"fast\"}",
            ),
            _ => None,
        }
    }
}

impl ModelRegistry {
    /// Adds an alias or changes what it stands for. The first one becomes the default, and stays it.
    ///
    /// # Errors
    /// When the name cannot be an alias, or the model is blank.
    pub fn register(&mut self, alias: &str, model: ModelAlias) -> Result<Alias, RegistryError> {
        let alias: Alias = alias.parse()?;
        let identifier = model.model.trim().to_owned();
        if identifier.is_empty() {
            return Err(RegistryError::EmptyModel);
        }
        if self.aliases.is_empty() {
            self.default = Some(alias.clone());
        }
        self.aliases.insert(alias.clone(), ModelAlias { model: identifier, ..model });
        Ok(alias)
    }

    /// Removes an alias. Was it the default, then the only one that is left takes over, and of several none.
    ///
    /// # Errors
    /// When there is no such alias.
    pub fn remove(&mut self, alias: &str) -> Result<ModelAlias, RegistryError> {
        let alias: Alias = alias.parse()?;
        let removed = self.aliases.remove(&alias).ok_or_else(|| RegistryError::Unknown { alias: alias.to_string() })?;
        if self.default.as_ref() == Some(&alias) {
            self.default = self.only().cloned();
        }
        Ok(removed)
    }

    /// Makes an alias the default.
    ///
    /// # Errors
    /// When there is no such alias.
    pub fn set_default(&mut self, alias: &str) -> Result<(), RegistryError> {
        let alias: Alias = alias.parse()?;
        if !self.aliases.contains_key(&alias) {
            return Err(RegistryError::Unknown { alias: alias.to_string() });
        }
        self.default = Some(alias);
        Ok(())
    }

    /// The alias that `text` names, with what it stands for; nothing when it is no alias at all or is not registered.
    pub fn find(&self, text: &str) -> Option<(&Alias, &ModelAlias)> {
        self.aliases.get_key_value(&text.parse::<Alias>().ok()?)
    }

    /// The alias that is most like `text`, where one is so like it that it may be meant.
    pub fn nearest(&self, text: &str) -> Option<&Alias> {
        let text: String = text.trim().to_lowercase().chars().take(LONGEST_COMPARED).collect();
        let far = |alias: &Alias| distance(alias.as_str(), &text);
        let is_like = |alias: &&Alias| far(alias) * 2 <= alias.as_str().len().max(text.len()).min(MOST_APART * 2);
        self.aliases.keys().filter(is_like).min_by_key(|alias| far(alias))
    }

    /// The single alias, where there is exactly one.
    pub fn only(&self) -> Option<&Alias> {
        let mut aliases = self.aliases.keys();
        aliases.next().filter(|_| aliases.next().is_none())
    }

    /// Reads the value of `KITARU_MODEL_REGISTRY`.
    ///
    /// # Errors
    /// When it is not JSON of this shape.
    pub fn from_variable(value: &str) -> Result<Self, RegistryError> {
        let wrong = |error: serde_json::Error| RegistryError::Variable { reason: error.to_string() };
        let map: serde_json::Map<String, serde_json::Value> = serde_json::from_str(value).map_err(wrong)?;
        let registry: Self = serde_json::from_value(map.into()).map_err(wrong)?;
        match registry.aliases.iter().find(|(_, model)| model.model.trim().is_empty()) {
            Some((alias, _)) => Err(RegistryError::Variable { reason: format!("alias `{alias}` names no model") }),
            None => Ok(registry),
        }
    }

    /// This registry with another over it: the other one wins for each alias that it has, and for the default where it has one.
    #[must_use]
    pub fn overlaid(mut self, over: Self) -> Self {
        self.aliases.extend(over.aliases);
        self.default = over.default.or(self.default);
        self
    }
}

/// Names are compared up to so many characters.
const LONGEST_COMPARED: usize = 64;
/// A name that so many changes of a character make of another may be meant by it.
const MOST_APART: usize = 3;

/// How many characters have to be added, taken away or changed to make one of the other.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (line, here) in (1..).zip(one.chars()) {
        let (mut before, mut left) = (line - 1, line);
        let mut next = vec![line];
        for (there, above) in other.chars().zip(row.iter().skip(1)) {
            left = (before + usize::from(here != there)).min(left + 1).min(above + 1);
            before = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_alias_is_one_that_may_be_meant() {
        let mut registry = ModelRegistry::default();
        assert_eq!(registry.nearest("fast"), None);
        for alias in ["fast", "smart", "a-long-name"] {
            registry.register(alias, ModelAlias::of("openai/a")).unwrap();
        }
        let nearest = |text: &str| registry.nearest(text).map(Alias::as_str);
        assert_eq!(["fsat", " Fats", "faster"].map(nearest), [Some("fast"); 3]);
        assert_eq!(["smrt", "along-name"].map(nearest), [Some("smart"), Some("a-long-name")]);
        assert_eq!(["gpt-4o", "", "a-short-game"].map(nearest), [None; 3]);
        assert_eq!([distance("", "abc"), distance("kitten", "sitting"), distance("same", "same")], [3, 3, 0]);
    }

    #[test]
    fn the_first_alias_becomes_the_default_and_stays_it() {
        let mut registry = ModelRegistry::default();
        registry.register(" Fast ", ModelAlias::of(" openai/gpt-4o-mini ")).unwrap();
        registry.register("smart", ModelAlias::of("anthropic/claude-opus-4-1")).unwrap();
        assert_eq!(registry.default.as_ref().unwrap().as_str(), "fast");
        registry.register("fast", ModelAlias::of("openai/gpt-5")).unwrap();
        assert_eq!(registry.find("FAST").unwrap().1.model, "openai/gpt-5");
        registry.remove("fast").unwrap();
        assert_eq!(registry.default.as_ref().unwrap().as_str(), "smart");
        assert!(matches!(registry.set_default("fast"), Err(RegistryError::Unknown { .. })));
        assert!(matches!(registry.register("x", ModelAlias::of(" ")), Err(RegistryError::EmptyModel)));
    }

    #[test]
    fn the_transported_registry_wins_per_alias_and_for_the_default() {
        let mut local = ModelRegistry::default();
        local.register("fast", ModelAlias::of("openai/a")).unwrap();
        local.register("local", ModelAlias::of("ollama/b")).unwrap();
        let over =
            ModelRegistry::from_variable(r#"{"aliases":{"Fast":{"model":"openai/c","secret":"s"}},"default":"fast"}"#).unwrap();
        let merged = local.clone().overlaid(over);
        assert_eq!(merged.find("fast").unwrap().1, &ModelAlias::of("openai/c").with_secret("s"));
        assert_eq!(merged.find("local").unwrap().1.model, "ollama/b");
        assert_eq!(local.clone().overlaid(ModelRegistry::default()), local);
    }

    #[test]
    fn a_wrong_variable_says_what_is_wrong() {
        for wrong in [
            "",
            "[]",
            r#"{"aliases":{"a b":{"model":"x"}}}"#,
            r#"{"aliases":{"a":{"model":" "}}}"#,
            r#"{"aliases":{"a":{"modle":"x"}}}"#,
        ] {
            let error = ModelRegistry::from_variable(wrong).unwrap_err();
            assert!(matches!(error, RegistryError::Variable { .. }), "{wrong}");
            assert!(error.hint().is_some());
        }
    }

    #[test]
    fn a_registry_survives_its_own_json() {
        let mut registry = ModelRegistry::default();
        let model =
            ModelAlias { api: Some(Api::OpenAiResponses), base_url: Some("http://x".into()), ..ModelAlias::of("openai/a") };
        registry.register("a", model).unwrap();
        let json = serde_json::to_string(&registry).unwrap();
        assert_eq!(
            json,
            r#"{"aliases":{"a":{"model":"openai/a","base_url":"http://x","api":"openai_responses"}},"default":"a"}"#
        );
        assert_eq!(ModelRegistry::from_variable(&json).unwrap(), registry);
    }
}
