//! API keys of service accounts: what is known of them without knowing them.

use async_trait::async_trait;

use super::AccountRow;
use crate::clock::Timestamp;
use crate::ids::{AccountId, ApiKeyId};
use crate::store::StoreError;

/// SHA-256 of a secret of 32 random bytes.
pub type SecretHash = [u8; 32];

/// A key about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiKey {
    /// Its identifier.
    pub id: ApiKeyId,
    /// Whose it is.
    pub account: AccountId,
    /// Its name, which no other key of the account has.
    pub name: String,
    /// What it is for, for people.
    pub description: String,
    /// The hash of its secret.
    pub hash: SecretHash,
    /// When it is made.
    pub created_at: Timestamp,
}

/// A secret that was replaced, and counts for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetainedSecret {
    /// Its hash.
    pub hash: SecretHash,
    /// It counts before this moment.
    pub until: Timestamp,
}

/// An API key, with the account that it is for as of the same moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKeyRow {
    /// Its identifier.
    pub id: ApiKeyId,
    /// Whose it is.
    pub account: AccountRow,
    /// Its name.
    pub name: String,
    /// What it is for, for people.
    pub description: String,
    /// Whether it counts.
    pub active: bool,
    /// The hash of its secret.
    pub hash: SecretHash,
    /// The secret before, if it counts or did for a while.
    pub retained: Option<RetainedSecret>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it got its present secret, if that is not its first.
    pub rotated_at: Option<Timestamp>,
    /// When it was last used, as far as that was noted.
    pub used_at: Option<Timestamp>,
}

/// What changes of a key. What is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiKeyChange {
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<String>,
    /// Whether it counts.
    pub active: Option<bool>,
}

/// API keys.
#[async_trait]
pub trait ApiKeys {
    /// Makes a key, durably.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such account; [`StoreError::Conflict`] when it has a key of this name.
    async fn create_api_key(&self, key: NewApiKey) -> Result<(), StoreError>;
    /// The key with this identifier.
    async fn api_key(&self, id: ApiKeyId) -> Result<Option<ApiKeyRow>, StoreError>;
    /// The keys of an account, by name.
    async fn api_keys(&self, account: AccountId) -> Result<Vec<ApiKeyRow>, StoreError>;
    /// Changes a key, durably.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when another key of the account has the name.
    async fn change_api_key(&self, id: ApiKeyId, change: ApiKeyChange, at: Timestamp) -> Result<(), StoreError>;
    /// Gives a key another secret, durably. The one before counts until `retained_until`, where that is given; the one before that no more.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn rotate_api_key(
        &self,
        id: ApiKeyId,
        hash: SecretHash,
        retained_until: Option<Timestamp>,
        at: Timestamp,
    ) -> Result<(), StoreError>;
    /// Notes that a key was used. It may be forgotten if the machine dies.
    async fn note_api_key_use(&self, id: ApiKeyId, at: Timestamp) -> Result<(), StoreError>;
    /// Removes a key with its sessions, durably.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn delete_api_key(&self, id: ApiKeyId) -> Result<(), StoreError>;
}
