//! What other runners do: that one lets go of an execution, which wakes whoever watches it, or dies, which wakes nobody and is told otherwise.

use std::time::Duration;

use tokio::sync::watch;

use super::rounds::NET;
use super::{Engine, EngineError};
use crate::ids::ExecutionId;
use crate::store::{Deaths, Store};

/// How often whoever waits until nobody drives an execution looks whether its runner still lives, where the platform does not tell of that.
const LOOK: Duration = Duration::from_millis(250);

/// News of runners that die.
pub(super) struct DeathNews(watch::Receiver<Deaths>);

impl DeathNews {
    /// From here on.
    pub(super) async fn begin(store: &dyn Store) -> Result<Self, EngineError> {
        Ok(Self(store.watch_deaths().await?))
    }

    /// Returns when a runner may have died since the last time. Where the platform does not tell of that, somebody has to look: then it returns after
    /// `look` at the latest. Where it does, after half a minute: for what may have been lost on the way.
    pub(super) async fn next(&mut self, look: Duration) {
        let pause = if self.0.borrow().are_told { NET } else { look };
        let _ = tokio::time::timeout(pause, changed(&mut self.0)).await;
    }
}

/// News of an execution that somebody else drives.
pub(super) struct RunnerNews {
    wakeups: watch::Receiver<u64>,
    deaths: DeathNews,
}

impl RunnerNews {
    /// From here on: whoever looks at the store now is told of all that comes later.
    pub(super) async fn of(engine: &Engine, execution: ExecutionId) -> Result<Self, EngineError> {
        let wakeups = engine.store.watch(execution).await?;
        Ok(Self { wakeups, deaths: DeathNews::begin(engine.store.as_ref()).await? })
    }

    /// Returns when something may have happened to it since the last time, or its runner may have died; see [`DeathNews::next`].
    pub(super) async fn next(&mut self, look: Duration) {
        tokio::select! {
            () = changed(&mut self.wakeups) => {}
            () = self.deaths.next(look) => {}
        }
    }
}

impl Engine {
    /// Returns when nobody drives an execution.
    ///
    /// # Errors
    /// When it does not exist, or the store cannot be read.
    pub async fn until_free(&self, id: ExecutionId) -> Result<(), EngineError> {
        let mut news = RunnerNews::of(self, id).await?;
        while self.store.execution(id).await?.runner.is_some() {
            news.next(LOOK).await;
        }
        Ok(())
    }
}

/// Returns when what is watched has changed since it was last looked at.
pub(super) async fn changed<T>(news: &mut watch::Receiver<T>) {
    if news.changed().await.is_err() {
        // Nobody can tell any more.
        std::future::pending::<()>().await;
    }
}
