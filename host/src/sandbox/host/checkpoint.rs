//! `kitaru:flow/checkpoint`.

use std::time::Instant;

use super::{answer, json};
use crate::journal::Failure;
use crate::sandbox::bindings::kitaru::flow::checkpoint::{Host, Options};
use crate::sandbox::bindings::kitaru::flow::types;
use crate::sandbox::port::Scope;
use crate::sandbox::state::{HostState, Port};

impl Host for HostState {
    async fn call(&mut self, name: String, input: String, options: Options) -> wasmtime::Result<Result<String, types::Failure>> {
        let checked = match self.limits.check_value("the checkpoint's input", input.len()) {
            Ok(()) => json("the checkpoint's input", &input),
            Err(failure) => Err(failure),
        };
        let scope = self.scope();
        let Port::Flow(port) = &mut self.port else {
            let message = match scope {
                Scope::Checkpoint => "Nested checkpoint calls are not supported: call the checkpoint from the flow body.",
                _ => "Checkpoints can only run inside a flow.",
            };
            return Ok(Err(Failure::context(message).into()));
        };
        let stretch = Stretch::new(port.made());
        let result = match checked {
            Ok(input) if input.is_object() => port.checkpoint(name, input, options.id).await,
            Ok(_) => Ok(Err(Failure::usage("the checkpoint's input must be a JSON object of named arguments"))),
            Err(failure) => Ok(Err(failure)),
        };
        let made = port.made();
        self.flow_goes_on(stretch, made);
        answer(result, |value| value)
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

impl HostState {
    /// The host returns to the flow. After a durable call, the flow may compute for its full time again; after one that was refused it has
    /// what it had left, so that no loop of refusals goes on forever.
    pub(super) fn flow_goes_on(&mut self, stretch: Stretch, made: u32) {
        let now = Instant::now();
        self.deadline =
            if made > stretch.made { now + self.limits.flow_time() } else { self.deadline + now.duration_since(stretch.called) };
    }
}
