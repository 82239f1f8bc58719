//! Drives one execution from its journal to its next stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::events::{Event, Observer, silent};
use super::flow_port::FlowCalls;
use super::journals::read_journal;
use super::log_lines::{LogLines, LogWriter};
use super::recorder::{Recorder, Step};
use super::run::{Run, WaitPolicy};
use super::waiting::Suspended;
use super::{Engine, EngineError, FrozenSpec};
use crate::ids::ExecutionId;
use crate::journal::{Cursor, EntryBody, Failure, Origin, Outcome, ReplayPlan};
use crate::sandbox::{FlowClock, FlowRun, Ran, Stop};
use crate::store::{Durability, ExecutionRow, Lease, Status, StatusChange, StoreError, get_text, put_bytes};

/// How to drive.
#[derive(Clone)]
pub struct DriveOptions {
    /// At waits.
    pub wait: WaitPolicy,
    /// Who watches.
    pub observer: Observer,
}

impl Default for DriveOptions {
    fn default() -> Self {
        Self { wait: WaitPolicy::Return, observer: silent() }
    }
}

/// Where driving an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Driven {
    /// The status.
    pub status: Status,
}

impl Engine {
    /// Drives an execution until it ends, or waits for an answer that `options` does not wait for. An execution that has ended is left alone.
    ///
    /// # Errors
    /// [`StoreError::Owned`] when another runner drives it (E12); a store failure leaves the execution as the journal has it, to be driven on.
    pub async fn drive(&self, id: ExecutionId, options: DriveOptions) -> Result<Driven, EngineError> {
        loop {
            let lease = self.store.claim(id).await?;
            let driven = self.drive_leased(&lease, &options).await;
            // Whoever follows looks at the status, which is written; giving the lease back clears away what an ended execution needs no more.
            let woken = self.store.wake(id).await;
            let released = self.store.release(&lease).await;
            let driven = driven?;
            released?;
            woken?;
            // An answer that came while we were letting go found us still holding the lease, and left the driving to us.
            if driven.status == Status::Waiting && self.has_answer(id).await? {
                continue;
            }
            (options.observer)(Event::Stopped { status: driven.status });
            return Ok(driven);
        }
    }

    /// Whether the execution waits and could go on.
    pub(super) async fn has_answer(&self, id: ExecutionId) -> Result<bool, EngineError> {
        let row = self.store.execution(id).await?;
        Ok(row.status == Status::Waiting && self.store.waits(id).await?.iter().all(|wait| wait.resolution.is_some()))
    }

    async fn drive_leased(&self, lease: &Lease, options: &DriveOptions) -> Result<Driven, EngineError> {
        let id = lease.execution;
        let row = self.store.execution(id).await?;
        if row.status.is_terminal() {
            return Ok(Driven { status: row.status });
        }
        let journal = match read_journal(self.store.as_ref(), id).await {
            Ok(journal) => journal,
            Err(error @ (EngineError::Record { .. } | EngineError::History { .. })) => {
                return self.unreadable(lease, &error).await;
            }
            Err(error) => return Err(error),
        };
        let recorder =
            Recorder::new(self.store.clone(), self.clock.clone(), lease.clone(), journal.history.next_seq, journal.link);
        if row.cancel_requested {
            recorder.write(Step::status(StatusChange::Cancelled), Durability::Full).await?;
            return Ok(Driven { status: Status::Cancelled });
        }
        let stored = |what, text: &str| {
            serde_json::from_str::<FrozenSpec>(text).map_err(|source| EngineError::StoredJson { what, execution: id, source })
        };
        let spec = stored("configuration", &row.new.frozen_spec)?;
        let program = self.stored_program(row.new.component).await?;
        let replay = self.replay_source(&row).await?;
        let recorded = journal.history.len().max(replay.as_ref().map_or(0, |(plan, _)| plan.live_from));
        (options.observer)(Event::Started { execution: id, flow: row.new.flow.clone(), recorded });
        let logs = LogWriter::start(self.store.clone());
        let lines = LogLines::of_flow(logs.clone(), self.clock.clone(), options.observer.clone(), id, journal.history.len());
        let run = Arc::new(Run {
            store: self.store.clone(),
            clock: self.clock.clone(),
            program,
            spec,
            recorder,
            logs,
            lines: Arc::new(lines),
            cursor: Cursor::new(journal.history, replay),
            flow_clock: FlowClock::new(row.new.flow_epoch),
            observer: options.observer.clone(),
            wait_policy: options.wait,
            made: AtomicU32::new(0),
            row,
        });
        let result = run_to_stop(&run).await;
        run.logs.flush().await;
        result
    }

