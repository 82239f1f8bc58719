//! Starts that a client can ask for again: with the same key it gets the same execution.

use async_trait::async_trait;

use super::NewExecution;
use crate::clock::Timestamp;
use crate::ids::ExecutionId;
use crate::store::StoreError;

/// What tells a start from all others of its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartKey {
    /// Who asks. Callers do not see each other's keys.
    pub caller: String,
    /// The key, of the caller's choice.
    pub key: String,
    /// A hash of all that is asked: a key stands for one request.
    pub request: [u8; 32],
}

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Started {
    /// The execution that was created with this call.
    Now(ExecutionId),
    /// The execution that the same request created before.
    Before(ExecutionId),
    /// An execution that another request created.
    Otherwise(ExecutionId),
}

/// Starts by key. A key and its execution come to the disk together: after a crash there are both or none.
#[async_trait]
pub trait Starts {
    /// What a key stands for that was used at `since` or later, if it was.
    async fn started(&self, start: &StartKey, since: Timestamp) -> Result<Option<Started>, StoreError>;
    /// Creates an execution as [`Executions::create`](super::Executions::create) does, unless its key was used at `since` or later. What was used
    /// before that is forgotten.
    async fn create_once(&self, execution: NewExecution, start: StartKey, since: Timestamp) -> Result<Started, StoreError>;
}
