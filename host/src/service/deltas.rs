//! What two executions, or a call in both, used more or less of models: the second's value less the first's.

use kitaru_llm::price::NanoUsd;
use kitaru_llm::usage::UsageSummary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tokens, the second's less the first's. Those of answers that were served or cached count as those of any other answer, so that a call that is
/// the same in both makes no difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenDelta {
    /// Tokens read.
    pub prompt_tokens: i64,
    /// Tokens written.
    pub completion_tokens: i64,
    /// Both.
    pub total_tokens: i64,
}

/// What one used less what another used.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct UsageDelta {
    /// None where neither called a model.
    pub(super) tokens: Option<TokenDelta>,
    /// In dollars, of what was spent: what was served or cached cost nothing. None where neither called a model, or nobody knows what one of their calls
    /// cost.
    pub(super) cost_usd: Option<f64>,
}

impl UsageDelta {
    /// `second` less `first`; none is a side that called no model.
    pub(super) fn between(first: Option<&UsageSummary>, second: Option<&UsageSummary>) -> Self {
        if first.is_none() && second.is_none() {
            return Self::default();
        }
        let nothing = UsageSummary::default();
        let (first, second) = (first.unwrap_or(&nothing), second.unwrap_or(&nothing));
        let less = |of: fn(&UsageSummary) -> u64| difference(of(first), of(second));
        let tokens = TokenDelta {
            prompt_tokens: less(|sum| sum.input_tokens),
            completion_tokens: less(|sum| sum.output_tokens),
            total_tokens: less(|sum| sum.total_tokens),
        };
        let is_known = first.records_without_cost_count == 0 && second.records_without_cost_count == 0;
        let cost_usd = is_known.then(|| dollars(first.display_cost_usd, second.display_cost_usd));
        Self { tokens: Some(tokens), cost_usd }
    }
}

fn difference(first: u64, second: u64) -> i64 {
    i64::try_from(i128::from(second) - i128::from(first)).unwrap_or(if second > first { i64::MAX } else { i64::MIN })
}

/// The difference is taken in whole billionths of a dollar, and only then made a number for JSON: equal amounts differ by zero.
fn dollars(first: NanoUsd, second: NanoUsd) -> f64 {
    let amount = NanoUsd::from_nanos(first.as_nanos().abs_diff(second.as_nanos())).as_dollars();
    if second < first { -amount } else { amount }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(input: u64, output: u64, nanos: u64, unknown: u64) -> UsageSummary {
        UsageSummary {
            input_tokens: input,
            output_tokens: output,
            total_tokens: input.saturating_add(output),
            display_cost_usd: NanoUsd::from_nanos(nanos),
            records_without_cost_count: unknown,
            ..UsageSummary::default()
        }
    }

    #[test]
    fn a_delta_is_the_second_less_the_first() {
        let (first, second) = (used(10, 5, 300, 0), used(4, 9, 100, 0));
        let delta = UsageDelta::between(Some(&first), Some(&second));
        assert_eq!(delta.tokens, Some(TokenDelta { prompt_tokens: -6, completion_tokens: 4, total_tokens: -2 }));
        assert_eq!(delta.cost_usd, Some(-0.000_000_2));
        let back = UsageDelta::between(Some(&second), Some(&first));
        assert_eq!((back.tokens.map(|tokens| tokens.total_tokens), back.cost_usd), (Some(2), Some(0.000_000_2)));
        assert_eq!(UsageDelta::between(Some(&first), Some(&first)).cost_usd, Some(0.0));
    }

    #[test]
    fn whoever_called_no_model_used_nothing_and_a_cost_that_nobody_knows_has_no_delta() {
        assert_eq!(UsageDelta::between(None, None), UsageDelta::default());
        let first = used(10, 5, 300, 0);
        let delta = UsageDelta::between(Some(&first), None);
        assert_eq!((delta.tokens.map(|tokens| tokens.total_tokens), delta.cost_usd), (Some(-15), Some(-0.000_000_3)));
        let unknown = UsageDelta::between(Some(&first), Some(&used(1, 1, 0, 1)));
        assert_eq!((unknown.tokens.map(|tokens| tokens.total_tokens), unknown.cost_usd), (Some(-13), None));
        let most = UsageDelta::between(Some(&used(u64::MAX, 0, 0, 0)), None);
        assert_eq!(most.tokens.map(|tokens| tokens.prompt_tokens), Some(i64::MIN));
    }
}
