//! Why a durable call is not made. Refusals are the same on every run, so they need no record.

use super::EngineError;
use crate::journal::Failure;
use crate::sandbox::Stop;

/// Why a durable call is not made.
pub(super) enum Refusal {
    /// The flow is told, and can do something else.
    Failure(Failure),
    /// The flow ends.
    Stop(Stop),
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        Self::Stop(error.into())
    }
}

impl From<Stop> for Refusal {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

impl Refusal {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::Failure(Failure::usage(message))
    }

    pub(super) fn answer<T>(self) -> Result<Result<T, Failure>, Stop> {
        match self {
            Self::Failure(failure) => Ok(Err(failure)),
            Self::Stop(stop) => Err(stop),
        }
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Engine(Box::new(error))
    }
}

impl From<crate::store::StoreError> for Stop {
    fn from(error: crate::store::StoreError) -> Self {
        EngineError::from(error).into()
    }
}

/// Names of waits, sleeps and child flows are shown, selected and stored.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), Refusal> {
    if name.trim().is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
        return Err(Refusal::usage(format!("the name of a {what} must have 1 to 200 bytes and no control characters")));
    }
    Ok(())
}
