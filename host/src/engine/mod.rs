//! When things happen: submits executions, drives one at a time from its journal to its next stop, settles questions, plans replays, seals and
//! opens secrets, publishes flows.
//!
//! Uses the sandbox to run guests, the journal to decide, the store to remember, the cipher for secrets, the gateway of `kitaru-llm` for models; names no backend and no wasmtime type.
//! Keeps E1–E4 and E8–E13: a durable call is served or runs, what the world can see waits until everything before it is on the disk, and whoever
//! drives an execution holds its lease.

mod accounts;
mod ahead;
mod archive;
mod artifacts;
mod attempt;
mod attempted;
mod backoff;
mod body_secrets;
mod cache;
mod call;
mod calls;
mod cancel;
mod checkpoint_port;
mod child;
mod corks;
mod decide;
mod deployments;
mod drive;
mod dry_run;
mod effects;
mod ending;
mod error;
mod events;
mod failures;
mod first;
mod flow_port;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod governed;
mod identity;
mod journals;
mod lease;
mod log_lines;
mod measures;
mod memory;
mod metadata;
mod models;
mod options;
mod patience;
mod question;
mod recorder;
mod refusal;
mod replay;
mod retry;
mod room;
mod rounds;
mod run;
mod runners;
mod scheduler;
mod schema;
mod scopes;
mod seats;
mod secrets;
mod served;
mod shown;
mod signatures;
mod spec;
mod spending;
mod starts;
mod submit;
mod submitted;
mod timers;
mod transfer;
mod verify;
mod waiting;
mod wanted;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub use archive::TransferError;
pub use artifacts::{ArtifactEntry, SaveType, artifacts_of, artifacts_of_calls, list_artifacts};
pub use deployments::{DeployOrder, DeploymentSpec};
pub use drive::Driven;
pub use error::EngineError;
pub use events::{Event, Monitor, Observer, ServedFrom};
pub use journals::{JournalRead, is_beginning, read_journal};
pub use measures::{Bodies, Measures};
pub use models::{LiveChunk, LiveText, LoadMiddleware, LoadedMiddleware, ModelsNow, Overheard, Said};
pub use options::{DriveOptions, SleepPolicy, WaitPolicy};
pub use replay::ReplayOrder;
pub use room::Occupancy;
pub use schema::{SchemaProblem, check as check_schema};
pub use secrets::{SecretChange, SecretSet};
pub use signatures::StoredSignature;
pub use spec::{DeployedAs, FrozenSpec, Starter};
pub use spending::Spending;
pub use submit::{Begun, Submission, Submitted};
pub use transfer::Imported;
pub use verify::{Verdict, Verification};

use tokio::sync::{Notify, Semaphore, watch};

use crate::clock::Clock;
use crate::ids::{ComponentDigest, ExecutionId, Ids};
use crate::mutex::lock;
use crate::sandbox::{Manifest, Program, Sandbox};
use crate::secrets::Keys;
use crate::signing::Trust;
use crate::store::Store;

/// How much a host does at a time.
#[derive(Clone, Copy, Debug)]
pub struct EngineSettings {
    /// Checkpoint bodies of all executions that run at a time.
    pub parallel: usize,
    /// Model calls of all executions that are made at a time. The others wait for their turn, in the order in which they came.
    pub model_calls: usize,
    /// Flows in memory at a time, in a process that looks after executions: those that run, and those that only wait, which go on at once and
    /// leave when others need their room. None: as many as get their memory from the pool, beside the bodies.
    pub flows: Option<usize>,
    /// How large such a process may be before flows that only wait leave, in MiB. None: half of what the machine, or the process's control group,
    /// has, where that can be told.
    pub memory_mib: Option<u64>,
    /// How much memory all instances of the process may have together, in MiB. None: half of what the machine, or the process's control group,
    /// has, where that can be told.
    pub instances_mib: Option<u64>,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self { parallel: 64, model_calls: 64, flows: None, memory_mib: None, instances_mib: None }
    }
}

impl EngineSettings {
    fn flows(&self) -> usize {
        let beside = Sandbox::POOLED.saturating_sub(self.parallel);
        self.flows.unwrap_or(beside.max(Sandbox::POOLED / 4))
    }
}

/// Child flows that nobody waits for, driven at a time. The others wait for their turn in the store.
const FREE_CHILDREN: usize = 64;

