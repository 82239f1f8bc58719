//! The protocol over HTTP, as a part of the API.
//!
//! A page in somebody's browser may send requests here, also under a name of its own that resolves to this machine: so the name that a request is
//! for, and the page that it comes from, must be this server's. Who sends a request is decided for each one; a session is of whoever began it,
//! and for anybody else it is not there.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Display;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use rmcp::model::ProtocolVersion;
use rmcp::transport::streamable_http_server::session::SessionManager as _;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;

use super::server::Server;
use super::visitor::{Stays, Visitor};
use crate::mutex::lock;

const SESSION: &str = "mcp-session-id";
/// So many sessions are open at a time; each takes memory until its client ends it, or says nothing for some minutes.
const MOST_SESSIONS: usize = 1_000;

/// So many of them are of one caller.
const MOST_OF_ONE: usize = 64;

/// So often it is looked whether whoever has a session may still be here, unless somebody says otherwise.
const LOOKS: Duration = Duration::from_secs(30);

/// A session ends when nothing is said in it for so long: longer than a person is waited for who is asked something.
const SILENCE: Duration = Duration::from_secs(900);

type Reply = Response<BoxBody<Bytes, Infallible>>;
type Make = dyn Fn(&Parts) -> Option<Visitor> + Send + Sync;

/// What answers requests of the protocol.
#[derive(Clone)]
pub struct Endpoint {
    inner: StreamableHttpService<Server, LocalSessionManager>,
    sessions: Arc<LocalSessionManager>,
    /// Whose each session is.
    of: Arc<Mutex<HashMap<String, Owner>>>,
    make: Arc<Make>,
    looks: Duration,
}

/// Whoever has a session.
struct Owner {
    who: String,
    /// By what he came with last.
    stays: Option<Arc<dyn Stays>>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

/// The protocol for the visitors that `make` tells from their requests, under these names of the server, each with its port where that is not the
/// scheme's own: `localhost:8383`, `flows.example.com`.
pub fn service(make: impl Fn(&Parts) -> Option<Visitor> + Send + Sync + 'static, names: &[String]) -> Endpoint {
    let origins = names.iter().flat_map(|name| ["http", "https"].map(|scheme| origin(scheme, name)));
    // No name at all would mean any.
    let names = if names.is_empty() { vec!["localhost.invalid".to_owned()] } else { names.to_vec() };
    let config = StreamableHttpServerConfig::default()
        .with_allowed_origins(origins.collect::<Vec<_>>())
        .enforce_origin_validation()
        .with_allowed_hosts(names);
    let mut sessions = LocalSessionManager::default();
    sessions.session_config.keep_alive = Some(SILENCE);
    let sessions = Arc::new(sessions);
    let inner = StreamableHttpService::new(|| Ok(Server::of_requests()), sessions.clone(), config);
    Endpoint { inner, sessions, of: Arc::default(), make: Arc::new(make), looks: LOOKS }
}

/// The origin of pages of a server, with its port in any case.
fn origin(scheme: &str, name: &str) -> String {
    let has_port =
        name.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    let port = if scheme == "https" { 443 } else { 80 };
    if has_port { format!("{scheme}://{name}") } else { format!("{scheme}://{name}:{port}") }
}

impl Endpoint {
    /// Answers a request of any method.
    pub async fn handle<B>(&self, request: Request<B>) -> Reply
    where
        B: Body + Send + 'static,
        B::Error: Display,
    {
        let (mut parts, body) = request.into_parts();
        let Some(visitor) = (self.make)(&parts) else {
            return refusal(StatusCode::UNAUTHORIZED, "a credential is needed");
        };
        let session = session_of(&parts.headers);
        let who = visitor.who.clone();
        match &session {
            Some(session) => {
                let mut of = lock(&self.of);
                let Some(owner) = of.get_mut(session).filter(|owner| owner.who == who) else {
                    return refusal(StatusCode::NOT_FOUND, "there is no such session");
                };
                owner.stays = visitor.stays.clone();
            }
            None if begins(&parts.headers) && self.is_full(&who).await => {
                return refusal(StatusCode::SERVICE_UNAVAILABLE, "there are too many sessions");
            }
            None => {}
        }
        let stays = visitor.stays.clone();
        parts.extensions.insert(visitor);
        let reply = self.inner.handle(Request::from_parts(parts, body)).await;
        if let (None, Some(begun)) = (session, session_of(reply.headers())) {
            lock(&self.of).insert(begun.clone(), Owner { who, stays });
            tokio::spawn(self.clone().look_after(begun));
        }
        reply
    }

