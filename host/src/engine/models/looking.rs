//! Who has the model that a call waits for, and lets it go on: any process that looks after executions, and whoever changed a secret or an alias.
//!
//! Whether there is a model and its key is for each process to say: keys may stand in its environment. So the one that finds none asks and leaves the
//! execution, and does not take it up again at once; the one that has it puts the question off, which makes the execution due, and drives it.

use std::collections::HashMap;
use std::time::Duration;

use kitaru_llm::gateway::{CallRequest, Gateway};
use kitaru_llm::models::{CallName, FrozenModels, OnMissing};
use serde_json::Value;

use super::missing::is_marked;
use crate::clock::Timestamp;
use crate::engine::journals::read_journal;
use crate::engine::{Engine, EngineError, FrozenSpec};
use crate::ids::CallId;
use crate::store::{Resolution, StoreError, WaitRow};

/// How long a process leaves alone an execution that it had no model for: time enough for one that has it.
pub(in crate::engine) const LEFT_TO_OTHERS: Duration = Duration::from_secs(1);

/// What a call needs: what it asked for, and what that means for its execution. None where its question does not say, so that it has to look itself.
type Needs = Option<(Option<String>, FrozenModels)>;

/// What is known of questions that were looked at before, so that each is read once.
#[derive(Debug, Default)]
pub(in crate::engine) struct Looked(HashMap<CallId, (Timestamp, Needs)>);

impl Looked {
    /// Whether no call waits for a model.
    pub(in crate::engine) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Engine {
    /// Whether calls that nobody can answer wait until somebody can.
    pub(in crate::engine) fn waits_for_models(&self) -> bool {
        self.models.as_ref().is_some_and(|models| models.on_missing() == OnMissing::Pending)
    }

    /// A model or a key may be there that was missing: calls that can be made now go on. How many there were.
    ///
    /// # Errors
    /// When the store cannot be read at all. What cannot be read of one execution keeps no other one.
    pub async fn models_changed(&self) -> Result<u64, EngineError> {
        self.look_for_models(&mut Looked::default(), false).await
    }

    /// Lets calls go on that wait for a model that this process has; with `unheld` only those of executions that nobody drives, who would look by himself.
    pub(in crate::engine) async fn look_for_models(&self, looked: &mut Looked, unheld: bool) -> Result<u64, EngineError> {
        let waits = self.store.waits_for_models().await?;
        let asked: HashMap<CallId, Timestamp> = waits.iter().map(|wait| (wait.id, wait.entered_at)).collect();
        looked.0.retain(|id, (asked_at, _)| asked.get(id) == Some(asked_at));
        let mut told = 0;
        let mut ready: Vec<(Needs, bool)> = Vec::new();
        for wait in waits.iter().filter(|wait| is_marked(wait)) {
            match self.look_again(wait, looked, &mut ready, unheld).await {
                Ok(went_on) => told += u64::from(went_on),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(call = %wait.id, error, "a call that waits for a model could not be looked at");
                }
            }
        }
        Ok(told)
    }

    /// Whether an execution was left because there was no model for it here.
    pub(in crate::engine) async fn was_left_for_a_model(&self, id: crate::ids::ExecutionId) -> bool {
        self.waits_for_models()
            && self.store.waits(id).await.is_ok_and(|waits| waits.iter().any(|wait| wait.resolution.is_none() && is_marked(wait)))
    }

    async fn look_again(
        &self,
        wait: &WaitRow,
        looked: &mut Looked,
        ready: &mut Vec<(Needs, bool)>,
        unheld: bool,
    ) -> Result<bool, EngineError> {
        let id = wait.id.execution;
        let needs = match looked.0.get(&wait.id) {
            Some((_, needs)) => needs.clone(),
            None => {
                let needs = self.needs(wait).await?;
                looked.0.insert(wait.id, (wait.entered_at, needs.clone()));
                needs
            }
        };
        let known = ready.iter().find(|(known, _)| *known == needs).map(|(_, is_ready)| *is_ready);
        let is_ready = match known {
            Some(is_ready) => is_ready,
            None => {
                let is_ready = self.has(&needs).await;
                ready.push((needs, is_ready));
                is_ready
            }
        };
        if !is_ready || (unheld && self.store.execution(id).await?.runner.is_some()) {
            return Ok(false);
        }
        // A flow may write the same into the metadata of a question of its own, and that is left alone.
        let journal = read_journal(self.store.as_ref(), id).await?;
        if !journal.history.call(wait.id.index).is_some_and(|record| record.descriptor.kind.is_checkpoint()) {
            return Ok(false);
        }
        match self.store.resolve(wait.id, Some(wait.entered_at), Resolution::Expired, self.clock.now()).await {
            Ok(()) => {
                self.tell_of(id).await;
                Ok(true)
            }
            // Somebody was quicker.
            Err(StoreError::NotFound { .. } | StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn needs(&self, wait: &WaitRow) -> Result<Needs, EngineError> {
        let metadata = wait.wait.metadata.as_ref().and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or_default();
        let requested = match metadata.get("requested_model") {
            Some(Value::String(requested)) => Some(requested.clone()),
            Some(Value::Null) => None,
            _ => return Ok(None),
        };
        let row = self.store.execution(wait.id.execution).await?;
        Ok(Some((requested, FrozenSpec::of(&row.new)?.models)))
    }

    /// Whether this process can make such a call, as far as it can tell. Where it cannot tell, whoever drives it looks.
    async fn has(&self, needs: &Needs) -> bool {
        let (Some((requested, frozen)), Some(models)) = (needs, &self.models) else { return true };
        let Ok(gateway) = models.gateway().await else { return true };
        // Aliases that cannot be read answer nobody.
        let Ok(meant) = models.of(frozen) else { return false };
        is_ready(gateway, requested.as_deref(), &meant).await
    }
}

async fn is_ready(gateway: &Gateway, requested: Option<&str>, models: &FrozenModels) -> bool {
    let request = CallRequest { model: requested.map(str::to_owned), ..CallRequest::text("Are you there?") };
    let Ok(name) = CallName::normalise("llm_1") else { return false };
    match gateway.plan(request, name, models) {
        Ok(planned) => gateway.is_ready(&planned).await.is_ok(),
        Err(_) => false,
    }
}
