//! The page: its files, as the page itself says they may be shown.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::problem::Problem;
use crate::page;

/// Where no view is, so that a wrong address of a program is no page.
const NOT_VIEWS: [&str; 6] = ["/api", "/mcp", "/metrics", "/healthz", "/readyz", "/.well-known"];

/// Answers what no route does.
pub(super) async fn page(request: Request) -> Response {
    let path = request.uri().path();
    let is_elsewhere = |prefix: &&str| path.strip_prefix(*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if NOT_VIEWS.iter().any(is_elsewhere) {
        return Problem::nothing_here().into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = Problem::method(request.method()).into_response();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET,HEAD"));
        return response;
    }
    let Some(asset) = page::asset(path) else { return Problem::nothing_here().into_response() };
    let asked = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if asked.is_some_and(|asked| asset.is_known_to(asked)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, asset.media_type)], asset.bytes).into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in page::SECURITY_HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(page::CACHE_CONTROL));
    if let Ok(tag) = HeaderValue::from_str(&asset.etag) {
        headers.insert(header::ETAG, tag);
    }
    response
}
