//! Fault points for the crash suites: the process kills itself at a chosen journal append.
//!
//! `KITARU_FAULT_KILL_AT=<n>`: right after the commit of the process's n-th journal append, before anybody learns of it.
//! `KITARU_FAULT_KILL_BEFORE=<n>`: right before that commit. An append counts if it has entries and was not refused; the first is 1. So does the
//! creation of an execution by a key (`create_once`).

use std::sync::atomic::{AtomicU64, Ordering};

static APPENDS: AtomicU64 = AtomicU64::new(0);

/// One commit, and which appends of this process are in it.
pub(super) struct Point {
    before: u64,
    last: u64,
}

impl Point {
    /// Counts `appends` more, which are about to be committed.
    pub(super) fn before_commit(appends: u64) -> Self {
        let before = APPENDS.fetch_add(appends, Ordering::SeqCst);
        let point = Self { before, last: before + appends };
        point.kill_if("KITARU_FAULT_KILL_BEFORE");
        point
    }

    /// They are committed.
    pub(super) fn after_commit(&self) {
        self.kill_if("KITARU_FAULT_KILL_AT");
    }

    fn kill_if(&self, variable: &str) {
        let chosen = std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
        if chosen.is_some_and(|n| self.before < n && n <= self.last) {
            kill();
        }
    }
}

/// Ends the process as `kill -9` does: nothing is flushed, dropped or answered.
fn kill() -> ! {
    let pid = std::process::id().to_string();
    if cfg!(unix) && std::process::Command::new("kill").args(["-9", &pid]).status().is_ok() {
        // The signal is on its way; this thread must not go on until it arrives.
        std::thread::sleep(std::time::Duration::from_secs(10));
    }
    std::process::abort()
}
