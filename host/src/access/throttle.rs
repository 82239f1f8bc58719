//! Failed log-ins: after a few from one place, further ones are told to wait, twice as long each time.
//!
//! Nobody guesses 32 random bytes; this tells guessing from asking, and keeps it out of the record. What is right is looked at first and let in
//! whatever others do at the same address, so that nobody is kept out by a stranger behind the same proxy.

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
/// After so long without a failure all is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);

/// Who failed how often.
#[derive(Debug, Default)]
pub(super) struct Throttle(HashMap<Source, Failures>);

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    last: Timestamp,
    /// What fails before is no further try.
    until: Timestamp,
}

impl Throttle {
    /// Counts that a source failed; how long it has to wait, where it does not wait already.
    pub(super) fn failed(&mut self, source: Source, now: Timestamp) -> Result<(), Duration> {
        let network = source.network();
        make_room(&mut self.0, &network);
        let failures = self.0.entry(network).or_insert(Failures { count: 0, last: now, until: now });
        let wait = failures.until.since(now);
        // A clock that was set back lets nobody wait until it is there again.
        if now >= failures.last && !wait.is_zero() {
            return Err(wait);
        }
        if now.since(failures.last) >= FORGOTTEN {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        let pause = match failures.count.checked_sub(FREE + 1) {
            Some(doublings) => Duration::from_secs(2_u64.saturating_pow(doublings)).min(LONGEST),
            None => Duration::ZERO,
        };
        (failures.last, failures.until) = (now, now.after(pause));
        Ok(())
    }
}

/// Sees to it that there is room for `key`: who failed longest ago goes.
fn make_room(map: &mut HashMap<Source, Failures>, key: &Source) {
    if map.len() < MOST_SOURCES || map.contains_key(key) {
        return;
    }
    if let Some(oldest) = map.iter().min_by_key(|(_, failures)| failures.last).map(|(key, _)| *key) {
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

    /// How long the next failure of a source has to wait; failures that wait are not counted, so asking changes nothing.
    fn wait(throttle: &mut Throttle, number: u32, now: Timestamp) -> u64 {
        throttle.0.get(&source(number)).map_or(0, |failures| failures.until.since(now).as_secs())
    }

    #[test]
    fn after_a_few_failures_each_wait_is_twice_the_one_before() {
        let (mut throttle, mut now, mut waits) = (Throttle::default(), at(0), Vec::new());
        for _ in 0..18 {
            assert_eq!(throttle.failed(source(1), now), Ok(()), "one may try again");
            let pause = wait(&mut throttle, 1, now);
            if pause > 0 {
                assert_eq!(throttle.failed(source(1), now), Err(Duration::from_secs(pause)), "too early");
            }
            waits.push(pause);
            now = now.after(Duration::from_secs(pause));
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]);
        assert_eq!(throttle.failed(source(2), at(0)), Ok(()), "others need not wait");
    }

    #[test]
    fn time_forgives() {
        let mut throttle = Throttle::default();
        for _ in 0..6 {
            let _ = throttle.failed(source(2), at(0));
        }
        assert!(throttle.failed(source(2), at(0)).is_err());
        for _ in 0..5 {
            assert_eq!(throttle.failed(source(2), at(3600)), Ok(()), "as the first ones, after an hour");
        }
    }

    #[test]
    fn its_memory_is_bounded() {
        let mut throttle = Throttle::default();
        let all = 4_096 + 64;
        for number in 0..all {
            let _ = throttle.failed(source(number), at(u64::from(number)));
        }
        assert_eq!(throttle.0.len(), MOST_SOURCES);
        assert!(throttle.0.contains_key(&source(all - 1)) && !throttle.0.contains_key(&source(0)));
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_out() {
        let mut throttle = Throttle::default();
        for second in 0..30 {
            let _ = throttle.failed(source(1), at(10_000 + second));
        }
        assert!(throttle.failed(source(1), at(10_029)).is_err());
        assert_eq!(throttle.failed(source(1), at(0)), Ok(()));
    }
}
