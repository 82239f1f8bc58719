//! What stands beside the journal of some calls.

use async_trait::async_trait;

use super::{AccessRow, ArtifactRow, ModelUsage, WaitRow};
use crate::ids::ExecutionId;
use crate::store::StoreError;

/// What stands beside the journal of some calls of an execution: each by call, and in the order in which it is read of all of them.
#[derive(Clone, Debug, Default)]
pub struct BesideCalls {
    /// What they saved.
    pub artifacts: Vec<ArtifactRow>,
    /// What they touched.
    pub accesses: Vec<AccessRow>,
    /// What they asked.
    pub waits: Vec<WaitRow>,
    /// What their model calls used.
    pub usage: Vec<ModelUsage>,
}

/// A part of what is kept of an execution, for whoever has the rest.
#[async_trait]
pub trait Calls {
    /// What stands beside the journal of these calls, as of one moment. A call that is not there has nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is no such execution.
    async fn beside(&self, execution: ExecutionId, calls: Vec<u32>) -> Result<BesideCalls, StoreError>;
}
