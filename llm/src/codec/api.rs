//! The wire protocols by name.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AnthropicMessages, Gemini, OpenAiChat, OpenAiResponses, Protocol};

/// A wire protocol that this crate speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Api {
    /// `POST …/chat/completions`: OpenAI and all that are compatible with it.
    #[serde(rename = "openai_chat")]
    OpenAiChat,
    /// `POST …/responses`.
    #[serde(rename = "openai_responses")]
    OpenAiResponses,
    /// `POST …/v1/messages`.
    AnthropicMessages,
    /// `POST …/models/<model>:generateContent`.
    Gemini,
}

impl Api {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OpenAiChat, Self::OpenAiResponses, Self::AnthropicMessages, Self::Gemini];

    /// The protocol's codec.
    pub fn protocol(self) -> &'static dyn Protocol {
        match self {
            Self::OpenAiChat => &OpenAiChat,
            Self::OpenAiResponses => &OpenAiResponses,
            Self::AnthropicMessages => &AnthropicMessages,
            Self::Gemini => &Gemini,
        }
    }

    /// The protocol's codec, for who keeps it.
    pub fn shared(self) -> Arc<dyn Protocol> {
        match self {
            Self::OpenAiChat => Arc::new(OpenAiChat),
            Self::OpenAiResponses => Arc::new(OpenAiResponses),
            Self::AnthropicMessages => Arc::new(AnthropicMessages),
            Self::Gemini => Arc::new(Gemini),
        }
    }

    /// The word used in configuration and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAiChat => "openai_chat",
            Self::OpenAiResponses => "openai_responses",
            Self::AnthropicMessages => "anthropic_messages",
            Self::Gemini => "gemini",
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
