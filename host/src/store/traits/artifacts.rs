//! Saved artifacts. Checkpoint outputs are not here: the journal has them.

use async_trait::async_trait;

use super::Lease;
use crate::clock::Timestamp;
use crate::ids::ExecutionId;
use crate::journal::Payload;
use crate::store::StoreError;

/// A value that a checkpoint saved.
#[derive(Clone, Debug)]
pub struct ArtifactRow {
    /// Whose it is.
    pub execution: ExecutionId,
    /// The checkpoint call that saved it.
    pub call: u32,
    /// The attempt that saved it. Only those of the deciding attempt count.
    pub attempt: u32,
    /// Position among what the attempt saved: 0, 1, 2 …
    pub ordinal: u32,
    /// Its name.
    pub name: String,
    /// One of the six kinds.
    pub kind: String,
    /// `application/json` for JSON, otherwise what the author said.
    pub media_type: String,
    /// True where the value is a blob and not JSON.
    pub is_blob: bool,
    /// Labels.
    pub tags: Vec<String>,
    /// The value.
    pub payload: Payload,
    /// When.
    pub at: Timestamp,
}

/// Saved artifacts.
#[async_trait]
pub trait Artifacts {
    /// Keeps an artifact; as durable as the next full append of the same store. Fenced by the lease (E12).
    async fn save(&self, lease: &Lease, artifact: ArtifactRow) -> Result<(), StoreError>;
    /// What the execution's attempts saved, by call, attempt and ordinal.
    async fn artifacts(&self, execution: ExecutionId) -> Result<Vec<ArtifactRow>, StoreError>;
}
