//! What a provider says when it fails, in one shape for all of them.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::redact::{MASK, redact};

/// Longer messages are cut, in characters.
const MAX_MESSAGE: usize = 500;

/// A failure as a provider reported it. Its message is shortened, and what looks like a credential is taken out of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderError {
    /// What a caller can do about it.
    pub class: ErrorClass,
    /// The HTTP status; absent for a failure in the middle of a stream.
    pub status: Option<u16>,
    /// The provider's own word, such as `rate_limit_error`.
    pub code: Option<String>,
    /// What it says, for people; empty if it said nothing readable.
    pub message: String,
}

/// What a caller can do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Set another key.
    Authentication,
    /// Ask the provider for access.
    Permission,
    /// Pay, or wait for the next month.
    QuotaExceeded,
    /// Correct the name of the model, or the address.
    NotFound,
    /// Correct the request.
    InvalidRequest,
    /// Shorten the conversation, or take a model with a larger window.
    ContextTooLong,
    /// Say something else.
    ContentPolicy,
    /// Send less.
    TooLarge,
    /// Wait and try again.
    RateLimited,
    /// Wait and try again, or take another provider.
    Overloaded,
    /// Try again: the provider took too long.
    Timeout,
    /// Try again: the provider broke.
    Internal,
    /// Unclear.
    Unknown,
}

impl ErrorClass {
    /// Whether the same request may succeed later.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::RateLimited | Self::Overloaded | Self::Timeout | Self::Internal)
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        if let Some(status) = self.status {
            write!(f, "status {status}")?;
            gap = ", ";
        }
        if let Some(code) = &self.code {
            write!(f, "{gap}{code}")?;
            gap = ", ";
        }
        match (self.message.as_str(), gap) {
            ("", "") => f.write_str("no reason given"),
            ("", _) => Ok(()),
            (message, "") => f.write_str(message),
            (message, _) => write!(f, ": {message}"),
        }
    }
}

impl std::error::Error for ProviderError {}

impl ProviderError {
    /// Reads the body of a response whose status says that the call failed. A body that is no JSON (the page of a proxy, say) is not
    /// quoted.
    pub fn decode(status: u16, body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let report = Report::find(&value).unwrap_or_default();
        report.into_error(Some(status))
    }

    /// The failure that `value`, a response or a chunk with a status of success, reports after all.
    pub fn reported_in(value: &Value) -> Option<Self> {
        let map = value.as_object()?;
        let is_report = match map.get("type").and_then(Value::as_str) {
            Some("error" | "response.failed") => true,
            _ => map.get("error").is_some_and(|error| error.is_object() || error.is_string()),
        };
        if !is_report {
            return None;
        }
        let report = Report::find(value).unwrap_or_default();
        let status = report.numeric_code.filter(|code| (400..600).contains(code));
        Some(Self { status: None, ..report.into_error(status) })
    }

    /// Takes `secret`, which the caller knows to be one, out of all texts.
    #[must_use]
    pub fn without(mut self, secret: &str) -> Self {
        if !secret.is_empty() {
            self.message = self.message.replace(secret, MASK);
            self.code = self.code.map(|code| code.replace(secret, MASK));
        }
        self
    }
}

/// The parts of a report, wherever a provider puts them.
#[derive(Default)]
struct Report {
    words: Vec<String>,
    numeric_code: Option<u16>,
    message: String,
}

impl Report {
    fn find(value: &Value) -> Option<Self> {
        match value {
            // Gemini streams wrap their errors in an array.
            Value::Array(items) => items.iter().find_map(Self::find),
            Value::Object(map) => match map.get("error") {
                Some(Value::Object(error)) => Some(Self::read(error)),
                Some(Value::String(message)) => Some(Self { message: message.clone(), ..Self::read(map) }),
                _ => match map.get("response") {
                    Some(inner @ Value::Object(_)) => Self::find(inner),
                    _ => Some(Self::read(map)),
                },
            },
            _ => None,
        }
    }

    fn read(map: &Map<String, Value>) -> Self {
        let text = |key: &str| map.get(key).and_then(Value::as_str).map(str::to_owned);
        let message = ["message", "detail"].into_iter().find_map(text).unwrap_or_default();
        let mut words: Vec<String> = ["code", "type", "status"].into_iter().filter_map(text).collect();
        words.retain(|word| !matches!(word.as_str(), "error" | "response.failed" | "failed"));
        // Gemini's precise reason stands among the details.
        let details = map.get("details").and_then(Value::as_array).into_iter().flatten();
        words.extend(details.filter_map(|detail| detail.get("reason")?.as_str().map(str::to_owned)));
        let numeric_code = map.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
        Self { words, numeric_code, message }
    }

    fn into_error(self, status: Option<u16>) -> ProviderError {
        let class = self.class(status);
        let code = self.words.into_iter().next().map(|word| shorten(&redact(&word), 80));
        ProviderError { class, status, code, message: shorten(&redact(&self.message), MAX_MESSAGE) }
    }

