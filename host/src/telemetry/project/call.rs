//! Durable calls as scopes.

use kitaru_llm::clock::Timestamp;
use kitaru_llm::event::{Attributes, Category, Event, Profile};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Projection;
use super::model_calls::Place;
use super::scope::{Opening, Scope, error, failed, logged, mark, moment};
use crate::clock;
use crate::ids::CallId;
use crate::journal::{CallKind, Descriptor, Outcome, Provenance};
use crate::store::ModelCallRow;
use crate::telemetry::identity;

/// Whether calls of this kind are model calls, which record their events themselves.
pub(super) fn is_model(kind: CallKind) -> bool {
    kind == CallKind::Llm
}

/// What was called.
#[derive(Clone, Debug)]
pub(super) struct Called {
    kind: CallKind,
    name: String,
    invocation: String,
    checkpoint_type: Option<String>,
}

impl Called {
    pub(super) fn of(descriptor: &Descriptor) -> Self {
        let Descriptor { kind, name, invocation, checkpoint_type, .. } = descriptor;
        Self { kind: *kind, name: name.clone(), invocation: invocation.clone(), checkpoint_type: checkpoint_type.clone() }
    }

    pub(super) fn is_model(&self) -> bool {
        is_model(self.kind)
    }

    fn is_tool(&self) -> bool {
        self.kind == CallKind::Checkpoint && self.checkpoint_type.as_deref() == Some("tool_call")
    }

    fn category(&self) -> Category {
        match self.kind {
            CallKind::Checkpoint if self.is_tool() => Category::Tool,
            CallKind::Checkpoint => Category::Function,
            CallKind::Llm => Category::Llm,
            CallKind::Wait | CallKind::Sleep | CallKind::First | CallKind::Flow => Category::Custom,
        }
    }

    fn profile(&self, tool_call_id: Option<String>) -> Option<Profile> {
        match self.category() {
            Category::Tool => Some(Profile { tool_call_id, ..Profile::default() }),
            Category::Custom => Some(Profile { subtype: Some(self.kind.as_str().to_owned()), ..Profile::default() }),
            _ => None,
        }
    }
}

/// A call that has begun.
#[derive(Debug)]
pub(super) struct OpenCall {
    began: clock::Timestamp,
    time: u32,
    metadata: Map<String, Value>,
    /// None of a model call: it has events of its own.
    scope: Option<Scope>,
    /// What the scope's end is to say besides.
    more: Map<String, Value>,
    /// The attempt that runs.
    pub(super) running: Option<u32>,
    /// What went in, of a model call.
    input: Value,
    /// Whether anything was shown of a model call.
    shown: bool,
}

/// The end of a call.
pub(super) struct Ended<'a> {
    pub(super) seq: u64,
    pub(super) at: clock::Timestamp,
    pub(super) attempt: u32,
    pub(super) outcome: &'a Outcome,
    pub(super) provenance: &'a Provenance,
    pub(super) metadata: Option<&'a String>,
}

impl Projection {
    /// Begins the scope of a call, unless it has begun.
    pub(super) fn begin_call(&mut self, call: u32, at: clock::Timestamp, parallel: bool, input: Value, events: &mut Vec<Event>) {
        let Some(called) = self.called.get(&call).filter(|_| !self.open.contains_key(&call)) else { return };
        let called = called.clone();
        let count = self.times.entry(call).or_default();
        let time = *count;
        *count = count.saturating_add(1);
        let mut metadata = Map::new();
        metadata.insert("kitaru.call_id".into(), json!(self.call_id(call)));
        metadata.insert("kitaru.invocation_id".into(), json!(called.invocation));
        let own_type = called.checkpoint_type.as_ref().filter(|_| called.kind == CallKind::Checkpoint && !called.is_tool());
        if let Some(own_type) = own_type {
            metadata.insert("kitaru.checkpoint_type".into(), json!(own_type));
        }
        let parent = self.saw(moment(at));
        let input = self.shown(input);
        let (scope, more, running, shown) = (None, Map::new(), None, false);
        let mut open = OpenCall { began: at, time, metadata, scope, more, running, input: Value::Null, shown };
        if called.is_model() {
            open.input = input;
        } else {
            // The author gives a tool's checkpoint the model's name for the call, so that the two find each other.
            let tool_call_id = Some(called.invocation.clone()).filter(|id| self.models.asked_for(id));
            let flags = Attributes::none();
            let opening = Opening {
                uuid: identity::call_scope(self.execution, call, time),
                parent,
                name: called.name.clone(),
                category: called.category(),
                attributes: if parallel { flags.with(Attributes::PARALLEL) } else { flags },
                profile: called.profile(tool_call_id),
                metadata: open.metadata.clone(),
                at: moment(at),
            };
            let (scope, event) = Scope::begin(opening, input);
            open.scope = Some(scope);
            events.push(event);
        }
        self.open.insert(call, open);
    }

