//! Protocols that only the translator speaks, through the gateway and against real peers on the loopback interface that speak them, and misbehave.
//! Compiled with the feature `genai` alone.

#![allow(
    clippy::allow_attributes,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::result_large_err,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

mod answers;
#[path = "../gateway/bench.rs"]
mod bench;
mod faults;
#[path = "../provider/peer.rs"]
mod peer;
mod scenes;
mod streams;
