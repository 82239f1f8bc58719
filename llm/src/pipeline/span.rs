//! The two events of one call, and what is recorded in them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::call::{CallInfo, merge_metadata};
use super::middleware::Sanitizer;
use super::registry::Chain;
use super::runtime::end_time;
use super::scope::error_metadata;
use super::time_limit::{Away, within};
use crate::chat::{ChatRequest, ChatResponse, RawRequest};
use crate::clock::Timestamp;
use crate::codec::{Codec, CodecError, ResponseCodec};
use crate::event::{Event, Kind, Phase, Profile};

/// What is left of a payload for the record.
pub(super) struct Recorded<T> {
    /// The payload; none if it is left out.
    pub(super) payload: Option<T>,
    /// The sanitiser that left it out.
    pub(super) omitted_by: Option<String>,
}

/// Sends a copy through the sanitisers in order. One that fails or takes too long leaves the payload out: rather no record than a leak.
pub(super) async fn sanitize<T>(
    call: &Arc<CallInfo>,
    sanitizers: &Chain<dyn Sanitizer<T>>,
    mut payload: T,
    with_limits: bool,
) -> Recorded<T> {
    for entry in sanitizers.iter() {
        let limit = entry.time_limit.filter(|_| with_limits);
        let done = within(limit, &Away::default(), entry.item.sanitize(call, payload)).await;
        payload = match done {
            Ok(Ok(Some(payload))) => payload,
            left_out => {
                if !matches!(left_out, Ok(Ok(None))) {
                    entry.failures.fetch_add(1, Ordering::Relaxed);
                    call.emitter.pipeline.count_failure();
                }
                return Recorded { payload: None, omitted_by: Some(entry.name.clone()) };
            }
        };
    }
    Recorded { payload: Some(payload), omitted_by: None }
}

/// What a start event is to say of a request to a model.
pub(super) struct Input {
    pub(super) data: Value,
    pub(super) annotated: Option<Value>,
    pub(super) omitted_by: Option<String>,
}

/// Sanitises a request to a model. Headers with credentials never reach a sanitiser or the record; the annotation is that of the
/// sanitised request.
pub(super) async fn record_request(
    call: &Arc<CallInfo>,
    sanitizers: &Chain<dyn Sanitizer<RawRequest>>,
    codec: Option<&Arc<dyn Codec>>,
    request: &RawRequest,
    annotated: Option<ChatRequest>,
) -> Input {
    let shown = request.without_credentials();
    let Recorded { payload, omitted_by } = sanitize(call, sanitizers, shown, true).await;
    let annotated = match &payload {
        Some(payload) if payload.content == request.content => annotated,
        Some(payload) => codec.and_then(|codec| codec.decode(payload).ok()),
        None => None,
    };
    let data = payload.map_or(Value::Null, |payload| {
        let RawRequest { headers, content } = payload.without_credentials();
        json!({ "headers": headers, "content": content })
    });
    Input { data, annotated: annotated.as_ref().and_then(to_json), omitted_by }
}

fn to_json(annotation: &impl Serialize) -> Option<Value> {
    serde_json::to_value(annotation).ok()
}

/// A call that has begun and will end, whatever happens: dropped without an end, it ends as an error.
pub(super) struct Span {
    call: Arc<CallInfo>,
    sanitizers: Chain<dyn Sanitizer<Value>>,
    codec: Option<Arc<dyn ResponseCodec>>,
    /// The caller's payload, recorded where there is no output.
    fallback: Value,
    /// The class of the error when it is dropped.
    on_drop: &'static str,
    started_at: Timestamp,
    ended: bool,
}

/// What an end event is to say besides the response.
#[derive(Default)]
pub(super) struct End {
    pub(super) annotated: Option<ChatResponse>,
    /// Instead of the one that the call began with.
    pub(super) codec: Option<Arc<dyn ResponseCodec>>,
    /// Instead of the one that the call began with.
    pub(super) fallback: Option<Value>,
    pub(super) metadata: Map<String, Value>,
    pub(super) at: Option<Timestamp>,
    /// The class of the error that it ends with.
    pub(super) error_type: Option<String>,
    /// There is no time to wait for sanitisers.
    pub(super) at_once: bool,
}

