//! Model calls of a checkpoint body: records of the checkpoint, which is what a replay goes over again.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use kitaru_llm::gateway::{CallFailure, CallPlace, CallRecord, Gateway, PlannedCall};
use kitaru_llm::models::{CallName, CallNameError, CallNames};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::kept::{self, UnderWay, Which};
use super::live::{self, LiveCall};
use super::missing::is_missing;
use super::places::AttemptPlaces;
use super::stream::{LiveSpan, LiveStream};
use super::{failure, place, read, unusable, uses};
use crate::engine::EngineError;
use crate::engine::artifacts;
use crate::engine::log_lines::LogLines;
use crate::engine::metadata::Metadata;
use crate::engine::recorder::Step;
use crate::engine::run::Run;
use crate::ids::CallId;
use crate::journal::Failure;
use crate::mutex::lock;
use crate::sandbox::{Audit, Grants, ModelSpan, ModelStream, Stop};
use crate::store::Durability;

/// The model calls of one attempt.
pub(in crate::engine) struct BodyCalls {
    pub(super) run: Arc<Run>,
    pub(super) call: CallId,
    pub(super) attempt: u32,
    /// The checkpoint's name.
    pub(super) checkpoint: String,
    /// Artifacts that the attempt saved.
    pub(super) saved: Arc<AtomicU32>,
    pub(super) metadata: Arc<Mutex<Metadata>>,
    pub(super) lines: Arc<LogLines>,
    /// Where it is noted which models it called, and was denied.
    audit: Audit,
    names: Mutex<CallNames>,
    made: AtomicU32,
    places: AttemptPlaces,
    missing: Mutex<Option<PlannedCall>>,
    /// Calls that the body let go of, and that are being recorded.
    ending: Mutex<Vec<JoinHandle<()>>>,
}

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MadeBy {
    /// The host, which needs a grant for it.
    Host,
    /// The body by its own means: what it reached for that has a record of its own.
    Body,
}

/// A call that can be made, and where.
pub(super) struct Prepared {
    gateway: Gateway,
    planned: PlannedCall,
    place: CallPlace,
    which: Which,
}

impl BodyCalls {
    pub(in crate::engine) fn new(
        run: Arc<Run>,
        call: CallId,
        attempt: u32,
        checkpoint: String,
        metadata: Arc<Mutex<Metadata>>,
        lines: Arc<LogLines>,
        audit: Audit,
    ) -> Self {
        let (saved, names, made, places, missing, ending) = Default::default();
        Self { run, call, attempt, checkpoint, saved, metadata, lines, audit, names, made, places, missing, ending }
    }

    /// How many artifacts the attempt has saved, whoever saves them.
    pub(in crate::engine) fn saved(&self) -> Arc<AtomicU32> {
        self.saved.clone()
    }

    /// What it may call.
    fn grants(&self) -> Arc<Grants> {
        self.run.grants_of(&self.checkpoint)
    }

    /// Records a call whose body let go of it. Whoever watches it is told that it has ended when that is done.
    pub(super) fn record_later(
        self: &Arc<Self>,
        which: Which,
        made_by: MadeBy,
        live: Option<LiveCall>,
        ending: impl Future<Output = CallRecord> + Send + 'static,
    ) {
        // A host that goes down records nothing any more.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let calls = self.clone();
        let task = runtime.spawn(async move {
            let record = ending.await;
            if let Err(error) = calls.keep(which, made_by, record).await {
                tracing::warn!(call = %which.call, error = &error as &dyn std::error::Error, "a model call was not recorded");
            }
            drop(live);
        });
        lock(&self.ending).push(task);
    }

    /// Returns when every call that the body let go of is recorded.
    pub(in crate::engine) async fn recorded(&self) {
        let ending = std::mem::take(&mut *lock(&self.ending));
        for task in ending {
            let _ = task.await;
        }
    }

    /// A call that nobody could answer, and that is to wait until somebody can.
    pub(in crate::engine) fn missing(&self) -> Option<PlannedCall> {
        lock(&self.missing).take()
    }

