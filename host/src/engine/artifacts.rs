//! What artifacts an execution has: what its deciding attempts saved, and each checkpoint's output. A served call shows those of the
//! execution in which it ran, by reference (E10).

use std::collections::{HashMap, hash_map::Entry};

use super::EngineError;
use super::journals::{read_journal, read_journal_until};
use crate::clock::Timestamp;
use crate::ids::{CallId, ExecutionId};
use crate::journal::{CallEnd, CallRecord, Failure, History, Outcome, Payload, Provenance};
use crate::sandbox::ArtifactValue;
use crate::store::{ArtifactRow, SavedBy, Store, StoreError};

/// How an artifact came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SaveType {
    /// The author saved it.
    Manual,
    /// It is a checkpoint's output.
    StepOutput,
}

impl SaveType {
    /// The word used in JSON and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::StepOutput => "step_output",
        }
    }
}

/// An artifact.
#[derive(Clone, Debug)]
pub struct ArtifactEntry {
    /// `<execution>:<call>:<number>` or `<execution>:<call>:output`, of the execution in which it was made.
    pub id: String,
    /// The execution in which it was made.
    pub origin: ExecutionId,
    /// The call of the listed execution that it belongs to.
    pub call: u32,
    /// Its name; `output` for a checkpoint's output.
    pub name: String,
    /// One of the six kinds, for saved ones.
    pub kind: Option<String>,
    /// How it came to be.
    pub save_type: SaveType,
    /// The checkpoint's name.
    pub checkpoint: String,
    /// The checkpoint's invocation ID.
    pub invocation: String,
    /// Media type.
    pub media_type: String,
    /// True where the value is a blob and not JSON.
    pub is_blob: bool,
    /// Labels.
    pub tags: Vec<String>,
    /// The value.
    pub payload: Payload,
    /// When it was made.
    pub at: Timestamp,
}

const KINDS: [&str; 6] = ["blob", "context", "input", "output", "prompt", "response"];

/// The kind that an author means.
pub(super) fn parse_kind(text: &str) -> Result<String, Failure> {
    let kind = text.trim().to_lowercase();
    if KINDS.contains(&kind.as_str()) {
        return Ok(kind);
    }
    let known = KINDS.join(", ");
    Err(Failure::usage(format!("Unsupported Kitaru artifact type '{}'. Expected one of: {known}", text.escape_debug())))
}

/// Bounds what an artifact carries beside its value.
pub(super) fn check_labels(value: &ArtifactValue, tags: &[String]) -> Result<(), Failure> {
    let bad = |text: &str| text.len() > 200 || text.chars().any(char::is_control);
    if tags.len() > 64 || tags.iter().any(|tag| tag.is_empty() || bad(tag)) {
        return Err(Failure::usage("an artifact has at most 64 tags, each of 1 to 200 bytes without control characters"));
    }
    match value {
        ArtifactValue::Blob { media_type, .. } if bad(media_type) => {
            Err(Failure::usage("a media type has at most 200 bytes and no control characters"))
        }
        _ => Ok(()),
    }
}

/// Bounds how many artifacts one attempt saves.
pub(super) fn check_count(saved: u32) -> Result<(), Failure> {
    const MOST: u32 = 10_000;
    if saved < MOST {
        return Ok(());
    }
    Err(Failure::runtime("limit", format!("one attempt saves at most {MOST} artifacts")))
}

pub(super) fn saved_id(call: CallId, ordinal: u32) -> String {
    format!("{call}:{ordinal}")
}

/// The artifacts of an execution, by call; a call's saved ones before its output.
///
/// # Errors
/// When the execution does not exist or its journal cannot be read.
pub async fn list_artifacts(store: &dyn Store, execution: ExecutionId) -> Result<Vec<ArtifactEntry>, EngineError> {
    store.execution(execution).await?;
    artifacts_of(store, execution, &read_journal(store, execution).await?.history).await
}

/// The same for an execution whose journal was read already.
///
/// # Errors
/// When the store cannot be read.
pub async fn artifacts_of(
    store: &dyn Store,
    execution: ExecutionId,
    history: &History,
) -> Result<Vec<ArtifactEntry>, EngineError> {
    let saved = store.artifacts(execution).await?;
    artifacts_of_calls(store, execution, history, (0..history.len()).collect(), saved).await
}

