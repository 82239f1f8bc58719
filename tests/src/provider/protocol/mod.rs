//! The protocols: which path is whose, and what an answer looks like in each.

mod anthropic;
mod gemini;
mod openai_chat;
mod openai_responses;

use serde_json::{Value, json};

use super::reaction::Answer;
use super::received::Received;

/// What a request speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI Chat.
    OpenAiChat,
    /// OpenAI Responses.
    OpenAiResponses,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini's own.
    Gemini,
}

/// The events of a stream as they stand on the wire.
pub(super) struct Events {
    /// Before the first piece of text.
    pub(super) head: Vec<String>,
    /// One for each piece.
    pub(super) pieces: Vec<String>,
    /// After the last piece: tools, usage, the end.
    pub(super) tail: Vec<String>,
}

impl Protocol {
    /// What a request to this path speaks, if it is a model call.
    pub(super) fn of(method: &str, path: &str) -> Option<Self> {
        let path = path.split('?').next().unwrap_or_default();
        let generates = [":generateContent", ":streamGenerateContent"].iter().any(|end| path.ends_with(end));
        match path {
            _ if method != "POST" => None,
            _ if path.ends_with("/chat/completions") => Some(Self::OpenAiChat),
            _ if path.ends_with("/responses") => Some(Self::OpenAiResponses),
            _ if path.ends_with("/messages") => Some(Self::Anthropic),
            _ if generates => Some(Self::Gemini),
            _ => None,
        }
    }

    /// The answer as one document.
    pub(super) fn whole(self, answer: &Answer, received: &Received) -> Value {
        match self {
            Self::OpenAiChat => openai_chat::whole(answer, received),
            Self::OpenAiResponses => openai_responses::whole(answer, received),
            Self::Anthropic => anthropic::whole(answer, received),
            Self::Gemini => gemini::whole(answer, received),
        }
    }

    /// The answer as a stream.
    pub(super) fn events(self, answer: &Answer, received: &Received) -> Events {
        match self {
            Self::OpenAiChat => openai_chat::events(answer, received),
            Self::OpenAiResponses => openai_responses::events(answer, received),
            Self::Anthropic => anthropic::events(answer, received),
            Self::Gemini => gemini::events(answer, received),
        }
    }

    /// The document that comes with a status that is no success.
    pub(super) fn error(self, status: u16, message: &str) -> Value {
        let word = match status {
            400 | 413 | 422 => "invalid_request_error",
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            503 | 529 => "overloaded_error",
            _ => "api_error",
        };
        match self {
            Self::OpenAiChat | Self::OpenAiResponses => {
                json!({ "error": { "message": message, "type": word, "param": null, "code": null } })
            }
            Self::Anthropic => json!({ "type": "error", "error": { "type": word, "message": message } }),
            Self::Gemini => {
                let word = match status {
                    400 => "INVALID_ARGUMENT",
                    401 => "UNAUTHENTICATED",
                    403 => "PERMISSION_DENIED",
                    404 => "NOT_FOUND",
                    429 => "RESOURCE_EXHAUSTED",
                    503 => "UNAVAILABLE",
                    _ => "INTERNAL",
                };
                json!({ "error": { "code": status, "message": message, "status": word } })
            }
        }
    }

    /// A list of models that readers of each protocol understand.
    pub(super) fn models(models: &[String]) -> Value {
        let data: Vec<Value> = models.iter().map(|id| json!({ "id": id, "object": "model", "type": "model" })).collect();
        let named: Vec<Value> = models.iter().map(|id| json!({ "name": format!("models/{id}") })).collect();
        json!({ "object": "list", "data": data, "has_more": false, "models": named })
    }

    /// The conversation of a request, in the same words for each protocol.
    pub(super) fn conversation(self, body: &Value) -> Vec<(String, String)> {
        match self {
            Self::OpenAiChat => openai_chat::conversation(body),
            Self::OpenAiResponses => openai_responses::conversation(body),
            Self::Anthropic => anthropic::conversation(body),
            Self::Gemini => gemini::conversation(body),
        }
    }
}

/// The model that the answer names.
fn model(answer: &Answer, received: &Received) -> String {
    answer.model.clone().unwrap_or_else(|| received.model())
}

/// An event with only data.
fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// An event with a name, which is its `type` too.
fn named(value: &Value) -> String {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or_default())
}

/// The items of a list; none where there is no list.
fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The text of a content: itself, or that of its parts.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        parts => items(parts).iter().filter_map(|part| part["text"].as_str()).collect(),
    }
}

/// A line of a conversation.
fn line(role: &str, text: impl Into<String>) -> (String, String) {
    (role.to_owned(), text.into())
}
