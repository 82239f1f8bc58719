//! Failed log-ins: after a few, whoever tries again has to wait, twice as long each time.
//!
//! Nobody guesses 32 random bytes; this keeps guessing from costing anything. So those who logged in a while ago are not kept out by what others do
//! elsewhere.

use std::collections::HashMap;
use std::time::Duration;

use super::Source;
use crate::clock::Timestamp;

/// How many sources are known at a time.
const MOST_SOURCES: usize = 4096;
/// Failures of one source that cost nothing.
const FREE: u32 = 5;
/// The longest that one source waits.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Failures of all sources together that cost nothing. From then on each so many double the wait.
const FREE_IN_TOTAL: u32 = 100;
/// The longest that all wait whom nobody knows.
const LONGEST_IN_TOTAL: Duration = Duration::from_secs(32);
/// After so long without a failure all is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);
/// For so long a source is known that logged in.
const KNOWN: Duration = Duration::from_secs(24 * 60 * 60);

/// Who failed how often.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    failed: HashMap<Source, Failures>,
    total: Failures,
    known: HashMap<Source, Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Timestamp,
    /// Nobody is let in before.
    until: Timestamp,
}

impl Default for Failures {
    fn default() -> Self {
        Self { count: 0, last: Timestamp::from_micros(0), until: Timestamp::from_micros(0) }
    }
}

impl Failures {
    fn wait(&self, now: Timestamp) -> Option<Duration> {
        // A clock that was set back lets nobody wait until it is there again.
        Some(self.until.since(now)).filter(|wait| now >= self.last && !wait.is_zero())
    }

    /// One more, after which the wait is `pause` of the count.
    fn add(&mut self, now: Timestamp, pause: impl FnOnce(u32) -> Duration) {
        if now.since(self.last) >= FORGOTTEN {
            *self = Self::default();
        }
        self.count = self.count.saturating_add(1);
        (self.last, self.until) = (now, now.after(pause(self.count)));
    }
}

/// `2^doublings` seconds, and at most `longest`.
fn doubled(doublings: u32, longest: Duration) -> Duration {
    Duration::from_secs(2_u64.saturating_pow(doublings)).min(longest)
}

impl Throttle {
    /// Whether a source may try now; how long it has to wait otherwise.
    pub(super) fn admit(&self, source: Source, now: Timestamp) -> Result<(), Duration> {
        let network = source.network();
        let own = self.failed.get(&network).and_then(|failures| failures.wait(now));
        let is_known = self.known.get(&network).is_some_and(|at| now.since(*at) < KNOWN);
        let of_all = self.total.wait(now).filter(|_| !is_known);
        own.max(of_all).map_or(Ok(()), Err)
    }

    /// Notes that a source failed.
    pub(super) fn failed(&mut self, source: Source, now: Timestamp) {
        let network = source.network();
        make_room(&mut self.failed, &network, |failures| failures.last);
        let pause = |count: u32| match count.checked_sub(FREE + 1) {
            Some(doublings) => doubled(doublings, LONGEST),
            None => Duration::ZERO,
        };
        self.failed.entry(network).or_default().add(now, pause);
        self.total.add(now, |count| match count.checked_sub(FREE_IN_TOTAL + 1) {
            Some(more) => doubled(more / FREE_IN_TOTAL, LONGEST_IN_TOTAL),
            None => Duration::ZERO,
        });
    }

    /// Notes that a source got in.
    pub(super) fn succeeded(&mut self, source: Source, now: Timestamp) {
        let network = source.network();
        self.failed.remove(&network);
        make_room(&mut self.known, &network, |at| *at);
        self.known.insert(network, now);
    }
}

/// Sees to it that there is room for `key`: what was touched longest ago goes.
fn make_room<T>(map: &mut HashMap<Source, T>, key: &Source, touched: impl Fn(&T) -> Timestamp) {
    if map.len() < MOST_SOURCES || map.contains_key(key) {
        return;
    }
    if let Some(oldest) = map.iter().min_by_key(|(_, value)| touched(value)).map(|(key, _)| *key) {
        map.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn source(number: u32) -> Source {
        Source::at(Ipv4Addr::from_bits(0x0A00_0000 + number).into())
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).after(Duration::from_secs(seconds))
    }

    #[test]
    fn after_a_few_failures_each_wait_is_twice_the_one_before() {
        let (mut throttle, mut now, mut waits) = (Throttle::default(), at(0), Vec::new());
        for _ in 0..18 {
            throttle.failed(source(1), now);
            let wait = throttle.admit(source(1), now).err().unwrap_or_default();
            waits.push(wait.as_secs());
            now = now.after(wait);
            assert_eq!(throttle.admit(source(1), now), Ok(()), "afterwards one may try");
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(throttle.admit(source(2), at(0)), Ok(()), "others need not wait");
    }

    #[test]
    fn success_and_time_forgive() {
        let mut throttle = Throttle::default();
        for _ in 0..6 {
            throttle.failed(source(1), at(0));
        }
        throttle.succeeded(source(1), at(0));
        assert_eq!(throttle.admit(source(1), at(0)), Ok(()));
        for _ in 0..6 {
            throttle.failed(source(2), at(0));
        }
        throttle.failed(source(2), at(3600));
        assert_eq!(throttle.admit(source(2), at(3600)), Ok(()), "the first after an hour");
    }

    #[test]
    fn failures_of_all_together_keep_those_out_whom_nobody_knows() {
        let mut throttle = Throttle::default();
        throttle.succeeded(source(1), at(0));
        for number in 0..101 {
            throttle.failed(source(1_000 + number), at(0));
        }
        assert_eq!(throttle.admit(source(2), at(0)), Err(Duration::from_secs(1)));
        assert_eq!(throttle.admit(source(1), at(0)), Ok(()));
        for number in 0..1_000 {
            throttle.failed(source(5_000 + number), at(0));
        }
        assert_eq!(throttle.admit(source(2), at(0)), Err(LONGEST_IN_TOTAL), "and never for long");
    }

    #[test]
    fn its_memory_is_bounded() {
        let mut throttle = Throttle::default();
        let all = 4_096 + 64;
        for number in 0..all {
            throttle.failed(source(number), at(u64::from(number)));
            throttle.succeeded(source(100_000 + number), at(u64::from(number)));
        }
        assert_eq!((throttle.failed.len(), throttle.known.len()), (MOST_SOURCES, MOST_SOURCES));
        assert!(throttle.failed.contains_key(&source(all - 1)) && !throttle.failed.contains_key(&source(0)));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_out() {
        let mut throttle = Throttle::default();
        for _ in 0..30 {
            throttle.failed(source(1), at(10_000));
        }
        assert!(throttle.admit(source(1), at(10_000)).is_err());
        assert_eq!(throttle.admit(source(1), at(0)), Ok(()));
    }
}
