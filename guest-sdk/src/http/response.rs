//! A response: its head, and its body as it comes.

use std::io::{self, Read};

use serde::de::DeserializeOwned;

use super::error::HttpError;
use super::wire::Received;
use crate::json;

/// The beginning of a body that an error quotes, in bytes.
const QUOTED: usize = 300;

/// A response. Its body has not been read yet: read it whole with [`bytes`](Self::bytes), [`text`](Self::text) or [`json`](Self::json), or in
/// pieces with [`std::io::Read`].
pub struct Response {
    request: String,
    received: Received,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Response").field("request", &self.request).field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Response {
    pub(super) fn new(request: String, received: Received) -> Self {
        Self { request, received }
    }

    /// The status.
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<()> {
    /// if kitaru::http::get("https://example.com/").send()?.status() == 404 {
    ///     kitaru::bail!("it is gone");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn status(&self) -> u16 {
        self.received.status
    }

    /// Whether the status is one of success: 200 to 299.
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<bool> {
    /// # let response = kitaru::http::get("https://example.com/").send()?;
    /// let well = response.is_success();
    /// # Ok(well)
    /// # }
    /// ```
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status())
    }

    /// The first header of this name, if it is text.
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<()> {
    /// # let response = kitaru::http::get("https://example.com/").send()?;
    /// let next = response.header("Location").map(str::to_owned);
    /// # Ok(())
    /// # }
    /// ```
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(other, _)| other.eq_ignore_ascii_case(name)).and_then(|(_, value)| std::str::from_utf8(value).ok())
    }

    /// All headers, in order.
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<()> {
    /// # let response = kitaru::http::get("https://example.com/").send()?;
    /// let names: Vec<&str> = response.headers().map(|(name, _)| name).collect();
    /// # Ok(())
    /// # }
    /// ```
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.received.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// The response itself if its status is one of success, and otherwise an error that has the status and the beginning of the body.
    ///
    /// # Errors
    /// [`HttpError::Status`].
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<String> {
    /// let text = kitaru::http::get("https://example.com/").send()?.error_for_status()?.text()?;
    /// # Ok(text)
    /// # }
    /// ```
    pub fn error_for_status(mut self) -> Result<Self, HttpError> {
        if self.is_success() {
            return Ok(self);
        }
        let mut begun = Vec::new();
        // What cannot be read is left out: the status says enough.
        let _ = self.received.body.by_ref().take(QUOTED as u64).read_to_end(&mut begun);
        let body: String = String::from_utf8_lossy(&begun).split_whitespace().collect::<Vec<_>>().join(" ");
        Err(HttpError::Status { request: self.request, status: self.received.status, body })
    }

    /// The whole body.
    ///
    /// # Errors
    /// [`HttpError::Failed`] where it does not come in full, [`HttpError::Limit`] where it is larger than the host's limit.
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<Vec<u8>> {
    /// let image = kitaru::http::get("https://example.com/logo.png").send()?.error_for_status()?.bytes()?;
    /// # Ok(image)
    /// # }
    /// ```
    pub fn bytes(mut self) -> Result<Vec<u8>, HttpError> {
        let mut bytes = Vec::new();
        match self.received.body.read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(error) => Err(inner(error)),
        }
    }

    /// The whole body as text in UTF-8.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`HttpError::Body`] where it is none.
    ///
    /// ```no_run
    /// # fn f() -> kitaru::Result<String> {
    /// let text = kitaru::http::get("https://example.com/robots.txt").send()?.error_for_status()?.text()?;
    /// # Ok(text)
    /// # }
    /// ```
    pub fn text(self) -> Result<String, HttpError> {
        let request = self.request.clone();
        String::from_utf8(self.bytes()?).map_err(|_| HttpError::Body(format!("the answer to {request} is no text in UTF-8")))
    }

    /// The whole body, read as JSON.
    ///
    /// # Errors
    /// As [`bytes`](Self::bytes), and [`HttpError::Body`] where it is no JSON of this form.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f() -> Result<Value> {
    /// let issue: Value = kitaru::http::get("https://api.example.com/issues/7").send()?.error_for_status()?.json()?;
    /// # Ok(issue)
    /// # }
    /// ```
    pub fn json<T: DeserializeOwned>(self) -> Result<T, HttpError> {
        let request = self.request.clone();
        let text = self.text()?;
        json::from_text(&text).map_err(|error| HttpError::Body(format!("the answer to {request} is not as expected: {error}")))
    }
}

impl Read for Response {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.received.body.read(buffer)
    }
}

/// The error of a request in one of reading.
fn inner(error: io::Error) -> HttpError {
    let text = error.to_string();
    let inner = error.into_inner().and_then(|inner| inner.downcast::<HttpError>().ok());
    inner.map_or(HttpError::Failed(text), |inner| *inner)
}
