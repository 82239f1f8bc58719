//! An execution as events: a pure function of its journal and of the events of its model calls.
//!
//! | what | event |
//! |---|---|
//! | the flow's run | a scope `agent` without a parent; another one for each time that the execution was reopened |
//! | checkpoint | a scope `function`; one of type `tool_call` is a scope `tool` |
//! | model call of a flow | the events that the call recorded itself, in the flow's scope; without any, a scope `llm` made from the journal |
//! | model call of a checkpoint | the events that it recorded itself, in the checkpoint's scope |
//! | wait, sleep, `select`, child flow | a scope `custom` with subtype `wait`, `sleep`, `first` or `flow` |
//! | attempt that failed or was interrupted, change of the component | a mark |
//!
//! A scope has one beginning and one end for good: a call that is run again, because the execution was reopened, has another scope. So what
//! was told of a running execution stays true. What was served and did not run has `replayed` in its metadata, and costs nothing.

mod call;
mod model_calls;
mod scope;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use kitaru_llm::clock::Timestamp;
use kitaru_llm::event::{Attributes, Category, Event};
use serde_json::{Map, Value, json};

use super::identity;
use crate::clock;
use crate::ids::{CallId, ComponentDigest, ExecutionId};
use crate::journal::{Entry, EntryBody, Failure, Outcome};
use crate::store::{ExecutionRow, ModelCallRow, NewExecution, Status};
use call::{Called, OpenCall};
use model_calls::ModelCalls;
use scope::{Opening, Scope, failed, logged, mark, moment};

/// Values that a record names, and what is stored elsewhere about its call. Null and empty where nobody asked for them.
#[derive(Debug, Default)]
pub struct Values {
    /// What went in.
    pub input: Value,
    /// What came out.
    pub output: Value,
    /// Model calls of the call that this one was served from.
    pub served: Vec<ModelCallRow>,
}

/// An execution on its way to events, one record of its journal after the other.
#[derive(Debug)]
pub struct Projection {
    execution: ExecutionId,
    flow: String,
    created_at: clock::Timestamp,
    metadata: Map<String, Value>,
    content: bool,
    round: u32,
    root: Option<Scope>,
    /// How the flow ended, until it is known that it stays so.
    finished: Option<(clock::Timestamp, Outcome, Value)>,
    /// What was called, by index; the latest.
    called: HashMap<u32, Called>,
    open: BTreeMap<u32, OpenCall>,
    /// How many scopes a call's index has had.
    times: HashMap<u32, u32>,
    models: ModelCalls,
}

impl Projection {
    /// The projection of an execution that was created as this. With `content` it shows inputs, outputs and messages of failures.
    pub fn new(execution: &NewExecution, content: bool) -> Self {
        let flow = execution.flow.clone();
        let mut metadata = Map::new();
        let mut say = |key: &str, value: Value| metadata.insert(key.to_owned(), value);
        say("kitaru.execution_id", json!(execution.id.to_string()));
        say("kitaru.component", json!(execution.component.to_string()));
        if let Some(original) = execution.original {
            say("kitaru.original_execution_id", json!(original.to_string()));
        }
        if let Some(parent) = execution.parent {
            say("kitaru.parent_call_id", json!(parent.to_string()));
        }
        if !execution.tags.is_empty() {
            say("kitaru.tags", json!(execution.tags));
        }
        // What OpenTelemetry's conventions call it.
        say("gen_ai.operation.name", json!("invoke_workflow"));
        say("gen_ai.workflow.name", json!(flow));
        Self {
            execution: execution.id,
            flow,
            created_at: execution.created_at,
            metadata,
            content,
            round: 0,
            root: None,
            finished: None,
            called: HashMap::new(),
            open: BTreeMap::new(),
            times: HashMap::new(),
            models: ModelCalls::default(),
        }
    }

    /// The flow's start: the first event.
    pub fn begin(&mut self, input: Value) -> Vec<Event> {
        let mut events = Vec::new();
        self.begin_round(self.created_at, Map::new(), input, &mut events);
        events
    }

    /// Model calls of the execution, as they are stored. They are shown with the records that end their calls' attempts, so they must be
    /// noted before those.
    pub fn note_model_calls(&mut self, rows: Vec<ModelCallRow>) {
        self.models.note(rows);
    }

    /// Whether the outcome of the record is needed even where no content is shown: of a model call it says model and tokens.
    pub fn needs_output(&self, body: &EntryBody) -> bool {
        match body {
            EntryBody::CallEnded { call, descriptor, .. } => {
                let fresh = descriptor.as_ref().map(|descriptor| call::is_model(descriptor.kind));
                fresh.unwrap_or_else(|| self.called.get(call).is_some_and(|called| called.is_model()))
            }
            _ => false,
        }
    }