/// The engine of one process over one store. Clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    sandbox: Arc<Sandbox>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    programs: Arc<Mutex<HashMap<ComponentDigest, Arc<Program>>>>,
    input_schemas: Arc<schema::InputSchemas>,
    /// Places for bodies of all executions.
    bodies: Arc<Semaphore>,
    /// Those that wait for one, or for one of their execution's.
    waiting_bodies: Arc<AtomicUsize>,
    /// How many places for bodies there are.
    parallel: usize,
    /// Places for model calls of all executions.
    model_calls: Arc<Semaphore>,
    /// Places for drives of child flows that nobody waits for.
    free_children: Arc<Semaphore>,
    stopping: watch::Sender<bool>,
    /// Steps that wait for others to go with.
    corks: corks::Corks,
    /// Room for flows in memory.
    room: room::Room,
    memory_mib: Option<u64>,
    /// Where the key of secrets is looked for.
    keys: Arc<Keys>,
    /// What calls models.
    models: Option<Arc<models::Models>>,
    /// What models say, while they say it.
    live: models::Live,
    /// Whose components it runs.
    signatures: Arc<signatures::Signatures>,
    /// A lease could not be given back: nobody drives its execution, and the store says that this process does.
    left_held: Arc<Notify>,
    /// Who is told which executions are driven.
    monitor: Option<Arc<dyn Monitor>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("sandbox", &self.sandbox).finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine over `store`.
    pub fn new(
        store: Arc<dyn Store>,
        sandbox: Arc<Sandbox>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        settings: EngineSettings,
    ) -> Self {
        let parallel = settings.parallel.clamp(1, Semaphore::MAX_PERMITS);
        let bodies = Arc::new(Semaphore::new(parallel));
        let model_calls = Arc::new(Semaphore::new(settings.model_calls.clamp(1, Semaphore::MAX_PERMITS)));
        let free_children = Arc::new(Semaphore::new(FREE_CHILDREN));
        let (room, memory_mib) = (room::Room::new(settings.flows()), settings.memory_mib);
        sandbox.ceiling().limit(memory::ceiling(settings.instances_mib), Arc::new(room.clone()));
        let stopping = watch::Sender::new(false);
        let (programs, input_schemas, corks, keys, models, live, signatures) = Default::default();
        Self {
            store,
            sandbox,
            clock,
            ids,
            programs,
            input_schemas,
            bodies,
            waiting_bodies: Arc::default(),
            parallel,
            model_calls,
            free_children,
            stopping,
            corks,
            room,
            memory_mib,
            keys,
            models,
            live,
            signatures,
            left_held: Arc::default(),
            monitor: None,
        }
    }

    /// The same engine, which tells `monitor` what it drives.
    #[must_use]
    pub fn with_monitor(mut self, monitor: Arc<dyn Monitor>) -> Self {
        // Without the monitor: it lives in what is measured.
        let engine = Self { monitor: None, ..self.clone() };
        monitor.measured_by(Box::new(move || engine.measures()));
        self.monitor = Some(monitor);
        self
    }

    /// The same engine, which runs the components that `trust` lets run.
    #[must_use]
    pub fn with_trust(mut self, trust: Trust) -> Self {
        self.signatures = Arc::new(signatures::Signatures::new(trust));
        self
    }

    fn tell_begun(&self, execution: ExecutionId, records: u64) {
        if let Some(monitor) = &self.monitor {
            monitor.begun(execution, records);
        }
    }

    fn tell_stopped(&self, execution: ExecutionId) {
        if let Some(monitor) = &self.monitor {
            monitor.stopped(execution);
        }
    }

    /// Begins a graceful stop: no body starts any more, those that run come to their end, and then every drive leaves its execution to the
    /// store, to be resumed.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Returns when a graceful stop begins.
    async fn stopped(&self) {
        let mut stopping = self.stopping.subscribe();
        if stopping.wait_for(|stopping| *stopping).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn bodies(&self) -> Arc<Semaphore> {
        self.bodies.clone()
    }

    /// A body that waits for a place, for as long as this is held.
    fn waiting_body(&self) -> impl Drop + use<> {
        self.waiting_bodies.fetch_add(1, Ordering::Relaxed);
        measures::Waiting(self.waiting_bodies.clone())
    }

    fn model_calls(&self) -> Arc<Semaphore> {
        self.model_calls.clone()
    }

    fn free_children(&self) -> Arc<Semaphore> {
        self.free_children.clone()
    }

    /// Returns when no child flow is driven that nobody waits for.
    async fn free_children_end(&self) {
        let all = u32::try_from(FREE_CHILDREN).unwrap_or(u32::MAX);
        let _ = self.free_children.acquire_many(all).await;
    }

    /// How many flows are in memory in this process, and how many of them only wait.
    pub fn occupancy(&self) -> Occupancy {
        self.room.occupancy()
    }

    fn fraction(&self) -> f64 {
        self.ids.fraction()
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Compiles and checks a component, or returns it as compiled before.
    ///
    /// # Errors
    /// When the bytes are not a flow component that this host can run, or nobody whom it trusts has signed them.
    pub async fn program(&self, bytes: &[u8]) -> Result<Arc<Program>, EngineError> {
        self.admit(bytes).await?;
        self.look_at(bytes).await
    }

    /// The same whoever has signed it, for those who only look: nothing of it runs but what describes it.
    ///
    /// # Errors
    /// When the bytes are not a flow component that this host can run.
    pub async fn look_at(&self, bytes: &[u8]) -> Result<Arc<Program>, EngineError> {
        let digest = ComponentDigest::of(bytes);
        let known = lock(&self.programs).get(&digest).cloned();
        if let Some(program) = known {
            return Ok(program);
        }
        let program = Arc::new(Program::load(&self.sandbox, bytes).await?);
        lock(&self.programs).insert(digest, program.clone());
        Ok(program)
    }

    /// The program of a component in the store.
    async fn stored_program(&self, digest: ComponentDigest) -> Result<Arc<Program>, EngineError> {
        let known = lock(&self.programs).get(&digest).cloned();
        match known {
            Some(program) if self.is_admitted(digest) => Ok(program),
            _ => self.program(&self.store.get_component(digest).await?).await,
        }
    }

    /// What a component says of itself, if this host has run it: nothing is compiled or run for that.
    pub fn known_manifest(&self, digest: ComponentDigest) -> Option<Manifest> {
        let known = lock(&self.programs).get(&digest).map(|program| program.manifest().clone());
        known.or_else(|| self.sandbox.known_manifest(digest))
    }

    /// Wakes those who watch an execution. What happened to it has happened, whether or not they learn of it at once.
    async fn tell_of(&self, id: ExecutionId) {
        if let Err(error) = self.store.wake(id).await {
            tracing::warn!(execution = %id, error = &error as &dyn std::error::Error, "other processes were not woken");
        }
    }

    /// The present state of an execution.
    ///
    /// # Errors
    /// When it does not exist.
    pub async fn execution(&self, id: ExecutionId) -> Result<crate::store::ExecutionRow, EngineError> {
        Ok(self.store.execution(id).await?)
    }
}
