//! What goes wrong with requests, split by what an author can do about it.

use std::fmt;

use serde_json::json;

use crate::{Error, Failure, Origin};

/// Why a request has no answer, or none that is of use. `?` makes a failure of a checkpoint of it: of kind `capability` where it was not
/// granted, `limit` where it reached one, and otherwise `http`, which is worth a retry unless the request itself is at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {
    /// The request cannot be sent as it is: its URL, a header, its body. Change the code.
    Invalid(String),
    /// The host does not let this request go there. The person who runs the flow must grant it.
    Denied {
        /// What was asked for: method and URL, without the query.
        request: String,
        /// The flag of `kitaru-host run` that grants it.
        flag: String,
    },
    /// The request, or its response, reached a limit of the host.
    Limit(String),
    /// The server was not reached, or did not answer in full. Another attempt may do better.
    Failed(String),
    /// The server's answer says that it did not do it. Only [`Response::error_for_status`](super::Response::error_for_status) makes one.
    Status {
        /// What was asked for: method and URL, without the query.
        request: String,
        /// The status.
        status: u16,
        /// The beginning of what the server said.
        body: String,
    },
    /// The body is not what it was read as.
    Body(String),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text) | Self::Limit(text) | Self::Failed(text) | Self::Body(text) => f.write_str(text),
            Self::Denied { request, flag } => {
                write!(f, "no grant lets this checkpoint make the request {request}: grant it with {flag}")
            }
            Self::Status { request, status, body } if body.is_empty() => write!(f, "{request} was answered with status {status}"),
            Self::Status { request, status, body } => write!(f, "{request} was answered with status {status}: {body}"),
        }
    }
}

impl std::error::Error for HttpError {}

impl HttpError {
    /// Statuses that say: not now.
    const PASSING: [u16; 3] = [408, 425, 429];

    /// The error that a checkpoint fails with.
    pub(crate) fn into_error(self) -> Error {
        let message = self.to_string();
        let failed = |retryable| Failure::new("http", message.clone(), Origin::Backend, retryable);
        match self {
            Self::Denied { flag, .. } => Error::capability(flag, message),
            Self::Limit(_) => Error::Author(Failure::new("limit", message, Origin::Runtime, false)),
            Self::Invalid(_) => Error::Author(Failure::new("http", message, Origin::UserCode, false)),
            Self::Failed(_) => Error::Author(failed(true)),
            Self::Body(_) => Error::Author(failed(false)),
            Self::Status { status, .. } => {
                let is_passing = status >= 500 || Self::PASSING.contains(&status);
                Error::Author(failed(is_passing)).details(json!({ "status": status }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(error: HttpError) -> Error {
        // As `?` does it.
        Error::from(error)
    }

    #[test]
    fn each_error_becomes_a_failure_of_its_kind() {
        let denied = HttpError::Denied { request: "GET https://a.example/".into(), flag: "--allow-net=https://a.example".into() };
        let Error::Capability { flag, failure } = error(denied) else { panic!("no capability error") };
        assert_eq!((flag.as_str(), failure.kind.as_str()), ("--allow-net=https://a.example", "capability"));
        let shown = |http: HttpError| (error(http.clone()).failure().kind.clone(), error(http).failure().retryable);
        assert_eq!(shown(HttpError::Limit("x".into())), ("limit".into(), false));
        assert_eq!(shown(HttpError::Failed("x".into())), ("http".into(), true));
        assert_eq!(shown(HttpError::Invalid("x".into())), ("http".into(), false));
        for (status, retryable) in [(400, false), (404, false), (429, true), (408, true), (500, true), (503, true)] {
            let status = HttpError::Status { request: "GET https://a.example/".into(), status, body: "no".into() };
            assert_eq!(shown(status).1, retryable);
        }
    }

    #[test]
    fn an_error_within_reading_keeps_its_kind() {
        let io = std::io::Error::other(HttpError::Failed("the server went away".into()));
        let failure = Error::from(io).failure().clone();
        assert_eq!((failure.kind.as_str(), failure.message.as_str()), ("http", "the server went away"));
    }
}
