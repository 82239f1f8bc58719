//! From what went wrong inside to what an author is told.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::attempts::NoFurther;
use super::failure::{CallFailure, FailureOrigin};
use crate::codec::{CodecError, ErrorClass, ProviderError};
use crate::models::{CredentialError, NotConfigured, SecretError};
use crate::pipeline::{CallError, Cause, Failure, TimedOut};
use crate::policy::middleware::Unreadable;
use crate::policy::{BudgetError, MockError, MockFailure, ParameterError, RateLimited};
use crate::provider::{EndpointError, TransportError};
use crate::retry::GaveUp;

/// A duration in milliseconds.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// A call that failed before anything was sent, in a class that says so: nobody charges for it.
pub(super) fn unsent(failure: CallFailure) -> Failure {
    let class = match failure.kind {
        CallFailure::USAGE | CallFailure::CREDENTIALS => failure.kind,
        _ => "endpoint",
    };
    Failure::new(class, failure)
}

/// Nobody to answer.
pub(super) fn of_not_configured(error: NotConfigured) -> CallFailure {
    CallFailure::new(CallFailure::NOT_CONFIGURED, FailureOrigin::User, error.to_string()).with_hint(Some(error.hint()))
}

/// No credential (L12, L13): a store that fails is another matter than a key that is not there.
pub(super) fn of_credential(error: &CredentialError) -> CallFailure {
    let unavailable = matches!(error, CredentialError::Secret(SecretError::Unavailable { .. }));
    let origin = if unavailable { FailureOrigin::Backend } else { FailureOrigin::Runtime };
    CallFailure::new(CallFailure::CREDENTIALS, origin, error.to_string()).retryable(unavailable)
}

/// An address, a key or a header that cannot be used.
pub(super) fn of_endpoint(error: &EndpointError) -> CallFailure {
    match error {
        EndpointError::Key => CallFailure::new(CallFailure::CREDENTIALS, FailureOrigin::Runtime, error.to_string()),
        EndpointError::NoBaseUrl { .. } => {
            CallFailure::usage(error.to_string()).with_hint(Some("register an alias of the model with its own base_url"))
        }
        _ => CallFailure::usage(error.to_string()),
    }
}

/// What a call that `model` was to answer failed of.
pub(super) fn of_call(error: &CallError, model: &str) -> CallFailure {
    match error {
        CallError::Rejected { guardrail, .. } => {
            let hint = match guardrail.as_str() {
                "kitaru.models" => Some("llm.allow and llm.deny say which models may be called"),
                "kitaru.size" => Some("shorten the request, set max_tokens, or raise the limits of llm.size"),
                _ => None,
            };
            CallFailure::new(CallFailure::GUARDRAIL_REJECTED, FailureOrigin::User, error.to_string())
                .with_hint(hint)
                .with_details(json!({ "guardrail": guardrail }))
        }
        CallError::Middleware { cause, .. } => of_middleware(error, cause),
        CallError::TimedOut(timed_out) => of_time(timed_out),
        CallError::BodyEdited { .. } | CallError::AnnotationDropped { .. } => {
            CallFailure::new(CallFailure::GUARDRAIL_REJECTED, FailureOrigin::Runtime, error.to_string())
        }
        CallError::Codec(error) => of_codec(error, model),
        CallError::Execution(failure) => of_execution(failure, model),
        CallError::Collector(cause) => match cause.downcast_ref::<CodecError>() {
            Some(error) => of_codec(error, model),
            None => provider(model, &cause.to_string()),
        },
    }
}

fn of_middleware(error: &CallError, cause: &Cause) -> CallFailure {
    if let Some(Unreadable::Codec(error)) = cause.downcast_ref::<Unreadable>() {
        return CallFailure::usage(error.to_string());
    }
    if let Some(error) = cause.downcast_ref::<ParameterError>() {
        return CallFailure::usage(error.to_string());
    }
    CallFailure::new(CallFailure::GUARDRAIL_REJECTED, FailureOrigin::Runtime, format!("{error}: {cause}"))
}

