//! What every request gets, whatever becomes of it: an identifier, headers, a place in the counts.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::{Api, BASE, Peer};
use crate::access::Caller;
use crate::ids::{Ids as _, SystemIds};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// For a year. Nothing is said of other names below it.
const STRICT: &str = "max-age=31536000";

/// Which route has answered, for the counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named(pub(super) &'static str);

/// Who turned out to make a request, for the log.
#[derive(Clone, Debug, Default)]
pub(super) struct MadeBy(Arc<OnceLock<String>>);

impl MadeBy {
    /// It is this caller.
    pub(super) fn is(&self, caller: &Caller) {
        let _ = self.0.set(caller.who.name().to_owned());
    }
}

/// What the log says of a request. The path is that of the route: parts of the request's own may be credentials.
struct Asked {
    id: String,
    method: Method,
    route: String,
    source: String,
    by: MadeBy,
}

impl Asked {
    fn of(api: &Api, request: &mut Request, id: &HeaderValue) -> Self {
        let by = MadeBy::default();
        request.extensions_mut().insert(by.clone());
        let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
        let peer = request.extensions().get::<Peer>();
        let source = peer.and_then(|peer| peer.source(request.headers(), &api.shared.settings).address());
        Self {
            id: id.to_str().unwrap_or_default().to_owned(),
            method: request.method().clone(),
            route: route.unwrap_or_default(),
            source: source.map(|address| address.to_string()).unwrap_or_default(),
            by,
        }
    }

    /// That it was answered; what streams goes on after that.
    fn answered(&self, verb: &str, status: StatusCode, took: Duration) {
        tracing::info!(
            request_id = self.id,
            method = self.method.as_str(),
            route = self.route,
            verb,
            status = status.as_u16(),
            caller = self.by.0.get().map(String::as_str),
            source = self.source,
            ms = (took.as_secs_f64() * 1e6).round() / 1e3,
            "request answered"
        );
    }
}

pub(super) async fn around(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = given_id(&request).unwrap_or_else(new_id);
    let is_api = request.uri().path().starts_with(BASE);
    let is_strict = is_for_tls_alone(&api, &request);
    let asked = tracing::enabled!(tracing::Level::INFO).then(|| Asked::of(&api, &mut request, &id));
    let mut response = next.run(request).await;
    let name = response.extensions().get::<Named>().map_or(if is_api { "other" } else { "page" }, |named| named.0);
    api.shared.counters.count(name, response.status(), began.elapsed());
    if let Some(asked) = asked {
        asked.answered(name, response.status(), began.elapsed());
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_strict {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(STRICT));
    }
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

/// Whether browsers are to come to this name over TLS alone: where they did. Not to names of this machine, which other programs on it have as well.
fn is_for_tls_alone(api: &Api, request: &Request) -> bool {
    let (headers, settings) = (request.headers(), &api.shared.settings);
    let is_secure = request.extensions().get::<Peer>().is_some_and(|peer| peer.is_secure(headers, settings));
    is_secure && !is_of_this_machine(headers)
}

fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let name = headers.get(header::HOST).and_then(|name| name.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let bare = name.split(':').next().unwrap_or_default().trim_end_matches('.');
    bare == "localhost" || bare.ends_with(".localhost")
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
