//! How one run of a flow body ends: with a result, a failure, a divergence, a request to end, or a runner that leaves.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::EngineError;
use super::events::Event;
use super::failures::AtEnd;
use super::flow_port::FlowCalls;
use super::journals::read_journal;
use super::patience::Suspended;
use super::recorder::Step;
use super::room::Idler;
use super::run::Run;
use super::seats::{Needs, no_room};
use super::submitted::{Canceller, Tasks, await_all, await_move, cancel_call, cancelled, close_question};
use crate::ids::CallId;
use crate::journal::{Entry, EntryBody, Failure, History, Outcome};
use crate::sandbox::{FlowRun, NoRoom, Ran, Stop};
use crate::store::{Durability, Status, StatusChange, StoreError, get_text, put_bytes};

/// How one run of the flow ended.
pub(super) enum Stopped {
    /// The execution has ended.
    Ended,
    /// It has ended with a result, nothing of it is left to do, and the lease was given back with that.
    Completed {
        /// The call that it is.
        parent: Option<CallId>,
    },
    /// The flow is to run again, from the top.
    Again,
    /// The same, as soon as there is memory for what it needs: others went first.
    PutOff { needs: Needs },
    /// The runner leaves with this status; whatever it waits for is in the store. `room` is what one was told with that makes room for others.
    Left { room: Option<Idler>, status: Status },
}

/// Runs the flow body from the top, to the next stop.
pub(super) async fn run_to_stop(run: &Arc<Run>) -> Result<Stopped, EngineError> {
    let input = get_text(run.store.as_ref(), &run.row.new.input).await?;
    // Dropped with this function, however it is left: what still runs then ends.
    let tasks = Arc::new(Tasks::default());
    let calls = FlowCalls::new(run.clone(), tasks.clone());
    let metadata = calls.metadata();
    let ran = async {
        let seat = match run.seat_of_flow().await {
            Ok(seat) => seat,
            Err(stop) => return Ran::Stopped(stop),
        };
        // Nobody else sets it.
        let _ = run.flow_seat.set(seat.downgrade());
        let instance = run.engine.room.instance();
        let flow = run.program.run_flow(FlowRun {
            name: run.row.new.flow.clone(),
            input,
            seed: run.row.new.seed,
            clock: run.flow_clock.clone(),
            port: Box::new(calls),
            log: run.lines.clone(),
            limits: run.spec.limits,
            seat,
        });
        let ran = flow.await;
        // What it submitted needs none.
        drop(instance);
        let ran = match (ran, run.left_at.get()) {
            // It waited, and others needed its memory: it comes again when there is something to come for.
            (Ran::Stopped(Stop::NoRoom(why)), Some(moves)) => match await_move(run, *moves).await {
                Ok(()) => Ran::Stopped(Stop::NoRoom(why)),
                Err(stop) => Ran::Stopped(stop),
            },
            (ran, _) => ran,
        };
        match ran {
            // What was submitted and not asked for is part of the flow all the same.
            Ran::Returned(result) => match finish_submitted(run, &tasks).await {
                Ok(()) => Ran::Returned(result),
                Err(stop) => Ran::Stopped(stop),
            },
            ran => ran,
        }
    };
    let ran = tokio::select! {
        biased;
        ran = ran => ran,
        // Dropping the flow drops its running checkpoint with it.
        cancelled = cancellation(run) => {
            cancelled?;
            tasks.stop_all().await;
            // A child may have been about to be created: it is there now. They end first: whoever dies in between is asked again.
            run.recorder.settle().await?;
            run.engine.cancel_children(run.id()).await?;
            run.recorder.write(Step::status(StatusChange::Cancelled), Durability::Full).await?;
            return Ok(Stopped::Ended);
        }
    };
    let failure = match ran {
        Ran::Returned(result) => match missing(run) {
            Some(failure) => return fail_without_record(run, &tasks, failure).await,
            None => {
                let result = put_bytes(run.store.as_ref(), result.into_bytes()).await?;
                let finished =
                    EntryBody::Finished { outcome: Outcome::Success(result.clone()), unseen: Vec::new(), learnt_after: None };
                let step = Step::entry(finished).with_status(StatusChange::Completed { result }).with_metadata(metadata());
                run.recorder.write(Step { gives_back: true, ..step }, Durability::Full).await?;
                return Ok(Stopped::Completed { parent: run.row.new.parent });
            }
        },
        Ran::ReturnedFailure(failure) => match missing(run) {
            Some(divergence) => return fail_without_record(run, &tasks, divergence).await,
            None => failure,
        },
        Ran::Ended(failure) => failure,
        Ran::Stopped(Stop::Diverged(divergence)) => return fail_without_record(run, &tasks, divergence.to_failure()).await,
        Ran::Stopped(Stop::Limit(text)) => Failure::runtime("limit", text),
        Ran::Stopped(Stop::NoRoom(NoRoom::PutOff { needs })) => return put_off(run, &tasks, Needs(needs)).await,
        Ran::Stopped(Stop::NoRoom(never)) => no_room(never),
        Ran::Stopped(Stop::Engine(error)) => return stopped(run, &tasks, error).await,
    };
    let cut_off = cut_off_submitted(run, &tasks).await?;
    fail(run, cut_off, failure, metadata()).await
}

