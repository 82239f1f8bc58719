//! Reading one answer, piece by piece, within its limits of time and size.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;

use super::error::TransportError;
use super::patience::Patience;
use super::redaction::Redaction;

/// Bytes of an error's body that are read.
const ERROR_BODY: u64 = 64 * 1024;
/// How long an error's body is waited for: the status is there already, and another attempt may be waiting.
const ERROR_BODY_TIME: Duration = Duration::from_secs(2);

/// An answer whose headers have arrived.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) host: String,
    pub(super) redaction: Redaction,
    pub(super) response: Response,
    pub(super) patience: Patience,
    pub(super) limit: u64,
    pub(super) received: u64,
}

impl Answer {
    /// The next bytes; `None` at the end. Nothing is lost if the future is dropped.
    pub(super) async fn piece(&mut self) -> Result<Option<Bytes>, TransportError> {
        let outcome = self.patience.for_next(&self.host, self.response.chunk()).await?;
        let piece = outcome.map_err(|error| TransportError::CutOff {
            host: self.host.clone(),
            received: self.received,
            reason: self.redaction.line(&innermost(&error), 200),
        })?;
        if let Some(piece) = &piece {
            self.received = self.received.saturating_add(piece.len() as u64);
            if self.received > self.limit {
                return Err(self.too_large());
            }
        }
        Ok(piece)
    }

    /// All of it.
    pub(super) async fn whole(&mut self) -> Result<Vec<u8>, TransportError> {
        // What says beforehand that it is too large is not read at all.
        if self.response.content_length().is_some_and(|length| length > self.limit) {
            return Err(self.too_large());
        }
        let mut body = Vec::new();
        while let Some(piece) = self.piece().await? {
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// The beginning of an error's body: as much as a message needs. What goes wrong meanwhile matters less than the status.
    pub(super) async fn beginning(&mut self) -> Vec<u8> {
        self.limit = u64::MAX;
        let mut body = Vec::new();
        let read = async {
            while self.received < ERROR_BODY {
                match self.piece().await {
                    Ok(Some(piece)) => body.extend_from_slice(&piece),
                    Ok(None) | Err(_) => break,
                }
            }
        };
        let _ = tokio::time::timeout(ERROR_BODY_TIME, read).await;
        body
    }

    fn too_large(&self) -> TransportError {
        TransportError::TooLarge { host: self.host.clone(), what: "the answer", limit: self.limit }
    }
}

/// The text of the error at the bottom: the ones above it only say that there is one, and may name the URL.
pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