    /// The same, where it is looked so often whether whoever has a session may still be here.
    #[must_use]
    pub fn looking_every(self, looks: Duration) -> Self {
        Self { looks, ..self }
    }

    /// Ends a session when whoever has it may not be here any more, and forgets it when it has ended.
    async fn look_after(self, session: String) {
        let id = session.as_str().into();
        loop {
            tokio::select! {
                () = self.inner.config.cancellation_token.cancelled() => return,
                () = tokio::time::sleep(self.looks) => {}
            }
            let Some(stays) = lock(&self.of).get(&session).map(|owner| owner.stays.clone()) else { return };
            let may_stay = match stays {
                Some(stays) => stays.stays().await,
                None => true,
            };
            if may_stay && self.sessions.has_session(&id).await.unwrap_or(false) {
                continue;
            }
            if let Err(error) = self.sessions.close_session(&id).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "a session had ended already");
            }
            lock(&self.of).remove(&session);
            return;
        }
    }

    /// Ends all sessions and streams, so that a server that stops need not wait for them.
    pub fn close(&self) {
        self.inner.config.cancellation_token.cancel();
    }

    /// Whether there is no room for another session. Forgets whose those were that have ended.
    async fn is_full(&self, who: &str) -> bool {
        let own = || lock(&self.of).values().filter(|owner| owner.who == who).count();
        let known: Vec<String> = lock(&self.of).keys().cloned().collect();
        if known.len() < MOST_SESSIONS && own() < MOST_OF_ONE {
            return false;
        }
        for session in known {
            if !self.sessions.has_session(&session.as_str().into()).await.unwrap_or(false) {
                lock(&self.of).remove(&session);
            }
        }
        lock(&self.of).len() >= MOST_SESSIONS || own() >= MOST_OF_ONE
    }
}

/// Whether a request without a session may begin one. Versions since 2026-07-28 have none; their first message alone may be taken for one that
/// begins a session, and says so by its method, which stands in a header from that version on.
fn begins(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_older = text("mcp-protocol-version").is_none_or(|version| version < ProtocolVersion::V_2026_07_28.as_str());
    is_older || text("mcp-method").is_none_or(|method| method == "initialize")
}

fn session_of(headers: &HeaderMap) -> Option<String> {
    headers.get(SESSION)?.to_str().ok().map(str::to_owned)
}

/// A problem, as all of the API tells them.
fn refusal(status: StatusCode, detail: &str) -> Reply {
    let title = status.canonical_reason().unwrap_or_default();
    let problem = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
    let mut reply = Response::new(Full::new(Bytes::from(problem.to_string())).boxed());
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
    if status == StatusCode::UNAUTHORIZED {
        reply.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_this_server_come_from_it() {
        assert_eq!(origin("http", "localhost:8383"), "http://localhost:8383");
        assert_eq!(origin("http", "[::1]:8383"), "http://[::1]:8383");
        assert_eq!(origin("https", "flows.example.com"), "https://flows.example.com:443");
        assert_eq!(origin("http", "flows.example.com"), "http://flows.example.com:80");
        assert_eq!(origin("http", "[::1]"), "http://[::1]:80");
    }

    #[test]
    fn only_older_versions_have_sessions() {
        let with = |version: &'static str, method: Option<&'static str>| {
            let version = ("mcp-protocol-version", Some(version));
            let given = [version, ("mcp-method", method)].into_iter().filter_map(|(name, value)| Some((name, value?)));
            HeaderMap::from_iter(
                given.map(|(name, value)| (header::HeaderName::from_static(name), header::HeaderValue::from_static(value))),
            )
        };
        assert!(begins(&HeaderMap::new()) && begins(&with("2025-06-18", Some("tools/call"))));
        assert!(begins(&with("2026-07-28", None)) && begins(&with("2026-07-28", Some("initialize"))), "what is taken for one");
        assert!(!begins(&with("2026-07-28", Some("tools/call"))));
    }

    #[test]
    fn a_refusal_is_a_problem() {
        let reply = refusal(StatusCode::UNAUTHORIZED, "a credential is needed");
        assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(reply.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
}
