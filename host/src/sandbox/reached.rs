//! How often each limit was reached in this process: for whoever watches the host.

use std::sync::atomic::{AtomicU64, Ordering};

/// The limits that are counted, by their keys.
pub(super) const KEYS: [&str; 22] = [
    "memory_mib",
    "table_elements",
    "instances",
    "stack_kib",
    "flow_seconds",
    "checkpoint_seconds",
    "cpu_seconds",
    "value_mib",
    "artifact_mib",
    "artifacts_mib",
    "argument_mib",
    "log_mib",
    "history_mib",
    "calls",
    "instances_mib",
    "handles",
    "requests",
    "response_mib",
    "request_seconds",
    "written_mib",
    "written_files",
    "llm_usd",
];

static COUNTS: [AtomicU64; KEYS.len()] = [const { AtomicU64::new(0) }; KEYS.len()];

/// A limit was reached.
pub fn reached(key: &str) {
    debug_assert!(KEYS.contains(&key), "`{key}` is no limit that is counted");
    if let Some((_, count)) = KEYS.iter().zip(&COUNTS).find(|(known, _)| **known == key) {
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// The limits that were reached, and how often, since the process began.
pub fn limits_reached() -> Vec<(&'static str, u64)> {
    let counts = COUNTS.iter().map(|count| count.load(Ordering::Relaxed));
    KEYS.into_iter().zip(counts).filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reached_is_counted() {
        let count = || limits_reached().into_iter().find(|(key, _)| *key == "handles").map_or(0, |(_, count)| count);
        let before = count();
        reached("handles");
        assert_eq!(count(), before + 1);
    }
}
