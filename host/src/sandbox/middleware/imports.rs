//! What middleware can call: `log`, `next`, `codec`. Decodes, asks, encodes.

use std::sync::Arc;

use kitaru_llm::pipeline::CallInfo;
use wasmtime::component::{HasSelf, Linker};

use super::bindings::Middleware;
use super::bindings::kitaru::llm_middleware::log::Level;
use super::bindings::kitaru::llm_middleware::types::{Failure, Request};
use super::bindings::kitaru::llm_middleware::{codec, log, next, types};
use super::texts::{ShownRequest, json, read_chat};
use crate::journal::LogLevel;
use crate::sandbox::host::add_wasi_to_linker;
use crate::sandbox::state::{HostState, Port};

/// Links WASI and the imports of middleware, and nothing of what flows can call.
pub(in crate::sandbox) fn add_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    add_wasi_to_linker(linker)?;
    Middleware::add_to_linker::<_, HasSelf<HostState>>(linker, |state| state)
}

impl types::Host for HostState {}

impl log::Host for HostState {
    async fn line(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.budget.take_lines(1, message.len())?;
        let level = match level {
            Level::Trace => LogLevel::Trace,
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        self.log.line(level, "log", message);
        Ok(())
    }
}

impl next::Host for HostState {
    async fn call(&mut self, request: Request) -> wasmtime::Result<Result<String, Failure>> {
        let limits = self.limits;
        let Port::Middleware(port) = &mut self.port else { return Ok(Err(out_of_place())) };
        let Some(next) = &mut port.next else { return Ok(Err(out_of_place())) };
        let called = std::time::Instant::now();
        let answer = next.call(request, &limits).await?;
        // Its own time stood still.
        self.deadline += called.elapsed();
        Ok(answer)
    }
}

fn out_of_place() -> Failure {
    Failure { kind: "context".into(), message: "`next` can only be called inside `execute`".into(), from_next: None }
}

impl codec::Host for HostState {
    async fn decode_request(&mut self, request: Request) -> wasmtime::Result<Result<String, String>> {
        Ok(self.decoded(request))
    }

    async fn encode_request(&mut self, annotated: String, original: Request) -> wasmtime::Result<Result<Request, String>> {
        Ok(self.encoded(&annotated, original))
    }

    async fn decode_response(&mut self, response: String) -> wasmtime::Result<Result<String, String>> {
        Ok(self.decoded_response(&response))
    }
}

impl HostState {
    fn llm_call(&self) -> Option<&Arc<CallInfo>> {
        match &self.port {
            Port::Middleware(port) => port.call.as_ref(),
            _ => None,
        }
    }

    fn decoded(&self, request: Request) -> Result<String, String> {
        let codec = self.llm_call().and_then(|call| call.codec.as_ref()).ok_or_else(no_codec)?;
        let request = self.foreign_request(request)?;
        let decoded = codec.decode(&request).map_err(|error| error.to_string())?;
        serde_json::to_string(&decoded).map_err(|error| error.to_string())
    }

    fn encoded(&self, annotated: &str, original: Request) -> Result<Request, String> {
        let codec = self.llm_call().and_then(|call| call.codec.as_ref()).ok_or_else(no_codec)?;
        self.limits.check_value("the annotation", annotated.len()).map_err(|over| over.message)?;
        let (annotated, original) = (read_chat(annotated)?, self.foreign_request(original)?);
        let encoded = codec.encode(&annotated, &original).map_err(|error| error.to_string())?;
        Ok(ShownRequest::new(encoded).text)
    }

    fn decoded_response(&self, response: &str) -> Result<String, String> {
        let codec = self.llm_call().and_then(|call| call.response_codec.as_ref()).ok_or_else(no_codec)?;
        self.limits.check_value("the response", response.len()).map_err(|over| over.message)?;
        let decoded = codec.decode_response(&json("the response", response)?).map_err(|error| error.to_string())?;
        serde_json::to_string(&decoded).map_err(|error| error.to_string())
    }

    /// A request that the component made up, or was given: the host knows nothing to add to it.
    fn foreign_request(&self, request: Request) -> Result<kitaru_llm::chat::RawRequest, String> {
        ShownRequest::new(kitaru_llm::chat::RawRequest::default()).read(request, &self.limits)
    }
}

fn no_codec() -> String {
    "the call has no codec".into()
}
