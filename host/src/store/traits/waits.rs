//! Questions and answers.

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::ids::{CallId, ExecutionId};
use crate::journal::Payload;
use crate::store::StoreError;

/// The member of a question's metadata that is true where it stands for a model that is missing, and for nobody's answer.
pub const MISSING_MODEL: &str = "missing_model";

/// A question about to be asked.
#[derive(Clone, Debug)]
pub struct NewWait {
    /// The durable call that asks.
    pub call: u32,
    /// The wait's name.
    pub name: String,
    /// What to ask.
    pub question: Option<String>,
    /// JSON Schema of the answer, as text.
    pub schema: Option<String>,
    /// A JSON object shown beside the question, as text.
    pub metadata: Option<String>,
    /// When it ends by itself.
    pub deadline: Option<Timestamp>,
    /// The answer at the deadline.
    pub default: Option<Payload>,
}

/// How a question was settled.
#[derive(Clone, Debug, PartialEq)]
pub enum Resolution {
    /// With this JSON value.
    Answered(Payload),
    /// Somebody ended the wait.
    Aborted,
    /// Its deadline passed, and nobody had answered.
    Expired,
}

/// A question.
#[derive(Clone, Debug)]
pub struct WaitRow {
    /// Its identifier.
    pub id: CallId,
    /// What was asked.
    pub wait: NewWait,
    /// When.
    pub entered_at: Timestamp,
    /// How it was settled.
    pub resolution: Option<Resolution>,
    /// When it was settled.
    pub resolved_at: Option<Timestamp>,
}

/// Questions and answers. A new question is made by [`Journal::append`](super::Journal::append).
#[async_trait]
pub trait Waits {
    /// The questions of an execution, in call order.
    async fn waits(&self, execution: ExecutionId) -> Result<Vec<WaitRow>, StoreError>;
    /// The open questions of all executions whose metadata has [`MISSING_MODEL`], in no order. A flow may have written that too.
    async fn waits_for_models(&self) -> Result<Vec<WaitRow>, StoreError>;
    /// One question.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn wait(&self, id: CallId) -> Result<WaitRow, StoreError>;
    /// Settles a question, durably and once, and wakes the runner: the one that was asked at `asked_at`, if that is given. An execution that waits is due from this moment on, in the same step: it
    /// goes on even if everybody who knows of it dies.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it is settled already, or was asked anew since; [`StoreError::NotFound`] when it was never asked.
    async fn resolve(
        &self,
        id: CallId,
        asked_at: Option<Timestamp>,
        resolution: Resolution,
        at: Timestamp,
    ) -> Result<(), StoreError>;
}
