//! The durable calls of a flow body: numbered, named, decided by the cursor, served or run.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;

use super::EngineError;
use super::attempt::Work;
use super::cache::CachePolicy;
use super::call::Call;
use super::calls::Ended;
use super::decide::Decided;
use super::identity::{self, Wanted};
use super::metadata::Metadata;
use super::models::{self, ModelNames};
use super::patience::Suspended;
use super::recorder::Step;
use super::refusal::{Refusal, check_name, check_wait, too_many};
use super::run::Run;
use super::served::serve;
use super::submitted::{Canceller, Tasks, await_first, await_place, cancel_call};
use crate::journal::{CallKind, CanonicalJson, Descriptor, EntryBody, Failure, Given, Invocations};
use crate::mutex::lock;
use crate::sandbox::{CheckpointRequest, ChildRequest, Current, FlowPort, Stop, Submitted, WaitRequest};
use crate::store::{Durability, put_bytes};

/// What the guest gets for a durable call.
pub(super) type Answer = Result<Result<String, Failure>, Stop>;

/// Calls under way at a time, each with a task and its input in memory. The next one waits for one of them to end: a refusal would depend
/// on how quick they are, and the flow must not see that.
const UNDER_WAY: usize = 10_000;

/// The durable calls of one run of a flow body.
pub(super) struct FlowCalls {
    pub(super) run: Arc<Run>,
    tasks: Arc<Tasks>,
    invocations: Invocations,
    models: ModelNames,
    metadata: Arc<Mutex<Metadata>>,
    /// The flow looked at what a replay changes: its execution ID, or that it is a replay. Served calls may then have other inputs.
    pub(super) identity_seen: bool,
    /// Child flows that it started and does not wait for, those of the journal too.
    let_go: u32,
}

impl FlowCalls {
    pub(super) fn new(run: Arc<Run>, tasks: Arc<Tasks>) -> Self {
        Self {
            run,
            tasks,
            invocations: Invocations::default(),
            models: ModelNames::default(),
            metadata: Arc::default(),
            identity_seen: false,
            let_go: 0,
        }
    }

    /// Reads the flow's metadata, also after the flow is gone.
    pub(super) fn metadata(&self) -> impl Fn() -> Option<String> + Send + use<> {
        let metadata = self.metadata.clone();
        move || lock(&metadata).to_text()
    }

    /// The flow's metadata, if it changed since it was last taken.
    fn changed_metadata(&self) -> Option<String> {
        lock(&self.metadata).take_changed()
    }

    /// The call's identity, or why it cannot be made. Refusals are the same on every run, so they need no record.
    pub(super) async fn describe(
        &mut self,
        kind: CallKind,
        name: &str,
        own_id: Option<&str>,
        input: &Value,
        checkpoint_type: Option<&String>,
    ) -> Result<Call, Refusal> {
        if let Some(stop) = self.run.calls.fault() {
            return Err(stop.into());
        }
        if self.run.is_stopping() {
            return Err(Stop::Engine(Box::new(Suspended::Stopping)).into());
        }
        let index = self.run.made.load(Ordering::Acquire);
        let limit = self.run.spec.limits.calls;
        if index >= limit {
            return Err(too_many(limit).into());
        }
        let invocation = self.invocations.next(name, own_id).map_err(Refusal::usage)?;
        let canonical = CanonicalJson::of(input);
        let input_hash = canonical.hash();
        // Going over a journal again writes nothing (E1).
        let known = self.run.cursor.own().call(index).map(|record| &record.descriptor);
        if known.is_none() {
            self.run.within_history()?;
        }
        let input = match known.filter(|known| known.input_hash == input_hash) {
            Some(known) => known.input.clone(),
            None => put_bytes(self.run.store.as_ref(), canonical.into_string().into_bytes()).await.map_err(EngineError::from)?,
        };
        self.run.made.store(index + 1, Ordering::Release);
        let (name, checkpoint_type) = (name.to_owned(), checkpoint_type.cloned());
        Ok(Call { index, descriptor: Descriptor { kind, name, invocation, input, input_hash, checkpoint_type } })
    }

