//! Runs a checkpoint call: attempts, each in an instance of its own, until one decides the call.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::EngineError;
use super::accounts::Accounts;
use super::attempted::Attempted;
use super::backoff;
use super::cache::CachePolicy;
use super::call::Call;
use super::calls::Ended;
use super::checkpoint_port::CheckpointCalls;
use super::effects;
use super::log_lines::LogLines;
use super::metadata::Metadata;
use super::patience::Suspended;
use super::recorder::Step;
use super::run::Run;
use super::seats::{Body, Needs, no_room, unseen};
use super::shown::Shown;
use crate::clock::Timestamp;
use crate::ids::CallId;
use crate::journal::{Descriptor, EntryBody, Failure, Outcome, Provenance};
use crate::mutex::lock;
use crate::sandbox::{CheckpointOptions, CheckpointRun, Grants, NoRoom, Ran, Seat, Stop};
use crate::store::{CacheEntry, Durability, put_bytes};

/// A body that nobody can see, and that runs longer than this, gets a record of its beginning.
const LONG: Duration = Duration::from_millis(20);

/// A checkpoint call that is to run.
pub(super) struct Work {
    pub(super) call: Call,
    pub(super) options: CheckpointOptions,
    /// What the body gets; the flow's input, unless a replay gave another.
    pub(super) input: String,
    /// The number of the first attempt.
    pub(super) attempt: u32,
    /// The journal knows the call already.
    pub(super) recorded: bool,
    /// Where its result may be served again.
    pub(super) cache: Option<CachePolicy>,
    /// The flow's metadata, to be written with the first step.
    pub(super) metadata: Option<String>,
    /// The flow waits for it and for nothing else.
    pub(super) is_direct: bool,
}

