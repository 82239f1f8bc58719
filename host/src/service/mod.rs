//! Every verb of the product, once, typed in and out. Surfaces parse, call and render; the rules are here and below.
//!
//! [`Service`] is what a surface sees. [`LocalService`] implements it in process, over the engine and its store.

mod access;
mod accesses;
mod batch;
mod briefs;
mod built;
mod changes;
mod chunks;
pub mod clean;
mod cohort;
mod components;
mod costs;
mod deltas;
mod diff;
mod error;
mod events;
mod executions;
mod flows;
mod folded;
mod frozen;
mod governed;
mod grants;
pub mod guarded;
mod info;
mod journal;
mod local;
mod log_store;
mod logs;
mod middleware;
mod model_calls;
mod models;
mod remote_error;
mod replays;
mod resolve;
mod resume;
mod secrets;
mod statistics;
mod summaries;
mod system;
mod unfinished;
mod upkeep;
pub mod verbs;
mod views;
mod waits;
mod walls;
mod watching;

use std::io::{Read, Write};
use std::path::PathBuf;

use async_trait::async_trait;
use kitaru_llm::event::{Event, atif};
use serde_json::{Map, Value};

pub use access::{
    AccessVerbs, ApiKeyMadeView, ApiKeyParams, ApiKeyView, AuditEntryView, AuditListing, AuditParams, CreateApiKeyParams,
    CreateServiceAccountParams, DeletedApiKeyView, DeletedServiceAccountView, ListApiKeysParams, ListServiceAccountsParams,
    RotateApiKeyParams, ServiceAccountParams, ServiceAccountView, ShownOnce, TokenParams, TokenView, UpdateApiKeyParams,
    UpdateServiceAccountParams, WaitLinkParams, WaitLinkView, WhoAmIView,
};
pub use accesses::{AccessQuery, AccessSum, AccessView, CapabilitiesView};
pub(crate) use batch::drive_batch;
pub use batch::{ReplayLeft, ReplayResult, ReplaySubmission};
pub use built::long_version;
pub use changes::ExecutionChangesView;
pub use chunks::{ChunkFollow, FollowingChunks, LiveVerbs};
pub use cohort::CohortQuery;
pub use costs::CheckpointUsage;
pub use deltas::TokenDelta;
pub use diff::{AppliedOverride, ArtifactDiff, CheckpointDiff, ExecutionDiff};
pub use error::ServiceError;
pub use events::{EventBatch, EventBatches, EventFollow, FollowingEvents};
pub use flows::{
    CurlView, DeletedDeploymentView, DeletedFlowView, DeployParams, DeploymentParams, DeploymentView, FlowParams, FlowVerbs,
    FlowView, HostDefaults, InvokeParams, LOCAL_CALLER, ListFlowsParams, RunParams, SelectorView, TagParams, UntagParams,
    granted_to_deployment, parse_digest, start_key,
};
pub use governed::GovernedCallView;
pub use grants::{ForgottenGrants, RememberedGrantsView};
pub use info::{DiskView, HostFacts, HostLimitsView, InfoParams, InfoView, LogDestinationView, MachineView, Sizes};
pub use journal::JournalQuery;
pub use local::LocalService;
pub use log_store::{LogStoreView, log_store_settings};
pub use logs::{Follow, FollowEvent, Following, LogQuery};
pub use middleware::{MiddlewareLoadError, MiddlewareLoadProblem, load_middleware, signature_beside};
pub use model_calls::ModelCallView;
pub use models::{
    BudgetView, ModelChange, ModelChangedView, ModelCheck, ModelDetailView, ModelTestView, ModelUsageQuery, ModelUsageReport,
    ModelUsageView, ModelView, ModelsView, RouteView, UsageGroup,
};
pub use remote_error::RemoteError;
pub use secrets::{RevealedValues, SecretChangedView, SecretDetailView, SecretView};
pub use statistics::{GroupBy, Metric, Statistics, StatisticsGroup};
pub use system::SystemView;
pub use unfinished::{Done, Unfinished};
pub use upkeep::{DeletedView, VerificationView};
pub use views::{
    ArtifactRef, ArtifactValueView, AttemptView, CheckpointView, ComponentView, ExecutionSummary, ExecutionView, FailureView,
    JournalCall, LogEntry, PendingWaitView, ResourcesView, SignatureView, SignerView, StoreView, WaitView, Word,
};

