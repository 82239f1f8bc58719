//! When to try again: soon, then less and less often, and never all clients at the same moment.

use std::time::Duration;

use crate::ids::{Ids as _, SystemIds};

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);

/// Pauses between tries.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The pause before the next try, at least as long as `asked`.
    pub(super) fn pause(&mut self, asked: Option<Duration>) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        let [a, b, ..] = SystemIds.seed();
        // From half of it to all of it.
        let part = f64::from(u16::from_le_bytes([a, b])) / f64::from(u16::MAX);
        let pause = whole.mul_f64(0.5 + part / 2.0);
        pause + asked.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_respect_what_was_asked() {
        let mut backoff = Backoff::new();
        let pauses: Vec<Duration> = (0..20).map(|_| backoff.pause(None)).collect();
        assert!(pauses[0] >= FIRST / 2 && pauses[0] <= FIRST);
        assert!(pauses.iter().all(|pause| *pause <= LONGEST) && pauses[19] >= LONGEST / 2);
        assert!(Backoff::new().pause(Some(Duration::from_secs(9))) > Duration::from_secs(9));
    }
}
