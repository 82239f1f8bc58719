//! On a native target, in unit tests of an author's code, there is no host that could send anything.

use std::io::{self, Read};

use super::error::HttpError;
use super::request::Prepared;

/// Never made.
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Body,
}

/// Never made.
pub(super) struct Body(io::Empty);

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

pub(super) fn send(request: Prepared) -> Result<Received, HttpError> {
    let shown = request.shown();
    let Prepared { method, url, headers, body, timeout } = request;
    // Whoever sends reads them all.
    drop((method, url.is_https, url.authority, url.path_and_query, headers, body, timeout));
    Err(HttpError::Failed(format!("{shown} was not sent: requests are sent by the host, and this runs without one")))
}
