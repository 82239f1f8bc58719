//! Spans of OpenTelemetry with the attributes of its conventions for generative AI, as a pure function of events.
//!
//! Whoever has an OpenTelemetry library turns a [`Span`] into its own; nothing here depends on one. One span stands for one scope, all
//! attempts of a call included. There is no attribute for costs in the conventions: members of an event's metadata whose names begin
//! with `kitaru.`, `gen_ai.`, `server.` or `error.` become attributes as they are, so that the host can add its own and correct what
//! is derived here. Content is shown only on request, and then it is the sanitised content of the events.
//!
//! Source: <https://github.com/open-telemetry/semantic-conventions-genai>, status "development".

mod call;
mod messages;

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use uuid::Uuid;

use super::{Category, Event};
use crate::clock::Timestamp;

/// The attribute that says how long a streamed response took to begin, in seconds.
pub const TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";

/// The names of the attributes, and what they are.
pub type Attributes = BTreeMap<String, Attribute>;

/// What an attribute is.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// True or false.
    Flag(bool),
    /// Several texts.
    Texts(Vec<String>),
    /// Anything else, as JSON: a structured attribute, or JSON text where the library has none.
    Json(Value),
}

impl Attribute {
    fn of(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.clone()),
            Value::Bool(flag) => Self::Flag(*flag),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(integer), _) => Self::Integer(integer),
                (None, Some(number)) => Self::Number(number),
                (None, None) => Self::Json(value.clone()),
            },
            Value::Array(items) => {
                let texts: Option<Vec<_>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
                texts.map_or_else(|| Self::Json(value.clone()), Self::Texts)
            }
            Value::Null | Value::Object(_) => Self::Json(value.clone()),
        }
    }
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for Attribute {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// Which side of a call a span shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Work of this process.
    Internal,
    /// A call of something else.
    Client,
}

/// How a span ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not as an error.
    Unset,
    /// As an error; the attribute `error.type` has its class.
    Error,
}

/// A moment in a span.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanEvent {
    /// The mark's name.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// What the mark says: the members of its data.
    pub attributes: Attributes,
}

/// One span.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The scope's identifier; a span's identifier can be made from it.
    pub uuid: Uuid,
    /// The scope around it.
    pub parent: Option<Uuid>,
    /// Its name by the conventions, such as `chat gpt-4o-mini`.
    pub name: String,
    /// Which side of a call it shows.
    pub kind: SpanKind,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; none if there is no end event, because the process died.
    pub ended_at: Option<Timestamp>,
    /// How it ended.
    pub status: Status,
    /// What it is.
    pub attributes: Attributes,
    /// What happened in it.
    pub events: Vec<SpanEvent>,
}

/// What spans are to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Messages, instructions, tools, arguments, results, and the reasons of guardrails, which may quote them. Off unless asked for, as the conventions want it
    /// (`OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`).
    pub content: bool,
}

/// The attributes that are to be given when the span is created, because samplers see only those.
pub fn attributes_at_start(start: &Event) -> Attributes {
    let mut all = attributes(start, &[], None, Options::default());
    let wanted = ["gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model", "server.address", "server.port"];
    all.retain(|name, _| wanted.contains(&name.as_str()) || name.starts_with("gen_ai.tool.name"));
    all
}

/// All attributes of the scope that began with `start`. `marks` are those in it.
pub fn attributes(start: &Event, marks: &[&Event], end: Option<&Event>, options: Options) -> Attributes {
    let mut attributes = Attributes::new();
    match start.category() {
        Some(Category::Llm) => call::of_model(&mut attributes, start, marks, end, options),
        Some(Category::Tool) => call::of_tool(&mut attributes, start, end, options),
        Some(Category::Embedder) => call::of_embedder(&mut attributes, start),
        Some(Category::Retriever) => put(&mut attributes, "gen_ai.operation.name", Some("retrieval")),
        Some(Category::Agent) => {
            put(&mut attributes, "gen_ai.operation.name", Some("invoke_agent"));
            put(&mut attributes, "gen_ai.agent.name", Some(start.name.as_str()));
        }
        Some(Category::Custom) if is_workflow(start) => {
            put(&mut attributes, "gen_ai.operation.name", Some("invoke_workflow"));
            put(&mut attributes, "gen_ai.workflow.name", Some(start.name.as_str()));
        }
        _ => {}
    }
    for event in [Some(start), end].into_iter().flatten() {
        let Some(metadata) = event.metadata.as_object() else { continue };
        for (name, value) in metadata {
            if !value.is_null() && ["kitaru.", "gen_ai.", "server.", "error."].iter().any(|prefix| name.starts_with(prefix)) {
                attributes.insert(name.clone(), Attribute::of(value));
            }
        }
    }
    // Whoever says that a run is a workflow does not mean an agent.
    if attributes.get("gen_ai.operation.name") == Some(&"invoke_workflow".into()) {
        attributes.remove("gen_ai.agent.name");
    }
    attributes
}

