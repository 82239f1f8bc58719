//! Executions that a client may ask for again, because it does not know whether its first request was heard: it gets the same one.

use super::{Engine, EngineError, Submission};
use crate::clock::Timestamp;
use crate::ids::ExecutionId;
use crate::store::{StartKey, Started};

/// How long a key is known, in microseconds: 24 hours.
const REMEMBERED: i64 = 24 * 3_600_000_000;

impl Engine {
    /// The execution that the same request with this key created, if there is one. Known for 24 hours, also if the execution was deleted since.
    ///
    /// # Errors
    /// When the key was used for another request.
    pub async fn started(&self, start: &StartKey) -> Result<Option<ExecutionId>, EngineError> {
        let started = self.store.started(start, self.remembered_since()).await?;
        started.map(|started| settled(start, started)).transpose()
    }

    /// Creates an execution like [`Engine::submit`], or returns the one that the same request with this key created: never two, whatever dies in
    /// between.
    ///
    /// # Errors
    /// When the key was used for another request, and those of [`Engine::submit`].
    pub async fn submit_once(&self, submission: Submission, start: StartKey) -> Result<ExecutionId, EngineError> {
        // First: what could be submitted then need not be acceptable now.
        if let Some(known) = self.started(&start).await? {
            return Ok(known);
        }
        let execution = self.new_execution(submission).await?;
        // Somebody may have been quicker, which the store finds out.
        let started = self.store.create_once(execution, start.clone(), self.remembered_since()).await?;
        settled(&start, started)
    }

    fn remembered_since(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.now().as_micros().saturating_sub(REMEMBERED))
    }
}

fn settled(start: &StartKey, started: Started) -> Result<ExecutionId, EngineError> {
    match started {
        Started::Now(id) | Started::Before(id) => Ok(id),
        Started::Otherwise(execution) => Err(EngineError::KeyTaken { key: start.key.clone(), execution }),
    }
}