    /// A checkpoint call, and the work that it is if it has to run.
    async fn prepare(&mut self, request: CheckpointRequest) -> Result<(Call, Result<Work, Ended>), Refusal> {
        let program = self.run.program.clone();
        let Some(info) = program.manifest().checkpoint(&request.name) else {
            return Err(Refusal::usage(format!("the component has no checkpoint `{}`", request.name)));
        };
        let CheckpointRequest { name, input, id, cache_key } = request;
        let call = self.describe(CallKind::Checkpoint, &name, id.as_deref(), &input, info.options.r#type.as_ref()).await?;
        let (attempt, recorded, given) = match self.decide(&call).await? {
            Decided::Ended(ended) => return Ok((call, Err(ended))),
            Decided::Run { attempt, recorded, given } => (attempt, recorded, given),
        };
        let cache = CachePolicy::of(
            self.run.row.new.component,
            &self.run.grants_of(&name),
            &call.descriptor,
            &info.options,
            self.run.flow_options.cache.or(self.run.spec.cache_default),
            self.run.spec.cache,
            cache_key.as_deref(),
        )
        // What somebody gave is not what the flow asked for, and where a replay begins something is to happen (E10).
        .filter(|_| given.is_none() && !self.run.cursor.is_anchor(call.index));
        let input = match given {
            Some(Given::Input(input)) => input,
            _ => self.run.text(&call.descriptor.input).await.map_err(EngineError::from)?,
        };
        let (options, metadata) = (info.options.clone(), self.changed_metadata());
        let work = Work { call: call.clone(), options, input, attempt, recorded, cache, metadata, is_direct: false };
        Ok((call, Ok(work)))
    }

    async fn call_checkpoint(&mut self, request: CheckpointRequest) -> Result<Answer, Refusal> {
        let (call, work) = self.prepare(request).await?;
        let ended = match work {
            // It may have to ask a person, or wait for a model, and nobody waits for those here.
            Ok(work) if (work.recorded && work.options.is_once()) || self.run.waits_for_models() => {
                let run = self.run.clone();
                self.spawn(call.index, CallKind::Checkpoint, async move { run.run_checkpoint(work).await });
                let (_, ended) = self.first_of(&[call.index]).await?;
                self.run.calls.forget(call.index);
                ended
            }
            Ok(work) => {
                // In a box: it is large, and would be moved, and have its place, once for each layer around it.
                let ended = Box::pin(self.run.run_checkpoint(Work { is_direct: true, ..work }));
                self.run.while_flow_waits(false, ended).await?
            }
            Err(ended) => ended,
        };
        Ok(self.observe(call.index, ended).await)
    }

    async fn begin(&mut self, submitted: Submitted) -> Result<u32, Refusal> {
        self.run.while_flow_waits(true, await_place(&self.run, UNDER_WAY)).await?;
        match submitted {
            Submitted::Checkpoint(request) => {
                let (call, work) = self.prepare(request).await?;
                match work {
                    Err(ended) => self.already(call.index, ended),
                    Ok(mut work) => {
                        self.issue(&work.call, work.recorded, work.metadata.take()).await?;
                        let (run, work) = (self.run.clone(), Work { recorded: true, ..work });
                        self.spawn(call.index, CallKind::Checkpoint, async move { run.run_checkpoint(work).await });
                    }
                }
                Ok(call.index)
            }
            Submitted::Wait(request) => self.begin_wait(request).await,
            Submitted::Sleep(name, milliseconds) => {
                let name = identity::name_of_sleep(name);
                check_name("sleep", &name)?;
                let call = self.describe(CallKind::Sleep, &name, None, &identity::of_sleep(milliseconds), None).await?;
                if let Some(attempt) = self.to_run(&call).await? {
                    let (run, call) = (self.run.clone(), call.clone());
                    self.spawn(call.index, CallKind::Sleep, async move { run.sleep(call, milliseconds, attempt).await });
                }
                Ok(call.index)
            }
            Submitted::Flow(request) => {
                let call = self.describe_child(&request, Wanted::Result).await?;
                if let Some(attempt) = self.to_run(&call).await? {
                    let (run, call) = (self.run.clone(), call.clone());
                    self.spawn(call.index, CallKind::Flow, async move { run.run_child(call, request, attempt).await });
                }
                Ok(call.index)
            }
            Submitted::Model(request) => self.begin_model(request).await,
        }
    }

    async fn begin_model(&mut self, request: Value) -> Result<u32, Refusal> {
        let name = self.models.next(&request).map_err(Refusal::Failure)?;
        let kind = models::CHECKPOINT_TYPE.to_owned();
        let call = self.describe(CallKind::Llm, name.as_str(), None, &request, Some(&kind)).await?;
        match self.decide(&call).await? {
            Decided::Ended(ended) => self.already(call.index, ended),
            Decided::Run { attempt, recorded, given } => {
                self.issue(&call, recorded, self.changed_metadata()).await?;
                // A replay may have been given another request, or another model.
                let request = given.map_or(request.clone(), |given| given.request(request));
                let (run, call) = (self.run.clone(), call.clone());
                self.spawn(call.index, CallKind::Llm, async move { run.ask_model(call, name, request, attempt).await });
            }
        }
        Ok(call.index)
    }

    async fn begin_wait(&mut self, request: WaitRequest) -> Result<u32, Refusal> {
        let name = check_wait(&request)?;
        let call = self.describe(CallKind::Wait, &name, None, &identity::of_wait(&request), None).await?;
        if let Some(attempt) = self.to_run(&call).await? {
            let (run, call) = (self.run.clone(), call.clone());
            self.spawn(call.index, CallKind::Wait, async move { run.ask(call, request, attempt).await });
        }
        Ok(call.index)
    }

    async fn describe_child(&mut self, request: &ChildRequest, wanted: Wanted) -> Result<Call, Refusal> {
        check_name("flow", &request.flow)?;
        let input = identity::of_child(request, wanted);
        self.describe(CallKind::Flow, &request.flow, request.id.as_deref(), &input, None).await
    }

    /// The number of the attempt, if the call has to run; otherwise it has ended, and whoever asks for it is told.
    async fn to_run(&self, call: &Call) -> Result<Option<u32>, Stop> {
        match self.decide(call).await? {
            Decided::Run { attempt, recorded, .. } => {
                self.issue(call, recorded, self.changed_metadata()).await?;
                Ok(Some(attempt))
            }
            Decided::Ended(ended) => {
                self.already(call.index, ended);
                Ok(None)
            }
        }
    }

    fn already(&self, index: u32, ended: Ended) {
        self.run.calls.begin(index, CallKind::Checkpoint);
        self.run.calls.settle(index, Ok(ended));
        self.run.flow_moves_on();
    }

    /// A submitted call takes its place in the journal before the flow goes on, so that the journal has calls in the order of their
    /// indexes, whoever is quicker to run.
    ///
    /// The flow's metadata goes with it: what the call itself records comes when it comes, and the flow may have said more by then.
    pub(super) async fn issue(&self, call: &Call, recorded: bool, metadata: Option<String>) -> Result<(), EngineError> {
        let mut step = Step::default().with_metadata(metadata);
        if !recorded {
            step.entries.push(EntryBody::CallIssued { call: call.index, descriptor: call.descriptor.clone() });
        }
        if !step.entries.is_empty() || step.metadata.is_some() {
            self.run.recorder.run_ahead(step, Durability::Relaxed).await?;
        }
        Ok(())
    }

    fn spawn(&self, index: u32, kind: CallKind, ending: impl Future<Output = Result<Ended, Stop>> + Send + 'static) {
        self.run.calls.begin(index, kind);
        let run = self.run.clone();
        let task = tokio::spawn(async move {
            let ending = ending.await;
            run.calls.settle(index, ending);
        });
        self.tasks.add(index, task);
        self.run.flow_moves_on();
    }

    /// The first of `calls` to end, and its position among them; or the runner leaves.
    pub(super) async fn first_of(&self, calls: &[u32]) -> Result<(usize, Ended), Stop> {
        self.run.while_flow_waits(true, await_first(&self.run, calls)).await
    }
}

#[async_trait]
impl FlowPort for FlowCalls {
    fn serve(&mut self, name: &str, input: &str, id: Option<&str>) -> Option<String> {
        serve(&self.run, &mut self.invocations, name, input, id)
    }

