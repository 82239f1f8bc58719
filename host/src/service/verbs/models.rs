//! Models.

use kitaru_llm::models::ModelAlias;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::listing::{Nothing, Plain};
use super::verb;
use crate::service::{
    ModelChange, ModelChangedView, ModelDetailView, ModelTestView, ModelUsageQuery, ModelUsageReport, ModelView, ServiceError,
    UsageGroup,
};

verb! {
    /// Lists model aliases, with those of the project and of the environment.
    ModelList = "model.list", Get "/models", Viewer, Reads, Ok("kitaru_models_list"), 200;
    |service, _params: Nothing| -> Plain<ModelView> { Ok(service.models().await?.into()) }
}

/// A model alias.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelParams {
    /// The alias.
    pub alias: String,
}

verb! {
    /// Shows what an alias stands for, and where the key of a call would come from.
    ModelShow = "model.show", Get "/models/{alias}", Viewer, Reads, Ok("kitaru_models_show"), 200;
    |service, params: ModelParams| -> ModelDetailView { service.model(&params.alias).await }
}

/// What an alias is to stand for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelRegisterParams {
    /// The alias: letters, digits, `-` and `_`.
    pub alias: String,
    /// What it stands for: `{model, secret?, base_url?, api?, fallbacks?}`; absent leaves that as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub target: Option<ModelAlias>,
    /// Make it the model of calls that name none.
    #[serde(default)]
    pub default: bool,
}

verb! {
    /// Makes a model alias of this data folder, or says anew what it stands for.
    ModelRegister = "model.register", Put "/models/{alias}", Admin, Changes, Ok("kitaru_models_register"), 200;
    |service, params: ModelRegisterParams| -> ModelChangedView {
        let ModelRegisterParams { alias, target: model, default: make_default } = params;
        service.register_model(ModelChange { alias, model, make_default }).await
    }
}

verb! {
    /// Removes an alias of this data folder.
    ModelRemove = "model.remove", Delete "/models/{alias}", Admin, Destroys, Ok("kitaru_models_remove"), 200;
    |service, params: ModelParams| -> ModelChangedView { service.remove_model(&params.alias).await }
}

/// A model to try out.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelTestParams {
    /// An alias, or `provider/model`; the default where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Make a small call in any case.
    pub with_call: bool,
}

verb! {
    /// Looks whether a model can be called: its address, its key, and whether the provider has it.
    ModelTest = "model.test", Post "/models/test", Author, Changes, Ok("kitaru_models_test"), 200;
    |service, params: ModelTestParams| -> ModelTestView {
        service.test_model(params.model.as_deref(), params.with_call).await
    }
}

/// Which model calls to sum up.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelUsageParams {
    /// In groups by `day`, `flow` or `model`; everything together if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Only of this flow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
    /// Only on this day or later: days since 1 January 1970, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_day: Option<u64>,
    /// Only on days before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_day: Option<u64>,
}

verb! {
    /// Sums up what model calls used: calls, tokens, costs, and what budgets count.
    ModelUsage = "model.usage", Get "/model-usage", Viewer, Reads, Ok("kitaru_models_usage"), 200;
    |service, params: ModelUsageParams| -> ModelUsageReport {
        let unknown = |word: &str| ServiceError::usage(format!("`by` must be `day`, `flow` or `model`, not `{word}`"));
        let by = params.by.as_deref().map(|word| UsageGroup::parse(word).ok_or_else(|| unknown(word))).transpose()?;
        let query = ModelUsageQuery { by, flow: params.flow, since: params.since_day, until: params.until_day };
        service.model_usage(&query).await
    }
}
