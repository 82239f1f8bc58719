//! `kitaru:flow/execution`.

use crate::sandbox::bindings::kitaru::flow::execution::{Current, Host, Scope};
use crate::sandbox::state::{HostState, Port};

impl Host for HostState {
    async fn get_current(&mut self) -> wasmtime::Result<Current> {
        let (current, scope) = match &mut self.port {
            Port::Flow(port) => (port.current(), Scope::Flow),
            Port::Checkpoint(port) => (port.current(), Scope::Checkpoint),
            Port::Middleware(_) | Port::Describe => return Err(wasmtime::Error::msg("it runs in no execution")),
        };
        let crate::sandbox::port::Current { execution, flow, attempt, is_replay, idempotency_key } = current;
        Ok(Current { execution_id: execution, flow, scope, attempt, is_replay, idempotency_key })
    }
}
