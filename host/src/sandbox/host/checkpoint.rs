//! `kitaru:flow/checkpoint`.

use wasmtime::component::Resource;

use super::calls::Stretch;
use super::{answer, json};
use crate::journal::Failure;
use crate::sandbox::bindings::kitaru::flow::checkpoint::{Host, Options};
use crate::sandbox::bindings::kitaru::flow::types;
use crate::sandbox::limits::Limits;
use crate::sandbox::port::{CheckpointRequest, Scope, Submitted};
use crate::sandbox::state::{HostState, PendingCall, Port};

impl Host for HostState {
    async fn call(&mut self, name: String, input: String, options: Options) -> wasmtime::Result<Result<String, types::Failure>> {
        let scope = self.scope();
        let Port::Flow(port) = &mut self.port else {
            return Ok(Err(Failure::context(out_of_scope(scope, "Checkpoints can only run inside a flow.")).into()));
        };
        let stretch = Stretch::new(port.made());
        if options.cache_key.is_none()
            && let Some(value) = port.serve(&name, &input, options.id.as_deref())
        {
            self.flow_goes_on(stretch);
            return Ok(Ok(value));
        }
        let result = match decode(&self.limits, name, &input, options) {
            Ok(request) => port.checkpoint(request).await,
            Err(failure) => Ok(Err(failure)),
        };
        self.flow_goes_on(stretch);
        answer(result, |value| value)
    }

    async fn submit(
        &mut self,
        name: String,
        input: String,
        options: Options,
    ) -> wasmtime::Result<Result<Resource<PendingCall>, types::Failure>> {
        let decoded = decode(&self.limits, name, &input, options).map(Submitted::Checkpoint);
        let message = out_of_scope(self.scope(), "Concurrent checkpoint execution is only available inside a running flow.");
        self.submit(decoded, message).await
    }
}

fn out_of_scope(scope: Scope, outside: &'static str) -> &'static str {
    match scope {
        Scope::Checkpoint => "Nested checkpoint calls are not supported: call the checkpoint from the flow body.",
        _ => outside,
    }
}

pub(super) fn decode(limits: &Limits, name: String, input: &str, options: Options) -> Result<CheckpointRequest, Failure> {
    limits.check_value("the checkpoint's input", input.len())?;
    let input = json(limits, "the checkpoint's input", input)?;
    if !input.is_object() {
        return Err(Failure::usage("the checkpoint's input must be a JSON object of named arguments"));
    }
    let Options { id, cache_key } = options;
    if cache_key.as_ref().is_some_and(|key| key.len() > 1024) {
        return Err(Failure::usage("a cache key has at most 1024 bytes"));
    }
    Ok(CheckpointRequest { name, input, id, cache_key })
}
