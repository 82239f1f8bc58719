//! The service over HTTP: everything below `/api/v1`, the page, and what tells whether the host is well.
//!
//! - Routes, their parameters and their description are made from the table of verbs: the API has what the other surfaces have.
//! - A request is somebody's before it is anything else (`identity`), and works on a [`GuardedService`], which asks what they may at every verb.
//! - Whatever goes wrong is a problem as RFC 9457 has it (`problem`).
//! - Nobody can hold the host up: headers, bodies, connections, streams and work at a time are bounded (`server`, `body`, `streams`).

mod answers;
mod artifacts;
mod assistants;
mod body;
mod conditional;
mod health;
mod held;
mod identity;
mod metrics;
mod openapi;
mod pages;
mod parameters;
mod peer;
mod problem;
mod requests;
mod server;
mod session;
mod settings;
mod streams;
mod transfers;
mod verbs;

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use axum::routing::{any, get, post, put};
use tokio::sync::watch;

pub use identity::Identify;
pub use peer::Peer;
pub use server::{ServeError, Server};
pub use settings::Settings;

use crate::access::{Access, AccessError, Caller, Share, Shares, Source};
use crate::mcp::Endpoint;
use crate::service::LocalService;
use crate::service::guarded::GuardedService;
use metrics::Counters;
use problem::Problem;
use streams::{News, Watched};

/// Where the API is.
pub const BASE: &str = crate::service::verbs::BASE;

/// The service over HTTP. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    shared: Arc<Shared>,
}

struct Shared {
    service: LocalService,
    access: Access,
    settings: Settings,
    counters: Counters,
    /// Streams that are open.
    streams: Shares<String>,
    /// Of them, those that give an execution whole.
    recorded: Shares<String>,
    /// Verbs that are called.
    work: Shares<String>,
    /// Components and archives that are taken in or given out.
    uploads: Shares<String>,
    /// Bytes of answers that their callers have yet to take.
    answers: Shares<String>,
    health: health::Health,
    news: News,
    watched: Watched,
    assistants: Endpoint,
    /// The host is asked to end.
    closing: watch::Sender<bool>,
    /// Nothing runs in it any more.
    ended: watch::Sender<bool>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Api {
    /// The API over a service, which knows who may come.
    pub fn new(service: LocalService, access: Access, settings: Settings) -> Self {
        let shared = Shared {
            service,
            access,
            counters: Counters::default(),
            streams: settings.shares(settings.streams),
            recorded: settings.shares(settings.work),
            work: settings.shares(settings.work),
            uploads: settings.shares(settings.uploads),
            answers: settings.shares(settings.answers),
            health: health::Health::default(),
            news: News::new(),
            watched: Watched::default(),
            assistants: assistants::endpoint(&settings),
            closing: watch::Sender::new(false),
            ended: watch::Sender::new(false),
            settings,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Begins a graceful stop: streams end, no other request is taken on, and `/readyz` says so until [`Api::end`].
    pub fn close(&self) {
        self.shared.closing.send_replace(true);
        self.shared.assistants.close();
    }

    /// After [`Api::close`]: nothing runs in the host any more. Once what was asked is answered, nobody is.
    pub fn end(&self) {
        self.shared.ended.send_replace(true);
    }

    /// The service for a caller: what the API and every other surface on the network works with.
    pub fn service_for(&self, caller: Caller, source: Source) -> GuardedService {
        let own = self.shared.service.clone().on_behalf_of(caller.clone(), source);
        let guarded = GuardedService::new(Arc::new(own), caller);
        guarded.recorded(self.shared.access.clone(), source).working(self.shared.work.clone())
    }

    /// A caller's place among those who send or fetch what is large.
    fn upload_of(&self, caller: &Caller) -> Result<Share<String>, AccessError> {
        let place = self.shared.uploads.take(caller.counted_as(), 1);
        place.map_err(|full| AccessError::Full { what: "uploads and exports", full })
    }

    /// All routes. What speaks another protocol is mounted here too, and authenticates with [`Api::identify`].
    fn router(&self) -> Router {
        let mut router: Router<Self> = Router::new();
        for entry in crate::service::verbs::all() {
            router = verbs::route(router, entry);
        }
        let special = |path: &str| format!("{BASE}{path}");
        router
            .route(&special("/components"), put(transfers::put_component))
            .route(&special("/components/{digest}/content"), get(transfers::component))
            .route(&special("/export"), get(transfers::export))
            .route(&special("/import"), post(transfers::import))
            .route(&special("/artifacts/{artifact}/content"), get(artifacts::content))
            .route(&special("/executions/{execution}/logs/stream"), get(streams::of_logs))
            .route(&special("/executions/{execution}/events/stream"), get(streams::of_events))
            .route(&special("/executions/{execution}/stream"), get(streams::of_execution))
            .route(&special("/stream"), get(streams::of_all))
            .route(&special("/session"), post(session::log_in).delete(session::log_out))
            .route(&special("/answers/{token}"), get(answers::show).post(answers::answer))
            .route(&special("/openapi.json"), get(openapi::document))
            .route(assistants::PATH, any(assistants::answer))
            .route("/healthz", get(health::is_alive))
            .route("/readyz", get(health::is_ready))
            .route("/metrics", get(metrics::text))
            .method_not_allowed_fallback(async |method: Method| Problem::method(&method))
            .fallback(pages::page)
            .layer(axum::middleware::from_fn_with_state(self.clone(), requests::around))
            .with_state(self.clone())
    }

    /// What is left of them while the host ends.
    fn ending(&self) -> Router {
        Router::new()
            .route("/healthz", get(health::is_alive))
            .route("/readyz", get(health::is_ready))
            .fallback(async || health::ending())
            .layer(axum::middleware::from_fn_with_state(self.clone(), requests::around))
            .with_state(self.clone())
    }
}

/// Returns when the host is to end, or has: what was sent is true.
async fn closed(closing: &mut watch::Receiver<bool>) {
    // What it gives holds a lock.
    let _ = closing.wait_for(|closing| *closing).await;
}

#[cfg(test)]
mod tests {
    use crate::service::verbs::{self, Method};

    #[test]
    fn every_verb_has_a_place_of_its_own_on_every_surface() {
        let mut places = std::collections::BTreeMap::new();
        let abouts = verbs::all().iter().map(|entry| entry.about).chain(verbs::specials().iter().copied());
        for about in abouts {
            // A parameter's name makes no other path.
            let path: Vec<&str> = about.path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
            let before = places.insert((path.join("/"), about.method.as_str()), about.name);
            assert_eq!(before, None, "{} has the route of another", about.name);
            assert!(
                about.method == Method::Get || about.effect != verbs::Effect::Reads || about.method == Method::Post,
                "{}",
                about.name
            );
        }
    }
}