    /// The plan and the source's history, for an execution that replays another.
    async fn replay_source(&self, row: &ExecutionRow) -> Result<Option<(ReplayPlan, crate::journal::History)>, EngineError> {
        let Some(text) = &row.new.replay_plan else { return Ok(None) };
        let plan: ReplayPlan = serde_json::from_str(text).map_err(|source| EngineError::StoredJson {
            what: "replay plan",
            execution: row.new.id,
            source,
        })?;
        let source = read_journal(self.store.as_ref(), plan.source).await?;
        Ok(Some((plan, source.history)))
    }

    /// A journal that cannot be read ends its execution, and nothing else (E13). It is left as it is.
    async fn unreadable(&self, lease: &Lease, error: &EngineError) -> Result<Driven, EngineError> {
        let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        let failure = Failure { origin: Origin::Backend, ..Failure::runtime("damaged", format!("{error}{source}")) };
        let recorder = Recorder::new(self.store.clone(), self.clock.clone(), lease.clone(), 0, [0; 32]);
        recorder.write(Step::status(StatusChange::Failed { failure }), Durability::Full).await?;
        Ok(Driven { status: Status::Failed })
    }
}

async fn run_to_stop(run: &Arc<Run>) -> Result<Driven, EngineError> {
    let input = get_text(run.store.as_ref(), &run.row.new.input).await?;
    let calls = FlowCalls::new(run.clone());
    let metadata = calls.metadata();
    let flow = run.program.run_flow(FlowRun {
        name: run.row.new.flow.clone(),
        input,
        seed: run.row.new.seed,
        clock: run.flow_clock.clone(),
        port: Box::new(calls),
        log: run.lines.clone(),
        limits: run.spec.limits,
    });
    let ran = tokio::select! {
        biased;
        ran = flow => ran,
        // Dropping the flow drops its running checkpoint with it.
        cancelled = cancellation(run) => {
            cancelled?;
            run.recorder.write(Step::status(StatusChange::Cancelled), Durability::Full).await?;
            return Ok(Driven { status: Status::Cancelled });
        }
    };
    // The end is the first thing after the flow's last lines that the world can see.
    run.logs.flush().await;
    let failure = match ran {
        Ran::Returned(result) => match missing(run) {
            Some(failure) => return fail_without_record(run, failure).await,
            None => {
                let result = put_bytes(run.store.as_ref(), result.into_bytes()).await?;
                let step = Step::entry(EntryBody::Finished { outcome: Outcome::Success(result.clone()) })
                    .with_status(StatusChange::Completed { result })
                    .with_metadata(metadata());
                run.recorder.write(step, Durability::Full).await?;
                return Ok(Driven { status: Status::Completed });
            }
        },
        Ran::ReturnedFailure(failure) => match missing(run) {
            Some(divergence) => return fail_without_record(run, divergence).await,
            None => failure,
        },
        Ran::Ended(failure) => failure,
        Ran::Stopped(Stop::Diverged(divergence)) => return fail_without_record(run, divergence.to_failure()).await,
        Ran::Stopped(Stop::Limit(text)) => Failure::runtime("limit", text),
        Ran::Stopped(Stop::Engine(error)) => return stopped(error),
    };
    let step = Step::entry(EntryBody::Finished { outcome: Outcome::Failure(failure.clone()) })
        .with_status(StatusChange::Failed { failure })
        .with_metadata(metadata());
    run.recorder.write(step, Durability::Full).await?;
    Ok(Driven { status: Status::Failed })
}

/// The flow ended without a call that its journal has (E2).
fn missing(run: &Run) -> Option<Failure> {
    run.cursor.missing(run.made.load(Ordering::Acquire)).map(|divergence| divergence.to_failure())
}

/// A divergence ends the execution and leaves its journal as it was (E2).
async fn fail_without_record(run: &Run, failure: Failure) -> Result<Driven, EngineError> {
    run.recorder.write(Step::status(StatusChange::Failed { failure }), Durability::Full).await?;
    Ok(Driven { status: Status::Failed })
}

fn stopped(error: Box<dyn std::error::Error + Send + Sync>) -> Result<Driven, EngineError> {
    let error = match error.downcast::<Suspended>() {
        Ok(_) => return Ok(Driven { status: Status::Waiting }),
        Err(error) => error,
    };
    match error.downcast::<EngineError>() {
        Ok(error) => Err(*error),
        Err(error) => Err(StoreError::Backend(error).into()),
    }
}

/// Completes when somebody asks for the end of the execution.
async fn cancellation(run: &Run) -> Result<(), EngineError> {
    let mut wakeups = run.store.watch(run.id()).await?;
    loop {
        if run.store.execution(run.id()).await?.cancel_requested {
            return Ok(());
        }
        if wakeups.changed().await.is_err() {
            // No more wake-ups can come; the flow goes on.
            std::future::pending::<()>().await;
        }
    }
}
