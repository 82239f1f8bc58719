//! One instance: its store, its output, and how it ended, told by structure.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use wasmtime::component::ResourceTable;
use wasmtime::{Engine, Store, Trap};
use wasmtime_wasi::I32Exit;

use super::bindings::FlowPre;
use super::bindings::kitaru::flow::types;
use super::cpu::CpuTime;
use super::error::ComponentError;
use super::fault::{self, Fault};
use super::limiter::InstanceLimiter;
use super::limits::{LimitReached, Limits};
use super::port::{FlowClock, LogSink, Stop};
use super::prepared::Prepared;
use super::reached::reached;
use super::runtime::Sandbox;
use super::state::{Capabilities, Fresh, HostState, Port};
use super::stdio::{LogBudget, LogStream};
use super::{deadline, determinism};
use crate::clock::Timestamp;
use crate::journal::{Failure, LogLevel, Origin};

/// Files, sockets, streams and the like that one instance may hold at a time: each costs the host a file descriptor, or memory.
const HANDLES: usize = 512;
/// Handles on durable calls that a flow may hold at a time.
const PENDING: usize = 100_000;

/// How long a component may take to describe itself.
pub(super) const DESCRIBE: Duration = Duration::from_secs(10);

/// Where what a component says goes that describes itself.
pub(super) struct Silent;

