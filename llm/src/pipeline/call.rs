//! What callbacks are told about the call that they serve.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::runtime::Emitter;
use crate::clock::Timestamp;
use crate::codec::{Codec, ResponseCodec};
use crate::event::{Attributes, Category, Event, Kind};
use crate::mutex::lock;

/// A call on its way through the pipeline.
pub struct CallInfo {
    /// The caller's name for the call: a provider, a family of models, a tool.
    pub name: String,
    /// [`Category::Llm`] or [`Category::Tool`].
    pub category: Category,
    /// The scope that it runs in; none at the top.
    pub parent: Option<Uuid>,
    /// Its flags.
    pub attributes: Attributes,
    /// What the caller says about it; `null` where that is nothing. Recorded in its events.
    pub metadata: Value,
    /// The model, after aliases are resolved.
    pub model_name: Option<String>,
    /// The call of a tool that a model asked for, by the model's name for it.
    pub tool_call_id: Option<String>,
    /// What decodes and encodes its request, for callbacks that need to understand it.
    pub codec: Option<Arc<dyn Codec>>,
    /// What decodes its response.
    pub response_codec: Option<Arc<dyn ResponseCodec>>,
    /// What the caller attached for its own middleware. Never recorded.
    pub attached: Option<Arc<dyn Any + Send + Sync>>,
    pub(super) wanted_uuid: Option<Uuid>,
    pub(super) emitter: Emitter,
    pub(super) begun: OnceLock<(Uuid, Timestamp)>,
    pub(super) notes: Mutex<Map<String, Value>>,
}

impl CallInfo {
    /// The identifier that the call has in events. None before its start event: guardrails and request intercepts run before that.
    pub fn uuid(&self) -> Option<Uuid> {
        self.begun.get().map(|(uuid, _)| *uuid)
    }

    /// How long ago it began. None before its start event.
    pub fn elapsed(&self) -> Option<Duration> {
        self.begun.get().map(|(_, at)| self.emitter.now().since(*at))
    }

    /// Records a mark now: inside the call once it has begun, and else in the scope around it. `data` is recorded as it is, so it is
    /// to hold nothing of a payload.
    pub fn mark(&self, name: impl Into<String>, data: Value) {
        self.emit_mark(name.into(), self.uuid().or(self.parent), data, Value::Null);
    }

    /// Adds a member to the metadata of the call's end event, as a retry layer, a cache or a price table may want to. Recorded as it
    /// is, so it is to hold nothing of a payload. The last value for a key counts.
    pub fn note(&self, key: impl Into<String>, value: Value) {
        lock(&self.notes).insert(key.into(), value);
    }

    pub(super) fn emit_mark(&self, name: String, parent: Option<Uuid>, data: Value, metadata: Value) {
        self.emitter.emit(&Event {
            uuid: self.emitter.uuid(),
            parent,
            timestamp: self.emitter.now(),
            name,
            kind: Kind::Mark { category: None },
            profile: None,
            data,
            data_schema: None,
            metadata,
        });
    }

    pub(super) fn take_notes(&self) -> Map<String, Value> {
        std::mem::take(&mut lock(&self.notes))
    }
}

/// Without the metadata, which is the caller's.
impl fmt::Debug for CallInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallInfo").field("name", &self.name).field("category", &self.category).finish_non_exhaustive()
    }
}

/// `over` laid over `under`, member by member and not deeper. What is no object counts as the member `value` of one, so that nothing is
/// lost.
pub(super) fn merge_metadata(under: Value, over: Map<String, Value>) -> Value {
    if over.is_empty() {
        return under;
    }
    let mut merged = match under {
        Value::Null => Map::new(),
        Value::Object(map) => map,
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    merged.extend(over);
    Value::Object(merged)
}
