//! Runs durable flows compiled to WebAssembly components.
//!
//! Layers; imports go down only, and a test holds them to it:
//!
//! ```text
//! cli                       surface: parses, calls the service, renders
//!   service                 every verb of the product, typed in and out
//!     telemetry             what leaves an execution as events
//!     engine                when things happen: drives executions, leases, replay
//!       sandbox             wasmtime only
//!       journal             pure journal logic
//!       models              what model calls need of the store
//!       store               traits and backends
//!       registry            where components come from
//! config, secrets, signing, isolation, ids, clock, mutex beside them
//! ```

#![cfg_attr(test, allow(clippy::allow_attributes, reason = "tests"))]

pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod ids;
pub mod isolation;
pub mod journal;
pub mod models;
mod mutex;
pub mod registry;
pub mod sandbox;
pub mod secrets;
pub mod service;
pub mod signing;
pub mod store;
pub mod telemetry;
