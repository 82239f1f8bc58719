//! Calls of language models. The host makes them, with keys that the guest never sees, and records what was said and what it cost.
//!
//! `cx.llm(prompt)` prepares a call, in a flow and in a checkpoint; see [`Llm`].

mod answer;
mod ask;
mod call;
mod message;
mod prompt;
mod span;
mod stream;
mod tool;

pub use answer::{Answer, FinishReason, Usage};
pub use call::Llm;
pub use message::Message;
pub use prompt::Prompt;
pub use span::LlmSpan;
pub use stream::LlmStream;
pub use tool::{Tool, ToolCall, ToolChoice};
