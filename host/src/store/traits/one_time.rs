//! What works once: codes of log-in links, which are there until they are used, and other things, which are noted when they are.

use async_trait::async_trait;

use super::SecretHash;
use crate::clock::Timestamp;
use crate::store::StoreError;

/// Codes of log-in links that nobody has used yet.
#[async_trait]
pub trait LoginCodes {
    /// Keeps a code, durably. Those that have expired go.
    async fn put_login_code(&self, hash: SecretHash, now: Timestamp, expires_at: Timestamp) -> Result<(), StoreError>;
    /// Uses a code up, durably. Whether it was there and had not expired: of several that come with it at once, one is told so.
    async fn take_login_code(&self, hash: SecretHash, now: Timestamp) -> Result<bool, StoreError>;
}

/// What may be used once, and was.
#[async_trait]
pub trait SpentUses {
    /// Notes that something was used, durably; what has expired is forgotten. Whether it is the first time.
    async fn spend(&self, hash: SecretHash, now: Timestamp, expires_at: Timestamp) -> Result<bool, StoreError>;
    /// Whether something was used.
    async fn is_spent(&self, hash: SecretHash) -> Result<bool, StoreError>;
    /// Takes the note back, durably, where the use came to nothing.
    async fn unspend(&self, hash: SecretHash) -> Result<(), StoreError>;
}
