//! Results of checkpoints that may be served again, to other executions (E14).

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::ids::CallId;
use crate::journal::Payload;
use crate::store::StoreError;

/// BLAKE3 of all that a cached result depends on.
pub type CacheKey = [u8; 32];

/// A result that may be served again. A later one of the same key takes its place.
#[derive(Clone, Debug)]
pub struct CacheEntry {
    /// What it depends on.
    pub key: CacheKey,
    /// The call that made it.
    pub call: CallId,
    /// The result.
    pub result: Payload,
    /// What the checkpoint logged about itself: a JSON object as text.
    pub metadata: Option<String>,
    /// When it is too old.
    pub expires_at: Option<Timestamp>,
}

/// Cached results. One is kept by [`Journal::append`](super::Journal::append), in the step that records the call.
#[async_trait]
pub trait Cache {
    /// The result of this key, unless it is too old at `now`.
    async fn cached(&self, key: CacheKey, now: Timestamp) -> Result<Option<CacheEntry>, StoreError>;
}
