//! What verbs return, in the JSON shapes that Kitaru's clients know; fields are only ever added.

use kitaru_llm::price::NanoUsd;
use kitaru_llm::usage::UsageSummary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CapabilitiesView, CheckpointUsage};
use crate::journal::Failure;
use crate::sandbox::Manifest;

/// A word of a fixed set: from this program, or read from a server.
pub type Word = std::borrow::Cow<'static, str>;

/// A failure.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct FailureView {
    /// One sentence.
    pub message: String,
    /// The failure's kind.
    pub exception_type: String,
    /// What the guest wrote before it failed, where there is something.
    pub traceback: Option<String>,
    /// `user_code`, `runtime`, `backend`, `divergence` or `unknown`.
    pub origin: Word,
    /// Whether another attempt may end differently.
    pub retryable: bool,
    /// The durable call that failed first.
    pub call_index: Option<u32>,
    /// Anything else.
    pub details: Option<Value>,
}

impl From<&Failure> for FailureView {
    fn from(failure: &Failure) -> Self {
        let details = failure.details_json();
        let traceback = details.as_ref().and_then(|details| details.get("backtrace")).and_then(Value::as_str).map(str::to_owned);
        Self {
            message: failure.message.clone(),
            exception_type: failure.kind.clone(),
            traceback,
            origin: failure.origin.as_str().into(),
            retryable: failure.retryable,
            call_index: failure.call_index,
            details,
        }
    }
}

/// An open question.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PendingWaitView {
    /// Its ID.
    pub wait_id: String,
    /// The execution that waits.
    pub exec_id: String,
    /// Its flow.
    pub flow_name: String,
    /// Its name.
    pub name: String,
    /// What is asked.
    pub question: Option<String>,
    /// JSON Schema of the answer; null accepts anything.
    pub schema: Option<Value>,
    /// Shown beside the question.
    pub metadata: Option<Value>,
    /// Since when.
    pub entered_waiting_at: String,
    /// When it ends by itself.
    pub deadline: Option<String>,
}

/// A question, open or settled.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WaitView {
    /// The question.
    #[serde(flatten)]
    pub wait: PendingWaitView,
    /// `pending`, `answered`, `aborted` or `expired`.
    pub status: Word,
    /// The answer.
    pub value: Option<Value>,
    /// When it was settled.
    pub resolved_at: Option<String>,
}

/// One line of a list of executions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ExecutionSummary {
    /// Its ID.
    pub exec_id: String,
    /// The same for all executions of flows of this name.
    pub flow_id: String,
    /// The flow.
    pub flow_name: String,
    /// One of the five statuses.
    pub status: Word,
    /// When it was created.
    pub started_at: String,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Always `local`: the embedded store.
    pub stack_name: Word,
    /// Why it is as it is.
    pub status_reason: Option<String>,
    /// The open question.
    pub pending_wait: Option<PendingWaitView>,
    /// Its failure.
    pub failure: Option<FailureView>,
    /// What the flow logged about itself.
    pub metadata: Value,
    /// Checkpoint calls so far.
    pub checkpoint_count: usize,
    /// Artifacts so far.
    pub artifact_count: usize,
    /// What is known of what its model calls cost, in dollars. Null where it called none, and where nobody knows any of the cost.
    #[schemars(with = "Option<f64>")]
    pub cost_usd: Option<NanoUsd>,
    /// Tokens that its model calls read and wrote, those of answers that were there already among them. Null where it called none.
    pub total_tokens: Option<u64>,
    /// The execution that it replays.
    pub original_exec_id: Option<String>,
    /// The execution that started it as a child and waits for it.
    pub parent_exec_id: Option<String>,
    /// The call of that execution.
    pub parent_call_id: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// When it goes on by itself, where it waits for a time; in the past where it could go on already.
    pub wakes_at: Option<String>,
    /// SHA-256 of its component.
    pub component_digest: String,
    /// It waits, and could go on: what it waited for is there, or its time has come.
    #[serde(default)]
    pub is_due: bool,
}

/// One attempt.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct AttemptView {
    /// Its ID.
    pub attempt_id: String,
    /// `running`, `completed`, `failed` or `interrupted`.
    pub status: Word,
    /// When it started.
    pub started_at: String,
    /// When it ended.
    pub ended_at: Option<String>,
    /// What it logged about itself.
    pub metadata: Value,
    /// Its failure.
    pub failure: Option<FailureView>,
}

/// An artifact without its value.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactRef {
    /// Its ID.
    pub artifact_id: String,
    /// Its name.
    pub name: String,
    /// Its kind, for saved ones.
    pub kind: Option<String>,
    /// `manual` or `step_output`.
    pub save_type: Word,
    /// The checkpoint that made it.
    pub producing_call: String,
    /// Media type, size and tags.
    pub metadata: Value,
}

