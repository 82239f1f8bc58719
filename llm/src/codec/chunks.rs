//! A whole response as the chunks of a stream, as its provider would send them: for answers that are there already. Put together again they are
//! the response.

use serde_json::{Map, Value, json};

use super::Api;

/// A text is cut into no more pieces than this.
const MOST_PIECES: usize = 64;
/// And into none that is shorter, in bytes.
const SHORTEST_PIECE: usize = 16;

impl Api {
    /// The chunks of a stream that add up to `response`. What is no response of this protocol is one chunk.
    pub fn chunks_of(self, response: &Value) -> Vec<Value> {
        let Some(map) = response.as_object() else { return vec![response.clone()] };
        match self {
            Self::OpenAiChat => openai_chat(map),
            Self::OpenAiResponses => openai_responses(map),
            Self::AnthropicMessages => anthropic(map),
            Self::Gemini => gemini(map),
        }
    }
}

/// The text in pieces that end where a word does.
fn pieces(text: &str) -> Vec<&str> {
    let size = (text.len() / MOST_PIECES).max(SHORTEST_PIECE);
    let mut pieces = Vec::new();
    let (mut rest, mut length) = (text, 0);
    for word in text.split_inclusive(char::is_whitespace) {
        length += word.len();
        if length >= size
            && let Some((piece, after)) = rest.split_at_checked(length)
        {
            pieces.push(piece);
            (rest, length) = (after, 0);
        }
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

fn without(map: &Map<String, Value>, keys: &[&str]) -> Map<String, Value> {
    map.iter().filter(|(key, _)| !keys.contains(&key.as_str())).map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn array<'a>(map: &'a Map<String, Value>, key: &str) -> &'a [Value] {
    map.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn with(map: &Map<String, Value>, key: &str, value: Value) -> Value {
    let mut map = map.clone();
    map.insert(key.to_owned(), value);
    Value::Object(map)
}

fn openai_chat(response: &Map<String, Value>) -> Vec<Value> {
    let mut top = without(response, &["choices", "usage"]);
    if let Some(Value::String(kind)) = top.get_mut("object") {
        kind.push_str(".chunk");
    }
    let mut chunks = Vec::new();
    for choice in array(response, "choices").iter().filter_map(Value::as_object) {
        let index = choice.get("index").cloned().unwrap_or(json!(0));
        let mut push = |choice: Value| chunks.push(with(&top, "choices", json!([choice])));
        let message = choice.get("message").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut delta = without(&message, &["content", "tool_calls"]);
        let text = message.get("content").and_then(Value::as_str);
        match (text, message.get("content")) {
            (Some(_), _) => drop(delta.insert("content".to_owned(), json!(""))),
            (None, Some(content)) => drop(delta.insert("content".to_owned(), content.clone())),
            (None, None) => {}
        }
        push(json!({ "index": index, "delta": delta, "finish_reason": null }));
        for piece in pieces(text.unwrap_or_default()) {
            push(json!({ "index": index, "delta": { "content": piece }, "finish_reason": null }));
        }
        for (place, call) in array(&message, "tool_calls").iter().filter_map(Value::as_object).enumerate() {
            let call = with(call, "index", json!(place));
            push(json!({ "index": index, "delta": { "tool_calls": [call] }, "finish_reason": null }));
        }
        push(with(&without(choice, &["message"]), "delta", json!({})));
    }
    if chunks.is_empty() {
        chunks.push(with(&top, "choices", json!([])));
    }
    if let Some(usage) = response.get("usage").filter(|usage| !usage.is_null()) {
        let mut last = top.clone();
        last.insert("choices".to_owned(), json!([]));
        chunks.push(with(&last, "usage", usage.clone()));
    }
    chunks
}

fn openai_responses(response: &Map<String, Value>) -> Vec<Value> {
    let mut begun = without(response, &["output", "usage"]);
    begun.insert("status".to_owned(), json!("in_progress"));
    begun.insert("output".to_owned(), json!([]));
    let mut chunks = vec![json!({ "type": "response.created", "response": begun })];
    for (place, item) in array(response, "output").iter().filter_map(Value::as_object).enumerate() {
        if item.get("type").and_then(Value::as_str) == Some("message") {
            let empty = with(item, "content", json!([]));
            chunks.push(json!({ "type": "response.output_item.added", "output_index": place, "item": empty }));
            for (part, text) in array(item, "content").iter().enumerate() {
                for piece in pieces(text.get("text").and_then(Value::as_str).unwrap_or_default()) {
                    let delta = json!({
                        "type": "response.output_text.delta", "output_index": place, "content_index": part, "delta": piece,
                    });
                    chunks.push(delta);
                }
            }
        }
        chunks.push(json!({ "type": "response.output_item.done", "output_index": place, "item": item }));
    }
    let is_incomplete = response.get("status").and_then(Value::as_str) == Some("incomplete");
    let kind = if is_incomplete { "response.incomplete" } else { "response.completed" };
    chunks.push(json!({ "type": kind, "response": response }));
    chunks
}

fn anthropic(response: &Map<String, Value>) -> Vec<Value> {
    let mut begun = without(response, &["content", "stop_reason", "stop_sequence"]);
    begun.insert("content".to_owned(), json!([]));
    let mut chunks = vec![json!({ "type": "message_start", "message": begun })];
    for (place, block) in array(response, "content").iter().filter_map(Value::as_object).enumerate() {
        let text = block.get("text").and_then(Value::as_str);
        let start = if text.is_some() { with(block, "text", json!("")) } else { Value::Object(block.clone()) };
        chunks.push(json!({ "type": "content_block_start", "index": place, "content_block": start }));
        for piece in pieces(text.unwrap_or_default()) {
            let delta = json!({ "type": "text_delta", "text": piece });
            chunks.push(json!({ "type": "content_block_delta", "index": place, "delta": delta }));
        }
        chunks.push(json!({ "type": "content_block_stop", "index": place }));
    }
    let delta: Map<String, Value> = ["stop_reason", "stop_sequence"]
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), response.get(key)?.clone())))
        .collect();
    chunks.push(json!({ "type": "message_delta", "delta": delta }));
    chunks.push(json!({ "type": "message_stop" }));
    chunks
}

