//! Reads an execution from the store as events, as far as it has come.

use std::collections::HashMap;
use std::sync::Arc;

use kitaru_llm::event::Event;
use serde_json::Value;

use super::identity::{self, trace_id};
use super::project::{Projection, Values};
use crate::engine::EngineError;
use crate::ids::ExecutionId;
use crate::journal::{Descriptor, Entry, EntryBody, Outcome, Payload, Provenance, decode};
use crate::store::{ExecutionRow, ModelCallRow, Status, Store, StoreError, get_bytes};

/// Records read at a time.
const PAGE: u64 = 1024;
/// Executions above one that are looked at: more children of children nobody may make.
const DEEPEST: u32 = 1000;

/// What is new.
#[derive(Debug)]
pub struct Look {
    /// Events, each with the number of the record that it comes from, in the order of the records. [`sort`](super::sort) puts them in the
    /// order of time.
    pub events: Vec<(u64, Event)>,
    /// How the execution stands.
    pub status: Status,
}

/// The trace that an execution's spans belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lineage {
    /// That of the execution at the top.
    pub(super) trace: [u8; 16],
    /// The span of the call that it is the child of.
    pub(super) parent: Option<[u8; 8]>,
    /// The trace and span of what it replays.
    pub(super) original: Option<([u8; 16], [u8; 8])>,
}

/// An execution, followed.
pub struct Feed {
    store: Arc<dyn Store>,
    execution: ExecutionId,
    content: bool,
    projection: Option<Projection>,
    next_seq: u64,
    concluded: bool,
    /// Model calls of executions from which calls were served.
    origins: HashMap<ExecutionId, Vec<ModelCallRow>>,
}

impl Feed {
    /// Follows an execution from its beginning. With `content` its events show inputs, outputs and messages of failures.
    pub fn new(store: Arc<dyn Store>, execution: ExecutionId, content: bool) -> Self {
        Self { store, execution, content, projection: None, next_seq: 0, concluded: false, origins: HashMap::new() }
    }

    /// Whether the execution has ended and all of it was told.
    pub fn is_over(&self) -> bool {
        self.concluded
    }

    /// What happened since the last look.
    ///
    /// # Errors
    /// When the execution does not exist, or its journal cannot be read.
    pub async fn look(&mut self) -> Result<Look, EngineError> {
        let mut events = Vec::new();
        let mut row = self.store.execution(self.execution).await?;
        let mut projection = match self.projection.take() {
            Some(projection) => projection,
            None => {
                let mut projection = Projection::new(&row.new, self.content);
                let input = self.value(&row.new.input, self.content).await?;
                events.extend(projection.begin(input).into_iter().map(|event| (0, event)));
                projection
            }
        };
        // It is over when nothing was recorded before it was seen to have ended.
        let looked = loop {
            match self.read(&mut projection, &mut events).await {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
            row = match self.store.execution(self.execution).await {
                Ok(row) => row,
                Err(error) => break Err(error.into()),
            };
        };
        if looked.is_ok() && row.status.is_terminal() && !self.concluded {
            let result = match &row.result {
                Some(result) => self.value(result, self.content).await?,
                None => Value::Null,
            };
            events.extend(projection.conclude(&row, result).into_iter().map(|event| (self.next_seq, event)));
            self.concluded = true;
        }
        self.projection = Some(projection);
        looked.map(|()| Look { events, status: row.status })
    }

    /// Reads a page of records; tells how many there were.
    async fn read(&mut self, projection: &mut Projection, events: &mut Vec<(u64, Event)>) -> Result<usize, EngineError> {
        let page = self.store.entries(self.execution, self.next_seq, PAGE).await?;
        let decoded = page.iter().map(|record| {
            let seq = record.seq;
            decode(&record.bytes).map_err(|source| EngineError::Record { execution: self.execution, seq, source })
        });
        let entries = decoded.collect::<Result<Vec<Entry>, _>>()?;
        let ends = |entry: &Entry| matches!(entry.body, EntryBody::CallEnded { .. } | EntryBody::AttemptFailed { .. });
        if entries.iter().any(ends) {
            projection.note_model_calls(self.store.model_calls(self.execution).await?);
        }
        for entry in &entries {
            let values = self.values(projection, &entry.body).await?;
            events.extend(projection.apply(entry, values).into_iter().map(|event| (entry.seq, event)));
            self.next_seq = entry.seq.saturating_add(1);
        }
        Ok(entries.len())
    }

    async fn values(&mut self, projection: &Projection, body: &EntryBody) -> Result<Values, EngineError> {
        let mut values = Values::default();
        let (descriptor, outcome): (Option<&Descriptor>, Option<&Outcome>) = match body {
            EntryBody::CallIssued { descriptor, .. } => (Some(descriptor), None),
            EntryBody::CallStarted { descriptor, .. } => (descriptor.as_ref(), None),
            EntryBody::CallEnded { descriptor, outcome, .. } => (descriptor.as_ref(), Some(outcome)),
            EntryBody::Finished { outcome, .. } => (None, Some(outcome)),
            EntryBody::AttemptFailed { .. } | EntryBody::Reopened { .. } | EntryBody::Upgraded { .. } => (None, None),
        };
        if let Some(descriptor) = descriptor {
            values.input = self.value(&descriptor.input, self.content).await?;
        }
        if let Some(Outcome::Success(output)) = outcome {
            values.output = self.value(output, self.content || projection.needs_output(body)).await?;
        }
        if let EntryBody::CallEnded {
            provenance: Provenance::Served { source, call, .. } | Provenance::Cached { source, call },
            ..
        } = body
        {
            values.served = self.of_origin(*source, *call).await?;
        }
        Ok(values)
    }

    /// The value, if it is wanted.
    async fn value(&self, payload: &Payload, wanted: bool) -> Result<Value, EngineError> {
        if !wanted {
            return Ok(Value::Null);
        }
        let bytes = get_bytes(self.store.as_ref(), payload).await?;
        Ok(serde_json::from_slice(&bytes).unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned())))
    }

    /// Model calls of a call of another execution; none where that was deleted.
    async fn of_origin(&mut self, source: ExecutionId, call: u32) -> Result<Vec<ModelCallRow>, EngineError> {
        if !self.origins.contains_key(&source) {
            let rows = match self.store.model_calls(source).await {
                Err(StoreError::NotFound { .. }) => Vec::new(),
                rows => rows?,
            };
            self.origins.insert(source, rows);
        }
        let rows = self.origins.get(&source).map(Vec::as_slice).unwrap_or_default();
        // What attempts did before the one that decided it is no part of what was served.
        let decided = rows.iter().filter(|row| row.call == call).map(|row| row.attempt).max();
        Ok(rows.iter().filter(|row| row.call == call && Some(row.attempt) == decided).cloned().collect())
    }

    /// The trace that its spans belong to.
    ///
    /// # Errors
    /// When the store cannot be read. Executions above it that were deleted end the search.
    pub(super) async fn lineage(&self) -> Result<Lineage, EngineError> {
        let own = self.store.execution(self.execution).await?;
        let original = own.new.original.map(|id| (trace_id(id), identity::span_id(identity::flow_scope(id, 0))));
        let parent = own.new.parent.map(|call| identity::span_id(identity::call_scope(call.execution, call.index, 0)));
        let mut top: ExecutionRow = own;
        for _ in 0..DEEPEST {
            let Some(above) = top.new.parent else { break };
            top = match self.store.execution(above.execution).await {
                Err(StoreError::NotFound { .. }) => break,
                row => row?,
            };
        }
        Ok(Lineage { trace: trace_id(top.new.id), parent, original })
    }
}
