//! Tokens of a call, counted the same way for all providers.

use serde::{Deserialize, Serialize};

use crate::chat::ChatResponse;

/// Tokens of one call. Absent means that the provider did not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCounts {
    /// All tokens read, those of the provider's prompt cache included.
    pub input: Option<u64>,
    /// All tokens written, thinking included.
    pub output: Option<u64>,
    /// Both.
    pub total: Option<u64>,
    /// Of the tokens read, those that came from the provider's prompt cache.
    pub cached_input: Option<u64>,
    /// Of the tokens read, those that were put into the provider's prompt cache.
    pub cache_write: Option<u64>,
    /// Of those, the ones that it keeps for longer than usual and charges more for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_cache_write: Option<u64>,
    /// Of the tokens written, those of thinking.
    pub reasoning: Option<u64>,
}

impl TokenCounts {
    /// So many read and written.
    pub fn of(input: u64, output: u64) -> Self {
        Self { input: Some(input), output: Some(output), total: Some(input.saturating_add(output)), ..Self::default() }
    }

    /// What a response says.
    pub fn from_response(response: &ChatResponse) -> Self {
        let Some(usage) = &response.usage else { return Self::default() };
        let input = response.input_tokens();
        let output = usage.completion_tokens;
        Self {
            input,
            output,
            total: input.zip(output).map(|(read, written)| read.saturating_add(written)).or(usage.total_tokens),
            cached_input: usage.cache_read_tokens,
            cache_write: usage.cache_write_tokens,
            long_cache_write: usage.long_cache_write_tokens,
            reasoning: usage.reasoning_tokens,
        }
    }

    /// All tokens, as reported or else added from what is known.
    pub fn total(&self) -> u64 {
        self.total.unwrap_or_else(|| self.input.unwrap_or(0).saturating_add(self.output.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{ApiSpecific, Usage};

    #[test]
    fn a12_anthropics_cached_tokens_are_part_of_the_input() {
        let usage = Usage {
            prompt_tokens: Some(10),
            completion_tokens: Some(2),
            total_tokens: Some(12),
            cache_read_tokens: Some(6),
            cache_write_tokens: Some(1),
            ..Usage::default()
        };
        let mut response = ChatResponse { usage: Some(usage), ..ChatResponse::default() };
        assert_eq!(TokenCounts::from_response(&response).input, Some(10));
        response.api_specific = serde_json::from_str(r#"{"api":"anthropic_messages"}"#).unwrap();
        assert!(matches!(response.api_specific, Some(ApiSpecific::AnthropicMessages { .. })));
        let counts = TokenCounts::from_response(&response);
        assert_eq!((counts.input, counts.total, counts.cached_input), (Some(17), Some(19), Some(6)));
    }
}
