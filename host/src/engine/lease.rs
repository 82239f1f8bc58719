//! The right to drive an execution, which is given back however the driving ends: also when whoever drives goes away in the middle (E12).

use std::sync::{Mutex, PoisonError};

use super::recorder::{Recorder, RecorderTask};
use super::{Engine, EngineError};
use crate::ids::ExecutionId;
use crate::store::Lease;

/// A lease that is held. What was handed to its recorders is written before it is given back.
pub(super) struct LeaseGuard {
    engine: Engine,
    lease: Lease,
    held: bool,
    recorders: Mutex<Vec<RecorderTask>>,
}

impl LeaseGuard {
    /// Takes the lease of an execution.
    ///
    /// # Errors
    /// [`StoreError::Owned`](crate::store::StoreError::Owned) when a live runner holds it.
    pub(super) async fn claim(engine: &Engine, id: ExecutionId) -> Result<Self, EngineError> {
        let lease = engine.store.claim(id).await?;
        Ok(Self { engine: engine.clone(), lease, held: true, recorders: Mutex::default() })
    }

    pub(super) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// A recorder under this lease.
    pub(super) fn recorder(&self, engine: &Engine, next_seq: u64, link: [u8; 32]) -> Recorder {
        let (recorder, task) = Recorder::start(engine.store.clone(), engine.clock.clone(), self.lease.clone(), next_seq, link);
        self.recorders.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        recorder
    }

    /// Gives the lease back. The execution's status says what it waits for.
    pub(super) async fn release(self) -> Result<(), EngineError> {
        self.give_back(How::Settled).await
    }

    /// Gives the lease back after something went wrong in the middle.
    pub(super) async fn abandon(self) -> Result<(), EngineError> {
        self.give_back(How::CutOff).await
    }

    async fn give_back(mut self, how: How) -> Result<(), EngineError> {
        let (engine, lease, recorders) = self.take();
        // In a task of its own: it is given back even if nobody waits for that any more.
        let given = tokio::spawn(async move { give_back(&engine, &lease, recorders, how).await });
        given.await.unwrap_or_else(|_| Err(EngineError::state("the lease could not be given back")))
    }

    fn take(&mut self) -> (Engine, Lease, Vec<RecorderTask>) {
        self.held = false;
        let recorders = std::mem::take(&mut *self.recorders.lock().unwrap_or_else(PoisonError::into_inner));
        (self.engine.clone(), self.lease.clone(), recorders)
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.held {
            let (engine, lease, recorders) = self.take();
            // Not waited for: a lease that is not given back is found to be a dead runner's.
            runtime.spawn(async move { give_back(&engine, &lease, recorders, How::CutOff).await });
        }
    }
}

/// How a drive ended.
#[derive(Clone, Copy, Debug)]
enum How {
    Settled,
    CutOff,
}

async fn give_back(engine: &Engine, lease: &Lease, recorders: Vec<RecorderTask>, how: How) -> Result<(), EngineError> {
    for recorder in recorders {
        let _ = recorder.await;
    }
    match how {
        How::Settled => engine.store.release(lease).await?,
        How::CutOff => engine.store.abandon(lease).await?,
    }
    Ok(())
}
