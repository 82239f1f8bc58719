//! The pure heart: what a journal is and what follows from it.
//!
//! Owns the entries and their encoding, the history that they fold into, the decision whether a durable call is served or runs (E1), the
//! exact report when it is neither (E2), and the plan of a replay (E10). No I/O, no async, no clock: everything here is a function of its
//! arguments and is tested as such.

mod by_invocation;
mod canonical;
mod changed;
mod codec;
mod cursor;
mod divergence;
mod entry;
mod failure;
mod history;
mod invocation;
mod log_level;
mod replay;
mod replay_error;
#[cfg(test)]
mod scenes;

pub use canonical::{CanonicalJson, InputHash};
pub use codec::{CodecError, EncodedEntry, RECORD_FORMAT, chain, decode, encode};
pub use cursor::{Cursor, Decision};
pub use divergence::{CallShape, Divergence, DivergenceKind};
pub use entry::{CallKind, Descriptor, Entry, EntryBody, Outcome, Payload, PayloadHash, Provenance};
pub use failure::{Failure, Origin};
pub use history::{Attempt, AttemptStatus, CallEnd, CallRecord, History, HistoryError};
pub use invocation::Invocations;
pub use log_level::LogLevel;
pub use replay::{Given, Override, OverrideRequest, OverrideScope, ReplayPlan, ReplayRequest, Skipped};
pub use replay_error::{ReplayError, parse_override_entry, parse_override_key};
