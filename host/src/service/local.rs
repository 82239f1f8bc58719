//! The verbs in process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use super::{
    AccessQuery, AccessView, ArtifactQuery, ArtifactRef, ArtifactValueView, ComponentView, ExecutionSummary, ExecutionView,
    Follow, ForgottenGrants, JournalCall, ListQuery, Listing, LogEntry, LogQuery, ModelChange, ModelChangedView, ModelDetailView,
    ModelTestView, ModelUsageQuery, ModelUsageReport, ModelView, ModelsView, PendingWaitView, RememberedGrantsView,
    ReplayCommand, SecretChangedView, SecretDetailView, SecretView, Service, ServiceError, StoreView, accesses, components,
    executions, grants, logs, models, replays, resolve, secrets, waits,
};
use crate::config::{GrantMemory, ModelSources};
use crate::engine::{Begun, DriveOptions, Driven, Engine, Measures, SecretChange, Submission};
use crate::ids::{ComponentDigest, ExecutionId};
use crate::mutex::lock;
use crate::sandbox::Grants;
use crate::store::Store;

/// The service of this process.
#[derive(Debug, Clone)]
pub struct LocalService {
    engine: Engine,
    /// Created here, and yet to be driven.
    begun: Arc<Mutex<HashMap<ExecutionId, Begun>>>,
    models: ModelSources,
    /// Components of the store that stand in the way of model calls, and that no execution names.
    pub(super) middleware: Arc<[ComponentDigest]>,
    grants: GrantMemory,
}

impl LocalService {
    /// The service over an engine. It knows no model aliases.
    pub fn new(engine: Engine) -> Self {
        let (models, middleware, grants) = Default::default();
        Self { engine, begun: Arc::default(), models, middleware, grants }
    }

    /// The same service, which learns there which models there are.
    #[must_use]
    pub fn with_models(self, models: ModelSources) -> Self {
        Self { models, ..self }
    }

    /// The same service, which keeps these components when it removes what nobody needs.
    #[must_use]
    pub fn keeping(self, middleware: impl IntoIterator<Item = ComponentDigest>) -> Self {
        Self { middleware: middleware.into_iter().collect(), ..self }
    }

    /// The same service, which remembers there what components are granted for good.
    #[must_use]
    pub fn with_grants(self, grants: GrantMemory) -> Self {
        Self { grants, ..self }
    }
}

impl LocalService {
    /// Calls may wait for what has just become known. It is known, whatever becomes of them now: whoever looks after them finds them too.
    async fn tell_models_changed(&self) {
        if let Err(error) = self.engine.models_changed().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "calls that wait for a model were not looked at");
        }
    }

    /// Notes the signature that came with a component, and checks that it may run here. What is to be said of it, if anything, is returned.
    ///
    /// # Errors
    /// When nobody whom this host trusts has signed it, and somebody must have.
    pub async fn admit(&self, component: &[u8], signature: Option<String>) -> Result<Option<String>, ServiceError> {
        self.note_signature(component, signature);
        Ok(self.engine.admit(component).await?)
    }

    /// Notes the signature that came with a component.
    pub fn note_signature(&self, component: &[u8], signature: Option<String>) {
        if let Some(text) = signature {
            self.engine.offer_signature(component, text);
        }
    }

    /// The store behind it.
    pub(super) fn store(&self) -> &Arc<dyn Store> {
        self.engine.store()
    }

    /// What this process does now: memory of its instances, flows, limits that were reached.
    pub fn measures(&self) -> Measures {
        self.engine.measures()
    }

    /// The engine behind it.
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }
}

#[async_trait]
impl Service for LocalService {
    async fn resolve(&self, text: &str) -> Result<ExecutionId, ServiceError> {
        resolve::execution(self.engine.store().as_ref(), text).await
    }

    async fn inspect(&self, component: &[u8]) -> Result<ComponentView, ServiceError> {
        components::inspect(&self.engine, component).await
    }

    async fn flow_schema(&self, id: ExecutionId) -> Result<Value, ServiceError> {
        Ok(self.engine.flow_schema(id).await?)
    }

    async fn submit(&self, submission: Submission) -> Result<ExecutionId, ServiceError> {
        Ok(self.engine.submit(submission).await?)
    }

    async fn begin(&self, submission: Submission) -> Result<ExecutionId, ServiceError> {
        let mut begun = self.engine.begin(submission).await?;
        // The caller tells of it.
        begun.created().await?;
        let id = begun.id();
        lock(&self.begun).insert(id, begun);
        Ok(id)
    }

    async fn drive(&self, id: ExecutionId, options: DriveOptions) -> Result<Driven, ServiceError> {
        let begun = lock(&self.begun).remove(&id);
        Ok(match begun {
            Some(begun) => begun.drive(options).await?,
            None => self.engine.drive(id, options).await?,
        })
    }

    async fn free(&self, id: ExecutionId) -> Result<(), ServiceError> {
        let store = self.engine.store();
        let mut wakeups = store.watch(id).await?;
        while store.execution(id).await?.runner.is_some() {
            // A runner that died wakes nobody.
            let _ = tokio::time::timeout(Duration::from_millis(250), wakeups.changed()).await;
        }
        Ok(())
    }

    async fn list(&self, query: &ListQuery) -> Result<Listing<ExecutionSummary>, ServiceError> {
        executions::list(&self.engine, query).await
    }

