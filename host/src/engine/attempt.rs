//! Runs a checkpoint call: attempts, each in an instance of its own, until one decides the call.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::EngineError;
use super::backoff;
use super::cache::CachePolicy;
use super::call::Call;
use super::calls::Ended;
use super::checkpoint_port::CheckpointCalls;
use super::effects;
use super::events::Event;
use super::metadata::Metadata;
use super::patience::Suspended;
use super::recorder::Step;
use super::run::Run;
use crate::ids::CallId;
use crate::journal::{Descriptor, EntryBody, Failure, Outcome, Provenance};
use crate::sandbox::{CheckpointOptions, CheckpointRun, Ran, Stop};
use crate::store::{CacheEntry, Durability, put_bytes};

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
}

impl Run {
    /// Runs a checkpoint call to its end.
    pub(super) async fn run_checkpoint(self: &Arc<Self>, mut work: Work) -> Result<Ended, Stop> {
        let (index, invocation) = (work.call.index, work.call.descriptor.invocation.clone());
        let record = self.cursor.own().call(index);
        if work.options.is_once()
            && record.is_some_and(crate::journal::CallRecord::was_interrupted)
            && let Some(ended) = effects::settle_unknown(self, &work.call, &work.options, work.attempt).await?
        {
            return Ok(ended);
        }
        let mut descriptor = (!work.recorded).then(|| work.call.descriptor.clone());
        if let Some(policy) = &work.cache
            && let Some(ended) = self.serve_cached(&work.call, policy, descriptor.as_ref()).await?
        {
            return Ok(ended);
        }
        let mut places = None;
        let mut failed = record.map_or(0, crate::journal::CallRecord::failed_attempts);
        if let Some(due) = record.and_then(|record| record.retry_at) {
            self.pause_until(due).await?;
        }
        loop {
            if self.is_stopping() {
                return Err(Stop::Engine(Box::new(Suspended::Stopping)));
            }
            if places.is_none() {
                places = Some(self.place(index, &mut descriptor).await?);
                // It may have waited for its place while the host was told to stop.
                if self.is_stopping() {
                    return Err(Stop::Engine(Box::new(Suspended::Stopping)));
                }
            }
            let attempt = work.attempt;
            let body = self.calls.body();
            let start =
                EntryBody::CallStarted { call: index, attempt, descriptor: descriptor.take(), deadline: None, child: None };
            // E5: that it may have happened is known before it can happen.
            let durability = if work.options.is_once() { Durability::Full } else { Durability::Relaxed };
            self.recorder.write(Step::entry(start).with_metadata(work.metadata.take()), durability).await?;
            let shown = Shown::new(self, index, &invocation, attempt);
            let (outcome, metadata) = self.run_attempt(&work).await?;
            let again = outcome.as_ref().err().is_some_and(|failure| backoff::is_due(&work.options, failure, failed));
            shown.ended(outcome.as_ref().err().cloned(), again);
            match outcome {
                Err(failure) if again => {
                    let pause = backoff::pause(&work.options, failed, self.engine.fraction());
                    let ended_at = self.clock.now();
                    let retry_at = ended_at.after(pause);
                    let entry = EntryBody::AttemptFailed { call: index, attempt, failure, metadata, retry_at };
                    // E3: the next attempt can tell the world its number.
                    let step = Step { at: Some(ended_at), ..Step::entry(entry) };
                    self.recorder.write(step, Durability::Full).await?;
                    failed += 1;
                    work.attempt = attempt.saturating_add(1);
                    drop(body);
                    // Others may use the place meanwhile.
                    drop(places.take());
                    self.pause_until(retry_at).await?;
                }
                outcome => return self.decide_call(&work, outcome, metadata).await,
            }
        }
    }

    /// Runs one attempt in an instance of its own; its outcome and what it logged about itself.
    async fn run_attempt(self: &Arc<Self>, work: &Work) -> Result<(Result<String, Failure>, Option<String>), Stop> {
        let Work { call, attempt, options, .. } = work;
        let metadata = Arc::new(Mutex::new(Metadata::default()));
        let port = CheckpointCalls::new(self.clone(), call, *attempt, metadata.clone());
        let lines = self.lines.of_attempt(call.index, *attempt, &call.descriptor.name, &call.descriptor.invocation);
        let ran = self.program.run_checkpoint(CheckpointRun {
            name: &call.descriptor.name,
            input: &work.input,
            grants: &self.spec.grants,
            port: Box::new(port),
            log: Arc::new(lines),
            limits: self.spec.limits,
            timeout: options.timeout_ms.map(Duration::from_millis),
        });
        let outcome = match ran.await {
            Ran::Returned(value) => Ok(value),
            Ran::ReturnedFailure(failure) | Ran::Ended(failure) => Err(Failure { call_index: Some(call.index), ..failure }),
            Ran::Stopped(stop) => return Err(stop),
        };
        self.logs.flush().await;
        let metadata = metadata.lock().unwrap_or_else(PoisonError::into_inner).to_text();
        Ok((outcome, metadata))
    }

    async fn decide_call(&self, work: &Work, outcome: Result<String, Failure>, metadata: Option<String>) -> Result<Ended, Stop> {
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
        let entry = EntryBody::CallEnded {
            call: index,
            attempt: work.attempt,
            descriptor: None,
            outcome: outcome.clone(),
            provenance: Provenance::Ran,
            metadata,
        };
        // E3: the flow goes on only when this is on the disk.
        Ok(self.finish(index, Step { cache, ..Step::entry(entry) }, outcome).await?)
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
                    self.recorder.write(Step::entry(issued), Durability::Relaxed).await?;
                }
                let closed = |_| EngineError::state("the host is stopping");
                let own = self.places.clone().acquire_owned().await.map_err(closed)?;
                (own, self.engine.bodies().acquire_owned().await.map_err(closed)?)
            }
        };
        Ok(Places { _own: own, _host: host })
    }

    /// Returns at `due`, or ends the drive where the host stops.
    async fn pause_until(&self, due: crate::clock::Timestamp) -> Result<(), Stop> {
        tokio::select! {
            () = super::timers::until(self.clock.as_ref(), due) => Ok(()),
            () = self.stopped() => Err(Stop::Engine(Box::new(Suspended::Stopping))),
        }
    }
}

/// An attempt that whoever watches knows to be running.
struct Shown<'a> {
    run: &'a Run,
    index: u32,
    invocation: &'a str,
    is_over: bool,
}

impl<'a> Shown<'a> {
    fn new(run: &'a Run, index: u32, invocation: &'a str, attempt: u32) -> Self {
        run.tell(Event::Running { execution: run.id(), index, invocation: invocation.to_owned(), attempt });
        Self { run, index, invocation, is_over: false }
    }

    fn ended(mut self, failure: Option<Failure>, again: bool) {
        self.tell(failure, again);
    }

    fn tell(&mut self, failure: Option<Failure>, again: bool) {
        self.is_over = true;
        let (execution, index, invocation) = (self.run.id(), self.index, self.invocation.to_owned());
        self.run.tell(Event::Ran { execution, index, invocation, failure, again });
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.tell(Some(Failure::runtime("cancelled", "ended with what it was for")), false);
        }
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
