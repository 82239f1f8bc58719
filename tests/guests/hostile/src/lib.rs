//! Flows that each attempt one thing that no guest may do. What the host must make of each is in the table of `tests/tests/hostile.rs`, and for
//! people in `README.md`.
//!
//! A flow that was refused as it should be returns `"held"`, or fails as the host ends it; whatever got through fails with kind `breach`.

mod artifacts;
mod files;
mod floods;
mod handles;
mod inputs;
mod lies;
mod models;
mod scopes;
mod secrets;
mod sockets;
mod wasi;

use kitaru::prelude::*;
use kitaru::raw::types;

/// What a flow returns whose attempt was refused.
const HELD: &str = "held";

/// The host must refuse with a failure of this kind.
fn refused<T>(result: std::result::Result<T, types::Failure>, kind: &str) -> Result<String> {
    match result {
        Ok(_) => Err(err!("it was let through").kind("breach")),
        Err(failure) if failure.kind == kind => Ok(HELD.into()),
        Err(failure) => Err(err!("`{}` instead of `{kind}`: {}", failure.kind, failure.message).kind("breach")),
    }
}

/// What must be so.
fn held(is_so: bool, otherwise: &str) -> Result<String> {
    if is_so { Ok(HELD.into()) } else { Err(err!("{otherwise}").kind("breach")) }
}

/// A call without options.
fn plain() -> kitaru::raw::checkpoint::Options {
    kitaru::raw::checkpoint::Options { id: None, cache_key: None }
}

/// A question without anything.
fn question() -> kitaru::raw::wait::Request {
    kitaru::raw::wait::Request {
        name: Some("question".into()),
        question: None,
        schema: None,
        timeout_seconds: None,
        metadata: None,
        deadline_milliseconds: None,
        default: None,
    }
}
