//! How large a request may be.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::estimate::{TokenEstimate, estimate_input_tokens};
use crate::chat::{ChatRequest, RawRequest};

/// Limits of one request; none where absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SizeLimits {
    /// Bytes of the request's body.
    pub max_request_bytes: Option<u64>,
    /// Messages.
    pub max_messages: Option<u64>,
    /// Tools.
    pub max_tools: Option<u64>,
    /// Tokens that the model reads, as estimated before the call (`TokenEstimate::LIKELY`).
    pub max_input_tokens: Option<u64>,
    /// Tokens that the model may write. A call that names no limit of its own is refused, unless a parameter rule set one.
    pub max_output_tokens: Option<u64>,
}

/// A request that is too large.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooLarge {
    /// Something there is too much of.
    #[error("the request has {found} {what}, and {limit} are the most")]
    Exceeds {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        found: u64,
        /// How much there may be.
        limit: u64,
    },
    /// An answer without end.
    #[error("the request does not limit the answer, and {limit} tokens are the most")]
    Unlimited {
        /// How many there may be.
        limit: u64,
    },
}

impl TooLarge {
    /// A hint that tells a person what to do.
    pub fn hint(&self) -> String {
        match self {
            Self::Exceeds { .. } => "shorten the request, or raise the limit".into(),
            Self::Unlimited { limit } => format!("set max_tokens to at most {limit}"),
        }
    }
}

impl SizeLimits {
    /// Whether a request keeps to the limits.
    ///
    /// # Errors
    /// Names the first that it does not keep to.
    pub fn check(&self, raw: &RawRequest, request: &ChatRequest) -> Result<(), TooLarge> {
        let within = |what: &'static str, limit: Option<u64>, found: &dyn Fn() -> u64| match limit {
            Some(limit) => match found() {
                found if found > limit => Err(TooLarge::Exceeds { what, found, limit }),
                _ => Ok(()),
            },
            None => Ok(()),
        };
        let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        within("bytes", self.max_request_bytes, &|| serde_json::to_vec(&raw.content).map_or(u64::MAX, |body| count(body.len())))?;
        within("messages", self.max_messages, &|| count(request.messages.len()))?;
        within("tools", self.max_tools, &|| count(request.tools.len()))?;
        within("tokens", self.max_input_tokens, &|| estimate_input_tokens(request, TokenEstimate::LIKELY))?;
        match (self.max_output_tokens, request.params.max_tokens) {
            (Some(limit), None) => Err(TooLarge::Unlimited { limit }),
            (limit, Some(asked)) => within("tokens to write", limit, &|| asked),
            (None, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Message;
    use serde_json::json;

    fn check(limits: SizeLimits, max_tokens: Option<u64>) -> Result<(), TooLarge> {
        let mut request = ChatRequest::new("m", vec![Message::user("x".repeat(100)), Message::user("y")]);
        request.params.max_tokens = max_tokens;
        limits.check(&RawRequest::new(json!({ "messages": "x".repeat(100) })), &request)
    }

    #[test]
    fn each_limit_is_kept() {
        assert_eq!(check(SizeLimits::default(), None), Ok(()));
        let exceeds = |what, found, limit| Err(TooLarge::Exceeds { what, found, limit });
        assert_eq!(check(SizeLimits { max_request_bytes: Some(10), ..SizeLimits::default() }, None), exceeds("bytes", 115, 10));
        assert_eq!(check(SizeLimits { max_messages: Some(1), ..SizeLimits::default() }, None), exceeds("messages", 2, 1));
        assert_eq!(check(SizeLimits { max_input_tokens: Some(10), ..SizeLimits::default() }, None), exceeds("tokens", 58, 10));
        let output = SizeLimits { max_output_tokens: Some(50), ..SizeLimits::default() };
        assert_eq!(check(output, Some(50)), Ok(()));
        assert_eq!(check(output, Some(51)), exceeds("tokens to write", 51, 50));
        assert_eq!(check(output, None), Err(TooLarge::Unlimited { limit: 50 }));
    }
}
