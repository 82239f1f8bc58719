//! Answers in pieces.

use std::fmt;

use super::Answer;
use crate::bindings::kitaru::flow::llm;
use crate::{Error, Result};

/// An answer that comes in pieces: an iterator over the pieces of its text. [`LlmStream::finish`] gives the whole. Dropped before its end, the
/// call ends there.
///
/// ```no_run
/// use kitaru::prelude::*;
///
/// #[checkpoint]
/// fn first_line(cx: &Checkpoint, prompt: String) -> Result<String> {
///     let mut line = String::new();
///     let mut stream = cx.llm(prompt).stream()?;
///     for piece in &mut stream {
///         line += &piece?;
///         if line.contains('\n') {
///             stream.abort("one line is enough");
///             break;
///         }
///     }
///     Ok(line)
/// }
/// # fn main() {}
/// ```
pub struct LlmStream {
    handle: llm::AnswerStream,
    over: bool,
}

impl LlmStream {
    pub(super) fn new(handle: llm::AnswerStream) -> Self {
        Self { handle, over: false }
    }

    /// The whole answer. Waits for pieces that have not come yet.
    ///
    /// # Errors
    /// [`Error::Failed`] where the stream broke off, with what the host knows of it.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) -> Result<Answer> { cx.llm("Hello").stream()?.finish() }
    /// ```
    pub fn finish(self) -> Result<Answer> {
        Answer::from_text(&self.handle.finish()?)
    }

    /// Ends the call here. The reason is recorded. What was written until now is paid for all the same.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) -> Result<()> { Ok(cx.llm("Hello").stream()?.abort("enough")) }
    /// ```
    pub fn abort(&mut self, reason: &str) {
        self.over = true;
        self.handle.abort(reason);
    }
}

impl Iterator for LlmStream {
    type Item = Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let piece = self.handle.next().map_err(Error::from).transpose();
        // An error is the last thing that comes.
        self.over = !matches!(piece, Some(Ok(_)));
        piece
    }
}

impl std::iter::FusedIterator for LlmStream {}

impl fmt::Debug for LlmStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmStream").field("over", &self.over).finish_non_exhaustive()
    }
}