    async fn checkpoint(&mut self, request: CheckpointRequest) -> Answer {
        self.call_checkpoint(request).await.unwrap_or_else(Refusal::answer)
    }

    async fn submit(&mut self, call: Submitted) -> Result<Result<u32, Failure>, Stop> {
        self.begin(call).await.map_or_else(Refusal::answer, |index| Ok(Ok(index)))
    }

    async fn result(&mut self, call: u32) -> Answer {
        let (_, ended) = self.first_of(&[call]).await?;
        self.observe(call, ended).await
    }

    async fn first(&mut self, calls: Vec<u32>) -> Result<Result<u32, Failure>, Stop> {
        self.choose(calls).await.map_or_else(Refusal::answer, |winner| Ok(Ok(winner)))
    }

    async fn cancel(&mut self, call: u32) -> Result<(), Stop> {
        cancel_call(&self.run, &self.tasks, call, Canceller::Flow).await?;
        // However it ended, or will: the flow does not want to know.
        self.run.calls.failures(|failures| failures.withdrew(call));
        Ok(())
    }

    fn forget(&mut self, call: u32) {
        self.run.calls.forget(call);
    }

    async fn start(&mut self, request: ChildRequest) -> Answer {
        let started = async {
            let call = self.describe_child(&request, Wanted::Id).await?;
            self.let_go = self.let_go.saturating_add(1);
            let ended = match self.decide(&call).await? {
                Decided::Ended(ended) => ended,
                Decided::Run { attempt, .. } => self.run.start_child(call.clone(), request, attempt, self.let_go).await?,
            };
            let answer = self.observe(call.index, ended).await?;
            // The ID itself, not its JSON.
            Ok::<_, Refusal>(answer.map(|id| serde_json::from_str(&id).unwrap_or(id)))
        };
        started.await.map_or_else(Refusal::answer, Ok)
    }

    fn made(&self) -> u32 {
        self.run.made.load(Ordering::Acquire)
    }

    fn record(&mut self, entries: Vec<(String, Value)>) {
        lock(&self.metadata).record(entries);
    }

    fn current(&mut self) -> Current {
        self.identity_seen = true;
        Current {
            execution: self.run.id().to_string(),
            flow: self.run.row.new.flow.clone(),
            attempt: 1,
            is_replay: self.run.row.new.original.is_some(),
            idempotency_key: None,
        }
    }
}
