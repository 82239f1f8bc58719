//! What every request gets, whatever becomes of it: an identifier, headers, a place in the counts.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::{Api, BASE};
use crate::ids::{Ids as _, SystemIds};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Which route has answered, for the counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named(pub(super) &'static str);

pub(super) async fn around(State(api): State<Api>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = given_id(&request).unwrap_or_else(new_id);
    let is_api = request.uri().path().starts_with(BASE);
    let mut response = next.run(request).await;
    let name = response.extensions().get::<Named>().map_or(if is_api { "other" } else { "page" }, |named| named.0);
    api.shared.counters.count(name, response.status(), began.elapsed());
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_api {
        // Nobody in between keeps what only this caller may see.
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        headers.entry(header::REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
        headers.entry(header::X_FRAME_OPTIONS).or_insert(HeaderValue::from_static("DENY"));
        let corp = HeaderName::from_static("cross-origin-resource-policy");
        headers.entry(corp).or_insert(HeaderValue::from_static("same-origin"));
    }
    response
}

/// The identifier that somebody in front of the host gave the request.
fn given_id(request: &Request) -> Option<HeaderValue> {
    let given = request.headers().get(&REQUEST_ID)?;
    let text = given.to_str().ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    ((1..=64).contains(&text.len()) && text.chars().all(is_plain)).then(|| given.clone())
}

fn new_id() -> HeaderValue {
    HeaderValue::from_str(&SystemIds.execution().to_string().replace('-', "")).unwrap_or(HeaderValue::from_static("none"))
}
