//! The protocols as their providers describe them: requests that are expected, documents and streams that are answered.

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{StreamExt, stream};
use kitaru_llm::gateway::{Gateway, GatewayConfig, Services};
use kitaru_llm::models::FrozenModels;
use serde_json::{Value, json};

use crate::bench::{KEY, environment, models_of};
use crate::peer::{Peer, Seen, answer, json as json_answer};

/// One protocol, as it is called here.
#[derive(Clone, Copy)]
pub struct Scene {
    pub alias: &'static str,
    pub model: &'static str,
    pub protocol: &'static str,
    pub whole_path: &'static str,
    pub stream_path: &'static str,
    pub stream_type: &'static str,
    pub has_key: bool,
}

pub const BEDROCK: Scene = Scene {
    alias: "converse",
    model: "genai-bedrock/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
    protocol: "bedrock_converse",
    whole_path: "/model/eu.anthropic.claude-haiku-4-5-20251001-v1:0/converse",
    stream_path: "/model/eu.anthropic.claude-haiku-4-5-20251001-v1:0/converse-stream",
    stream_type: "application/vnd.amazon.eventstream",
    has_key: true,
};
pub const COHERE: Scene = Scene {
    alias: "cohere",
    model: "genai-cohere/command-r-plus",
    protocol: "cohere_chat",
    whole_path: "/v1/chat",
    stream_path: "/v1/chat",
    stream_type: "application/stream+json",
    has_key: true,
};
pub const OLLAMA: Scene = Scene {
    alias: "ollama",
    model: "genai-ollama/llama3.2:3b",
    protocol: "ollama_chat",
    whole_path: "/api/chat",
    stream_path: "/api/chat",
    stream_type: "application/x-ndjson",
    has_key: false,
};
pub const SCENES: [Scene; 3] = [BEDROCK, COHERE, OLLAMA];

pub fn gateway(config: &GatewayConfig) -> Gateway {
    let keys = [("AWS_BEARER_TOKEN_BEDROCK", KEY), ("COHERE_API_KEY", KEY)];
    Gateway::new(config, Services::local(environment(&keys))).unwrap()
}

pub fn models(peer: &Peer) -> FrozenModels {
    let alias = |scene: &Scene| (scene.alias.to_owned(), json!({ "model": scene.model, "base_url": peer.url() }));
    models_of(Value::Object(SCENES.iter().map(alias).collect()))
}

impl Scene {
    /// A whole answer: 10 tokens read, 5 written.
    pub fn document(&self, text: &str) -> Value {
        match self.protocol {
            "bedrock_converse" => json!({
                "metrics": { "latencyMs": 12 },
                "output": { "message": { "content": [{ "text": text }], "role": "assistant" } },
                "stopReason": "end_turn",
                "usage": { "inputTokens": 10, "outputTokens": 5, "totalTokens": 15 },
            }),
            "cohere_chat" => json!({
                "response_id": "r-1",
                "generation_id": "g-1",
                "text": text,
                "chat_history": [{ "role": "USER", "message": "q" }, { "role": "CHATBOT", "message": text }],
                "finish_reason": "COMPLETE",
                "meta": { "api_version": { "version": "1" }, "tokens": { "input_tokens": 10.0, "output_tokens": 5.0 } },
            }),
            _ => json!({
                "model": "llama3.2:3b",
                "created_at": "2026-11-22T10:00:00Z",
                "message": { "role": "assistant", "content": text },
                "done_reason": "stop",
                "done": true,
                "prompt_eval_count": 10,
                "eval_count": 5,
            }),
        }
    }