    /// An attempt begins; one that ran until now was interrupted, since nothing else is known of its end.
    pub(super) fn begin_attempt(
        &mut self,
        call: u32,
        attempt: u32,
        (seq, at): (u64, clock::Timestamp),
        more: Map<String, Value>,
        events: &mut Vec<Event>,
    ) {
        let runs = self.called.get(&call).is_some_and(|called| matches!(called.kind, CallKind::Checkpoint | CallKind::Llm));
        let Some(open) = self.open.get_mut(&call) else { return };
        open.more.extend(more);
        let interrupted = open.running.replace(attempt).filter(|_| runs);
        if let Some(interrupted) = interrupted {
            let data = json!({ "attempt": interrupted, "error.type": "interrupted" });
            self.mark_in(call, seq, at, "kitaru.attempt.interrupted", data, events);
        }
    }

    /// A mark in the scope of a call.
    pub(super) fn mark_in(
        &mut self,
        call: u32,
        seq: u64,
        at: clock::Timestamp,
        name: &str,
        data: Value,
        events: &mut Vec<Event>,
    ) {
        let (uuid, at) = (identity::record_mark(self.execution, seq), moment(at));
        let parent = self.saw_in(call, at);
        events.push(mark(uuid, parent, at, name, data));
    }

    /// Shows what model calls recorded in the attempts of a call up to this one.
    pub(super) fn show_models(&mut self, call: u32, attempt: u32, seq: u64, events: &mut Vec<Event>) {
        self.show(call, seq, events, |models, place| models.take(call, attempt, place));
    }

