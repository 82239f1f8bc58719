//! Runs one instance to its end and says, by structure, how it ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use wasmtime::component::ResourceTable;
use wasmtime::{Store, Trap};
use wasmtime_wasi::{I32Exit, WasiCtx};

use super::bindings::kitaru::flow::types;
use super::bindings::{Flow, FlowPre};
use super::error::ComponentError;
use super::grants::Grants;
use super::limits::{InstanceLimiter, LimitReached, Limits};
use super::network::NetPolicy;
use super::port::{CheckpointPort, Denials, FlowClock, FlowPort, LogSink, Stop};
use super::program::Program;
use super::runtime::Sandbox;
use super::state::{HostState, Port};
use super::stdio::{LogBudget, LogStream};
use super::{deadline, determinism, wasi};
use crate::clock::Timestamp;
use crate::journal::{Failure, LogLevel, Origin};

/// How a guest's run ended.
#[derive(Debug)]
pub enum Ran {
    /// With a JSON value.
    Returned(String),
    /// The guest's function returned a failure: part of what the code does, the same on every run.
    ReturnedFailure(Failure),
    /// The instance was ended: a trap, a limit.
    Ended(Failure),
    /// The engine stopped it.
    Stopped(Stop),
}

/// What a flow run needs.
pub struct FlowRun {
    /// Flow name.
    pub name: String,
    /// Input: a JSON object as text.
    pub input: String,
    /// Seed of its random stream.
    pub seed: [u8; 32],
    /// Its time.
    pub clock: FlowClock,
    /// Where its durable calls go.
    pub port: Box<dyn FlowPort>,
    /// Where its log lines go.
    pub log: Arc<dyn LogSink>,
    /// What it may use.
    pub limits: Limits,
}

/// What a checkpoint attempt needs.
pub struct CheckpointRun<'a> {
    /// Checkpoint name.
    pub name: &'a String,
    /// Input: a JSON object as text.
    pub input: &'a String,
    /// What it was granted.
    pub grants: &'a Grants,
    /// Where its calls go.
    pub port: Box<dyn CheckpointPort>,
    /// Where its log lines go.
    pub log: Arc<dyn LogSink>,
    /// What it may use.
    pub limits: Limits,
}

/// An instance's output streams.
struct Streams {
    stdout: LogStream,
    stderr: LogStream,
    budget: LogBudget,
}

impl Streams {
    fn new(log: &Arc<dyn LogSink>, limits: &Limits) -> Self {
        let budget = LogBudget::new(limits.log_bytes());
        let stream = |module, level| LogStream::new(module, level, log.clone(), budget.clone());
        Self { stdout: stream("stdout", LogLevel::Info), stderr: stream("stderr", LogLevel::Warn), budget }
    }
}

impl Program {
    /// Runs a flow body in a fresh, deterministic instance.
    pub async fn run_flow(&self, run: FlowRun) -> Ran {
        let streams = Streams::new(&run.log, &run.limits);
        let wasi = determinism::flow_wasi(&run.clock, run.seed, streams.stdout.clone(), streams.stderr.clone());
        let deadline = Instant::now() + Duration::from_secs(run.limits.flow_seconds);
        let mut store = store(&self.sandbox, Port::Flow(run.port), wasi, &streams, run.limits, run.log, deadline);
        let result = async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            instance.kitaru_flow_program().call_run_flow(&mut store, &run.name, &run.input).await
        };
        classify("the flow", result.await, &streams, &run.limits)
    }

    /// Runs one checkpoint attempt in a fresh instance that has what it was granted. What it tried beyond that is named in its failure.
    pub async fn run_checkpoint(&self, run: CheckpointRun<'_>) -> Ran {
        let streams = Streams::new(&run.log, &run.limits);
        let denials = Denials::default();
        let network = Arc::new(NetPolicy::new(&run.grants.net, &denials));
        let wasi = match wasi::checkpoint_wasi(run.grants, streams.stdout.clone(), streams.stderr.clone(), &network) {
            Ok(wasi) => wasi,
            Err(failure) => return Ran::Ended(failure),
        };
        let time = Duration::from_secs(run.limits.checkpoint_seconds);
        let mut store =
            store(&self.sandbox, Port::Checkpoint(run.port), wasi, &streams, run.limits, run.log, Instant::now() + time);
        store.data_mut().network = network;
        let result = tokio::time::timeout(time, async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            instance.kitaru_flow_program().call_run_checkpoint(&mut store, run.name, run.input).await
        });
        let result =
            result.await.unwrap_or_else(|_| Err(LimitReached(deadline::over_time(run.limits.checkpoint_seconds)).into()));
        match classify("the checkpoint", result, &streams, &run.limits) {
            Ran::ReturnedFailure(failure) => Ran::ReturnedFailure(with_denials(failure, &denials)),
            Ran::Ended(failure) => Ran::Ended(with_denials(failure, &denials)),
            other => other,
        }
    }
}

