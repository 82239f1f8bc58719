//! Scopes on their way to their ends, and the events that they have.

use kitaru_llm::clock::Timestamp;
use kitaru_llm::event::{Attributes, Category, Event, Kind, Phase, Profile};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::journal::Failure;

/// The host's moments are whole microseconds.
pub(super) fn moment(at: crate::clock::Timestamp) -> Timestamp {
    Timestamp::from_micros(at.as_micros())
}

/// A scope that has begun.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) uuid: Uuid,
    parent: Option<Uuid>,
    name: String,
    category: Category,
    attributes: Attributes,
    profile: Option<Profile>,
    metadata: Map<String, Value>,
    began: Timestamp,
    /// The latest moment of anything inside.
    latest: Timestamp,
}

/// A scope that begins.
pub(super) struct Opening {
    pub(super) uuid: Uuid,
    pub(super) parent: Option<Uuid>,
    pub(super) name: String,
    pub(super) category: Category,
    pub(super) attributes: Attributes,
    pub(super) profile: Option<Profile>,
    pub(super) metadata: Map<String, Value>,
    pub(super) at: Timestamp,
}

impl Scope {
    pub(super) fn begin(opening: Opening, data: Value) -> (Self, Event) {
        let Opening { uuid, parent, name, category, attributes, profile, metadata, at } = opening;
        let scope = Self { uuid, parent, name, category, attributes, profile, metadata, began: at, latest: at };
        let event = scope.event(Phase::Start, at, data, scope.metadata.clone());
        (scope, event)
    }

    /// Ends it: never before a microsecond after its beginning, and never before what is inside.
    pub(super) fn end(self, at: Timestamp, data: Value, more: Map<String, Value>) -> Event {
        let at = at.max(self.latest).max(Timestamp::from_nanos(self.began.as_nanos().saturating_add(1_000)));
        let mut metadata = self.metadata.clone();
        metadata.extend(more);
        self.event(Phase::End, at, data, metadata)
    }

    /// Notes that there was something inside at this moment.
    pub(super) fn saw(&mut self, at: Timestamp) {
        self.latest = self.latest.max(at);
    }

    fn event(&self, phase: Phase, timestamp: Timestamp, data: Value, metadata: Map<String, Value>) -> Event {
        let kind = Kind::Scope { phase, category: self.category.clone(), attributes: self.attributes.clone() };
        Event {
            uuid: self.uuid,
            parent: self.parent,
            timestamp,
            name: self.name.clone(),
            kind,
            profile: self.profile.clone(),
            data,
            data_schema: None,
            metadata: or_null(metadata),
        }
    }
}

pub(super) fn mark(uuid: Uuid, parent: Option<Uuid>, at: Timestamp, name: &str, data: Value) -> Event {
    Event {
        uuid,
        parent,
        timestamp: at,
        name: name.to_owned(),
        kind: Kind::Mark { category: None },
        profile: None,
        data,
        data_schema: None,
        metadata: Value::Null,
    }
}

fn or_null(map: Map<String, Value>) -> Value {
    if map.is_empty() { Value::Null } else { Value::Object(map) }
}

/// What an end says of an error, in the words of the pipeline's own events.
pub(super) fn error(to: &mut Map<String, Value>, kind: &str) {
    to.insert("error.type".into(), json!(kind));
    to.insert("otel.status_code".into(), json!("ERROR"));
}

/// A failure without its words, which may quote what went in.
pub(super) fn failed(to: &mut Map<String, Value>, failure: &Failure, with_content: bool) {
    error(to, &failure.kind);
    to.insert("kitaru.failure.origin".into(), json!(failure.origin.as_str()));
    if with_content {
        to.insert("error.message".into(), json!(failure.message));
    }
}

/// What the author logged: an object as text.
pub(super) fn logged(to: &mut Map<String, Value>, text: Option<&String>) {
    let parsed = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let Some(object) = parsed.filter(|value| value.as_object().is_some_and(|object| !object.is_empty())) {
        to.insert("logged".into(), object);
    }
}
