//! What lists say of executions, kept beside them so that a list reads no journal.

use async_trait::async_trait;

use super::{Appending, ModelUsage};
use crate::ids::ExecutionId;
use crate::store::StoreError;

/// What is kept in brief of an execution, and how long its journal and its records of model calls are by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BriefRow {
    /// Whose it is.
    pub execution: ExecutionId,
    /// How many records its journal has.
    pub records: u64,
    /// The position of its newest record of a model call; 0 where there is none.
    pub model_calls: u64,
    /// What was kept last: JSON. It may be of an earlier moment.
    pub kept: Option<String>,
}

/// A brief to keep.
#[derive(Clone, Debug)]
pub struct NewBrief {
    /// Whose it is.
    pub execution: ExecutionId,
    /// How many records of the journal it counts.
    pub records: u64,
    /// The position of the last record of a model call that it counts.
    pub model_calls: u64,
    /// The brief: JSON.
    pub brief: String,
}

/// What saved artifacts: a call, or one attempt of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedBy {
    /// The execution.
    pub execution: ExecutionId,
    /// The call.
    pub call: u32,
    /// Only this attempt of it.
    pub attempt: Option<u32>,
}

/// What lists say of executions. All of it follows from journals, artifacts and records of model calls: nothing is lost with it.
#[async_trait]
pub trait Briefs {
    /// What is kept of each of these, in the same order. Those that are not there are left out.
    async fn briefs(&self, executions: &[ExecutionId]) -> Result<Vec<BriefRow>, StoreError>;
    /// Keeps these, but for those whose executions have gone, and those that count less than what is kept already. Of two that count as much the later
    /// one is kept. Whoever dies before they are on the disk has lost nothing.
    /// They are handed over when this returns, and written as soon as it is their turn: whoever only reads need not wait for that.
    fn keep_briefs(&self, briefs: Vec<NewBrief>) -> Appending;
    /// Those of these executions that are there.
    async fn known(&self, executions: Vec<ExecutionId>) -> Result<Vec<ExecutionId>, StoreError>;
    /// How many artifacts these saved altogether. What is not there saved none.
    async fn count_saved(&self, by: Vec<SavedBy>) -> Result<u64, StoreError>;
    /// The records of model calls of an execution after this position, in the order in which they came.
    async fn model_usage_after(&self, execution: ExecutionId, position: u64) -> Result<Vec<ModelUsage>, StoreError>;
}
