//! Answers that are ready, and that their callers have yet to take: a part of memory for each caller, and no more of it for all.
//!
//! Whoever asks for much and reads it byte by byte keeps it here all the while. Answers go out in pieces, so that what carries them on has no more
//! than some pieces that are not counted.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody as _};
use axum::response::Response;
use http_body::{Frame, SizeHint};

use super::Api;
use super::problem::Problem;
use crate::access::{AccessError, Caller, Share};

/// What is smaller is not counted.
const SMALL: u64 = 1024;
/// Of one piece, in bytes.
const PIECE: usize = 64 * 1024;

impl Api {
    /// The answer, which counts as the caller's until they have taken it.
    pub(super) fn held(&self, caller: &Caller, answer: Response) -> Result<Response, Problem> {
        let length = answer.body().size_hint().exact().unwrap_or_default();
        if length <= SMALL {
            return Ok(answer);
        }
        let settings = &self.shared.settings;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        // One answer alone is given, however large it is.
        let of_one = settings.part(settings.answers).max(length);
        let share = self.shared.answers.take_within(caller.counted_as(), length, of_one);
        let share = share.map_err(|full| AccessError::Full { what: "answers that were not taken yet", full })?;
        Ok(with_share(answer, share))
    }
}

/// The answer, which has this share until it is taken.
pub(super) fn with_share(answer: Response, share: Share<String>) -> Response {
    answer.map(|body| Body::new(Held { body, rest: Bytes::new(), _share: share }))
}

/// A body that is counted until it is sent, or nobody takes it any more.
struct Held {
    body: Body,
    /// Of what the body gave last.
    rest: Bytes,
    _share: Share<String>,
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        while self.rest.is_empty() {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else { return Poll::Ready(None) };
            match frame?.into_data() {
                Ok(data) => self.rest = data,
                Err(other) => return Poll::Ready(Some(Ok(other))),
            }
        }
        let length = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let exact = self.body.size_hint().exact();
        exact.map_or_else(SizeHint::default, |exact| SizeHint::with_exact(exact.saturating_add(self.rest.len() as u64)))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::access::Shares;

    #[tokio::test]
    async fn an_answer_counts_until_its_last_piece_is_taken() {
        let (shares, length) = (Shares::new(1 << 20, 1 << 20), PIECE * 2 + 1);
        let share = shares.take("ci".to_owned(), length).unwrap();
        let mut body = Body::new(Held { body: Body::from(vec![b'x'; length]), rest: Bytes::new(), _share: share });
        let mut taken = 0;
        while !body.is_end_stream() {
            assert_eq!((shares.taken(), body.size_hint().exact()), (length, Some((length - taken) as u64)));
            let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE);
            taken += piece.len();
        }
        assert_eq!(taken, length);
        drop(body);
        assert_eq!(shares.taken(), 0);
    }
}
