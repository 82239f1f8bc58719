//! Executions compared: per checkpoint call, what is the same, what changed, what only one of them has.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::costs::Used;
use super::deltas::{TokenDelta, UsageDelta};
use super::{LocalService, ServiceError};
use crate::engine::{ArtifactEntry, artifacts_of, read_journal};
use crate::ids::{CallId, ExecutionId};
use crate::journal::{CallRecord, History, Outcome, Payload, PayloadHash, ReplayPlan};
use crate::service::Word;
use crate::store::{ExecutionFilter, ExecutionRow, Page, Store};

/// Two executions compared. Deltas are the second's value less the first's.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ExecutionDiff {
    /// The first.
    pub original_exec_id: String,
    /// The second.
    pub replay_exec_id: String,
    /// `match` where every checkpoint call and the end are the same.
    pub result: Word,
    /// Status of the first.
    pub original_status: Word,
    /// Status of the second.
    pub replay_status: Word,
    /// Whether both ended with the same result or failure; null while one has not ended.
    pub same_outcome: Option<bool>,
    /// In seconds; null while one has not ended.
    pub duration_delta_seconds: Option<f64>,
    /// Of all model calls of all attempts; null where neither called a model.
    pub token_delta: Option<TokenDelta>,
    /// Of what was spent, in dollars: what was served or cached cost nothing. Null where neither called a model, or nobody knows what one of the calls cost.
    pub cost_delta_usd: Option<f64>,
    /// Outputs that the second's replay was given; null where the second is no replay of the first.
    pub applied_output_overrides: Option<Vec<AppliedOverride>>,
    /// By checkpoint call, in the order of the first, then what only the second has.
    pub checkpoints: Vec<CheckpointDiff>,
}

/// An output that a replay was given.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AppliedOverride {
    /// `checkpoint` or `invocation`.
    pub selector_kind: Word,
    /// As it was given.
    pub selector: String,
    /// The calls that it named.
    pub matched_invocation_ids: Vec<String>,
    /// Always `output`.
    pub field: Word,
}

/// One checkpoint call in both.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointDiff {
    /// By which the two are the same call.
    pub invocation_id: String,
    /// The checkpoint.
    pub name: String,
    /// `match`, `changed`, `original only` or `replay only`.
    pub result: Word,
    /// The call in the first.
    pub original_call_id: Option<String>,
    /// The call in the second.
    pub replay_call_id: Option<String>,
    /// Whether the inputs are the same.
    pub same_input: Option<bool>,
    /// Whether the outcomes are the same.
    pub same_output: Option<bool>,
    /// In seconds; null where one was served and has none of its own.
    pub duration_delta_seconds: Option<f64>,
    /// Of the call's model calls; null where it called none in either, and where only one of them has the call.
    pub token_delta: Option<TokenDelta>,
    /// Of what was spent for it, in dollars; null likewise, and where nobody knows what one of the calls cost.
    pub cost_delta_usd: Option<f64>,
    /// By name: `unchanged`, `changed` or `unavailable`. Values are compared by hash and never shown.
    pub artifacts: Vec<ArtifactDiff>,
}

/// One artifact of a call in both.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactDiff {
    /// Its name.
    pub name: String,
    /// `unchanged`, `changed`, or `unavailable` where one has none of this name.
    pub result: Word,
}

/// One side of a comparison.
struct Side {
    row: ExecutionRow,
    history: History,
    artifacts: Vec<ArtifactEntry>,
    used: Used,
}

impl Side {
    async fn read(store: &dyn Store, id: ExecutionId) -> Result<Self, ServiceError> {
        let row = store.execution(id).await?;
        let history = read_journal(store, id).await?.history;
        let artifacts = artifacts_of(store, id, &history).await?;
        let used = Used::read(store, id, &history, row.status).await?;
        Ok(Self { row, history, artifacts, used })
    }

    fn checkpoints(&self) -> impl Iterator<Item = (u32, &CallRecord)> {
        (0_u32..).zip(self.history.calls()).filter(|(_, record)| record.descriptor.kind.is_checkpoint())
    }

    fn call_id(&self, index: u32) -> String {
        CallId { execution: self.row.new.id, index }.to_string()
    }

    fn seconds(&self) -> Option<f64> {
        self.row.ended_at.map(|end| end.since(self.row.new.created_at).as_secs_f64())
    }
}

