//! Browsers that are logged in.

use async_trait::async_trait;

use super::{ApiKeyRow, SecretHash};
use crate::clock::Timestamp;
use crate::ids::ApiKeyId;
use crate::store::StoreError;

/// A session about to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// The hash of what its cookie has.
    pub hash: SecretHash,
    /// The key with which somebody logged in; none for the owner of the data folder.
    pub api_key: Option<ApiKeyId>,
    /// From which address.
    pub source: Option<String>,
    /// When.
    pub created_at: Timestamp,
    /// When it ends, unless it is used before.
    pub expires_at: Timestamp,
    /// When it ends, whatever happens.
    pub ends_at: Timestamp,
}

/// A session, with its key as of the same moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// The key with which somebody logged in; none for the owner of the data folder.
    pub api_key: Option<ApiKeyRow>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used, as far as that was noted.
    pub used_at: Timestamp,
    /// When it ends, unless it is used before.
    pub expires_at: Timestamp,
    /// When it ends, whatever happens.
    pub ends_at: Timestamp,
}

/// Sessions.
#[async_trait]
pub trait Sessions {
    /// Begins a session, durably. Those that have expired go, and so do the oldest of the same key beyond `most`.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such key.
    async fn begin_session(&self, session: NewSession, most: u64) -> Result<(), StoreError>;
    /// The session with this hash, also if it has expired.
    async fn session(&self, hash: SecretHash) -> Result<Option<SessionRow>, StoreError>;
    /// Notes that a session was used, and when it ends now. It may be forgotten if the machine dies.
    async fn note_session_use(&self, hash: SecretHash, at: Timestamp, expires_at: Timestamp) -> Result<(), StoreError>;
    /// Ends a session, durably. Whether it was there.
    async fn end_session(&self, hash: SecretHash) -> Result<bool, StoreError>;
}
