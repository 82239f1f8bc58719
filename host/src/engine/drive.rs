//! Drives one execution from its journal to its next stop.

use std::pin::Pin;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};

use tokio::sync::{OnceCell, Semaphore, watch};

use super::accounts::AccessRoom;
use super::calls::Calls;
use super::ending::{Stopped, run_to_stop};
use super::events::{Event, Observer};
use super::journals::{read_journal, read_journal_until};
use super::lease::LeaseGuard;
use super::log_lines::LogLines;
use super::options::DriveOptions;
use super::recorder::{Recorder, Step};
use super::run::Run;
use super::scopes::Scopes;
use super::seats::Needs;
use super::submit::{Begun, Created};
use super::{Engine, EngineError, FrozenSpec};
use crate::ids::{CallId, ExecutionId};
use crate::journal::{Cursor, Failure, History, Origin, ReplayPlan};
use crate::sandbox::FlowClock;
use crate::store::{Durability, ExecutionRow, Status, StatusChange, StoreError};

/// Where driving an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Driven {
    /// The status.
    pub status: Status,
}

/// Tells that an execution is not driven any more, when it is dropped.
struct Monitored<'a> {
    engine: &'a Engine,
    id: ExecutionId,
}

impl Drop for Monitored<'_> {
    fn drop(&mut self) {
        self.engine.tell_stopped(self.id);
    }
}

/// How an execution stands, and whose child it is.
fn stand(row: &ExecutionRow) -> (Status, Option<CallId>) {
    (row.status, row.new.parent)
}

/// [`Engine::drive`] with a name for its type, for executions that drive others.
pub(super) fn boxed_drive(
    engine: Engine,
    id: ExecutionId,
    options: DriveOptions,
) -> Pin<Box<dyn Future<Output = Result<Driven, EngineError>> + Send>> {
    Box::pin(async move { engine.drive(id, options).await })
}

impl Begun {
    /// Drives it, as [`Engine::drive`] does.
    ///
    /// # Errors
    /// As there; and when it could not be created.
    pub async fn drive(self, options: DriveOptions) -> Result<Driven, EngineError> {
        let Self { guard, created } = self;
        let engine = guard.engine().clone();
        engine.drive_from(guard, Some(created), options).await
    }
}

impl Engine {
    /// Drives an execution until it ends, or waits for what `options` does not wait for. An execution that has ended is left alone. When
    /// a child ends, the parent that waited for it is driven on, unless somebody does already.
    ///
    /// # Errors
    /// [`StoreError::Owned`] when another runner drives it (E12); a store failure leaves the execution as the journal has it, to be driven on.
    pub async fn drive(&self, id: ExecutionId, options: DriveOptions) -> Result<Driven, EngineError> {
        let guard = LeaseGuard::claim(self, id).await?;
        self.drive_from(guard, None, options).await
    }

    async fn drive_from(
        &self,
        mut guard: LeaseGuard,
        mut created: Option<Created>,
        options: DriveOptions,
    ) -> Result<Driven, EngineError> {
        let id = guard.lease().execution;
        // However it ends.
        let monitored = Monitored { engine: self, id };
        let (mut needs, mut goes_on) = (Needs::default(), false);
        let (status, parent) = loop {
            let stopped = self.drive_leased(&guard, created.take(), needs, &options).await;
            let released = match &stopped {
                Ok(Stopped::Completed { .. }) => {
                    guard.was_given_back().await;
                    Ok(())
                }
                Ok(_) => guard.release().await,
                Err(_) => guard.abandon().await,
            };
            let stopped = stopped?;
            released?;
            match stopped {
                Stopped::Again => {}
                Stopped::PutOff { needs: more } => needs = more,
                Stopped::Completed { parent } => break (Status::Completed, parent),
                Stopped::Ended => break stand(&self.store.execution(id).await?),
                Stopped::Left { room, status } => {
                    let row = self.store.execution(id).await?;
                    // What came while we were letting go found us still holding the lease, and left the driving to us.
                    if self.is_stopping() || *options.stop.borrow() || !self.goes_on(&row) {
                        let _left = room.map(|room| room.leaves());
                        // Others were woken when it was let go of: that one of them runs it again is not how this left it.
                        let (now, parent) = stand(&row);
                        break (if now == Status::Running { status } else { now }, parent);
                    }
                }
            }
            guard = match LeaseGuard::claim(self, id).await {
                Ok(guard) => guard,
                // Whoever answered what we had waited for was quicker, and drives it on.
                Err(EngineError::Store(StoreError::Owned { .. })) => {
                    let now = stand(&self.store.execution(id).await?);
                    goes_on = now.0 == Status::Running;
                    break now;
                }
                Err(error) => return Err(error),
            };
        };
        drop(monitored);
        if !goes_on {
            options.observer.tell(|| Event::Stopped { execution: id, status });
        }
        if let Some(parent) = parent.filter(|_| status.is_terminal()) {
            self.drive_parent(parent.execution, &options).await?;
        }
        Ok(Driven { status })
    }

