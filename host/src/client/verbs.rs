//! Every verb, at a server.

use std::io::{Read, Write};

use async_trait::async_trait;
use kitaru_llm::event::{Event, atif};
use serde_json::Value;

use super::following::event_list;
use super::orders::texts;
use super::{RemoteService, driving, following, resuming};
use crate::engine::{DriveOptions, Driven, Imported, SecretChange, Submission};
use crate::ids::{ComponentDigest, ExecutionId};
use crate::sandbox::Grants;
use crate::secrets::ExposeSecret as _;
use crate::service::verbs::{
    AbortWait, Access, AccessParams, Artifacts, ArtifactsParams, Cancel, Cohort, CohortParams, Component, ComponentParams,
    DiffMatrix, EndedBefore, EndedBeforeParams, Events, EventsParams, ExecutionParams, ForgetGrants, Get, Governed, GrantParams,
    GrantsList, Info, Input, InputParams, Journal, JournalParams, Latest, ListParams, MatrixParams, ModelCalls, ModelList,
    ModelParams, ModelRegister, ModelRegisterParams, ModelRemove, ModelShow, ModelTest, ModelTestParams, ModelUsage,
    ModelUsageParams, Nothing, OnError, PendingWaits, PendingWaitsParams, Resume, Schema_, SecretDelete, SecretList,
    SecretParams, SecretSet, SecretSetParams, SecretShow, StatisticsParams, StatisticsVerb, Status, Summary, Trajectory,
    WaitParams,
};
use crate::service::{
    AccessQuery, AccessView, ArtifactQuery, ArtifactRef, ArtifactValueView, CohortQuery, ComponentView, DeletedView, EventFollow,
    ExecutionDiff, ExecutionSummary, ExecutionView, Follow, ForgottenGrants, GovernedCallView, GroupBy, InfoParams, InfoView,
    JournalCall, JournalQuery, ListQuery, Listing, LogEntry, LogQuery, Metric, ModelCallView, ModelChange, ModelChangedView,
    ModelDetailView, ModelTestView, ModelUsageQuery, ModelUsageReport, ModelView, ModelsView, PendingWaitView,
    RememberedGrantsView, ReplayCommand, ReplaySubmission, SecretChangedView, SecretDetailView, SecretView, Service,
    ServiceError, Statistics, StoreView, SystemView, VerificationView, drive_batch,
};
use crate::store::StartKey;

fn one(id: ExecutionId) -> ExecutionParams {
    ExecutionParams { execution: id.to_string() }
}

/// A submission says all that an execution keeps for life: that is for the host to say that has the configuration.
fn not_submitted() -> ServiceError {
    ServiceError::folder_only("a start with grants and models of one's own")
}

#[async_trait]
impl Service for RemoteService {
    async fn resolve(&self, text: &str) -> Result<ExecutionId, ServiceError> {
        self.named(text).await
    }

    async fn inspect(&self, component: &[u8]) -> Result<ComponentView, ServiceError> {
        self.keep_component(component).await
    }

    async fn flow_schema(&self, id: ExecutionId) -> Result<Value, ServiceError> {
        self.call::<Schema_>(one(id)).await
    }

    async fn submit(&self, _submission: Submission) -> Result<ExecutionId, ServiceError> {
        Err(not_submitted())
    }

    async fn begin(&self, _submission: Submission) -> Result<ExecutionId, ServiceError> {
        Err(not_submitted())
    }

    async fn drive(&self, id: ExecutionId, options: DriveOptions) -> Result<Driven, ServiceError> {
        driving::drive(self, id, options).await
    }

