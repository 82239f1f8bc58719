//! `kitaru:flow/flows`: child flows.

use wasmtime::component::Resource;

use super::calls::Stretch;
use super::{answer, json};
use crate::journal::Failure;
use crate::sandbox::bindings::kitaru::flow::flows::{Host, Request};
use crate::sandbox::bindings::kitaru::flow::types;
use crate::sandbox::limits::Limits;
use crate::sandbox::port::{ChildRequest, Submitted};
use crate::sandbox::state::{HostState, PendingCall, Port};

const OUT_OF_SCOPE: &str = "Child flows can only be started by a flow.";

impl Host for HostState {
    async fn call(&mut self, request: Request) -> wasmtime::Result<Result<String, types::Failure>> {
        let decoded = decode(&self.limits, request).map(Submitted::Flow);
        if !matches!(self.port, Port::Flow(_)) {
            return Ok(Err(Failure::context(OUT_OF_SCOPE).into()));
        }
        self.make(decoded, "call").await
    }

    async fn submit(&mut self, request: Request) -> wasmtime::Result<Result<Resource<PendingCall>, types::Failure>> {
        let decoded = decode(&self.limits, request).map(Submitted::Flow);
        self.submit(decoded, OUT_OF_SCOPE).await
    }

    async fn start(&mut self, request: Request) -> wasmtime::Result<Result<String, types::Failure>> {
        let decoded = decode(&self.limits, request);
        let Port::Flow(port) = &mut self.port else { return Ok(Err(Failure::context(OUT_OF_SCOPE).into())) };
        let stretch = Stretch::new(port.made());
        let result = match decoded {
            Ok(request) => port.start(request).await,
            Err(failure) => Ok(Err(failure)),
        };
        self.flow_goes_on(stretch);
        answer(result, |id| id)
    }
}

pub(super) fn decode(limits: &Limits, request: Request) -> Result<ChildRequest, Failure> {
    limits.check_value("the flow's input", request.input.len())?;
    let input = json(limits, "the flow's input", &request.input)?;
    if !input.is_object() {
        return Err(Failure::usage("the flow's input must be a JSON object of named arguments"));
    }
    let Request { flow, component, id, .. } = request;
    Ok(ChildRequest { flow, component, input, id })
}
