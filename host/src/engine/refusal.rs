//! Why a durable call is not made. Refusals are the same on every run, so they need no record.

use super::{EngineError, identity, schema};
use crate::journal::Failure;
use crate::sandbox::{Stop, WaitRequest};

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

/// The name of a wait that can be asked.
pub(super) fn check_wait(request: &WaitRequest) -> Result<String, Refusal> {
    // A schema that no answer can be checked against would leave a wait that nobody can answer.
    if let Some(problem) = request.schema.as_ref().and_then(schema::problem) {
        return Err(Refusal::usage(format!("the wait cannot be asked: {problem}")));
    }
    let name = identity::name_of_wait(request);
    check_name("wait", &name)?;
    let default = request.default.as_ref().zip(request.schema.as_ref());
    if let Some(Err(problem)) = default.map(|(value, schema)| schema::check(schema, value)) {
        return Err(Refusal::usage(format!("the wait's default is no answer to it: {problem}")));
    }
    Ok(name)
}

/// Why a flow ends that made as many calls as it may.
pub(super) fn too_many(calls: u32) -> Stop {
    crate::sandbox::reached("calls");
    Stop::Limit(format!("it made {calls} durable calls (limit `calls`)"))
}