fn gemini(response: &Map<String, Value>) -> Vec<Value> {
    let top = without(response, &["candidates", "usageMetadata", "promptFeedback"]);
    let mut chunks = Vec::new();
    for candidate in array(response, "candidates").iter().filter_map(Value::as_object) {
        let rest = without(candidate, &["content"]);
        let index = candidate.get("index").cloned();
        let content = candidate.get("content").and_then(Value::as_object).cloned().unwrap_or_default();
        let mut push = |part: Value| {
            let content = with(&content, "parts", json!([part]));
            let mut piece = Map::new();
            piece.insert("content".to_owned(), content);
            piece.extend(index.clone().map(|index| ("index".to_owned(), index)));
            chunks.push(with(&top, "candidates", json!([piece])));
        };
        for part in array(&content, "parts") {
            // A text with anything beside it, a signature say, is whole.
            match part.as_object().filter(|part| part.len() == 1).and_then(|part| part.get("text")).and_then(Value::as_str) {
                Some(text) if !text.is_empty() => pieces(text).into_iter().for_each(|piece| push(json!({ "text": piece }))),
                _ => push(part.clone()),
            }
        }
        let last = with(&rest, "content", Value::Object(without(&content, &["parts"])));
        chunks.push(with(&top, "candidates", json!([last])));
    }
    let mut last = chunks.pop().and_then(|last| last.as_object().cloned()).unwrap_or(top);
    for key in ["usageMetadata", "promptFeedback"] {
        last.extend(response.get(key).map(|value| (key.to_owned(), value.clone())));
    }
    chunks.push(Value::Object(last));
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn together(api: Api, response: &Value) -> (Value, String) {
        let mut aggregator = api.protocol().aggregator();
        let mut text = String::new();
        for chunk in api.chunks_of(response) {
            aggregator.push(&chunk).unwrap();
            text.push_str(&api.protocol().text_delta(&chunk).unwrap_or_default());
        }
        (aggregator.finish(), text)
    }

    /// Responses with text, tools and usage, in each protocol.
    fn samples() -> Vec<(Api, Value, &'static str)> {
        let long = "Ein Satz mit vielen Wörtern, der in mehreren Stücken kommt, weil er lang genug dafür ist.";
        vec![
            (
                Api::OpenAiChat,
                json!({
                    "id": "c", "object": "chat.completion", "model": "m", "system_fingerprint": "f",
                    "choices": [{ "index": 0, "message": { "role": "assistant", "content": long, "tool_calls": [
                        { "id": "t1", "type": "function", "function": { "name": "f", "arguments": "{\"a\":1}" } },
                        { "id": "t2", "type": "function", "function": { "name": "g", "arguments": "{}" } }
                    ] }, "finish_reason": "tool_calls" }],
                    "usage": { "prompt_tokens": 1, "completion_tokens": 2 },
                }),
                long,
            ),
            (
                Api::OpenAiResponses,
                json!({
                    "id": "r", "object": "response", "status": "completed", "model": "m", "output": [
                        { "type": "reasoning", "id": "x", "summary": [] },
                        { "type": "message", "id": "m", "role": "assistant", "content": [{ "type": "output_text", "text": long }] },
                        { "type": "function_call", "call_id": "t", "name": "f", "arguments": "{}" }
                    ], "usage": { "input_tokens": 1, "output_tokens": 2 },
                }),
                long,
            ),
            (
                Api::AnthropicMessages,
                json!({
                    "id": "a", "type": "message", "role": "assistant", "model": "m", "content": [
                        { "type": "thinking", "thinking": "hm", "signature": "s" },
                        { "type": "text", "text": long }, { "type": "tool_use", "id": "t", "name": "f", "input": { "a": 1 } }
                    ], "stop_reason": "tool_use", "stop_sequence": null, "usage": { "input_tokens": 1, "output_tokens": 2 },
                }),
                long,
            ),
            (
                Api::Gemini,
                json!({
                    "responseId": "g", "modelVersion": "m", "candidates": [{ "index": 0, "finishReason": "STOP", "content": {
                        "role": "model", "parts": [{ "text": long }, { "functionCall": { "name": "f", "args": {} } }]
                    } }], "usageMetadata": { "promptTokenCount": 1, "candidatesTokenCount": 2 },
                }),
                long,
            ),
        ]
    }

    #[test]
    fn a11_chunks_add_up_to_their_response() {
        for (api, response, text) in samples() {
            let (whole, streamed) = together(api, &response);
            assert_eq!(whole, response, "{api}");
            assert_eq!(streamed, text, "{api}");
            assert!(api.chunks_of(&response).len() > 4, "{api}");
        }
    }

    #[test]
    fn an_empty_answer_stays_one() {
        let chat =
            json!({ "choices": [{ "index": 0, "message": { "role": "assistant", "content": "" }, "finish_reason": "stop" }] });
        assert_eq!(together(Api::OpenAiChat, &chat).0, chat);
        let gemini =
            json!({ "candidates": [{ "content": { "role": "model", "parts": [{ "text": "" }] }, "finishReason": "STOP" }] });
        assert_eq!(together(Api::Gemini, &gemini).0, gemini);
        let message = json!({ "type": "message", "content": [{ "type": "text", "text": "" }], "stop_reason": "end_turn" });
        assert_eq!(together(Api::AnthropicMessages, &message).0, message);
    }

    #[test]
    fn pieces_are_all_of_the_text() {
        for text in ["", "a", "  ", "ein zwei drei vier fünf sechs sieben", &"w ".repeat(5000), &"ä".repeat(500)] {
            let cut = pieces(text);
            assert_eq!(cut.concat(), text);
            assert!(cut.len() <= MOST_PIECES + 1);
        }
    }
}
