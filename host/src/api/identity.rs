//! From a request to whoever makes it.

use async_trait::async_trait;
use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};

use super::problem::Problem;
use super::requests::MadeBy;
use super::{Api, Peer, Settings};
use crate::access::{Access, AccessError, Caller, Source};
use crate::service::guarded::GuardedService;

/// The cookie of a browser that is logged in.
pub(super) const COOKIE_NAME: &str = "kitaru_session";
/// What the page shows with everything that changes something.
pub(super) const CSRF_HEADER: &str = "x-kitaru-csrf";

/// Knows who comes with which credential.
#[async_trait]
pub trait Identify: Send + Sync {
    /// Who comes with these headers, from there.
    ///
    /// # Errors
    /// [`AccessError::Unauthenticated`] for nobody, [`AccessError::Expired`], [`AccessError::TooMany`].
    async fn identify(&self, headers: &HeaderMap, source: Source) -> Result<Caller, AccessError>;
}

#[async_trait]
impl Identify for Access {
    async fn identify(&self, headers: &HeaderMap, source: Source) -> Result<Caller, AccessError> {
        if headers.contains_key(AUTHORIZATION) {
            // What somebody says outright counts, and nothing that their browser sends along.
            return self.bearer(bearer(headers).unwrap_or_default(), source).await;
        }
        match cookie(headers) {
            Some(cookie) => self.session(cookie).await,
            None => Err(AccessError::Unauthenticated),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, text) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
    pairs.filter_map(|pair| pair.trim().split_once('=')).find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

/// Whether a browser says that a request comes from a page of this host. What says nothing is no browser of today.
pub(super) fn is_same_origin(headers: &HeaderMap, settings: &Settings) -> Option<bool> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let by_site = text("sec-fetch-site").map(|site| site == "same-origin");
    let by_origin = headers.get(ORIGIN).map(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        let is_host = authority.is_some() && authority == text(HOST.as_str());
        is_host || settings.public_url.as_deref().is_some_and(|url| is_origin_of(origin, url))
    });
    match (by_site, by_origin) {
        (None, None) => None,
        (site, origin) => Some(site.unwrap_or(true) && origin.unwrap_or(true)),
    }
}

fn is_origin_of(origin: &str, url: &str) -> bool {
    url.strip_prefix(origin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whoever makes a request, and the service as they may use it.
pub(super) struct Asker {
    pub(super) service: GuardedService,
    pub(super) source: Source,
}

impl Asker {
    pub(super) fn caller(&self) -> &Caller {
        self.service.caller()
    }
}

impl Api {
    /// Who makes a request. Whoever comes with a cookie has to show, where something may change, that it is their own page that asks.
    ///
    /// # Errors
    /// When nobody does, they ask too often, or another page asks in their name.
    pub async fn identify(&self, peer: Peer, method: &Method, headers: &HeaderMap) -> Result<(Caller, Source), AccessError> {
        let source = peer.source(headers, &self.shared.settings);
        let caller = self.shared.access.identify(headers, source).await?;
        self.shared.access.admit(&caller)?;
        if caller.session().is_some() && !method.is_safe() {
            if is_same_origin(headers, &self.shared.settings) != Some(true) {
                return Err(AccessError::Csrf);
            }
            let shown = headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
            self.shared.access.check_csrf(&caller, shown).await?;
        }
        Ok((caller, source))
    }
}

/// The other end of the connection that a request came by.
pub(super) fn peer(parts: &Parts) -> Result<Peer, Problem> {
    let peer = parts.extensions.get::<Peer>().copied();
    peer.ok_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "nobody knows where the request came from"))
}

impl FromRequestParts<Api> for Asker {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let (caller, source) = api.identify(peer(parts)?, &parts.method, &parts.headers).await?;
        if let Some(request) = parts.extensions.get::<MadeBy>() {
            request.is(&caller);
        }
        Ok(Self { service: api.service_for(caller, source), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse::<axum::http::HeaderName>().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn credentials_are_found_where_they_belong() {
        assert_eq!(bearer(&headers(&[("authorization", "Bearer  kh_1")])), Some("kh_1"));
        assert_eq!(bearer(&headers(&[("authorization", "bearer kh_1")])), Some("kh_1"));
        assert_eq!(bearer(&headers(&[("authorization", "Basic kh_1")])), None);
        assert_eq!(cookie(&headers(&[("cookie", "a=b; kitaru_session=xyz; c=d")])), Some("xyz"));
        assert_eq!(cookie(&headers(&[("cookie", "kitaru_sessions=xyz")])), None);
    }

    #[test]
    fn another_page_is_not_this_one() {
        let mut settings = Settings::new(std::env::temp_dir());
        let host = ("host", "127.0.0.1:8383");
        let check = |pairs: &[(&str, &str)], settings: &Settings| is_same_origin(&headers(pairs), settings);
        assert_eq!(check(&[host], &settings), None);
        assert_eq!(check(&[host, ("origin", "http://127.0.0.1:8383")], &settings), Some(true));
        assert_eq!(check(&[host, ("sec-fetch-site", "same-origin")], &settings), Some(true));
        for other in ["http://evil.example", "null", "http://127.0.0.1:8384", "http://127.0.0.1:8383.evil.example"] {
            assert_eq!(check(&[host, ("origin", other)], &settings), Some(false), "{other}");
            assert_eq!(check(&[host, ("origin", other), ("sec-fetch-site", "same-origin")], &settings), Some(false), "{other}");
        }
        for site in ["cross-site", "same-site", "none"] {
            assert_eq!(check(&[host, ("sec-fetch-site", site), ("origin", "http://127.0.0.1:8383")], &settings), Some(false));
        }
        settings.public_url = Some("https://flows.example/kitaru".into());
        assert_eq!(check(&[host, ("origin", "https://flows.example")], &settings), Some(true));
        assert_eq!(check(&[host, ("origin", "https://flows.exampl")], &settings), Some(false));
    }
}
