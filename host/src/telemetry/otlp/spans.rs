//! From events to the spans that are sent.

use std::collections::HashMap;

use kitaru_llm::clock::Timestamp;
use kitaru_llm::event::otel::{self, Attribute, Attributes, Options, SpanKind};
use kitaru_llm::event::{CHUNK_MARK, Event};
use serde_json::Value;
use uuid::Uuid;

use super::distribution::Distribution;
use super::message::{Any, AnyValue, ArrayValue, KeyValue, KeyValueList, Link, Span, SpanEvent, Status};
use super::metrics::DURATIONS;
use crate::telemetry::feed::Lineage;
use crate::telemetry::identity::span_id;

/// Events of one span that are sent; a stream can have any number. As OpenTelemetry's own limit.
const MOST_EVENTS: usize = 128;

/// The scopes of one execution that have begun and not ended.
#[derive(Debug, Default)]
pub(in crate::telemetry) struct OpenSpans(HashMap<Uuid, OpenSpan>);

#[derive(Debug)]
struct OpenSpan {
    start: Event,
    marks: Vec<Event>,
    /// Marks over the limit.
    dropped: u32,
    chunks: Chunks,
}

/// A span that has ended.
#[derive(Debug)]
pub(in crate::telemetry) struct EndedSpan {
    pub(in crate::telemetry) span: otel::Span,
    /// Events of it that are not in it.
    dropped: u32,
    pub(super) chunks: Chunks,
}

/// When the chunks of a streamed response came: of all of them, however many marks are sent.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    last: Option<Timestamp>,
    between: Option<Distribution>,
}

impl Chunks {
    fn came(&mut self, at: Timestamp) {
        if let Some(before) = self.last.replace(at) {
            let between = self.between.get_or_insert_with(|| Distribution::new(&DURATIONS));
            between.add(at.since(before).as_secs_f64());
        }
    }

    /// How long each took after the one before, in seconds; none where there were not two.
    pub(super) fn between(&self) -> Option<&Distribution> {
        self.between.as_ref()
    }
}

impl OpenSpans {
    /// Takes the next event; gives the span that it ends, if it ends one.
    pub(in crate::telemetry) fn take(&mut self, event: &Event, options: Options) -> Option<EndedSpan> {
        if event.is_start() {
            self.0.insert(event.uuid, OpenSpan::new(event));
            return None;
        }
        if event.is_mark() {
            let open = self.0.get_mut(&event.parent?)?;
            if event.name == CHUNK_MARK {
                open.chunks.came(event.timestamp);
            }
            match open.marks.len() < MOST_EVENTS {
                true => open.marks.push(event.clone()),
                false => open.dropped = open.dropped.saturating_add(1),
            }
            return None;
        }
        let OpenSpan { start, marks, dropped, chunks } = self.0.remove(&event.uuid)?;
        let span = otel::span(&start, &marks.iter().collect::<Vec<_>>(), Some(event), options);
        Some(EndedSpan { span, dropped, chunks })
    }
}

impl OpenSpan {
    fn new(start: &Event) -> Self {
        Self { start: start.clone(), marks: Vec::new(), dropped: 0, chunks: Chunks::default() }
    }
}

/// The span as it is sent.
pub(in crate::telemetry) fn message(ended: EndedSpan, lineage: &Lineage) -> Span {
    let EndedSpan { span, dropped, .. } = ended;
    let otel::Span { uuid, parent, name, kind, started_at, ended_at, status, attributes, events } = span;
    let links = match (parent, lineage.original) {
        (None, Some((trace_id, span_id))) => vec![Link { trace_id: trace_id.to_vec(), span_id: span_id.to_vec() }],
        _ => Vec::new(),
    };
    Span {
        trace_id: lineage.trace.to_vec(),
        span_id: span_id(uuid).to_vec(),
        parent_span_id: parent.map(span_id).or(lineage.parent).map(|id| id.to_vec()).unwrap_or_default(),
        name,
        kind: match kind {
            SpanKind::Internal => 1,
            SpanKind::Client => 3,
        },
        start_time_unix_nano: nanos(started_at),
        end_time_unix_nano: nanos(ended_at.unwrap_or(started_at)),
        attributes: key_values(attributes),
        events: events
            .into_iter()
            .map(|event| SpanEvent {
                time_unix_nano: nanos(event.at),
                name: event.name,
                attributes: key_values(event.attributes),
            })
            .collect(),
        dropped_events_count: dropped,
        links,
        status: match status {
            otel::Status::Unset => None,
            otel::Status::Error => Some(Status { code: 2 }),
        },
        flags: 1,
    }
}

pub(super) fn nanos(at: Timestamp) -> u64 {
    u64::try_from(at.as_nanos().max(0)).unwrap_or(u64::MAX)
}

pub(super) fn key_values(attributes: Attributes) -> Vec<KeyValue> {
    attributes.into_iter().map(|(key, attribute)| KeyValue { key, value: Some(value(attribute)) }).collect()
}

fn value(attribute: Attribute) -> AnyValue {
    let any = match attribute {
        Attribute::Text(text) => Any::Text(text),
        Attribute::Integer(number) => Any::Integer(number),
        Attribute::Number(number) => Any::Number(number),
        Attribute::Flag(flag) => Any::Flag(flag),
        Attribute::Texts(texts) => {
            Any::Array(ArrayValue { values: texts.into_iter().map(|text| AnyValue { value: Some(Any::Text(text)) }).collect() })
        }
        Attribute::Json(value) => return json(value),
    };
    AnyValue { value: Some(any) }
}

/// A structured attribute: the conventions want messages as they are, and not as text.
fn json(value: Value) -> AnyValue {
    let any = match value {
        Value::Null => return AnyValue { value: None },
        Value::Bool(flag) => Any::Flag(flag),
        Value::String(text) => Any::Text(text),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Any::Integer(integer),
            (None, Some(number)) => Any::Number(number),
            (None, None) => Any::Text(number.to_string()),
        },
        Value::Array(items) => Any::Array(ArrayValue { values: items.into_iter().map(json).collect() }),
        Value::Object(members) => {
            let member = |(key, value)| KeyValue { key, value: Some(json(value)) };
            Any::Object(KeyValueList { values: members.into_iter().map(member).collect() })
        }
    };
    AnyValue { value: Some(any) }
}
