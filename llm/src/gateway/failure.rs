//! Why a call gave no answer, in the words of its author.

use serde::Serialize;
use serde_json::Value;

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureOrigin {
    /// The author's, or whoever configured the models.
    User,
    /// The execution's surroundings.
    Runtime,
    /// A provider, or a store.
    Backend,
}

/// A call gave no answer. No text in it holds a credential.
#[derive(Clone, Debug, PartialEq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct CallFailure {
    /// What kind of failure it is: one of the constants of this type.
    pub kind: &'static str,
    /// What happened, for people.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Whose fault it is.
    pub origin: FailureOrigin,
    /// What a person can do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// More about it, for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
}

impl CallFailure {
    /// The request or the configuration of the models is wrong.
    pub const USAGE: &'static str = "usage";
    /// The model is not granted here.
    pub const CAPABILITY: &'static str = "capability";
    /// A guardrail rejected the call.
    pub const GUARDRAIL_REJECTED: &'static str = "guardrail-rejected";
    /// Middleware could not be had, or failed around the call.
    pub const MIDDLEWARE: &'static str = "middleware";
    /// No budget has room for the call.
    pub const BUDGET: &'static str = "budget";
    /// A rate limit is reached, here or at the provider.
    pub const RATE_LIMITED: &'static str = "rate-limited";
    /// There is no model and no key at all.
    pub const NOT_CONFIGURED: &'static str = "not-configured";
    /// There is no key for the model, or it is not accepted.
    pub const CREDENTIALS: &'static str = "credentials";
    /// The provider failed.
    pub const PROVIDER: &'static str = "provider";
    /// Somebody took too long.
    pub const TIMEOUT: &'static str = "timeout";
    /// The request or the answer is too large.
    pub const TOO_LARGE: &'static str = "too-large";
    /// The answer does not fit its schema.
    pub const SCHEMA: &'static str = "schema";
    /// The script of answers has none for the call.
    pub const MOCK: &'static str = "mock";
    /// The call was ended before its answer was complete.
    pub const CANCELLED: &'static str = "cancelled";

    /// A failure of this kind that no repetition helps.
    pub fn new(kind: &'static str, origin: FailureOrigin, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retryable: false, origin, hint: None, details: None }
    }

    /// A wrong request, or a wrong configuration of the models.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Self::USAGE, FailureOrigin::User, message)
    }

    /// The same with what a person can do about it.
    #[must_use]
    pub fn with_hint(self, hint: Option<impl Into<String>>) -> Self {
        Self { hint: hint.map(Into::into), ..self }
    }

    /// The same, and the same call may succeed later.
    #[must_use]
    pub fn retryable(self, retryable: bool) -> Self {
        Self { retryable, ..self }
    }

    /// The same with more about it.
    #[must_use]
    pub fn with_details(self, details: Value) -> Self {
        Self { details: Some(details), ..self }
    }
}
