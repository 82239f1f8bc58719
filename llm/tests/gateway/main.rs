//! The gateway as a whole, against real peers on the loopback interface.

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

mod bench;
mod calls;
mod fallbacks;
mod limits;
mod manual;
#[path = "../provider/peer.rs"]
mod peer;
mod policies;
mod resolution;
mod sent;
mod streams;
mod structured;