    async fn free(&self, id: ExecutionId) -> Result<(), ServiceError> {
        driving::free(self, id).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Listing<ExecutionSummary>, ServiceError> {
        self.executions(query).await
    }

    async fn get(&self, id: ExecutionId) -> Result<ExecutionView, ServiceError> {
        self.call::<Get>(one(id)).await
    }

    async fn latest(&self, query: &ListQuery) -> Result<ExecutionView, ServiceError> {
        self.call::<Latest>(ListParams { limit: None, ..ListParams::of(query) }).await
    }

    async fn journal(&self, id: ExecutionId, query: JournalQuery) -> Result<Vec<JournalCall>, ServiceError> {
        let params = JournalParams { execution: id.to_string(), after: query.after, limit: query.limit };
        Ok(self.call::<Journal>(params).await?.items)
    }

    async fn accesses(&self, id: ExecutionId, query: &AccessQuery) -> Result<Vec<AccessView>, ServiceError> {
        let kind = query.kind.map(|kind| kind.as_str().to_owned());
        let params = AccessParams { execution: id.to_string(), denied: query.denied, checkpoint: query.checkpoint.clone(), kind };
        Ok(self.call::<Access>(params).await?.items)
    }

    async fn logs(&self, id: ExecutionId, query: &LogQuery) -> Result<Vec<LogEntry>, ServiceError> {
        self.lines(id, query).await
    }

    async fn follow(&self, id: ExecutionId, query: &LogQuery) -> Result<Follow, ServiceError> {
        following::logs(self, id, query).await
    }

    async fn pending_waits(&self, id: Option<ExecutionId>) -> Result<Vec<PendingWaitView>, ServiceError> {
        let params = PendingWaitsParams { execution: id.map(|id| id.to_string()) };
        Ok(self.call::<PendingWaits>(params).await?.items)
    }

    async fn input(&self, id: ExecutionId, wait: Option<&str>, value: &Value) -> Result<(), ServiceError> {
        let params = InputParams { execution: id.to_string(), wait: wait.map(str::to_owned), value: value.clone() };
        self.call::<Input>(params).await.map(drop)
    }

    async fn abort_wait(&self, id: ExecutionId, wait: Option<&str>) -> Result<(), ServiceError> {
        let params = WaitParams { execution: id.to_string(), wait: wait.map(str::to_owned) };
        self.call::<AbortWait>(params).await.map(drop)
    }

    async fn check_resumable(&self, id: ExecutionId) -> Result<(), ServiceError> {
        resuming::resumable(id, &self.get(id).await?)
    }

    async fn retry(&self, id: ExecutionId, component: Option<&[u8]>) -> Result<(), ServiceError> {
        self.retry_with(id, component).await
    }

    async fn replay(&self, source: ExecutionId, command: ReplayCommand) -> Result<ExecutionId, ServiceError> {
        self.replay_one(source, command).await
    }

    async fn cancel(&self, id: ExecutionId) -> Result<(), ServiceError> {
        self.call::<Cancel>(one(id)).await.map(drop)
    }

    async fn artifacts(&self, id: ExecutionId, query: &ArtifactQuery) -> Result<Vec<ArtifactRef>, ServiceError> {
        let ArtifactQuery { name, kind, producing_call, limit } = query.clone();
        let (execution, limit) = (id.to_string(), limit.map(|limit| limit as u64));
        Ok(self.call::<Artifacts>(ArtifactsParams { execution, name, kind, producing_call, limit }).await?.items)
    }

    async fn artifact(&self, artifact_id: &str) -> Result<ArtifactValueView, ServiceError> {
        self.artifact_as_stored(artifact_id).await
    }

    async fn store_summary(&self) -> Result<StoreView, ServiceError> {
        self.call::<Summary>(Nothing {}).await
    }

    async fn remembered_grants(&self) -> Result<Vec<RememberedGrantsView>, ServiceError> {
        Ok(self.call::<GrantsList>(Nothing {}).await?.items)
    }

    async fn granted_for_good(&self, component: ComponentDigest) -> Result<Grants, ServiceError> {
        let (all, digest) = (self.remembered_grants().await?, component.to_string());
        Ok(all.into_iter().find(|one| one.component_digest == digest).map(|one| one.grants).unwrap_or_default())
    }

    async fn remember_grants(&self, _: ComponentDigest, _: Vec<String>, _: Grants) -> Result<(), ServiceError> {
        Err(ServiceError::folder_only("granting something for good"))
    }

    async fn forget_grants(&self, which: ForgottenGrants) -> Result<Vec<RememberedGrantsView>, ServiceError> {
        let digest = match which {
            ForgottenGrants::All => "all".to_owned(),
            // In the path it would mean all of them.
            ForgottenGrants::Of(digest) if digest.trim() == "all" => {
                return Err(ServiceError::NotFound {
                    message: "Nothing is granted for good to a component 'all'.".into(),
                    hint: Some("list what is: kitaru-host grants list".into()),
                });
            }
            ForgottenGrants::Of(digest) => digest,
        };
        Ok(self.call::<ForgetGrants>(GrantParams { digest }).await?.items)
    }

    async fn set_secret(&self, change: SecretChange) -> Result<SecretChangedView, ServiceError> {
        let values = change.values.into_iter().map(|(key, value)| (key, value.expose_secret().to_owned())).collect();
        self.call::<SecretSet>(SecretSetParams { secret: change.name, values, metadata: change.metadata }).await
    }

    async fn secret(&self, name_or_id: &str, reveal: bool) -> Result<SecretDetailView, ServiceError> {
        if reveal {
            return Err(ServiceError::folder_only("showing the values of secrets"));
        }
        self.call::<SecretShow>(SecretParams { secret: name_or_id.to_owned() }).await
    }

    async fn secrets(&self) -> Result<Vec<SecretView>, ServiceError> {
        Ok(self.call::<SecretList>(Nothing {}).await?.items)
    }

    async fn delete_secret(&self, name_or_id: &str) -> Result<SecretChangedView, ServiceError> {
        self.call::<SecretDelete>(SecretParams { secret: name_or_id.to_owned() }).await
    }

    async fn register_model(&self, change: ModelChange) -> Result<ModelChangedView, ServiceError> {
        let ModelChange { alias, model: target, make_default: default } = change;
        self.call::<ModelRegister>(ModelRegisterParams { alias, target, default }).await
    }

    async fn models(&self) -> Result<Vec<ModelView>, ServiceError> {
        Ok(self.call::<ModelList>(Nothing {}).await?.items)
    }

    async fn model(&self, alias: &str) -> Result<ModelDetailView, ServiceError> {
        self.call::<ModelShow>(ModelParams { alias: alias.to_owned() }).await
    }

    async fn remove_model(&self, alias: &str) -> Result<ModelChangedView, ServiceError> {
        self.call::<ModelRemove>(ModelParams { alias: alias.to_owned() }).await
    }

    async fn test_model(&self, model: Option<&str>, with_call: bool) -> Result<ModelTestView, ServiceError> {
        self.call::<ModelTest>(ModelTestParams { model: model.map(str::to_owned), with_call }).await
    }

    async fn model_usage(&self, query: &ModelUsageQuery) -> Result<ModelUsageReport, ServiceError> {
        let by = query.by.map(|by| by.as_str().to_owned());
        let params = ModelUsageParams { by, flow: query.flow.clone(), since_day: query.since, until_day: query.until };
        self.call::<ModelUsage>(params).await
    }

    async fn models_summary(&self) -> Result<ModelsView, ServiceError> {
        Ok(self.system().await?.models)
    }

    async fn put_component(&self, bytes: Vec<u8>, signature: Option<String>) -> Result<ComponentView, ServiceError> {
        self.send_component(bytes, signature).await
    }

    async fn component(&self, digest: ComponentDigest) -> Result<ComponentView, ServiceError> {
        self.call::<Component>(ComponentParams { digest: digest.to_string() }).await
    }

    async fn component_bytes(&self, digest: ComponentDigest) -> Result<Vec<u8>, ServiceError> {
        self.content_of_component(digest).await
    }

    async fn submit_once(&self, _submission: Submission, _start: StartKey) -> Result<ExecutionId, ServiceError> {
        Err(not_submitted())
    }

    async fn resume(&self, id: ExecutionId) -> Result<(), ServiceError> {
        self.call::<Resume>(one(id)).await.map(drop)
    }

    async fn ids(&self, query: &ListQuery) -> Result<Vec<ExecutionId>, ServiceError> {
        self.all_ids(query).await
    }

    async fn replay_batch(
        &self,
        sources: &[String],
        command: ReplayCommand,
        collect: bool,
    ) -> Result<ReplaySubmission, ServiceError> {
        self.order(sources, command, if collect { OnError::Collect } else { OnError::Fail }).await
    }

    async fn drive_batch(&self, submission: &mut ReplaySubmission) -> Result<(), ServiceError> {
        drive_batch(self, submission).await
    }

    async fn drive_all(&self, ids: &[ExecutionId]) -> Result<(), ServiceError> {
        driving::drive_all(self, ids).await
    }

    async fn diff(&self, original: ExecutionId, others: &[ExecutionId]) -> Result<Vec<ExecutionDiff>, ServiceError> {
        self.compared(original, others).await
    }

    async fn diff_matrix(&self, ids: &[ExecutionId]) -> Result<Vec<ExecutionDiff>, ServiceError> {
        Ok(self.call::<DiffMatrix>(MatrixParams { executions: texts(ids) }).await?.items)
    }

    async fn statistics(
        &self,
        query: &ListQuery,
        group_by: &[GroupBy],
        metrics: &[Metric],
        most: usize,
    ) -> Result<Statistics, ServiceError> {
        self.call::<StatisticsVerb>(StatisticsParams::of(query, group_by, metrics, most)).await
    }

    async fn cohort(&self, query: &CohortQuery) -> Result<Vec<ExecutionSummary>, ServiceError> {
        Ok(self.call::<Cohort>(CohortParams::of(query)).await?.items)
    }

    async fn verify(&self, ids: &[ExecutionId], component: Option<&[u8]>) -> Result<Vec<VerificationView>, ServiceError> {
        self.verified(ids, component).await
    }

    async fn upgrade(&self, ids: &[ExecutionId], component: &[u8]) -> Result<Vec<VerificationView>, ServiceError> {
        self.upgraded(ids, component).await
    }

    async fn export(&self, ids: &[ExecutionId], out: &mut (dyn Write + Send)) -> Result<Vec<ExecutionId>, ServiceError> {
        self.download_archive(ids, out).await
    }

    async fn import(&self, archive: &mut (dyn Read + Send), trusted: bool) -> Result<Imported, ServiceError> {
        self.upload_archive(archive, trusted).await
    }

    async fn delete(&self, ids: &[ExecutionId]) -> Result<DeletedView, ServiceError> {
        self.removed(ids).await
    }

    async fn ended_before(&self, days: u32) -> Result<Vec<ExecutionId>, ServiceError> {
        let found = self.call::<EndedBefore>(EndedBeforeParams { days }).await?;
        found.items.iter().map(|id| self.id(id)).collect()
    }

    async fn governed(&self, id: ExecutionId) -> Result<Vec<GovernedCallView>, ServiceError> {
        Ok(self.call::<Governed>(one(id)).await?.items)
    }

    async fn model_calls(&self, id: ExecutionId) -> Result<Vec<ModelCallView>, ServiceError> {
        Ok(self.call::<ModelCalls>(one(id)).await?.items)
    }

    async fn events(&self, id: ExecutionId, content: bool) -> Result<Vec<Event>, ServiceError> {
        event_list(self.call::<Events>(EventsParams { execution: id.to_string(), content }).await?.items)
    }

    async fn trajectory(&self, id: ExecutionId, content: bool) -> Result<atif::Trajectory, ServiceError> {
        let value = self.call::<Trajectory>(EventsParams { execution: id.to_string(), content }).await?;
        serde_json::from_value(value).map_err(|error| ServiceError::state(format!("the trajectory cannot be read: {error}")))
    }

    async fn follow_events(&self, id: ExecutionId, content: bool) -> Result<EventFollow, ServiceError> {
        following::events(self, id, content).await
    }

    async fn system(&self) -> Result<SystemView, ServiceError> {
        self.call::<Status>(Nothing {}).await
    }

    async fn info(&self, params: &InfoParams) -> Result<InfoView, ServiceError> {
        self.call::<Info>(params.clone()).await
    }
}