pub use walls::granted;
pub use watching::{ExecutionMark, OpenExecution};

use crate::access::Scope;
use crate::clock::Timestamp;
use crate::engine::{DriveOptions, Driven, Imported, SecretChange, Submission};
use crate::ids::{ComponentDigest, ExecutionId};
use crate::sandbox::{Grants, LimitChanges};
use crate::store::{StartKey, StartedAs, Status};

/// Which executions to list.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Only this status.
    pub status: Option<Status>,
    /// Only this flow.
    pub flow: Option<String>,
    /// Only started as this version of a published flow. A number is one of `flow`.
    pub deployment: Option<StartedAs>,
    /// Only flows with one of these names, or whose names begin as one of these does before a `*` at its end: what a caller may see.
    pub flows: Option<Vec<String>>,
    /// Only with all of these labels.
    pub tags: Vec<String>,
    /// Only created at this moment or later.
    pub since: Option<Timestamp>,
    /// Only created before this moment.
    pub until: Option<Timestamp>,
    /// Only with these values in the flow's metadata.
    pub metadata: Vec<(String, Value)>,
    /// Only replays of this execution.
    pub original: Option<ExecutionId>,
    /// Only children of this execution.
    pub parent: Option<ExecutionId>,
    /// Only with all of these words, in lower case: in the flow's name, the ID, the status, the labels, the status reason or an open question.
    pub words: Vec<String>,
    /// Go on after the page that had this cursor.
    pub cursor: Option<u64>,
    /// How many to leave out.
    pub offset: u64,
    /// How many to give at most.
    pub limit: u64,
}

impl ListQuery {
    /// Whether it leaves any execution out.
    pub fn is_narrow(&self) -> bool {
        let Self { status, flow, deployment, tags, since, until, metadata, original, parent, words, .. } = self;
        let named = status.is_some() || flow.is_some() || deployment.is_some() || original.is_some() || parent.is_some();
        named || since.is_some() || until.is_some() || !tags.is_empty() || !metadata.is_empty() || !words.is_empty()
    }
}

/// A page of a list.
#[derive(Clone, Debug)]
pub struct Listing<T> {
    /// The items.
    pub items: Vec<T>,
    /// How many there are on all pages; of a search by words, how many this page has looked through.
    pub total: u64,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<u64>,
}

/// Which artifacts to list.
#[derive(Clone, Debug, Default)]
pub struct ArtifactQuery {
    /// Only of this name.
    pub name: Option<String>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Only of the checkpoint with this name, invocation ID or call ID.
    pub producing_call: Option<String>,
    /// At most so many.
    pub limit: Option<usize>,
}

/// A replay, as a surface asks for it.
#[derive(Clone, Debug, Default)]
pub struct ReplayCommand {
    /// Selector of the anchor.
    pub from: Option<String>,
    /// `checkpoint.<selector>` with the output to use.
    pub overrides: Vec<(String, Value)>,
    /// By checkpoint: an object with `input` or `output`, for all of its calls.
    pub checkpoint_overrides: Map<String, Value>,
    /// By invocation ID or call ID: the same for one call.
    pub invocation_overrides: Map<String, Value>,
    /// Calls after the anchor that are served all the same.
    pub skip: Vec<String>,
    /// Serve calls after the anchor too, where they are the same as in the source.
    pub reuse_unchanged: bool,
    /// Labels of the new execution.
    pub tags: Vec<String>,
    /// Flow arguments to change.
    pub inputs: Map<String, Value>,
    /// Ask answered waits before the live part again.
    pub ask_again: bool,
    /// Another version of the code.
    pub component: Option<Vec<u8>>,
    /// Grants beside those that the source had.
    pub grants: Grants,
    /// All that the component declares is granted too, with folders below this one.
    pub needs_in: Option<PathBuf>,
    /// Limits other than those that the source had.
    pub limits: LimitChanges,
}

