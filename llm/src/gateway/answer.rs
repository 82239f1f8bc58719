//! An answer as its author gets it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::chat::{FinishReason, Message, ResponseToolCall};
use crate::price::{CostSource, NanoUsd};
use crate::usage::TokenCounts;

/// An answer as its author gets it. Its JSON is what a journal keeps as the call's outcome. What is not known is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The text; empty where the model only asks for tools.
    pub text: String,
    /// The message that continues the conversation.
    pub message: Message,
    /// The tools that the model asks for, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ResponseToolCall>,
    /// Why it stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_reason: Option<FinishReason>,
    /// The model that answered, as its provider calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The tokens of the whole call: of its repairs too, and not of attempts that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<AnswerUsage>,
    /// What the call cost, in dollars; nothing where any part of it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<NanoUsd>,
    /// How the cost is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_source: Option<CostSource>,
    /// The structured answer, where a schema was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Of a stream: the lengths in bytes of the pieces of text, as they came. Together they are the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<u32>,
    /// Whether it came from the cache of answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
    /// The author's own word for the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// The provider's own document, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Value>,
}

/// Tokens of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AnswerUsage {
    /// All tokens read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// All tokens written, thinking included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_tokens: Option<u64>,
    /// Of the tokens read, those that came from the provider's prompt cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cached_input_tokens: Option<u64>,
    /// Of the tokens written, those of thinking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
}

impl AnswerUsage {
    /// The counts, if anything was reported.
    pub fn of(tokens: &TokenCounts) -> Option<Self> {
        let usage = Self {
            input_tokens: tokens.input,
            output_tokens: tokens.output,
            total_tokens: tokens.total,
            cached_input_tokens: tokens.cached_input,
            reasoning_tokens: tokens.reasoning,
        };
        (usage != Self::default()).then_some(usage)
    }
}

impl Answer {
    /// The text in the pieces in which it came; one piece where it did not come in pieces.
    pub fn text_pieces(&self) -> Vec<&str> {
        let mut rest = self.text.as_str();
        let mut pieces = Vec::new();
        for length in &self.pieces {
            let Some((piece, after)) = usize::try_from(*length).ok().and_then(|length| rest.split_at_checked(length)) else {
                break;
            };
            pieces.push(piece);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(rest);
        }
        pieces
    }
}
