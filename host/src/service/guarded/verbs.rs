//! Every verb, behind what the caller may.

use std::io::{Read, Write};

use async_trait::async_trait;
use kitaru_llm::event::{Event, atif};
use serde_json::Value;

use super::{GuardedService, never};
use crate::access::Role;
use crate::engine::{DriveOptions, Driven, Imported, SecretChange, Submission};
use crate::ids::{ComponentDigest, ExecutionId};
use crate::sandbox::Grants;
use crate::service::{
    AccessQuery, AccessView, ArtifactQuery, ArtifactRef, ArtifactValueView, CohortQuery, ComponentView, DeletedView, EventFollow,
    ExecutionDiff, ExecutionSummary, ExecutionView, Follow, ForgottenGrants, GovernedCallView, GroupBy, InfoParams, InfoView,
    JournalCall, JournalQuery, ListQuery, Listing, LogEntry, LogQuery, Metric, ModelCallView, ModelChange, ModelChangedView,
    ModelDetailView, ModelTestView, ModelUsageQuery, ModelUsageReport, ModelView, ModelsView, PendingWaitView,
    RememberedGrantsView, ReplayCommand, ReplaySubmission, SecretChangedView, SecretDetailView, SecretView, Service,
    ServiceError, Statistics, StoreView, SystemView, VerificationView,
};
use crate::store::StartKey;

#[async_trait]
impl Service for GuardedService {
    async fn resolve(&self, text: &str) -> Result<ExecutionId, ServiceError> {
        self.seen(text).await
    }

