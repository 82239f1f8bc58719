//! From an answer that is no success to the error that it tells of.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::Value;

use super::wire::Address;
use crate::service::{RemoteError, ServiceError};

/// What is read of an error, and of what was done before it.
pub(super) const LARGEST: usize = 64 * 1024 * 1024;
/// No server may have a client wait longer than this between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A problem, as the server writes it.
#[derive(Deserialize)]
struct Told {
    detail: String,
    class: String,
    #[serde(default)]
    causes: Vec<String>,
    #[serde(default)]
    hint: Option<String>,
    #[serde(default)]
    done: Option<Value>,
}

/// The error of an answer with this status, and when it may be asked again.
pub(super) fn of_answer(address: &Address, verb: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ServiceError {
    let is_problem = media_type(headers) == "application/problem+json";
    match serde_json::from_slice::<Told>(body) {
        Ok(told) if is_problem => told.into_error(address, verb, status, retry_after(headers)),
        _ => of_stranger(address, status, headers).into(),
    }
}

impl Told {
    fn into_error(mut self, address: &Address, verb: &str, status: StatusCode, pause: Option<Duration>) -> ServiceError {
        // What a later version may say of it is left out.
        let done = self.done.take().and_then(|done| serde_json::from_str(&address.without_key(&done.to_string())).ok());
        let error = self.into_refusal(address, verb, status, pause);
        match done {
            Some(done) => error.after(done),
            None => error,
        }
    }

    fn into_refusal(self, address: &Address, verb: &str, status: StatusCode, pause: Option<Duration>) -> ServiceError {
        let shown = |text: String| address.without_key(&text);
        let (message, hint) = (shown(self.detail), self.hint.map(shown));
        let causes: Vec<String> = self.causes.into_iter().map(shown).collect();
        let has_no_such_route = matches!(status, StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
        if has_no_such_route && self.class == "KitaruUsageError" {
            return RemoteError::unreachable(format!("the server at {address} has no `{verb}`"))
                .with_status(status.as_u16())
                .because([message])
                .hint(format!("it is of another version than this program, which is {}", env!("CARGO_PKG_VERSION")))
                .into();
        }
        // As they are where the data folder is.
        if causes.is_empty() {
            match (status, self.class.as_str()) {
                (StatusCode::BAD_REQUEST, "KitaruUsageError") => return ServiceError::Usage { message, hint },
                (StatusCode::NOT_FOUND, "LookupError") if hint.is_none() => return ServiceError::Lookup(message),
                (StatusCode::NOT_FOUND, "KitaruRuntimeError") => return ServiceError::NotFound { message, hint },
                (StatusCode::CONFLICT, "KitaruStateError") => return ServiceError::State { message, hint },
                _ => {}
            }
        }
        let error = RemoteError::refused(status.as_u16(), &self.class, message).because(causes).again_after(pause);
        match hint {
            Some(hint) => error.hint(hint),
            None if status == StatusCode::UNAUTHORIZED => error.hint("check KITARU_AUTH_TOKEN, or log in again"),
            None => error,
        }
        .into()
    }
}

/// Whoever answers without being a server, or before one.
fn of_stranger(address: &Address, status: StatusCode, headers: &HeaderMap) -> RemoteError {
    let said = format!("HTTP status {}, {}", status.as_u16(), address.without_key(&shown_media_type(headers)));
    let error = if status.is_redirection() {
        let to = headers.get(header::LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default();
        let to = to.split(['?', '#']).next().unwrap_or_default();
        let to: String = address.without_key(to).chars().filter(|c| !c.is_control()).take(200).collect();
        RemoteError::unreachable(format!("what answers at {address} sends elsewhere"))
            .because([format!("HTTP status {}, to {to}", status.as_u16())])
            .hint("name the address that it means: a key goes nowhere but to the address that was named")
    } else if matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT) {
        RemoteError::unreachable(format!("something before the server at {address} cannot reach it"))
            .because([said])
            .hint("look whether `kitaru-host serve` runs there")
            .again_after(retry_after(headers))
    } else {
        stranger(address).because([said])
    };
    error.with_status(status.as_u16())
}

/// Something answers with success, and is no server.
pub(super) fn no_server(address: &Address, headers: &HeaderMap) -> ServiceError {
    stranger(address).because([format!("it answers with {}", address.without_key(&shown_media_type(headers)))]).into()
}

fn stranger(address: &Address) -> RemoteError {
    RemoteError::unreachable(format!("what answers at {address} is no kitaru-host"))
        .hint("check the address: it is what `kitaru-host serve` shows, or that of the proxy before it")
}

/// A server whose answer has another shape than this program knows.
pub(super) fn unreadable(address: &Address, verb: &str, why: &serde_json::Error) -> ServiceError {
    // Whatever has the wrong type is quoted: it may be a key.
    let why = match why.to_string() {
        told if told.starts_with("missing field") || !why.is_data() => told,
        _ => format!("it has another shape at line {} column {}", why.line(), why.column()),
    };
    RemoteError::unreachable(format!("what the server at {address} answers to `{verb}` cannot be read"))
        .because([address.without_key(&why)])
        .hint(format!("it may be of another version than this program, which is {}", env!("CARGO_PKG_VERSION")))
        .into()
}

/// The media type, without its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> &str {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim()
}

fn shown_media_type(headers: &HeaderMap) -> String {
    let said: String = media_type(headers).chars().filter(char::is_ascii_graphic).take(100).collect();
    if said.is_empty() { "no media type".into() } else { said }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let said = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(said).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;

    use super::*;
    use crate::service::Done;

    fn answered(status: u16, media_type: &'static str, body: &str) -> ServiceError {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("7"));
        headers.insert(header::LOCATION, HeaderValue::from_static("https://other.example/x?key=1"));
        let address = Address::new("https://k.example", "kh_SECRET".to_owned().into());
        of_answer(&address, "executions.get", StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    fn told(status: u16, class: &str, causes: &[&str]) -> ServiceError {
        let body = json!({ "detail": "no kh_SECRET", "class": class, "causes": causes, "hint": "do" });
        answered(status, "application/problem+json", &body.to_string())
    }

    #[test]
    fn an_error_is_what_it_is_at_the_server() {
        assert!(matches!(told(400, "KitaruUsageError", &[]), ServiceError::Usage { hint: Some(_), .. }));
        assert!(matches!(told(404, "KitaruRuntimeError", &[]), ServiceError::NotFound { .. }));
        assert!(matches!(told(409, "KitaruStateError", &[]), ServiceError::State { .. }));
        let error = told(422, "KitaruWaitValidationError", &["one", "two"]);
        assert_eq!((error.class(), error.hint().as_deref()), ("KitaruWaitValidationError", Some("do")));
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "one");
        assert!(told(404, "LookupError", &[]).is_missing());
    }

    #[test]
    fn what_was_done_before_it_comes_with_it() {
        let done = json!({ "deletion": { "deleted": true, "executions": ["a"], "failures": [], "freed_bytes": 1 } });
        let with = |done: serde_json::Value| {
            let body = json!({ "detail": "no", "class": "KitaruBackendError", "causes": [], "done": done });
            answered(500, "application/problem+json", &body.to_string())
        };
        let (told, error) = with(done).parted();
        assert!(matches!(told, Some(Done::Deletion(deleted)) if deleted.executions == ["a"]));
        assert_eq!((error.to_string(), error.class()), ("no".into(), "KitaruBackendError"));
        assert!(with(json!({ "of_a_later_version": [] })).done().is_none());
    }

    #[test]
    fn nothing_that_is_said_has_the_key_in_it() {
        for error in [told(400, "KitaruUsageError", &[]), told(500, "KitaruBackendError", &["kh_SECRET"])] {
            let said = format!("{error} {error:?}");
            assert!(!said.contains("SECRET"), "{said}");
        }
    }

    #[test]
    fn who_is_no_server_is_told_from_one() {
        let nothing = told(404, "KitaruUsageError", &[]);
        assert!(nothing.to_string().contains("has no `executions.get`"), "{nothing}");
        for (status, media_type, body, said) in [
            (404, "text/html", "<html>", "is no kitaru-host"),
            (404, "application/json", "{\"detail\":\"x\",\"class\":\"y\"}", "is no kitaru-host"),
            (401, "application/problem+json", "{\"title\":\"x\"}", "is no kitaru-host"),
            (502, "text/html", "<html>", "cannot reach it"),
            (308, "text/html", "", "sends elsewhere"),
        ] {
            let error = answered(status, media_type, body);
            assert!(error.to_string().contains(said), "{status} {media_type}: {error}");
            assert!(
                error.hint().is_some()
                    && std::error::Error::source(&error).is_some_and(|why| {
                        let why = why.to_string();
                        why.contains(&status.to_string()) && !why.contains("key=1")
                    })
            );
        }
    }
}