/// Compares an execution with others; with its replays, oldest first, where none is named.
///
/// # Errors
/// When one does not exist, or there is nothing to compare with.
pub(super) async fn with(
    service: &LocalService,
    original: ExecutionId,
    others: &[ExecutionId],
) -> Result<Vec<ExecutionDiff>, ServiceError> {
    let store = service.store().as_ref();
    let mut others: Vec<ExecutionId> = others.to_vec();
    if others.is_empty() {
        let filter = ExecutionFilter { original: Some(original), ..ExecutionFilter::default() };
        let rows = store.list(&filter, Page { offset: 0, limit: u64::MAX }).await?;
        others = rows.iter().rev().map(|row| row.new.id).collect();
    }
    let mut seen = BTreeSet::new();
    others.retain(|id| *id != original && seen.insert(*id));
    if others.is_empty() {
        return Err(ServiceError::Usage {
            message: format!("Execution '{original}' has no replays to compare it with."),
            hint: Some("name another execution".into()),
        });
    }
    let first = Side::read(store, original).await?;
    let mut diffs = Vec::with_capacity(others.len());
    for other in others {
        diffs.push(compare(&first, &Side::read(store, other).await?));
    }
    Ok(diffs)
}

/// Compares each of several executions with each that follows it.
///
/// # Errors
/// When one does not exist, or there are fewer than two.
pub(super) async fn matrix(service: &LocalService, ids: &[ExecutionId]) -> Result<Vec<ExecutionDiff>, ServiceError> {
    let mut sides = Vec::new();
    let mut seen = BTreeSet::new();
    for id in ids.iter().filter(|id| seen.insert(**id)) {
        sides.push(Side::read(service.store().as_ref(), *id).await?);
    }
    if sides.len() < 2 {
        return Err(ServiceError::usage("a matrix needs two executions or more"));
    }
    let pairs = sides.iter().enumerate().flat_map(|(at, first)| sides.iter().skip(at + 1).map(move |second| (first, second)));
    Ok(pairs.map(|(first, second)| compare(first, second)).collect())
}

fn compare(first: &Side, second: &Side) -> ExecutionDiff {
    let mut checkpoints = Vec::new();
    for (index, record) in first.checkpoints() {
        let other = second.history.by_invocation(record.descriptor.kind, &record.descriptor.invocation);
        checkpoints.push(compare_call(first, second, Some((index, record)), other));
    }
    for (index, record) in second.checkpoints() {
        if first.history.by_invocation(record.descriptor.kind, &record.descriptor.invocation).is_none() {
            checkpoints.push(compare_call(first, second, None, Some((index, record))));
        }
    }
    let both_ended = first.row.status.is_terminal() && second.row.status.is_terminal();
    let same_outcome = both_ended.then(|| {
        let failure = |row: &ExecutionRow| row.failure.as_ref().map(|failure| (failure.kind.clone(), failure.message.clone()));
        first.row.status == second.row.status
            && first.row.result.as_ref().map(hash) == second.row.result.as_ref().map(hash)
            && failure(&first.row) == failure(&second.row)
    });
    let (one, other) = (first.used.total(), second.used.total());
    let delta = UsageDelta::between(one.as_ref(), other.as_ref());
    let same = same_outcome != Some(false) && checkpoints.iter().all(|call| call.result == "match");
    ExecutionDiff {
        original_exec_id: first.row.new.id.to_string(),
        replay_exec_id: second.row.new.id.to_string(),
        result: if same { "match".into() } else { "changed".into() },
        original_status: first.row.status.as_str().into(),
        replay_status: second.row.status.as_str().into(),
        same_outcome,
        duration_delta_seconds: second.seconds().zip(first.seconds()).map(|(second, first)| second - first),
        token_delta: delta.tokens,
        cost_delta_usd: delta.cost_usd,
        applied_output_overrides: applied(first, second),
        checkpoints,
    }
}

/// The overrides of a replay of the first; null where the second is none.
fn applied(first: &Side, second: &Side) -> Option<Vec<AppliedOverride>> {
    let plan: ReplayPlan = serde_json::from_str(second.row.new.replay_plan.as_ref()?).ok()?;
    if plan.source != first.row.new.id {
        return None;
    }
    let mut applied: Vec<AppliedOverride> = Vec::new();
    for given in plan.overrides.iter().filter(|given| matches!(given.given, crate::journal::Given::Output(_))) {
        let selector_kind = match given.scope {
            crate::journal::OverrideScope::Invocation => "invocation",
            crate::journal::OverrideScope::One | crate::journal::OverrideScope::Checkpoint => "checkpoint",
        };
        match applied.iter_mut().find(|known| known.selector == given.selector && known.selector_kind == selector_kind) {
            Some(known) => known.matched_invocation_ids.push(given.invocation.clone()),
            None => applied.push(AppliedOverride {
                selector_kind: selector_kind.into(),
                selector: given.selector.clone(),
                matched_invocation_ids: vec![given.invocation.clone()],
                field: "output".into(),
            }),
        }
    }
    Some(applied)
}

