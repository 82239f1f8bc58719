//! Write middleware of model calls in Rust that `kitaru-host` runs as WebAssembly components.
//!
//! Middleware stands between a flow and a model: it may refuse a call, rewrite its request, wrap its execution, and change what is
//! recorded of it. One function of the trait [`Middleware`] for each of these places, all with a default; the [`Manifest`] says which
//! of them count.
//!
//! ```
//! use kitaru_middleware::{Call, Manifest, Middleware, Request, Result, Surface, Verdict};
//!
//! /// Refuses requests that name a secret project.
//! struct NoSecretProjects;
//!
//! impl Middleware for NoSecretProjects {
//!     fn manifest() -> Manifest {
//!         Manifest::new("no-secret-projects", env!("CARGO_PKG_VERSION")).surfaces([Surface::Check]).priority(10)
//!     }
//!
//!     fn check(call: &Call, request: &Request) -> Result<Verdict> {
//!         let words: Vec<String> = call.setting("words")?.unwrap_or_default();
//!         let text = request.content.to_string();
//!         Ok(match words.iter().find(|word| text.contains(*word)) {
//!             Some(word) => Verdict::reject(format!("it names `{word}`")),
//!             None => Verdict::Allow,
//!         })
//!     }
//! }
//!
//! kitaru_middleware::export!(NoSecretProjects);
//! # fn main() {}
//! ```
//!
//! A middleware crate has `crate-type = ["cdylib"]`, depends on this crate, builds with `cargo build --release --target
//! wasm32-wasip2`, and is installed in `kitaru.toml`:
//!
//! ```toml
//! [[llm.middleware]]
//! component = "no_secret_projects.wasm"
//! config = { words = ["Bluebird"] }
//! ```
//!
//! # What it can and cannot do
//!
//! Each use gets an instance of its own, so nothing is remembered from one use to the next, not even in a `static`. There are no
//! files, no network, no environment; the clock stands still, and random numbers are the same each time. Memory, time and output have
//! limits. What it prints goes to the host's log, as [`log`] does.
//!
//! An error that it returns, a panic or a limit ends the call, except in a sanitiser: there the payload is left out of the record.
//!
//! # Tests
//!
//! The functions are plain functions: call them from a unit test with a [`Call`] and a [`Request`] of your own. [`Next::with`] stands
//! for what comes after an execution intercept. Only [`codec`] needs a host.

extern crate self as kitaru_middleware;

#[expect(unsafe_code, reason = "generated: the component ABI passes pointers")]
#[expect(missing_docs, reason = "generated: not everything in the WIT package has a comment")]
#[allow(clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated")]
mod bindings;
mod call;
pub mod codec;
mod entry;
mod error;
pub mod log;
mod manifest;
mod middleware;
mod next;
pub mod raw;

#[doc(hidden)]
pub mod expansion {
    //! What [`export!`](crate::export) expands to.
    pub use crate::entry::Entry;
    pub use inventory;
}

pub use call::{Call, Draft, Request};
pub use error::{Error, Result};
pub use manifest::{Manifest, Surface};
pub use middleware::{Middleware, Verdict};
pub use next::Next;
pub use serde;
pub use serde_json;
