//! Executions, looked at.

use kitaru_llm::usage::UsageSummary;
use serde_json::{Map, Value, json};

use super::accesses::Capabilities;
use super::costs::Used;
use super::{
    ArtifactQuery, ArtifactRef, ArtifactValueView, AttemptView, CheckpointView, ExecutionSummary, ExecutionView, FailureView,
    ListQuery, ResourcesView, ServiceError, SignerView, StoreView, WaitView, briefs, frozen, resolve, summaries, waits,
};
use crate::engine::{
    ArtifactEntry, Engine, JournalRead, SaveType, StoredSignature, artifacts_of, artifacts_of_calls, list_artifacts, read_journal,
};
use crate::ids::{CallId, ComponentDigest, ExecutionId};
use crate::journal::{Attempt, AttemptStatus, CallEnd, CallRecord, Origin, Outcome, Payload, Provenance};
use crate::sandbox::Manifest;
use crate::store::{BesideCalls, ExecutionFilter, ExecutionRow, Page, Resolution, Status, WaitRow, get_bytes};

pub(super) fn filter(query: &ListQuery) -> ExecutionFilter {
    ExecutionFilter {
        statuses: query.status.into_iter().collect(),
        flow: query.flow.clone(),
        deployment: query.deployment.clone(),
        flows: query.flows.clone(),
        original: query.original,
        parent: query.parent,
        tags: query.tags.clone(),
        since: query.since,
        until: query.until,
        ended_before: None,
        metadata: query.metadata.clone(),
        words: query.words.clone(),
        after: None,
        before: query.cursor,
    }
}

pub(super) async fn latest(engine: &Engine, query: &ListQuery) -> Result<ExecutionView, ServiceError> {
    // Of a search among the newest, as a list's first page.
    let window = summaries::window(engine, filter(query)).await?;
    let rows = engine.store().list(&window.filter, Page { offset: 0, limit: 1 }).await?;
    let Some(row) = rows.first() else {
        let filters =
            [query.flow.as_ref().map(|flow| format!("flow='{flow}'")), query.status.map(|status| format!("status='{status}'"))];
        let filters: Vec<String> = filters.into_iter().flatten().collect();
        let suffix = if filters.is_empty() { String::new() } else { format!(" for {}", filters.join(" and ")) };
        return Err(ServiceError::Lookup(format!("No executions found{suffix}.")));
    };
    get(engine, row.new.id).await
}

pub(super) fn object(text: Option<&String>) -> Value {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| Value::Object(Map::new()))
}

pub(super) async fn get(engine: &Engine, id: ExecutionId) -> Result<ExecutionView, ServiceError> {
    let row = engine.execution(id).await?;
    let journal = read_journal(engine.store().as_ref(), id).await?;
    whole(engine, &row, &journal, engine.known_manifest(row.new.component)).await
}

/// An execution with all of its calls; `manifest` is what its component says of itself, where this host knows that.
pub(super) async fn whole(
    engine: &Engine,
    row: &ExecutionRow,
    journal: &JournalRead,
    manifest: Option<Manifest>,
) -> Result<ExecutionView, ServiceError> {
    let (store, id, history) = (engine.store().as_ref(), row.new.id, &journal.history);
    let beside = Beside {
        calls: (0..history.len()).collect(),
        entries: artifacts_of(store, id, history).await?,
        used: Used::read(store, id, history, row.status).await?,
        capabilities: Capabilities::of(row, store.accesses(id).await?, manifest),
        waits: store.waits(id).await?,
    };
    let checkpoints = history.calls().iter().filter(|call| call.descriptor.kind.is_checkpoint()).count();
    let total = beside.used.total();
    let summary = summaries::of(engine, row, [checkpoints, beside.entries.len()], total.clone()).await?;
    let input = value(engine, &row.new.input).await?;
    Ok(ExecutionView { input, ..view(engine, row, journal, summary, total, &beside).await? })
}