impl Run {
    /// Runs a checkpoint call to its end.
    pub(super) async fn run_checkpoint(self: &Arc<Self>, mut work: Work) -> Result<Ended, Stop> {
        let (index, invocation) = (work.call.index, work.call.descriptor.invocation.clone());
        let record = self.cursor.own().call(index);
        if work.options.is_once()
            && record.is_some_and(crate::journal::CallRecord::was_interrupted)
            && let Some(ended) = self.settle_effect(&work).await?
        {
            return Ok(ended);
        }
        // What somebody gave as its result is its result: the body does not run again for that.
        if let Some(ended) = self.answered_for_model(&work.call, work.attempt.saturating_sub(1)).await? {
            return Ok(ended);
        }
        let mut descriptor = (!work.recorded).then(|| work.call.descriptor.clone());
        if let Some(policy) = &work.cache
            && let Some(ended) = self.serve_cached(&work.call, policy, descriptor.as_ref(), &mut work.metadata).await?
        {
            return Ok(ended);
        }
        let grants = self.grants_of(&work.call.descriptor.name);
        // Nobody can observe the body: it holds no capability, so the sandbox knows that it only computes, and nobody said that it counts whether
        // it began (E3).
        let repeatable = grants.is_empty() && !work.options.is_once();
        let (mut places, mut needs) = (None, Needs::default());
        let mut failed = record.map_or(0, |record| self.failed_attempts(record));
        if let Some(due) = record.and_then(|record| record.retry_at) {
            self.before_attempt(work.is_direct, self.pause_until(due)).await?;
        }
        loop {
            if self.is_stopping() {
                return Err(Stop::Engine(Box::new(Suspended::Stopping)));
            }
            if places.is_none() {
                places = Some(self.before_attempt(work.is_direct, self.place(index, &mut descriptor)).await?);
                // It may have waited for its place while the host was told to stop.
                if self.is_stopping() {
                    return Err(Stop::Engine(Box::new(Suspended::Stopping)));
                }
            }
            self.within_history()?;
            // A flow that leaves waits for it even where it waits for memory: there is more once the flow has left.
            let body = self.calls.body().await;
            let seat =
                match self.seat_of_body(index, Body { repeatable, is_direct: work.is_direct, needs }, &mut descriptor).await? {
                    Ok(seat) => seat,
                    Err(never) => {
                        let beginning = Beginning::new(self, &work, descriptor.take());
                        return self.decide_call(&work, beginning, Err(no_room(never).at_call(index)), None).await;
                    }
                };
            if self.calls.under_way() > 0
                && let Some(descriptor) = descriptor.take()
            {
                // What ends beside it while it runs has not led to it.
                let issued = EntryBody::CallIssued { call: index, descriptor };
                self.recorder.cork(Step::entry(issued), Durability::Relaxed)?;
            }
            let mut beginning = Beginning::new(self, &work, descriptor.take());
            if !repeatable {
                beginning.record()?;
                // E5: that it may have happened is known before it can happen.
                self.recorder.settle().await?;
                beginning.lines.has_record();
            }
            let shown = Shown::new(self, index, &invocation, work.attempt);
            let Attempted { outcome, metadata, missing, has_asked, put_off } =
                self.run_attempt(&work, &grants, &mut beginning, seat).await?;
            // E5: the model's call may not have been the body's first deed, and nobody said that it may do all of them again.
            let missing = missing.filter(|_| outcome.is_err() && !work.options.is_once());
            let due = outcome.as_ref().err().is_some_and(|failure| backoff::is_due(&work.options, failure, failed));
            // Nobody can have seen it: it begins again as if it had not begun, once there is room for it. What it asked a model would be paid for
            // twice.
            let repeats = repeatable && !has_asked && put_off.is_some();
            let again = due || missing.is_some() || repeats;
            let ended_with = outcome.as_ref().err().cloned();
            match outcome {
                Err(failure) if again => {
                    let at_once = repeats || missing.is_some();
                    let pause =
                        if at_once { Duration::ZERO } else { backoff::pause(&work.options, failed, self.engine.fraction()) };
                    let failure = match (repeats, &missing) {
                        (true, _) => unseen(failure),
                        (false, Some(_)) => super::models::waited(&failure),
                        (false, None) => failure,
                    };
                    let ended_at = self.clock.now();
                    let retry_at = ended_at.after(pause);
                    let entry = EntryBody::AttemptFailed { call: index, attempt: work.attempt, failure, metadata, retry_at };
                    let (logs, accesses) = (beginning.lines.let_out(), beginning.accounts.let_out());
                    let step = Step { at: Some(ended_at), logs, accesses, ..Step::entry(entry) };
                    // E3: whatever the next attempt shows the world waits for this.
                    match beginning.unrecorded() {
                        Some(start) => self.recorder.cork_both(start, step)?,
                        None => self.recorder.cork(step, Durability::Full)?,
                    };
                    shown.ended(ended_with.as_ref(), again);
                    failed += u32::from(missing.is_none() && !repeats);
                    needs = put_off.unwrap_or_default();
                    work.metadata = None;
                    work.attempt = work.attempt.saturating_add(1);
                    drop(body);
                    // Others may use the place meanwhile.
                    drop(places.take());
                    match missing {
                        Some(planned) => {
                            let waited = self.wait_for_body(&work.call, planned, work.attempt.saturating_sub(1)).await?;
                            if let Some(ended) = waited {
                                return Ok(ended);
                            }
                        }
                        None => self.before_attempt(work.is_direct, self.pause_until(retry_at)).await?,
                    }
                }
                outcome => {
                    self.answer_is_not_needed(index).await?;
                    let ended = self.decide_call(&work, beginning, outcome, metadata).await?;
                    shown.ended(ended_with.as_ref(), again);
                    return Ok(ended);
                }
            }
        }
    }

    /// What becomes of a call whose effect may have happened, and may happen only once. None where it runs again.
    async fn settle_effect(self: &Arc<Self>, work: &Work) -> Result<Option<Ended>, Stop> {
        let policy = work.options.on_unknown.unwrap_or_default();
        effects::settle_unknown(self, &work.call, effects::Unknown::Effect, policy, work.attempt).await
    }

