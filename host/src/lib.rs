//! Runs durable flows compiled to WebAssembly components.
//!
//! Layers; imports go down only, and a test holds them to it:
//!
//! ```text
//! cli                       surface: parses, calls the service, renders
//! api                       surface: the same over HTTP, for callers who say who they are, and the page
//! mcp                       surface: the service as an assistant's tools
//! client                    the same verbs of another host, over its API
//!   service                 every verb of the product, typed in and out
//!     access                who comes over the network, and what they may
//!     telemetry             what leaves an execution as events
//!     engine                when things happen: drives executions, leases, replay
//!       sandbox             wasmtime only
//!       journal             pure journal logic
//!       models              what model calls need of the store
//!       store               traits and backends
//!       registry            where components come from
//! page, config, secrets, signing, isolation, scope, ids, clock, mutex beside them
//! ```

#![cfg_attr(test, allow(clippy::allow_attributes, reason = "tests"))]

pub mod access;
pub mod api;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod engine;
pub mod ids;
pub mod isolation;
pub mod journal;
pub mod mcp;
pub mod models;
mod mutex;
pub mod page;
pub mod registry;
pub mod sandbox;
mod scope;
pub mod secrets;
pub mod service;
pub mod signing;
pub mod store;
pub mod telemetry;
