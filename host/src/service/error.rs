//! What a verb refuses, in the terms that every surface shows.

use kitaru_llm::models::RegistryError;

use super::{RemoteError, Unfinished};
use crate::access::{AccessError, Full};
use crate::config::{FileError, GrantMemoryError, ModelsError};
use crate::engine::EngineError;
use crate::secrets::SecretsError;
use crate::store::StoreError;

/// A verb failed.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// An argument is not acceptable.
    #[error("{message}")]
    Usage {
        /// Why.
        message: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// There is no such thing.
    #[error("{message}")]
    NotFound {
        /// What was looked for.
        message: String,
        /// Where to look.
        hint: Option<String>,
    },
    /// Nothing passes the filters.
    #[error("{0}")]
    Lookup(String),
    /// The state of the execution does not allow it.
    #[error("{message}")]
    State {
        /// Why.
        message: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// The engine or the store refused.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What is granted for good cannot be read or changed.
    #[error(transparent)]
    Grants(#[from] GrantMemoryError),
    /// Model aliases cannot be read or changed.
    #[error(transparent)]
    Models(#[from] ModelsError),
    /// The caller may not, or what lets callers in cannot be made or changed.
    #[error(transparent)]
    Access(AccessError),
    /// A server refused, or could not be asked.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// It failed after a part of it was done: see [`ServiceError::parted`].
    #[error(transparent)]
    Unfinished(Box<Unfinished>),
}

impl From<AccessError> for ServiceError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Store(error) => error.into(),
            error => Self::Access(error),
        }
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}

impl ServiceError {
    /// A usage error without a hint.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: None }
    }

    /// A state error without a hint.
    pub fn state(message: impl Into<String>) -> Self {
        Self::State { message: message.into(), hint: None }
    }

    /// What a service that is somewhere else does not do.
    pub fn folder_only(what: &str) -> Self {
        Self::State {
            message: format!("{what} works on the data folder only"),
            hint: Some("use kitaru-host where the data folder is, and without a server".into()),
        }
    }

    /// Whether what was named is not there.
    pub fn is_missing(&self) -> bool {
        let error = self.itself();
        if let Self::Remote(error) = error {
            return error.status() == Some(404);
        }
        matches!(
            error,
            Self::NotFound { .. }
                | Self::Lookup(_)
                | Self::Engine(EngineError::Store(StoreError::NotFound { .. }))
                | Self::Models(ModelsError::Registry(RegistryError::Unknown { .. }))
                | Self::Access(AccessError::NotFound { .. })
        )
    }

    /// The error, whatever was done before it.
    pub fn itself(&self) -> &Self {
        match self {
            Self::Unfinished(unfinished) => unfinished.error(),
            error => error,
        }
    }

    /// The name of the error's class, as Kitaru's clients know them.
    pub fn class(&self) -> &'static str {
        use crate::journal::ReplayError;
        match self {
            Self::Usage { .. } => "KitaruUsageError",
            Self::NotFound { .. } => "KitaruRuntimeError",
            Self::Lookup(_) => "LookupError",
            Self::State { .. } => "KitaruStateError",
            Self::Remote(error) => error.class(),
            Self::Unfinished(unfinished) => unfinished.error().class(),
            Self::Grants(GrantMemoryError::File(FileError::Parse { .. }) | GrantMemoryError::Digest { .. }) => "KitaruUsageError",
            Self::Grants(_) | Self::Models(ModelsError::Registry(RegistryError::Unknown { .. })) => "KitaruRuntimeError",
            Self::Models(ModelsError::File(FileError::Parse { .. }) | ModelsError::Entry(_) | ModelsError::Registry(_)) => {
                "KitaruUsageError"
            }
            Self::Models(ModelsError::File(_) | ModelsError::NoFolder | ModelsError::Interrupted(_)) => "KitaruRuntimeError",
            Self::Access(error) => match error {
                AccessError::Unauthenticated | AccessError::Expired { .. } => "KitaruAuthenticationError",
                AccessError::Forbidden { .. } | AccessError::Csrf => "KitaruAuthorizationError",
                AccessError::TooMany { .. } | AccessError::Full { full: Full::Own, .. } => "KitaruRateLimitError",
                AccessError::Link(_) => "KitaruStateError",
                AccessError::Invalid(_)
                | AccessError::Key { source: SecretsError::NotAKey(_) | SecretsError::Exposed { .. }, .. } => "KitaruUsageError",
                AccessError::Store(_) | AccessError::Full { .. } => "KitaruBackendError",
                AccessError::NotFound { .. } | AccessError::Key { .. } | AccessError::Interrupted(_) => "KitaruRuntimeError",
            },
            Self::Engine(error) => match error {
                EngineError::Store(StoreError::Conflict { .. } | StoreError::Owned { .. } | StoreError::LeaseLost { .. })
                | EngineError::State { .. }
                | EngineError::KeyTaken { .. }
                | EngineError::Replay(
                    ReplayError::NoHistory(_)
                    | ReplayError::Unknown { .. }
                    | ReplayError::UnknownTarget { .. }
                    | ReplayError::Ambiguous { .. },
                ) => "KitaruStateError",
                EngineError::Store(_) => "KitaruBackendError",
                EngineError::WaitInput { .. } => "KitaruWaitValidationError",
                EngineError::Component(_)
                | EngineError::Signature(_)
                | EngineError::Grant(_)
                | EngineError::KeyGrant
                | EngineError::Folder(_)
                | EngineError::Models(_)
                | EngineError::Middleware(_)
                | EngineError::Aliases(_)
                | EngineError::Secrets(SecretsError::NotAKey(_) | SecretsError::Exposed { .. })
                | EngineError::Tags
                | EngineError::Transfer(_)
                | EngineError::UnknownFlow { .. }
                | EngineError::WhichFlow(_)
                | EngineError::Input { .. }
                | EngineError::GivenCall { .. }
                | EngineError::GivenModel { .. }
                | EngineError::Replay(_) => "KitaruUsageError",
                EngineError::Record { .. }
                | EngineError::History { .. }
                | EngineError::StoredJson { .. }
                | EngineError::NoModels
                | EngineError::Secrets(_) => "KitaruRuntimeError",
            },
        }
    }

    /// A hint that tells a person what to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } | Self::NotFound { hint, .. } | Self::State { hint, .. } => hint.clone(),
            Self::Lookup(_) => None,
            Self::Engine(error) => error.hint(),
            Self::Models(error) => error.hint(),
            Self::Grants(error) => error.hint(),
            Self::Access(error) => error.hint(),
            Self::Remote(error) => error.what_to_do().map(str::to_owned),
            Self::Unfinished(unfinished) => unfinished.error().hint(),
        }
    }
}
