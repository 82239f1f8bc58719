//! When a failed attempt is followed by another: which failures are worth it, and after what pause.

use std::time::Duration;

use crate::journal::Failure;
use crate::sandbox::CheckpointOptions;

/// The pause before the first retry, where the checkpoint names none.
const FIRST: f64 = 100.0;
/// By what each further pause is longer.
const FACTOR: f64 = 2.0;
/// The longest pause: a minute.
const LONGEST: f64 = 60_000.0;
/// The random part of a pause: enough that many who failed together do not try again together.
const JITTER: f64 = 0.2;

/// Whether another attempt follows `failure`, after `failed` failed ones before it.
pub(super) fn is_due(options: &CheckpointOptions, failure: &Failure, failed: u32) -> bool {
    let wanted = options.retry_on.is_empty() || options.retry_on.contains(&failure.kind);
    let refused = options.no_retry_on.contains(&failure.kind);
    failure.retryable && wanted && !refused && failed < options.retries
}

/// The pause before the next attempt, after `failed` failed ones before the present. `random` is from 0 to 1.
pub(super) fn pause(options: &CheckpointOptions, failed: u32, random: f64) -> Duration {
    let milliseconds = |given: Option<u64>, default: f64| given.map_or(default, |given| given as f64);
    let longest = milliseconds(options.max_delay_ms, LONGEST.max(milliseconds(options.retry_delay_ms, 0.0)));
    let factor = options.backoff.unwrap_or(FACTOR).powi(i32::try_from(failed).unwrap_or(i32::MAX));
    let whole = (milliseconds(options.retry_delay_ms, FIRST) * factor).min(longest);
    // The random part shortens: a maximum is a maximum.
    let jitter = options.jitter.unwrap_or(JITTER) * random.clamp(0.0, 1.0);
    Duration::try_from_secs_f64(whole * (1.0 - jitter) / 1_000.0).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pauses_grow_to_their_maximum() {
        let options = CheckpointOptions {
            retry_delay_ms: Some(100),
            backoff: Some(3.0),
            max_delay_ms: Some(1_000),
            jitter: Some(0.0),
            ..CheckpointOptions::default()
        };
        let pauses: Vec<u128> = (0..5).map(|failed| pause(&options, failed, 0.5).as_millis()).collect();
        assert_eq!(pauses, [100, 300, 900, 1_000, 1_000]);
        assert_eq!(pause(&options, u32::MAX, 0.5).as_millis(), 1_000);
    }

    #[test]
    fn kinds_decide() {
        let failure = |kind: &str| Failure::user(kind, "no").retryable();
        let options = |on: &[&str], not: &[&str]| CheckpointOptions {
            retries: 2,
            retry_on: on.iter().map(ToString::to_string).collect(),
            no_retry_on: not.iter().map(ToString::to_string).collect(),
            ..CheckpointOptions::default()
        };
        assert!(is_due(&options(&[], &[]), &failure("busy"), 1) && !is_due(&options(&[], &[]), &failure("busy"), 2));
        assert!(is_due(&options(&["busy"], &[]), &failure("busy"), 0) && !is_due(&options(&["busy"], &[]), &failure("x"), 0));
        assert!(!is_due(&options(&[], &["busy"]), &failure("busy"), 0));
        assert!(!is_due(&options(&[], &[]), &Failure::user("busy", "final"), 0));
    }

    proptest! {
        #[test]
        fn no_pause_is_longer_than_the_maximum(
            delay in 0_u64..10_000_000, max in 0_u64..10_000_000, backoff in 1.0..100.0_f64, jitter in 0.0..1.0_f64,
            failed in any::<u32>(), random in 0.0..1.0_f64,
        ) {
            let options = CheckpointOptions {
                retry_delay_ms: Some(delay), max_delay_ms: Some(max), backoff: Some(backoff), jitter: Some(jitter),
                ..CheckpointOptions::default()
            };
            prop_assert!(pause(&options, failed, random) <= Duration::from_millis(max));
        }
    }
}
