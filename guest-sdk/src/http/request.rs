//! A request, from its method to its being sent.

use std::time::Duration;

use serde::Serialize;

use super::error::HttpError;
use super::response::Response;
use super::url::Url;
use super::wire;
use crate::json;

/// A request that is being put together. Nothing happens until it is [sent](Request::send).
#[must_use = "a request does nothing until it is sent"]
#[derive(Clone)]
pub struct Request {
    method: String,
    url: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, Vec<u8>)>,
    body: Option<Vec<u8>>,
    timeout: Option<Duration>,
    /// What makes it impossible to send, told when it is sent.
    problem: Option<String>,
}

/// What is in headers and bodies may be a secret, so they are not shown.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { method, timeout, .. } = self;
        let url = self.url.split('?').next().unwrap_or_default();
        f.debug_struct("Request").field("method", method).field("url", &url).field("timeout", timeout).finish_non_exhaustive()
    }
}

/// A request whose parts are known to fit.
pub(super) struct Prepared {
    pub(super) method: String,
    pub(super) url: Url,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) timeout: Option<Duration>,
}

impl Prepared {
    /// Method and URL, for people.
    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.method, self.url.shown())
    }
}

impl Request {
    pub(super) fn new(method: String, url: String) -> Self {
        Self { method, url, query: Vec::new(), headers: Vec::new(), body: None, timeout: None, problem: None }
    }

    /// Adds a header. The connection's own (`Host`, `Connection`, `Transfer-Encoding` and their like) are the host's, which refuses them.
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<()> {
    /// kitaru::http::get("https://api.example.com/").header("Accept", "application/json").send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds `Authorization: Bearer …`.
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<()> {
    /// kitaru::http::get("https://api.example.com/").bearer(kitaru::secret("api")?).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bearer(self, token: impl AsRef<str>) -> Self {
        let value = format!("Bearer {}", token.as_ref());
        self.header("Authorization", value)
    }

    /// Adds `Authorization: Basic …`, with the user's name and password. The host finds a secret's placeholder in it too.
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<()> {
    /// kitaru::http::get("https://api.example.com/").basic("robot", kitaru::secret("api")?).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn basic(self, user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        let value = format!("Basic {}", base64(format!("{}:{}", user.as_ref(), password.as_ref()).as_bytes()));
        self.header("Authorization", value)
    }

    /// Adds `name=value` to the query, escaped.
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<()> {
    /// kitaru::http::get("https://api.example.com/search").query("q", "tea & cake").send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Makes `value` the body, as JSON.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f() -> Result<()> {
    /// kitaru::http::post("https://api.example.com/notes").json(&json!({ "text": "buy tea" })).send()?.error_for_status()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> Self {
        match json::to_text(value) {
            Ok(text) => self.default_type("application/json").body(text),
            Err(error) => {
                self.problem = Some(error.to_string());
                self
            }
        }
    }

    /// Makes `text` the body.
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<()> {
    /// kitaru::http::post("https://api.example.com/notes").text("buy tea").send()?.error_for_status()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn text(self, text: impl Into<String>) -> Self {
        self.default_type("text/plain; charset=utf-8").body(text.into())
    }

    /// Makes `bytes` the body. Say what they are with a header `Content-Type`.
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<()> {
    /// let request = kitaru::http::put("https://files.example/a.png").header("Content-Type", "image/png");
    /// request.body(vec![0x89, b'P', b'N', b'G']).send()?.error_for_status()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Some(bytes.into());
        self
    }

    /// How long to wait for the head of the response, and then for each piece of it: less than the host's limit of 60 seconds.
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<()> {
    /// kitaru::http::get("https://slow.example/").timeout(std::time::Duration::from_secs(5)).send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the request, and waits for the head of its response. A status that says that something went wrong is an answer like any other: see
    /// [`Response::error_for_status`].
    ///
    /// # Errors
    /// [`HttpError`]; `?` makes a failure of the checkpoint of it.
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<u16> {
    /// let response = kitaru::http::get("https://example.com/").send()?;
    /// # Ok(response.status())
    /// # }
    /// ```
    pub fn send(self) -> Result<Response, HttpError> {
        let prepared = self.prepared()?;
        let shown = prepared.shown();
        wire::send(prepared).map(|received| Response::new(shown, received))
    }

    fn prepared(self) -> Result<Prepared, HttpError> {
        let Self { method, url, query, mut headers, body, timeout, problem } = self;
        if let Some(problem) = problem {
            return Err(HttpError::Invalid(format!("a request cannot be sent: {problem}")));
        }
        let url = Url::parse(&url, &query)?;
        // Servers that want to know the size beforehand are many.
        if let Some(body) = &body
            && !has(&headers, "content-length")
        {
            headers.push(("Content-Length".to_owned(), body.len().to_string().into_bytes()));
        }
        Ok(Prepared { method, url, headers, body, timeout })
    }

    fn default_type(self, media_type: &str) -> Self {
        if has(&self.headers, "content-type") { self } else { self.header("Content-Type", media_type) }
    }
}

fn has(headers: &[(String, Vec<u8>)], wanted: &str) -> bool {
    headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter = |bits: u32| LETTERS.get(bits as usize & 63).copied().map_or('=', char::from);
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            text.push(if place <= group.len() { letter(bits >> (18 - 6 * place)) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn header<'a>(prepared: &'a Prepared, name: &str) -> Vec<&'a str> {
        let values = prepared.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        values.map(|(_, value)| std::str::from_utf8(value).unwrap()).collect()
    }

    #[test]
    fn a_body_says_what_it_is_and_how_long() {
        let prepared = crate::http::post("https://a.example/").json(&json!({ "a": 1 })).prepared().unwrap();
        assert_eq!(prepared.body.as_deref(), Some(br#"{"a":1}"#.as_slice()));
        assert_eq!(
            (header(&prepared, "content-type"), header(&prepared, "content-length")),
            (vec!["application/json"], vec!["7"])
        );
        let typed = crate::http::put("https://a.example/").header("content-type", "text/csv").text("a,b").prepared().unwrap();
        assert_eq!(header(&typed, "Content-Type"), ["text/csv"]);
        assert!(crate::http::get("https://a.example/").prepared().unwrap().headers.is_empty());
    }

    #[test]
    fn what_is_no_json_is_told_when_it_is_sent() {
        let keys: std::collections::BTreeMap<Vec<u8>, u8> = [(vec![1], 1)].into();
        assert!(matches!(crate::http::post("https://a.example/").json(&keys).send(), Err(HttpError::Invalid(_))));
    }

    #[test]
    fn credentials_of_all_lengths() {
        for (clear, coded) in
            [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==")]
        {
            assert_eq!(base64(clear.as_bytes()), coded);
        }
        let prepared = crate::http::get("https://a.example/").basic("Aladdin", "open sesame").prepared().unwrap();
        assert_eq!(header(&prepared, "authorization"), ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]);
    }

    #[test]
    fn a_request_shows_no_secret() {
        let request = crate::http::get("https://a.example/x?key=marker").bearer("marker").text("marker");
        let shown = format!("{request:?} {}", request.clone().prepared().unwrap().shown());
        assert!(shown.contains("https://a.example/x") && !shown.contains("marker"), "{shown}");
    }
}
