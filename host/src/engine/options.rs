//! How an execution is driven.

use std::time::Duration;

use tokio::sync::watch;

use super::events::Observer;

/// What a driver does when the flow waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitPolicy {
    /// Returns at once; whoever answers drives on.
    Return,
    /// Stays for the wait's polling window, then returns (E8).
    Window,
    /// Stays until the answer comes.
    Stay,
}

/// What a driver does when the flow waits for nothing but a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SleepPolicy {
    /// Stays until the time comes.
    Stay,
    /// Leaves the execution to whoever drives it when the time comes, if that is far off.
    Leave {
        /// How far off.
        longer_than: Duration,
    },
}

/// How to drive.
#[derive(Clone)]
pub struct DriveOptions {
    /// At waits.
    pub wait: WaitPolicy,
    /// At sleeps.
    pub sleep: SleepPolicy,
    /// Who watches.
    pub observer: Observer,
    /// Becomes true when this drive is to come to a graceful stop, and its children's with it.
    pub stop: watch::Receiver<bool>,
}

impl Default for DriveOptions {
    fn default() -> Self {
        Self { wait: WaitPolicy::Return, sleep: SleepPolicy::Stay, observer: Observer::silent(), stop: watch::channel(false).1 }
    }
}