/// An execution with these of its calls, and without its input.
pub(super) async fn part(
    engine: &Engine,
    row: &ExecutionRow,
    journal: &JournalRead,
    calls: &[u32],
    manifest: Option<Manifest>,
) -> Result<ExecutionView, ServiceError> {
    let (store, id, history) = (engine.store().as_ref(), row.new.id, &journal.history);
    let brief = briefs::of(store, std::slice::from_ref(row)).await?.pop().unwrap_or_default();
    let BesideCalls { artifacts, accesses, waits, usage } = store.beside(id, calls.to_vec()).await?;
    let beside = Beside {
        entries: artifacts_of_calls(store, id, history, calls.to_vec(), artifacts).await?,
        used: Used::of_some(&usage, history.calls(), calls.iter().copied(), row.status),
        capabilities: Capabilities::of(row, accesses, manifest),
        waits,
        calls: calls.to_vec(),
    };
    let total = brief.used();
    let summary = summaries::of(engine, row, [brief.checkpoints, brief.artifacts()], total.clone()).await?;
    view(engine, row, journal, summary, total, &beside).await
}

/// What stands beside the journal of the calls that are shown.
struct Beside {
    calls: Vec<u32>,
    entries: Vec<ArtifactEntry>,
    used: Used,
    capabilities: Capabilities,
    waits: Vec<WaitRow>,
}

async fn view(
    engine: &Engine,
    row: &ExecutionRow,
    journal: &JournalRead,
    summary: ExecutionSummary,
    total: Option<UsageSummary>,
    beside: &Beside,
) -> Result<ExecutionView, ServiceError> {
    let (id, history) = (row.new.id, &journal.history);
    let Beside { calls, entries, used, capabilities, waits } = beside;
    let with = Known { execution: row.status, entries, used, capabilities };
    let checkpoints = calls
        .iter()
        .filter_map(|index| Some((*index, history.call(*index)?)))
        .filter(|(_, record)| record.descriptor.kind.is_checkpoint())
        .map(|(index, record)| checkpoint(CallId { execution: id, index }, record, &with))
        .collect();
    let mut wait_views = Vec::with_capacity(waits.len());
    for wait in waits {
        // Whoever ended the call may not have come to its question yet, and nobody can answer it.
        let has_ended = history.call(wait.id.index).is_some_and(|call| call.end.is_some());
        let (status, value) = match &wait.resolution {
            None if has_ended => ("aborted", None),
            None => ("pending", None),
            Some(Resolution::Aborted) => ("aborted", None),
            Some(Resolution::Expired) => ("expired", None),
            Some(Resolution::Answered(payload)) => ("answered", Some(value(engine, payload).await?)),
        };
        let resolved_at = wait.resolved_at.map(|at| at.to_rfc3339());
        wait_views.push(WaitView { wait: waits::view(wait, &row.new.flow), status: status.into(), value, resolved_at });
    }
    let result = match &row.result {
        Some(payload) => value(engine, payload).await?,
        None => Value::Null,
    };
    Ok(ExecutionView {
        summary,
        input: Value::Null,
        has_result: row.result.is_some(),
        result,
        runner: row.runner.clone(),
        frozen_execution_spec: frozen::view(object(Some(&row.new.frozen_spec))),
        component_signatures: signers(engine, row.new.component).await?,
        replay: row.new.replay_plan.as_ref().and_then(|plan| serde_json::from_str(plan).ok()),
        resources: ResourcesView { calls: history.len(), history_bytes: journal.bytes },
        llm_usage_summary_v1: total,
        checkpoints,
        waits: wait_views,
        artifacts: entries.iter().map(artifact_ref).collect(),
    })
}

/// Whoever signed a component that the store keeps. Shown as it was found when it came in: only what is to run is verified anew.
async fn signers(engine: &Engine, component: ComponentDigest) -> Result<Vec<SignerView>, ServiceError> {
    let view = |stored: StoredSignature| SignerView {
        key_id: stored.key.to_string(),
        trusted_comment: stored.trusted_comment,
        trusted: stored.trusted,
    };
    Ok(engine.stored_signatures(component).await?.into_iter().map(view).collect())
}

