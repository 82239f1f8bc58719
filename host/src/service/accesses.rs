//! What the checkpoints of an execution were granted, used, and were denied.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ServiceError;
use crate::engine::{Engine, FrozenSpec, read_journal};
use crate::ids::{CallId, ExecutionId};
use crate::journal::{CallKind, CallRecord};
use crate::sandbox::{AccessKind, Grants, Manifest, Needs};
use crate::store::{AccessRow, ExecutionRow};

/// Uses, or denials, of a capability on one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccessSum {
    /// `read`, `write`, `env`, `net`, `secret`, `llm` or `load`.
    pub kind: String,
    /// What was touched, as the guest says it.
    pub target: String,
    /// How often, by all attempts.
    pub count: u64,
    /// What else is to be known.
    pub detail: Option<String>,
}

/// What a checkpoint call could touch, and what it did touch.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct CapabilitiesView {
    /// What the code declares that it needs; null where it declares nothing, or this host has not run the component.
    #[schemars(with = "Option<serde_json::Value>")]
    pub declared: Option<Needs>,
    /// What it has of the execution's grants; null where this host has not run the component, so that what it declares is not known.
    #[schemars(with = "Option<serde_json::Value>")]
    pub granted: Option<Grants>,
    /// What it used.
    pub used: Vec<AccessSum>,
    /// What it was denied.
    pub denied: Vec<AccessSum>,
}

/// One record of an access.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AccessView {
    /// The checkpoint call.
    pub call_id: String,
    /// Its position among the execution's durable calls.
    pub call_index: u32,
    /// The attempt of it.
    pub attempt: u32,
    /// The checkpoint.
    pub checkpoint_name: String,
    /// The call's invocation ID; null where another call stands there now.
    pub invocation_id: Option<String>,
    /// `read`, `write`, `env`, `net`, `secret`, `llm` or `load`.
    pub kind: String,
    /// What was touched, as the guest says it.
    pub target: String,
    /// Whether it was allowed.
    pub allowed: bool,
    /// How often, since the record before this one.
    pub count: u64,
    /// When it happened first.
    pub first_at: String,
    /// What else is to be known.
    pub detail: Option<String>,
}

/// Which records to show. Everything that is given must hold.
#[derive(Clone, Debug, Default)]
pub struct AccessQuery {
    /// Only denials.
    pub denied: bool,
    /// Only of the checkpoint with this name, invocation ID or call ID.
    pub checkpoint: Option<String>,
    /// Only of this kind.
    pub kind: Option<AccessKind>,
}

/// The records of an execution.
pub(super) async fn list(engine: &Engine, id: ExecutionId, query: &AccessQuery) -> Result<Vec<AccessView>, ServiceError> {
    let rows = engine.store().accesses(id).await?;
    // A damaged journal hides no record (E13): then nobody knows which calls they were.
    let history = read_journal(engine.store().as_ref(), id).await.map(|journal| journal.history).unwrap_or_default();
    let view = |row: AccessRow| {
        let call = CallId { execution: id, index: row.call };
        let record = usize::try_from(row.call).ok().and_then(|index| history.calls().get(index));
        let invocation_id = record.filter(|record| is_of(&row, record)).map(|record| record.descriptor.invocation.clone());
        AccessView {
            call_id: call.to_string(),
            call_index: row.call,
            attempt: row.attempt,
            checkpoint_name: row.checkpoint,
            invocation_id,
            kind: row.kind,
            target: row.target,
            allowed: row.allowed,
            count: row.count,
            first_at: row.first_at.to_rfc3339(),
            detail: row.detail,
        }
    };
    Ok(rows.into_iter().map(view).filter(|access| fits(access, query)).collect())
}

fn fits(access: &AccessView, query: &AccessQuery) -> bool {
    let named = |wanted: &String| {
        access.checkpoint_name == *wanted || access.invocation_id.as_ref() == Some(wanted) || access.call_id == *wanted
    };
    !(query.denied && access.allowed)
        && query.checkpoint.as_ref().is_none_or(named)
        && query.kind.is_none_or(|kind| kind.as_str() == access.kind)
}

/// A reopened execution may have another call there now.
fn is_of(row: &AccessRow, record: &CallRecord) -> bool {
    record.descriptor.name == row.checkpoint
}

/// What all checkpoint calls of an execution could touch and did touch.
#[derive(Debug)]
pub(super) struct Capabilities {
    operator: Grants,
    manifest: Option<Manifest>,
    by_call: BTreeMap<u32, Vec<AccessRow>>,
}

impl Capabilities {
    /// Those of an execution, with these records of accesses and its component's manifest.
    pub(super) fn of(row: &ExecutionRow, accesses: Vec<AccessRow>, manifest: Option<Manifest>) -> Self {
        let mut by_call: BTreeMap<u32, Vec<AccessRow>> = BTreeMap::new();
        for access in accesses {
            by_call.entry(access.call).or_default().push(access);
        }
        // What cannot be read granted nothing; whoever drives it is told.
        let spec = serde_json::from_str::<FrozenSpec>(&row.new.frozen_spec);
        let operator = spec.map(|spec| spec.grants).unwrap_or_default();
        Self { operator, manifest, by_call }
    }

    pub(super) fn of_call(&self, index: u32, record: &CallRecord) -> CapabilitiesView {
        let name = &record.descriptor.name;
        let manifest = self.manifest.as_ref();
        let rows = self.by_call.get(&index).map(Vec::as_slice).unwrap_or_default();
        let sums = |allowed: bool| {
            let mut sums: Vec<AccessSum> = Vec::new();
            for row in rows.iter().filter(|row| row.allowed == allowed && is_of(row, record)) {
                let same = |sum: &&mut AccessSum| sum.kind == row.kind && sum.target == row.target && sum.detail == row.detail;
                match sums.iter_mut().find(same) {
                    Some(sum) => sum.count = sum.count.saturating_add(row.count),
                    None => {
                        let AccessRow { kind, target, count, detail, .. } = row.clone();
                        sums.push(AccessSum { kind, target, count, detail });
                    }
                }
            }
            sums
        };
        // A model call of the flow has what the flow has.
        let of_flow = record.descriptor.kind == CallKind::Llm;
        let needs = |manifest: &Manifest| if of_flow { manifest.needs.clone() } else { manifest.needs_of(name).cloned() };
        let declared = manifest.and_then(needs);
        let granted = |needs: Option<&Needs>| {
            let own = if of_flow { self.operator.for_flow(needs) } else { self.operator.for_checkpoint(name, needs) };
            own.shown()
        };
        CapabilitiesView {
            granted: manifest.map(|_| granted(declared.as_ref())),
            declared,
            used: sums(true),
            denied: sums(false),
        }
    }
}
