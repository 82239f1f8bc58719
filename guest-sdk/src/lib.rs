//! Write durable flows in Rust that `kitaru-host` runs as WebAssembly components.
//!
//! A *flow* is an ordinary function that calls *checkpoints*, waits for people and returns a result. Every checkpoint call and
//! every wait is recorded by the host. After a crash, or after an answer that took a month, the flow runs again from the top and
//! is served the recorded outcomes, so that it continues where it was. A checkpoint body runs in an instance of its own and only
//! ever touches what it was granted.
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
//! The scope is in the type of the first parameter. A [`Flow`] calls checkpoints and waits; a [`Checkpoint`] saves artifacts and
//! touches the world. What does not belong in a scope does not compile. Both offer what [`Scope`] lists: logging, progress, the
//! execution's ID.
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
mod json;
mod manifest;
mod misuse;
mod outcome;
mod pending;
mod program;
mod registry;
mod schema;
mod scope;

pub mod prelude;
pub mod raw;

#[doc(hidden)]
pub mod expansion;

pub use answer::{Answer, Wait};
pub use artifact::{Blob, Kind, UnknownKind};
pub use attributes::{checkpoint, data, flow};
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
pub use serde;
pub use serde_json;