    fn class(&self, status: Option<u16>) -> ErrorClass {
        let says = |words: &[&str]| self.words.iter().any(|have| words.iter().any(|word| have.eq_ignore_ascii_case(word)));
        let message = self.message.to_ascii_lowercase();
        let mentions = |words: &[&str]| words.iter().any(|word| message.contains(word));
        if says(&["context_length_exceeded", "model_context_window_exceeded"])
            || mentions(&[
                "maximum context length",
                "context length exceeded",
                "prompt is too long",
                "exceeds the maximum number of tokens",
            ])
        {
            ErrorClass::ContextTooLong
        } else if says(&["content_policy_violation", "content_filter", "moderation_blocked", "safety"]) {
            ErrorClass::ContentPolicy
        } else if says(&["insufficient_quota", "billing_error", "billing_hard_limit_reached", "insufficient_credits"]) {
            ErrorClass::QuotaExceeded
        } else if says(&["authentication_error", "invalid_api_key", "unauthenticated", "api_key_invalid"]) {
            ErrorClass::Authentication
        } else if says(&[
            "rate_limit_error",
            "rate_limit_exceeded",
            "resource_exhausted",
            "too_many_requests",
            "throttlingexception",
        ]) {
            ErrorClass::RateLimited
        } else if says(&["overloaded_error", "unavailable", "server_overloaded", "serviceunavailableexception"]) {
            ErrorClass::Overloaded
        } else if says(&["timeout_error", "deadline_exceeded", "modeltimeoutexception"]) {
            ErrorClass::Timeout
        } else if says(&["not_found_error", "model_not_found", "not_found"]) {
            ErrorClass::NotFound
        } else if says(&["permission_error", "permission_denied"]) {
            ErrorClass::Permission
        } else if says(&["request_too_large"]) {
            ErrorClass::TooLarge
        } else if let Some(class) = status.and_then(of_status) {
            class
        } else if says(&[
            "api_error",
            "server_error",
            "internal",
            "internal_server_error",
            "internalserverexception",
            "modelstreamerrorexception",
        ]) {
            ErrorClass::Internal
        } else if says(&["invalid_request_error", "invalid_argument", "invalid_prompt", "validationexception"]) {
            ErrorClass::InvalidRequest
        } else {
            ErrorClass::Unknown
        }
    }
}

fn of_status(status: u16) -> Option<ErrorClass> {
    Some(match status {
        401 => ErrorClass::Authentication,
        402 => ErrorClass::QuotaExceeded,
        403 => ErrorClass::Permission,
        404 => ErrorClass::NotFound,
        408 | 504 => ErrorClass::Timeout,
        413 => ErrorClass::TooLarge,
        429 => ErrorClass::RateLimited,
        503 | 529 => ErrorClass::Overloaded,
        400..=499 => ErrorClass::InvalidRequest,
        500..=599 => ErrorClass::Internal,
        _ => return None,
    })
}

fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => text.get(..end).map(|head| format!("{head}…")).unwrap_or_default(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn class(status: u16, body: Value) -> ErrorClass {
        ProviderError::decode(status, body.to_string().as_bytes()).class
    }

    #[test]
    fn the_shapes_of_all_providers_are_understood() {
        let openai = json!({"error":{"message":"Incorrect API key provided: sk-marker123","type":"invalid_request_error","param":null,"code":"invalid_api_key"}});
        assert_eq!(class(401, openai), ErrorClass::Authentication);
        assert_eq!(
            class(429, json!({"error":{"message":"x","type":"insufficient_quota","code":"insufficient_quota"}})),
            ErrorClass::QuotaExceeded
        );
        assert_eq!(class(400, json!({"error":{"message":"x","code":"context_length_exceeded"}})), ErrorClass::ContextTooLong);
        assert_eq!(
            class(529, json!({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})),
            ErrorClass::Overloaded
        );
        assert_eq!(
            class(400, json!({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 > 8"}})),
            ErrorClass::ContextTooLong
        );
        let gemini = json!([{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}]);
        assert_eq!(class(400, gemini), ErrorClass::Authentication);
        assert_eq!(class(404, json!({"error":"model 'x' not found"})), ErrorClass::NotFound);
        assert_eq!(class(422, json!({"detail":"bad"})), ErrorClass::InvalidRequest);
        assert_eq!(class(500, json!("x")), ErrorClass::Internal);
        assert_eq!(ProviderError::decode(502, b"<html>secret page</html>").to_string(), "status 502");
    }

    #[test]
    fn a_key_is_never_repeated() {
        let body = json!({"error":{"message":"Incorrect API key provided: sk-marker123. See marker-two","code":"x"}}).to_string();
        let error = ProviderError::decode(401, body.as_bytes()).without("marker-two");
        assert!(!format!("{error} {error:?}").contains("marker"), "{error}");
    }

    #[test]
    fn failures_inside_of_a_success_are_found() {
        let chunk = json!({"id":"x","error":{"code":502,"message":"Provider disconnected"},"choices":[]});
        let error = ProviderError::reported_in(&chunk).unwrap();
        assert_eq!((error.class, error.status), (ErrorClass::Internal, None));
        assert!(ProviderError::reported_in(&json!({"id":"x","error":null,"choices":[]})).is_none());
        let failed =
            json!({"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"m"}}});
        assert_eq!(ProviderError::reported_in(&failed).unwrap().code.as_deref(), Some("server_error"));
    }
}
