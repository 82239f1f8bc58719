//! Log-in links: the code of one, for a token.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::json;

use super::request::Ask;
use super::wire::Wire;
use super::{ClientSettings, problem};
use crate::secrets::{ExposeSecret as _, SecretString};
use crate::service::verbs::{BASE, Token, Verb as _};
use crate::service::{ServiceError, TokenParams, TokenView, WhoAmIView};

/// As long as the session stays on which the token rests, when nobody uses that.
const SECONDS: u64 = 12 * 60 * 60;

/// Exchanges the code of a log-in link for a token of the host's owner. The code works once.
///
/// # Errors
/// When the code does not count any more, or the server cannot be asked.
pub async fn log_in_with_code(address: &str, code: &SecretString, settings: ClientSettings) -> Result<TokenView, ServiceError> {
    let wire = Wire::without_key(address, code.clone(), settings)?;
    // As a browser does: what a code begins is a session, and a session makes tokens.
    let ask = Ask {
        name: "auth.log-in",
        method: Method::POST,
        path: format!("{BASE}/session"),
        headers: HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]),
        body: Some(Bytes::from(json!({ "code": code.expose_secret() }).to_string())),
        is_repeatable: false,
        is_transfer: false,
    };
    let (headers, body) = wire.fetch(&ask).await?;
    let unusable = |what: &str| ServiceError::state(format!("the server at {address} answers to the code without {what}"));
    let who: WhoAmIView = serde_json::from_slice(&body).map_err(|error| problem::unreadable(&wire.address, ask.name, &error))?;
    let cookie = headers.get(header::SET_COOKIE).and_then(|cookie| cookie.to_str().ok()?.split(';').next());
    let params = serde_json::to_value(TokenParams { seconds: Some(SECONDS), ..TokenParams::default() });
    let params = params.map_err(|error| ServiceError::state(error.to_string()))?;
    let mut ask = Ask::verb(&Token::ABOUT, params)?;
    // It shows that it is no page of somebody else that asks.
    for (name, value) in [
        (header::COOKIE, cookie.ok_or_else(|| unusable("a session"))?),
        (header::ORIGIN, origin(address)),
        (header::HeaderName::from_static("x-kitaru-csrf"), who.csrf_token.as_deref().ok_or_else(|| unusable("a token"))?),
    ] {
        let mut value = HeaderValue::from_str(value).map_err(|_| unusable("what can be sent"))?;
        value.set_sensitive(true);
        ask.headers.insert(name, value);
    }
    let (_, body) = wire.fetch(&ask).await?;
    serde_json::from_slice(&body).map_err(|error| problem::unreadable(&wire.address, ask.name, &error))
}

/// The beginning of an address, before its path.
fn origin(address: &str) -> &str {
    let host = address.find("://").map_or(0, |at| at + 3);
    let end = address.get(host..).and_then(|rest| rest.find('/')).map_or(address.len(), |at| host + at);
    address.get(..end).unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use super::origin;

    #[test]
    fn an_origin_has_no_path() {
        for (address, expected) in [
            ("http://127.0.0.1:8383", "http://127.0.0.1:8383"),
            ("https://k.example/team/a", "https://k.example"),
            ("https://k.example", "https://k.example"),
        ] {
            assert_eq!(origin(address), expected);
        }
    }
}
