//! Failures as they are journaled and as guests see them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a failure came from, told by structure and never by searching text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The author's code returned an error or panicked.
    UserCode,
    /// The host could not run it: a limit, a missing grant, a value that does not serialise.
    Runtime,
    /// A store, a provider or the network failed.
    Backend,
    /// The code no longer makes the durable calls that its journal records (E2).
    Divergence,
    /// None of the above could be told.
    Unknown,
}

impl Origin {
    /// The word used in JSON and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserCode => "user_code",
            Self::Runtime => "runtime",
            Self::Backend => "backend",
            Self::Divergence => "divergence",
            Self::Unknown => "unknown",
        }
    }
}

/// The unsuccessful outcome of a durable call, a checkpoint attempt or an execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// A short stable word that code can branch on; `wit/types.wit` lists the host's own.
    pub kind: String,
    /// One sentence for people.
    pub message: String,
    /// Where it came from.
    pub origin: Origin,
    /// False where another attempt cannot end differently.
    pub retryable: bool,
    /// The durable call that failed first, where this failure was passed on. Retry runs it again (E9).
    pub call_index: Option<u32>,
    /// Anything else, as JSON text (kept as text so that the journal's encoding stays independent of JSON's).
    pub details: Option<String>,
}

impl Failure {
    /// A failure of the host's making (`origin` runtime, not retryable).
    pub fn runtime(kind: &str, message: impl Into<String>) -> Self {
        Self {
            kind: kind.to_owned(),
            message: message.into(),
            origin: Origin::Runtime,
            retryable: false,
            call_index: None,
            details: None,
        }
    }

    /// A failure of the author's code (not retryable unless said so).
    pub fn user(kind: &str, message: impl Into<String>) -> Self {
        Self { origin: Origin::UserCode, ..Self::runtime(kind, message) }
    }

    /// A function of this interface was used outside its scope.
    pub fn context(message: impl Into<String>) -> Self {
        Self::user("context", message)
    }

    /// An argument was not acceptable.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::user("usage", message)
    }

    /// Another attempt may end differently.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// Names the durable call that failed, unless an earlier one is named already.
    #[must_use]
    pub fn at_call(mut self, index: u32) -> Self {
        self.call_index.get_or_insert(index);
        self
    }

    /// Adds details.
    #[must_use]
    pub fn with_details(mut self, details: &Value) -> Self {
        self.details = Some(details.to_string());
        self
    }

    /// The details as JSON; text that is not JSON becomes a JSON string.
    pub fn details_json(&self) -> Option<Value> {
        self.details.as_ref().map(|text| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone())))
    }
}
