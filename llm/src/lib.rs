//! Calls of language models, governed and recorded.
//!
//! Usable without the rest of the host: nothing here knows of flows, journals or WebAssembly.

#![cfg_attr(
    test,
    allow(
        clippy::allow_attributes,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests"
    )
)]

pub mod chat;
pub mod clock;
pub mod codec;
pub mod event;
pub mod ids;
pub mod models;
mod mutex;
pub mod pipeline;
pub mod policy;
pub mod price;
pub mod provider;
pub mod retry;
pub mod usage;
