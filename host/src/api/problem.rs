//! What went wrong, as RFC 9457 has it.

use std::time::Duration;

use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::access::{AccessError, Full, LinkProblem};
use crate::config::ModelsError;
use crate::engine::EngineError;
use crate::service::ServiceError;
use crate::store::StoreError;

/// A refusal, or a failure.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    class: &'static str,
    causes: Vec<String>,
    hint: Option<String>,
    /// What was done before it. Boxed, because hardly any problem has it.
    done: Option<Box<Value>>,
    retry_after: Option<Duration>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let class = match status {
            StatusCode::UNAUTHORIZED => "KitaruAuthenticationError",
            StatusCode::FORBIDDEN => "KitaruAuthorizationError",
            StatusCode::TOO_MANY_REQUESTS => "KitaruRateLimitError",
            status if status.is_server_error() => "KitaruBackendError",
            _ => "KitaruUsageError",
        };
        Self { status, detail: detail.into(), class, causes: Vec::new(), hint: None, done: None, retry_after: None }
    }

    pub(super) fn usage(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn nothing_here() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing at this address")
            .hint(format!("{}/openapi.json says what there is", super::BASE))
    }

    pub(super) fn method(method: &Method) -> Self {
        let name: String = method.as_str().chars().take(20).collect();
        Self::new(StatusCode::METHOD_NOT_ALLOWED, format!("`{name}` is not for this address"))
            .hint("the header `Allow` says what is")
    }

    pub(super) fn too_large(most: u64) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {most} bytes here"))
    }

    pub(super) fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")
    }

    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn body(&self) -> Value {
        let mut body = Map::new();
        body.insert("type".into(), "about:blank".into());
        body.insert("title".into(), self.status.canonical_reason().unwrap_or("Error").into());
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("detail".into(), self.detail.clone().into());
        body.insert("class".into(), self.class.into());
        body.insert("causes".into(), json!(self.causes));
        if let Some(hint) = &self.hint {
            body.insert("hint".into(), hint.clone().into());
        }
        if let Some(done) = &self.done {
            body.insert("done".into(), done.as_ref().clone());
        }
        body.into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body().to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"kitaru-host\""));
        }
        if matches!(self.status, StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE) {
            // What is left of the body is read by nobody.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        ServiceError::from(error).into()
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let mut causes = Vec::new();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        let retry_after = match error.itself() {
            ServiceError::Access(AccessError::TooMany { retry_after, .. }) => Some(*retry_after),
            ServiceError::Access(AccessError::Full { .. }) => Some(Duration::from_secs(1)),
            ServiceError::Engine(EngineError::Store(error)) if error.may_pass() => Some(Duration::from_secs(1)),
            _ => None,
        };
        let done = error.done().and_then(|done| serde_json::to_value(done).ok()).map(Box::new);
        let status = status(&error);
        if status.is_server_error() {
            tracing::error!(error = &error as &dyn std::error::Error, "a request could not be answered");
        }
        Self { status, class: error.class(), hint: error.hint(), detail: error.to_string(), causes, done, retry_after }
    }
}

fn status(error: &ServiceError) -> StatusCode {
    if error.is_missing() {
        return StatusCode::NOT_FOUND;
    }
    match error.itself() {
        ServiceError::Usage { .. } => StatusCode::BAD_REQUEST,
        ServiceError::NotFound { .. } | ServiceError::Lookup(_) => StatusCode::NOT_FOUND,
        ServiceError::State { .. } => StatusCode::CONFLICT,
        ServiceError::Access(error) => match error {
            AccessError::Unauthenticated | AccessError::Expired { .. } => StatusCode::UNAUTHORIZED,
            AccessError::Forbidden { .. } | AccessError::Csrf => StatusCode::FORBIDDEN,
            AccessError::TooMany { .. } | AccessError::Full { full: Full::Own, .. } => StatusCode::TOO_MANY_REQUESTS,
            AccessError::Full { full: Full::All, .. } => StatusCode::SERVICE_UNAVAILABLE,
            AccessError::Link(LinkProblem::NotValid) | AccessError::NotFound { .. } => StatusCode::NOT_FOUND,
            AccessError::Link(_) => StatusCode::GONE,
            AccessError::Invalid(_) => StatusCode::BAD_REQUEST,
            AccessError::Key { .. } | AccessError::Interrupted(_) | AccessError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
        },
        // What serves others asks no server itself; if it does, it is between the two.
        ServiceError::Remote(_) => StatusCode::BAD_GATEWAY,
        // In itself an error is whole.
        ServiceError::Unfinished(_) => StatusCode::INTERNAL_SERVER_ERROR,
        ServiceError::Models(error) => match error {
            ModelsError::Registry(_) | ModelsError::Entry(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
        ServiceError::Engine(EngineError::Store(error)) => match error {
            StoreError::NotFound { .. } => StatusCode::NOT_FOUND,
            StoreError::Conflict { .. } | StoreError::Owned { .. } | StoreError::LeaseLost { .. } => StatusCode::CONFLICT,
            error if error.may_pass() => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
        ServiceError::Engine(EngineError::WaitInput { .. } | EngineError::Input { .. }) => StatusCode::UNPROCESSABLE_ENTITY,
        ServiceError::Grants(_) => StatusCode::INTERNAL_SERVER_ERROR,
        // As its class is.
        ServiceError::Engine(_) => match error.class() {
            "KitaruUsageError" => StatusCode::BAD_REQUEST,
            "KitaruStateError" => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Needs, Role};
    use crate::service::{DeletedView, Done};

    #[test]
    fn what_was_done_before_it_is_told_with_it() {
        let gone = || DeletedView { executions: vec!["a".into()], ..DeletedView::nothing() };
        let body = Problem::from(ServiceError::state("no").after(Done::Deletion(gone()))).body();
        assert_eq!((&body["status"], &body["detail"], &body["class"]), (&json!(409), &json!("no"), &json!("KitaruStateError")));
        assert_eq!(body["done"], json!({ "deletion": gone() }));
        assert!(Problem::from(ServiceError::state("no")).body().get("done").is_none());
    }

    #[test]
    fn what_went_wrong_has_a_status_and_says_what_to_do() {
        let cases = [
            (ServiceError::usage("no"), 400),
            (ServiceError::state("no"), 409),
            (ServiceError::Lookup("none".into()), 404),
            (StoreError::not_found("execution", "x").into(), 404),
            (StoreError::Locked.into(), 503),
            (AccessError::Unauthenticated.into(), 401),
            (AccessError::Forbidden { needs: Needs::Role { needed: Role::Admin, has: Role::Viewer } }.into(), 403),
            (AccessError::TooMany { what: "requests", retry_after: Duration::from_millis(2_500) }.into(), 429),
            (AccessError::Full { what: "streams", full: Full::Own }.into(), 429),
            (AccessError::Full { what: "streams", full: Full::All }.into(), 503),
            (AccessError::Link(LinkProblem::Used).into(), 410),
            (AccessError::Link(LinkProblem::NotValid).into(), 404),
        ];
        for (error, expected) in cases {
            let said = error.to_string();
            let problem = Problem::from(error);
            let body = problem.body();
            assert_eq!((body["status"].as_u64(), body["detail"].as_str()), (Some(expected), Some(said.as_str())));
            let response = problem.into_response();
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
            assert_eq!(response.headers().contains_key(header::WWW_AUTHENTICATE), expected == 401);
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), matches!(expected, 429 | 503));
        }
    }
}