pub(super) async fn value(engine: &Engine, payload: &Payload) -> Result<Value, ServiceError> {
    let text = engine.text(payload).await?;
    Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// What is known of all calls of an execution together.
struct Known<'a> {
    execution: Status,
    entries: &'a [ArtifactEntry],
    used: &'a Used,
    capabilities: &'a Capabilities,
}

fn checkpoint(id: CallId, record: &CallRecord, with: &Known<'_>) -> CheckpointView {
    let Known { execution, entries, used, capabilities } = *with;
    let end = record.end.as_ref();
    let mut metadata = object(end.and_then(|end| end.metadata.as_ref()));
    let kind = record.descriptor.checkpoint_type.as_deref();
    let well_known = matches!(kind, Some("llm_call" | "tool_call"));
    if let (Some(kind), false, Value::Object(map)) = (kind, well_known, &mut metadata) {
        map.insert("kitaru".into(), json!({ "boundary": "checkpoint", "type": kind }));
    }
    let (provenance, original_call_id, other_input) = provenance(record);
    CheckpointView {
        call_id: id.to_string(),
        name: record.descriptor.name.clone(),
        invocation_id: record.descriptor.invocation.clone(),
        call_index: id.index,
        checkpoint_type: kind.filter(|_| well_known).map(str::to_owned),
        status: call_status(record, execution).into(),
        started_at: record.started_at.to_rfc3339(),
        ended_at: end.map(|end| end.at.to_rfc3339()),
        metadata,
        original_call_id,
        provenance: provenance.into(),
        other_input,
        parent_call_ids: Vec::new(),
        failure: failure_of(record),
        usage: used.of_call(id.index),
        capabilities: capabilities.of_call(id.index, record),
        attempts: record.attempts.iter().map(|attempt| attempt_view(id, attempt, execution)).collect(),
        artifacts: of_call(entries, id.index).iter().map(artifact_ref).collect(),
    }
}

/// Entries come by call.
fn of_call(entries: &[ArtifactEntry], call: u32) -> &[ArtifactEntry] {
    let from = entries.partition_point(|entry| entry.call < call);
    let to = entries.partition_point(|entry| entry.call <= call);
    entries.get(from..to).unwrap_or_default()
}

pub(super) fn provenance(record: &CallRecord) -> (&'static str, Option<String>, bool) {
    match record.end.as_ref().map(|end| &end.provenance) {
        Some(Provenance::Served { source, call, other_input, .. }) => {
            ("served", Some(CallId { execution: *source, index: *call }.to_string()), *other_input)
        }
        Some(Provenance::Overridden) => ("overridden", None, false),
        Some(Provenance::Cached { source, call }) => {
            ("cached", Some(CallId { execution: *source, index: *call }.to_string()), false)
        }
        Some(Provenance::Ran | Provenance::Cancelled | Provenance::Withdrawn) | None => ("ran", None, false),
    }
}

pub(super) fn call_status(record: &CallRecord, execution: Status) -> &'static str {
    match record.end.as_ref() {
        Some(end) if was_cancelled(end) => "cancelled",
        Some(CallEnd { outcome: Outcome::Success(_), .. }) => "completed",
        Some(CallEnd { outcome: Outcome::Failure(_), .. }) => "failed",
        None if execution.is_terminal() => "cancelled",
        None => "running",
    }
}

pub(super) fn failure_of(record: &CallRecord) -> Option<FailureView> {
    match record.end.as_ref() {
        Some(CallEnd { outcome: Outcome::Failure(failure), .. }) if !record.end.as_ref().is_some_and(was_cancelled) => {
            Some(failure.into())
        }
        _ => None,
    }
}

/// Whether the flow ended the call, here or in the execution from which that was served.
fn was_cancelled(end: &CallEnd) -> bool {
    match (&end.provenance, &end.outcome) {
        (Provenance::Cancelled | Provenance::Withdrawn, _) => true,
        (Provenance::Served { .. }, Outcome::Failure(failure)) => {
            failure.kind == "cancelled" && failure.origin == Origin::Runtime
        }
        _ => false,
    }
}