/// The span of one scope.
pub fn span(start: &Event, marks: &[&Event], end: Option<&Event>, options: Options) -> Span {
    let attributes = attributes(start, marks, end, options);
    let failed = end.is_some_and(|end| {
        end.error_type().is_some() || end.metadata_member("otel.status_code").and_then(Value::as_str) == Some("ERROR")
    });
    Span {
        uuid: start.uuid,
        parent: start.parent,
        name: span_name(start, &attributes),
        kind: match start.category() {
            Some(Category::Llm | Category::Retriever | Category::Embedder | Category::Reranker) => SpanKind::Client,
            _ => SpanKind::Internal,
        },
        started_at: start.timestamp,
        ended_at: end.map(|end| end.timestamp),
        status: if failed { Status::Error } else { Status::Unset },
        attributes,
        events: marks.iter().map(|mark| span_event(mark, options)).collect(),
    }
}

/// The spans of all scopes that `events` begin, in the order of their beginning. Events are sorted by time first, as they may come from
/// several tasks. A mark outside of all of these scopes becomes a span without duration, `mark:<name>`.
pub fn spans(events: &[Event], options: Options) -> Vec<Span> {
    let mut sorted: Vec<&Event> = events.iter().collect();
    sorted.sort_by_key(|event| event.timestamp);
    let starts: HashMap<Uuid, &Event> =
        sorted.iter().filter(|event| event.is_start()).map(|event| (event.uuid, *event)).collect();
    let ends: HashMap<Uuid, &Event> = sorted.iter().filter(|event| event.is_end()).map(|event| (event.uuid, *event)).collect();
    let mut marks: HashMap<Uuid, Vec<&Event>> = HashMap::new();
    for mark in sorted.iter().filter(|event| event.is_mark()) {
        if let Some(parent) = mark.parent {
            marks.entry(parent).or_default().push(mark);
        }
    }
    let of = |event: &&Event| match event.is_mark() {
        true if event.parent.is_none_or(|parent| !starts.contains_key(&parent)) => Some(orphan(event, options)),
        false if event.is_start() => {
            let marks = marks.get(&event.uuid).map(Vec::as_slice).unwrap_or_default();
            Some(span(event, marks, ends.get(&event.uuid).copied(), options))
        }
        _ => None,
    };
    sorted.iter().filter_map(of).collect()
}

fn orphan(mark: &Event, options: Options) -> Span {
    let SpanEvent { name, at, attributes } = span_event(mark, options);
    Span {
        uuid: mark.uuid,
        parent: mark.parent,
        name: format!("mark:{name}"),
        kind: SpanKind::Internal,
        started_at: at,
        ended_at: Some(at),
        status: Status::Unset,
        attributes,
        events: Vec::new(),
    }
}

/// Members of a mark that are words of somebody about content: why a guardrail rejected, what a callback said.
const QUOTING: [&str; 2] = ["rejection_reason", "error"];

fn span_event(mark: &Event, options: Options) -> SpanEvent {
    let attributes = match &mark.data {
        Value::Null => Attributes::new(),
        Value::Object(members) => members
            .iter()
            .filter(|(name, value)| !value.is_null() && (options.content || !QUOTING.contains(&name.as_str())))
            .map(|(name, value)| (name.clone(), Attribute::of(value)))
            .collect(),
        other => Attributes::from([("data".to_owned(), Attribute::of(other))]),
    };
    SpanEvent { name: mark.name.clone(), at: mark.timestamp, attributes }
}

/// `<operation> <what>` for what the conventions name, and else the scope's own name.
fn span_name(start: &Event, attributes: &Attributes) -> String {
    let text = |name: &str| match attributes.get(name) {
        Some(Attribute::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let Some(operation) = text("gen_ai.operation.name") else { return start.name.clone() };
    let of = ["gen_ai.tool.name", "gen_ai.agent.name", "gen_ai.workflow.name", "gen_ai.request.model"];
    match of.into_iter().find_map(text) {
        Some(what) => format!("{operation} {what}"),
        None => operation.to_owned(),
    }
}

fn is_workflow(start: &Event) -> bool {
    let subtype = start.profile.as_ref().and_then(|profile| profile.subtype.as_deref());
    matches!(subtype, Some("workflow" | "flow"))
}

fn put(attributes: &mut Attributes, name: &str, value: Option<impl Into<Attribute>>) {
    if let Some(value) = value {
        attributes.insert(name.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests;
