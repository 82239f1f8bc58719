//! How often a caller may ask: a bucket for each, which fills up steadily.

use std::collections::HashMap;
use std::time::Duration;

use super::{AccessError, Caller, Via, Who};
use crate::clock::Timestamp;

/// Requests of one caller at once, in seconds of what it may make for long: a page that opens asks for many things at a time.
const AT_ONCE_SECONDS: f64 = 3.0;
/// How many callers are known at a time. Whoever is forgotten begins with a full bucket.
const MOST_CALLERS: usize = 4096;

/// How often one caller may ask.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rate {
    per_second: f64,
    at_once: f64,
}

impl Rate {
    fn of(per_second: u32) -> Self {
        // One that may never ask would be no limit, but an end.
        let per_second = f64::from(per_second.max(1));
        Self { per_second, at_once: per_second * AT_ONCE_SECONDS }
    }
}

/// Buckets by caller.
#[derive(Debug)]
pub(super) struct Rates {
    rate: Rate,
    buckets: HashMap<String, Bucket>,
}

impl Default for Rates {
    fn default() -> Self {
        Self { rate: Rate::of(Self::PER_SECOND), buckets: HashMap::new() }
    }
}

/// What is left for one, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    left: f64,
    at: Timestamp,
}

impl Bucket {
    /// A full one.
    pub(super) fn full(size: f64, now: Timestamp) -> Self {
        Self { left: size, at: now }
    }

    /// Takes one out, if there is one. Otherwise how long it takes until there is.
    pub(super) fn take(&mut self, size: f64, per_second: f64, now: Timestamp) -> Result<(), Duration> {
        // A clock that is set back fills nothing up, and takes nothing away.
        self.left = size.min(self.left + now.since(self.at).as_secs_f64() * per_second);
        self.at = now;
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - self.left) / per_second))
    }
}

impl Rates {
    /// Requests of one caller per second, for long, where nobody says otherwise.
    const PER_SECOND: u32 = 100;

    /// From now on each caller may make so many requests per second, for long.
    pub(super) fn set(&mut self, per_second: u32) {
        self.rate = Rate::of(per_second);
    }

    /// Counts a request.
    pub(super) fn admit(&mut self, caller: &Caller, now: Timestamp) -> Result<(), AccessError> {
        let Some(name) = of(caller) else { return Ok(()) };
        let (Rate { per_second, at_once }, buckets) = (self.rate, &mut self.buckets);
        if buckets.len() >= MOST_CALLERS && !buckets.contains_key(&name) {
            // Whoever has not asked for longest has the fullest bucket.
            let idle = buckets.iter().min_by_key(|(_, bucket)| bucket.at).map(|(name, _)| name.clone());
            idle.map(|name| buckets.remove(&name));
        }
        let bucket = buckets.entry(name).or_insert_with(|| Bucket::full(at_once, now));
        let taken = bucket.take(at_once, per_second, now);
        taken.map_err(|retry_after| AccessError::TooMany { what: "requests", retry_after })
    }
}

/// Whose bucket it is: all that rests on one key takes from the same. None for whoever has the data folder anyway.
fn of(caller: &Caller) -> Option<String> {
    match (&caller.via, &caller.who) {
        (Via::DataFolder, _) => None,
        (Via::AnswerLink(wait), _) => Some(format!("link {wait}")),
        (_, Who::Owner) => Some(Who::OWNER.to_owned()),
        (_, Who::Account { key, .. }) => Some(format!("key {key}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Credential, Role, Scope};
    use crate::ids::{ApiKeyId, Ids as _, SystemIds};

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_micros(1_700_000_000_000_000).after(Duration::from_millis(millis))
    }

    fn caller(key: u64) -> Caller {
        let key = ApiKeyId::from_bytes(key.to_be_bytes());
        let who = Who::Account { id: SystemIds.account(), name: "ci".into(), key };
        Caller { who, role: Role::Viewer, scope: Scope::ALL, via: Via::ApiKey(key) }
    }

    fn admitted(rates: &mut Rates, caller: &Caller, now: Timestamp) -> usize {
        (0..1_000).take_while(|_| rates.admit(caller, now).is_ok()).count()
    }

    #[test]
    fn many_at_once_and_then_steadily() {
        let (mut rates, ci) = (Rates::default(), caller(1));
        assert_eq!(admitted(&mut rates, &ci, at(0)), 300);
        let Err(AccessError::TooMany { retry_after, .. }) = rates.admit(&ci, at(0)) else { panic!("admitted") };
        assert_eq!(retry_after, Duration::from_millis(10));
        assert_eq!(admitted(&mut rates, &ci, at(1_000)), 100);
        assert_eq!(admitted(&mut rates, &ci, at(500)), 0, "a clock that is set back gives nothing");
        assert_eq!(admitted(&mut rates, &ci, at(3_600_000)), 300, "and no more than are possible at once");
    }

    #[test]
    fn how_often_is_for_the_configuration_to_say() {
        let (mut rates, ci) = (Rates::default(), caller(1));
        rates.set(2);
        assert_eq!((admitted(&mut rates, &ci, at(0)), admitted(&mut rates, &ci, at(1_000))), (6, 2));
        let Err(AccessError::TooMany { retry_after, .. }) = rates.admit(&ci, at(1_000)) else { panic!("admitted") };
        assert_eq!(retry_after, Duration::from_millis(500));
        rates.set(0);
        assert_eq!(admitted(&mut rates, &ci, at(3_600_000)), 3, "nobody is kept out for good");
    }

    #[test]
    fn what_rests_on_one_key_counts_together() {
        let (mut rates, ci) = (Rates::default(), caller(1));
        let key = ci.who.key().unwrap();
        let token = Caller { via: Via::Token { of: Credential::ApiKey(key), expires_at: at(9) }, ..ci.clone() };
        assert_eq!(admitted(&mut rates, &token, at(0)), 300);
        assert_eq!(admitted(&mut rates, &ci, at(0)), 0);
        assert_eq!(admitted(&mut rates, &caller(2), at(0)), 300, "others have their own");
        assert_eq!(admitted(&mut rates, &Caller::owner(), at(0)), 1_000, "whoever has the data folder needs no leave");
    }

    #[test]
    fn its_memory_is_bounded() {
        let mut rates = Rates::default();
        for key in 0..5_000 {
            rates.admit(&caller(key), at(key)).unwrap();
        }
        assert_eq!(rates.buckets.len(), MOST_CALLERS);
    }
}
