//! Anyone's middleware of model calls, as components of the world `kitaru:llm-middleware`.
//!
//! A component is loaded once, checked and asked what it is. Every use of it then gets a fresh instance that has no capability at all, with
//! limits on memory, output and time; so nothing is kept from one use to the next, and what it answers follows from what it is asked.
//! Whatever goes wrong in one is an error with a name: a guardrail or an intercept that fails fails the call, a sanitiser that fails leaves its
//! payload out of the record.
//!
//! [`MiddlewareComponent`] is one of them, as somebody installed it; [`MiddlewareComponent::register`] puts it into a pipeline.

mod adapters;
mod answers;
mod bindings;
mod component;
mod error;
mod events;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod imports;
mod manifest;
mod one_use;
mod register;
mod settings;
mod texts;

pub(super) use imports::add_to_linker;
pub(super) use one_use::MiddlewarePort;

pub use component::MiddlewareComponent;
pub use error::{MiddlewareError, MiddlewareProblem, SettingsError};
pub use manifest::{MiddlewareManifest, MiddlewareManifestError, StreamedCalls, Surface};
pub use register::{FlowOfEvent, Placement, RegisterError, RegisteredMiddleware, register_all};
pub use settings::MiddlewareSettings;
