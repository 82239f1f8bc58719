//! Why middleware cannot go on.

use std::fmt;

use crate::bindings::kitaru::llm_middleware::types::Failure;

/// A result whose error is [`Error`] unless another one is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why middleware cannot go on. It ends the call; in a sanitiser it leaves the payload out of the record. The text is recorded, so it is
/// to hold nothing of a payload.
///
/// `?` turns any `std::error::Error` into one. For that to be possible this type does not implement `std::error::Error` itself.
///
/// ```
/// let error = kitaru_middleware::Error::new("the quota is used up").kind("quota");
/// assert_eq!((error.to_string().as_str(), error.kind_word()), ("the quota is used up", "quota"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: String,
    message: String,
    from_next: Option<u32>,
}

impl Error {
    /// An error of the kind `middleware`.
    pub fn new(message: impl Into<String>) -> Self {
        Self { kind: "middleware".into(), message: message.into(), from_next: None }
    }

    /// Sets the class under which a failed execution is recorded: at most 64 lower-case letters, digits, `-`, `_` and `.`. Elsewhere it
    /// counts for nothing.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = kind.into();
        // Another failure than the one that came.
        self.from_next = None;
        self
    }

    /// The class: of a failure that [`Next::call`](crate::Next::call) returned, such as `timeout` or an HTTP status, or one's own.
    pub fn kind_word(&self) -> &str {
        &self.kind
    }

    /// The failure that `next` came to.
    pub(crate) fn of_next(failure: Failure) -> Self {
        Self { kind: failure.kind, message: failure.message, from_next: failure.from_next }
    }

    pub(crate) fn into_failure(self) -> Failure {
        Failure { kind: self.kind, message: self.message, from_next: self.from_next }
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
