//! What all parts of one drive share.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::{OnceCell, Semaphore, watch};

use super::accounts::AccessRoom;
use super::calls::{Calls, Ended};
use super::events::Event;
use super::log_lines::LogLines;
use super::options::DriveOptions;
use super::patience::Policy;
use super::recorder::{Recorder, Step};
use super::scopes::Scopes;
use super::seats::Needs;
use super::{Engine, EngineError, FrozenSpec};
use crate::clock::Clock;
use crate::ids::{CallId, ExecutionId};
use crate::journal::{Cursor, EntryBody, Outcome, Payload, Provenance};
use crate::sandbox::{FlowClock, FlowOptions, Grants, Program, WeakSeat};
use crate::store::{AccessRow, Durability, ExecutionRow, Store, StoreError, get_text};

/// What all parts of one drive share.
pub(super) struct Run {
    pub(super) engine: Engine,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) program: Arc<Program>,
    pub(super) flow_options: FlowOptions,
    pub(super) row: ExecutionRow,
    pub(super) spec: FrozenSpec,
    /// What flow and checkpoints have of its grants.
    pub(super) scopes: Scopes,
    pub(super) recorder: Recorder,
    pub(super) lines: Arc<LogLines>,
    pub(super) cursor: Cursor,
    pub(super) flow_clock: FlowClock,
    pub(super) options: DriveOptions,
    /// Changes when somebody changed the execution, since before `row` was read.
    pub(super) wakeups: watch::Receiver<u64>,
    /// Calls that the flow has made in this run.
    pub(super) made: AtomicU32,
    /// Those that were submitted.
    pub(super) calls: Calls,
    /// Places for bodies of this execution.
    pub(super) places: Arc<Semaphore>,
    /// What the flow's instance needs to begin with, because it was put off before.
    pub(super) needs: Needs,
    /// The flow's place in the memory of all instances, once it has one.
    pub(super) flow_seat: OnceLock<WeakSeat>,
    /// How often calls had moved when the flow was put off while it waited for some of them.
    pub(super) left_at: OnceLock<u64>,
    /// What the artifacts of the execution take, once somebody asked.
    pub(super) artifact_bytes: OnceCell<AtomicU64>,
    /// Room for records of accesses that name their targets.
    pub(super) access_room: AccessRoom,
}

impl Run {
    pub(super) fn id(&self) -> ExecutionId {
        self.row.new.id
    }

    /// What bodies of a checkpoint have.
    pub(super) fn grants_of(&self, checkpoint: &str) -> Arc<Grants> {
        self.scopes.checkpoint(checkpoint, &self.spec.grants, self.program.manifest())
    }

    /// Tells whoever watches what happened, as soon as everything that it may depend on is durable.
    pub(super) fn tell(&self, event: impl FnOnce() -> Event) {
        self.recorder.tell(event);
    }

    /// The same for questions and answers.
    pub(super) fn tell_stop(&self, event: impl FnOnce() -> Event) {
        self.recorder.tell_stop(event);
    }

    /// Whether this drive, or the whole host, comes to a graceful stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.engine.is_stopping() || *self.options.stop.borrow()
    }

    /// Returns when a graceful stop begins.
    pub(super) async fn stopped(&self) {
        let mut stop = self.options.stop.clone();
        let own = async {
            if stop.wait_for(|stop| *stop).await.is_err() {
                // Nobody can stop this drive alone any more.
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = own => {}
            () = self.engine.stopped() => {}
        }
    }

    /// When a runner that has nothing to do leaves.
    pub(super) fn policy(&self) -> Policy {
        let (wait, sleep) = (self.options.wait, self.options.sleep);
        Policy { wait, sleep, stopping: self.is_stopping(), crowded: false, now: self.clock.now() }
    }

    /// The idempotency key of a call (E4). The execution's call IDs, unless another call stood there before a retry dropped it.
    pub(super) fn idempotency_key(&self, call: CallId) -> String {
        match self.cursor.own().dropped_at(call.index) {
            0 => call.to_string(),
            times => format!("{call}~{times}"),
        }
    }

    /// The flow goes on after a call: its lines from here on come before its next one.
    pub(super) fn flow_moves_on(&self) {
        let next = self.made.load(Ordering::Acquire);
        self.lines.before_call(next, self.cursor.own().generation(next));
    }

    /// Records the end of a call, unless somebody cancels it; then this never returns, because its task is about to be stopped. The flow may go
    /// on before it is on the disk.
    pub(super) async fn finish(&self, index: u32, mut step: Step, outcome: Outcome) -> Result<Ended, EngineError> {
        if !self.calls.begin_recording(index) {
            // What its body did happened all the same, and a model that answered is paid.
            let (accesses, model_calls) = (std::mem::take(&mut step.accesses), std::mem::take(&mut step.model_calls));
            if !accesses.is_empty() || !model_calls.is_empty() {
                self.recorder.cork(Step { accesses, model_calls, ..Step::default() }, Durability::Relaxed)?;
            }
            std::future::pending::<()>().await;
        }
        let recorded = self.calls.unpark(&self.recorder, index, step, Durability::Full)?;
        self.recorder.keep_within_bounds().await?;
        Ok(Ended { outcome, clock: recorded.at, order: recorded.seq })
    }

    /// The same for a call that happened here, is on record already, and leaves nothing but its outcome.
    pub(super) async fn finish_ran(&self, index: u32, attempt: u32, outcome: Outcome) -> Result<Ended, EngineError> {
        self.finish_accounted(index, attempt, outcome, Vec::new()).await
    }

    /// The same for a call that leaves what it used or was denied, too.
    pub(super) async fn finish_accounted(
        &self,
        index: u32,
        attempt: u32,
        outcome: Outcome,
        accesses: Vec<AccessRow>,
    ) -> Result<Ended, EngineError> {
        let entry = EntryBody::CallEnded {
            call: index,
            attempt,
            descriptor: None,
            outcome: outcome.clone(),
            provenance: Provenance::Ran,
            metadata: None,
            started_at: None,
        };
        self.finish(index, Step { accesses, ..Step::entry(entry) }, outcome).await
    }

    /// The value of a payload that the engine wrote, as text.
    pub(super) async fn text(&self, payload: &Payload) -> Result<String, StoreError> {
        get_text(self.store.as_ref(), payload).await
    }
}
