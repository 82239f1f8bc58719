//! Bodies: taken in with a limit on how much and how long, and given out piece by piece.

use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::problem::Problem;

/// Takes a body in.
pub(super) async fn read(body: Body, most: usize, patience: Duration) -> Result<Vec<u8>, Problem> {
    let mut whole = Vec::new();
    let limits = Limits { most: most as u64, patience, pause: patience };
    each(body, limits, |piece| {
        whole.extend_from_slice(&piece);
        Ok(())
    })
    .await?;
    Ok(whole)
}

/// Takes a body in that is too large for memory. The file has no name, and goes with the last who uses it.
pub(super) async fn spool(body: Body, limits: Limits, folder: &std::path::Path) -> Result<std::fs::File, Problem> {
    use std::io::Seek as _;
    let failed = |error: std::io::Error| {
        tracing::error!(error = &error as &dyn std::error::Error, "what was sent could not be kept for a while");
        Problem::new(axum::http::StatusCode::INSUFFICIENT_STORAGE, "what was sent could not be kept for a while")
    };
    let mut file = tempfile::tempfile_in(folder).map_err(failed)?;
    each(body, limits, |piece| file.write_all(&piece).map_err(failed)).await?;
    file.rewind().map_err(failed)?;
    Ok(file)
}

/// How much a body may be, and how long it may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) most: u64,
    /// For all of it.
    pub(super) patience: Duration,
    /// Between two pieces of it.
    pub(super) pause: Duration,
}

async fn each(mut body: Body, limits: Limits, mut take: impl FnMut(Bytes) -> Result<(), Problem>) -> Result<(), Problem> {
    if body.size_hint().lower() > limits.most {
        return Err(Problem::too_large(limits.most));
    }
    let (until, mut length) = (Instant::now() + limits.patience, 0_u64);
    loop {
        let frame = match timeout_at(until, timeout(limits.pause, body.frame())).await {
            Ok(Ok(frame)) => frame,
            Ok(Err(_)) | Err(_) => return Err(Problem::too_slow()),
        };
        let Some(frame) = frame else { return Ok(()) };
        let frame = frame.map_err(|_| Problem::usage("the body ended before its end"))?;
        let Ok(piece) = frame.into_data() else { continue };
        length = length.saturating_add(piece.len() as u64);
        if length > limits.most {
            return Err(Problem::too_large(limits.most));
        }
        take(piece)?;
    }
}

/// A body that somebody else makes, as fast as it is taken.
pub(super) struct Fed {
    pieces: mpsc::Receiver<Result<Bytes, std::io::Error>>,
    length: Option<u64>,
}

impl Fed {
    pub(super) fn new(pieces: mpsc::Receiver<Result<Bytes, std::io::Error>>, length: Option<u64>) -> Self {
        Self { pieces, length }
    }

    /// What a file has, from where it stands.
    pub(super) fn of_file(mut file: std::fs::File, length: u64) -> Self {
        use std::io::Read as _;
        let (sender, pieces) = mpsc::channel(2);
        tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; 64 * 1024];
            loop {
                let read = match file.read(&mut piece) {
                    Ok(0) => break,
                    Ok(count) => Ok(Bytes::copy_from_slice(piece.get(..count).unwrap_or_default())),
                    Err(error) => Err(error),
                };
                let is_over = read.is_err();
                // Nobody takes it any more.
                if sender.blocking_send(read).is_err() || is_over {
                    break;
                }
            }
        });
        Self::new(pieces, Some(length))
    }
}

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.pieces.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::IntoResponse as _;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn fed(pieces: &[&'static str], over: bool) -> (Body, Option<mpsc::Sender<Result<Bytes, std::io::Error>>>) {
        let (sender, receiver) = mpsc::channel(8);
        for piece in pieces {
            sender.try_send(Ok(Bytes::from_static(piece.as_bytes()))).unwrap();
        }
        (Body::new(Fed::new(receiver, None)), (!over).then_some(sender))
    }

    #[tokio::test]
    async fn a_body_has_an_end_and_a_limit() {
        let (body, _) = fed(&["ab", "cd"], true);
        assert_eq!(read(body, 4, PATIENCE).await.unwrap(), b"abcd");
        let (body, _) = fed(&["ab", "cd"], true);
        let refused = read(body, 3, PATIENCE).await.unwrap_err();
        assert_eq!(refused.into_response().status(), StatusCode::PAYLOAD_TOO_LARGE);
        let known = Body::from(vec![0; 10]);
        assert!(read(known, 9, PATIENCE).await.is_err());
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_not_waited_for() {
        let (body, sender) = fed(&["ab"], false);
        let refused = read(body, 10, Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(refused.into_response().status(), StatusCode::REQUEST_TIMEOUT);
        drop(sender);
    }

    #[tokio::test]
    async fn a_file_comes_out_as_it_went_in() {
        let content: Vec<u8> = (0..200_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        let limits = Limits { most: 1 << 20, patience: PATIENCE, pause: PATIENCE };
        let file = spool(Body::from(content.clone()), limits, &std::env::temp_dir()).await.unwrap();
        let length = file.metadata().unwrap().len();
        let out = read(Body::new(Fed::of_file(file, length)), 1 << 20, PATIENCE).await.unwrap();
        assert_eq!(out, content);
    }
}