/// Records the flow's failure, with the ends of the calls that were `cut_off` by it; and where it has retries left, that it runs again (E9).
/// In one step: a flow that may yet come to another end must not be served what only this end would have explained.
async fn fail(run: &Arc<Run>, cut_off: Vec<u32>, failure: Failure, metadata: Option<String>) -> Result<Stopped, EngineError> {
    let made = run.made.load(Ordering::Acquire);
    let AtEnd { learnt_after, mut unseen } = run.calls.failures(|failures| failures.at_end(failure.call_index, made));
    unseen.extend(&cut_off);
    let mut entries: Vec<EntryBody> = cut_off.iter().map(|index| cancelled(*index)).collect();
    entries.push(EntryBody::Finished { outcome: Outcome::Failure(failure.clone()), unseen, learnt_after });
    let retries = run.spec.retries.unwrap_or(run.flow_options.retries);
    let used = run.cursor.own().automatic_retries;
    if failure.retryable && used < retries {
        // As the journal has it, with what this run adds.
        run.recorder.settle().await?;
        let mut history = read_journal(run.store.as_ref(), run.id()).await?.history;
        let add = |history: &mut History, body: EntryBody| {
            let entry = Entry { seq: history.next_seq, at: run.clock.now(), body };
            history.apply(entry).map_err(|source| EngineError::History { execution: run.id(), source })
        };
        entries.iter().try_for_each(|body| add(&mut history, body.clone()))?;
        let rerun = history.to_rerun(&failure);
        // What may happen once is not repeated without a person's word.
        let once =
            rerun.iter().filter_map(|index| history.call(*index)).chain(history.forgotten(&rerun)).any(|record| {
                run.program.manifest().checkpoint(&record.descriptor.name).is_some_and(|info| info.options.is_once())
            });
        if !once {
            let reopened = EntryBody::Reopened { rerun: rerun.clone(), component: None, automatic: true };
            add(&mut history, reopened.clone())?;
            let from_call = (!rerun.is_empty()).then(|| history.len());
            entries.push(reopened);
            let step = Step { entries, ..Step::default() }
                .with_status(StatusChange::Reopened { component: None, from_call, rerun, automatic: true })
                .with_metadata(metadata);
            run.recorder.write(step, Durability::Full).await?;
            end_cut_off(run, &cut_off).await?;
            run.tell(|| Event::FlowRetry { failure, retry: used + 1, retries });
            return Ok(Stopped::Again);
        }
    }
    let step = Step { entries, ..Step::default() }.with_status(StatusChange::Failed { failure }).with_metadata(metadata);
    run.recorder.write(step, Durability::Full).await?;
    end_cut_off(run, &cut_off).await?;
    Ok(Stopped::Ended)
}

/// Waits for checkpoints and child flows that the flow submitted and did not ask for; ends questions and sleeps.
async fn finish_submitted(run: &Arc<Run>, tasks: &Tasks) -> Result<(), Stop> {
    for index in run.calls.idle() {
        cancel_call(run, tasks, index, Canceller::End).await?;
    }
    await_all(run).await
}

/// A flow that failed ends all that it submitted: the calls that are to be recorded as ended by that.
async fn cut_off_submitted(run: &Arc<Run>, tasks: &Tasks) -> Result<Vec<u32>, EngineError> {
    // What is being recorded as ended can no longer be cut off.
    let cut_off: Vec<u32> = run.calls.busy().into_iter().filter(|index| run.calls.begin_cancelling(*index)).collect();
    for index in &cut_off {
        tasks.stop(*index).await;
    }
    run.calls.recorded().await;
    Ok(cut_off)
}

