//! What the pipeline's tests are made with: a clock and identifiers that count, and a log of events and callbacks.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Cause, Draft, Failure, FromFn, Next, Pipeline, Registration, Registrations, Verdict};
use crate::chat::{ChatRequest, ChatResponse, Content, FinishReason, Message, Params, RawRequest, Usage};
use crate::clock::{Clock, Timestamp};
use crate::codec::{Codec, CodecError, ResponseCodec, StreamAggregator, StreamCodec};
use crate::event::{Event, atof};
use crate::ids::Ids;

/// A microsecond passes between any two looks at it.
#[derive(Default)]
pub(super) struct Counting(AtomicU64);

impl Clock for Counting {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(i64::try_from(self.0.fetch_add(1, Ordering::Relaxed)).unwrap())
    }
}

impl Ids for Counting {
    fn uuid(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1)
    }
}

pub(super) fn pipeline() -> Pipeline {
    Pipeline::new(Arc::new(Counting::default()), Arc::new(Counting::default()))
}

/// What happened: events, and what callbacks said.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<(Vec<String>, Vec<Event>)>>);

impl Log {
    pub(super) fn of(pipeline: &Pipeline) -> Self {
        let log = Self::default();
        let events = log.clone();
        let subscriber = move |event: &Event| {
            let mut log = events.0.lock().unwrap();
            log.0.push(atof::to_line(event));
            log.1.push(event.clone());
        };
        pipeline.registrations().subscribers.register(Registration::new("log", 0), Arc::new(subscriber)).unwrap();
        log
    }

    pub(super) fn say(&self, what: impl AsRef<str>) {
        self.0.lock().unwrap().0.push(format!("> {}", what.as_ref()));
    }

    pub(super) fn section(&self, what: &str) {
        self.0.lock().unwrap().0.push(format!("# {what}"));
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().1.clone()
    }

    pub(super) fn take(&self) -> Vec<Event> {
        let mut log = self.0.lock().unwrap();
        log.0.clear();
        std::mem::take(&mut log.1)
    }

    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap().0.join("\n")
    }

    /// The lines with identifiers by the order of their appearance, and without the times that depend on the clock.
    pub(super) fn normalised(&self) -> Vec<String> {
        let lines = self.0.lock().unwrap().0.clone();
        let mut ids = HashMap::new();
        let normalise = |line: String| match serde_json::from_str(&line) {
            Ok(event) => without_chance(event, &mut ids),
            Err(_) => line,
        };
        lines.into_iter().map(normalise).collect()
    }
}

pub(super) fn register_guardrail(to: &Registrations, log: &Log, name: &'static str, priority: i32, verdict: Verdict) {
    let log = log.clone();
    let check = FromFn(move |_: &super::CallInfo, _: &RawRequest| {
        log.say(name);
        Ok(verdict.clone())
    });
    to.llm.guardrails.register(Registration::new(name, priority), Arc::new(check)).unwrap();
}

/// Adds a header, and sets a parameter in the annotation or, without one, in the body.
pub(super) fn register_intercept(to: &Registrations, log: &Log) {
    let log = log.clone();
    let rewrite = FromFn(move |call: &super::CallInfo, mut draft: Draft<RawRequest>| {
        log.say(format!("request-intercept name={} annotated={}", call.name, draft.annotated.is_some()));
        draft.request.headers.insert("x-added".into(), json!("1"));
        match &mut draft.annotated {
            Some(annotated) => annotated.params.max_tokens = Some(99),
            None => draft.request.content["temperature"] = json!(0.9),
        }
        Ok(draft)
    });
    to.llm.request_intercepts.register(Registration::new("ri", 1), Arc::new(rewrite)).unwrap();
}

pub(super) fn register_sanitizers(to: &Registrations, log: &Log) {
    let said = log.clone();
    let request = FromFn(move |_: &super::CallInfo, mut request: RawRequest| {
        said.say("sanitize-request");
        request.content["messages"] = json!("[REDACTED]");
        Ok(Some(request))
    });
    to.llm.request_sanitizers.register(Registration::new("sr", 1), Arc::new(request)).unwrap();
    let said = log.clone();
    let response = FromFn(move |_: &super::CallInfo, mut response: Value| {
        said.say("sanitize-response");
        if response.get("choices").is_some() {
            response["choices"] = json!("[REDACTED]");
        }
        Ok(Some(response))
    });
    to.llm.response_sanitizers.register(Registration::new("ss", 1), Arc::new(response)).unwrap();
}

