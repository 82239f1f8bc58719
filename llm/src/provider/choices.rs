//! How many answers a stream is to have, and which of them have ended: of several that come side by side, the first that ends is not the whole.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use crate::codec::Api;

/// The answers of one stream.
#[derive(Debug)]
pub(super) struct Choices {
    wanted: usize,
    ended: BTreeSet<u64>,
}

/// The fields by which a request asks for several answers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    n: Option<usize>,
    #[serde(rename = "generationConfig")]
    generation: Generation,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Generation {
    #[serde(rename = "candidateCount")]
    candidates: Option<usize>,
}

impl Choices {
    /// As the body of the request asks for them.
    pub(super) fn of(api: Api, body: &[u8]) -> Self {
        let asked: Asked = serde_json::from_slice(body).unwrap_or_default();
        let wanted = match api {
            Api::OpenAiChat => asked.n,
            Api::Gemini => asked.generation.candidates,
            Api::OpenAiResponses | Api::AnthropicMessages => None,
        };
        Self { wanted: wanted.unwrap_or(1), ended: BTreeSet::new() }
    }

    /// Notes the answers that end with an event; tells whether all have by now.
    pub(super) fn note(&mut self, api: Api, event: &Value) -> bool {
        let (list, reason) = match api {
            Api::OpenAiChat => ("choices", "finish_reason"),
            Api::Gemini => ("candidates", "finishReason"),
            Api::OpenAiResponses | Api::AnthropicMessages => return true,
        };
        let choices = event.get(list).and_then(Value::as_array).into_iter().flatten();
        let ended = choices.filter(|choice| choice.get(reason).is_some_and(|reason| !reason.is_null()));
        self.ended.extend(ended.map(|choice| choice.get("index").and_then(Value::as_u64).unwrap_or(0)));
        self.ended.len() >= self.wanted
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_answers_must_have_ended() {
        let chat = |index: u64| json!({ "choices": [{ "index": index, "finish_reason": "stop" }] });
        let gemini = |index: u64| json!({ "candidates": [{ "index": index, "finishReason": "STOP" }] });
        let events = [
            (Api::OpenAiChat, json!({ "n": 2 }), &chat as &dyn Fn(u64) -> Value),
            (Api::Gemini, json!({ "generationConfig": { "candidateCount": 2 } }), &gemini),
        ];
        for (api, body, event) in events {
            let mut choices = Choices::of(api, body.to_string().as_bytes());
            assert!(!choices.note(api, &event(1)) && !choices.note(api, &event(1)), "the same one twice");
            assert!(choices.note(api, &event(0)));
            assert!(Choices::of(api, b"{}").note(api, &event(0)), "one, if nothing is said");
        }
    }
}
