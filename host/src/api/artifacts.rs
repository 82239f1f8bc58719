//! Artifacts as they are. A guest made them: no browser runs what they say.

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::identity::Asker;
use super::parameters::OfPath;
use super::problem::Problem;
use super::requests::Named;
use super::{Api, conditional, parameters};
use crate::service::Service as _;

const NAME: &str = "artifacts.content";

/// `GET /artifacts/{artifact}/content`.
pub(super) async fn content(
    State(api): State<Api>,
    asker: Asker,
    OfPath(artifact): OfPath,
    request: Request,
) -> Result<Response, Problem> {
    parameters::only(request.uri(), &[])?;
    let _place = asker.service.place()?;
    let found = asker.service.artifact(&artifact).await?;
    let tag = format!("\"{}\"", blake3::hash(&found.bytes).to_hex());
    let media_type = match found.value_format.as_ref() {
        "json" => "application/json",
        _ => found.value_type.as_str(),
    };
    // A type that is none is bytes.
    let media_type = HeaderValue::from_str(media_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let disposition = disposition(&found.artifact.name);
    let mut response = if conditional::is_known(request.headers(), &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        found.bytes.into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, media_type);
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    response.extensions_mut().insert(Named(NAME));
    api.held(asker.caller(), response)
}

/// A file to keep, under this name as far as one can be called so (RFC 6266).
fn disposition(name: &str) -> HeaderValue {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let plain: String = name.chars().take(100).map(|c| if is_plain(c) { c } else { '_' }).collect();
    let plain = plain.trim_start_matches('.');
    let plain = if plain.is_empty() { "artifact" } else { plain };
    let encoded: String = name.chars().take(100).collect::<String>().bytes().map(encoded).collect();
    let text = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

fn encoded(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-') {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_as_its_artifact_and_nothing_more() {
        for (name, expected) in [
            ("report.md", "attachment; filename=\"report.md\"; filename*=UTF-8''report.md"),
            (
                "a\"b\r\nSet-Cookie: x",
                "attachment; filename=\"a_b__Set-Cookie__x\"; filename*=UTF-8''a%22b%0D%0ASet-Cookie%3A%20x",
            ),
            ("../é", "attachment; filename=\"__\"; filename*=UTF-8''..%2F%C3%A9"),
            ("", "attachment; filename=\"artifact\"; filename*=UTF-8''"),
        ] {
            assert_eq!(disposition(name), expected);
        }
    }
}
