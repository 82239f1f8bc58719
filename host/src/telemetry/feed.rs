//! Reads an execution from the store as events, as far as it has come.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use kitaru_llm::event::Event;
use serde_json::Value;

use super::identity::{self, trace_id};
use super::project::{Projection, Values};
use crate::clock::Timestamp;
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
    /// When it goes on by itself, if it waits.
    pub wakes_at: Option<Timestamp>,
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
    /// Records before this one were told before, and what came before all of them.
    told_before: Option<u64>,
    concluded: bool,
    /// What was read by a look that failed further on: the next one tells it.
    untold: Vec<(u64, Event)>,
    /// Which attempts ended the calls of executions from which calls were served.
    origins: HashMap<ExecutionId, Deciders>,
}

/// By call, when it ended and by which attempt, in the order of the journal.
type Deciders = HashMap<u32, Vec<(Timestamp, u32)>>;

impl Feed {
    /// Follows an execution from its beginning. With `content` its events show inputs, outputs and messages of failures.
    pub fn new(store: Arc<dyn Store>, execution: ExecutionId, content: bool) -> Self {
        let (projection, untold, origins, told_before) = Default::default();
        Self { store, execution, content, projection, next_seq: 0, told_before, concluded: false, untold, origins }
    }

    /// The same for somebody who was told all that comes from the first so many records.
    #[must_use]
    pub fn after(mut self, records: u64) -> Self {
        self.told_before = Some(records);
        self
    }

    /// From how many records all was told.
    pub fn records(&self) -> u64 {
        self.next_seq
    }

    /// Whether the execution has ended and all of it was told.
    pub fn is_over(&self) -> bool {
        self.concluded
    }

    /// What happened since the last look that did not fail: another one may follow a failure, and nothing is lost.
    ///
    /// # Errors
    /// When the execution does not exist, or its journal cannot be read.
    pub async fn look(&mut self) -> Result<Look, EngineError> {
        let mut row = self.store.execution(self.execution).await?;
        let mut projection = match self.projection.take() {
            Some(projection) => projection,
            None => {
                let mut projection = Projection::new(&row.new, self.content);
                let input = self.value(&row.new.input, self.content).await?;
                let begun = projection.begin(input);
                if self.told_before.is_none() {
                    self.untold.extend(begun.into_iter().map(|event| (0, event)));
                }
                projection
            }
        };
        // It is over when nothing was recorded before it was seen to have ended.
        let looked = loop {
            match self.read(&mut projection).await {
                Ok(0) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
            row = match self.store.execution(self.execution).await {
                Ok(row) => row,
                Err(error) => break Err(error.into()),
            };
        };
        let looked = match looked {
            Ok(()) if row.status.is_terminal() && !self.concluded => self.conclude(&mut projection, &row).await,
            looked => looked,
        };
        self.projection = Some(projection);
        looked.map(|()| Look { events: std::mem::take(&mut self.untold), status: row.status, wakes_at: row.wake_at })
    }

    async fn conclude(&mut self, projection: &mut Projection, row: &ExecutionRow) -> Result<(), EngineError> {
        let result = match &row.result {
            Some(result) => self.value(result, self.content).await?,
            None => Value::Null,
        };
        self.untold.extend(projection.conclude(row, result).into_iter().map(|event| (self.next_seq, event)));
        self.concluded = true;
        Ok(())
    }

    /// Reads a page of records; tells how many there were.
    async fn read(&mut self, projection: &mut Projection) -> Result<usize, EngineError> {
        let page = self.store.entries(self.execution, self.next_seq, PAGE).await?;
        let decoded = page.iter().map(|record| {
            let seq = record.seq;
            decode(&record.bytes).map_err(|source| EngineError::Record { execution: self.execution, seq, source })
        });
        let entries = decoded.collect::<Result<Vec<Entry>, _>>()?;
        // Only those that are shown with these records: all of an execution's, at each look, would be read again and again.
        let ended: BTreeSet<u32> = entries.iter().filter_map(|entry| ended_here(&entry.body)).collect();
        if !ended.is_empty() {
            let ended: Vec<u32> = ended.into_iter().collect();
            projection.note_model_calls(self.store.model_calls_of(self.execution, &ended).await?);
        }
        for entry in &entries {
            let values = self.values(projection, &entry.body).await?;
            let events = projection.apply(entry, values);
            if self.told_before.is_none_or(|records| entry.seq >= records) {
                self.untold.extend(events.into_iter().map(|event| (entry.seq, event)));
            }
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
        if let EntryBody::CallEnded { provenance, metadata: Some(metadata), .. } = body
            // A call that asked no model has none of theirs, and its origin need not be read.
            && metadata.contains("\"llm_")
        {
            values.served = match provenance {
                Provenance::Served { source, call, recorded_at, .. } => {
                    self.of_origin(*source, *call, Some(*recorded_at)).await?
                }
                Provenance::Cached { source, call } => self.of_origin(*source, *call, None).await?,
                _ => Vec::new(),
            };
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

    /// Model calls of the attempt that ended a call of another execution, no later than at this moment where one is known; none where that was deleted. What other attempts
    /// did is no part of what was served.
    async fn of_origin(
        &mut self,
        source: ExecutionId,
        call: u32,
        at: Option<Timestamp>,
    ) -> Result<Vec<ModelCallRow>, EngineError> {
        let rows = match self.store.model_calls_of(source, &[call]).await {
            Err(StoreError::NotFound { .. }) => return Ok(Vec::new()),
            rows => rows?,
        };
        if rows.is_empty() {
            return Ok(rows);
        }
        if !self.origins.contains_key(&source) {
            let deciders = self.deciders(source).await?;
            self.origins.insert(source, deciders);
        }
        let ends = self.origins.get(&source).and_then(|deciders| deciders.get(&call)).map(Vec::as_slice).unwrap_or_default();
        // A reopened execution may have ended the call again since.
        let decided = ends.iter().rev().find(|(ended, _)| at.is_none_or(|at| *ended <= at));
        let Some((_, decided)) = decided else { return Ok(Vec::new()) };
        Ok(rows.into_iter().filter(|row| row.attempt == *decided).collect())
    }

    /// Which attempts ended the calls of an execution.
    async fn deciders(&self, source: ExecutionId) -> Result<Deciders, EngineError> {
        let (mut deciders, mut next) = (Deciders::new(), 0);
        loop {
            let page = self.store.entries(source, next, PAGE).await?;
            let Some(last) = page.last() else { return Ok(deciders) };
            next = last.seq.saturating_add(1);
            for record in &page {
                let seq = record.seq;
                let entry = decode(&record.bytes).map_err(|source_of| EngineError::Record {
                    execution: source,
                    seq,
                    source: source_of,
                })?;
                if let EntryBody::CallEnded { call, attempt, .. } = entry.body {
                    deciders.entry(call).or_default().push((entry.at, attempt));
                }
            }
        }
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

/// The call whose attempt ended with this record, if one can have run here.
fn ended_here(body: &EntryBody) -> Option<u32> {
    match body {
        EntryBody::CallEnded { provenance: Provenance::Served { .. } | Provenance::Overridden, .. } => None,
        EntryBody::CallEnded { call, .. } | EntryBody::AttemptFailed { call, .. } => Some(*call),
        _ => None,
    }
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
