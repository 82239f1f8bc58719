//! Models: which aliases there are, what they stand for, whether they work, and what calls of them used.

mod trial;
mod usage;
mod views;

use kitaru_llm::models::{Alias, ModelAlias, RegistryError, provider_of};

pub(super) use trial::try_out;
pub(super) use usage::summed;
pub use usage::{BudgetView, ModelUsageQuery, ModelUsageReport, ModelUsageView, UsageGroup};
pub use views::{ModelChangedView, ModelCheck, ModelDetailView, ModelTestView, ModelView, ModelsView, RouteView};

use super::ServiceError;
use crate::config::{KnownModels, ModelOrigin, ModelSources, ModelsError, check_alias};
use crate::engine::Engine;

/// How long the name of an alias may be.
const LONGEST_ALIAS: usize = 100;

/// An alias to make or to change.
#[derive(Clone, Debug, Default)]
pub struct ModelChange {
    /// Which; made if it is not there.
    pub alias: String,
    /// What it stands for from now on; none leaves that as it is.
    pub model: Option<ModelAlias>,
    /// Whether calls that name no model mean it from now on.
    pub make_default: bool,
}

/// All that is known of models now. Files may block.
pub(super) async fn known(sources: &ModelSources) -> Result<KnownModels, ServiceError> {
    blocking(sources, ModelSources::known).await
}

/// Makes an alias, or changes what it stands for.
pub(super) async fn register(
    engine: &Engine,
    sources: &ModelSources,
    change: ModelChange,
) -> Result<ModelChangedView, ServiceError> {
    let alias = alias(&change.alias)?;
    if let Some(model) = &change.model {
        check_alias(model)
            .map_err(|problem| ServiceError::Usage { message: problem.to_string(), hint: problem.hint().map(Into::into) })?;
        check_secret(engine, model).await?;
    }
    let name = alias.clone();
    let (model, is_new) = blocking(sources, move |sources| {
        sources.change(|registry| {
            let is_new = !registry.aliases.contains_key(&name);
            if let Some(model) = change.model {
                registry.register(name.as_str(), model)?;
            }
            if change.make_default {
                registry.set_default(name.as_str())?;
            }
            let model = registry.aliases.get(&name).cloned();
            Ok((model.ok_or_else(|| RegistryError::Unknown { alias: name.to_string() })?, is_new))
        })
    })
    .await?;
    let known = known(sources).await?;
    Ok(changed(&known, &alias, &model, if is_new { "created" } else { "updated" }))
}

/// All aliases, by name.
pub(super) async fn list(sources: &ModelSources) -> Result<Vec<ModelView>, ServiceError> {
    let known = known(sources).await?;
    let aliases = known.frozen.registry.aliases.iter();
    Ok(aliases.map(|(alias, model)| ModelView::new(&known, alias, model, origin(&known, alias))).collect())
}

/// One alias.
pub(super) async fn show(sources: &ModelSources, text: &str) -> Result<ModelDetailView, ServiceError> {
    let known = known(sources).await?;
    let (alias, model) = known.frozen.registry.find(text).ok_or_else(|| unknown(text))?;
    Ok(ModelDetailView {
        model: ModelView::new(&known, alias, model, origin(&known, alias)),
        route: RouteView::of(model, sources.environment().as_ref()),
    })
}

/// Removes an alias of the data folder.
pub(super) async fn remove(sources: &ModelSources, text: &str) -> Result<ModelChangedView, ServiceError> {
    let alias = alias(text)?;
    let name = alias.clone();
    let removed = blocking(sources, move |sources| sources.change(|registry| registry.remove(name.as_str()))).await;
    let known = known(sources).await?;
    match removed {
        Ok(model) => Ok(changed(&known, &alias, &model, "deleted")),
        Err(ServiceError::Models(ModelsError::Registry(RegistryError::Unknown { .. }))) => {
            let origin = known.origins.get(&alias);
            Err(match (origin, origin.and_then(|origin| sources.file_of(*origin))) {
                (Some(ModelOrigin::Environment), _) => ServiceError::Usage {
                    message: format!(
                        "Model alias `{alias}` is set by KITARU_MODEL_REGISTRY, which this command does not change."
                    ),
                    hint: Some("change the environment variable".into()),
                },
                (Some(_), Some(file)) => ServiceError::Usage {
                    message: format!("Model alias `{alias}` is set in `{}`, which this command does not change.", file.display()),
                    hint: Some("take it out of the file by hand".into()),
                },
                _ => unknown(alias.as_str()),
            })
        }
        Err(error) => Err(error),
    }
}

