//! The events of model calls, as they were stored with the steps that ended them.

use std::collections::{BTreeMap, HashMap, HashSet};

use kitaru_llm::clock::Timestamp;
use kitaru_llm::event::otel::TIME_TO_FIRST_CHUNK;
use kitaru_llm::event::{Category, Event, atof};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::ids::ExecutionId;
use crate::store::ModelCallRow;
use crate::telemetry::identity;

/// Model calls that were not shown yet, and what is known of those that were.
#[derive(Debug, Default)]
pub(super) struct ModelCalls {
    left: BTreeMap<(u32, u32, u32), ModelCallRow>,
    shown: HashSet<(u32, u32, u32)>,
    /// Scopes that were shown.
    scopes: HashSet<Uuid>,
    /// Tools that models asked for, by their names for the calls.
    asked: HashSet<String>,
}

/// Where events are shown.
pub(super) struct Place<'a> {
    pub(super) execution: ExecutionId,
    /// The journal's record with which they are shown.
    pub(super) seq: u64,
    /// The scope around them.
    pub(super) parent: Uuid,
    /// What the model calls themselves are to say besides.
    pub(super) metadata: &'a Map<String, Value>,
}

impl ModelCalls {
    pub(super) fn note(&mut self, rows: Vec<ModelCallRow>) {
        for row in rows {
            let key = (row.call, row.attempt, row.ordinal);
            if !self.shown.contains(&key) {
                self.left.insert(key, row);
            }
        }
    }

    /// Whether a model asked for a tool by this name of the call.
    pub(super) fn asked_for(&self, id: &str) -> bool {
        self.asked.contains(id)
    }

    /// The events of a call's attempts up to this one that were not shown yet, in the order in which they happened.
    pub(super) fn take(&mut self, call: u32, attempt: u32, place: &Place<'_>) -> Vec<Event> {
        let keys: Vec<_> = self.left.range((call, 0, 0)..=(call, attempt, u32::MAX)).map(|(key, _)| *key).collect();
        let mut events = Vec::new();
        for key in keys {
            self.shown.insert(key);
            if let Some(row) = self.left.remove(&key) {
                let mut read = read(&row);
                // An attempt that is made again may have its model call's identifier again.
                let again = read.iter().any(|event| event.is_start() && self.scopes.contains(&event.uuid));
                rename(&mut read, place, key.1.rotate_left(16) ^ key.2, again);
                self.note_scopes(&read);
                events.extend(read);
            }
        }
        self.finish(events, place)
    }

    /// Events of a call that was served, as copies at this moment: nothing of it happened here, and nothing was spent.
    pub(super) fn copy(&mut self, rows: &[ModelCallRow], at: Timestamp, place: &Place<'_>) -> Vec<Event> {
        let mut events = Vec::new();
        for (ordinal, row) in (0_u32..).zip(rows) {
            let mut read = read(row);
            read.sort_by_key(|event| event.timestamp);
            rename(&mut read, place, ordinal, true);
            self.note_scopes(&read);
            events.extend(read);
        }
        let mut now = at;
        for event in &mut events {
            event.timestamp = now;
            now = Timestamp::from_nanos(now.as_nanos().saturating_add(1_000));
            if let Some(Value::Object(response)) = event.profile.as_mut().and_then(|profile| profile.annotated_response.as_mut())
            {
                response.remove("usage");
            }
            let is_model = event.category() == Some(&Category::Llm);
            add(&mut event.metadata, |metadata| {
                metadata.insert("replayed".into(), json!(true));
                metadata.insert("kitaru.replayed".into(), json!(true));
                if is_model {
                    metadata.insert("kitaru.llm.cost_usd".into(), json!(0));
                    metadata.shift_remove(TIME_TO_FIRST_CHUNK);
                }
            });
        }
        self.finish(events, place)
    }

    fn note_scopes(&mut self, events: &[Event]) {
        self.scopes.extend(events.iter().filter(|event| event.is_start()).map(|event| event.uuid));
    }

    fn finish(&mut self, mut events: Vec<Event>, place: &Place<'_>) -> Vec<Event> {
        for event in &mut events {
            if event.category() == Some(&Category::Llm) && !event.is_mark() {
                add(&mut event.metadata, |metadata| {
                    for (key, value) in place.metadata {
                        metadata.entry(key.clone()).or_insert_with(|| value.clone());
                    }
                });
            }
            let response = event.profile.as_ref().and_then(|profile| profile.annotated_response.as_ref());
            let calls = response.and_then(|response| response.get("tool_calls")).and_then(Value::as_array);
            let ids = calls.into_iter().flatten().filter_map(|call| call.get("id").and_then(Value::as_str));
            self.asked.extend(ids.map(str::to_owned));
        }
        events
    }
}

/// Lines that cannot be read are left out: a record of another version must not keep the rest from being seen.
fn read(row: &ModelCallRow) -> Vec<Event> {
    let lines = row.events.lines().filter(|line| !line.trim().is_empty());
    let read = lines.filter_map(|line| match atof::from_line(line) {
        Ok(event) => Some(event),
        Err(error) => {
            tracing::warn!(execution = %row.execution, call = row.call, %error, "a model call's event cannot be read");
            None
        }
    });
    read.collect()
}

/// Gives what is outermost its place here, and all of it other identifiers where those that it has are used already.
fn rename(events: &mut [Event], place: &Place<'_>, ordinal: u32, anew: bool) {
    let inside: HashSet<Uuid> = events.iter().filter(|event| event.is_start()).map(|event| event.uuid).collect();
    let mut names: HashMap<Uuid, Uuid> = HashMap::new();
    let mut name = |uuid: Uuid| match anew {
        true => *names.entry(uuid).or_insert_with(|| identity::copy_of(place.execution, place.seq, ordinal, uuid)),
        false => uuid,
    };
    for event in events {
        event.parent = match event.parent.filter(|parent| inside.contains(parent)) {
            Some(parent) => Some(name(parent)),
            None => Some(place.parent),
        };
        event.uuid = name(event.uuid);
    }
}

/// Adds to metadata; what is no object becomes the member `value` of one.
fn add(metadata: &mut Value, more: impl FnOnce(&mut Map<String, Value>)) {
    let mut members = match std::mem::take(metadata) {
        Value::Null => Map::new(),
        Value::Object(members) => members,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    more(&mut members);
    if !members.is_empty() {
        *metadata = Value::Object(members);
    }
}
