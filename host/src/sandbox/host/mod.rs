//! The host side of each WIT interface, one file each: decode, ask the port, encode. No rule of the engine lives here.

mod artifacts;
mod calls;
mod checkpoint;
mod clocks;
mod execution;
mod files;
mod flows;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod json;
mod llm;
mod log;
mod lookup;
mod random;
mod requests;
mod secrets;
mod sockets;
mod wait;

use json::{check_json, json};
use wasmtime::component::{HasSelf, Linker};

use super::bindings::Flow;
use super::bindings::kitaru::flow::types;
use super::port::Stop;
use super::state::HostState;
use crate::journal::{Failure, Origin};

/// Links `kitaru:flow` and WASI.
pub(super) fn add_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    add_wasi_to_linker(linker)?;
    Flow::add_to_linker::<_, HasSelf<HostState>>(linker, |state| state)
}

/// Links WASI, with our own clock, files, name lookup, sockets, requests and random numbers.
pub(super) fn add_wasi_to_linker(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    clocks::add_to_linker(linker)?;
    files::add_to_linker(linker)?;
    lookup::add_to_linker(linker)?;
    sockets::add_to_linker(linker)?;
    random::add_to_linker(linker)?;
    linker.allow_shadowing(false);
    requests::add_to_linker(linker)
}

impl types::Host for HostState {}

/// What a durable call came to, in the guest's terms; a stop leaves the instance.
fn answer<T, U>(
    result: Result<Result<T, Failure>, Stop>,
    encode: impl FnOnce(T) -> U,
) -> wasmtime::Result<Result<U, types::Failure>> {
    match result {
        Ok(Ok(value)) => Ok(Ok(encode(value))),
        Ok(Err(failure)) => Ok(Err(failure.into())),
        Err(stop) => Err(stop.into()),
    }
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        let origin = match failure.origin {
            Origin::UserCode => types::Origin::UserCode,
            Origin::Runtime => types::Origin::Runtime,
            Origin::Backend => types::Origin::Backend,
            Origin::Divergence => types::Origin::Divergence,
            Origin::Unknown => types::Origin::Unknown,
        };
        let Failure { kind, message, retryable, call_index, details, .. } = failure;
        Self { kind, message, origin, retryable, call_index, details }
    }
}

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        let origin = match failure.origin {
            types::Origin::UserCode => Origin::UserCode,
            types::Origin::Runtime => Origin::Runtime,
            types::Origin::Backend => Origin::Backend,
            // Only the host can tell a divergence.
            types::Origin::Divergence | types::Origin::Unknown => Origin::Unknown,
        };
        let types::Failure { kind, message, retryable, call_index, details, .. } = failure;
        Self { kind, message, origin, retryable, call_index, details }
    }
}
