//! What is kept of a model call: its prompt and response as artifacts, metadata of the checkpoint, and its record.

use std::sync::Arc;

use kitaru_llm::event::atof;
use kitaru_llm::gateway::{CallPlace, CallRecord, PlannedCall};
use kitaru_llm::models::{CallName, SelectedModel};
use kitaru_llm::price::NanoUsd;
use kitaru_llm::usage::UsageRecord;
use serde_json::{Map, Value, json};

use super::{place, uses};
use crate::clock::Timestamp;
use crate::engine::EngineError;
use crate::engine::recorder::Step;
use crate::engine::run::Run;
use crate::engine::spending;
use crate::ids::CallId;
use crate::sandbox::{Audit, Grants};
use crate::store::{ArtifactRow, Durability, ModelCallRow, put_bytes};

/// Which call of which attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Which {
    pub(super) call: CallId,
    pub(super) attempt: u32,
    /// Position among what the attempt asked models.
    pub(super) ordinal: u32,
}

/// Saves what was asked and answered: two artifacts at most, from number `first` on.
pub(super) async fn artifacts(run: &Run, which: Which, first: u32, record: &CallRecord) -> Result<(), EngineError> {
    let name = &record.name;
    let prompt = record.prompt.as_ref().map(|value| (name.prompt_artifact(), "prompt", value));
    let response = record.response.as_ref().map(|value| (name.response_artifact(), "response", value));
    for (ordinal, (name, kind, value)) in (first..).zip(prompt.into_iter().chain(response)) {
        let payload = put_bytes(run.store.as_ref(), value.to_string().into_bytes()).await?;
        let artifact = ArtifactRow {
            execution: which.call.execution,
            call: which.call.index,
            attempt: which.attempt,
            ordinal,
            name,
            kind: kind.to_owned(),
            media_type: "application/json".to_owned(),
            is_blob: false,
            tags: Vec::new(),
            payload,
            at: run.clock.now(),
        };
        run.store.save(run.recorder.lease(), artifact).await?;
    }
    Ok(())
}

/// What the checkpoint's metadata has of the call.
pub(super) fn metadata(record: &CallRecord) -> Map<String, Value> {
    let mut metadata = Map::new();
    record.merge_entry(&mut metadata);
    let usage = record.usage_metadata();
    if !usage.is_empty() {
        metadata.insert("llm_usage_v1".into(), Value::Object(usage));
    }
    metadata
}

/// A call that is being made. Dropped before somebody has taken its record, because its flow or its body is cut short, it leaves that: what it came to,
/// or else that nobody knows what it cost. Then what was set aside for it counts as spent, for good.
pub(super) struct UnderWay {
    run: Arc<Run>,
    audit: Audit,
    model: Option<SelectedModel>,
    has_ended: bool,
    record: Option<ModelCallRow>,
}

impl UnderWay {
    pub(super) fn new(run: &Arc<Run>, which: Which, planned: &PlannedCall, place: &CallPlace, audit: &Audit) -> Self {
        let usage = json!([planned.cut_short(place).to_json()]).to_string();
        let row = ModelCallRow { usage, ..bare(run, which, planned.name(), run.clock.now()) };
        let (run, audit, model) = (run.clone(), audit.clone(), planned.selected().cloned());
        Self { run, audit, model, has_ended: false, record: Some(row) }
    }

    /// It has ended, and this is its record.
    pub(super) fn ended(&mut self, record: ModelCallRow) {
        (self.has_ended, self.record) = (true, Some(record));
    }

    /// Its record, for whoever keeps it from here on.
    pub(super) fn into_record(mut self) -> Option<ModelCallRow> {
        self.record.take()
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Some(row) = self.record.take() else { return };
        if let Some(model) = self.model.as_ref().filter(|_| !self.has_ended) {
            uses::cut_short(&self.audit, model);
        }
        let step = Step { model_calls: vec![row], ..Step::default() };
        if let Err(error) = self.run.recorder.cork(step, Durability::Relaxed) {
            tracing::debug!(error = &error as &dyn std::error::Error, "a model call that was cut short was not recorded");
        }
    }
}

/// The call's record.
pub(super) fn row(run: &Run, which: Which, record: &CallRecord, grants: &Grants) -> ModelCallRow {
    let at = Timestamp::from_micros(record.ended_at.as_micros());
    let mut events = String::new();
    for event in &record.events {
        // A line ends itself, or it does not.
        events.push_str(atof::to_line(event).trim_end_matches('\n'));
        events.push('\n');
    }
    // What a body says that it spent by itself is its own word: without a grant it must not use up the budgets of others.
    let granted = record.selected.as_ref().is_some_and(|model| place::is_granted(grants, model));
    let spent = if granted { record.spent() } else { NanoUsd::ZERO };
    spending::count(record, spent, run.spec.limits.llm_usd.is_some());
    ModelCallRow {
        usage: Value::Array(record.usage.iter().map(UsageRecord::to_json).collect()).to_string(),
        events,
        policies: record.policies.to_string(),
        spent: spent.as_nanos(),
        ..bare(run, which, &record.name, at)
    }
}

/// The record of a call of which nothing is known but that it was made.
fn bare(run: &Run, which: Which, name: &CallName, at: Timestamp) -> ModelCallRow {
    ModelCallRow {
        execution: which.call.execution,
        call: which.call.index,
        attempt: which.attempt,
        ordinal: which.ordinal,
        name: name.to_string(),
        flow: run.row.new.flow.clone(),
        day: at.since_epoch().as_secs() / 86_400,
        at,
        event: Some(place::call_event(which)),
        usage: "[]".to_owned(),
        events: String::new(),
        policies: "null".to_owned(),
        spent: 0,
    }
}