    async fn get(&self, id: ExecutionId) -> Result<ExecutionView, ServiceError> {
        executions::get(&self.engine, id).await
    }

    async fn latest(&self, query: &ListQuery) -> Result<ExecutionView, ServiceError> {
        executions::latest(&self.engine, query).await
    }

    async fn journal(&self, id: ExecutionId) -> Result<Vec<JournalCall>, ServiceError> {
        executions::journal(&self.engine, id).await
    }

    async fn accesses(&self, id: ExecutionId, query: &AccessQuery) -> Result<Vec<AccessView>, ServiceError> {
        accesses::list(&self.engine, id, query).await
    }

    async fn logs(&self, id: ExecutionId, query: &LogQuery) -> Result<Vec<LogEntry>, ServiceError> {
        logs::read(&self.engine, id, query).await
    }

    async fn follow(&self, id: ExecutionId, query: &LogQuery) -> Result<Follow, ServiceError> {
        logs::follow(&self.engine, id, query).await
    }

    async fn pending_waits(&self, id: Option<ExecutionId>) -> Result<Vec<PendingWaitView>, ServiceError> {
        waits::pending(&self.engine, id).await
    }

    async fn input(&self, id: ExecutionId, wait: Option<&str>, value: &Value) -> Result<(), ServiceError> {
        let wait = waits::select(&self.engine, id, wait).await?;
        Ok(self.engine.answer(&wait, value).await?)
    }

    async fn abort_wait(&self, id: ExecutionId, wait: Option<&str>) -> Result<(), ServiceError> {
        let wait = waits::select(&self.engine, id, wait).await?;
        Ok(self.engine.abort_wait(&wait).await?)
    }

    async fn check_resumable(&self, id: ExecutionId) -> Result<(), ServiceError> {
        Ok(self.engine.check_resumable(id).await?)
    }

    async fn retry(&self, id: ExecutionId, component: Option<&[u8]>) -> Result<(), ServiceError> {
        Ok(self.engine.reopen(id, component).await?)
    }

    async fn replay(&self, source: ExecutionId, command: ReplayCommand) -> Result<ExecutionId, ServiceError> {
        let models = models::known(&self.models).await?.frozen;
        Ok(self.engine.replay(replays::order(source, command, models)?).await?)
    }

    async fn cancel(&self, id: ExecutionId) -> Result<(), ServiceError> {
        Ok(self.engine.cancel(id).await?)
    }

    async fn artifacts(&self, id: ExecutionId, query: &ArtifactQuery) -> Result<Vec<ArtifactRef>, ServiceError> {
        executions::artifacts(&self.engine, id, query).await
    }

    async fn artifact(&self, artifact_id: &str) -> Result<ArtifactValueView, ServiceError> {
        executions::artifact(&self.engine, artifact_id).await
    }

    async fn store_summary(&self) -> Result<StoreView, ServiceError> {
        executions::summary(&self.engine).await
    }

    async fn remembered_grants(&self) -> Result<Vec<RememberedGrantsView>, ServiceError> {
        grants::list(&self.grants).await
    }

    async fn granted_for_good(&self, component: ComponentDigest) -> Result<Grants, ServiceError> {
        grants::of(&self.grants, component).await
    }

    async fn remember_grants(&self, component: ComponentDigest, flows: Vec<String>, granted: Grants) -> Result<(), ServiceError> {
        grants::remember(&self.grants, component, flows, granted).await
    }

    async fn forget_grants(&self, which: ForgottenGrants) -> Result<Vec<RememberedGrantsView>, ServiceError> {
        grants::forget(&self.grants, which).await
    }

    async fn set_secret(&self, change: SecretChange) -> Result<SecretChangedView, ServiceError> {
        let set = secrets::set(&self.engine, &change).await?;
        self.tell_models_changed().await;
        Ok(set)
    }

    async fn secret(&self, name_or_id: &str, reveal: bool) -> Result<SecretDetailView, ServiceError> {
        secrets::show(&self.engine, name_or_id, reveal).await
    }

    async fn secrets(&self) -> Result<Vec<SecretView>, ServiceError> {
        secrets::list(&self.engine).await
    }

    async fn delete_secret(&self, name_or_id: &str) -> Result<SecretChangedView, ServiceError> {
        secrets::delete(&self.engine, name_or_id).await
    }

    async fn register_model(&self, change: ModelChange) -> Result<ModelChangedView, ServiceError> {
        let registered = models::register(&self.engine, &self.models, change).await?;
        self.tell_models_changed().await;
        Ok(registered)
    }

    async fn models(&self) -> Result<Vec<ModelView>, ServiceError> {
        models::list(&self.models).await
    }

    async fn model(&self, alias: &str) -> Result<ModelDetailView, ServiceError> {
        models::show(&self.models, alias).await
    }

    async fn remove_model(&self, alias: &str) -> Result<ModelChangedView, ServiceError> {
        models::remove(&self.models, alias).await
    }

    async fn test_model(&self, model: Option<&str>, with_call: bool) -> Result<ModelTestView, ServiceError> {
        models::try_out(&self.engine, &self.models, model, with_call).await
    }

    async fn model_usage(&self, query: &ModelUsageQuery) -> Result<ModelUsageReport, ServiceError> {
        models::summed(&self.engine, query).await
    }

    async fn models_summary(&self) -> Result<ModelsView, ServiceError> {
        models::summary(&self.models).await
    }
}
