//! What bodies used of what they were granted, and what they were denied.

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::ids::ExecutionId;
use crate::store::StoreError;

/// What happened on one target, since the row before it of the same attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessRow {
    /// Whose.
    pub execution: ExecutionId,
    /// The checkpoint call.
    pub call: u32,
    /// The attempt of it.
    pub attempt: u32,
    /// The checkpoint's name.
    pub checkpoint: String,
    /// The kind of capability, as its flag names it: `read`, `net`, `llm` …
    pub kind: String,
    /// What was touched, as the guest says it.
    pub target: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// How often.
    pub count: u64,
    /// When it happened first.
    pub first_at: Timestamp,
    /// What else is to be known; never anything secret.
    pub detail: Option<String>,
}

impl AccessRow {
    /// What its texts take, in bytes.
    pub fn bytes(&self) -> usize {
        self.checkpoint.len() + self.kind.len() + self.target.len() + self.detail.as_ref().map_or(0, String::len)
    }
}

/// Records of accesses. They are kept by [`Journal::append`](super::Journal::append), and never changed.
#[async_trait]
pub trait Accesses {
    /// The records of an execution by call and attempt, and within one in the order in which they were written.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn accesses(&self, execution: ExecutionId) -> Result<Vec<AccessRow>, StoreError>;

    /// How many there are.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn count_accesses(&self, execution: ExecutionId) -> Result<u64, StoreError>;
}
