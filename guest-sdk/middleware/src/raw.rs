//! The imports of the world as they are, for what the rest of this crate does not offer.

pub use crate::bindings::kitaru::llm_middleware::{codec, log, next, types};
