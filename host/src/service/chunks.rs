//! What happens in an execution while it goes on: what changed of it, and what models say while they say it.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{ExecutionChangesView, LocalService, ServiceError, changes};
use crate::engine::{Engine, EngineError, LiveChunk, LiveText, Overheard};
use crate::ids::ExecutionId;
use crate::store::StoreError;

/// What other processes leave is looked at this often.
const LOOK: Duration = Duration::from_millis(50);
/// And whether the execution has ended this often, where nothing is said.
const END: Duration = Duration::from_millis(500);

/// Verbs of an execution that goes on.
#[async_trait]
pub trait LiveVerbs: Send + Sync {
    /// Follows what models say to an execution while they say it, to its end: of calls under way from their beginning, as far as that is still known.
    /// Chunks of an answer come in their order; what comes again has the numbers that it had.
    ///
    /// # Errors
    /// When it cannot be followed.
    async fn follow_chunks(&self, id: ExecutionId) -> Result<ChunkFollow, ServiceError>;
    /// What changed of an execution since the look that gave `cursor`; all of it where there was none.
    ///
    /// # Errors
    /// When there is no such execution, or it cannot be read.
    async fn changes(&self, id: ExecutionId, cursor: Option<&str>) -> Result<ExecutionChangesView, ServiceError>;
    /// Changes whenever something may have happened to any execution from here on; steps alone are not told. None where nobody tells: whoever needs to
    /// know has to look.
    ///
    /// # Errors
    /// When the store refuses.
    async fn news(&self) -> Result<Option<watch::Receiver<u64>>, ServiceError>;
}

/// Somebody who follows what models say to an execution.
#[async_trait]
pub trait FollowingChunks: Send {
    /// What is said next; none when the execution has ended.
    ///
    /// # Errors
    /// When it cannot be followed any more.
    async fn next(&mut self) -> Result<Option<LiveChunk>, ServiceError>;
}

/// What follows what models say.
pub type ChunkFollow = Box<dyn FollowingChunks>;

/// Follows an execution of this data folder, whichever process drives it.
struct LocalChunks {
    engine: Engine,
    id: ExecutionId,
    /// What is said in this process.
    here: LiveText,
    /// What is said in others.
    elsewhere: Overheard,
    look_at: Instant,
    end_at: Instant,
    has_ended: bool,
}

#[async_trait]
impl LiveVerbs for LocalService {
    async fn follow_chunks(&self, id: ExecutionId) -> Result<ChunkFollow, ServiceError> {
        let engine = self.engine().clone();
        let (here, elsewhere) = (engine.live_text(id, None), engine.overheard(id).await?);
        let (look_at, end_at) = (Instant::now(), Instant::now() + END);
        Ok(Box::new(LocalChunks { engine, id, here, elsewhere, look_at, end_at, has_ended: false }))
    }

    async fn changes(&self, id: ExecutionId, cursor: Option<&str>) -> Result<ExecutionChangesView, ServiceError> {
        changes::since(self, id, cursor).await
    }

    async fn news(&self) -> Result<Option<watch::Receiver<u64>>, ServiceError> {
        Ok(Some(self.watch_all().await?))
    }
}

impl LocalChunks {
    async fn is_over(&self) -> Result<bool, ServiceError> {
        match self.engine.execution(self.id).await {
            Ok(execution) => Ok(execution.status.is_terminal()),
            // What has just begun here is written with its first step.
            Err(EngineError::Store(StoreError::NotFound { .. })) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl FollowingChunks for LocalChunks {
    async fn next(&mut self) -> Result<Option<LiveChunk>, ServiceError> {
        loop {
            tokio::select! {
                biased;
                chunk = self.here.next() => return Ok(Some(chunk)),
                () = sleep_until(self.look_at) => {}
            }
            if let Some(chunk) = self.elsewhere.next().await? {
                return Ok(Some(chunk));
            }
            // What was said before its end was looked for since.
            if self.has_ended {
                return Ok(None);
            }
            if Instant::now() >= self.end_at {
                self.has_ended = self.is_over().await?;
                self.end_at = Instant::now() + END;
            }
            self.look_at = Instant::now() + LOOK;
        }
    }
}