/// An artifact with its value.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactValueView {
    /// The artifact.
    #[serde(flatten)]
    pub artifact: ArtifactRef,
    /// Its value: JSON, or base64 text of a blob.
    pub value: Value,
    /// `json` or `base64`.
    pub value_format: Word,
    /// JSON type or media type.
    pub value_type: String,
    /// The bytes as they are stored, for a surface that writes them out.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// A checkpoint call.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CheckpointView {
    /// Its ID, which is its idempotency key too.
    pub call_id: String,
    /// The checkpoint.
    pub name: String,
    /// `name`, `name_2` …, or the author's own.
    pub invocation_id: String,
    /// Position among the execution's durable calls.
    pub call_index: u32,
    /// `llm_call`, `tool_call` or null.
    pub checkpoint_type: Option<String>,
    /// `running`, `completed`, `failed` or `cancelled`.
    pub status: Word,
    /// When it started.
    pub started_at: String,
    /// When it ended.
    pub ended_at: Option<String>,
    /// What it logged about itself.
    pub metadata: Value,
    /// The call that it was served from.
    pub original_call_id: Option<String>,
    /// `ran`, `served`, `cached` or `overridden`.
    pub provenance: Word,
    /// It was served although its input is another one than the recorded.
    pub other_input: bool,
    /// Always empty: plain values carry no trace of where they came from.
    pub parent_call_ids: Vec<String>,
    /// Its failure.
    pub failure: Option<FailureView>,
    /// What its model calls used.
    #[serde(flatten)]
    pub usage: CheckpointUsage,
    /// What it could touch, and what it did touch.
    pub capabilities: CapabilitiesView,
    /// Its attempts.
    pub attempts: Vec<AttemptView>,
    /// Its artifacts.
    pub artifacts: Vec<ArtifactRef>,
}

/// What an execution has of what is limited, as far as its record says.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ResourcesView {
    /// Durable calls, of all kinds.
    pub calls: u32,
    /// Its journal with all values that it names, in bytes.
    pub history_bytes: u64,
}

/// An execution, whole.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ExecutionView {
    /// The summary.
    #[serde(flatten)]
    pub summary: ExecutionSummary,
    /// Its input.
    pub input: Value,
    /// Its result.
    pub result: Value,
    /// Whether it has one: a result may be null.
    pub has_result: bool,
    /// The live runner that drives it.
    pub runner: Option<String>,
    /// The configuration that it keeps for life.
    pub frozen_execution_spec: Value,
    /// The signatures of its component that were good when it came in.
    pub component_signatures: Vec<SignerView>,
    /// The plan, for a replay.
    pub replay: Option<Value>,
    /// What it has of what is limited.
    pub resources: ResourcesView,
    /// What its model calls used, by all attempts; null where it called none.
    #[schemars(with = "Value")]
    pub llm_usage_summary_v1: Option<UsageSummary>,
    /// Its checkpoint calls.
    pub checkpoints: Vec<CheckpointView>,
    /// Its questions.
    pub waits: Vec<WaitView>,
    /// Its artifacts.
    pub artifacts: Vec<ArtifactRef>,
}

/// A durable call, with what went in and came out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct JournalCall {
    /// Position among the execution's durable calls.
    pub index: u32,
    /// Its ID.
    pub call_id: String,
    /// `checkpoint`, `wait`, `sleep`, `first` or `flow`.
    pub kind: Word,
    /// Author's name.
    pub name: String,
    /// Invocation ID.
    pub invocation_id: String,
    /// `running`, `completed`, `failed` or `cancelled`.
    pub status: Word,
    /// `ran`, `served`, `cached` or `overridden`.
    pub provenance: Word,
    /// It was served although its input is another one than the recorded.
    pub other_input: bool,
    /// The call that it was served from.
    pub original_call_id: Option<String>,
    /// The execution that a child flow is.
    pub child_exec_id: Option<String>,
    /// When a sleep is over, or a wait ends by itself.
    pub wakes_at: Option<String>,
    /// Attempts.
    pub attempts: usize,
    /// When it started.
    pub started_at: String,
    /// When it ended.
    pub ended_at: Option<String>,
    /// What went in.
    pub input: Value,
    /// What came out.
    pub output: Option<Value>,
    /// Its failure.
    pub failure: Option<FailureView>,
}

/// A log line.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LogEntry {
    /// The line.
    pub message: String,
    /// `TRACE` to `ERROR`.
    pub level: Word,
    /// When.
    pub timestamp: String,
    /// `step` or `runner`.
    pub source: Word,
    /// The checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_name: Option<String>,
    /// `stdout`, `stderr` or `log`.
    pub module: String,
    /// Its number among all lines, to go on after it; not shown with it.
    #[serde(skip)]
    pub line: u64,
}

/// A component.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ComponentView {
    /// SHA-256.
    pub digest: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// What it imports.
    pub imports: Vec<String>,
    /// What it says of itself.
    #[schemars(with = "Value")]
    pub manifest: Manifest,
    /// Who has signed it.
    pub signature: SignatureView,
}

/// Who has signed a component, as far as that can be told here.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SignatureView {
    /// `signed`, `unsigned`, `unknown_key` or `bad`.
    pub status: Word,
    /// Trusted keys with which it was signed.
    pub signed_by: Vec<SignerView>,
    /// Keys of signatures that are not trusted here, and so are not looked at.
    pub unknown_keys: Vec<String>,
    /// What is wrong with signatures that are bad.
    pub problems: Vec<String>,
}

/// Somebody who has signed a component.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SignerView {
    /// The key's identifier, as minisign shows it.
    pub key_id: String,
    /// What was signed with it.
    pub trusted_comment: String,
    /// Whether the key is trusted now.
    pub trusted: bool,
}

/// What the store holds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct StoreView {
    /// Executions by status.
    pub executions: serde_json::Map<String, Value>,
    /// All of them.
    pub execution_count: u64,
}
