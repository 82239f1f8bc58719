//! What components were granted for good.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ServiceError;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{GrantMemory, GrantMemoryError, RememberedGrants};
use crate::ids::ComponentDigest;
use crate::sandbox::Grants;

/// What a component was granted for good.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RememberedGrantsView {
    /// SHA-256 of the component.
    pub component_digest: String,
    /// Its flows.
    pub flows: Vec<String>,
    /// When it was granted something last.
    pub granted_at: String,
    /// What.
    #[schemars(with = "serde_json::Value")]
    pub grants: Grants,
}

/// Which components are to have nothing for good any more.
#[derive(Clone, Debug)]
pub enum ForgottenGrants {
    /// Those of this digest, or of a unique beginning of it.
    Of(String),
    /// All.
    All,
}

fn view((digest, remembered): (ComponentDigest, RememberedGrants)) -> RememberedGrantsView {
    let RememberedGrants { flows, at, grants } = remembered;
    RememberedGrantsView { component_digest: digest.to_string(), flows, granted_at: at, grants }
}

pub(super) async fn list(memory: &GrantMemory) -> Result<Vec<RememberedGrantsView>, ServiceError> {
    Ok(blocking(memory, GrantMemory::all).await?.into_iter().map(view).collect())
}

pub(super) async fn of(memory: &GrantMemory, component: ComponentDigest) -> Result<Grants, ServiceError> {
    let mut all = blocking(memory, GrantMemory::all).await?;
    Ok(all.remove(&component).map(|remembered| remembered.grants).unwrap_or_default())
}

pub(super) async fn remember(
    memory: &GrantMemory,
    component: ComponentDigest,
    flows: Vec<String>,
    grants: Grants,
) -> Result<(), ServiceError> {
    let more = RememberedGrants { flows, at: SystemClock.now().to_rfc3339(), grants };
    blocking(memory, move |memory| memory.remember(component, more)).await
}

pub(super) async fn forget(memory: &GrantMemory, which: ForgottenGrants) -> Result<Vec<RememberedGrantsView>, ServiceError> {
    let text = match which {
        ForgottenGrants::All => return Ok(blocking(memory, |memory| memory.forget(None)).await?.into_iter().map(view).collect()),
        ForgottenGrants::Of(text) => text,
    };
    let prefix = text.trim().trim_start_matches("sha256:").to_ascii_lowercase();
    if prefix.is_empty() {
        return Err(ServiceError::usage("a component's digest must not be empty"));
    }
    let all = blocking(memory, GrantMemory::all).await?;
    let found: Vec<ComponentDigest> = all.into_keys().filter(|digest| digest.to_string().starts_with(&prefix)).collect();
    match found.as_slice() {
        [] => Err(ServiceError::NotFound {
            message: format!("Nothing is granted for good to a component '{}'.", text.trim()),
            hint: Some("list what is: kitaru-host grants list".into()),
        }),
        [_] => Ok(blocking(memory, move |memory| memory.forget(Some(&found))).await?.into_iter().map(view).collect()),
        several => {
            let digests: Vec<String> = several.iter().map(ToString::to_string).collect();
            let message = format!("'{}' is the beginning of several digests: {}", text.trim(), digests.join(", "));
            Err(ServiceError::Usage { message, hint: Some("give more of the digest".into()) })
        }
    }
}

/// Files may block.
async fn blocking<T: Send + 'static>(
    memory: &GrantMemory,
    work: impl FnOnce(&GrantMemory) -> Result<T, GrantMemoryError> + Send + 'static,
) -> Result<T, ServiceError> {
    let memory = memory.clone();
    let done = tokio::task::spawn_blocking(move || work(&memory)).await;
    Ok(done.unwrap_or_else(|error| Err(GrantMemoryError::Interrupted(error.into())))?)
}
