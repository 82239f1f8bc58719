//! Child flows: executions of their own, of which the parent's journal has one call. They are driven here or by whoever answers them, and
//! end with the parent.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::call::Call;
use super::calls::Ended;
use super::drive::boxed_drive;
use super::options::{DriveOptions, SleepPolicy};
use super::patience::{DEFAULT_WINDOW, Parked, Suspended};
use super::recorder::Step;
use super::run::Run;
use super::runners::DeathNews;
use super::scheduler::DOZE;
use super::submit::pick_flow;
use super::{EngineError, FrozenSpec, timers};
use crate::ids::{CallId, ComponentDigest, ExecutionId};
use crate::journal::{CanonicalJson, EntryBody, Failure, Outcome, Payload, Provenance};
use crate::sandbox::{ChildRequest, Grants, Stop, reached};
use crate::store::{Durability, ExecutionRow, NewExecution, Status, StoreError, put_bytes};

/// Executions that may stand above each other. A flow that starts itself must end somewhere.
const DEEPEST: u32 = 16;

/// Child flows that one flow may start and not wait for. Nobody is above them who could be stopped, and each may start as many.
const LET_GO: u32 = 1_000;

/// How often a child is looked at that somebody else drives, where the platform does not tell of runners that die.
const LOOK: Duration = Duration::from_secs(1);

/// Whether the flow waits for a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bond {
    /// It does, and the child ends with it.
    Attached,
    /// The child goes its own way.
    Free,
}

impl Run {
    /// Starts a child that goes its own way, the flow's `number`th. The call ends with the child's ID. That there are too many is an outcome like any
    /// other, and is recorded: what a journal has stays as it is, whatever the limit was then.
    pub(super) async fn start_child(
        self: &Arc<Self>,
        call: Call,
        request: ChildRequest,
        attempt: u32,
        number: u32,
    ) -> Result<Ended, Stop> {
        let new = if number > LET_GO {
            reached("handles");
            let message = format!("a flow starts at most {LET_GO} child flows that it does not wait for");
            Err(Failure::runtime("limit", message))
        } else {
            self.new_child(&call, request, Bond::Free).await?
        };
        let (outcome, child) = match new {
            Ok(child) => (Outcome::Success(Payload::Inline(json!(child.id.to_string()).to_string().into_bytes())), Some(child)),
            Err(failure) => (Outcome::Failure(failure.at_call(call.index)), None),
        };
        let id = child.as_ref().map(|child| child.id);
        let entry = EntryBody::CallEnded {
            call: call.index,
            attempt,
            descriptor: self.cursor.own().call(call.index).is_none().then(|| call.descriptor.clone()),
            outcome: outcome.clone(),
            provenance: Provenance::Ran,
            metadata: None,
            started_at: None,
        };
        let ended = self.finish(call.index, Step { child, ..Step::entry(entry) }, outcome).await?;
        if let Some(id) = id {
            // It is there, and so is everything that it was started for.
            self.recorder.settle().await?;
            // Whoever has a place for it may drive it. A child that is waited for is driven here.
            self.engine.tell_of(id).await;
            let (engine, observer) = (self.engine.clone(), self.options.observer.clone());
            // Whoever looks after executions drives it on if this process ends first.
            tokio::spawn(async move {
                let Ok(_place) = engine.free_children().acquire_owned().await else { return };
                let sleep = SleepPolicy::Leave { longer_than: DOZE };
                match boxed_drive(engine, id, DriveOptions { observer, sleep, ..DriveOptions::default() }).await {
                    Ok(_) | Err(EngineError::Store(StoreError::Owned { .. })) => {}
                    Err(error) => {
                        tracing::warn!(execution = %id, error = &error as &dyn std::error::Error, "a child could not be driven on");
                    }
                }
            });
        }
        Ok(ended)
    }

