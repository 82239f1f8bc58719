//! How many calls and tokens in how much time.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mutex::lock;

/// So much in so much time. All of it may be used at once; it comes back evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// How much.
    pub amount: u64,
    /// In so many seconds.
    pub per_seconds: u64,
}

/// Limits of one key: one model, one alias, one host, as the caller chooses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    /// Calls.
    pub calls: Option<Quota>,
    /// Tokens, read and written.
    pub tokens: Option<Quota>,
    /// So many seconds a call waits for its turn at most. With 0 what cannot go at once is refused.
    pub max_wait_seconds: u64,
}

/// A call that may not be made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateLimited {
    /// Later it may.
    #[error("the rate limit is reached; the call may be made in {retry_after:?}")]
    Later {
        /// When it may, if no other call is quicker.
        retry_after: Duration,
    },
    /// It needs more than there ever is.
    #[error("the call needs {needed} tokens, and the rate limit gives {limit}")]
    Never {
        /// What it needs.
        needed: u64,
        /// What there is at most.
        limit: u64,
    },
}

/// Lets calls pass at a limited rate. In memory: each host keeps to the limits for itself.
#[derive(Debug)]
pub struct RateLimiter {
    limits: RateLimits,
    lanes: Mutex<HashMap<String, Lane>>,
}

/// When each quota is whole again, in nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    calls: u128,
    tokens: u128,
}

impl Quota {
    /// The time in which `count` come back.
    fn span(self, count: u64) -> u128 {
        // In no time at all nothing would ever be limited.
        let period = u128::from(self.per_seconds.max(1)).saturating_mul(1_000_000_000);
        period.saturating_mul(u128::from(count)).div_ceil(u128::from(self.amount.max(1)))
    }

    /// When the quota is whole again if `count` are taken at `now`, and how long that has to wait.
    fn take(self, whole_at: u128, count: u64, now: u128) -> (u128, u128) {
        let after = whole_at.max(now).saturating_add(self.span(count));
        (after, after.saturating_sub(self.span(self.amount)).saturating_sub(now))
    }
}

impl RateLimiter {
    /// A limiter with all quotas whole.
    pub fn new(limits: RateLimits) -> Self {
        Self { limits, lanes: Mutex::default() }
    }

    /// Lets a call of about `tokens` tokens pass, after the time that it answers: the caller waits so long. Calls pass in the order in which they ask.
    ///
    /// # Errors
    /// When it would have to wait longer than calls may, or for ever. It takes nothing from the quotas then.
    pub fn admit(&self, key: &str, tokens: u64, now: SystemTime) -> Result<Duration, RateLimited> {
        for (quota, needed) in [(self.limits.calls, 1), (self.limits.tokens, tokens)] {
            if let Some(quota) = quota
                && needed > quota.amount
            {
                return Err(RateLimited::Never { needed, limit: quota.amount });
            }
        }
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mut lanes = lock(&self.lanes);
        // A lane whose quotas are whole says nothing.
        if lanes.len() >= 1024 {
            lanes.retain(|_, lane| lane.calls.max(lane.tokens) > now);
        }
        let lane = lanes.get(key).copied().unwrap_or_default();
        let (calls, calls_wait) = self.limits.calls.map_or((0, 0), |quota| quota.take(lane.calls, 1, now));
        let (used, tokens_wait) = self.limits.tokens.map_or((0, 0), |quota| quota.take(lane.tokens, tokens, now));
        let wait = Duration::from_nanos(u64::try_from(calls_wait.max(tokens_wait)).unwrap_or(u64::MAX));
        if wait > Duration::from_secs(self.limits.max_wait_seconds) {
            return Err(RateLimited::Later { retry_after: wait });
        }
        lanes.insert(key.to_owned(), Lane { calls, tokens: used });
        Ok(wait)
    }

    /// Gives back what [`admit`](Self::admit) took for a call that was given up while it waited: later ones need not wait for it.
    pub fn give_back(&self, key: &str, tokens: u64) {
        let mut lanes = lock(&self.lanes);
        if let Some(lane) = lanes.get_mut(key) {
            let less = |at: u128, quota: Option<Quota>, count| quota.map_or(at, |quota| at.saturating_sub(quota.span(count)));
            lane.calls = less(lane.calls, self.limits.calls, 1);
            lane.tokens = less(lane.tokens, self.limits.tokens, tokens);
        }
    }

