//! Codecs: between a provider's wire protocol and the shapes of [`crate::chat`].
//!
//! Pure functions of JSON: no I/O and no clock. Three promises hold for every protocol. Encoding is a merge onto the request that was
//! decoded: what a policy did not change is sent exactly as the caller wrote it, keys that nobody here knows included. Nothing is dropped
//! in silence: what cannot be read, or cannot be said in a protocol, is an error that names the place. And the chunks of a stream add up
//! to the response that the same call would have given in one piece.

mod anthropic;
mod api;
mod blocks;
mod chunks;
mod error;
mod fields;
mod gemini;
mod merge;
mod openai_chat;
mod openai_responses;
mod provider_error;
mod redact;
mod response_fields;
mod sse;
mod summary;

pub use anthropic::AnthropicMessages;
pub use api::Api;
pub use error::CodecError;
pub use gemini::{Gemini, GeminiCall};
pub use openai_chat::OpenAiChat;
pub use openai_responses::OpenAiResponses;
pub use provider_error::{ErrorClass, ProviderError};
pub use sse::{SseDecoder, SseError, SseFrame};

use serde_json::Value;

use crate::chat::{ChatRequest, ChatResponse, RawRequest};

/// Reads and writes requests of one protocol.
pub trait Codec: Send + Sync {
    /// The request in the shape that policies see.
    ///
    /// # Errors
    /// When the body is not a request of this protocol.
    fn decode(&self, request: &RawRequest) -> Result<ChatRequest, CodecError>;

    /// `original` with everything changed in which `request` differs from what `original` decodes to. With an empty object as original
    /// it is a request from nothing. Headers are those of `original`.
    ///
    /// # Errors
    /// When `original` is not a request of this protocol, or the protocol cannot say what `request` asks.
    fn encode(&self, request: &ChatRequest, original: &RawRequest) -> Result<RawRequest, CodecError>;
}

/// Reads responses of one protocol.
pub trait ResponseCodec: Send + Sync {
    /// The response in the shape that policies see.
    ///
    /// # Errors
    /// When it is not a response of this protocol.
    fn decode_response(&self, response: &Value) -> Result<ChatResponse, CodecError>;
}

/// Puts streamed responses of one protocol together.
pub trait StreamCodec: Send + Sync {
    /// What collects the chunks of one stream.
    fn aggregator(&self) -> Box<dyn StreamAggregator>;

    /// The text that `chunk` adds to the first answer: what a person who waits is shown.
    fn text_delta(&self, chunk: &Value) -> Option<String>;

    /// What the event `llm.chunk` says of the chunk with this number (from zero). Never any content.
    fn chunk_summary(&self, index: u64, chunk: &Value) -> Value;
}

/// Collects the chunks of one stream.
pub trait StreamAggregator: Send {
    /// Takes the next chunk.
    ///
    /// # Errors
    /// When the chunk is not one of this protocol, or carries the provider's report that the stream failed. What came before is kept.
    fn push(&mut self, chunk: &Value) -> Result<(), CodecError>;

    /// The response that the chunks so far add up to, in the shape that the provider gives one in when it does not stream.
    fn finish(self: Box<Self>) -> Value;
}

/// A wire protocol, complete.
pub trait Protocol: Codec + ResponseCodec + StreamCodec {}

impl<T: Codec + ResponseCodec + StreamCodec> Protocol for T {}

#[cfg(test)]
mod tests;
