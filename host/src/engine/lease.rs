//! The right to drive an execution, which is given back however the driving ends: also when whoever drives goes away in the middle (E12).

use std::sync::Mutex;

use super::events::Observer;
use super::recorder::{Recorder, Rest};
use super::{Engine, EngineError};
use crate::ids::ExecutionId;
use crate::mutex::lock;
use crate::store::{Appending, Lease, NewExecution};

/// A lease that is held. It is given back when nobody can record anything under it any more: no body of its drive runs then.
pub(super) struct LeaseGuard {
    engine: Engine,
    lease: Lease,
    held: bool,
    rests: Mutex<Vec<Rest>>,
}

impl LeaseGuard {
    /// Takes the lease of an execution.
    ///
    /// # Errors
    /// [`StoreError::Owned`](crate::store::StoreError::Owned) when a live runner holds it.
    pub(super) async fn claim(engine: &Engine, id: ExecutionId) -> Result<Self, EngineError> {
        let lease = engine.store.claim(id).await?;
        Ok(Self { engine: engine.clone(), lease, held: true, rests: Mutex::default() })
    }

    /// Creates an execution together with its first lease.
    pub(super) async fn begin(engine: &Engine, execution: NewExecution) -> Result<(Self, Appending), EngineError> {
        let (lease, creating) = engine.store.begin(execution).await?;
        Ok((Self { engine: engine.clone(), lease, held: true, rests: Mutex::default() }, creating))
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// A recorder under this lease.
    pub(super) fn recorder(&self, observer: Observer, next_seq: u64, link: [u8; 32]) -> Recorder {
        let (recorder, rest) = Recorder::new(&self.engine, observer, self.lease.clone(), next_seq, link);
        lock(&self.rests).push(rest);
        recorder
    }

    /// Gives the lease back. The execution's status says what it waits for.
    pub(super) async fn release(self) -> Result<(), EngineError> {
        self.give_back(How::Settled).await
    }

    /// The last step gave the lease back, and nothing is left to do.
    pub(super) fn was_given_back(mut self) {
        let (engine, lease, _) = self.take();
        engine.store.was_given_back(&lease);
    }

    /// Gives the lease back after something went wrong in the middle.
    pub(super) async fn abandon(self) -> Result<(), EngineError> {
        self.give_back(How::CutOff).await
    }

    async fn give_back(mut self, how: How) -> Result<(), EngineError> {
        let (engine, lease, rests) = self.take();
        // In a task of its own: it is given back even if nobody waits for that any more.
        let given = tokio::spawn(async move { give_back(&engine, &lease, rests, how).await });
        given.await.unwrap_or_else(|_| Err(EngineError::state("the lease could not be given back")))
    }

    fn take(&mut self) -> (Engine, Lease, Vec<Rest>) {
        self.held = false;
        (self.engine.clone(), self.lease.clone(), std::mem::take(&mut *lock(&self.rests)))
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.held {
            let (engine, lease, rests) = self.take();
            // Not waited for: a lease that is not given back is found to be a dead runner's.
            runtime.spawn(async move {
                let _ = give_back(&engine, &lease, rests, How::CutOff).await;
                engine.tell_of(lease.execution).await;
            });
        }
    }
}

/// How a drive ended.
#[derive(Clone, Copy, Debug)]
enum How {
    Settled,
    CutOff,
}

async fn give_back(engine: &Engine, lease: &Lease, rests: Vec<Rest>, how: How) -> Result<(), EngineError> {
    for rest in rests {
        rest.handed_over().await;
    }
    let given = match how {
        How::Settled => engine.store.release(lease).await,
        How::CutOff => engine.store.abandon(lease).await,
    };
    if given.is_err() {
        // Only a search of this process finds it: for others, a living runner has it.
        engine.left_held.notify_one();
    }
    given.map_err(EngineError::from)
}
