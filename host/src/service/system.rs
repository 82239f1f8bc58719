//! What this host is and does now.

use std::collections::BTreeMap;

use kitaru_llm::price::NanoUsd;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LocalService, ModelsView, Service as _, ServiceError, StoreView};

/// A host.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SystemView {
    /// Its version.
    pub version: String,
    /// What its store holds.
    pub store: StoreView,
    /// What it knows of models.
    pub models: ModelsView,
    /// What its process does now.
    pub process: ProcessView,
}

/// What a process does now, and what its limits did since it began.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ProcessView {
    /// Memory of all instances, in bytes.
    pub instances_bytes: u64,
    /// The most that it was since the process began, in bytes. Zero from a host that does not tell it.
    #[serde(default)]
    pub instances_peak_bytes: u64,
    /// The most that they may have together, in bytes; null where nothing bounds them.
    pub instances_ceiling_bytes: Option<u64>,
    /// Instances that wait for memory.
    pub waiting_for_memory: u64,
    /// Flows in memory.
    pub flows: u64,
    /// Of them, those that only wait.
    pub idle_flows: u64,
    /// Checkpoint bodies that run.
    pub bodies: u64,
    /// Bodies that wait for a place, because as many as may run at a time do.
    pub waiting_bodies: u64,
    /// Bodies of all executions that may run at a time.
    pub bodies_limit: u64,
    /// Model calls that ended.
    pub model_calls: u64,
    /// What is known of what they cost, in dollars.
    #[schemars(with = "f64")]
    pub model_cost_usd: NanoUsd,
    /// Model calls that no budget had room for.
    pub model_calls_refused_by_budget: u64,
    /// The limits that were reached, and how often.
    pub limits_reached: BTreeMap<String, u64>,
}

impl SystemView {
    /// For whoever has nothing to do with the machine: without its files.
    #[must_use]
    pub(super) fn without_places(self) -> Self {
        Self { models: self.models.without_places(), ..self }
    }
}

pub(super) async fn view(service: &LocalService) -> Result<SystemView, ServiceError> {
    let measures = service.measures();
    Ok(SystemView {
        version: env!("CARGO_PKG_VERSION").into(),
        store: service.store_summary().await?,
        models: service.models_summary().await?,
        process: ProcessView {
            instances_bytes: measures.memory.now,
            instances_peak_bytes: measures.memory.peak,
            instances_ceiling_bytes: measures.memory.ceiling,
            waiting_for_memory: measures.memory.waiting as u64,
            flows: measures.flows.flows as u64,
            idle_flows: measures.flows.idle as u64,
            bodies: measures.bodies.running as u64,
            waiting_bodies: measures.bodies.waiting as u64,
            bodies_limit: measures.bodies.limit as u64,
            model_calls: measures.models.calls,
            model_cost_usd: measures.models.spent,
            model_calls_refused_by_budget: measures.models.refused_by_budget,
            limits_reached: measures.reached.into_iter().map(|(key, count)| (key.to_owned(), count)).collect(),
        },
    })
}