/// Ends what the calls that were `cut_off` left behind, once that they are is on record: whoever dies before that comes to an end of its own,
/// and must find everything as it was. Whoever dies after it is followed by one who does the rest (`Engine::cancel_left_behind`).
async fn end_cut_off(run: &Run, cut_off: &[u32]) -> Result<(), EngineError> {
    for index in cut_off {
        close_question(run, *index).await?;
    }
    if !cut_off.is_empty() {
        // Also one that was about to be created: it was written before.
        run.engine.cancel_children(run.id()).await?;
    }
    Ok(())
}

/// The flow ended without a call that its journal has (E2).
fn missing(run: &Run) -> Option<Failure> {
    run.cursor.missing(run.made.load(Ordering::Acquire)).map(|divergence| divergence.to_failure())
}

/// A divergence ends the execution and leaves its journal as it was (E2). Its children are left as they are too: with the right code it goes on
/// where it was, and takes them up again.
async fn fail_without_record(run: &Run, tasks: &Tasks, failure: Failure) -> Result<Stopped, EngineError> {
    tasks.stop_all().await;
    run.recorder.write(Step::status(StatusChange::Failed { failure }), Durability::Full).await?;
    Ok(Stopped::Ended)
}

/// The flow leaves memory, for others that wait for it. Bodies that have begun come to their end, and the flow goes over its journal again.
async fn put_off(run: &Run, tasks: &Tasks, needs: Needs) -> Result<Stopped, EngineError> {
    run.calls.leave();
    tokio::select! {
        () = run.calls.bodies_end() => {}
        // Whoever drives it on finds that it is cancelled.
        cancelled = cancellation(run) => cancelled?,
    }
    tasks.stop_all().await;
    run.recorder.settle().await?;
    Ok(Stopped::PutOff { needs })
}

async fn stopped(run: &Run, tasks: &Tasks, error: Box<dyn std::error::Error + Send + Sync>) -> Result<Stopped, EngineError> {
    let error = match error.downcast::<Suspended>() {
        Ok(suspended) => {
            run.calls.bodies_end().await;
            // From here on nothing happens any more that the status would have to tell of.
            tasks.stop_all().await;
            run.recorder.settle().await?;
            let (room, status) = match *suspended {
                Suspended::Stopping => {
                    // Whoever comes next has something to do, whatever else it waits for.
                    run.recorder.write(Step::status(StatusChange::Running), Durability::Full).await?;
                    (None, Status::Running)
                }
                // What it waited for came while the runner was leaving.
                Suspended::Parked(_) if run.calls.moved_since_leave() || has_come(run).await? => return Ok(Stopped::Again),
                Suspended::Parked(room) => (room, Status::Waiting),
            };
            return Ok(Stopped::Left { room, status });
        }
        Err(error) => error,
    };
    // A call beside the flow may have met the same trouble first, and knows more of it.
    let first = run.calls.fault().and_then(|stop| match stop {
        Stop::Engine(error) if !error.is::<Suspended>() => Some(error),
        _ => None,
    });
    Err(engine_error(first.unwrap_or(error)))
}

/// Whether something is there that the execution waits for. Asked before the lease is given back: what was there before the present status was
/// written may have left no trace in that, and whatever comes later makes the execution due (`Waits::resolve`).
async fn has_come(run: &Run) -> Result<bool, EngineError> {
    let parked = run.calls.parked();
    for index in parked.waits() {
        if run.store.wait(CallId { execution: run.id(), index }).await?.resolution.is_some() {
            return Ok(true);
        }
    }
    for child in parked.children() {
        if run.store.execution(child).await?.status.is_terminal() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn engine_error(error: Box<dyn std::error::Error + Send + Sync>) -> EngineError {
    match error.downcast::<EngineError>() {
        Ok(error) => *error,
        Err(error) => StoreError::Backend(error).into(),
    }
}

/// Completes when somebody asks for the end of the execution.
async fn cancellation(run: &Run) -> Result<(), EngineError> {
    let mut wakeups = run.wakeups.clone();
    loop {
        if wakeups.changed().await.is_err() {
            // No more wake-ups can come; the flow goes on.
            std::future::pending::<()>().await;
        }
        match run.store.execution(run.id()).await {
            Ok(row) if row.cancel_requested => return Ok(()),
            Ok(_) => run.engine.heed(run.id()),
            // It may be on its way to the disk, and nobody knows of it.
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
