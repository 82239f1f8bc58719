//! Protocols that this crate does not speak and has translated: where their requests go, and how their answers are framed.
//!
//! Known in every build, so that one without the translator can say what it lacks.

use serde_json::Value;

use super::wire::{Delivery, Progress};

/// A protocol that is spoken through a translator (the cargo feature `genai`). Everything before the transport sees OpenAI Chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Translation {
    /// `POST …/model/<model>/converse` of Amazon Bedrock, with a key as bearer.
    BedrockConverse,
    /// `POST …/v1/chat` of Cohere: text alone.
    CohereChat,
    /// `POST …/api/chat` of Ollama.
    OllamaChat,
}

impl Translation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::BedrockConverse, Self::CohereChat, Self::OllamaChat];
    /// Whether this build can speak them.
    pub const BUILT: bool = cfg!(feature = "genai");

    /// The one that models with this prefix are called in.
    pub fn of_prefix(prefix: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|translation| translation.prefix().eq_ignore_ascii_case(prefix))
    }

    /// The prefix of models that are called in it.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::BedrockConverse => "genai-bedrock",
            Self::CohereChat => "genai-cohere",
            Self::OllamaChat => "genai-ollama",
        }
    }

    /// Its word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BedrockConverse => "bedrock_converse",
            Self::CohereChat => "cohere_chat",
            Self::OllamaChat => "ollama_chat",
        }
    }

    /// The path of a call below the base URL's, as segments.
    #[cfg(feature = "genai")]
    pub(crate) fn call_path(self, model: &str, delivery: Delivery) -> Vec<String> {
        let segments = match (self, delivery) {
            (Self::BedrockConverse, Delivery::Whole) => vec!["model", model, "converse"],
            (Self::BedrockConverse, Delivery::Stream) => vec!["model", model, "converse-stream"],
            (Self::CohereChat, _) => vec!["v1", "chat"],
            (Self::OllamaChat, _) => vec!["api", "chat"],
        };
        segments.into_iter().map(str::to_owned).collect()
    }

    /// The media type of an answer.
    pub(crate) fn media_type(self, delivery: Delivery) -> &'static str {
        match (self, delivery) {
            (_, Delivery::Whole) => "application/json",
            (Self::BedrockConverse, Delivery::Stream) => "application/vnd.amazon.eventstream",
            (Self::CohereChat, Delivery::Stream) => "application/stream+json",
            (Self::OllamaChat, Delivery::Stream) => "application/x-ndjson",
        }
    }

    /// What `event` of a stream says about its end.
    pub(super) fn progress(self, event: &Value) -> Progress {
        let last = match self {
            // The usage comes after the reason.
            Self::BedrockConverse if event.get("messageStop").is_some() => return Progress::Complete,
            Self::BedrockConverse => event.get("metadata").is_some(),
            Self::CohereChat => event.get("event_type").and_then(Value::as_str) == Some("stream-end"),
            Self::OllamaChat => event.get("done") == Some(&Value::Bool(true)),
        };
        if last { Progress::Last } else { Progress::Open }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_has_a_prefix_of_its_own() {
        for translation in Translation::ALL {
            assert_eq!(Translation::of_prefix(&translation.prefix().to_uppercase()), Some(translation));
            assert_ne!(translation.media_type(Delivery::Stream), translation.media_type(Delivery::Whole));
        }
        assert_eq!(Translation::of_prefix("ollama"), None);
    }

    #[test]
    fn each_says_when_it_is_over() {
        for (translation, event, progress) in [
            (Translation::BedrockConverse, json!({ "contentBlockDelta": {} }), Progress::Open),
            (Translation::BedrockConverse, json!({ "messageStop": { "stopReason": "end_turn" } }), Progress::Complete),
            (Translation::BedrockConverse, json!({ "metadata": {} }), Progress::Last),
            (Translation::CohereChat, json!({ "event_type": "text-generation" }), Progress::Open),
            (Translation::CohereChat, json!({ "event_type": "stream-end" }), Progress::Last),
            (Translation::OllamaChat, json!({ "done": false }), Progress::Open),
            (Translation::OllamaChat, json!({ "done": true }), Progress::Last),
        ] {
            assert_eq!(translation.progress(&event), progress, "{event}");
        }
    }
}