    /// Corrects what a call took by what it did use, in tokens.
    pub fn correct(&self, key: &str, estimated: u64, used: u64) {
        let Some(quota) = self.limits.tokens else { return };
        let mut lanes = lock(&self.lanes);
        if let Some(lane) = lanes.get_mut(key) {
            lane.tokens = lane.tokens.saturating_sub(quota.span(estimated)).saturating_add(quota.span(used));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_000_000 + millis)
    }

    fn limiter(calls: u64, tokens: u64, max_wait_seconds: u64) -> RateLimiter {
        let quota = |amount| Some(Quota { amount, per_seconds: 10 });
        RateLimiter::new(RateLimits { calls: quota(calls), tokens: quota(tokens), max_wait_seconds })
    }

    #[test]
    fn a_burst_passes_and_then_an_even_rate() {
        let limiter = limiter(2, 1000, 0);
        assert_eq!(limiter.admit("m", 1, at(0)), Ok(Duration::ZERO));
        assert_eq!(limiter.admit("m", 1, at(0)), Ok(Duration::ZERO));
        assert_eq!(limiter.admit("m", 1, at(1000)), Err(RateLimited::Later { retry_after: Duration::from_secs(4) }));
        assert_eq!(limiter.admit("other", 1, at(1000)), Ok(Duration::ZERO));
        assert_eq!(limiter.admit("m", 1, at(5000)), Ok(Duration::ZERO));
    }

    #[test]
    fn calls_wait_in_order_as_long_as_they_may() {
        let limiter = limiter(1, 1000, 25);
        let waits: Vec<_> = (0..3).map(|_| limiter.admit("m", 1, at(0)).unwrap().as_secs()).collect();
        assert_eq!(waits, [0, 10, 20]);
        assert_eq!(limiter.admit("m", 1, at(0)), Err(RateLimited::Later { retry_after: Duration::from_secs(30) }));
    }

    #[test]
    fn a_call_that_was_given_up_takes_no_turn() {
        let limiter = limiter(1, 1000, 10);
        let secs = |wait: Result<Duration, RateLimited>| wait.unwrap().as_secs();
        assert_eq!([secs(limiter.admit("m", 1, at(0))), secs(limiter.admit("m", 1, at(0)))], [0, 10]);
        assert!(limiter.admit("m", 1, at(0)).is_err());
        limiter.give_back("m", 1);
        assert_eq!(secs(limiter.admit("m", 1, at(0))), 10);
        let senseless =
            RateLimiter::new(RateLimits { calls: Some(Quota { amount: 1, per_seconds: 0 }), ..RateLimits::default() });
        assert!(senseless.admit("m", 1, at(0)).is_ok() && senseless.admit("m", 1, at(0)).is_err());
    }

    #[test]
    fn tokens_are_corrected_afterwards() {
        let limiter = limiter(100, 1000, 0);
        assert!(limiter.admit("m", 1000, at(0)).is_ok());
        assert!(limiter.admit("m", 500, at(0)).is_err());
        limiter.correct("m", 1000, 300);
        assert!(limiter.admit("m", 500, at(0)).is_ok());
        assert_eq!(limiter.admit("m", 1001, at(0)), Err(RateLimited::Never { needed: 1001, limit: 1000 }));
    }

    proptest! {
        #[test]
        fn in_no_period_more_than_twice_the_quota_passes(gaps in prop::collection::vec(0_u64..3000, 1..60)) {
            let limiter = limiter(3, 1_000_000, 0);
            let (mut now, mut passed) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                if limiter.admit("m", 1, at(now)).is_ok() {
                    passed.push(now);
                }
            }
            for start in &passed {
                let within = passed.iter().filter(|moment| (*start..start + 10_000).contains(*moment)).count();
                prop_assert!(within <= 6, "{within}");
            }
        }
    }
}
