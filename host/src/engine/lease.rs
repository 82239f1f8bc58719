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

    /// The last step gave the lease back, and nothing is left to do but to tell of it.
    pub(super) async fn was_given_back(mut self) {
        let (engine, lease, _) = self.take();
        engine.store.was_given_back(&lease);
        engine.tell_of(lease.execution).await;
    }

    /// Gives the lease back after something went wrong in the middle.
    pub(super) async fn abandon(self) -> Result<(), EngineError> {
        self.give_back(How::CutOff).await
    }

    async fn give_back(mut self, how: How) -> Result<(), EngineError> {
        let (engine, lease, rests) = self.take();
        // In a task of its own: it is given back, and others are told, even if nobody waits for that any more.
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
            runtime.spawn(async move { give_back(&engine, &lease, rests, How::CutOff).await });
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
    // The status is written, and nobody holds it: whoever waits for either can go on, and what came meanwhile and found it held is taken up.
    engine.tell_of(lease.execution).await;
    given.map_err(EngineError::from)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::task::Poll;
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock as _, SystemClock};
    use crate::engine::EngineSettings;
    use crate::ids::{ComponentDigest, Ids as _, SystemIds};
    use crate::journal::Payload;
    use crate::sandbox::Sandbox;
    use crate::store::sqlite::SqliteStore;

    /// Far below the half minute after which whoever waits looks by themselves.
    const SOON: Duration = Duration::from_secs(10);

    fn execution() -> NewExecution {
        let now = SystemClock.now();
        NewExecution {
            id: SystemIds.execution(),
            flow: "any".into(),
            component: ComponentDigest::of(b""),
            input: Payload::Inline(b"{}".to_vec()),
            seed: [0; 32],
            created_at: now,
            flow_epoch: now,
            original: None,
            parent: None,
            root: None,
            depth: 0,
            tags: Vec::new(),
            replay_plan: None,
            frozen_spec: "{}".into(),
        }
    }

    #[tokio::test]
    async fn that_a_lease_was_given_back_is_told_though_whoever_gave_it_back_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(folder.path()).unwrap());
        let sandbox = Sandbox::new(None, SystemIds.seed()).unwrap();
        let engine = Engine::new(store, sandbox, Arc::new(SystemClock), Arc::new(SystemIds), EngineSettings::default());
        let new = execution();
        let id = new.id;
        engine.store.create(new).await.unwrap();
        for how in [How::Settled, How::CutOff] {
            let guard = LeaseGuard::claim(&engine, id).await.unwrap();
            let mut news = engine.store.watch(id).await.unwrap();
            // It has begun, and nobody waits for its end.
            let mut giving = Box::pin(guard.give_back(how));
            let begun = poll_fn(|context| Poll::Ready(giving.as_mut().poll(context))).await;
            assert!(begun.is_pending(), "{how:?}: it was given back at once");
            drop(giving);
            tokio::time::timeout(SOON, news.changed()).await.expect("nobody was told").unwrap();
            assert!(engine.store.execution(id).await.unwrap().runner.is_none(), "{how:?}");
        }
    }
}