/// Asks a component for its manifest.
pub(super) async fn describe(sandbox: &Sandbox, pre: &FlowPre<HostState>) -> Result<String, ComponentError> {
    struct Silent;
    impl LogSink for Silent {
        fn line(&self, _: LogLevel, _: &'static str, _: String) {}
        fn progress(&self, _: String, _: Option<f64>) {}
    }
    let (log, limits): (Arc<dyn LogSink>, _) = (Arc::new(Silent), Limits::default());
    let streams = Streams::new(&log, &limits);
    let clock = FlowClock::new(Timestamp::from_micros(0));
    let wasi = determinism::flow_wasi(&clock, [0; 32], streams.stdout.clone(), streams.stderr.clone());
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut store = store(sandbox, Port::Describe, wasi, &streams, limits, log, deadline);
    let result = async {
        let instance: Flow = pre.instantiate_async(&mut store).await?;
        instance.kitaru_flow_program().call_describe(&mut store).await
    };
    match classify("`describe`", result.await.map(Ok), &streams, &limits) {
        Ran::Returned(manifest) => Ok(manifest),
        Ran::ReturnedFailure(failure) | Ran::Ended(failure) => Err(ComponentError::Describe(failure.message)),
        Ran::Stopped(stop) => Err(ComponentError::Describe(stop.to_string())),
    }
}

fn store(
    sandbox: &Sandbox,
    port: Port,
    wasi: WasiCtx,
    streams: &Streams,
    limits: Limits,
    log: Arc<dyn LogSink>,
    deadline: Instant,
) -> Store<HostState> {
    let state = HostState {
        port,
        wasi,
        table: ResourceTable::new(),
        limits,
        limiter: InstanceLimiter::new(&limits),
        log,
        budget: streams.budget.clone(),
        network: Arc::default(),
        lookups: HashMap::new(),
        deadline,
    };
    let mut store = Store::new(&sandbox.engine, state);
    store.limiter(|state| &mut state.limiter);
    deadline::watch(&mut store);
    store
}

type Called = wasmtime::Result<Result<String, types::Failure>>;

/// Tells what happened from the structure of the error, never from its text.
fn classify(who: &str, result: Called, streams: &Streams, limits: &Limits) -> Ran {
    streams.stdout.finish();
    streams.stderr.finish();
    let error = match result {
        Ok(Ok(value)) => return returned(who, value, limits),
        Ok(Err(failure)) => return Ran::ReturnedFailure(failure.into()),
        Err(error) => error,
    };
    let error = match error.downcast::<Stop>() {
        Ok(stop) => return Ran::Stopped(stop),
        Err(error) => error,
    };
    if let Some(limit) = error.downcast_ref::<LimitReached>() {
        return Ran::Ended(Failure::runtime("limit", format!("{who} was ended: {limit}")));
    }
    if let Some(I32Exit(code)) = error.downcast_ref::<I32Exit>() {
        // WASI passes on no more than whether the code was 0.
        let how = if *code == 0 { "as if it were done" } else { "as failed" };
        return Ran::Ended(Failure::user("exit", format!("{who} ended its process {how}, instead of returning")));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => Ran::Ended(Failure::runtime("limit", format!("{who} was ended: it recursed too deeply"))),
        Some(trap) => {
            let tail = streams.stderr.tail();
            let message =
                panic_message(&tail).map_or_else(|| format!("{who} trapped: {trap}"), |panic| format!("{who} panicked {panic}"));
            let details = json!({ "trap": trap.to_string(), "stderr": tail.trim(), "backtrace": format!("{error:?}") });
            Ran::Ended(Failure { origin: Origin::UserCode, ..Failure::user("trap", message).retryable() }.with_details(&details))
        }
        None => Ran::Ended(Failure::runtime("internal", format!("{who} could not be run: {error:#}"))),
    }
}

fn returned(who: &str, value: String, limits: &Limits) -> Ran {
    if let Err(failure) = limits.check_value(&format!("the result of {who}"), value.len()) {
        return Ran::Ended(failure);
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(&value) {
        Ok(_) => Ran::Returned(value),
        Err(error) => Ran::Ended(Failure::runtime("serialization", format!("the result of {who} is not JSON: {error}"))),
    }
}

/// The message of a Rust panic in what was written to standard error: `at src/lib.rs:1:2: the message`. For people only.
fn panic_message(stderr: &str) -> Option<String> {
    let (_, after) = stderr.rsplit_once(" panicked at ")?;
    let (place, message) = after.split_once('\n')?;
    let message = message.split("\nnote: ").next().unwrap_or(message).trim();
    Some(format!("at {} {message}", place.trim()))
}

/// A failure after a denial: what was denied and the flag that grants it, in place of whatever the guest made of it.
fn with_denials(failure: Failure, denials: &Denials) -> Failure {
    let denied = denials.list();
    if denied.is_empty() {
        return failure;
    }
    let details = json!({ "denied": denied, "guest_message": failure.message, "guest_kind": failure.kind });
    Failure::runtime("capability", format!("denied: {}", denied.join("; "))).with_details(&details)
}
