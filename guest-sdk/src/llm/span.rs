//! Calls of models that a checkpoint makes by itself.

use std::fmt;

use serde::Serialize;

use crate::bindings::kitaru::flow::llm;
use crate::{Result, json as text};

/// A call of a model that the checkpoint makes by itself, over a network that it was granted. Dropped without [`LlmSpan::end`] it is recorded as
/// one whose end nobody knows.
///
/// ```no_run
/// use kitaru::prelude::*;
/// # fn my_own_client(prompt: &str) -> Result<Value> { Ok(json!({})) }
///
/// #[checkpoint]
/// fn ask(cx: &Checkpoint, prompt: String) -> Result<Value> {
///     let span = cx.llm(&prompt).model("openai/gpt-4o-mini").name("own_call").span()?;
///     match my_own_client(&prompt) {
///         Ok(document) => {
///             span.end(&document)?;
///             Ok(document)
///         }
///         Err(error) => {
///             span.fail("timeout")?;
///             Err(error)
///         }
///     }
/// }
/// # fn main() {}
/// ```
pub struct LlmSpan {
    handle: llm::Span,
}

impl LlmSpan {
    pub(super) fn new(handle: llm::Span) -> Self {
        Self { handle }
    }

    /// It was answered, with this document in the words of the provider's protocol: its usage and cost are read from it.
    ///
    /// # Errors
    /// [`Error::Serialization`](crate::Error::Serialization) for what is not JSON.
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint, document: Value) -> Result<()> { cx.llm("Hello").span()?.end(&document) }
    /// ```
    pub fn end(self, response: &impl Serialize) -> Result<()> {
        Ok(self.handle.end(&text::to_text(response)?)?)
    }

    /// It failed, with an error of this class, such as `timeout` or `429`.
    ///
    /// # Errors
    /// [`Error::Failed`](crate::Error::Failed) where the host refuses (a limit).
    ///
    /// ```no_run
    /// # use kitaru::prelude::*;
    /// # fn f(cx: &Checkpoint) -> Result<()> { cx.llm("Hello").span()?.fail("timeout") }
    /// ```
    pub fn fail(self, error_type: &str) -> Result<()> {
        Ok(self.handle.fail(error_type)?)
    }
}

impl fmt::Debug for LlmSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmSpan").finish_non_exhaustive()
    }
}