    async fn flow_of(&self, id: ExecutionId) -> Result<String, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.flow_of(id).await
    }

    async fn inspect(&self, component: &[u8]) -> Result<ComponentView, ServiceError> {
        self.need(Role::Author)?;
        self.inner.inspect(component).await
    }

    async fn flow_schema(&self, id: ExecutionId) -> Result<Value, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.flow_schema(id).await
    }

    async fn submit(&self, submission: Submission) -> Result<ExecutionId, ServiceError> {
        // It says itself what it is granted.
        self.need_all(Role::Admin)?;
        self.inner.submit(submission).await
    }

    async fn begin(&self, submission: Submission) -> Result<ExecutionId, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.begin(submission).await
    }

    async fn drive(&self, id: ExecutionId, options: DriveOptions) -> Result<Driven, ServiceError> {
        self.need_for(Role::Operator, id).await?;
        self.inner.drive(id, options).await
    }

    async fn free(&self, id: ExecutionId) -> Result<(), ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.free(id).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Listing<ExecutionSummary>, ServiceError> {
        self.inner.list(&self.within(query)?).await
    }

    async fn get(&self, id: ExecutionId) -> Result<ExecutionView, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.get(id).await
    }

    async fn latest(&self, query: &ListQuery) -> Result<ExecutionView, ServiceError> {
        self.inner.latest(&self.within(query)?).await
    }

    async fn journal(&self, id: ExecutionId, query: JournalQuery) -> Result<Vec<JournalCall>, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.journal(id, query).await
    }

    async fn accesses(&self, id: ExecutionId, query: &AccessQuery) -> Result<Vec<AccessView>, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.accesses(id, query).await
    }

    async fn logs(&self, id: ExecutionId, query: &LogQuery) -> Result<Vec<LogEntry>, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.logs(id, query).await
    }

    async fn follow(&self, id: ExecutionId, query: &LogQuery) -> Result<Follow, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.follow(id, query).await
    }

    async fn pending_waits(&self, id: Option<ExecutionId>) -> Result<Vec<PendingWaitView>, ServiceError> {
        self.need(Role::Viewer)?;
        if let Some(id) = id {
            self.sees(id).await?;
            return self.inner.pending_waits(Some(id)).await;
        }
        Ok(self.seen_waits(self.inner.pending_waits(None).await?))
    }

    async fn input(&self, id: ExecutionId, wait: Option<&str>, value: &Value) -> Result<(), ServiceError> {
        self.need_for(Role::Operator, id).await?;
        self.inner.input(id, wait, value).await
    }

    async fn abort_wait(&self, id: ExecutionId, wait: Option<&str>) -> Result<(), ServiceError> {
        self.need_for(Role::Operator, id).await?;
        self.inner.abort_wait(id, wait).await
    }

    async fn check_resumable(&self, id: ExecutionId) -> Result<(), ServiceError> {
        self.need_for(Role::Operator, id).await?;
        self.inner.check_resumable(id).await
    }

    async fn retry(&self, id: ExecutionId, component: Option<&[u8]>) -> Result<(), ServiceError> {
        self.need_for(Role::Operator, id).await?;
        if component.is_some() {
            self.need_to_bring_code(&[id]).await?;
        }
        self.inner.retry(id, component).await
    }

    async fn replay(&self, source: ExecutionId, command: ReplayCommand) -> Result<ExecutionId, ServiceError> {
        self.need_for(Role::Author, source).await?;
        self.need_to_order(&command)?;
        self.need_to_change(source, &command).await?;
        self.inner.replay(source, command).await
    }

    async fn cancel(&self, id: ExecutionId) -> Result<(), ServiceError> {
        self.need_for(Role::Operator, id).await?;
        self.inner.cancel(id).await
    }

    async fn artifacts(&self, id: ExecutionId, query: &ArtifactQuery) -> Result<Vec<ArtifactRef>, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.artifacts(id, query).await
    }

    async fn artifact(&self, artifact_id: &str) -> Result<ArtifactValueView, ServiceError> {
        self.need(Role::Viewer)?;
        // It begins with its execution; whatever does not is no artifact, and nobody's.
        let Some((execution, _)) = artifact_id.split_once(':') else { return self.inner.artifact(artifact_id).await };
        self.resolve(execution).await?;
        self.inner.artifact(artifact_id).await
    }

    async fn store_summary(&self) -> Result<StoreView, ServiceError> {
        self.need_all(Role::Viewer)?;
        self.inner.store_summary().await
    }

    async fn remembered_grants(&self) -> Result<Vec<RememberedGrantsView>, ServiceError> {
        self.need(Role::Viewer)?;
        let mut all = self.inner.remembered_grants().await?;
        all.retain(|one| self.caller.scope.is_all() || one.flows.iter().any(|flow| self.caller.scope.covers(flow)));
        Ok(all)
    }

    async fn granted_for_good(&self, component: ComponentDigest) -> Result<Grants, ServiceError> {
        self.need_all(Role::Viewer)?;
        self.inner.granted_for_good(component).await
    }

    async fn remember_grants(&self, component: ComponentDigest, flows: Vec<String>, grants: Grants) -> Result<(), ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.remember_grants(component, flows, grants).await
    }

    async fn forget_grants(&self, which: ForgottenGrants) -> Result<Vec<RememberedGrantsView>, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.forget_grants(which).await
    }

    async fn set_secret(&self, change: SecretChange) -> Result<SecretChangedView, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.set_secret(change).await
    }

    async fn secret(&self, name_or_id: &str, reveal: bool) -> Result<SecretDetailView, ServiceError> {
        self.need_all(Role::Author)?;
        if reveal {
            return Err(never("values of secrets are not shown"));
        }
        self.inner.secret(name_or_id, false).await
    }

    async fn secrets(&self) -> Result<Vec<SecretView>, ServiceError> {
        self.need_all(Role::Author)?;
        self.inner.secrets().await
    }

    async fn delete_secret(&self, name_or_id: &str) -> Result<SecretChangedView, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.delete_secret(name_or_id).await
    }

    async fn register_model(&self, change: ModelChange) -> Result<ModelChangedView, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.register_model(change).await
    }

    async fn models(&self) -> Result<Vec<ModelView>, ServiceError> {
        self.need(Role::Viewer)?;
        self.inner.models().await
    }

    async fn model(&self, alias: &str) -> Result<ModelDetailView, ServiceError> {
        self.need(Role::Viewer)?;
        self.inner.model(alias).await
    }

    async fn remove_model(&self, alias: &str) -> Result<ModelChangedView, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.remove_model(alias).await
    }

    async fn test_model(&self, model: Option<&str>, with_call: bool) -> Result<ModelTestView, ServiceError> {
        // It costs what belongs to all.
        self.need_all(Role::Author)?;
        self.inner.test_model(model, with_call).await
    }

    async fn model_usage(&self, query: &ModelUsageQuery) -> Result<ModelUsageReport, ServiceError> {
        self.need(Role::Viewer)?;
        match &query.flow {
            Some(flow) => self.caller.require_flow(flow)?,
            None => self.caller.require_all_flows()?,
        }
        self.inner.model_usage(query).await
    }

    async fn models_summary(&self) -> Result<ModelsView, ServiceError> {
        self.need(Role::Viewer)?;
        let models = self.inner.models_summary().await?;
        Ok(if self.sees_places() { models } else { models.without_places() })
    }

    async fn put_component(&self, bytes: Vec<u8>, signature: Option<String>) -> Result<ComponentView, ServiceError> {
        self.need(Role::Author)?;
        self.inner.put_component(bytes, signature).await
    }

    async fn component(&self, digest: ComponentDigest) -> Result<ComponentView, ServiceError> {
        self.need(Role::Viewer)?;
        self.inner.component(digest).await
    }

    async fn component_bytes(&self, digest: ComponentDigest) -> Result<Vec<u8>, ServiceError> {
        self.need(Role::Viewer)?;
        self.inner.component_bytes(digest).await
    }

    async fn submit_once(&self, submission: Submission, start: StartKey) -> Result<ExecutionId, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.submit_once(submission, start).await
    }

    async fn resume(&self, id: ExecutionId) -> Result<(), ServiceError> {
        self.need_for(Role::Operator, id).await?;
        self.inner.resume(id).await
    }

    async fn ids(&self, query: &ListQuery) -> Result<Vec<ExecutionId>, ServiceError> {
        self.inner.ids(&self.within(query)?).await
    }

    async fn replay_batch(
        &self,
        sources: &[String],
        command: ReplayCommand,
        collect: bool,
    ) -> Result<ReplaySubmission, ServiceError> {
        self.need(Role::Author)?;
        self.need_to_order(&command)?;
        self.need_to_change_each(sources, &command).await?;
        if self.caller.scope.is_all() {
            return self.inner.replay_batch(sources, command, collect).await;
        }
        // What a caller does not see is no source, and whole identifiers begin nothing else.
        let ids: Vec<String> = self.resolve_all(sources).await?.iter().map(ToString::to_string).collect();
        self.inner.replay_batch(&ids, command, collect).await
    }

    async fn drive_batch(&self, submission: &mut ReplaySubmission) -> Result<(), ServiceError> {
        let ids: Vec<ExecutionId> = submission.results.iter().filter_map(|one| one.replay_exec_id.parse().ok()).collect();
        self.need_for_each(Role::Author, &ids).await?;
        self.inner.drive_batch(submission).await
    }

    async fn drive_all(&self, ids: &[ExecutionId]) -> Result<(), ServiceError> {
        self.need_for_each(Role::Operator, ids).await?;
        self.inner.drive_all(ids).await
    }

    async fn diff(&self, original: ExecutionId, others: &[ExecutionId]) -> Result<Vec<ExecutionDiff>, ServiceError> {
        self.need_for(Role::Viewer, original).await?;
        // Where none is named its replays are meant, which are of the same flow.
        self.need_for_each(Role::Viewer, others).await?;
        self.inner.diff(original, others).await
    }

    async fn diff_matrix(&self, ids: &[ExecutionId]) -> Result<Vec<ExecutionDiff>, ServiceError> {
        self.need_for_each(Role::Viewer, ids).await?;
        self.inner.diff_matrix(ids).await
    }

    async fn statistics(
        &self,
        query: &ListQuery,
        group_by: &[GroupBy],
        metrics: &[Metric],
        most: usize,
    ) -> Result<Statistics, ServiceError> {
        self.inner.statistics(&self.within(query)?, group_by, metrics, most).await
    }

    async fn cohort(&self, query: &CohortQuery) -> Result<Vec<ExecutionSummary>, ServiceError> {
        let query = CohortQuery { filter: self.within(&query.filter)?, ..query.clone() };
        self.inner.cohort(&query).await
    }

    async fn verify(&self, ids: &[ExecutionId], component: Option<&[u8]>) -> Result<Vec<VerificationView>, ServiceError> {
        self.need_for_each(Role::Viewer, ids).await?;
        self.inner.verify(ids, component).await
    }

    async fn upgrade(&self, ids: &[ExecutionId], component: &[u8]) -> Result<Vec<VerificationView>, ServiceError> {
        self.need_for_each(Role::Author, ids).await?;
        self.need_to_bring_code(ids).await?;
        self.inner.upgrade(ids, component).await
    }

    async fn export(&self, ids: &[ExecutionId], out: &mut (dyn Write + Send)) -> Result<Vec<ExecutionId>, ServiceError> {
        // With them go those that they replay, and their children: of whatever flow.
        self.need_all(Role::Author)?;
        self.inner.export(ids, out).await
    }

    async fn import(&self, archive: &mut (dyn Read + Send), trusted: bool) -> Result<Imported, ServiceError> {
        self.need_all(Role::Admin)?;
        self.inner.import(archive, trusted).await
    }

    async fn delete(&self, ids: &[ExecutionId]) -> Result<DeletedView, ServiceError> {
        self.need_for_each(Role::Admin, ids).await?;
        self.inner.delete(ids).await
    }

    async fn ended_before(&self, days: u32) -> Result<Vec<ExecutionId>, ServiceError> {
        self.need(Role::Admin)?;
        self.seen_of(self.inner.ended_before(days).await?).await
    }

    async fn governed(&self, id: ExecutionId) -> Result<Vec<GovernedCallView>, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.governed(id).await
    }

    async fn model_calls(&self, id: ExecutionId) -> Result<Vec<ModelCallView>, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.model_calls(id).await
    }

    async fn events(&self, id: ExecutionId, content: bool) -> Result<Vec<Event>, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.events(id, content).await
    }

    async fn trajectory(&self, id: ExecutionId, content: bool) -> Result<atif::Trajectory, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.trajectory(id, content).await
    }

    async fn follow_events(&self, id: ExecutionId, content: bool) -> Result<EventFollow, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.follow_events(id, content).await
    }

    async fn system(&self) -> Result<SystemView, ServiceError> {
        self.need_all(Role::Viewer)?;
        let view = self.inner.system().await?;
        Ok(if self.sees_places() { view } else { view.without_places() })
    }

    async fn info(&self, params: &InfoParams) -> Result<InfoView, ServiceError> {
        self.need_all(Role::Viewer)?;
        let view = self.inner.info(params).await?;
        Ok(if self.sees_places() { view } else { view.without_places() })
    }
}
