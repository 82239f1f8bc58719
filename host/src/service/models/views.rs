//! Models, as surfaces show them: names and addresses, and no key.

use kitaru_llm::codec::Api;
use kitaru_llm::models::{Alias, Environment, ModelAlias, Provider, provider_of};
use kitaru_llm::price::NanoUsd;
use kitaru_llm::provider::{Translation, known_provider};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{KnownModels, ModelOrigin};
use crate::service::Word;

/// A model alias.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ModelView {
    /// The alias.
    pub alias: String,
    /// The model, as `provider/model`.
    pub model: String,
    /// The secret that holds the provider's key.
    pub secret: Option<String>,
    /// Whether calls that name no model mean it, where `KITARU_DEFAULT_MODEL` is not set.
    pub is_default: bool,
    /// Another address of the provider's API.
    pub base_url: Option<String>,
    /// The protocol spoken there, where it is not the provider's usual one.
    pub api: Option<Word>,
    /// What is tried in this order after the model has failed for good.
    pub fallbacks: Vec<String>,
    /// Who says so: `local` (the data folder), `project` (its `kitaru.toml`) or `environment` (`KITARU_MODEL_REGISTRY`).
    pub origin: Word,
}

impl ModelView {
    pub(super) fn new(known: &KnownModels, alias: &Alias, model: &ModelAlias, origin: ModelOrigin) -> Self {
        Self {
            alias: alias.to_string(),
            model: model.model.clone(),
            secret: model.secret.clone(),
            is_default: known.default_alias() == Some(alias),
            base_url: model.base_url.clone(),
            api: model.api.map(|api| api.as_str().into()),
            fallbacks: model.fallbacks.clone(),
            origin: origin.as_str().into(),
        }
    }
}

/// A model alias that was registered or removed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ModelChangedView {
    /// The alias, as the data folder has it now, or had it.
    #[serde(flatten)]
    pub model: ModelView,
    /// `created`, `updated` or `deleted`.
    pub result: Word,
    /// Who says something else about the alias, and counts here.
    #[serde(default)]
    pub covered_by: Option<Word>,
    /// Whether calls that name no model cannot be resolved since then, though there are aliases.
    #[serde(default)]
    pub leaves_no_default: bool,
}

/// A model alias, and what a call by it would use.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ModelDetailView {
    /// The alias.
    #[serde(flatten)]
    pub model: ModelView,
    /// What a call would use.
    #[serde(flatten)]
    pub route: RouteView,
}

/// Who would be called, and with whose key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RouteView {
    /// The provider; null for one that is not known.
    pub provider: Option<Word>,
    /// Where its API begins; null where nobody has said it.
    pub address: Option<String>,
    /// What is spoken there.
    pub protocol: Option<Word>,
    /// The environment variables, and keys of a secret, of which any one holds the key.
    pub key_names: Vec<Word>,
    /// Where the key would come from: `environment`, `secret`, `none` where none is needed, null where there is none.
    pub key_source: Option<Word>,
}

impl RouteView {
    /// Of a model that an alias stands for, by the rules of [`choose_credential`](kitaru_llm::models::choose_credential), without opening a secret.
    pub(super) fn of(model: &ModelAlias, environment: &dyn Environment) -> Self {
        let Ok((provider, _)) = provider_of(&model.model) else {
            return Self { provider: None, address: None, protocol: None, key_names: Vec::new(), key_source: None };
        };
        let translation = Translation::of_prefix(provider.prefix).map(Translation::as_str);
        let usual = translation.or_else(|| known_provider(provider.prefix).map(|known| known.api.as_str()));
        let prefers_secret = model.base_url.is_some() && model.secret.is_some();
        let key_source = match (keys_in(provider, environment).next(), &model.secret) {
            (Some(_), _) if !prefers_secret => Some("environment"),
            (_, Some(_)) => Some("secret"),
            _ => provider.keys.is_empty().then_some("none"),
        };
        Self {
            provider: Some(provider.prefix.into()),
            address: model.base_url.clone().or_else(|| provider.base_url_in(environment)),
            protocol: model.api.map(Api::as_str).or(usual).map(Word::Borrowed),
            key_names: provider.keys.iter().copied().map(Word::Borrowed).collect(),
            key_source: key_source.map(Word::Borrowed),
        }
    }
}

/// The variables that hold a key of the provider.
pub(super) fn keys_in(provider: &Provider, environment: &dyn Environment) -> impl Iterator<Item = &'static str> {
    provider.keys.iter().copied().filter(move |key| environment.variable(key).is_some_and(|value| !value.trim().is_empty()))
}

/// What a host knows of models, in brief.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ModelsView {
    /// The file with the data folder's own aliases.
    pub registry: Option<String>,
    /// The project's `kitaru.toml`, where it has aliases.
    pub project: Option<String>,
    /// Whether `KITARU_MODEL_REGISTRY` is merged over both.
    pub transported: bool,
    /// How many aliases there are.
    pub alias_count: usize,
    /// The alias of calls that name no model.
    pub default_alias: Option<String>,
    /// The value of `KITARU_DEFAULT_MODEL`, which counts before that.
    pub default_model: Option<String>,
    /// The names of the environment variables that hold keys of providers.
    pub provider_keys: Vec<Word>,
}

impl ModelsView {
    /// For whoever has nothing to do with the machine: without its files.
    #[must_use]
    pub(in crate::service) fn without_places(self) -> Self {
        Self { registry: None, project: None, ..self }
    }
}

/// What became of a test of a model.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ModelTestView {
    /// What was asked for; an alias where nothing was.
    pub requested_model: String,
    /// The alias that was used, if one was.
    pub alias: Option<String>,
    /// The model, as `provider/model`.
    pub resolved_model: String,
    /// Who would be called, and with whose key.
    #[serde(flatten)]
    pub route: RouteView,
    /// Whether calls of it work, as far as was looked.
    pub works: bool,
    /// What was looked at, in this order, until something was wrong.
    pub checks: Vec<ModelCheck>,
    /// What the test cost, in dollars, where it made a call whose price is known.
    #[schemars(with = "Option<f64>")]
    pub cost_usd: Option<NanoUsd>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ModelCheck {
    /// What: `key`, `address`, `model` or `call`.
    pub name: Word,
    /// Whether it is as it must be.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// How long that took, where somebody was asked.
    pub latency_ms: Option<u64>,
    /// What to do.
    pub hint: Option<String>,
}