pub(super) fn register_wrapper(to: &Registrations, log: &Log, name: &'static str, priority: i32, enter: &'static str) {
    let log = log.clone();
    let around = FromFn(move |_: Arc<super::CallInfo>, request: RawRequest, next: Next<RawRequest>| {
        let log = log.clone();
        async move {
            log.say(format!("{name} enter{enter}"));
            let response = next.run(request).await;
            log.say(format!("{name} leave"));
            response
        }
    });
    to.llm.execution_intercepts.register(Registration::new(name, priority), Arc::new(around)).unwrap();
}

pub(super) fn boom() -> Failure {
    Failure::new("internal", Cause::from("boom: my ssn is 123-45-6789"))
}

/// Just enough of a chat protocol; strict, so that a redacted payload cannot be decoded.
pub(super) struct TinyChat;

fn wrong(path: &str) -> CodecError {
    CodecError::InvalidRequest { path: path.into(), expected: "as it should be" }
}

impl Codec for TinyChat {
    fn decode(&self, request: &RawRequest) -> Result<ChatRequest, CodecError> {
        let body = &request.content;
        let messages: Vec<Message> = serde_json::from_value(body["messages"].clone()).map_err(|_| wrong("messages"))?;
        let params =
            Params { max_tokens: body["max_tokens"].as_u64(), temperature: body["temperature"].as_f64(), ..Params::default() };
        let model = body["model"].as_str().map(str::to_owned);
        Ok(ChatRequest { messages, model, params, seed: body["seed"].as_i64(), ..ChatRequest::default() })
    }

    fn encode(&self, request: &ChatRequest, original: &RawRequest) -> Result<RawRequest, CodecError> {
        let mut encoded = original.clone();
        encoded.content["messages"] = serde_json::to_value(&request.messages).map_err(|_| wrong("messages"))?;
        encoded.content["max_tokens"] = json!(request.params.max_tokens);
        Ok(encoded)
    }
}

impl ResponseCodec for TinyChat {
    fn decode_response(&self, response: &Value) -> Result<ChatResponse, CodecError> {
        let choice = &response["choices"][0];
        let text = choice["message"]["content"].as_str().ok_or_else(|| wrong("choices"))?;
        let usage = Usage { prompt_tokens: response["usage"]["prompt_tokens"].as_u64(), ..Usage::default() };
        Ok(ChatResponse {
            message: Some(Content::Text(text.to_owned())),
            finish_reason: Some(FinishReason::Complete),
            usage: Some(usage),
            ..ChatResponse::default()
        })
    }
}

struct Deltas(String);

impl StreamAggregator for Deltas {
    fn push(&mut self, chunk: &Value) -> Result<(), CodecError> {
        if chunk["refuse"] == json!(true) {
            return Err(wrong("refuse"));
        }
        self.0.push_str(chunk["delta"].as_str().unwrap_or_default());
        Ok(())
    }

    fn finish(self: Box<Self>) -> Value {
        json!({ "choices": [{ "message": { "content": self.0 } }] })
    }
}

impl StreamCodec for TinyChat {
    fn aggregator(&self) -> Box<dyn StreamAggregator> {
        Box::new(Deltas(String::new()))
    }

    fn text_delta(&self, chunk: &Value) -> Option<String> {
        chunk["delta"].as_str().map(str::to_owned)
    }

    fn chunk_summary(&self, index: u64, chunk: &Value) -> Value {
        let mut summary = chunk["summary"].as_object().cloned().unwrap_or_default();
        summary.insert("chunk_index".into(), json!(index));
        Value::Object(summary)
    }
}

/// The line of an event with identifiers by the order of their appearance, and without its time, unless that was chosen.
pub(super) fn without_chance(mut event: Value, ids: &mut HashMap<String, String>) -> String {
    for key in ["uuid", "parent_uuid"] {
        if let Some(id) = event[key].as_str() {
            let number = ids.len() + 1;
            event[key] = json!(ids.entry(id.to_owned()).or_insert_with(|| format!("#{number}")).clone());
        }
    }
    if !event["timestamp"].as_str().unwrap().starts_with("2999") {
        event["timestamp"] = json!("T");
    }
    event.to_string()
}
