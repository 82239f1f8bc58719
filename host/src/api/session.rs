//! Browsers that log in and out. Who is logged in, the verb `auth.whoami` says at the same address.

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::identity::{Asker, COOKIE_NAME, is_same_origin, peer};
use super::problem::Problem;
use super::requests::Named;
use super::{Api, body, conditional, verbs};
use crate::access::AccessError;
use crate::secrets::ExposeSecret as _;
use crate::service::AccessVerbs as _;

/// The longest body of a log-in.
const LARGEST: usize = 4 * 1024;
/// As long as a session stays at most; the host ends it before that.
const SECONDS: u64 = 7 * 24 * 60 * 60;

/// What somebody logs in with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LogIn {
    code: Option<String>,
    api_key: Option<String>,
}

/// `POST /session`.
pub(super) async fn log_in(State(api): State<Api>, request: Request) -> Result<Response, Problem> {
    let (parts, sent) = request.into_parts();
    let settings = &api.shared.settings;
    // Nobody is logged in by another page, not even as somebody else.
    if is_same_origin(&parts.headers, settings) == Some(false) {
        return Err(AccessError::Csrf.into());
    }
    verbs::require_json(&parts.headers)?;
    let bytes = body::read(sent, LARGEST, settings.body_patience).await?;
    // What is wrong is not repeated: it may be a credential.
    let wrong = || Problem::usage("a log-in has either `code` or `api_key`");
    let with: LogIn = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
    let from = peer(&parts)?;
    let source = from.source(&parts.headers, settings);
    let made = match (with.code, with.api_key) {
        (Some(code), None) => api.shared.access.log_in_with_code(&code, source).await?,
        (None, Some(key)) => api.shared.access.log_in_with_key(&key, source).await?,
        _ => return Err(wrong()),
    };
    let who = api.service_for(made.caller, source).who_am_i().await?;
    let secure = if from.is_secure(&parts.headers, settings) { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE_NAME}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={SECONDS}{secure}", made.cookie.expose_secret());
    let body = serde_json::to_value(who).map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(with_cookie(conditional::json(StatusCode::OK, &body, None), &cookie, "auth.log-in"))
}

/// `DELETE /session`.
pub(super) async fn log_out(State(api): State<Api>, asker: Asker) -> Result<Response, Problem> {
    api.shared.access.log_out(asker.caller(), asker.source).await?;
    let cookie = format!("{COOKIE_NAME}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
    Ok(with_cookie(StatusCode::NO_CONTENT.into_response(), &cookie, "auth.log-out"))
}

fn with_cookie(mut response: Response, cookie: &str, name: &'static str) -> Response {
    if let Ok(mut value) = HeaderValue::from_str(cookie) {
        value.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response.extensions_mut().insert(Named(name));
    response
}