fn attempt_view(call: CallId, attempt: &Attempt, execution: Status) -> AttemptView {
    let (status, failure) = match &attempt.status {
        AttemptStatus::Running if execution.is_terminal() => ("interrupted", None),
        AttemptStatus::Running => ("running", None),
        AttemptStatus::Completed => ("completed", None),
        AttemptStatus::Failed(failure) => ("failed", Some(failure.into())),
        AttemptStatus::Interrupted => ("interrupted", None),
        AttemptStatus::Cancelled => ("cancelled", None),
    };
    AttemptView {
        attempt_id: format!("{call}:{}", attempt.number),
        status: status.into(),
        started_at: attempt.started_at.to_rfc3339(),
        ended_at: attempt.ended_at.map(|at| at.to_rfc3339()),
        metadata: object(attempt.metadata.as_ref()),
        failure,
    }
}

fn artifact_ref(entry: &ArtifactEntry) -> ArtifactRef {
    ArtifactRef {
        artifact_id: entry.id.clone(),
        name: entry.name.clone(),
        kind: entry.kind.clone(),
        save_type: entry.save_type.as_str().into(),
        producing_call: entry.checkpoint.clone(),
        metadata: json!({
            "invocation_id": entry.invocation,
            "media_type": entry.media_type,
            "size_bytes": entry.payload.len(),
            "tags": entry.tags,
            "created_at": entry.at.to_rfc3339(),
        }),
    }
}

pub(super) async fn artifacts(engine: &Engine, id: ExecutionId, query: &ArtifactQuery) -> Result<Vec<ArtifactRef>, ServiceError> {
    if query.limit == Some(0) {
        return Err(ServiceError::usage("`--limit` must be >= 1."));
    }
    let entries = list_artifacts(engine.store().as_ref(), id).await?;
    let fits = |entry: &&ArtifactEntry| {
        query.name.as_ref().is_none_or(|name| *name == entry.name)
            && query.kind.as_ref().is_none_or(|kind| entry.kind.as_ref() == Some(kind))
            && query.producing_call.as_ref().is_none_or(|call| {
                *call == entry.checkpoint
                    || *call == entry.invocation
                    || *call == CallId { execution: id, index: entry.call }.to_string()
            })
    };
    Ok(entries.iter().filter(fits).take(query.limit.unwrap_or(usize::MAX)).map(artifact_ref).collect())
}

/// The artifact that `text` names: `<execution or prefix>:<call>:<number or "output">`.
pub(super) async fn artifact(engine: &Engine, text: &str) -> Result<ArtifactValueView, ServiceError> {
    let not_found = || ServiceError::NotFound {
        message: format!("Artifact '{text}' was not found."),
        hint: Some("list them: kitaru-host artifacts list <execution>".into()),
    };
    let (execution, rest) = text.trim().split_once(':').ok_or_else(not_found)?;
    let id = resolve::execution(engine.store().as_ref(), execution).await?;
    let entries = list_artifacts(engine.store().as_ref(), id).await?;
    let wanted = format!("{id}:{rest}");
    let entry = entries.iter().find(|entry| entry.id == wanted).ok_or_else(not_found)?;
    let bytes = get_bytes(engine.store().as_ref(), &entry.payload).await?;
    let (value, value_format, value_type) = if entry.is_blob {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
        (Value::String(text), "base64", entry.media_type.clone())
    } else {
        let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let kind = json_type(&value);
        (value, "json", kind.to_owned())
    };
    debug_assert!(entry.save_type == SaveType::Manual || !entry.is_blob, "a checkpoint's output is JSON");
    Ok(ArtifactValueView { artifact: artifact_ref(entry), value, value_format: value_format.into(), value_type, bytes })
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

pub(super) async fn summary(engine: &Engine) -> Result<StoreView, ServiceError> {
    let mut executions = Map::new();
    let mut execution_count = 0;
    for status in Status::ALL {
        let filter = ExecutionFilter { statuses: vec![status], ..ExecutionFilter::default() };
        let count = engine.store().count(&filter).await?;
        execution_count += count;
        executions.insert(status.as_str().into(), count.into());
    }
    Ok(StoreView { executions, execution_count })
}
