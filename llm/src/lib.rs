//! Calls of language models, governed and recorded.
//!
//! Usable without the rest of the host: nothing here knows of flows, journals or WebAssembly. Whoever wants calls with all that belongs to them
//! makes a [`gateway`]; the other modules are what it is made of, and each can be used alone:
//!
//! | module | what it knows |
//! |---|---|
//! | [`gateway`] | one tracked call, from its author's request to the answer with all records |
//! | [`models`] | which model a call means, who serves it, with which credentials |
//! | [`chat`] | requests and responses in one shape for all providers |
//! | [`codec`] | the wire protocols |
//! | [`pipeline`] | the order of guardrails, intercepts and sanitisers, and the events of a call |
//! | [`policy`] | what decides, changes, answers or hides |
//! | [`provider`], [`retry`] | HTTP, and the one place where a call is repeated |
//! | [`usage`], [`price`] | tokens, records, sums and money |
//! | [`schema`] | whether a value fits a JSON Schema that nobody here wrote |
//! | [`event`] | events, and the forms in which they leave the program |
//! | [`clock`], [`ids`] | time and identifiers, injected |

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
pub mod gateway;
pub mod ids;
pub mod models;
mod mutex;
pub mod pipeline;
pub mod policy;
pub mod price;
pub mod provider;
pub mod retry;
pub mod schema;
#[cfg(feature = "genai")]
mod translator;
pub mod usage;

/// The examples of the page that introduces the crate.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