/// What is known of models, in brief.
pub(super) async fn summary(sources: &ModelSources) -> Result<ModelsView, ServiceError> {
    let known = known(sources).await?;
    let shown = |path: &std::path::Path| path.display().to_string();
    Ok(ModelsView {
        registry: sources.file().map(shown),
        project: sources.project_file().map(shown),
        transported: known.frozen.transported,
        alias_count: known.frozen.registry.aliases.len(),
        default_alias: known.default_alias().map(Alias::to_string),
        default_model: known.frozen.default_model.clone(),
        provider_keys: sources.provider_keys().into_iter().map(Into::into).collect(),
    })
}

/// The alias that a person names, in the form in which it is kept.
fn alias(text: &str) -> Result<Alias, ServiceError> {
    let alias = text.parse::<Alias>().map_err(|error| ModelsError::from(RegistryError::Alias(error)))?;
    if alias.as_str().len() > LONGEST_ALIAS {
        return Err(ServiceError::usage(format!("The name of a model alias has at most {LONGEST_ALIAS} characters.")));
    }
    Ok(alias)
}

/// An alias must not name a secret that is not there: its first call would fail, and a misspelt name is easier to mend now.
async fn check_secret(engine: &Engine, model: &ModelAlias) -> Result<(), ServiceError> {
    let Some(secret) = &model.secret else { return Ok(()) };
    if engine.secret(secret).await?.is_some() {
        return Ok(());
    }
    let key = provider_of(&model.model).ok().and_then(|(provider, _)| provider.keys.first()).unwrap_or(&"API_KEY");
    Err(ServiceError::NotFound {
        message: format!("Secret `{secret}` was not found."),
        hint: Some(format!("make it first: kitaru-host secrets set {secret} --from-prompt {key}")),
    })
}

fn changed(known: &KnownModels, alias: &Alias, model: &ModelAlias, result: &'static str) -> ModelChangedView {
    // The user's own file covers nothing: it is below the data folder.
    let covering = known.origins.get(alias).filter(|origin| !matches!(origin, ModelOrigin::Local | ModelOrigin::User));
    let registry = &known.frozen.registry;
    ModelChangedView {
        model: ModelView::new(known, alias, model, ModelOrigin::Local),
        result: result.into(),
        covered_by: covering.map(|origin| match origin {
            ModelOrigin::Environment => "KITARU_MODEL_REGISTRY".into(),
            ModelOrigin::User | ModelOrigin::Local | ModelOrigin::Project => "this project's kitaru.toml".into(),
        }),
        leaves_no_default: !registry.aliases.is_empty() && known.default_alias().is_none(),
    }
}

fn origin(known: &KnownModels, alias: &Alias) -> ModelOrigin {
    known.origins.get(alias).copied().unwrap_or(ModelOrigin::Local)
}

fn unknown(alias: &str) -> ServiceError {
    ModelsError::from(RegistryError::Unknown { alias: alias.to_owned() }).into()
}

async fn blocking<T: Send + 'static>(
    sources: &ModelSources,
    work: impl FnOnce(&ModelSources) -> Result<T, ModelsError> + Send + 'static,
) -> Result<T, ServiceError> {
    let sources = sources.clone();
    let done = tokio::task::spawn_blocking(move || work(&sources)).await;
    Ok(done.unwrap_or_else(|error| Err(ModelsError::Interrupted(Box::new(error))))?)
}
