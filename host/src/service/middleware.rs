//! Loads the middleware of model calls that a project's configuration names: all of it, or none.

use std::collections::HashSet;
use std::sync::Arc;

use crate::config::{MiddlewareConfig, MiddlewareSource};
use crate::ids::ComponentDigest;
use crate::sandbox::middleware::MiddlewareComponent;
use crate::sandbox::{ComponentError, Sandbox};
use crate::signing::{LONGEST, Trust, Untrusted, path_beside};
use crate::store::{Components, StoreError};

/// Middleware could not be loaded, so none was.
#[derive(Debug, thiserror::Error)]
#[error("the middleware `{component}` (entry {entry} of `[[llm.middleware]]`) cannot be used")]
pub struct MiddlewareLoadError {
    /// Its position in the configuration, counted from 1.
    pub entry: usize,
    /// The file or digest that the configuration names.
    pub component: String,
    /// Why.
    #[source]
    pub problem: MiddlewareLoadProblem,
}

/// Why middleware could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum MiddlewareLoadProblem {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Read(#[source] std::io::Error),
    /// The store does not give it.
    #[error("the store does not give it")]
    Stored(#[source] StoreError),
    /// It cannot be run.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// Nobody whom this host trusts has signed it.
    #[error(transparent)]
    Signature(#[from] Untrusted),
    /// Another one has its name, by which records tell them apart.
    #[error("another one is called `{0}`: give one of them a `name` of its own")]
    Duplicate(String),
}

impl MiddlewareLoadError {
    /// A hint that tells a person what to do.
    pub fn hint(&self) -> Option<String> {
        match &self.problem {
            MiddlewareLoadProblem::Read(_) => Some("the path is relative to the file `kitaru.toml`".into()),
            MiddlewareLoadProblem::Component(ComponentError::Empty | ComponentError::NotWasm | ComponentError::CoreModule) => {
                Some("build it with: cargo build --release --target wasm32-wasip2".into())
            }
            MiddlewareLoadProblem::Component(error) => error.hint(),
            MiddlewareLoadProblem::Signature(error) => Some(error.hint()),
            MiddlewareLoadProblem::Stored(_) | MiddlewareLoadProblem::Duplicate(_) => None,
        }
    }
}

/// Loads all middleware of a configuration, in its order. Compiling occupies the calling thread, once for each component and data folder.
///
/// # Errors
/// With the first that cannot be used; then none is.
pub async fn load_middleware(
    sandbox: &Arc<Sandbox>,
    store: &(impl Components + Sync + ?Sized),
    configured: &[MiddlewareConfig],
    trust: &Trust,
) -> Result<Vec<MiddlewareComponent>, MiddlewareLoadError> {
    let mut loaded = Vec::with_capacity(configured.len());
    let mut names = HashSet::new();
    for (at, config) in configured.iter().enumerate() {
        let one = load(sandbox, store, config, trust).await.and_then(|component| {
            let name = component.name().to_owned();
            if names.insert(name.clone()) { Ok(component) } else { Err(MiddlewareLoadProblem::Duplicate(name)) }
        });
        let component = config.component.to_string();
        loaded.push(one.map_err(|problem| MiddlewareLoadError { entry: at + 1, component, problem })?);
    }
    Ok(loaded)
}

async fn load(
    sandbox: &Arc<Sandbox>,
    store: &(impl Components + Sync + ?Sized),
    config: &MiddlewareConfig,
    trust: &Trust,
) -> Result<MiddlewareComponent, MiddlewareLoadProblem> {
    let bytes = match &config.component {
        MiddlewareSource::File(path) => std::fs::read(path).map_err(MiddlewareLoadProblem::Read)?,
        MiddlewareSource::Stored(digest) => store.get_component(*digest).await.map_err(MiddlewareLoadProblem::Stored)?,
    };
    let digest = ComponentDigest::of(&bytes);
    let mut signatures = store.signatures(digest).await.map_err(MiddlewareLoadProblem::Stored)?;
    if let MiddlewareSource::File(path) = &config.component {
        signatures.extend(signature_beside(path));
    }
    let verdict = trust.judge(&bytes, signatures.iter().map(String::as_str));
    trust.admit(digest, &verdict)?;
    if let Some(warning) = trust.warning(digest, &verdict) {
        tracing::warn!(middleware = %config.component, "{warning}");
    }
    Ok(MiddlewareComponent::load(sandbox, &bytes, config.settings()).await?)
}

/// The text of the signature that lies beside a component file, whatever it is worth.
pub fn signature_beside(component: &std::path::Path) -> Option<String> {
    use std::io::Read as _;

    let file = std::fs::File::open(path_beside(component)).ok()?;
    let mut text = Vec::new();
    // One byte more than is looked at: what is too long is told to be that.
    file.take(LONGEST as u64 + 1).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}
