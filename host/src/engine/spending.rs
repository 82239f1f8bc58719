//! What model calls of this process cost, for whoever watches the host.

use std::sync::atomic::{AtomicU64, Ordering};

use kitaru_llm::gateway::{CallFailure, CallRecord};
use kitaru_llm::price::NanoUsd;

static CALLS: AtomicU64 = AtomicU64::new(0);
static SPENT_NANOS: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// What model calls of a process came to since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// Calls that ended.
    pub calls: u64,
    /// What is known of what they cost.
    pub spent: NanoUsd,
    /// Those that no budget had room for.
    pub refused_by_budget: u64,
}

/// Counts a call that ended. `has_budget`: its execution has one of its own, which is its tree's.
pub(super) fn count(record: &CallRecord, spent: NanoUsd, has_budget: bool) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    SPENT_NANOS.fetch_add(spent.as_nanos(), Ordering::Relaxed);
    let Some(failure) = record.outcome.as_ref().err().filter(|failure| failure.kind == CallFailure::BUDGET) else { return };
    REFUSED.fetch_add(1, Ordering::Relaxed);
    let whose = failure.details.as_ref().and_then(|details| details.get("budget"));
    if has_budget && whose.is_some_and(|whose| whose == "execution" || whose == "tree") {
        crate::sandbox::reached("llm_usd");
    }
}

/// What was counted.
pub(super) fn so_far() -> Spending {
    Spending {
        calls: CALLS.load(Ordering::Relaxed),
        spent: NanoUsd::from_nanos(SPENT_NANOS.load(Ordering::Relaxed)),
        refused_by_budget: REFUSED.load(Ordering::Relaxed),
    }
}