/// The same for some of its calls, with what was saved under their indexes.
///
/// # Errors
/// When the store cannot be read.
pub async fn artifacts_of_calls(
    store: &dyn Store,
    execution: ExecutionId,
    history: &History,
    calls: Vec<u32>,
    saved: Vec<ArtifactRow>,
) -> Result<Vec<ArtifactEntry>, EngineError> {
    let own = Saved::of(saved);
    let records = calls.into_iter().filter_map(|index| Some((index, history.call(index)?)));
    // What an attempt saved counts once it has decided its call.
    let ended: Vec<_> = records
        .filter(|(_, record)| record.descriptor.kind.is_checkpoint())
        .filter_map(|(index, record)| Some((index, record, record.end.as_ref()?)))
        .map(|(index, record, end)| (index, record, end, end.provenance.source()))
        .collect();
    let mut origins = Origins::of(ended.iter().filter_map(|(.., origin)| *origin));
    let mut entries = Vec::new();
    for (index, record, end, origin) in ended {
        let Some(origin) = origin else {
            entries.extend(own.by(index, attempt_of(record)).map(|row| saved_entry(index, record, row)));
            entries.extend(output_entry(CallId { execution, index }, index, record));
            continue;
        };
        if let Some(there) = origins.origin(store, origin.execution).await? {
            let attempt = there.attempt(store, origin, end).await?;
            entries.extend(there.saved.by(origin.index, attempt).map(|row| saved_entry(index, record, row)));
        }
        entries.extend(output_entry(origin, index, record));
    }
    Ok(entries)
}

/// What the checkpoints of an execution saved, by call.
struct Saved(HashMap<u32, Vec<ArtifactRow>>);

impl Saved {
    fn of(rows: Vec<ArtifactRow>) -> Self {
        let mut saved: HashMap<u32, Vec<ArtifactRow>> = HashMap::new();
        for row in rows {
            saved.entry(row.call).or_default().push(row);
        }
        Self(saved)
    }

    /// What this attempt of a call saved.
    fn by(&self, call: u32, attempt: Option<u32>) -> impl Iterator<Item = &ArtifactRow> {
        self.0.get(&call).into_iter().flatten().filter(move |row| Some(row.attempt) == attempt)
    }
}

/// The attempt that decided a call.
fn attempt_of(record: &CallRecord) -> Option<u32> {
    record.attempts.last().map(|attempt| attempt.number)
}

/// Up to so many calls of an execution, whether they saved anything is asked first: that costs less than to read its journal.
const FEW: usize = 64;

/// The executions in which served calls ran, each read when it is asked for first.
struct Origins {
    calls: HashMap<ExecutionId, Vec<u32>>,
    known: HashMap<ExecutionId, Option<Origin>>,
}

impl Origins {
    fn of(served: impl Iterator<Item = CallId>) -> Self {
        let mut calls: HashMap<ExecutionId, Vec<u32>> = HashMap::new();
        for call in served {
            calls.entry(call.execution).or_default().push(call.index);
        }
        Self { calls, known: HashMap::new() }
    }

    /// One of them; none where its calls saved nothing, or that cannot be told.
    async fn origin(&mut self, store: &dyn Store, execution: ExecutionId) -> Result<Option<&mut Origin>, EngineError> {
        let there = match self.known.entry(execution) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let calls = self.calls.get(&execution).map(Vec::as_slice).unwrap_or_default();
                let by = calls.iter().map(|call| SavedBy { execution, call: *call, attempt: None });
                let saved_none = calls.len() <= FEW && store.count_saved(by.collect()).await? == 0;
                unknown.insert(if saved_none { None } else { Origin::read(store, execution).await? })
            }
        };
        Ok(there.as_mut())
    }
}

/// The execution in which a served call ran.
struct Origin {
    /// As it stands; and after that, as far as somebody asked, as it stood before each time that it was reopened, the last time first.
    histories: Vec<History>,
    saved: Saved,
}

