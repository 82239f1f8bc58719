//! The page of a signed link: one question, for whoever has the link.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::identity::peer;
use super::parameters::OfPath;
use super::problem::Problem;
use super::{Api, body, conditional, verbs};
use crate::access::{AccessError, AnswerLink, LinkProblem, Note, Outcome, Source};
use crate::service::{PendingWaitView, Service as _, ServiceError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    /// Null is an answer too.
    #[serde(deserialize_with = "Deserialize::deserialize")]
    value: Value,
}

/// `GET /answers/{token}`: the question. The link is not used by that.
pub(super) async fn show(State(api): State<Api>, OfPath(token): OfPath) -> Result<Response, Problem> {
    let (link, wait) = open(&api, &token).await?;
    let mut view =
        serde_json::to_value(wait).map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    if let Some(fields) = view.as_object_mut() {
        fields.insert("flow_name".into(), link.flow.into());
        fields.insert("expires_at".into(), link.expires_at.to_rfc3339().into());
    }
    Ok(conditional::json(StatusCode::OK, &view, None))
}

/// `POST /answers/{token}`: the answer.
pub(super) async fn answer(State(api): State<Api>, OfPath(token): OfPath, request: Request) -> Result<Response, Problem> {
    let (parts, sent) = request.into_parts();
    let source = peer(&parts)?.source(&parts.headers, &api.shared.settings);
    verbs::require_json(&parts.headers)?;
    let (link, wait) = open(&api, &token).await?;
    let settings = &api.shared.settings;
    let bytes = body::read(sent, settings.largest_body, settings.body_patience).await?;
    let answer: Answer =
        serde_json::from_slice(&bytes).map_err(|error| Problem::usage(format!("an answer is `{{\"value\": …}}`: {error}")))?;
    let wait_id = wait.wait_id.clone();
    // A link that is used up is used to the end, also when nobody waits for that any more.
    let given = tokio::spawn(async move { give(&api, &link, &wait, &answer.value, source).await });
    given.await.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the answer was cut short"))??;
    Ok(conditional::json(StatusCode::OK, &json!({ "wait_id": wait_id, "status": "answered" }), None))
}

/// What a link is good for now.
async fn open(api: &Api, token: &str) -> Result<(AnswerLink, PendingWaitView), Problem> {
    let link = api.shared.access.answer_link(token).await?;
    api.shared.access.admit(&link.caller)?;
    let waits = api.shared.service.pending_waits(Some(link.wait.execution)).await?;
    let id = link.wait.to_string();
    let wait = waits.into_iter().find(|wait| wait.wait_id == id);
    let wait = wait.ok_or(AccessError::Link(LinkProblem::Settled))?;
    Ok((link, wait))
}

async fn give(api: &Api, link: &AnswerLink, wait: &PendingWaitView, value: &Value, source: Source) -> Result<(), ServiceError> {
    let access = &api.shared.access;
    access.use_link(link).await?;
    let given = api.shared.service.input(link.wait.execution, Some(&wait.wait_id), value).await;
    if given.is_err() {
        access.give_link_back(link).await?;
    }
    let outcome = if given.is_ok() { Outcome::Done } else { Outcome::Failed };
    access.note(&link.caller, source, Note::of("executions.input", outcome).about(&wait.wait_id)).await?;
    given
}
