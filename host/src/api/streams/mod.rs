//! Streams of events: what happens, as it happens, with identifiers to go on after.
//!
//! Many can listen to one thing: what is looked at is looked at once for all of them (`news`, `watched`). A stream that nobody reads stands still and
//! costs no more than its connection. Each ends when its caller may no longer listen, and when the host ends.

mod event;
mod news;
mod sources;
mod watched;

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

pub(super) use news::News;
pub(super) use watched::Watched;

use super::identity::{Asker, peer};
use super::parameters::{self, OfPath, Shape};
use super::problem::Problem;
use super::requests::Named;
use super::{Api, Peer, closed};
use crate::access::Caller;
use crate::service::Service as _;
use crate::service::verbs::{Logs, LogsParams, Verb as _};
use event::{EventBody, Told};
use sources::{ChangeSource, LogSource, NewsSource, Source};

/// How often it is looked whether a caller may still listen.
const LOOKS_EVERY: Duration = Duration::from_secs(60);
/// Events that a listener has not read yet.
const AHEAD: usize = 16;

/// Somebody who listens.
struct Listener {
    api: Api,
    caller: Caller,
    peer: Peer,
    parts: Parts,
    _permit: OwnedSemaphorePermit,
}

/// `GET /executions/{execution}/logs/stream`.
pub(super) async fn of_logs(
    State(api): State<Api>,
    asker: Asker,
    OfPath(execution): OfPath,
    request: Request,
) -> Result<Response, Problem> {
    let schema = parameters_of_logs();
    let mut fields = serde_json::Map::from_iter([("execution".to_owned(), execution.into())]);
    let of_query = Shape::of(&schema).of_query(request.uri(), &fields)?;
    fields.extend(of_query);
    let params: LogsParams = serde_json::from_value(fields.into()).map_err(|error| Problem::usage(error.to_string()))?;
    let mut query = params.query()?;
    if let Some(last) = last_event_id(&request)? {
        query.after = Some(last.parse().map_err(|_| Problem::usage("`Last-Event-ID` is no line of this log"))?);
        // Lines that came meanwhile are all wanted.
        query.limit = None;
    }
    let id = asker.service.resolve(&params.execution).await?;
    let source = LogSource::new(asker.service.follow(id, &query).await?);
    open(api, asker, request, "executions.logs.stream", Box::new(source))
}

fn parameters_of_logs() -> serde_json::Value {
    let found = crate::service::verbs::all().iter().find(|entry| entry.about.name == Logs::ABOUT.name);
    found.map(|entry| (entry.params)().to_value()).unwrap_or_default()
}

/// `GET /executions/{execution}/stream`.
pub(super) async fn of_execution(
    State(api): State<Api>,
    asker: Asker,
    OfPath(execution): OfPath,
    request: Request,
) -> Result<Response, Problem> {
    parameters::only(request.uri(), &[])?;
    let id = asker.service.resolve(&execution).await?;
    let marks = api.shared.watched.watch(&api.shared.service, id).await?;
    let source = ChangeSource::new(id, marks, last_event_id(&request)?);
    open(api, asker, request, "executions.stream", Box::new(source))
}

/// `GET /stream`.
pub(super) async fn of_all(State(api): State<Api>, asker: Asker, request: Request) -> Result<Response, Problem> {
    parameters::only(request.uri(), &[])?;
    asker.caller().require(crate::access::Role::Viewer)?;
    let (before, news) = api.shared.news.listen(&api.shared.service, last_event_id(&request)?.as_deref()).await?;
    let source = NewsSource::new(asker.caller().scope.clone(), before, news);
    open(api, asker, request, "stream", Box::new(source))
}

fn last_event_id(request: &Request) -> Result<Option<String>, Problem> {
    let Some(value) = request.headers().get("last-event-id") else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::usage("`Last-Event-ID` is no text in ASCII"))?;
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

fn open(api: Api, asker: Asker, request: Request, name: &'static str, source: Box<dyn Source>) -> Result<Response, Problem> {
    let permit = api.shared.streams.clone().try_acquire_owned().map_err(|_| Problem::busy("streams"))?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let (parts, _) = request.into_parts();
    let listener = Listener { caller: asker.caller().clone(), peer: peer(&parts)?, parts, _permit: permit, api };
    let beat = listener.api.shared.settings.heartbeat;
    tokio::spawn(tell(listener, source, sender));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // For proxies that would rather keep a while what they hand on.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let mut response = (headers, Body::new(EventBody::new(receiver, beat))).into_response();
    response.extensions_mut().insert(Named(name));
    Ok(response)
}

/// Hands events on until one side has enough.
async fn tell(listener: Listener, mut source: Box<dyn Source>, sender: mpsc::Sender<Bytes>) {
    let mut closing = listener.api.shared.closing.subscribe();
    let mut look = tokio::time::interval_at(tokio::time::Instant::now() + LOOKS_EVERY, LOOKS_EVERY);
    loop {
        let told = tokio::select! {
            () = closed(&mut closing) => return,
            () = sender.closed() => return,
            _ = look.tick() => {
                if listener.may_still().await { continue } else { return }
            }
            told = source.next() => told,
        };
        let (bytes, is_last) = match told {
            Ok(Some(Told { bytes, is_last })) => (bytes, is_last),
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a stream ended early");
                return;
            }
        };
        tokio::select! {
            () = closed(&mut closing) => return,
            sent = sender.send(bytes) => if sent.is_err() || is_last { return },
        }
    }
}

impl Listener {
    /// Whether whoever listens is still the same, and may as much.
    async fn may_still(&self) -> bool {
        let now = self.api.reidentify(self.peer, &self.parts.headers).await;
        now.is_ok_and(|now| now.role == self.caller.role && now.scope == self.caller.scope && now.who == self.caller.who)
    }
}

impl Api {
    async fn reidentify(&self, peer: Peer, headers: &axum::http::HeaderMap) -> Result<Caller, crate::access::AccessError> {
        use super::Identify as _;
        let source = peer.source(headers, &self.shared.settings);
        self.shared.access.identify(headers, source).await
    }
}
