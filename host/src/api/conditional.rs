//! Answers that a caller may have already.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::problem::Problem;

/// JSON, as the answer of a request with these headers. A caller that has it already is told that.
pub(super) fn json(status: StatusCode, value: &Value, asked: Option<&HeaderMap>) -> Response {
    let bytes = match serde_json::to_vec(value) {
        Ok(bytes) => bytes,
        Err(error) => return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    };
    let Some(asked) = asked.filter(|_| status == StatusCode::OK) else { return written(status, bytes) };
    let tag = format!("\"{}\"", blake3::hash(&bytes).to_hex());
    let mut response = if is_known(asked, &tag) { StatusCode::NOT_MODIFIED.into_response() } else { written(status, bytes) };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn written(status: StatusCode, bytes: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes).into_response()
}

/// Whether `If-None-Match` has this validator.
pub(super) fn is_known(asked: &HeaderMap, tag: &str) -> bool {
    let values = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use serde_json::json as value;

    use super::*;

    #[test]
    fn what_is_known_is_not_sent_again() {
        let first = json(StatusCode::OK, &value!({"a": 1}), Some(&HeaderMap::new()));
        let tag = first.headers()[header::ETAG].clone();
        let mut asked = HeaderMap::new();
        asked.insert(header::IF_NONE_MATCH, tag);
        assert_eq!(json(StatusCode::OK, &value!({"a": 1}), Some(&asked)).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(json(StatusCode::OK, &value!({"a": 2}), Some(&asked)).status(), StatusCode::OK);
        assert!(!json(StatusCode::CREATED, &value!({"a": 1}), Some(&asked)).headers().contains_key(header::ETAG));
    }
}