impl Origin {
    /// None where it was deleted, or its journal cannot be read: the served outcome stands all the same.
    async fn read(store: &dyn Store, execution: ExecutionId) -> Result<Option<Self>, EngineError> {
        let Some(history) = Self::history(store, execution, u64::MAX).await? else { return Ok(None) };
        Ok(Some(Self { histories: vec![history], saved: Saved::of(store.artifacts(execution).await?) }))
    }

    /// Its history as far as these records; none as above.
    async fn history(store: &dyn Store, execution: ExecutionId, records: u64) -> Result<Option<History>, EngineError> {
        match read_journal_until(store, execution, records).await {
            Ok(journal) => Ok(Some(journal.history)),
            Err(EngineError::Store(StoreError::NotFound { .. }) | EngineError::Record { .. } | EngineError::History { .. }) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The attempt that had decided a call when its outcome was taken over, as `taken` tells. A retry may have run the call again since, or have put
    /// another in its place: that is not what was taken over.
    async fn attempt(&mut self, store: &dyn Store, call: CallId, taken: &CallEnd) -> Result<Option<u32>, EngineError> {
        let until = match taken.provenance {
            Provenance::Served { recorded_at, .. } => recorded_at,
            _ => taken.at,
        };
        let mut back = 0;
        while let Some(history) = self.histories.get(back) {
            let record = history.call(call.index);
            let Some(reopened) = history.reopened_seq else { return Ok(record.and_then(attempt_of)) };
            if let Some(record) = record.filter(|record| record.end.as_ref().is_some_and(|end| end.at <= until)) {
                return Ok(attempt_of(record));
            }
            back += 1;
            if self.histories.len() == back {
                self.histories.extend(Self::history(store, call.execution, reopened).await?);
            }
        }
        Ok(None)
    }
}

fn saved_entry(call: u32, record: &CallRecord, row: &ArtifactRow) -> ArtifactEntry {
    ArtifactEntry {
        id: saved_id(CallId { execution: row.execution, index: row.call }, row.ordinal),
        origin: row.execution,
        call,
        name: row.name.clone(),
        kind: Some(row.kind.clone()),
        save_type: SaveType::Manual,
        checkpoint: record.descriptor.name.clone(),
        invocation: record.descriptor.invocation.clone(),
        media_type: row.media_type.clone(),
        is_blob: row.is_blob,
        tags: row.tags.clone(),
        payload: row.payload.clone(),
        at: row.at,
    }
}

fn output_entry(id: CallId, call: u32, record: &CallRecord) -> Option<ArtifactEntry> {
    let end = record.end.as_ref()?;
    let Outcome::Success(payload) = &end.outcome else { return None };
    Some(ArtifactEntry {
        id: format!("{id}:output"),
        origin: id.execution,
        call,
        name: "output".into(),
        kind: None,
        save_type: SaveType::StepOutput,
        checkpoint: record.descriptor.name.clone(),
        invocation: record.descriptor.invocation.clone(),
        media_type: "application/json".into(),
        is_blob: false,
        tags: Vec::new(),
        payload: payload.clone(),
        at: end.at,
    })
}

/// What a name stands for.
pub(super) enum Found<'a> {
    None,
    One(&'a ArtifactEntry),
    Several(String),
}

/// The artifact that `load` means: a saved one by its name, a checkpoint's output by the checkpoint's name or invocation ID.
pub(super) fn find<'a>(entries: &'a [ArtifactEntry], name: &str) -> Found<'a> {
    let fits = |entry: &&ArtifactEntry| match entry.save_type {
        SaveType::Manual => entry.name == name,
        SaveType::StepOutput => entry.checkpoint == name || entry.invocation == name,
    };
    let found: Vec<&ArtifactEntry> = entries.iter().filter(fits).collect();
    match found.as_slice() {
        [] => Found::None,
        [one] => Found::One(one),
        several => {
            let listed = several.iter().map(|entry| {
                format!("step={}, artifact={}, save_type={}", entry.invocation, entry.name, entry.save_type.as_str())
            });
            Found::Several(listed.collect::<Vec<_>>().join("; "))
        }
    }
}
