//! Components and archives: bytes that come in and go out, by way of a file.

use std::io::{Read as _, Seek as _};

use super::body::{Fed, Limits};
use super::held::with_share;
use super::identity::Asker;
use super::parameters::OfPath;
use super::problem::Problem;
use super::requests::Named;
use super::{Api, body, conditional, parameters};
use crate::access::{Role, Share};
use crate::ids::ComponentDigest;
use crate::service::verbs::{About, specials};
use crate::service::{Service as _, ServiceError, parse_digest};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;
use serde_json::json;

/// The signature of a component: the text of its file, in base64.
const SIGNATURE: &str = "kitaru-signature";

fn about(name: &str) -> Result<&'static About, Problem> {
    let found = specials().iter().find(|about| about.name == name);
    found.ok_or_else(|| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the route has no verb"))
}

/// Whether a caller may, before anything is taken in that they send.
async fn admitted(api: &Api, asker: &Asker, about: &About) -> Result<Share<String>, Problem> {
    if let Err(error) = asker.caller().require(about.role) {
        let refused: Result<(), ServiceError> = Err(error.into());
        asker.service.noted(about, None, refused).await?;
    }
    Ok(api.upload_of(asker.caller())?)
}

async fn taken_in(api: &Api, sent: Body) -> Result<std::fs::File, Problem> {
    let settings = &api.shared.settings;
    let limits = Limits { most: settings.largest_upload, patience: settings.upload_patience, pause: settings.body_patience };
    body::spool(sent, limits, &settings.folder).await
}

/// `PUT /components`.
pub(super) async fn put_component(State(api): State<Api>, asker: Asker, request: Request) -> Result<Response, Problem> {
    let about = about("components.put")?;
    let room = admitted(&api, &asker, about).await?;
    let (parts, sent) = request.into_parts();
    parameters::only(&parts.uri, &[])?;
    let signature = signature(&parts.headers)?;
    let mut file = taken_in(&api, sent).await?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    drop(file);
    if bytes.is_empty() {
        return Err(Problem::usage("the body has no component"));
    }
    let service = asker.service;
    let kept = tokio::spawn(async move {
        let _room = room;
        let subject = ComponentDigest::of(&bytes).to_string();
        let kept = service.put_component(bytes, signature).await;
        service.noted(about, Some(subject), kept).await
    });
    let view = kept.await.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the component was cut short"))??;
    written(about, &view)
}

/// `GET /components/{digest}/content`.
pub(super) async fn component(
    State(api): State<Api>,
    asker: Asker,
    OfPath(digest): OfPath,
    request: Request,
) -> Result<Response, Problem> {
    let about = about("components.content")?;
    let _room = admitted(&api, &asker, about).await?;
    parameters::only(request.uri(), &[])?;
    let digest = parse_digest(&digest)?;
    let bytes = asker.service.component_bytes(digest).await?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/wasm")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"component.wasm\"")),
    ];
    let mut response = (headers, bytes).into_response();
    response.extensions_mut().insert(Named(about.name));
    api.held(asker.caller(), response)
}

fn signature(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(SIGNATURE) else { return Ok(None) };
    let text = BASE64.decode(value.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let wrong =
        || Problem::usage("`Kitaru-Signature` is no base64 of a text").hint("it is the whole file of the signature, in base64");
    text.map(Some).ok_or_else(wrong)
}

/// `POST /import`.
pub(super) async fn import(State(api): State<Api>, asker: Asker, request: Request) -> Result<Response, Problem> {
    let about = about("executions.import")?;
    let room = admitted(&api, &asker, about).await?;
    let (parts, sent) = request.into_parts();
    let query = parameters::only(&parts.uri, &["trusted"])?;
    let trusted = match query.get("trusted").map(String::as_str) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::usage("`trusted` must be `true` or `false`")),
    };
    let mut file = taken_in(&api, sent).await?;
    let service = asker.service;
    let read = tokio::spawn(async move {
        let _room = room;
        let imported = service.import(&mut file, trusted).await;
        service.noted(about, None, imported).await
    });
    let imported = read.await.map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the archive was cut short"))??;
    let ids = |ids: &[crate::ids::ExecutionId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (new, known, narrowed) = (ids(&imported.executions), ids(&imported.known), ids(&imported.narrowed));
    written(about, &json!({ "executions": new, "known": known, "narrowed": narrowed }))
}

/// `GET /export?execution=…`.
pub(super) async fn export(State(api): State<Api>, asker: Asker, request: Request) -> Result<Response, Problem> {
    let about = about("executions.export")?;
    let room = admitted(&api, &asker, about).await?;
    let mut texts = Vec::new();
    for (name, text) in parameters::pairs(request.uri())? {
        if name != "execution" {
            return Err(Problem::usage("an export takes `execution`, once or several times, and nothing else"));
        }
        texts.push(text);
    }
    if texts.is_empty() {
        return Err(Problem::usage("`execution` names none").hint("GET /api/v1/export?execution=<id>&execution=<id>"));
    }
    asker.caller().require(Role::Author)?;
    let ids = asker.service.resolve_all(&texts).await?;
    // Whole before the first byte goes out: what cannot be written is told as any other refusal.
    let mut file = tempfile::tempfile_in(&api.shared.settings.folder).map_err(unreadable)?;
    asker.service.export(&ids, &mut file).await?;
    let length = file.stream_position().map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-tar")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"executions.kitaru\"")),
    ];
    let mut response = (headers, Body::new(Fed::of_file(file, length))).into_response();
    response.extensions_mut().insert(Named(about.name));
    // Its file is there until the answer is taken.
    Ok(with_share(response, room))
}

fn written(about: &'static About, value: &impl Serialize) -> Result<Response, Problem> {
    let value =
        serde_json::to_value(value).map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let mut response = conditional::json(StatusCode::OK, &value, None);
    response.extensions_mut().insert(Named(about.name));
    Ok(response)
}

fn unreadable(error: std::io::Error) -> Problem {
    tracing::error!(error = &error as &dyn std::error::Error, "a temporary file cannot be used");
    Problem::new(StatusCode::INSUFFICIENT_STORAGE, "a temporary file cannot be used")
}