    /// Refuses a call that nobody can answer yet, and that is to wait: the whole attempt waits then.
    async fn is_answerable(&self, gateway: &Gateway, planned: &PlannedCall) -> Result<(), Failure> {
        if !self.run.waits_for(planned, &self.grants()) {
            return Ok(());
        }
        match gateway.is_ready(planned).await {
            Err(error) if is_missing(&error) => {
                *lock(&self.missing) = Some(planned.clone());
                Err(failure(error))
            }
            // Whatever else stands in the way is for the call itself to say.
            _ => Ok(()),
        }
    }

    /// Whether a call was made, or was about to be.
    pub(in crate::engine) fn has_asked(&self) -> bool {
        self.made.load(Ordering::Relaxed) > 0
    }

    /// What a call comes to that no grant lets be made, whatever else is missing.
    fn refused(&self, prepared: &Prepared) -> Option<Failure> {
        place::refused(&self.grants(), &prepared.planned)
    }

    /// Names and plans a call that is made. It leaves two artifacts at most.
    async fn prepare(&self, request: &Value) -> Result<Prepared, Failure> {
        artifacts::check_count(self.saved.load(Ordering::Relaxed))?;
        let mut prepared = self.planned(request, true).await?;
        prepared.which.ordinal = self.made.fetch_add(1, Ordering::Relaxed);
        prepared.place = place::of(&self.run, prepared.which, &self.checkpoint, &self.grants(), None);
        Ok(prepared)
    }

    /// The same for one that is only looked at: its name is still free then.
    async fn look(&self, request: &Value) -> Result<Prepared, Failure> {
        self.planned(request, false).await
    }

    async fn planned(&self, request: &Value, takes_name: bool) -> Result<Prepared, Failure> {
        let engine = &self.run.engine;
        let gateway = engine.models().await.map_err(|error| unusable(&error))?.clone();
        let request = read(request)?;
        let name = self.name(request.name.as_deref(), takes_name);
        let name = name.map_err(|error| Failure::usage(error.to_string()))?;
        let planned = self.run.plan_model(&gateway, request, name)?;
        let ordinal = self.made.load(Ordering::Relaxed);
        let which = Which { call: self.call, attempt: self.attempt, ordinal };
        let place = place::of(&self.run, which, &self.checkpoint, &self.grants(), None);
        Ok(Prepared { gateway, planned, place, which })
    }

    fn name(&self, given: Option<&str>, takes_it: bool) -> Result<CallName, CallNameError> {
        let mut names = lock(&self.names);
        if takes_it { names.next(given) } else { names.clone().next(given) }
    }

    /// Prepares a call, and returns when it may be made: everything that it may depend on is durable then, and the attempt's beginning with it (E3):
    /// the number of an attempt that was paid for is not used again.
    async fn begin(&self, request: &Value) -> Result<Result<Prepared, Failure>, Stop> {
        let mut prepared = match self.prepare(request).await {
            Ok(prepared) => prepared,
            Err(failure) => return Ok(Err(failure)),
        };
        if let Some(failure) = self.refused(&prepared) {
            uses::refused(&self.audit, &prepared.planned);
            return Ok(Err(failure));
        }
        prepared.place = place::of(&self.run, prepared.which, &self.checkpoint, &self.grants(), Some(&self.audit));
        if let Err(failure) = self.is_answerable(&prepared.gateway, &prepared.planned).await {
            return Ok(Err(failure));
        }
        self.lines.recorded().await;
        self.run.recorder.settle().await?;
        Ok(Ok(prepared))
    }