impl Span {
    /// Records the start.
    pub(super) fn begin(
        call: &Arc<CallInfo>,
        input: Input,
        at: Option<Timestamp>,
        sanitizers: Chain<dyn Sanitizer<Value>>,
        codec: Option<Arc<dyn ResponseCodec>>,
        fallback: Value,
    ) -> Self {
        let uuid = call.wanted_uuid.unwrap_or_else(|| call.emitter.uuid());
        let started_at = at.unwrap_or_else(|| call.emitter.now());
        // A call begins once.
        let _ = call.begun.set((uuid, started_at));
        let span = Self { call: Arc::clone(call), sanitizers, codec, fallback, on_drop: "cancelled", started_at, ended: false };
        let Input { data, annotated, omitted_by } = input;
        let profile = Profile { annotated_request: annotated, ..span.profile() };
        span.emit(Phase::Start, started_at, profile, data, omission(omitted_by));
        span
    }

    /// That it will be ended by hand.
    pub(super) fn manual(mut self) -> Self {
        self.on_drop = "not_ended";
        self
    }

    pub(super) fn call(&self) -> &Arc<CallInfo> {
        &self.call
    }

    /// Sanitises the response and records the end. The annotation is that of what is recorded.
    ///
    /// # Errors
    ///
    /// That the response cannot be decoded; the end is recorded all the same.
    pub(super) async fn finish(mut self, response: &Value, end: End) -> Result<(), CodecError> {
        let Recorded { payload, omitted_by } = sanitize(&self.call, &self.sanitizers, response.clone(), !end.at_once).await;
        let codec = end.codec.or_else(|| self.codec.take());
        let decode = |payload: &Value| codec.as_ref().map(|codec| codec.decode_response(payload)).transpose();
        let annotated = match (&payload, end.annotated) {
            (Some(payload), Some(given)) if payload == response => Ok(Some(given)),
            // Where there is no output there is nothing to decode.
            (Some(Value::Null) | None, _) => Ok(None),
            (Some(payload), _) => decode(payload),
        };
        let (annotated, decoded) = match annotated {
            Ok(annotated) => (annotated, Ok(())),
            Err(error) => (None, Err(error)),
        };
        let data = match payload {
            Some(Value::Null) => end.fallback.unwrap_or_else(|| std::mem::take(&mut self.fallback)),
            Some(payload) => payload,
            None => Value::Null,
        };
        let mut metadata = omission(omitted_by);
        metadata.extend(end.metadata);
        metadata.extend(end.error_type.as_deref().map(error_metadata).unwrap_or_default());
        self.emit_end(data, annotated.as_ref().and_then(to_json), metadata, end.at);
        decoded
    }

    /// Records the end of a call that failed.
    pub(super) fn fail(mut self, error_type: &str) {
        self.emit_failure(error_type);
    }

    fn emit_failure(&mut self, error_type: &str) {
        let data = std::mem::take(&mut self.fallback);
        self.emit_end(data, None, error_metadata(error_type), None);
    }

    fn emit_end(&mut self, data: Value, annotated: Option<Value>, metadata: Map<String, Value>, at: Option<Timestamp>) {
        self.ended = true;
        let at = end_time(self.started_at, at, || self.call.emitter.now());
        let mut over = self.call.take_notes();
        over.extend(metadata);
        let profile = Profile { annotated_response: annotated, ..self.profile() };
        self.emit(Phase::End, at, profile, data, over);
    }

    fn profile(&self) -> Profile {
        let CallInfo { model_name, tool_call_id, .. } = &*self.call;
        Profile { model_name: model_name.clone(), tool_call_id: tool_call_id.clone(), ..Profile::default() }
    }

    fn emit(&self, phase: Phase, timestamp: Timestamp, profile: Profile, data: Value, metadata: Map<String, Value>) {
        // Set when the span began.
        let Some(uuid) = self.call.uuid() else { return };
        let call = &self.call;
        call.emitter.emit(&Event {
            uuid,
            parent: call.parent,
            timestamp,
            name: call.name.clone(),
            kind: Kind::Scope { phase, category: call.category.clone(), attributes: call.attributes.clone() },
            profile: Some(profile),
            data,
            data_schema: None,
            metadata: merge_metadata(call.metadata.clone(), metadata),
        });
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if !self.ended {
            self.emit_failure(if std::thread::panicking() { "panic" } else { self.on_drop });
        }
    }
}

/// A payload that was left out is not the same as none, and the record says so.
fn omission(by: Option<String>) -> Map<String, Value> {
    by.map(|name| ("kitaru.omitted_by".to_owned(), Value::String(name))).into_iter().collect()
}
