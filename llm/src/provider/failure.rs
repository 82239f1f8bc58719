//! Reading the errors that providers send: as a status with a body, and inside of an answer that began with success. What a body says is the
//! codecs' business; here are the headers, and the key that must not come back.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::codec::ProviderError;

use super::error::{RetryAfter, StatusError};
use super::redaction::Redaction;

/// Longest identifier of a request that is kept, in characters.
const IDENTIFIER: usize = 100;
/// Further than this no provider means: a wait that never ends is no wait.
const LONGEST_WAIT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The error of an answer whose status says that it is one.
pub(super) fn of_status(host: &str, status: u16, headers: &HeaderMap, body: &[u8], redaction: &Redaction) -> StatusError {
    let mut document: Value = serde_json::from_slice(body).unwrap_or_default();
    // Before anything is shortened: a key that straddles the end would leave a part.
    redaction.fragments(&mut document);
    let mut report = ProviderError::decode(status, &serde_json::to_vec(&document).unwrap_or_default());
    if (300..400).contains(&status) {
        report.message = "a redirect, which is not followed".to_owned();
    } else if report.message.is_empty() {
        let reason = reqwest::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
        report.message = reason.unwrap_or_default().to_owned();
    }
    StatusError {
        host: host.to_owned(),
        report,
        retry_after: retry_after(headers).or_else(|| retry_info(&document)),
        should_retry: word(headers, "x-should-retry").and_then(|word| word.parse().ok()),
        request_id: request_id(headers, redaction),
    }
}

/// The error that a document of an answer carries, if it does: gateways answer with success before they know, and streams break.
pub(super) fn of_document(host: &str, document: &Value, redaction: &Redaction) -> Option<StatusError> {
    ProviderError::reported_in(document)?;
    let mut document = document.clone();
    redaction.fragments(&mut document);
    let report = ProviderError::reported_in(&document)?;
    let retry_after = retry_info(&document);
    Some(StatusError { host: host.to_owned(), report, retry_after, should_retry: None, request_id: None })
}

/// The provider's identifier of a request.
pub(super) fn request_id(headers: &HeaderMap, redaction: &Redaction) -> Option<String> {
    let names = ["x-request-id", "request-id", "apim-request-id", "x-goog-request-id", "x-amzn-requestid", "cf-ray"];
    names.into_iter().find_map(|name| word(headers, name)).map(|id| redaction.line(id, IDENTIFIER))
}

/// When to ask again: `retry-after-ms`, else `retry-after` in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<RetryAfter> {
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    let delay = |seconds: f64| RetryAfter::Delay(Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT));
    if let Some(milliseconds) = word(headers, "retry-after-ms").and_then(number) {
        return Some(delay(milliseconds / 1_000.0));
    }
    let text = word(headers, "retry-after")?;
    if let Some(seconds) = number(text) {
        return Some(delay(seconds));
    }
    let moment: Timestamp = DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(RetryAfter::At(moment))
}

fn word<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

/// Google's `RetryInfo`: `{"@type": "….RetryInfo", "retryDelay": "12.5s"}` among the details.
fn retry_info(document: &Value) -> Option<RetryAfter> {
    let document = document.get(0).unwrap_or(document);
    let details = document.pointer("/error/details")?.as_array()?;
    let delay = details.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    let seconds: f64 = delay.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().map(|delay| RetryAfter::Delay(delay.min(LONGEST_WAIT)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (reqwest::header::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn read(status: u16, body: &str) -> StatusError {
        of_status("h", status, &HeaderMap::new(), body.as_bytes(), &Redaction::default())
    }

    #[test]
    fn what_was_said_and_what_was_not() {
        let error = read(400, &json!({"error": {"message": "no", "type": "invalid_request_error"}}).to_string());
        assert_eq!(error.to_string(), "h answered with an error: status 400, invalid_request_error: no");
        assert_eq!(read(502, "<html>page</html>").to_string(), "h answered with an error: status 502: Bad Gateway");
        assert_eq!(read(302, "{}").to_string(), "h answered with an error: status 302: a redirect, which is not followed");
    }

    #[test]
    fn keys_do_not_straddle_the_end_of_a_message() {
        let key = "abcdefgh-ijklmnop-qrstuvwx";
        let redaction = Redaction::of(Some(&crate::provider::Secret::new(key)));
        for length in 470..500 {
            let body = json!({"error": {"message": format!("{}{key}", "x".repeat(length))}}).to_string();
            let error = of_status("h", 400, &HeaderMap::new(), body.as_bytes(), &redaction);
            assert!(!error.to_string().contains("abc"), "{error}");
        }
    }

    #[test]
    fn when_to_ask_again() {
        let at = "2026-11-21T10:00:00Z".parse().unwrap();
        for (pairs, expected) in [
            (vec![("retry-after", "7")], Some(RetryAfter::Delay(Duration::from_secs(7)))),
            (vec![("retry-after", "0.5")], Some(RetryAfter::Delay(Duration::from_millis(500)))),
            (vec![("retry-after", "7"), ("retry-after-ms", "250")], Some(RetryAfter::Delay(Duration::from_millis(250)))),
            (vec![("retry-after", "Sat, 21 Nov 2026 10:00:00 GMT")], Some(RetryAfter::At(at))),
            (vec![("retry-after", "1e300")], Some(RetryAfter::Delay(LONGEST_WAIT))),
            (vec![("retry-after", "-1")], None),
            (vec![("retry-after", "NaN")], None),
            (vec![("retry-after", "soon")], None),
            (vec![], None),
        ] {
            assert_eq!(retry_after(&headers(&pairs)), expected, "{pairs:?}");
        }
        let quota = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{}, {"retryDelay": "12.5s"}]}});
        assert_eq!(read(429, &quota.to_string()).retry_after, Some(RetryAfter::Delay(Duration::from_millis(12_500))));
    }

    #[test]
    fn errors_inside_of_answers() {
        let found = |document: Value| of_document("h", &document, &Redaction::default());
        assert_eq!(found(json!({"choices": [], "error": null})), None);
        assert_eq!(found(json!({"type": "response.created", "response": {"error": null}})), None);
        let retryable = |document: Value| found(document).unwrap().report.class.is_retryable();
        assert!(retryable(json!({"error": {"code": 502, "message": "upstream"}, "choices": []})));
        assert!(retryable(json!({"type": "error", "error": {"type": "overloaded_error"}})));
        assert!(retryable(json!({"type": "error", "code": "rate_limit_exceeded", "message": "slow"})));
        assert!(retryable(json!({"type": "response.failed", "response": {"error": {"code": "server_error"}}})));
        assert!(!retryable(json!({"error": {"code": "unheard_of"}})));
    }
}
