//! What can be wrong with a request, a response or a stream.

use serde_json::Value;

use super::ProviderError;

/// Why a codec refused. Messages name places and never quote content.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CodecError {
    /// The request is not one of this protocol; the caller has to change it.
    #[error("request: `{path}` is not {expected}")]
    InvalidRequest {
        /// The place, such as `messages[2].role`.
        path: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// This protocol cannot say what the request asks; another provider may.
    #[error("request: {api} has no way to say {feature}")]
    Unsupported {
        /// The protocol's name.
        api: &'static str,
        /// What it has no word for.
        feature: &'static str,
    },
    /// The response is not one of this protocol; the provider, or what stands before it, is at fault.
    #[error("response: `{path}` is not {expected}")]
    InvalidResponse {
        /// The place, such as `choices`.
        path: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// The provider reported a failure where a response, or the next chunk of one, belongs.
    #[error("the provider failed: {0}")]
    Provider(Box<ProviderError>),
}

impl CodecError {
    /// The failure that `value`, a response or a chunk with a status of success, reports after all.
    pub(super) fn reported_in(value: &Value) -> Option<Self> {
        ProviderError::reported_in(value).map(|error| Self::Provider(Box::new(error)))
    }

    /// The request has at `path` what is not `expected`.
    pub fn request(path: impl Into<String>, expected: &'static str) -> Self {
        Self::InvalidRequest { path: path.into(), expected }
    }

    /// The response has at `path` what is not `expected`.
    pub fn response(path: impl Into<String>, expected: &'static str) -> Self {
        Self::InvalidResponse { path: path.into(), expected }
    }
}