    /// Starts a child, or goes on with it, and waits for its end.
    pub(super) async fn run_child(self: &Arc<Self>, call: Call, request: ChildRequest, attempt: u32) -> Result<Ended, Stop> {
        let index = call.index;
        let started = self.cursor.own().call(index).filter(|record| record.has_started()).and_then(|record| record.child);
        let child = match started {
            Some(child) => match self.store.execution(child).await {
                Ok(_) => {
                    self.calls.has_child(index, child);
                    child
                }
                // While this one had diverged, nobody needed it.
                Err(StoreError::NotFound { .. }) => {
                    let failure = Failure::runtime("not-found", format!("child execution `{child}` was deleted"));
                    return Ok(self.finish_ran(index, attempt, Outcome::Failure(failure.at_call(index))).await?);
                }
                Err(error) => return Err(EngineError::from(error).into()),
            },
            None => match self.new_child(&call, request, Bond::Attached).await? {
                Ok(child) => {
                    let id = child.id;
                    // Before it can be there: whoever cancels the call must find it.
                    self.calls.has_child(index, id);
                    let start =
                        EntryBody::CallStarted { call: index, attempt, descriptor: None, deadline: None, child: Some(id) };
                    let step = Step { child: Some(child), ..Step::entry(start) };
                    self.recorder.write(step, Durability::Full).await?;
                    id
                }
                Err(failure) => {
                    return Ok(self.finish_ran(index, attempt, Outcome::Failure(failure.at_call(index))).await?);
                }
            },
        };
        let row = self.await_child(index, child).await?;
        Ok(self.finish_ran(index, attempt, outcome_of(index, &row)).await?)
    }

    /// Drives the child until it ends, or waits while somebody else does.
    async fn await_child(self: &Arc<Self>, index: u32, child: ExecutionId) -> Result<ExecutionRow, Stop> {
        let mut news = self.store.watch(child).await.map_err(EngineError::from)?;
        // One window for the call (E8), however often its child goes on meanwhile.
        let window = Instant::now() + Duration::from_secs(DEFAULT_WINDOW);
        loop {
            // A graceful stop waits for it as for a body.
            let body = self.calls.body().await;
            match boxed_drive(self.engine.clone(), child, self.options.clone()).await {
                Ok(_) | Err(EngineError::Store(StoreError::Owned { .. })) => {}
                Err(error) => return Err(error.into()),
            }
            drop(body);
            // Every drive ends with news of its own; what came since is looked at below.
            news.mark_unchanged();
            let row = self.store.execution(child).await.map_err(EngineError::from)?;
            if row.status.is_terminal() {
                return Ok(row);
            }
            // Where it waits itself, it is waited for in the store.
            if self.is_stopping() && row.status != Status::Waiting {
                return Err(Stop::Engine(Box::new(Suspended::Stopping)));
            }
            // Whom it waits for decides how long it is waited for.
            let asks = self.engine.pending_waits(child).await?;
            // Who is driven elsewhere is due for its runner, if for anybody.
            let wake_at = row.wake_at.filter(|_| asks.is_empty() && row.runner.is_none());
            let parked = Parked::Child { child, window, wake_at };
            self.calls.park(&self.recorder, index, parked, Step::default(), Durability::Relaxed)?;
            self.recorder.settle().await?;
            self.child_goes_on(&row, &mut news).await?;
            self.calls.unpark(&self.recorder, index, Step::default(), Durability::Relaxed)?;
        }
    }

    /// Returns when a child that was left as in `row` could be driven on, or something happened to it.
    async fn child_goes_on(&self, row: &ExecutionRow, news: &mut watch::Receiver<u64>) -> Result<(), EngineError> {
        let child = row.new.id;
        // It may have gone on between the look and the watch.
        if self.engine.is_ready(child).await? {
            return Ok(());
        }
        let due = async {
            // Who is driven is not ours to drive when it is due, and its runner tells when it lets go of it.
            match row.wake_at.filter(|_| row.runner.is_none()) {
                Some(due) => timers::until(self.clock.as_ref(), due).await,
                None => std::future::pending().await,
            }
        };
        // A runner that dies wakes nobody.
        let left_alone = async {
            let mut deaths = DeathNews::begin(self.store.as_ref()).await?;
            while !self.engine.is_ready(child).await? {
                deaths.next(LOOK).await;
            }
            Ok(())
        };
        let changed = async {
            loop {
                if news.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
                if !self.is_as_left(row).await? {
                    return Ok(());
                }
            }
        };
        tokio::select! {
            changed = changed => changed,
            () = due => Ok(()),
            ready = left_alone, if row.runner.is_some() => ready,
        }
    }

