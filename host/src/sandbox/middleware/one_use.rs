//! One use of a component: a fresh instance, its limits, and how it ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kitaru_llm::pipeline::CallInfo;
use wasmtime::Store;
use wasmtime::component::{InstancePre, Linker};

use super::answers::NextCalls;
use super::bindings::exports::kitaru::llm_middleware::hooks::Guest;
use super::bindings::{Middleware, MiddlewarePre};
use super::error::MiddlewareProblem;
use crate::clock::Timestamp;
use crate::journal::Failure;
use crate::sandbox::determinism::{self, Entropy};
use crate::sandbox::instance::{Ran, Streams, classify, state};
use crate::sandbox::limits::Limits;
use crate::sandbox::port::{FlowClock, LogSink};
use crate::sandbox::prepared::{Prepared, World};
use crate::sandbox::runtime::{Allocator, Sandbox};
use crate::sandbox::state::{Capabilities, Fresh, HostState, Port};

/// What the imports of one use reach.
#[derive(Default)]
pub(in crate::sandbox) struct MiddlewarePort {
    /// The call; none for an event, and for `describe`.
    pub(super) call: Option<Arc<CallInfo>>,
    /// What comes next, for an execution intercept.
    pub(super) next: Option<NextCalls>,
}

/// What one use may have, and where it says what.
pub(super) struct Allowance {
    pub(super) limits: Limits,
    /// How long it may compute. The pipeline's own limit on its time, where that counts, is shorter.
    pub(super) time: Duration,
    pub(super) log: Arc<dyn LogSink>,
}

/// A use that has begun.
pub(super) struct OneUse {
    instance: Middleware,
    pub(super) store: Store<HostState>,
    streams: Streams,
    limits: Limits,
}

impl OneUse {
    /// A fresh instance. It sees what a flow sees, and no execution: the clock stands at 1970, and random numbers are the same each time, so
    /// that what it answers follows from what it is asked.
    pub(super) async fn begin(
        sandbox: &Sandbox,
        prepared: &Prepared<MiddlewarePre<HostState>>,
        port: MiddlewarePort,
        allowance: Allowance,
    ) -> Result<Self, MiddlewareProblem> {
        let Allowance { limits, time, log } = allowance;
        let streams = Streams::new(&log, &limits);
        let clock = FlowClock::new(Timestamp::from_micros(0));
        let wasi = determinism::flow_wasi(&clock, streams.stdout.clone(), streams.stderr.clone());
        let port = Port::Middleware(Box::new(port));
        let fresh = Fresh {
            port,
            wasi,
            entropy: Some(Entropy::new([0; 32])),
            limits,
            log,
            capabilities: Capabilities::none(&limits),
            seat: sandbox.ceiling().exempt(),
            deadline: Instant::now() + time,
        };
        match prepared.instantiate(sandbox, state(sandbox, &streams, fresh)).await {
            (store, Ok(instance)) => Ok(Self { instance, store, streams, limits }),
            (_, Err(error)) => Err(problem(error, &streams, &limits)),
        }
    }

    /// Its exports, and the store to call them with.
    pub(super) fn hooks(&mut self) -> (&Guest, &mut Store<HostState>) {
        (self.instance.kitaru_llm_middleware_hooks(), &mut self.store)
    }

    /// Ends the use with what its export returned, and gives back what its imports reached.
    pub(super) fn end<T>(self, result: wasmtime::Result<T>) -> Result<(T, MiddlewarePort), MiddlewareProblem> {
        let returned = result.map_err(|error| problem(error, &self.streams, &self.limits))?;
        self.streams.stdout.finish();
        self.streams.stderr.finish();
        match self.store.into_data().port {
            Port::Middleware(port) => Ok((returned, *port)),
            _ => Err(MiddlewareProblem::Host("it was run as something else".into())),
        }
    }
}

/// Tells what ended an instance. What it wrote may hold payloads, so none of that is told: it is in the log.
fn problem(error: wasmtime::Error, streams: &Streams, limits: &Limits) -> MiddlewareProblem {
    let ended = match classify("the middleware", Err(error), streams, limits) {
        Ran::Ended(failure) | Ran::ReturnedFailure(failure) => failure,
        Ran::Stopped(stop) => return MiddlewareProblem::Host(stop.to_string()),
        Ran::Returned(_) => return MiddlewareProblem::Host("it ended without a reason".into()),
    };
    let Failure { kind, message, .. } = &ended;
    let after = |words: &str| message.split_once(words).map_or(message.as_str(), |(_, why)| why).to_owned();
    match kind.as_str() {
        "trap" => {
            let details = ended.details_json();
            let trap = details.as_ref().and_then(|details| details.get("trap")).and_then(serde_json::Value::as_str);
            MiddlewareProblem::Trapped(trap.unwrap_or("for a reason that is not known").to_owned())
        }
        "limit" => MiddlewareProblem::Limit(after("was ended: ")),
        "exit" => MiddlewareProblem::Exited,
        _ => MiddlewareProblem::Host(after("could not be run: ")),
    }
}

impl World for MiddlewarePre<HostState> {
    type Instance = Middleware;

    fn linker(allocator: &Allocator) -> wasmtime::Result<&Linker<HostState>> {
        allocator.middleware_linker()
    }

    fn linked(pre: InstancePre<HostState>) -> wasmtime::Result<Self> {
        Self::new(pre)
    }

    fn pre(&self) -> &InstancePre<HostState> {
        self.instance_pre()
    }

    async fn instantiate(&self, store: &mut Store<HostState>) -> wasmtime::Result<Middleware> {
        self.instantiate_async(store).await
    }
}
