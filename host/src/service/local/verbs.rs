//! Every verb, in process.

use std::io::{Read, Write};

use async_trait::async_trait;
use kitaru_llm::event::{Event, atif};
use serde_json::Value;

use super::LocalService;
use crate::access::Scope;
use crate::engine::{DriveOptions, Driven, Imported, SecretChange, Submission};
use crate::ids::{ComponentDigest, ExecutionId};
use crate::mutex::lock;
use crate::sandbox::Grants;
use crate::service::{
    AccessQuery, AccessView, ArtifactQuery, ArtifactRef, ArtifactValueView, CohortQuery, ComponentView, DeletedView, EventFollow,
    ExecutionDiff, ExecutionSummary, ExecutionView, Follow, ForgottenGrants, GovernedCallView, GroupBy, InfoParams, InfoView,
    JournalCall, JournalQuery, ListQuery, Listing, LogEntry, LogQuery, Metric, ModelCallView, ModelChange, ModelChangedView,
    ModelDetailView, ModelTestView, ModelUsageQuery, ModelUsageReport, ModelView, ModelsView, PendingWaitView,
    RememberedGrantsView, ReplayCommand, ReplaySubmission, SecretChangedView, SecretDetailView, SecretView, Service,
    ServiceError, Statistics, StoreView, SystemView, VerificationView, accesses, batch, cohort, components, diff, events,
    executions, governed, grants, info, journal, logs, model_calls, models, replays, resolve, resume, secrets, statistics,
    summaries, system, upkeep, waits,
};
use crate::store::StartKey;

#[async_trait]
impl Service for LocalService {
    async fn resolve(&self, text: &str) -> Result<ExecutionId, ServiceError> {
        resolve::execution(self.engine.store().as_ref(), text).await
    }

    async fn flow_of(&self, id: ExecutionId) -> Result<String, ServiceError> {
        Ok(self.engine.execution(id).await?.new.flow)
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
        Ok(self.engine.until_free(id).await?)
    }

    async fn list(&self, query: &ListQuery) -> Result<Listing<ExecutionSummary>, ServiceError> {
        summaries::list(&self.engine, query).await
    }

    async fn get(&self, id: ExecutionId) -> Result<ExecutionView, ServiceError> {
        executions::get(&self.engine, id).await
    }

    async fn latest(&self, query: &ListQuery) -> Result<ExecutionView, ServiceError> {
        executions::latest(&self.engine, query).await
    }

    async fn journal(&self, id: ExecutionId, query: JournalQuery) -> Result<Vec<JournalCall>, ServiceError> {
        journal::calls(self, id, query).await
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
        let most = replays::most_of(self, source).await?;
        Ok(self.engine.replay(replays::order(source, command, models, self.behalf.starter(), most)?).await?)
    }

    async fn has_grants_of_others(&self, id: ExecutionId) -> Result<bool, ServiceError> {
        replays::has_grants_of_others(self, id).await
    }

    async fn acts_within(&self, id: ExecutionId) -> Result<Scope, ServiceError> {
        replays::acts_within(self, id).await
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

    async fn put_component(&self, bytes: Vec<u8>, signature: Option<String>) -> Result<ComponentView, ServiceError> {
        components::put(self, bytes, signature).await
    }

    async fn component(&self, digest: ComponentDigest) -> Result<ComponentView, ServiceError> {
        components::kept(&self.engine, digest).await
    }

    async fn component_bytes(&self, digest: ComponentDigest) -> Result<Vec<u8>, ServiceError> {
        components::bytes(&self.engine, digest).await
    }

    async fn submit_once(&self, submission: Submission, start: StartKey) -> Result<ExecutionId, ServiceError> {
        Ok(self.engine.submit_once(submission, start).await?)
    }

    async fn resume(&self, id: ExecutionId) -> Result<(), ServiceError> {
        resume::resume(self, id).await
    }

    async fn ids(&self, query: &ListQuery) -> Result<Vec<ExecutionId>, ServiceError> {
        upkeep::ids(self, query).await
    }

    async fn replay_batch(
        &self,
        sources: &[String],
        command: ReplayCommand,
        collect: bool,
    ) -> Result<ReplaySubmission, ServiceError> {
        batch::replay(self, sources, command, collect).await
    }

    async fn drive_batch(&self, submission: &mut ReplaySubmission) -> Result<(), ServiceError> {
        batch::drive_batch(self, submission).await
    }

    async fn drive_all(&self, ids: &[ExecutionId]) -> Result<(), ServiceError> {
        batch::drive_all(self, ids, DriveOptions::default()).await
    }

    async fn diff(&self, original: ExecutionId, others: &[ExecutionId]) -> Result<Vec<ExecutionDiff>, ServiceError> {
        diff::with(self, original, others).await
    }

    async fn diff_matrix(&self, ids: &[ExecutionId]) -> Result<Vec<ExecutionDiff>, ServiceError> {
        diff::matrix(self, ids).await
    }

    async fn statistics(
        &self,
        query: &ListQuery,
        group_by: &[GroupBy],
        metrics: &[Metric],
        most: usize,
    ) -> Result<Statistics, ServiceError> {
        statistics::measure(self, query, group_by, metrics, most).await
    }

    async fn cohort(&self, query: &CohortQuery) -> Result<Vec<ExecutionSummary>, ServiceError> {
        cohort::find(self, query).await
    }

    async fn verify(&self, ids: &[ExecutionId], component: Option<&[u8]>) -> Result<Vec<VerificationView>, ServiceError> {
        upkeep::verify(self, ids, component).await
    }

    async fn upgrade(&self, ids: &[ExecutionId], component: &[u8]) -> Result<Vec<VerificationView>, ServiceError> {
        upkeep::upgrade(self, ids, component).await
    }

    async fn export(&self, ids: &[ExecutionId], mut out: &mut (dyn Write + Send)) -> Result<Vec<ExecutionId>, ServiceError> {
        Ok(self.engine.export(ids, &mut out).await?)
    }

    async fn import(&self, archive: &mut (dyn Read + Send), trusted: bool) -> Result<Imported, ServiceError> {
        Ok(self.engine.import(archive, trusted).await?)
    }

    async fn delete(&self, ids: &[ExecutionId]) -> Result<DeletedView, ServiceError> {
        upkeep::delete(self, ids).await
    }

    async fn ended_before(&self, days: u32) -> Result<Vec<ExecutionId>, ServiceError> {
        upkeep::ended_before(self, days).await
    }

    async fn governed(&self, id: ExecutionId) -> Result<Vec<GovernedCallView>, ServiceError> {
        governed::of(self, id).await
    }

    async fn model_calls(&self, id: ExecutionId) -> Result<Vec<ModelCallView>, ServiceError> {
        model_calls::of(self, id).await
    }

    async fn events(&self, id: ExecutionId, content: bool) -> Result<Vec<Event>, ServiceError> {
        events::all(self, id, content).await
    }

    async fn trajectory(&self, id: ExecutionId, content: bool) -> Result<atif::Trajectory, ServiceError> {
        events::trajectory(self, id, content).await
    }

    async fn follow_events(&self, id: ExecutionId, content: bool) -> Result<EventFollow, ServiceError> {
        events::follow(self, id, content).await
    }

    async fn system(&self) -> Result<SystemView, ServiceError> {
        system::view(self).await
    }

    async fn info(&self, params: &InfoParams) -> Result<InfoView, ServiceError> {
        info::view(self, &self.facts, params).await
    }
}
