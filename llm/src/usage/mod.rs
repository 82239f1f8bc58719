//! What calls used: tokens, the record of a call, and sums per checkpoint, execution, flow and day.
//!
//! Records are facts and are written once; every sum can be computed from them again. Work that was not done again (a replay, a cache hit) is
//! counted as reused, costs nothing, and shows what it would have cost.

mod call_entry;
mod record;
mod rollup;
mod stored;
mod summary;
mod tokens;

pub use call_entry::CallEntry;
pub use record::{BillingEffect, CacheStatus, RecordStatus, Recorded, UsageRecord};
pub use rollup::{RollUps, UsageScope};
pub use summary::{COST_POLICY, UsageSummary};
pub use tokens::TokenCounts;