type Found<'s> = Option<(u32, &'s CallRecord)>;

fn compare_call(first: &Side, second: &Side, one: Found<'_>, other: Found<'_>) -> CheckpointDiff {
    let record = one.or(other).map(|(_, record)| &record.descriptor);
    let both = one.zip(other).map(|((_, one), (_, other))| (one, other));
    let same_input = both.map(|(one, other)| one.descriptor.input_hash == other.descriptor.input_hash);
    let same_output = both.map(|(one, other)| outcome_hash(one) == outcome_hash(other));
    let artifacts = one.zip(other).map(|((a, _), (b, _))| compare_artifacts(first, a, second, b)).unwrap_or_default();
    let delta = one.zip(other).map(|((a, _), (b, _))| UsageDelta::between(first.used.summary_of(a), second.used.summary_of(b)));
    let delta = delta.unwrap_or_default();
    let result = match (one, other, same_input, same_output) {
        (Some(_), None, ..) => "original only",
        (None, ..) => "replay only",
        (_, _, Some(true), Some(true)) if artifacts.iter().all(|artifact| artifact.result == "unchanged") => "match",
        _ => "changed",
    };
    CheckpointDiff {
        invocation_id: record.map(|descriptor| descriptor.invocation.clone()).unwrap_or_default(),
        name: record.map(|descriptor| descriptor.name.clone()).unwrap_or_default(),
        result: result.into(),
        original_call_id: one.map(|(index, _)| first.call_id(index)),
        replay_call_id: other.map(|(index, _)| second.call_id(index)),
        same_input,
        same_output,
        duration_delta_seconds: both.and_then(|(one, other)| Some(seconds(other)? - seconds(one)?)),
        token_delta: delta.tokens,
        cost_delta_usd: delta.cost_usd,
        artifacts,
    }
}

/// How long the deciding attempt took; nothing where nothing ran.
fn seconds(record: &CallRecord) -> Option<f64> {
    let attempt = record.attempts.last()?;
    Some(attempt.ended_at?.since(attempt.started_at).as_secs_f64())
}

fn hash(payload: &Payload) -> PayloadHash {
    match payload {
        Payload::Inline(bytes) => PayloadHash::of(bytes),
        Payload::Blob { hash, .. } => *hash,
    }
}

/// What tells one outcome from another: the output's hash, or the failure's kind and message.
fn outcome_hash(record: &CallRecord) -> Option<PayloadHash> {
    Some(match &record.end.as_ref()?.outcome {
        Outcome::Success(payload) => hash(payload),
        Outcome::Failure(failure) => PayloadHash::of(format!("failure {}: {}", failure.kind, failure.message).as_bytes()),
    })
}

fn compare_artifacts(first: &Side, one: u32, second: &Side, other: u32) -> Vec<ArtifactDiff> {
    let of = |side: &'_ Side, call: u32| -> Vec<(String, PayloadHash)> {
        side.artifacts.iter().filter(|entry| entry.call == call).map(|entry| (entry.name.clone(), hash(&entry.payload))).collect()
    };
    let (ones, others) = (of(first, one), of(second, other));
    let names: BTreeSet<&String> = ones.iter().chain(&others).map(|(name, _)| name).collect();
    let all = |side: &[(String, PayloadHash)], name: &str| -> Vec<PayloadHash> {
        side.iter().filter(|(known, _)| known == name).map(|(_, hash)| *hash).collect()
    };
    let compare = |name: &String| {
        let (mine, theirs) = (all(&ones, name), all(&others, name));
        let result = match (mine.is_empty() || theirs.is_empty(), mine == theirs) {
            (true, _) => "unavailable",
            (false, true) => "unchanged",
            (false, false) => "changed",
        };
        ArtifactDiff { name: name.clone(), result: result.into() }
    };
    names.into_iter().map(compare).collect()
}
