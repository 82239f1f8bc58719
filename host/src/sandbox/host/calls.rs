//! `kitaru:flow/calls`: durable calls under way.

use std::time::Instant;

use wasmtime::component::Resource;

use super::answer;
use crate::journal::Failure;
use crate::sandbox::bindings::kitaru::flow::calls::{Host, HostPending};
use crate::sandbox::bindings::kitaru::flow::types;
use crate::sandbox::port::{Stop, Submitted};
use crate::sandbox::state::{HostState, PendingCall, Port};

/// Calls among which a guest may choose at once.
const CHOICES: usize = 10_000;

const OUT_OF_SCOPE: &str = "Concurrent calls are only available inside a running flow.";

impl Host for HostState {
    async fn first(&mut self, calls: Vec<Resource<PendingCall>>) -> wasmtime::Result<Result<u32, types::Failure>> {
        if calls.is_empty() || calls.len() > CHOICES {
            return Ok(Err(Failure::usage(format!("`first` chooses among 1 to {CHOICES} calls")).into()));
        }
        let indexes = calls.iter().map(|call| Ok(self.pending.get(call)?.index)).collect::<wasmtime::Result<Vec<u32>>>()?;
        let Port::Flow(port) = &mut self.port else { return Ok(Err(Failure::context(OUT_OF_SCOPE).into())) };
        let stretch = Stretch::new(port.made());
        let result = port.first(indexes).await;
        self.flow_goes_on(stretch);
        answer(result, |winner| winner)
    }
}

impl HostPending for HostState {
    async fn result(&mut self, call: Resource<PendingCall>) -> wasmtime::Result<Result<String, types::Failure>> {
        let index = self.pending.get(&call)?.index;
        let Port::Flow(port) = &mut self.port else { return Ok(Err(Failure::context(OUT_OF_SCOPE).into())) };
        let stretch = Stretch::new(port.made());
        let result = port.result(index).await;
        self.flow_goes_on(stretch);
        answer(result, |value| value)
    }

    async fn cancel(&mut self, call: Resource<PendingCall>) -> wasmtime::Result<()> {
        let index = self.pending.get(&call)?.index;
        let Port::Flow(port) = &mut self.port else { return Ok(()) };
        let stretch = Stretch::new(port.made());
        let cancelled = port.cancel(index).await;
        self.flow_goes_on(stretch);
        Ok(cancelled?)
    }

    async fn drop(&mut self, call: Resource<PendingCall>) -> wasmtime::Result<()> {
        let call = self.pending.delete(call)?;
        if let Port::Flow(port) = &mut self.port {
            port.forget(call.index);
        }
        Ok(())
    }
}

impl HostState {
    /// Submits a call for the guest, which gets a handle on it.
    pub(super) async fn submit(
        &mut self,
        decoded: Result<Submitted, Failure>,
        out_of_scope: &str,
    ) -> wasmtime::Result<Result<Resource<PendingCall>, types::Failure>> {
        let Port::Flow(port) = &mut self.port else { return Ok(Err(Failure::context(out_of_scope).into())) };
        let stretch = Stretch::new(port.made());
        let result: Result<Result<u32, Failure>, Stop> = match decoded {
            Ok(call) => port.submit(call).await,
            Err(failure) => Ok(Err(failure)),
        };
        self.flow_goes_on(stretch);
        match result {
            Ok(Ok(index)) => Ok(Ok(self.pending.push(PendingCall { index })?)),
            Ok(Err(failure)) => Ok(Err(failure.into())),
            Err(stop) => Err(stop.into()),
        }
    }

    /// The host returns to the flow. After a durable call, the flow may compute for its full time again; after one that was refused, or that
    /// it made before, it has what it had left, so that no loop of those goes on forever.
    pub(super) fn flow_goes_on(&mut self, stretch: Stretch) {
        let made = if let Port::Flow(port) = &self.port { port.made() } else { stretch.made };
        let now = Instant::now();
        if made > stretch.made {
            self.limiter.take_waited();
            (self.deadline, self.is_new_stretch) = (now + self.limits.flow_time(), true);
        } else {
            self.deadline += now.duration_since(stretch.called);
        }
    }
}

/// A stretch of a flow's computing, interrupted by a call of the host.
pub(super) struct Stretch {
    called: Instant,
    made: u32,
}

impl Stretch {
    /// The flow, which has made `made` durable calls, calls the host now.
    pub(super) fn new(made: u32) -> Self {
        Self { called: Instant::now(), made }
    }
}