    /// The pieces of a streamed answer.
    pub fn pieces(&self, texts: &[&str]) -> Vec<Vec<u8>> {
        let mut pieces: Vec<Vec<u8>> = Vec::new();
        match self.protocol {
            "bedrock_converse" => {
                pieces.push(frame("messageStart", &json!({ "role": "assistant" })));
                pieces.extend(texts.iter().map(|text| {
                    frame("contentBlockDelta", &json!({ "contentBlockIndex": 0, "delta": { "text": text }, "p": "abcdefg" }))
                }));
                pieces.push(frame("contentBlockStop", &json!({ "contentBlockIndex": 0 })));
                pieces.push(frame("messageStop", &json!({ "stopReason": "end_turn" })));
                let usage = json!({ "inputTokens": 10, "outputTokens": 5, "totalTokens": 15 });
                pieces.push(frame("metadata", &json!({ "metrics": { "latencyMs": 12 }, "usage": usage })));
            }
            "cohere_chat" => {
                pieces.push(line(&json!({ "is_finished": false, "event_type": "stream-start", "generation_id": "g-1" })));
                pieces.extend(
                    texts
                        .iter()
                        .map(|text| line(&json!({ "is_finished": false, "event_type": "text-generation", "text": text }))),
                );
                let whole = self.document(&texts.concat());
                let end = json!({
                    "is_finished": true, "event_type": "stream-end", "finish_reason": "COMPLETE", "response": whole,
                });
                pieces.push(line(&end));
            }
            _ => {
                pieces.extend(texts.iter().map(|text| {
                    line(&json!({ "model": "llama3.2:3b", "message": { "role": "assistant", "content": text }, "done": false }))
                }));
                pieces.push(line(&self.document("")));
            }
        }
        pieces
    }

    pub fn streamed(&self, pieces: Vec<Vec<u8>>) -> Response {
        streamed(self.stream_type, pieces)
    }

    /// What is asked for, of this text.
    pub fn answer(&self, seen: &Seen, text: &'static [&'static str]) -> Response {
        if asks_for_a_stream(seen) { self.streamed(self.pieces(text)) } else { json_answer(&self.document(&text.concat())) }
    }
}

pub fn streamed(kind: &str, pieces: Vec<Vec<u8>>) -> Response {
    let pieces = stream::iter(pieces).then(|piece| async {
        tokio::task::yield_now().await;
        Ok::<_, std::io::Error>(Bytes::from(piece))
    });
    answer(200, &[("content-type", kind)], Body::from_stream(pieces))
}

pub fn body_of(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

pub fn asks_for_a_stream(seen: &Seen) -> bool {
    seen.path.ends_with("converse-stream") || body_of(seen)["stream"] == json!(true)
}

pub fn line(document: &Value) -> Vec<u8> {
    format!("{document}\n").into_bytes()
}

/// A frame of Amazon's, by their description, with a header that nobody here needs.
pub fn frame(kind: &str, document: &Value) -> Vec<u8> {
    framed(&[(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")], document)
}

pub fn framed(texts: &[(&str, &str)], document: &Value) -> Vec<u8> {
    let mut headers = Vec::new();
    for (name, value) in texts {
        headers.push(u8::try_from(name.len()).unwrap());
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let payload = document.to_string();
    let mut frame = u32::try_from(headers.len() + payload.len() + 16).unwrap().to_be_bytes().to_vec();
    frame.extend(u32::try_from(headers.len()).unwrap().to_be_bytes());
    frame.extend(checksum(&frame).to_be_bytes());
    frame.extend(headers);
    frame.extend(payload.as_bytes());
    frame.extend(checksum(&frame).to_be_bytes());
    frame
}

/// By the table, and so in another way than in the library.
fn checksum(bytes: &[u8]) -> u32 {
    let table: Vec<u32> = (0..256_u32)
        .map(|start| (0..8).fold(start, |sum, _| if sum & 1 == 1 { 0xEDB8_8320 ^ (sum >> 1) } else { sum >> 1 }))
        .collect();
    !bytes.iter().fold(u32::MAX, |sum, byte| table[((sum ^ u32::from(*byte)) & 0xFF) as usize] ^ (sum >> 8))
}