fn of_time(timed_out: &TimedOut) -> CallFailure {
    CallFailure::new(CallFailure::TIMEOUT, FailureOrigin::Runtime, timed_out.to_string()).retryable(true)
}

/// A request that its protocol cannot say, or an answer that is none of its protocol.
pub(super) fn of_codec(error: &CodecError, model: &str) -> CallFailure {
    match error {
        CodecError::InvalidRequest { .. } | CodecError::Unsupported { .. } => CallFailure::usage(error.to_string()),
        CodecError::InvalidResponse { .. } => provider(model, &error.to_string()),
        CodecError::Provider(report) => of_report(report, model, &error.to_string()),
    }
}

/// What an execution intercept or the provider failed of.
pub(super) fn of_execution(failure: &Failure, model: &str) -> CallFailure {
    if let Some(failure) = failure.downcast_ref::<CallFailure>() {
        return failure.clone();
    }
    if failure.is_of_middleware() {
        let told = CallFailure::new(CallFailure::MIDDLEWARE, FailureOrigin::Runtime, failure.cause().to_string());
        return told.with_details(json!({ "error_type": failure.error_type() }));
    }
    if let Some(GaveUp::Failed { attempts, last, .. }) = failure.downcast_ref::<GaveUp>() {
        let mut told = of_transport(last, model);
        if let Some(Value::Object(details)) = &mut told.details {
            details.insert("attempts".to_owned(), json!(attempts));
        }
        return told;
    }
    if let Some(no_further) = failure.downcast_ref::<NoFurther>() {
        return of_no_further(no_further, model);
    }
    if let Some(error) = failure.downcast_ref::<TransportError>() {
        return of_transport(error, model);
    }
    if let Some(error) = failure.downcast_ref::<BudgetError>() {
        let in_store = matches!(error, BudgetError::Ledger(_));
        let origin = if in_store { FailureOrigin::Backend } else { FailureOrigin::User };
        let failure = CallFailure::new(CallFailure::BUDGET, origin, error.to_string()).retryable(in_store);
        return failure.with_hint(error.hint()).with_details(json!({ "budget": error.whose() }));
    }
    if let Some(error) = failure.downcast_ref::<RateLimited>() {
        let failure = CallFailure::new(CallFailure::RATE_LIMITED, FailureOrigin::Runtime, error.to_string());
        return match error {
            RateLimited::Later { retry_after } => {
                failure.retryable(true).with_details(json!({ "retry_after_ms": milliseconds(*retry_after) }))
            }
            RateLimited::Never { .. } => failure,
        };
    }
    if let Some(error) = failure.downcast_ref::<MockError>() {
        return CallFailure::new(CallFailure::MOCK, FailureOrigin::User, error.to_string());
    }
    if let Some(error) = failure.downcast_ref::<MockFailure>() {
        return of_mock(error, model);
    }
    if let Some(error) = failure.downcast_ref::<TimedOut>() {
        return of_time(error);
    }
    if let Some(error) = failure.downcast_ref::<Unreadable>() {
        return CallFailure::usage(error.to_string());
    }
    provider(model, &failure.cause().to_string())
}

/// What a further attempt was refused for, and in the details what the attempt before it failed of.
fn of_no_further(no_further: &NoFurther, model: &str) -> CallFailure {
    let mut told = of_execution(&no_further.refused, model);
    let CallFailure { kind, message, details, .. } = of_transport(&no_further.last, model);
    let mut more = match told.details.take() {
        Some(Value::Object(more)) => more,
        _ => Map::new(),
    };
    more.insert("attempts".to_owned(), json!(no_further.attempts));
    more.insert("last_error".to_owned(), json!({ "kind": kind, "message": message, "details": details }));
    told.with_details(Value::Object(more))
}

/// A scripted failure is told as the provider's own would be.
fn of_mock(error: &MockFailure, model: &str) -> CallFailure {
    let told = match error.status {
        Some(429) => CallFailure::new(CallFailure::RATE_LIMITED, FailureOrigin::Backend, calling(model, &error.to_string())),
        Some(401 | 403) => CallFailure::new(CallFailure::CREDENTIALS, FailureOrigin::Backend, calling(model, &error.to_string())),
        Some(408 | 504) => CallFailure::new(CallFailure::TIMEOUT, FailureOrigin::Backend, calling(model, &error.to_string())),
        _ => provider(model, &error.to_string()),
    };
    let details = json!({ "status": error.status, "retry_after_ms": error.retry_after_ms, "scripted": true });
    told.retryable(error.status.is_none_or(|status| matches!(status, 408 | 429 | 500..=599))).with_details(details)
}