    /// The next record of the journal.
    pub fn apply(&mut self, entry: &Entry, values: Values) -> Vec<Event> {
        let mut events = Vec::new();
        let (seq, at) = (entry.seq, entry.at);
        match &entry.body {
            EntryBody::CallIssued { call, descriptor } => {
                self.called.insert(*call, Called::of(descriptor));
                self.begin_call(*call, at, true, values.input, &mut events);
            }
            EntryBody::CallStarted { call, attempt, descriptor, deadline, child } => {
                if let Some(descriptor) = descriptor {
                    self.called.insert(*call, Called::of(descriptor));
                }
                let mut more = Map::new();
                if let Some(child) = child {
                    more.insert("kitaru.child_execution_id".into(), json!(child.to_string()));
                }
                if let Some(deadline) = deadline {
                    more.insert("kitaru.wakes_at".into(), json!(deadline.to_rfc3339()));
                }
                self.begin_call(*call, at, false, values.input, &mut events);
                self.begin_attempt(*call, *attempt, (seq, at), more, &mut events);
            }
            EntryBody::AttemptFailed { call, attempt, failure, metadata, retry_at } => {
                self.begin_call(*call, at, false, Value::Null, &mut events);
                self.show_models(*call, *attempt, seq, &mut events);
                let mut data = attempt_data(*attempt, failure, self.content);
                data.insert("retry_at".into(), json!(retry_at.to_rfc3339()));
                logged(&mut data, metadata.as_ref());
                self.mark_in(*call, seq, at, "kitaru.attempt.failed", Value::Object(data), &mut events);
                if let Some(open) = self.open.get_mut(call) {
                    open.running = None;
                }
            }
            EntryBody::CallEnded { call, attempt, descriptor, outcome, provenance, metadata, started_at } => {
                if let Some(descriptor) = descriptor {
                    self.called.insert(*call, Called::of(descriptor));
                }
                let Values { input, output, served } = values;
                self.begin_call(*call, started_at.unwrap_or(at), false, input, &mut events);
                let ended = call::Ended { seq, at, attempt: *attempt, outcome, provenance, metadata: metadata.as_ref() };
                self.end_call(*call, &ended, output, &served, &mut events);
            }
            EntryBody::Finished { outcome, .. } => self.finished = Some((at, outcome.clone(), values.output)),
            EntryBody::Reopened { automatic, .. } => {
                self.end_round(at, None, &mut events);
                self.round = self.round.saturating_add(1);
                let how = if *automatic { "automatic" } else { "by hand" };
                let more = Map::from_iter([("kitaru.reopened".to_owned(), json!(how))]);
                self.begin_round(at, more, Value::Null, &mut events);
            }
            EntryBody::Upgraded { component } => {
                let component = ComponentDigest::from_bytes(*component).to_string();
                let uuid = identity::record_mark(self.execution, seq);
                let parent = self.saw(moment(at));
                events.push(mark(uuid, parent, moment(at), "kitaru.upgraded", json!({ "component": component })));
            }
        }
        events
    }

    /// The end, of an execution that has ended and has no more records. `output` is its result.
    pub fn conclude(&mut self, row: &ExecutionRow, output: Value) -> Vec<Event> {
        let mut events = Vec::new();
        if !row.status.is_terminal() {
            return events;
        }
        if let Some((_, _, known)) = self.finished.as_mut().filter(|(_, _, known)| known.is_null()) {
            *known = output;
        }
        let at = row.ended_at.unwrap_or(self.created_at);
        self.end_round(at, Some(row), &mut events);
        events
    }

    fn begin_round(&mut self, at: clock::Timestamp, more: Map<String, Value>, input: Value, events: &mut Vec<Event>) {
        let mut metadata = self.metadata.clone();
        metadata.extend(more);
        let opening = Opening {
            uuid: identity::flow_scope(self.execution, self.round),
            parent: None,
            name: self.flow.clone(),
            category: Category::Agent,
            attributes: Attributes::none(),
            profile: None,
            metadata,
            at: moment(at),
        };
        let (scope, event) = Scope::begin(opening, self.shown(input));
        self.root = Some(scope);
        events.push(event);
    }

    /// Ends the flow's scope, and those of calls that nothing more will be heard of.
    fn end_round(&mut self, at: clock::Timestamp, row: Option<&ExecutionRow>, events: &mut Vec<Event>) {
        let finished = self.finished.take();
        let at = finished.as_ref().map_or(at, |(at, _, _)| *at);
        for call in self.open.keys().copied().collect::<Vec<_>>() {
            self.cut_off(call, at, events);
        }
        let Some(root) = self.root.take() else { return };
        let mut more = Map::new();
        let mut output = Value::Null;
        match (&finished, row) {
            (Some((_, Outcome::Success(_), result)), _) => output = self.shown(result.clone()),
            (Some((_, Outcome::Failure(failure), _)), _) => failed(&mut more, failure, self.content),
            (None, Some(ExecutionRow { status: Status::Failed, failure: Some(failure), .. })) => {
                failed(&mut more, failure, self.content);
            }
            (None, Some(row)) if row.status == Status::Completed => {}
            (None, Some(_)) => scope::error(&mut more, "cancelled"),
            // It ended without a record of its own, and went on later.
            (None, None) => scope::error(&mut more, "interrupted"),
        }
        if let Some(row) = row {
            logged(&mut more, Some(&row.metadata));
        }
        events.push(root.end(moment(at), output, more));
    }

    /// A value, if values are shown.
    fn shown(&self, value: Value) -> Value {
        if self.content { value } else { Value::Null }
    }

    /// Notes that something happened in the flow; tells the flow's scope.
    fn saw(&mut self, at: Timestamp) -> Option<uuid::Uuid> {
        self.root.as_mut().map(|root| {
            root.saw(at);
            root.uuid
        })
    }

    fn call_id(&self, index: u32) -> String {
        CallId { execution: self.execution, index }.to_string()
    }
}

/// What a mark says of a failed attempt.
fn attempt_data(attempt: u32, failure: &Failure, content: bool) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("attempt".into(), json!(attempt));
    data.insert("error.type".into(), json!(failure.kind));
    data.insert("origin".into(), json!(failure.origin.as_str()));
    if content {
        data.insert("message".into(), json!(failure.message));
    }
    data
}

/// Events in the order of time; what happened at one moment stays in the order in which it was told.
pub fn sort(events: &mut [Event]) {
    events.sort_by_key(|event| event.timestamp);
}
