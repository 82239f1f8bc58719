//! Executions that come from another store, whole.

use async_trait::async_trait;

use super::{AccessRow, ArtifactRow, LogRow, ModelCallRow, NewExecution, Status, StoredEntry, WaitRow};
use crate::clock::Timestamp;
use crate::journal::{Failure, Payload, PayloadHash};
use crate::store::StoreError;

/// An execution with all that belongs to it. Its large values and its component are in the store already.
#[derive(Clone, Debug)]
pub struct ImportedExecution {
    /// What it was created as.
    pub new: NewExecution,
    /// How it stands: it has ended.
    pub status: Status,
    /// One line on why.
    pub status_reason: Option<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its result.
    pub result: Option<Payload>,
    /// Its failure.
    pub failure: Option<Failure>,
    /// What the flow logged about itself.
    pub metadata: String,
    /// Its journal, checked.
    pub journal: Vec<StoredEntry>,
    /// Large values that it names.
    pub blobs: Vec<PayloadHash>,
    /// Its questions.
    pub waits: Vec<WaitRow>,
    /// What its checkpoints saved.
    pub artifacts: Vec<ArtifactRow>,
    /// The records of its model calls.
    pub model_calls: Vec<ModelCallRow>,
    /// What its bodies used and were denied.
    pub accesses: Vec<AccessRow>,
    /// Its log.
    pub logs: Vec<LogRow>,
}

/// Imports.
#[async_trait]
pub trait Imports {
    /// Adds executions, all of them or none, durably.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when one is there already.
    async fn import(&self, executions: Vec<ImportedExecution>) -> Result<(), StoreError>;
}
