//! Write durable flows in Rust that `kitaru-host` runs as WebAssembly components.
//!
//! A *flow* is an ordinary function that calls *checkpoints*, waits for people, sleeps, calls other flows and returns a result.
//! These are its durable calls, and the host records each of them. After a crash, or after an answer that took a month, the flow
//! runs again from the top and is served the recorded outcomes, so that it continues where it was. A checkpoint body runs in an
//! instance of its own and only ever touches what it was granted.
//!
//! ```
//! use kitaru::prelude::*;
//!
//! /// Drafts a text.
//! #[checkpoint(retries = 2)]
//! fn draft(cx: &Checkpoint, topic: String) -> Result<String> {
//!     cx.save("notes", &json!({ "topic": topic }), Kind::Context)?;
//!     Ok(format!("Draft for {topic}"))
//! }
//!
//! #[flow]
//! fn review_flow(cx: &Flow, topic: String) -> Result<String> {
//!     let text = draft(cx, topic)?;
//!     let approved: bool = cx.wait("approve_draft").question("Approve draft?").ask()?;
//!     if !approved {
//!         return Ok("Rejected".into());
//!     }
//!     Ok(text)
//! }
//! # fn main() {}
//! ```
//!
//! A flow crate has `crate-type = ["cdylib"]`, depends on this crate, and builds with `cargo build --target wasm32-wasip2`.
//!
//! # What runs where
//!
//! The scope is in the type of the first parameter. A [`Flow`] calls checkpoints and other flows, waits and sleeps; a
//! [`Checkpoint`] saves artifacts and touches the world. What does not belong in a scope does not compile. Both offer what
//! [`Scope`] lists: logging, progress, the execution's ID.
//!
//! # Durable calls
//!
//! | In a flow | |
//! |---|---|
//! | `draft(cx, topic)?` | Calls a checkpoint and gives its value. |
//! | `draft::submit(cx, topic)?` | Runs it beside the flow: a [`Pending`], to load, select among or await. |
//! | `draft::map(cx, topics)?` | One call for each item, beside each other: a [`PendingAll`]. |
//! | `compare::product(cx, left, right)?` | One call for each combination. |
//! | `draft::id("second_opinion").call(cx, topic)?` | Gives the call an ID to find it by in a replay. |
//! | `cx.wait("approve").ask()?` | Asks a person: [`Flow::wait`], with a schema, a deadline, a default. |
//! | `cx.sleep(duration)?`, `cx.timer(duration)?` | Goes on when the time has passed: [`Flow::sleep`], [`Flow::timer`]. |
//! | `review_flow::call(cx, topic)?`, `submit`, `start` | Starts a flow as an execution of its own. |
//! | `cx.llm("Outline it.").model("fast").text()?` | Asks a language model, through the host: [`llm`]. |
//! | `cx.child("review").component(digest).call()?` | The same by name, also of another component: [`Flow::child`]. |
//! | `kitaru::select(&[&a, &b])?` | Says which of several calls ended first: [`select`](crate::select()). |
//!
//! Retries with their pauses, timeouts, effects that happen at most once and caching are options of
//! [`#[checkpoint]`](macro@checkpoint); a flow that is tried again by itself is one of [`#[flow]`](macro@flow). A flow may be
//! `async`.
//!
//! ```no_run
//! use kitaru::prelude::*;
//! use std::time::Duration;
//!
//! /// Fetches one page.
//! #[checkpoint(retries = 3, timeout = "30s")]
//! fn fetch(cx: &Checkpoint, page: u32) -> Result<String> {
//!     Ok(format!("page {page}"))
//! }
//!
//! /// Sends the text. A crash never makes it do so twice.
//! #[checkpoint(effect = "once")]
//! fn send(cx: &Checkpoint, text: String) -> Result<()> {
//!     cx.info(format!("sending {} bytes", text.len()));
//!     Ok(())
//! }
//!
//! #[flow]
//! fn newsletter(cx: &Flow, pages: u32) -> Result<bool> {
//!     let text = fetch::map(cx, 1..=pages)?.load()?.join("\n"); // beside each other
//!     let day = Duration::from_secs(86_400);
//!     let approved = cx.wait("approve").question("Send it?").or_after(day, false)?.ask()?;
//!     if approved {
//!         send(cx, text)?;
//!     }
//!     Ok(approved)
//! }
//! # fn main() {}
//! ```
//!
//! # The world
//!
//! A checkpoint reaches what was granted: files and the environment with `std` or through [`Checkpoint`], servers through [`http`], and secrets
//! through [`secret`](secret()), which gives a placeholder that the host replaces in requests.
//!
//! # Values
//!
//! Arguments and results cross between instances as JSON, so their types implement `Serialize`, `Deserialize` and `JsonSchema`:
//! standard types do, and [`data`] derives them for an author's own.
//!
//! # Errors
//!
//! `?` works on every error type of the standard library and of other crates. See [`Error`] for what can be told apart.

extern crate self as kitaru;

mod answer;
mod artifact;
mod attributes;
#[expect(unsafe_code, reason = "generated: the component ABI passes pointers")]
#[expect(missing_docs, reason = "generated: not everything in the WIT package has a comment")]
#[allow(clippy::allow_attributes, clippy::allow_attributes_without_reason, reason = "generated")]
mod bindings;
mod checkpoint;
mod child;
mod codec;
mod convert;
mod entropy;
mod error;
mod executor;
mod files;
mod flow;
#[cfg(feature = "http")]
pub mod http;
mod json;
pub mod llm;
mod manifest;
mod misuse;
mod needs;
mod outcome;
mod pending;
mod program;
mod registry;
mod schema;
mod scope;
mod secrets;

pub mod prelude;
pub mod raw;

#[doc(hidden)]
pub mod expansion;

pub use answer::{Answer, Wait};
pub use artifact::{Blob, Kind, UnknownKind};
pub use attributes::{checkpoint, data, flow, needs};
pub use checkpoint::Checkpoint;
pub use child::Child;
pub use codec::Data;
pub use error::{Error, Failure, Origin, Result};
pub use flow::Flow;
/// Combinators for `async` flows: `join`, `select` and the rest, which all go on in the same order when a flow is re-executed.
pub use futures_util as futures;
/// Awaits the first of several futures; of those that are ready at once, the one that stands first. What loses and is dropped is
/// cancelled. (The function of the same name waits for the first of several handles.)
pub use futures_util::select_biased as select;
/// Awaits several futures at once. See [`futures`].
pub use futures_util::{join, try_join};
pub use pending::{AnyPending, Pending, PendingAll, select};
pub use schemars;
pub use scope::{FlowScope, Scope};
pub use secrets::{secret, secret_key};
pub use serde;
pub use serde_json;
