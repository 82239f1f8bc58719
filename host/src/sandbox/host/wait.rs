//! `kitaru:flow/wait`.

use super::checkpoint::Stretch;
use super::{answer, json};
use crate::journal::Failure;
use crate::sandbox::bindings::kitaru::flow::types;
use crate::sandbox::bindings::kitaru::flow::wait::{Host, Request};
use crate::sandbox::limits::Limits;
use crate::sandbox::port::{Scope, WaitRequest};
use crate::sandbox::state::{HostState, Port};

impl Host for HostState {
    async fn wait(&mut self, request: Request) -> wasmtime::Result<Result<String, types::Failure>> {
        let decoded = decode(&self.limits, request);
        let scope = self.scope();
        let Port::Flow(port) = &mut self.port else {
            let message = match scope {
                Scope::Checkpoint => "wait() cannot be called inside a checkpoint. Call wait() in the flow body instead.",
                _ => "wait() can only run inside a flow.",
            };
            return Ok(Err(Failure::context(message).into()));
        };
        let stretch = Stretch::new(port.made());
        let result = match decoded {
            Ok(request) => port.wait(request).await,
            Err(failure) => Ok(Err(failure)),
        };
        let made = port.made();
        self.flow_goes_on(stretch, made);
        answer(result, |value| value)
    }
}

fn decode(limits: &Limits, request: Request) -> Result<WaitRequest, Failure> {
    let texts = [&request.name, &request.question, &request.schema, &request.metadata];
    limits.check_value("the wait", texts.into_iter().flatten().map(String::len).sum())?;
    let schema = request.schema.map(|text| json("the wait's schema", &text)).transpose()?;
    if let Some(schema) = &schema
        && !(schema.is_object() || schema.is_boolean())
    {
        return Err(Failure::usage("the wait's schema must be a JSON Schema: an object, true or false"));
    }
    let metadata = request.metadata.map(|text| json("the wait's metadata", &text)).transpose()?;
    if metadata.as_ref().is_some_and(|metadata| !metadata.is_object()) {
        return Err(Failure::usage("the wait's metadata must be a JSON object"));
    }
    let Request { name, question, timeout_seconds, .. } = Request { schema: None, metadata: None, ..request };
    Ok(WaitRequest { name, question, schema, timeout_seconds, metadata })
}
