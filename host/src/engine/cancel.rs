//! Ending an execution on request, and its children with it.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::events::Observer;
use super::journals::read_journal;
use super::lease::LeaseGuard;
use super::recorder::Step;
use super::runners::RunnerNews;
use super::{Engine, EngineError};
use crate::ids::ExecutionId;
use crate::journal::History;
use crate::store::{Durability, ExecutionFilter, ExecutionRow, Page, Status, StatusChange, StoreError};

/// How often somebody who waits for a runner to end an execution looks whether that runner still lives, where the platform does not tell.
const LOOK: Duration = Duration::from_millis(100);
/// How long a runner may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl Engine {
    /// Ends an execution, and the children that it waits for. Where a runner drives it, that runner ends it, at once.
    ///
    /// # Errors
    /// When it has ended already.
    pub async fn cancel(&self, id: ExecutionId) -> Result<(), EngineError> {
        let row = self.store.execution(id).await?;
        if row.status.is_terminal() {
            return Err(EngineError::only("running or waiting", "cancelled", id, row.status));
        }
        self.store.request_cancel(id, self.clock.now()).await?;
        let (mut news, until) = (RunnerNews::of(self, id).await?, Instant::now() + PATIENCE);
        loop {
            // Nobody drives it, or whoever did has let go: we end it.
            match LeaseGuard::claim(self, id).await {
                Ok(guard) => {
                    let ended = self.end(&guard).await;
                    let released = if ended.is_ok() { guard.release().await } else { guard.abandon().await };
                    self.tell_stopped(id);
                    return ended.and(released);
                }
                Err(EngineError::Store(StoreError::Owned { .. })) => {}
                Err(error) => return Err(error),
            }
            if self.store.execution(id).await?.status.is_terminal() {
                return Ok(());
            }
            if timeout_at(until, news.next(LOOK)).await.is_err() {
                // That it ended may have been lost on the way.
                if self.store.execution(id).await?.status.is_terminal() {
                    return Ok(());
                }
                return Err(EngineError::State {
                    message: format!("execution '{id}' was asked to end, and its runner has not ended it within 5 s"),
                    hint: Some("it ends as soon as its runner looks; see `kitaru-host executions get`".into()),
                });
            }
        }
    }

    /// The same for an execution that may have ended or gone meanwhile.
    pub(super) async fn cancel_quietly(&self, id: ExecutionId) -> Result<(), EngineError> {
        match Box::pin(self.cancel(id)).await {
            Ok(()) | Err(EngineError::State { .. } | EngineError::Store(StoreError::NotFound { .. })) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends the children of an execution that has ended.
    pub(super) async fn cancel_children(&self, parent: ExecutionId) -> Result<(), EngineError> {
        self.cancel_left_behind(parent, None).await
    }

    /// Ends the children that a flow had when its end was recorded, if its runner died between the two.
    ///
    /// `history` is the execution's, if it goes on: what its calls are waiting for now is left alone.
    pub(super) async fn cancel_left_behind(&self, parent: ExecutionId, history: Option<&History>) -> Result<(), EngineError> {
        let waits_for = |child: &ExecutionRow| {
            let call = child.new.parent.and_then(|call| history?.call(call.index));
            call.is_some_and(|call| call.has_started() && call.end.is_none() && call.child == Some(child.new.id))
        };
        for child in self.children(parent).await?.iter().filter(|child| !waits_for(child)) {
            self.cancel_quietly(child.new.id).await?;
        }
        Ok(())
    }

    /// Those that have not ended.
    async fn children(&self, parent: ExecutionId) -> Result<Vec<ExecutionRow>, EngineError> {
        let statuses = vec![Status::Running, Status::Waiting];
        let filter = ExecutionFilter { parent: Some(parent), statuses, ..ExecutionFilter::default() };
        Ok(self.store.list(&filter, Page { offset: 0, limit: u64::MAX }).await?)
    }

    async fn end(&self, guard: &LeaseGuard) -> Result<(), EngineError> {
        // It may have ended between the look and the claim.
        if self.store.execution(guard.lease().execution).await?.status.is_terminal() {
            return Ok(());
        }
        // They end first: whoever dies in between asks again.
        self.cancel_children(guard.lease().execution).await?;
        if self.monitor.is_some() {
            // One that cannot be read is ended all the same.
            let journal = read_journal(self.store.as_ref(), guard.lease().execution).await;
            self.tell_begun(guard.lease().execution, journal.map_or(0, |journal| journal.history.next_seq));
        }
        // No entry is added, so it does not matter where the journal stands.
        let recorder = guard.recorder(Observer::silent(), 0, [0; 32]);
        recorder.write(Step::status(StatusChange::Cancelled), Durability::Full).await.map(drop)
    }
}