    /// Runs one attempt in an instance of its own.
    async fn run_attempt(
        self: &Arc<Self>,
        work: &Work,
        grants: &Grants,
        beginning: &mut Beginning<'_>,
        seat: Seat,
    ) -> Result<Attempted, Stop> {
        let Work { call, attempt, options, .. } = work;
        let metadata = Arc::new(Mutex::new(Metadata::default()));
        let lines = beginning.lines.clone();
        let accounts = beginning.accounts.clone();
        let port = CheckpointCalls::new(self.clone(), call, *attempt, metadata.clone(), lines.clone(), accounts.audit());
        let models = port.models();
        let ran = self.program.run_checkpoint(CheckpointRun {
            name: &call.descriptor.name,
            input: &work.input,
            grants,
            port: Box::new(port),
            log: lines.clone(),
            limits: self.spec.limits,
            timeout: options.timeout_ms.map(Duration::from_millis),
            audit: accounts.audit(),
            seat,
        });
        tokio::pin!(ran);
        let ran = if beginning.is_recorded {
            accounts.during(ran).await
        } else {
            tokio::select! {
                biased;
                ran = &mut ran => ran,
                // Whoever looks at the execution is to see a body that takes long, and what it says meanwhile.
                () = lines.wants_out(LONG) => {
                    beginning.record()?;
                    // In a task of its own, because whoever waits for the disk may do the work: that time is not the author's.
                    let run = self.clone();
                    let recorded = tokio::spawn(async move { run.recorder.settle().await });
                    let record = async {
                        recorded.await.unwrap_or_else(|_| Err(EngineError::state("the beginning could not be recorded")))?;
                        lines.has_record();
                        Ok::<_, Stop>(())
                    };
                    let ((), ran) = tokio::try_join!(record, async { Ok(accounts.during(&mut ran).await) })?;
                    ran
                }
            }
        };
        let mut put_off = None;
        let outcome = match ran {
            Ran::Stopped(Stop::NoRoom(why)) => {
                if let NoRoom::PutOff { needs } = why {
                    put_off = Some(Needs(needs));
                }
                Err(no_room(why).at_call(call.index))
            }
            Ran::Returned(value) => Ok(value),
            Ran::ReturnedFailure(failure) | Ran::Ended(failure) => Err(Failure { call_index: Some(call.index), ..failure }),
            Ran::Stopped(stop) => return Err(stop),
        };
        models.recorded().await;
        let metadata = lock(&metadata).to_text();
        Ok(Attempted { outcome, metadata, missing: models.missing(), has_asked: models.has_asked(), put_off })
    }

    async fn decide_call(
        &self,
        work: &Work,
        beginning: Beginning<'_>,
        outcome: Result<String, Failure>,
        metadata: Option<String>,
    ) -> Result<Ended, Stop> {
        let index = work.call.index;
        let outcome = match outcome {
            Ok(value) => Outcome::Success(put_bytes(self.store.as_ref(), value.into_bytes()).await.map_err(EngineError::from)?),
            Err(failure) => Outcome::Failure(failure),
        };
        let cache = match (&work.cache, &outcome) {
            (Some(policy), Outcome::Success(result)) => Some(CacheEntry {
                key: policy.key,
                call: CallId { execution: self.id(), index },
                result: result.clone(),
                metadata: metadata.clone(),
                expires_at: policy.ttl.map(|ttl| self.clock.now().after(ttl)),
            }),
            _ => None,
        };
        let Beginning { lines, accounts, descriptor, metadata: flow_metadata, started_at, is_recorded, .. } = beginning;
        let entry = EntryBody::CallEnded {
            call: index,
            attempt: work.attempt,
            descriptor,
            outcome: outcome.clone(),
            provenance: Provenance::Ran,
            metadata,
            started_at: (!is_recorded).then_some(started_at),
        };
        let step =
            Step { cache, logs: lines.let_out(), accesses: accounts.let_out(), metadata: flow_metadata, ..Step::entry(entry) };
        Ok(self.finish(index, step, outcome).await?)
    }

