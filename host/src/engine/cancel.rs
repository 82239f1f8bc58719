//! Ending an execution on request.

use super::{Engine, EngineError};
use crate::ids::ExecutionId;
use crate::journal::History;
use crate::store::{Durability, StatusChange, StoreError};

use super::recorder::{Recorder, Step};

impl Engine {
    /// Ends an execution. Where a runner drives it, that runner ends it, at once.
    ///
    /// # Errors
    /// When it has ended already.
    pub async fn cancel(&self, id: ExecutionId) -> Result<(), EngineError> {
        let row = self.store.execution(id).await?;
        if row.status.is_terminal() {
            return Err(EngineError::only("running or waiting", "cancelled", id, row.status));
        }
        self.store.request_cancel(id).await?;
        match self.store.claim(id).await {
            // Nobody drives it: we end it.
            Ok(lease) => {
                let recorder =
                    Recorder::new(self.store.clone(), self.clock.clone(), lease.clone(), History::default().next_seq, [0; 32]);
                // It may have ended between the look and the claim.
                let done = if self.store.execution(id).await?.status.is_terminal() {
                    Ok(())
                } else {
                    recorder.write(Step::status(StatusChange::Cancelled), Durability::Full).await.map(drop)
                };
                self.store.release(&lease).await?;
                done
            }
            Err(StoreError::Owned { .. }) => self.await_end(id).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the runner has ended the execution.
    async fn await_end(&self, id: ExecutionId) -> Result<(), EngineError> {
        let mut wakeups = self.store.watch(id).await?;
        for _ in 0..50 {
            if self.store.execution(id).await?.status.is_terminal() {
                return Ok(());
            }
            let _ = tokio::time::timeout(std::time::Duration::from_millis(100), wakeups.changed()).await;
        }
        Err(EngineError::State {
            message: format!("execution '{id}' was asked to end, and its runner has not ended it within 5 s"),
            hint: Some("it ends as soon as its runner looks; see `kitaru-host executions get`".into()),
        })
    }
}