    /// Whether nothing has happened to a child that was left as in `row`. Whoever leaves one wakes those who watch it, some of them later once
    /// more; driven on for that, it would only be left again where there is no room for it.
    async fn is_as_left(&self, row: &ExecutionRow) -> Result<bool, EngineError> {
        let now = self.store.execution(row.new.id).await?;
        let is_same = now.epoch == row.epoch && now.runner.is_some() == row.runner.is_some() && now.wake_at == row.wake_at;
        Ok(is_same && !now.cancel_requested && !self.engine.is_ready(row.new.id).await?)
    }

    /// A new execution for a child, or why there can be none.
    async fn new_child(
        &self,
        call: &Call,
        request: ChildRequest,
        bond: Bond,
    ) -> Result<Result<Box<NewExecution>, Failure>, EngineError> {
        if self.row.new.depth >= DEEPEST {
            let message = format!("child flows are {DEEPEST} deep here, and go no deeper");
            return Ok(Err(Failure::runtime("limit", message)));
        }
        let own = self.row.new.component;
        let component = match request.component.as_deref().map(str::parse::<ComponentDigest>) {
            None => own,
            Some(Ok(digest)) => digest,
            Some(Err(_)) => {
                return Ok(Err(Failure::usage("a component is named by its SHA-256 in hexadecimal")));
            }
        };
        // What a component does by itself is its own affair; of others, whoever started this chooses no more than they may.
        let starter = self.spec.starter.as_ref().filter(|starter| component != own && !starter.flows.covers(&request.flow));
        if let Some(starter) = starter {
            let message = format!(
                "the flow `{}` of another component is not for whoever started this execution, who may start: {}",
                request.flow, starter.flows
            );
            return Ok(Err(Failure::runtime("capability", message)));
        }
        let program = match self.engine.stored_program(component).await {
            Err(EngineError::Store(StoreError::NotFound { .. })) => {
                return Ok(Err(Failure::runtime("not-found", format!("the store has no component {component}"))));
            }
            Err(EngineError::Signature(untrusted)) => {
                return Ok(Err(Failure::runtime("signature", untrusted.to_string())));
            }
            program => program?,
        };
        let checked = pick_flow(program.manifest(), Some(&request.flow))
            .and_then(|flow| self.engine.check_input(&program, flow, &request.input).map(|()| flow.options));
        let flow_defaults = match checked {
            Ok(options) => options,
            Err(error) => return Ok(Err(Failure::usage(error.to_string()))),
        };
        // What an operator granted to one component is not another's.
        let grants = if component == own { self.spec.grants.clone() } else { Grants::default() };
        let mut spec = FrozenSpec { grants, retries: None, flow_defaults, ..self.spec.clone() };
        if component != own
            && let Some(starter) = &mut spec.starter
        {
            // Nor is what the calls that a replay was served hand to its code.
            starter.trees.clear();
        }
        let id = self.engine.ids.execution();
        let now = self.clock.now();
        let input = CanonicalJson::of(&request.input).into_string().into_bytes();
        Ok(Ok(Box::new(NewExecution {
            id,
            flow: request.flow,
            component,
            input: put_bytes(self.store.as_ref(), input).await?,
            seed: self.engine.ids.seed(),
            created_at: now,
            flow_epoch: now,
            original: None,
            parent: (bond == Bond::Attached).then_some(CallId { execution: self.id(), index: call.index }),
            // Also of one that goes its own way: it was started for whatever this one was.
            root: Some(self.row.new.root.unwrap_or(self.id())),
            depth: self.row.new.depth + 1,
            tags: self.row.new.tags.clone(),
            replay_plan: None,
            frozen_spec: spec.to_text(id)?,
        })))
    }
}

/// What the parent gets for a child that ended.
fn outcome_of(index: u32, row: &ExecutionRow) -> Outcome {
    let child = row.new.id;
    match (row.status, &row.result, &row.failure) {
        (Status::Completed, Some(result), _) => Outcome::Success(result.clone()),
        (Status::Failed, _, Some(failure)) => {
            let details = json!({ "execution": child.to_string(), "details": failure.details_json() });
            Outcome::Failure(Failure { call_index: Some(index), ..failure.clone() }.with_details(&details))
        }
        (status, ..) => {
            let failure = Failure::runtime("cancelled", format!("child execution `{child}` ended as {status}"));
            Outcome::Failure(failure.at_call(index).with_details(&json!({ "execution": child.to_string() })))
        }
    }
}