    fn show(
        &mut self,
        call: u32,
        seq: u64,
        events: &mut Vec<Event>,
        of: impl FnOnce(&mut super::ModelCalls, &Place<'_>) -> Vec<Event>,
    ) {
        let root = self.root.as_ref().map(|root| root.uuid);
        let Some((open, root)) = self.open.get_mut(&call).zip(root) else { return };
        let (parent, none) = (open.scope.as_ref().map_or(root, |scope| scope.uuid), Map::new());
        // A call of the flow is the durable call itself; the others say what they are in by their parent.
        let metadata = if open.scope.is_none() { &open.metadata } else { &none };
        let place = Place { execution: self.execution, seq, parent, metadata };
        let shown = of(&mut self.models, &place);
        open.shown |= !shown.is_empty();
        if let Some(last) = shown.iter().map(|event| event.timestamp).max() {
            self.saw_in(call, last);
        }
        events.extend(shown);
    }

    /// Notes that something happened in a call; tells the scope around it.
    fn saw_in(&mut self, call: u32, at: Timestamp) -> Option<Uuid> {
        let root = self.saw(at);
        let scope = self.open.get_mut(&call).and_then(|open| open.scope.as_mut()).map(|scope| {
            scope.saw(at);
            scope.uuid
        });
        scope.or(root)
    }

    pub(super) fn end_call(
        &mut self,
        call: u32,
        ended: &Ended<'_>,
        output: Value,
        served: &[ModelCallRow],
        events: &mut Vec<Event>,
    ) {
        let at = moment(ended.at);
        let running = self.open.get(&call).and_then(|open| open.running);
        self.show_models(call, ended.attempt.max(running.unwrap_or(0)), ended.seq, events);
        let mut more = Map::new();
        match ended.provenance {
            Provenance::Ran => {}
            Provenance::Served { source, call, other_input, .. } => {
                came_from(&mut more, "served", Some(CallId { execution: *source, index: *call }));
                if *other_input {
                    more.insert("kitaru.other_input".into(), json!(true));
                }
            }
            Provenance::Cached { source, call } => {
                came_from(&mut more, "cached", Some(CallId { execution: *source, index: *call }));
            }
            Provenance::Overridden => came_from(&mut more, "overridden", None),
            Provenance::Cancelled | Provenance::Withdrawn => error(&mut more, "cancelled"),
        }
        if ended.provenance.source().is_some() {
            self.show(call, ended.seq, events, |models, place| models.copy(served, at, place));
        }
        match ended.outcome {
            Outcome::Failure(failure) if !more.contains_key("error.type") => failed(&mut more, failure, self.content),
            _ => {}
        }
        logged(&mut more, ended.metadata);
        if ended.attempt > 0 {
            more.insert("kitaru.attempt".into(), json!(ended.attempt));
        }
        self.finish_call(call, at, output, more, events);
    }

    /// The end of a call that nothing more is heard of, because the execution ended.
    pub(super) fn cut_off(&mut self, call: u32, at: clock::Timestamp, events: &mut Vec<Event>) {
        let mut more = Map::new();
        error(&mut more, "cancelled");
        self.finish_call(call, moment(at), Value::Null, more, events);
    }

    fn finish_call(&mut self, call: u32, at: Timestamp, output: Value, mut more: Map<String, Value>, events: &mut Vec<Event>) {
        let Some(open) = self.open.remove(&call) else { return };
        let mut all = open.more.clone();
        all.append(&mut more);
        let end = match (open.scope, self.called.get(&call).cloned()) {
            (Some(scope), _) => scope.end(at, self.shown(output), all),
            (None, Some(called)) if !open.shown => {
                let place = Opening {
                    uuid: identity::call_scope(self.execution, call, open.time),
                    parent: self.root.as_ref().map(|root| root.uuid),
                    name: called.name,
                    category: Category::Llm,
                    attributes: Attributes::none(),
                    profile: None,
                    metadata: open.metadata,
                    at: moment(open.began),
                };
                let (start, end) = self.model_call(place, at, (open.input, output), all);
                events.push(start);
                end
            }
            _ => return,
        };
        self.saw(end.timestamp);
        events.push(end);
    }

    /// A model call of which only the journal knows: it was served, given, refused before it began, or cut off.
    fn model_call(
        &self,
        mut place: Opening,
        at: Timestamp,
        (input, output): (Value, Value),
        mut more: Map<String, Value>,
    ) -> (Event, Event) {
        let model = output.get("model").and_then(Value::as_str).map(str::to_owned);
        let provider = model.as_deref().and_then(|model| model.split_once('/')).map(|(provider, _)| provider.to_owned());
        place.profile = Some(Profile { model_name: model.clone(), ..Profile::default() });
        // The name is the author's and not a provider's.
        let provider = provider.unwrap_or_else(|| "unknown".into());
        place.metadata.insert("gen_ai.provider.name".into(), json!(provider));
        if more.contains_key("replayed") {
            more.insert("kitaru.llm.cost_usd".into(), json!(0));
            if let Some(usage) = output.get("usage").filter(|usage| !usage.is_null()) {
                more.insert("kitaru.llm.saved_usage".into(), usage.clone());
            }
        }
        let (scope, mut start) = Scope::begin(place, Value::Null);
        if self.content {
            start.data = json!({ "content": input });
        }
        let mut end = scope.end(at, self.shown(output.clone()), more);
        if let Some(profile) = end.profile.as_mut() {
            let mut response = Map::new();
            let mut say = |key: &str, value: Option<&Value>| {
                if let Some(value) = value.filter(|value| !value.is_null()) {
                    response.insert(key.to_owned(), value.clone());
                }
            };
            say("model", output.get("model"));
            if self.content {
                say("message", output.get("text"));
                say("tool_calls", output.get("tool_calls"));
            }
            profile.annotated_response = Some(Value::Object(response)).filter(|response| response != &json!({}));
        }
        (start, end)
    }
}

fn came_from(to: &mut Map<String, Value>, provenance: &str, original: Option<CallId>) {
    to.insert("replayed".into(), json!(true));
    to.insert("kitaru.replayed".into(), json!(true));
    to.insert("kitaru.provenance".into(), json!(provenance));
    if let Some(original) = original {
        to.insert("kitaru.original_call_id".into(), json!(original.to_string()));
    }
}