impl LogSink for Silent {
    fn line(&self, _: LogLevel, _: &'static str, _: String) {}
    fn progress(&self, _: String, _: Option<f64>) {}
}

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

/// An instance's output streams.
pub(super) struct Streams {
    pub(super) stdout: LogStream,
    pub(super) stderr: LogStream,
    budget: LogBudget,
}

impl Streams {
    pub(super) fn new(log: &Arc<dyn LogSink>, limits: &Limits) -> Self {
        let budget = LogBudget::new(limits.log_bytes());
        let stream = |module, level| LogStream::new(module, level, log.clone(), budget.clone());
        Self { stdout: stream("stdout", LogLevel::Info), stderr: stream("stderr", LogLevel::Warn), budget }
    }
}

/// Asks a component for its manifest.
pub(super) async fn describe(sandbox: &Sandbox, prepared: &Prepared<FlowPre<HostState>>) -> Result<String, ComponentError> {
    let (log, limits): (Arc<dyn LogSink>, _) = (Arc::new(Silent), Limits::default());
    let streams = Streams::new(&log, &limits);
    let clock = FlowClock::new(Timestamp::from_micros(0));
    let wasi = determinism::flow_wasi(&clock, streams.stdout.clone(), streams.stderr.clone());
    let fresh = Fresh {
        port: Port::Describe,
        wasi,
        entropy: Some(determinism::Entropy::new([0; 32])),
        limits,
        log,
        capabilities: Capabilities::none(&limits),
        seat: sandbox.ceiling().exempt(),
        deadline: Instant::now() + DESCRIBE,
    };
    let state = state(sandbox, &streams, fresh);
    let result = async {
        let (mut store, instance) = prepared.instantiate(sandbox, state).await;
        instance?.kitaru_flow_program().call_describe(&mut store).await
    };
    match classify("`describe`", result.await.map(Ok), &streams, &limits) {
        Ran::Returned(manifest) => Ok(manifest),
        Ran::ReturnedFailure(failure) | Ran::Ended(failure) => Err(ComponentError::Describe(failure.message)),
        Ran::Stopped(stop) => Err(ComponentError::Describe(stop.to_string())),
    }
}

/// What belongs to a fresh instance.
pub(super) fn state(sandbox: &Sandbox, streams: &Streams, fresh: Fresh) -> HostState {
    let Fresh { port, wasi, entropy, limits, log, capabilities, seat, deadline } = fresh;
    let Capabilities { network, files, http, secrets, audit } = capabilities;
    let mut table = ResourceTable::new();
    table.set_max_capacity(HANDLES);
    let mut pending = ResourceTable::new();
    pending.set_max_capacity(PENDING);
    let cpu = match port {
        Port::Flow(_) | Port::Checkpoint(_) => CpuTime::in_turn(sandbox.ticker.turns()),
        // Others wait for them, and their time is short.
        Port::Middleware(_) | Port::Describe => CpuTime::default(),
    };
    HostState {
        port,
        wasi,
        entropy,
        pending,
        model_calls: 0,
        table,
        limits,
        limiter: InstanceLimiter::new(&limits, seat),
        log,
        budget: streams.budget.clone(),
        network,
        files,
        http,
        secrets,
        audit,
        lookups: 0,
        deadline,
        cpu: Arc::new(cpu),
        cpu_at_tick: Duration::ZERO,
        ticks_computed: 0,
        cpu_before: Duration::ZERO,
        is_new_stretch: false,
        _ticking: sandbox.ticker.instance(),
    }
}

/// The store of a fresh instance.
pub(super) fn store(engine: &Engine, state: HostState) -> Store<HostState> {
    let argument_bytes = state.limits.argument_bytes();
    let mut store = Store::new(engine, state);
    store.set_hostcall_fuel(argument_bytes);
    store.limiter_async(|state| &mut state.limiter);
    deadline::watch(&mut store);
    store
}

pub(super) type Called = wasmtime::Result<Result<String, types::Failure>>;

/// Tells what happened from the structure of the error, never from its text.
pub(super) fn classify(who: &str, result: Called, streams: &Streams, limits: &Limits) -> Ran {
    let ended = match result {
        Err(error) => match error.downcast::<Stop>() {
            // It goes on some other time: a line that it began is not a line yet (E11).
            Ok(Stop::Limit(text)) => Err(LimitReached(text).into()),
            Ok(stop) => return Ran::Stopped(stop),
            Err(error) => Err(error),
        },
        ended => ended,
    };
    streams.stdout.finish();
    streams.stderr.finish();
    let error = match ended {
        Ok(Ok(value)) => return returned(who, value, limits),
        Ok(Err(failure)) => return Ran::ReturnedFailure(within_bounds(failure.into(), limits)),
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
        Some(Trap::StackOverflow) => {
            reached("stack_kib");
            let message = format!("{who} was ended: it recursed too deeply for the host's stacks (`[host] stack_kib`)");
            Ran::Ended(Failure::runtime("limit", message))
        }
        Some(trap) => {
            let tail = streams.stderr.tail();
            let message =
                panic_message(&tail).map_or_else(|| format!("{who} trapped: {trap}"), |panic| format!("{who} panicked {panic}"));
            let details = json!({ "trap": trap.to_string(), "stderr": tail.trim(), "backtrace": format!("{error:?}") });
            Ran::Ended(Failure { origin: Origin::UserCode, ..Failure::user("trap", message).retryable() }.with_details(&details))
        }
        None => Ran::Ended(ended_by(who, &error, limits)),
    }
}

/// An end that is no trap of WebAssembly's.
fn ended_by(who: &str, error: &wasmtime::Error, limits: &Limits) -> Failure {
    match fault::of(error) {
        Fault::Limit(refused) => Failure::runtime("limit", format!("{who} was ended: {}", refused.reached(limits))),
        Fault::Host => Failure::runtime("internal", format!("{who} could not be run: {error:#}")),
        // The same on every run, as far as the host can tell; yet it may come of what a body found in the world, so that another attempt is not
        // ruled out.
        Fault::Guest => {
            let details = json!({ "backtrace": format!("{error:?}") });
            let failure = Failure::user("trap", format!("{who} trapped: {}", fault::cause(error))).retryable();
            Failure { origin: Origin::UserCode, ..failure }.with_details(&details)
        }
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

/// A failure is journaled, listed and shown like a value, so it has bounds too.
fn within_bounds(mut failure: Failure, limits: &Limits) -> Failure {
    const KIND: usize = 100;
    const MESSAGE: usize = 64 * 1024;
    fn cut(text: &mut String, longest: usize) {
        if text.len() > longest {
            text.truncate(text.floor_char_boundary(longest));
            text.push('…');
        }
    }
    cut(&mut failure.kind, KIND);
    cut(&mut failure.message, MESSAGE);
    let details = failure.details.as_ref().map_or(0, String::len);
    if let Err(over) = limits.check_value("the failure's details", details) {
        failure.details = Some(json!({ "left_out": over.message }).to_string());
    }
    failure
}

/// The message of a Rust panic in what was written to standard error: `at src/lib.rs:1:2: the message`. For people only.
fn panic_message(stderr: &str) -> Option<String> {
    let (_, after) = stderr.rsplit_once(" panicked at ")?;
    let (place, message) = after.split_once('\n')?;
    let message = message.split("\nnote: ").next().unwrap_or(message).trim();
    Some(format!("at {} {message}", place.trim()))
}