fn calling(model: &str, what: &str) -> String {
    format!("kitaru.llm() failed while calling `{model}`: {what}")
}

fn provider(model: &str, what: &str) -> CallFailure {
    CallFailure::new(CallFailure::PROVIDER, FailureOrigin::Backend, calling(model, what))
}

fn of_transport(error: &TransportError, model: &str) -> CallFailure {
    let text = error.to_string();
    let details = |more: Value| {
        let mut details = Map::from_iter([("error_type".to_owned(), json!(error.kind()))]);
        details.extend(more.as_object().cloned().unwrap_or_default().into_iter().filter(|(_, value)| !value.is_null()));
        Value::Object(details)
    };
    match error {
        TransportError::Status(status) => {
            let more = json!({ "status": status.report.status, "code": status.report.code, "request_id": status.request_id });
            of_report(&status.report, model, &text).with_details(details(more))
        }
        TransportError::Timeout { .. } => {
            let failure = CallFailure::new(CallFailure::TIMEOUT, FailureOrigin::Backend, calling(model, &text));
            failure.retryable(true).with_details(details(Value::Null))
        }
        TransportError::TooLarge { .. } => {
            let failure = CallFailure::new(CallFailure::TOO_LARGE, FailureOrigin::Backend, calling(model, &text));
            failure.with_hint(Some("lower max_tokens, or raise llm.answers")).with_details(details(Value::Null))
        }
        TransportError::Unreachable { .. } | TransportError::CutOff { .. } => {
            provider(model, &text).retryable(true).with_details(details(Value::Null))
        }
        TransportError::Refused { .. } | TransportError::BadBody { .. } => {
            provider(model, &text).with_details(details(Value::Null))
        }
    }
}

fn of_report(report: &ProviderError, model: &str, text: &str) -> CallFailure {
    let kind = match report.class {
        ErrorClass::Authentication | ErrorClass::Permission => CallFailure::CREDENTIALS,
        ErrorClass::RateLimited | ErrorClass::QuotaExceeded => CallFailure::RATE_LIMITED,
        ErrorClass::Timeout => CallFailure::TIMEOUT,
        ErrorClass::TooLarge | ErrorClass::ContextTooLong => CallFailure::TOO_LARGE,
        _ => CallFailure::PROVIDER,
    };
    let hint = match report.class {
        ErrorClass::Authentication => Some("the provider does not accept the key: set another one"),
        ErrorClass::Permission => Some("ask the provider for access to the model"),
        ErrorClass::QuotaExceeded => Some("the account with the provider is used up"),
        ErrorClass::NotFound => Some("the provider does not know the model: check its name and the alias's base_url"),
        ErrorClass::ContextTooLong => Some("shorten the conversation, or take a model with a larger window"),
        ErrorClass::TooLarge => Some("send less at once"),
        ErrorClass::ContentPolicy => Some("the provider's policy forbids the request or its answer"),
        _ => None,
    };
    CallFailure::new(kind, FailureOrigin::Backend, calling(model, text)).with_hint(hint).retryable(report.class.is_retryable())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::state::Context;
    use crate::policy::middleware::CallContext as _;

    /// A translator may fail, and so may whatever else makes a request ready.
    #[test]
    fn what_was_never_sent_is_charged_to_nobody() {
        for kind in [CallFailure::USAGE, CallFailure::CREDENTIALS, CallFailure::PROVIDER, CallFailure::TOO_LARGE] {
            let failure = unsent(CallFailure::new(kind, FailureOrigin::Backend, "x"));
            assert!(!Context.may_be_charged(&failure), "{kind}");
            assert_eq!(of_execution(&failure, "m").kind, kind, "the author is told what it is");
        }
    }
}
