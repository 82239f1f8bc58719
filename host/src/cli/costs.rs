//! What model calls cost, as people read it.

use kitaru_llm::price::NanoUsd;
use kitaru_llm::usage::UsageSummary;

/// The cost. What nobody knows is said as that.
pub(super) fn cost(summary: &UsageSummary) -> String {
    match (summary.known_cost(), summary.records_without_cost_count) {
        (Some(known), 0) => known.to_string(),
        (Some(known), unknown) => format!("{known}, and {unknown} unknown"),
        (None, _) => "unknown".into(),
    }
}

/// All of it in one line.
pub(super) fn line(summary: &UsageSummary) -> String {
    let tokens = match summary.incurred_total_tokens {
        0 => String::new(),
        1 => "; 1 token".into(),
        tokens => format!("; {tokens} tokens"),
    };
    let saved = match summary.saved_cost_usd {
        NanoUsd::ZERO => String::new(),
        saved => format!("; saved {saved}"),
    };
    format!("{}{tokens}{saved}", cost(summary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_told_in_a_line() {
        let known = UsageSummary {
            incurred_total_tokens: 36,
            display_cost_usd: NanoUsd::from_nanos(11_700),
            saved_cost_usd: NanoUsd::from_nanos(5_850),
            ..UsageSummary::default()
        };
        assert_eq!(line(&known), "$0.0000117; 36 tokens; saved $0.00000585");
        let partly = UsageSummary { records_without_cost_count: 2, saved_cost_usd: NanoUsd::ZERO, ..known };
        assert_eq!(line(&partly), "$0.0000117, and 2 unknown; 36 tokens");
        assert_eq!(line(&UsageSummary { records_without_cost_count: 1, ..UsageSummary::default() }), "unknown");
        assert_eq!(line(&UsageSummary::default()), "$0.00");
    }
}
