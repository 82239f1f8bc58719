//! `kitaru:flow/checkpoint`.

use std::time::{Duration, Instant};

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
        let result = match checked {
            Ok(input) if input.is_object() => port.checkpoint(name, input, options.id).await,
            Ok(_) => Ok(Err(Failure::usage("the checkpoint's input must be a JSON object of named arguments"))),
            Err(failure) => Ok(Err(failure)),
        };
        self.flow_goes_on();
        answer(result, |value| value)
    }
}

impl HostState {
    /// A durable call returned: the flow may compute for its full time again.
    pub(super) fn flow_goes_on(&mut self) {
        self.deadline = Instant::now() + Duration::from_secs(self.limits.flow_seconds);
    }
}