    /// Waits for a free place to run a body in: of this execution, and of this host. A call that has to wait is on record meanwhile, because
    /// its index is taken.
    async fn place(&self, index: u32, descriptor: &mut Option<Descriptor>) -> Result<impl Drop + use<>, Stop> {
        let free = self.places.clone().try_acquire_owned().ok();
        let (own, host) = match free.map(|own| (own, self.engine.bodies().try_acquire_owned())) {
            Some((own, Ok(host))) => (own, host),
            taken => {
                drop(taken);
                if let Some(descriptor) = descriptor.take() {
                    let issued = EntryBody::CallIssued { call: index, descriptor };
                    self.recorder.cork(Step::entry(issued), Durability::Relaxed)?;
                }
                let _waiting = self.engine.waiting_body();
                let closed = |_| EngineError::state("the host is stopping");
                let own = self.places.clone().acquire_owned().await.map_err(closed)?;
                (own, self.engine.bodies().acquire_owned().await.map_err(closed)?)
            }
        };
        Ok(Places { _own: own, _host: host })
    }

    /// Returns at `due`, or ends the drive where the host stops.
    async fn pause_until(&self, due: Timestamp) -> Result<(), Stop> {
        tokio::select! {
            () = super::timers::until(self.clock.as_ref(), due) => Ok(()),
            () = self.stopped() => Err(Stop::Engine(Box::new(Suspended::Stopping))),
        }
    }
}

/// The beginning of an attempt, which has a record of its own as soon as anybody could see the body.
struct Beginning<'a> {
    run: &'a Run,
    call: u32,
    attempt: u32,
    /// Of a call that the journal does not know yet.
    descriptor: Option<Descriptor>,
    /// The flow's, to be written with the first step.
    metadata: Option<String>,
    is_once: bool,
    started_at: Timestamp,
    is_recorded: bool,
    lines: Arc<LogLines>,
    accounts: Arc<Accounts>,
}

impl<'a> Beginning<'a> {
    fn new(run: &'a Arc<Run>, work: &Work, descriptor: Option<Descriptor>) -> Self {
        let Work { call, attempt, options, metadata, .. } = work;
        let lines = run.lines.of_attempt(call.index, *attempt, &call.descriptor.name, &call.descriptor.invocation);
        Self {
            run,
            call: call.index,
            attempt: *attempt,
            descriptor,
            metadata: metadata.clone(),
            is_once: options.is_once(),
            started_at: run.clock.now(),
            is_recorded: false,
            lines: Arc::new(lines),
            accounts: Arc::new(Accounts::new(run.clone(), call.index, *attempt, &call.descriptor.name)),
        }
    }

    fn step(&mut self) -> Step {
        self.is_recorded = true;
        let (call, attempt, descriptor) = (self.call, self.attempt, self.descriptor.take());
        let start = EntryBody::CallStarted { call, attempt, descriptor, deadline: None, child: None };
        Step { at: Some(self.started_at), metadata: self.metadata.take(), ..Step::entry(start) }
    }

    /// Records it, with what the body has said so far. It is there when everything before it is settled.
    fn record(&mut self) -> Result<(), EngineError> {
        let durability = if self.is_once { Durability::Full } else { Durability::Relaxed };
        let step = Step { logs: self.lines.let_out(), accesses: self.accounts.let_out(), ..self.step() };
        self.run.recorder.hand_over(step, durability)?;
        Ok(())
    }

    /// The step that records it, if it has no record when the attempt is over already.
    fn unrecorded(&mut self) -> Option<Step> {
        (!self.is_recorded).then(|| self.step())
    }
}

struct Places {
    _own: tokio::sync::OwnedSemaphorePermit,
    _host: tokio::sync::OwnedSemaphorePermit,
}

impl Drop for Places {
    /// Written out, so that a holder can say that all that counts is when it is dropped.
    fn drop(&mut self) {}
}
