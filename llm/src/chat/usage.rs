//! What a call consumed, as its provider counted.

use serde::{Deserialize, Serialize};

/// Tokens, and the cost where the provider says it. Absent means that the provider did not say, and never zero.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read. Whether tokens of the provider's prompt cache are among them depends on the provider; see
    /// [`ChatResponse::input_tokens`](super::ChatResponse::input_tokens).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u64>,
    /// Tokens written, thinking included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_tokens: Option<u64>,
    /// Both, as reported or else added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
    /// Tokens that came from the provider's prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// Tokens that were put into the provider's prompt cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Of those, the tokens that the provider keeps for longer than usual (an hour, at Anthropic) and charges more for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_cache_write_tokens: Option<u64>,
    /// Tokens of thinking, among the written ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// What the provider says that the call cost, in billionths of a US dollar, rounded up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_cost_nanodollars: Option<u64>,
}

impl Usage {
    /// Whether nothing was reported.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
