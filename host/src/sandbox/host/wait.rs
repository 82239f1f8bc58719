//! `kitaru:flow/wait`.

use wasmtime::component::Resource;

use super::calls::Stretch;
use super::{answer, json};
use crate::journal::Failure;
use crate::sandbox::bindings::kitaru::flow::types;
use crate::sandbox::bindings::kitaru::flow::wait::{Host, Request};
use crate::sandbox::limits::Limits;
use crate::sandbox::port::{Scope, Submitted, WaitRequest};
use crate::sandbox::state::{HostState, PendingCall, Port};

impl Host for HostState {
    async fn wait(&mut self, request: Request) -> wasmtime::Result<Result<String, types::Failure>> {
        let decoded = decode(&self.limits, request).map(Submitted::Wait);
        self.make(decoded, "wait").await
    }

    async fn submit(&mut self, request: Request) -> wasmtime::Result<Result<Resource<PendingCall>, types::Failure>> {
        let decoded = decode(&self.limits, request).map(Submitted::Wait);
        let message = out_of_scope(self.scope(), "wait");
        self.submit(decoded, &message).await
    }

    async fn sleep(&mut self, name: Option<String>, milliseconds: u64) -> wasmtime::Result<Result<(), types::Failure>> {
        let slept = self.make(Ok(Submitted::Sleep(name, milliseconds)), "sleep").await?;
        Ok(slept.map(drop))
    }

    async fn submit_sleep(
        &mut self,
        name: Option<String>,
        milliseconds: u64,
    ) -> wasmtime::Result<Result<Resource<PendingCall>, types::Failure>> {
        let message = out_of_scope(self.scope(), "sleep");
        self.submit(Ok(Submitted::Sleep(name, milliseconds)), &message).await
    }
}

impl HostState {
    /// Makes a call and waits for its outcome.
    pub(super) async fn make(
        &mut self,
        decoded: Result<Submitted, Failure>,
        function: &str,
    ) -> wasmtime::Result<Result<String, types::Failure>> {
        let scope = self.scope();
        let Port::Flow(port) = &mut self.port else {
            return Ok(Err(Failure::context(out_of_scope(scope, function)).into()));
        };
        let stretch = Stretch::new(port.made());
        let submitted = match decoded {
            Ok(call) => port.submit(call).await,
            Err(failure) => Ok(Err(failure)),
        };
        let result = match submitted {
            Ok(Ok(index)) => {
                let result = port.result(index).await;
                port.forget(index);
                result
            }
            Ok(Err(failure)) => Ok(Err(failure)),
            Err(stop) => Err(stop),
        };
        self.flow_goes_on(stretch);
        answer(result, |value| value)
    }
}

fn out_of_scope(scope: Scope, function: &str) -> String {
    match scope {
        Scope::Checkpoint => {
            format!("{function}() cannot be called inside a checkpoint. Call {function}() in the flow body instead.")
        }
        _ => format!("{function}() can only run inside a flow."),
    }
}

pub(super) fn decode(limits: &Limits, request: Request) -> Result<WaitRequest, Failure> {
    let texts = [&request.name, &request.question, &request.schema, &request.metadata, &request.default];
    limits.check_value("the wait", texts.into_iter().flatten().map(String::len).sum())?;
    let schema = request.schema.map(|text| json(limits, "the wait's schema", &text)).transpose()?;
    if let Some(schema) = &schema
        && !(schema.is_object() || schema.is_boolean())
    {
        return Err(Failure::usage("the wait's schema must be a JSON Schema: an object, true or false"));
    }
    let metadata = request.metadata.map(|text| json(limits, "the wait's metadata", &text)).transpose()?;
    if metadata.as_ref().is_some_and(|metadata| !metadata.is_object()) {
        return Err(Failure::usage("the wait's metadata must be a JSON object"));
    }
    let default = request.default.map(|text| json(limits, "the wait's default", &text)).transpose()?;
    if default.is_some() && request.deadline_milliseconds.is_none() {
        return Err(Failure::usage("a wait with a default answer needs a deadline"));
    }
    let Request { name, question, timeout_seconds, deadline_milliseconds, .. } =
        Request { schema: None, metadata: None, default: None, ..request };
    Ok(WaitRequest { name, question, schema, timeout_seconds, metadata, deadline_milliseconds, default })
}
