//! New executions.

use serde_json::Value;
use tokio::sync::watch;

use super::lease::LeaseGuard;
use super::{Engine, EngineError, FrozenSpec};
use crate::ids::{ComponentDigest, ExecutionId};
use crate::journal::CanonicalJson;
use crate::sandbox::{FlowInfo, Manifest, Program};
use crate::store::{Appending, ExecutionRow, NewExecution, Status, StoreError, put_bytes};

/// What to run.
#[derive(Debug)]
pub struct Submission {
    /// The component.
    pub component: Submitted,
    /// The flow; may be left out where the component has one.
    pub flow: Option<String>,
    /// Its named arguments.
    pub input: Value,
    /// What the execution keeps for life.
    pub spec: FrozenSpec,
    /// Labels to find it by.
    pub tags: Vec<String>,
}

/// A component to run.
#[derive(Debug)]
pub enum Submitted {
    /// Its bytes, which the store keeps from now on.
    Bytes(Vec<u8>),
    /// One that the store has: then it need not be read and hashed again.
    Stored(ComponentDigest),
}

/// An execution that exists as soon as anything of it can be seen, and that nobody else can drive.
pub struct Begun {
    pub(super) guard: LeaseGuard,
    pub(super) created: Created,
}

/// What is known of an execution that is being created, without asking the store.
pub(super) struct Created {
    pub(super) row: ExecutionRow,
    /// None if that is known to have happened.
    pub(super) creating: Option<Appending>,
    pub(super) wakeups: watch::Receiver<u64>,
}

impl Begun {
    /// Returns when the execution exists, durably: then others may be told of it.
    ///
    /// # Errors
    /// When it could not be created.
    pub async fn created(&mut self) -> Result<(), EngineError> {
        match self.created.creating.take() {
            Some(creating) => Ok(creating.await?),
            None => Ok(()),
        }
    }

    /// The execution. It may be told to others when its drive has told of it, or returned.
    pub fn id(&self) -> ExecutionId {
        self.created.row.new.id
    }
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Begun").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Engine {
    /// Creates an execution. It runs when somebody drives it.
    ///
    /// # Errors
    /// When the component cannot run here, has no such flow, or the input does not fit the flow's schema: then nothing was created.
    pub async fn submit(&self, submission: Submission) -> Result<ExecutionId, EngineError> {
        let execution = self.new_execution(submission).await?;
        let id = execution.id;
        self.store.create(execution).await?;
        Ok(id)
    }

    /// Creates an execution that is driven here and now: its creation goes to the disk with its first steps that the world can see. As with
    /// [`Engine::submit`], one that is not driven to its end for whatever reason is there to be driven on.
    ///
    /// # Errors
    /// As [`Engine::submit`]; what the disk refuses, [`Begun::drive`] tells.
    pub async fn begin(&self, submission: Submission) -> Result<Begun, EngineError> {
        let execution = self.new_execution(submission).await?;
        // Nobody can ask for its end before this.
        let wakeups = self.store.watch(execution.id).await?;
        let (guard, creating) = LeaseGuard::begin(self, execution.clone()).await?;
        Ok(Begun { guard, created: Created { row: new_row(execution), creating: Some(creating), wakeups } })
    }

    pub(super) async fn new_execution(&self, submission: Submission) -> Result<NewExecution, EngineError> {
        let program = match &submission.component {
            Submitted::Bytes(bytes) => self.program(bytes).await?,
            Submitted::Stored(digest) => self.stored_program(*digest).await?,
        };
        let flow = pick_flow(program.manifest(), submission.flow.as_deref())?;
        self.check_input(&program, flow, &submission.input)?;
        self.check_grants(&submission.spec.grants)?;
        let spec = FrozenSpec { flow_defaults: flow.options, ..submission.spec };
        let component = match submission.component {
            Submitted::Bytes(bytes) => self.keep_component(&bytes).await?,
            Submitted::Stored(digest) if self.store.keep_component(digest).await? => digest,
            Submitted::Stored(digest) => {
                return Err(StoreError::NotFound { what: "component", id: digest.to_string() }.into());
            }
        };
        let id = self.ids.execution();
        let now = self.clock.now();
        let input = put_bytes(self.store.as_ref(), CanonicalJson::of(&submission.input).into_string().into_bytes()).await?;
        Ok(NewExecution {
            id,
            flow: flow.name.clone(),
            component,
            input,
            seed: self.ids.seed(),
            created_at: now,
            flow_epoch: now,
            original: None,
            parent: None,
            root: None,
            depth: 0,
            tags: check_tags(submission.tags)?,
            replay_plan: None,
            frozen_spec: spec.to_text(id)?,
        })
    }
}

impl Engine {
    /// JSON Schema of the input of an execution's flow; null if its component has no such flow.
    ///
    /// # Errors
    /// When the execution does not exist.
    pub async fn flow_schema(&self, id: ExecutionId) -> Result<Value, EngineError> {
        let row = self.store.execution(id).await?;
        let program = self.stored_program(row.new.component).await?;
        Ok(program.manifest().flow(&row.new.flow).map_or(Value::Null, |flow| flow.input.clone()))
    }
}

/// As the store has it when it is created, but for its place in the order of creation, which no drive asks for.
fn new_row(new: NewExecution) -> ExecutionRow {
    let (wake_at, status_reason, ended_at, result, failure, runner) = Default::default();
    ExecutionRow {
        new,
        position: 0,
        status: Status::Running,
        wake_at,
        status_reason,
        ended_at,
        result,
        failure,
        metadata: "{}".into(),
        cancel_requested: false,
        epoch: 1,
        runner,
        abandoned: false,
    }
}

/// Labels, each once.
pub(super) fn check_tags(mut tags: Vec<String>) -> Result<Vec<String>, EngineError> {
    let bad = |tag: &String| tag.trim().is_empty() || tag.len() > 100 || tag.chars().any(char::is_control);
    if tags.len() > 64 || tags.iter().any(bad) {
        return Err(EngineError::Tags);
    }
    tags.sort();
    tags.dedup();
    Ok(tags)
}

/// The flow that is meant.
pub(super) fn pick_flow<'m>(manifest: &'m Manifest, name: Option<&str>) -> Result<&'m FlowInfo, EngineError> {
    let names = || manifest.flows.iter().map(|flow| format!("`{}`", flow.name)).collect::<Vec<_>>().join(", ");
    match (name, manifest.flows.as_slice()) {
        (Some(name), flows) => manifest.flow(name).ok_or_else(|| EngineError::UnknownFlow {
            name: name.to_owned(),
            available: if flows.is_empty() { "none".into() } else { names() },
        }),
        (None, [only]) => Ok(only),
        (None, []) => Err(EngineError::UnknownFlow { name: "(any)".into(), available: "none".into() }),
        (None, _) => Err(EngineError::WhichFlow(names())),
    }
}

impl Engine {
    /// Checks the input of a flow of `program`.
    pub(super) fn check_input(&self, program: &Program, flow: &FlowInfo, input: &Value) -> Result<(), EngineError> {
        let checked = self.input_schemas.check(program.digest(), flow, input);
        checked.map_err(|problem| EngineError::Input { flow: flow.name.clone(), problem })
    }
}
