//! Where assistants come in: the Model Context Protocol over HTTP, for callers with a credential of their own.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse as _, Response};

use super::Api;
use super::body;
use super::identity::Asker;
use super::problem::Problem;
use super::streams::Standing;
use super::{Settings, identity};
use crate::mcp::{Endpoint, Visitor};

/// One message, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// Where the protocol is spoken.
pub(super) const PATH: &str = "/mcp";

/// The protocol, for whom `answer` has found out.
pub(super) fn endpoint(settings: &Settings) -> Endpoint {
    let endpoint = crate::mcp::service(|parts| parts.extensions.get::<Visitor>().cloned(), &settings.names);
    endpoint.looking_every(settings.recheck)
}

/// Answers a request of the protocol. A browser's cookie counts for nothing here: pages of other servers on the same machine are sent with it.
pub(super) async fn answer(State(api): State<Api>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    if !parts.headers.contains_key(AUTHORIZATION) {
        return Problem::new(StatusCode::UNAUTHORIZED, "assistants come with an API key or a token: `Authorization: Bearer …`")
            .into_response();
    }
    let asker = match Asker::from_request_parts(&mut parts, &api).await {
        Ok(asker) => asker,
        Err(problem) => return problem.into_response(),
    };
    let (caller, headers) = (asker.caller().clone(), parts.headers.clone());
    let listener = match identity::peer(&parts) {
        Ok(peer) => Standing { api: api.clone(), caller, peer, headers },
        Err(problem) => return problem.into_response(),
    };
    // What comes back may be a stream, and is counted as one.
    let place = match listener.place() {
        Ok(place) => place,
        Err(error) => return Problem::from(error).into_response(),
    };
    let settings = &api.shared.settings;
    // Whole before anything is made of it: whoever sends slowly or too much holds nothing.
    let body = match body::read(body, LARGEST, settings.body_patience).await {
        Ok(bytes) => Body::from(bytes),
        Err(problem) => return problem.into_response(),
    };
    let visitor = Visitor::guest(Arc::new(asker.service), Arc::new(listener.clone()));
    parts.extensions.insert(visitor);
    let reply = api.shared.assistants.handle(Request::from_parts(parts, body)).await;
    reply.map(|body| listener.guard(Body::new(body), place))
}
