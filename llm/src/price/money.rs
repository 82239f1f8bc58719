//! Money in billionths of a US dollar.

use std::fmt;
use std::iter::Sum;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const NANOS_PER_DOLLAR: u64 = 1_000_000_000;

/// An amount in billionths of a US dollar. Additions stop at the largest amount (18 billion dollars) and never wrap. Its JSON is a number of dollars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "f64", extend("minimum" = 0))]
pub struct NanoUsd(u64);

impl NanoUsd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(u64::MAX);

    /// So many billionths of a dollar.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// So many whole dollars.
    pub const fn from_dollars(dollars: u64) -> Self {
        Self(dollars.saturating_mul(NANOS_PER_DOLLAR))
    }

    /// Billionths of a dollar.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Dollars that were computed in floating point, rounded up to a whole nano-dollar. What is above a whole number by no more than the error of
    /// the computation is that number: $0.0028 are 2 800 000, not 2 800 001. Nothing for what is no amount (negative, infinite, not a number).
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the range is checked, and the tolerance is of the size of what is lost"
    )]
    pub fn from_dollars_rounded_up(dollars: f64) -> Option<Self> {
        if !dollars.is_finite() || dollars < 0.0 {
            return None;
        }
        let nanos = dollars * NANOS_PER_DOLLAR as f64;
        let nearest = nanos.round();
        let tolerance = (nearest.abs() * 4.0 * f64::EPSILON).max(1e-6);
        let whole = if (nanos - nearest).abs() <= tolerance { nearest } else { nanos.ceil() };
        (whole < u64::MAX as f64).then_some(Self(whole as u64))
    }

    /// Dollars, for showing and for JSON; exact to 15 digits.
    #[expect(clippy::cast_precision_loss, reason = "for reading; what is computed with is the integer")]
    pub fn as_dollars(self) -> f64 {
        self.0 as f64 / NANOS_PER_DOLLAR as f64
    }

    /// The sum, at most the largest amount.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left after taking `other`; nothing when it is more.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// What `count` tokens cost at this amount per million of them, rounded up.
    #[must_use]
    pub fn per_million(self, count: u64) -> Self {
        let total = u128::from(self.0).saturating_mul(u128::from(count)).div_ceil(1_000_000);
        Self(u64::try_from(total).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for NanoUsd {
    /// Dollars with as many decimals as it has, and at least two: `$0.0028`, `$1.50`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fraction = format!("{:09}", self.0 % NANOS_PER_DOLLAR);
        let significant = fraction.trim_end_matches('0').len().max(2);
        write!(f, "${}.{}", self.0 / NANOS_PER_DOLLAR, fraction.get(..significant).unwrap_or(&fraction))
    }
}

impl Sum for NanoUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::plus)
    }
}

impl Serialize for NanoUsd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_dollars())
    }
}

impl<'de> Deserialize<'de> for NanoUsd {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(deserializer)?;
        Self::from_dollars_rounded_up(dollars)
            .ok_or_else(|| serde::de::Error::custom("an amount of dollars is a number from 0 up"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_rounded_up_and_errors_of_computation_are_not() {
        let nanos = |dollars| NanoUsd::from_dollars_rounded_up(dollars).map(NanoUsd::as_nanos);
        assert_eq!(nanos(0.0028), Some(2_800_000));
        assert_eq!(nanos(1000.0 * 10.0 / 1e6 + 100.0 * 40.0 / 1e6), Some(14_000_000));
        assert_eq!(nanos(1.5e-9), Some(2));
        assert_eq!(nanos(1e-10), Some(1));
        assert_eq!(nanos(0.0), Some(0));
        for wrong in [-1.0, f64::NAN, f64::INFINITY, 1e12] {
            assert_eq!(nanos(wrong), None);
        }
    }

    #[test]
    fn amounts_are_shown_in_dollars() {
        let shown: Vec<_> =
            [0, 1, 2_800_000, 1_500_000_000, 2_000_000_000].iter().map(|nanos| NanoUsd(*nanos).to_string()).collect();
        assert_eq!(shown, ["$0.00", "$0.000000001", "$0.0028", "$1.50", "$2.00"]);
        assert_eq!(serde_json::to_string(&NanoUsd(2_800_000)).unwrap(), "0.0028");
    }

    proptest! {
        #[test]
        fn json_keeps_amounts(nanos in 0_u64..1_000_000_000_000_000) {
            let json = serde_json::to_string(&NanoUsd(nanos)).unwrap();
            prop_assert_eq!(serde_json::from_str::<NanoUsd>(&json).unwrap(), NanoUsd(nanos));
        }

        #[test]
        fn a_sum_of_calls_is_never_less_than_the_call_of_the_sum(rate in 0_u64..1_000_000_000_000, a in 0_u64..1_000_000, b in 0_u64..1_000_000) {
            let rate = NanoUsd(rate);
            prop_assert!(rate.per_million(a).plus(rate.per_million(b)) >= rate.per_million(a + b));
        }
    }
}
