//! A question about a call that is under way, and that is not itself a wait: put to whoever may answer, durably.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::EngineError;
use super::events::Event;
use super::patience::Parked;
use super::recorder::Step;
use super::run::Run;
use crate::ids::CallId;
use crate::sandbox::Stop;
use crate::store::{Durability, NewWait, Resolution, WaitRow};

/// Asks, unless the question stands there that `is_same` knows as this one, and returns how it was settled. It stands under the call's own ID.
/// The call is parked when this returns, if it had to be asked; its runner stays for it as long as `stay`, where it is not told otherwise.
pub(super) async fn put(
    run: &Arc<Run>,
    question: NewWait,
    stay: Duration,
    is_same: impl Fn(&WaitRow) -> bool,
) -> Result<Resolution, Stop> {
    let id = CallId { execution: run.id(), index: question.call };
    let store = run.store.as_ref();
    // Before the question is asked: an answer that comes at once must not be missed.
    let mut wakeups = store.watch(run.id()).await.map_err(EngineError::from)?;
    let known = store.waits(run.id()).await.map_err(EngineError::from)?.into_iter().find(|wait| wait.id == id);
    let known = known.filter(is_same);
    if let Some(resolution) = known.as_ref().and_then(|wait| wait.resolution.clone()) {
        return Ok(resolution);
    }
    let step = Step { wait: known.is_none().then_some(question), ..Step::default() };
    let window = Instant::now() + stay;
    run.calls.park(&run.recorder, id.index, Parked::Wait { window, deadline: None }, step, Durability::Full)?;
    run.recorder.settle().await?;
    run.engine.tell_of(run.id()).await;
    run.tell_stop(|| Event::Waiting { id });
    loop {
        if let Some(resolution) = store.wait(id).await.map_err(EngineError::from)?.resolution {
            return Ok(resolution);
        }
        if wakeups.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
