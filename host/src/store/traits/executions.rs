//! Executions as rows.

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::ids::{CallId, ComponentDigest, DeploymentId, ExecutionId};
use crate::journal::{Failure, Payload};
use crate::store::StoreError;

/// What an execution is doing. Five statuses, as in Kitaru.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// A runner drives it, or drove it when it died.
    Running,
    /// It needs an answer.
    Waiting,
    /// It has a result.
    Completed,
    /// It has a failure.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl Status {
    /// All of them, in the order in which messages list them.
    pub const ALL: [Self; 5] = [Self::Running, Self::Waiting, Self::Completed, Self::Failed, Self::Cancelled];

    /// The word used in JSON, text and storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status that `word` names.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether nothing more happens unless somebody asks for it.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An execution about to be created. Its status is `running` with no runner, so whoever claims it first drives it.
#[derive(Clone, Debug)]
pub struct NewExecution {
    /// Its identifier.
    pub id: ExecutionId,
    /// Which flow of the component.
    pub flow: String,
    /// Which component; its bytes are in the store already.
    pub component: ComponentDigest,
    /// The flow's input: a JSON object.
    pub input: Payload,
    /// Seed of the flow's random stream.
    pub seed: [u8; 32],
    /// When it was created.
    pub created_at: Timestamp,
    /// What the flow's clock reads first: `created_at`, or the source's for a replay.
    pub flow_epoch: Timestamp,
    /// The execution that this one replays.
    pub original: Option<ExecutionId>,
    /// The call of another execution that started this one as a child and waits for it.
    pub parent: Option<CallId>,
    /// The execution at the top of its tree, if that is another: whoever started it, or started who did, and so on, whether or not anybody waits
    /// for it. All of a tree have one account of what model calls cost.
    pub root: Option<ExecutionId>,
    /// How many executions stand above it as parents.
    pub depth: u32,
    /// Labels to find it by.
    pub tags: Vec<String>,
    /// The plan of the replay, as JSON.
    pub replay_plan: Option<String>,
    /// The configuration that it keeps for life (grants, limits), as JSON.
    pub frozen_spec: String,
}

/// An execution as it stands.
#[derive(Clone, Debug)]
pub struct ExecutionRow {
    /// What it was created as. `component` is the present one, which `retry --component` may have changed.
    pub new: NewExecution,
    /// Its place in the order of creation: the cursor of lists.
    pub position: u64,
    /// What it is doing.
    pub status: Status,
    /// When it goes on by itself: the time that it waits for, or when something came that it waits for and that its journal does not have yet.
    pub wake_at: Option<Timestamp>,
    /// One line on why, for people.
    pub status_reason: Option<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its result.
    pub result: Option<Payload>,
    /// Its failure.
    pub failure: Option<Failure>,
    /// What the flow logged about itself: a JSON object.
    pub metadata: String,
    /// Somebody asked for its end.
    pub cancel_requested: bool,
    /// The epoch of its latest lease; 0 if nobody claimed it yet.
    pub epoch: u64,
    /// The live runner that drives it, for people.
    pub runner: Option<String>,
    /// Its runner died before it let go of it: what else it had to do is not known.
    pub abandoned: bool,
}

/// The version of a published flow that executions were started as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartedAs {
    /// The one with this identifier.
    Deployment(DeploymentId),
    /// The one with this number, of whatever flow.
    Version(u64),
}

impl std::fmt::Display for StartedAs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Deployment(id) => id.fmt(f),
            Self::Version(number) => number.fmt(f),
        }
    }
}

/// Which executions to list. Everything that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct ExecutionFilter {
    /// Only these statuses; empty means all.
    pub statuses: Vec<Status>,
    /// Only this flow.
    pub flow: Option<String>,
    /// Only started as this version of a published flow.
    pub deployment: Option<StartedAs>,
    /// Only flows with one of these names, or whose names begin as one of these does before a `*` at its end.
    pub flows: Option<Vec<String>>,
    /// Only replays of this execution.
    pub original: Option<ExecutionId>,
    /// Only children of this execution.
    pub parent: Option<ExecutionId>,
    /// Only with all of these labels.
    pub tags: Vec<String>,
    /// Only created at this moment or later.
    pub since: Option<Timestamp>,
    /// Only created before this moment.
    pub until: Option<Timestamp>,
    /// Only ended before this moment.
    pub ended_before: Option<Timestamp>,
    /// Only with these values in the flow's metadata, by key; values as JSON.
    pub metadata: Vec<(String, serde_json::Value)>,
    /// Only with all of these words, in lower case: in the flow's name, the identifier, the status, the labels, the status reason or an open question.
    /// Letters outside of ASCII are compared as they are written.
    pub words: Vec<String>,
    /// Only after this place in the order of creation.
    pub after: Option<u64>,
    /// Only before this place in the order of creation.
    pub before: Option<u64>,
}

/// A window on a list, newest first.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// How many to leave out.
    pub offset: u64,
    /// How many to give at most.
    pub limit: u64,
}

/// Executions as rows.
#[async_trait]
pub trait Executions {
    /// Creates an execution, durably, and wakes those who watch all.
    async fn create(&self, execution: NewExecution) -> Result<(), StoreError>;
    /// One execution.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn execution(&self, id: ExecutionId) -> Result<ExecutionRow, StoreError>;
    /// Executions whose identifier's text starts with `prefix` (lower-case hexadecimal and hyphens), at most `limit`.
    async fn executions_by_prefix(&self, prefix: &str, limit: u64) -> Result<Vec<ExecutionId>, StoreError>;
    /// Executions that pass `filter`, newest first.
    async fn list(&self, filter: &ExecutionFilter, page: Page) -> Result<Vec<ExecutionRow>, StoreError>;
    /// How many executions pass `filter`.
    async fn count(&self, filter: &ExecutionFilter) -> Result<u64, StoreError>;
    /// Executions that wait, could go on, and that no living runner holds, at most `limit`: a time has come, an answer, or the end of a child.
    async fn due(&self, now: Timestamp, limit: u64) -> Result<Vec<ExecutionId>, StoreError>;
    /// Executions that are to run and that nobody holds, oldest first, at most `limit`.
    async fn unclaimed(&self, limit: u64) -> Result<Vec<ExecutionId>, StoreError>;
    /// Executions whose runner died before it let go of them, whatever their status: what they had to do besides what that says is not
    /// known. At most `limit`.
    async fn abandoned(&self, limit: u64) -> Result<Vec<ExecutionId>, StoreError>;
    /// The next moment after this one at which an execution goes on by itself, whoever holds it. Those before it are `due`.
    async fn next_wake(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError>;
    /// Removes an ended execution with its journal, questions, artifacts, logs, labels, cached results and records of model calls. What only it
    /// needed of large values and components is removed by [`Executions::sweep`]. What it spent stays in the accounts of its flow and its days, and in
    /// that of its tree as long as any of that is left.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when it has not ended, or when one that has not ended replays it or is its parent.
    async fn delete(&self, id: ExecutionId) -> Result<(), StoreError>;
    /// Removes large values and components that nothing refers to and nobody wrote within `grace`; tells how many bytes.
    async fn sweep(&self, grace: Duration) -> Result<u64, StoreError>;
    /// Notes that somebody wants the execution ended, and wakes its runner. The caller ends it where there is none.
    /// One that waits is due from then on, so that it ends even if the caller does not come to that.
    async fn request_cancel(&self, id: ExecutionId, at: Timestamp) -> Result<(), StoreError>;
}