    /// Drives the execution on that waited for a child, if nobody does.
    async fn drive_parent(&self, parent: ExecutionId, options: &DriveOptions) -> Result<(), EngineError> {
        let row = match self.store.execution(parent).await {
            Err(StoreError::NotFound { .. }) => return Ok(()),
            row => row?,
        };
        if row.status != Status::Waiting || row.runner.is_some() {
            return Ok(());
        }
        match boxed_drive(self.clone(), parent, options.clone()).await {
            Ok(_) | Err(EngineError::Store(StoreError::Owned { .. })) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Whether an execution that was let go of is to be driven on: it runs, it is due, or somebody wants its end.
    fn goes_on(&self, row: &ExecutionRow) -> bool {
        match row.status {
            Status::Running => true,
            Status::Waiting => row.cancel_requested || self.is_due(row),
            Status::Completed | Status::Failed | Status::Cancelled => false,
        }
    }

    /// Whether an execution waits and could go on: something has come that its journal does not have yet, or its time has.
    pub fn is_due(&self, row: &ExecutionRow) -> bool {
        row.status == Status::Waiting && row.wake_at.is_some_and(|due| due <= self.clock.now())
    }

    /// Whether nobody drives an execution that could go on now, because it is due or its runner died.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn is_ready(&self, id: ExecutionId) -> Result<bool, EngineError> {
        let row = self.store.execution(id).await?;
        Ok(match row.status {
            Status::Waiting => row.runner.is_none() && (row.abandoned || self.is_due(&row)),
            Status::Running => row.runner.is_none(),
            Status::Completed | Status::Failed | Status::Cancelled => true,
        })
    }

    async fn drive_leased(
        &self,
        guard: &LeaseGuard,
        created: Option<Created>,
        needs: Needs,
        options: &DriveOptions,
    ) -> Result<Stopped, EngineError> {
        if let Some(Created { row, creating, wakeups }) = created {
            self.tell_begun(row.new.id, 0);
            let recorder = guard.recorder(options.observer.clone(), 0, [0; 32]);
            if let Some(creating) = creating {
                recorder.follow(creating);
            }
            return self.run_once(Run { needs, ..self.run(row, History::default(), recorder, wakeups, options).await? }).await;
        }
        let lease = guard.lease();
        let id = lease.execution;
        // Before it is looked at: what somebody asks of it meanwhile must not be missed.
        let wakeups = self.store.watch(id).await?;
        let row = self.store.execution(id).await?;
        if row.status.is_terminal() {
            let kind = row.failure.as_ref().map(|failure| failure.kind.as_str());
            // A divergence leaves its children as they are, for the right code to take up again.
            if lease.inherited && !matches!(kind, Some("divergence" | "damaged")) {
                self.cancel_left_behind(id, None).await?;
            }
            return Ok(Stopped::Ended);
        }
        let journal = match read_journal(self.store.as_ref(), id).await {
            Ok(journal) => journal,
            Err(error @ EngineError::Record { source: crate::journal::CodecError::NewerVersion(_), .. }) => return Err(error),
            Err(error @ (EngineError::Record { .. } | EngineError::History { .. })) => {
                return self.unreadable(guard, &error).await;
            }
            Err(error) => return Err(error),
        };
        self.tell_begun(id, journal.history.next_seq);
        let recorder = guard.recorder(options.observer.clone(), journal.history.next_seq, journal.link);
        recorder.has_history(journal.bytes);
        if row.cancel_requested {
            // They end first: whoever dies in between is asked again.
            self.cancel_children(id).await?;
            recorder.write(Step::status(StatusChange::Cancelled), Durability::Full).await?;
            return Ok(Stopped::Ended);
        }
        // From here on it can have something to do besides what it waits for; whoever finds it without its runner must see that.
        if row.status == Status::Waiting {
            recorder.cork(Step::status(StatusChange::Running), Durability::Relaxed)?;
        }
        if journal.history.was_reopened() {
            self.cancel_left_behind(id, Some(&journal.history)).await?;
        }
        self.run_once(Run { needs, ..self.run(row, journal.history, recorder, wakeups, options).await? }).await
    }

    async fn run_once(&self, run: Run) -> Result<Stopped, EngineError> {
        let run = Arc::new(run);
        let recorded = run.cursor.recorded();
        run.tell_stop(|| Event::Started { execution: run.id(), flow: run.row.new.flow.clone(), recorded });
        run_to_stop(&run).await
    }

    async fn run(
        &self,
        row: ExecutionRow,
        history: History,
        recorder: Recorder,
        wakeups: watch::Receiver<u64>,
        options: &DriveOptions,
    ) -> Result<Run, EngineError> {
        let id = row.new.id;
        let spec = FrozenSpec::of(&row.new)?;
        let program = self.stored_program(row.new.component).await?;
        let replay = self.replay_source(&row, &history).await?;
        // Most executions end in the drive that begins them, and need not be asked about.
        let has_accesses = !history.is_empty() && self.store.count_accesses(id).await? > 0;
        let accesses = if has_accesses { self.store.accesses(id).await? } else { Vec::new() };
        let recorded = history.len();
        let lines = LogLines::of_flow(recorder.lines(), self.clock.clone(), id, recorded);
        lines.before_call(0, history.generation(0));
        let flow_options = program.manifest().flow(&row.new.flow).map(|flow| flow.options).unwrap_or_default();
        Ok(Run {
            engine: self.clone(),
            store: self.store.clone(),
            clock: self.clock.clone(),
            flow_options,
            places: Arc::new(Semaphore::new(usize::try_from(spec.limits.parallel.max(1)).unwrap_or(usize::MAX >> 4))),
            scopes: Scopes::new(&spec.grants, program.manifest()),
            program,
            spec,
            recorder,
            lines: Arc::new(lines),
            cursor: Cursor::new(history, replay),
            flow_clock: FlowClock::new(row.new.flow_epoch),
            options: options.clone(),
            wakeups,
            made: AtomicU32::new(0),
            calls: Calls::default(),
            needs: Needs::default(),
            flow_seat: OnceLock::new(),
            left_at: OnceLock::new(),
            artifact_bytes: OnceCell::new(),
            access_room: AccessRoom::beside(accesses.iter().map(|row| row.kind.as_str())),
            row,
        })
    }

    /// The plan and the source's history as it was planned with, for an execution that replays another and has done so much itself.
    ///
    /// # Errors
    /// When the source was deleted, and is still needed.
    pub(super) async fn replay_source(
        &self,
        row: &ExecutionRow,
        own: &History,
    ) -> Result<Option<(ReplayPlan, History)>, EngineError> {
        let Some(text) = &row.new.replay_plan else { return Ok(None) };
        let plan: ReplayPlan = serde_json::from_str(text).map_err(|source| EngineError::StoredJson {
            what: "replay plan",
            execution: row.new.id,
            source,
        })?;
        let source = match read_journal_until(self.store.as_ref(), plan.source, plan.source_records).await {
            Ok(journal) => journal.history,
            Err(EngineError::Store(StoreError::NotFound { .. })) => {
                // What was served from it is in the execution's own journal.
                if own.len() < plan.live_from_after(own) || plan.reuse_unchanged || !plan.skip.is_empty() {
                    return Err(EngineError::State {
                        message: format!("execution '{}' replays execution '{}', which was deleted", row.new.id, plan.source),
                        hint: Some("replay another execution, or run the flow anew".into()),
                    });
                }
                History::default()
            }
            Err(error) => return Err(error),
        };
        Ok(Some((plan, source)))
    }

    /// A journal that cannot be read ends its execution, and nothing else (E13). It is left as it is.
    async fn unreadable(&self, guard: &LeaseGuard, error: &EngineError) -> Result<Stopped, EngineError> {
        let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        let failure = Failure { origin: Origin::Backend, ..Failure::runtime("damaged", format!("{error}{source}")) };
        let recorder = guard.recorder(Observer::silent(), 0, [0; 32]);
        recorder.write(Step::status(StatusChange::Failed { failure }), Durability::Full).await?;
        Ok(Stopped::Ended)
    }
}
