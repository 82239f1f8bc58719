//! Conversions of errors: out of other crates' errors, and to and from the records of the WIT package.

use std::error::Error as StdError;
use std::io;

use serde_json::Value;

use crate::bindings::kitaru::flow::types;
use crate::{Error, Failure, Origin, files};

impl<E> From<E> for Error
where
    E: StdError + Send + Sync + 'static,
{
    /// The message is the error's own, followed by those of its sources that it does not already contain. An I/O error that only
    /// a missing grant explains becomes [`Error::Capability`], and a raw failure of the host becomes [`Error::Failed`]. One of a request says
    /// itself what becomes of it.
    fn from(error: E) -> Self {
        let any: &(dyn StdError + 'static) = &error;
        if let Some(failure) = any.downcast_ref::<types::Failure>() {
            let failure: Box<Failure> = Box::new(failure.clone().into());
            let flag = failure.details.as_ref().and_then(|details| details.get("flag")).and_then(Value::as_str);
            return match (failure.kind.as_str(), flag.map(str::to_owned)) {
                ("unknown-outcome", _) => Self::UnknownOutcome(failure),
                ("capability", Some(flag)) => Self::Capability { flag, failure },
                _ => Self::Failed(failure),
            };
        }
        #[cfg(feature = "http")]
        if let Some(error) = http_error(any) {
            return error.clone().into_error();
        }
        let message = with_sources(&error);
        let explained = any.downcast_ref::<io::Error>().and_then(|io| files::explain(io, &message));
        explained.unwrap_or_else(|| Self::new(message))
    }
}

/// The error of a request, also where it came up while its body was read.
#[cfg(feature = "http")]
fn http_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a crate::http::HttpError> {
    let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.downcast_ref().or_else(|| within.and_then(|within| within.downcast_ref()))
}

fn with_sources(error: &dyn StdError) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        source = cause.source();
    }
    message
}

impl From<types::Failure> for Failure {
    fn from(failure: types::Failure) -> Self {
        Self {
            kind: failure.kind,
            message: failure.message,
            origin: match failure.origin {
                types::Origin::UserCode => Origin::UserCode,
                types::Origin::Runtime => Origin::Runtime,
                types::Origin::Backend => Origin::Backend,
                types::Origin::Divergence => Origin::Divergence,
                types::Origin::Unknown => Origin::Unknown,
            },
            retryable: failure.retryable,
            call_index: failure.call_index,
            // Details that are not JSON are kept as the text that they are.
            details: failure.details.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))),
        }
    }
}

impl From<Error> for types::Failure {
    fn from(error: Error) -> Self {
        let failure = error.into_failure();
        Self {
            kind: failure.kind,
            message: failure.message,
            origin: match failure.origin {
                Origin::UserCode => types::Origin::UserCode,
                Origin::Runtime => types::Origin::Runtime,
                Origin::Backend => types::Origin::Backend,
                Origin::Divergence => types::Origin::Divergence,
                Origin::Unknown => types::Origin::Unknown,
            },
            retryable: failure.retryable,
            call_index: failure.call_index,
            details: failure.details.map(|details| details.to_string()),
        }
    }
}
