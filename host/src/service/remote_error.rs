//! What a server refused, and what failed on the way to it: the errors of a service that is somewhere else.

use std::time::Duration;

/// The names of classes that a server may say. Another one is of a later version, and is shown as [`OTHER`].
const CLASSES: [&str; 10] = [
    "KitaruUsageError",
    "KitaruStateError",
    "KitaruRuntimeError",
    "KitaruBackendError",
    "KitaruWaitValidationError",
    "KitaruAuthenticationError",
    "KitaruAuthorizationError",
    "KitaruRateLimitError",
    "KitaruExecutionError",
    "LookupError",
];
const OTHER: &str = "KitaruRuntimeError";
/// Whoever could not be reached, or not be understood.
const UNREACHABLE: &str = "KitaruBackendError";

/// A request to a server failed: the server refused it, or nobody answered who is one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct RemoteError {
    message: String,
    class: &'static str,
    hint: Option<String>,
    status: Option<u16>,
    retry_after: Option<Duration>,
    #[source]
    cause: Option<Box<RemoteCause>>,
}

/// What led to it, as far as it was told.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
struct RemoteCause {
    message: String,
    #[source]
    cause: Option<Box<RemoteCause>>,
}

impl RemoteError {
    /// Nobody answered, or nobody who is a server.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self { message: message.into(), class: UNREACHABLE, hint: None, status: None, retry_after: None, cause: None }
    }

    /// The server refused it with an HTTP status, and an error of this class.
    pub fn refused(status: u16, class: &str, message: impl Into<String>) -> Self {
        let class = CLASSES.into_iter().find(|known| *known == class).unwrap_or(OTHER);
        Self { class, status: Some(status), ..Self::unreachable(message) }
    }

    /// The same, with what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same, with what led to it: each the cause of the one before.
    #[must_use]
    pub fn because(mut self, causes: impl IntoIterator<Item = String, IntoIter: DoubleEndedIterator>) -> Self {
        self.cause =
            causes.into_iter().rev().fold(None, |cause, message| Some(Box::new(RemoteCause { message, cause }))).or(self.cause);
        self
    }

    /// The same, which may be asked again after this.
    #[must_use]
    pub fn again_after(mut self, pause: Option<Duration>) -> Self {
        self.retry_after = pause;
        self
    }

    /// The same with the status of an answer that is no server's.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// The name of the error's class, as Kitaru's clients know them.
    pub fn class(&self) -> &'static str {
        self.class
    }

    /// What a person can do.
    pub fn what_to_do(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The status of the answer; none where there was no answer.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// When the server takes the request, where it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn it_has_the_causes_that_were_told_in_their_order() {
        let error = RemoteError::refused(422, "KitaruWaitValidationError", "no").because(["a".into(), "b".into()]).hint("do");
        let first = error.source().unwrap();
        assert_eq!((error.to_string(), first.to_string()), ("no".into(), "a".into()));
        assert_eq!(first.source().unwrap().to_string(), "b");
        assert!(first.source().unwrap().source().is_none());
        assert_eq!((error.class(), error.what_to_do(), error.status()), ("KitaruWaitValidationError", Some("do"), Some(422)));
    }

    #[test]
    fn a_class_of_a_later_version_is_an_error_all_the_same() {
        assert_eq!(RemoteError::refused(400, "KitaruNewError", "no").class(), OTHER);
    }
}
