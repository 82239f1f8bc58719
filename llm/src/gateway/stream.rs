//! Answers in pieces.

use std::fmt;

use super::answer::Answer;
use super::failure::{CallFailure, FailureOrigin};
use super::record::CallRecord;
use super::session::Session;
use super::shown::ShownText;
use crate::codec::StreamCodec as _;
use crate::pipeline::LlmStream;

/// An answer that comes in pieces of text, as they arrive.
///
/// Nothing is read before somebody asks for it, and nothing is lost if a future is dropped. Dropped before its end the call ends early: its end
/// event has what came so far, and what was set aside for it in budgets counts as spent.
pub struct CallStream {
    session: Session,
    /// None once it has ended.
    stream: Option<LlmStream>,
    text: String,
    pieces: Vec<u32>,
    failure: Option<CallFailure>,
}

impl CallStream {
    pub(super) fn new(session: Session, stream: LlmStream) -> Self {
        Self { session, stream: Some(stream), text: String::new(), pieces: Vec::new(), failure: None }
    }

    /// The next piece of text; none after the last one, and after an error.
    ///
    /// # Errors
    /// Why the answer ended before it was complete.
    pub async fn next(&mut self) -> Option<Result<String, CallFailure>> {
        let codec = self.session.state.effective();
        while let Some(stream) = &mut self.stream {
            match stream.next().await {
                Some(Ok(chunk)) => {
                    if let Some(piece) = codec.text_delta(&chunk).filter(|piece| !piece.is_empty()) {
                        self.text.push_str(&piece);
                        self.pieces.push(u32::try_from(piece.len()).unwrap_or(u32::MAX));
                        return Some(Ok(piece));
                    }
                }
                Some(Err(error)) => {
                    self.stream = None;
                    let failure = self.session.failure(&error);
                    self.failure = Some(failure.clone());
                    return Some(Err(failure));
                }
                None => self.stream = None,
            }
        }
        None
    }

    /// What makes of its pieces what others than its caller may see while they come. None where that cannot be told before the answer is whole.
    pub fn shown(&self) -> Option<ShownText> {
        ShownText::of(&self.session)
    }

    /// Takes what is left, and gives the record of the call.
    pub async fn finish(mut self) -> CallRecord {
        while self.next().await.is_some() {}
        let outcome = match self.failure.take() {
            Some(failure) => Err(failure),
            None => self.answer(),
        };
        self.session.record(outcome).await
    }

    /// Ends the call early, for this reason. What came so far is recorded; what was set aside for it in budgets counts as spent.
    pub async fn abort(mut self, reason: &str) -> CallRecord {
        let Some(stream) = self.stream.take() else { return self.finish().await };
        stream.close(Some("aborted")).await;
        let message = format!("the call was ended before its answer was complete: {reason}");
        let failure = CallFailure::new(CallFailure::CANCELLED, FailureOrigin::User, message);
        self.session.record(Err(failure)).await
    }

    fn answer(&mut self) -> Result<Answer, CallFailure> {
        let whole = self.session.state.take_whole().unwrap_or_default();
        let mut answer = self.session.answer(whole)?;
        // Pieces of something else than the answer's text would be no pieces of it.
        if answer.text == self.text {
            answer.pieces = std::mem::take(&mut self.pieces);
        } else if !answer.text.is_empty() {
            answer.pieces = vec![u32::try_from(answer.text.len()).unwrap_or(u32::MAX)];
        }
        Ok(answer)
    }
}

impl fmt::Debug for CallStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallStream").field("stream", &self.stream).field("pieces", &self.pieces.len()).finish_non_exhaustive()
    }
}