    /// Keeps what a call left behind, and gives what its author gets.
    pub(super) async fn keep(
        &self,
        which: Which,
        made_by: MadeBy,
        record: CallRecord,
    ) -> Result<Result<String, Failure>, EngineError> {
        if made_by == MadeBy::Host {
            uses::ended(&self.audit, &record);
        }
        // Before anything is waited for: a body that is cut short meanwhile has paid for it all the same.
        let step = Step { model_calls: vec![kept::row(&self.run, which, &record, &self.grants())], ..Step::default() };
        self.run.recorder.cork(step, Durability::Relaxed)?;
        lock(&self.metadata).record_of_host(kept::metadata(&record));
        let first = self.saved.fetch_add(2, Ordering::Relaxed);
        kept::artifacts(&self.run, which, first, &record).await?;
        Ok(match record.outcome {
            Ok(answer) => Ok(serde_json::to_string(&answer).map_err(|error| EngineError::state(format!("an answer: {error}")))?),
            Err(error) => Err(failure(error)),
        })
    }

    pub(in crate::engine) async fn ask(self: &Arc<Self>, request: &Value) -> Result<Result<String, Failure>, Stop> {
        let Prepared { gateway, planned, place, which } = match self.begin(request).await? {
            Ok(prepared) => prepared,
            Err(failure) => return Ok(Err(failure)),
        };
        let _host = self.places.for_call(self.run.engine.model_calls()).await?;
        let under_way = UnderWay::new(&self.run, which, &planned, &place, &self.audit);
        let mut live = LiveCall::begin(&self.run, which, planned.name().as_str());
        let record = live::complete(&self.run, &gateway, planned, place, &mut live).await;
        drop(under_way.into_record());
        Ok(self.keep(which, MadeBy::Host, record).await?)
    }

    pub(in crate::engine) async fn open(
        self: &Arc<Self>,
        request: &Value,
    ) -> Result<Result<Box<dyn ModelStream>, Failure>, Stop> {
        let Prepared { gateway, planned, place, which } = match self.begin(request).await? {
            Ok(prepared) => prepared,
            Err(failure) => return Ok(Err(failure)),
        };
        let host = self.places.for_stream(self.run.engine.model_calls()).await?;
        let under_way = UnderWay::new(&self.run, which, &planned, &place, &self.audit);
        let mut live = LiveCall::begin(&self.run, which, planned.name().as_str());
        match gateway.stream(planned, place).await {
            Ok(stream) => {
                live.streams(&self.run, &stream);
                Ok(Ok(Box::new(LiveStream::new(self.clone(), which, (stream, under_way), live, host))))
            }
            Err(record) => {
                drop(under_way.into_record());
                let kept = self.keep(which, MadeBy::Host, *record).await?;
                let unknown = || {
                    failure(CallFailure::new(
                        CallFailure::PROVIDER,
                        kitaru_llm::gateway::FailureOrigin::Backend,
                        "there is no stream",
                    ))
                };
                Ok(Err(kept.err().unwrap_or_else(unknown)))
            }
        }
    }

    pub(in crate::engine) async fn check(&self, request: &Value) -> Result<(), Failure> {
        let prepared = self.look(request).await?;
        self.refused(&prepared).map_or(Ok(()), Err)?;
        let Prepared { gateway, planned, place, .. } = prepared;
        gateway.check(&planned, &place).await.map_err(failure)
    }

    pub(in crate::engine) async fn preview(&self, request: &Value) -> Result<String, Failure> {
        let prepared = self.look(request).await?;
        self.refused(&prepared).map_or(Ok(()), Err)?;
        let Prepared { gateway, planned, place, .. } = prepared;
        gateway.preview(&planned, &place).await.map(|preview| preview.to_string()).map_err(failure)
    }

    pub(in crate::engine) async fn begin_span(
        self: &Arc<Self>,
        request: &Value,
    ) -> Result<Result<Box<dyn ModelSpan>, Failure>, Stop> {
        let Prepared { gateway, planned, place, which } = match self.prepare(request).await {
            Ok(prepared) => prepared,
            Err(failure) => return Ok(Err(failure)),
        };
        self.lines.recorded().await;
        let span = gateway.begin_span(planned, place).await;
        Ok(Ok(Box::new(LiveSpan::new(self.clone(), which, span))))
    }
}