/// The verbs.
#[async_trait]
pub trait Service: AccessVerbs + FlowVerbs + LiveVerbs + Send + Sync {
    /// The execution that `text` names: an ID or a unique prefix of one.
    async fn resolve(&self, text: &str) -> Result<ExecutionId, ServiceError>;
    /// The flow of an execution.
    async fn flow_of(&self, id: ExecutionId) -> Result<String, ServiceError> {
        Ok(self.get(id).await?.summary.flow_name)
    }
    /// Says what a component is, without running it.
    async fn inspect(&self, component: &[u8]) -> Result<ComponentView, ServiceError>;
    /// JSON Schema of the input of an execution's flow.
    async fn flow_schema(&self, id: ExecutionId) -> Result<Value, ServiceError>;
    /// Creates an execution.
    async fn submit(&self, submission: Submission) -> Result<ExecutionId, ServiceError>;
    /// Creates an execution that the caller is about to drive here: nobody else takes it up before that.
    async fn begin(&self, submission: Submission) -> Result<ExecutionId, ServiceError>;
    /// Drives an execution to its next stop.
    async fn drive(&self, id: ExecutionId, options: DriveOptions) -> Result<Driven, ServiceError>;
    /// Returns when nobody drives an execution.
    async fn free(&self, id: ExecutionId) -> Result<(), ServiceError>;
    /// Executions, newest first.
    async fn list(&self, query: &ListQuery) -> Result<Listing<ExecutionSummary>, ServiceError>;
    /// One execution, whole.
    async fn get(&self, id: ExecutionId) -> Result<ExecutionView, ServiceError>;
    /// The newest execution that passes the query.
    async fn latest(&self, query: &ListQuery) -> Result<ExecutionView, ServiceError>;
    /// Durable calls of an execution, with inputs and outputs.
    async fn journal(&self, id: ExecutionId, query: JournalQuery) -> Result<Vec<JournalCall>, ServiceError>;
    /// What its checkpoints used and were denied.
    async fn accesses(&self, id: ExecutionId, query: &AccessQuery) -> Result<Vec<AccessView>, ServiceError>;
    /// Log lines.
    async fn logs(&self, id: ExecutionId, query: &LogQuery) -> Result<Vec<LogEntry>, ServiceError>;
    /// Log lines as they come, until the execution ends.
    async fn follow(&self, id: ExecutionId, query: &LogQuery) -> Result<Follow, ServiceError>;
    /// Open waits of one execution, or of all.
    async fn pending_waits(&self, id: Option<ExecutionId>) -> Result<Vec<PendingWaitView>, ServiceError>;
    /// Answers a wait; the only open one where none is named.
    async fn input(&self, id: ExecutionId, wait: Option<&str>, value: &Value) -> Result<(), ServiceError>;
    /// Ends a wait without an answer.
    async fn abort_wait(&self, id: ExecutionId, wait: Option<&str>) -> Result<(), ServiceError>;
    /// Checks that an execution can be driven on by hand.
    async fn check_resumable(&self, id: ExecutionId) -> Result<(), ServiceError>;
    /// Reopens a failed execution, with a fixed component if one is given.
    async fn retry(&self, id: ExecutionId, component: Option<&[u8]>) -> Result<(), ServiceError>;
    /// Creates a replay.
    async fn replay(&self, source: ExecutionId, command: ReplayCommand) -> Result<ExecutionId, ServiceError>;
    /// Whether an execution was granted what whoever asks could not start it with. Where that is not known, it was.
    async fn has_grants_of_others(&self, _id: ExecutionId) -> Result<bool, ServiceError> {
        Ok(true)
    }
    /// The flows that an execution may start, and whose executions it may read. Where that is not known, all.
    async fn acts_within(&self, _id: ExecutionId) -> Result<Scope, ServiceError> {
        Ok(Scope::ALL)
    }
    /// Ends an execution.
    async fn cancel(&self, id: ExecutionId) -> Result<(), ServiceError>;
    /// Artifacts of an execution.
    async fn artifacts(&self, id: ExecutionId, query: &ArtifactQuery) -> Result<Vec<ArtifactRef>, ServiceError>;
    /// One artifact with its value.
    async fn artifact(&self, artifact_id: &str) -> Result<ArtifactValueView, ServiceError>;
    /// What the store holds.
    async fn store_summary(&self) -> Result<StoreView, ServiceError>;
    /// What components were granted for good, by digest.
    async fn remembered_grants(&self) -> Result<Vec<RememberedGrantsView>, ServiceError>;
    /// What one component was granted for good.
    async fn granted_for_good(&self, component: ComponentDigest) -> Result<Grants, ServiceError>;
    /// Grants a component with these flows something for good, beside what it was granted before.
    async fn remember_grants(&self, component: ComponentDigest, flows: Vec<String>, grants: Grants) -> Result<(), ServiceError>;
    /// Takes back what was granted for good. What was taken back.
    async fn forget_grants(&self, which: ForgottenGrants) -> Result<Vec<RememberedGrantsView>, ServiceError>;
    /// Makes a secret, or its next version.
    async fn set_secret(&self, change: SecretChange) -> Result<SecretChangedView, ServiceError>;
    /// One secret, by its name or ID; with its values only where `reveal` says so.
    async fn secret(&self, name_or_id: &str, reveal: bool) -> Result<SecretDetailView, ServiceError>;
    /// All secrets, by name, without their values.
    async fn secrets(&self) -> Result<Vec<SecretView>, ServiceError>;
    /// Removes a secret, by its name or ID.
    async fn delete_secret(&self, name_or_id: &str) -> Result<SecretChangedView, ServiceError>;
    /// Makes a model alias of the data folder, or changes what it stands for.
    async fn register_model(&self, change: ModelChange) -> Result<ModelChangedView, ServiceError>;
    /// All model aliases that are known here, by name.
    async fn models(&self) -> Result<Vec<ModelView>, ServiceError>;
    /// One model alias, and what a call by it would use.
    async fn model(&self, alias: &str) -> Result<ModelDetailView, ServiceError>;
    /// Removes a model alias of the data folder.
    async fn remove_model(&self, alias: &str) -> Result<ModelChangedView, ServiceError>;
    /// Looks whether calls of a model or an alias work; of the default where none is named. Makes a small call where nothing else tells, and in
    /// any case `with_call`.
    async fn test_model(&self, model: Option<&str>, with_call: bool) -> Result<ModelTestView, ServiceError>;
    /// What model calls used, and what of it counts for budgets.
    async fn model_usage(&self, query: &ModelUsageQuery) -> Result<ModelUsageReport, ServiceError>;
    /// What is known of models, in brief.
    async fn models_summary(&self) -> Result<ModelsView, ServiceError>;
    /// Keeps a component, with the signature that came with it, so that its digest names it from now on.
    async fn put_component(&self, bytes: Vec<u8>, signature: Option<String>) -> Result<ComponentView, ServiceError>;
    /// Says what a component is that is kept here.
    async fn component(&self, digest: ComponentDigest) -> Result<ComponentView, ServiceError>;
    /// The bytes of a component that is kept here.
    async fn component_bytes(&self, digest: ComponentDigest) -> Result<Vec<u8>, ServiceError>;
    /// Creates an execution, or returns the one that the same request with this key created.
    async fn submit_once(&self, submission: Submission, start: StartKey) -> Result<ExecutionId, ServiceError>;
    /// Lets an execution go on in the background, if nobody drives it.
    async fn resume(&self, id: ExecutionId) -> Result<(), ServiceError>;
    /// All executions that pass the query, newest first.
    async fn ids(&self, query: &ListQuery) -> Result<Vec<ExecutionId>, ServiceError>;
    /// Replays several executions with one order. With `collect`, refusals are reported; otherwise the first ends the batch, and the error tells
    /// which replays were made before it ([`ServiceError::done`]).
    async fn replay_batch(
        &self,
        sources: &[String],
        command: ReplayCommand,
        collect: bool,
    ) -> Result<ReplaySubmission, ServiceError>;
    /// Drives the replays of a batch to their next stops, beside each other. An error tells which there are.
    async fn drive_batch(&self, submission: &mut ReplaySubmission) -> Result<(), ServiceError>;
    /// Drives executions to their next stops, beside each other. Those that somebody else drives are left to him.
    async fn drive_all(&self, ids: &[ExecutionId]) -> Result<(), ServiceError>;
    /// Compares an execution with others, checkpoint by checkpoint.
    async fn diff(&self, original: ExecutionId, others: &[ExecutionId]) -> Result<Vec<ExecutionDiff>, ServiceError>;
    /// Compares each with each that follows it.
    async fn diff_matrix(&self, ids: &[ExecutionId]) -> Result<Vec<ExecutionDiff>, ServiceError>;
    /// Counts and measures the executions that pass the query, in at most so many groups.
    async fn statistics(
        &self,
        query: &ListQuery,
        group_by: &[GroupBy],
        metrics: &[Metric],
        most: usize,
    ) -> Result<Statistics, ServiceError>;
    /// Executions to replay together.
    async fn cohort(&self, query: &CohortQuery) -> Result<Vec<ExecutionSummary>, ServiceError>;
    /// Checks executions against their own component or another, writing nothing. An error tells what came of those that were checked before it.
    async fn verify(&self, ids: &[ExecutionId], component: Option<&[u8]>) -> Result<Vec<VerificationView>, ServiceError>;
    /// Moves waiting executions to another component, where that makes the recorded calls. An error tells which were moved before it.
    async fn upgrade(&self, ids: &[ExecutionId], component: &[u8]) -> Result<Vec<VerificationView>, ServiceError>;
    /// Writes executions with all that they need.
    async fn export(&self, ids: &[ExecutionId], out: &mut (dyn Write + Send)) -> Result<Vec<ExecutionId>, ServiceError>;
    /// Reads what an export wrote.
    async fn import(&self, archive: &mut (dyn Read + Send), trusted: bool) -> Result<Imported, ServiceError>;
    /// Removes ended executions with what only they needed. An error tells which were removed before it.
    async fn delete(&self, ids: &[ExecutionId]) -> Result<DeletedView, ServiceError>;
    /// Executions that ended before the last so many days, and that nothing needs.
    async fn ended_before(&self, days: u32) -> Result<Vec<ExecutionId>, ServiceError>;
    /// What governed the model calls of an execution.
    async fn governed(&self, id: ExecutionId) -> Result<Vec<GovernedCallView>, ServiceError>;
    /// What the model calls of an execution asked, were answered, used and cost.
    async fn model_calls(&self, id: ExecutionId) -> Result<Vec<ModelCallView>, ServiceError>;
    /// All events of an execution so far; with `content`, inputs, outputs and messages as they are.
    async fn events(&self, id: ExecutionId, content: bool) -> Result<Vec<Event>, ServiceError>;
    /// An execution as a trajectory: what its models were told, said and did.
    async fn trajectory(&self, id: ExecutionId, content: bool) -> Result<atif::Trajectory, ServiceError>;
    /// Events as they are recorded, until the execution ends.
    async fn follow_events(&self, id: ExecutionId, content: bool) -> Result<EventFollow, ServiceError>;
    /// What this host is and does now.
    async fn system(&self) -> Result<SystemView, ServiceError>;
    /// What this host is: for a bug report.
    async fn info(&self, params: &InfoParams) -> Result<InfoView, ServiceError>;

    /// The executions that some texts name.
    async fn resolve_all(&self, texts: &[String]) -> Result<Vec<ExecutionId>, ServiceError> {
        let mut ids = Vec::with_capacity(texts.len());
        for text in texts {
            ids.push(self.resolve(text).await?);
        }
        Ok(ids)
    }
}
