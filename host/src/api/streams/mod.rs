//! Streams of events: what happens, as it happens, with identifiers to go on after.
//!
//! Many can listen to one thing: what is looked at is looked at once for all of them (`news`, `watched`). A stream that nobody reads stands still and
//! costs no more than its connection. Each ends when its caller may no longer listen, and when the host ends.

mod event;
mod execution;
mod news;
mod sources;
mod standing;
mod watched;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::mpsc;

pub(super) use news::News;
pub(super) use standing::Standing;
pub(super) use watched::Watched;

use super::identity::{Asker, peer};
use super::parameters::{self, OfPath, Shape};
use super::problem::Problem;
use super::requests::Named;
use super::{Api, closed};
use crate::access::{AccessError, Share};
use crate::service::Service as _;
use crate::service::verbs::{Logs, LogsParams, Verb as _};
use event::{EventBody, Told};
use execution::{ExecutionSource, Known};
use sources::{EventSource, LogSource, NewsSource, Source};

/// Events that a listener has not read yet.
const AHEAD: usize = 16;

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
    let mut position = None;
    if query.limit.is_some() && query.after.is_none() {
        // Where the last ones begin is settled now: they would be others for whoever has to come again.
        let first = asker.service.logs(id, &query).await?.first().map_or(0, |entry| entry.line.saturating_sub(1));
        (query.after, query.limit, position) = (Some(first), None, Some(first));
    }
    let source = LogSource::new(asker.service.follow(id, &query).await?, position);
    open(api, asker, request, "executions.logs.stream", Box::new(source))
}

fn parameters_of_logs() -> serde_json::Value {
    let found = crate::service::verbs::all().iter().find(|entry| entry.about.name == Logs::ABOUT.name);
    found.map(|entry| (entry.params)().to_value()).unwrap_or_default()
}

/// `GET /executions/{execution}/events/stream`.
pub(super) async fn of_events(
    State(api): State<Api>,
    asker: Asker,
    OfPath(execution): OfPath,
    request: Request,
) -> Result<Response, Problem> {
    let query = parameters::only(request.uri(), &["content"])?;
    let content = match query.get("content").map(String::as_str) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::usage("`content` must be `true` or `false`")),
    };
    let wrong = |_| Problem::usage("`Last-Event-ID` is no number of records of this execution");
    let after = last_event_id(&request)?.map(|last| last.parse().map_err(wrong)).transpose()?;
    let id = asker.service.resolve(&execution).await?;
    // What was recorded is given as it was read, and waits here as long as nobody takes it: few may have that, and one a part of them.
    let place = api.shared.recorded.take(asker.caller().counted_as(), 1);
    let place = place.map_err(|full| AccessError::Full { what: "streams of all that was recorded", full })?;
    let source = EventSource::new(api.shared.service.event_batches(id, content, after).await?, place);
    open(api, asker, request, "executions.events.stream", Box::new(source))
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
    let known = Known::of(last_event_id(&request)?.as_deref());
    let text = api.shared.service.live_text(id, known.text());
    let source = ExecutionSource::new(id, marks, text, known);
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
    let (parts, _) = request.into_parts();
    let listener = Standing { caller: asker.caller().clone(), peer: peer(&parts)?, headers: parts.headers, api };
    let place = listener.place()?;
    let (sender, receiver) = mpsc::channel(AHEAD);
    let beat = listener.api.shared.settings.heartbeat;
    tokio::spawn(tell(listener, place, source, sender));
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
async fn tell(listener: Standing, _place: Share<String>, mut source: Box<dyn Source>, sender: mpsc::Sender<Bytes>) {
    let mut closing = listener.api.shared.closing.subscribe();
    let mut ended = std::pin::pin!(listener.ended());
    loop {
        let told = tokio::select! {
            () = closed(&mut closing) => return,
            () = sender.closed() => return,
            () = &mut ended => return,
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
            () = &mut ended => return,
            sent = sender.send(bytes) => if sent.is_err() || is_last { return },
        }
    }
}
