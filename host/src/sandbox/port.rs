//! The traits through which an instance's calls reach the engine. The sandbox decodes and encodes; whoever implements these decides.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use secrecy::SecretString;

use super::ceiling::NoRoom;
use crate::clock::Timestamp;
use crate::journal::{Divergence, Failure, LogLevel};

/// The instance must not go on: its flow is left where it is, and nothing that the guest does can change that.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The flow parted from its journal (E2).
    #[error("{0}")]
    Diverged(Box<Divergence>),
    /// The flow reached a limit of its execution.
    #[error("{0}")]
    Limit(String),
    /// The instance cannot have the memory that it wants, now or ever. It can begin again, and nothing of it is lost but its time.
    #[error("{0}")]
    NoRoom(NoRoom),
    /// The engine ends it for a reason of its own (the store failed, the lease was lost), which it gets back as it gave it.
    #[error("{0}")]
    Engine(Box<dyn std::error::Error + Send + Sync>),
}

/// Which scope an instance runs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// A flow body: deterministic, no capability.
    Flow,
    /// A checkpoint body: what was granted.
    Checkpoint,
    /// Middleware of a model call: deterministic, no capability.
    Middleware,
    /// The manifest is asked for: nothing at all.
    Describe,
}

/// What a guest may know about where it runs.
#[derive(Clone, Debug)]
pub struct Current {
    /// Execution ID.
    pub execution: String,
    /// Flow name.
    pub flow: String,
    /// Attempt; 1 in flow scope.
    pub attempt: u32,
    /// Whether the execution replays another.
    pub is_replay: bool,
    /// `execution:call-index`, in checkpoint scope.
    pub idempotency_key: Option<String>,
}

/// A question, as the guest asks it. Texts that should be JSON are JSON here.
#[derive(Clone, Debug)]
pub struct WaitRequest {
    /// Author's name for it.
    pub name: Option<String>,
    /// What to ask.
    pub question: Option<String>,
    /// JSON Schema of the answer.
    pub schema: Option<serde_json::Value>,
    /// The runner's polling window, in seconds.
    pub timeout_seconds: Option<u64>,
    /// A JSON object shown beside the question.
    pub metadata: Option<serde_json::Value>,
    /// When the wait ends by itself, in milliseconds after it was asked.
    pub deadline_milliseconds: Option<u64>,
    /// The answer at the deadline.
    pub default: Option<serde_json::Value>,
}

/// A checkpoint call, as the guest makes it.
#[derive(Clone, Debug)]
pub struct CheckpointRequest {
    /// Checkpoint name.
    pub name: String,
    /// A JSON object of named arguments.
    pub input: serde_json::Value,
    /// The author's own invocation ID.
    pub id: Option<String>,
    /// Added to the cache's key.
    pub cache_key: Option<String>,
}

/// A child flow, as the guest starts it.
#[derive(Clone, Debug)]
pub struct ChildRequest {
    /// Flow name.
    pub flow: String,
    /// SHA-256 of its component in hexadecimal; this component where it is absent.
    pub component: Option<String>,
    /// A JSON object of named arguments.
    pub input: serde_json::Value,
    /// The author's own invocation ID.
    pub id: Option<String>,
}

/// A durable call that is submitted.
#[derive(Clone, Debug)]
pub enum Submitted {
    /// A checkpoint.
    Checkpoint(CheckpointRequest),
    /// A question.
    Wait(WaitRequest),
    /// A time to wait for, in milliseconds, and its name.
    Sleep(Option<String>, u64),
    /// A child flow.
    Flow(ChildRequest),
    /// A call of a model: the request, a JSON object.
    Model(serde_json::Value),
}

/// An artifact's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArtifactValue {
    /// JSON text.
    Json(String),
    /// Bytes with a media type.
    Blob {
        /// Media type.
        media_type: String,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// A value of a secret, opened.
#[derive(Clone, Debug)]
pub struct OpenedSecret {
    /// The key that it has in its secret.
    pub key: String,
    /// The secret's version.
    pub version: u64,
    /// The value.
    pub value: SecretString,
}

/// Takes log lines and live progress as they come.
#[async_trait]
pub trait LogSink: Send + Sync {
    /// Whether so many lines wait to be written that whoever writes more should wait too.
    fn is_behind(&self) -> bool {
        false
    }
    /// Returns when lines are welcome again.
    async fn catch_up(&self) {}
    /// One line. `module` is `stdout`, `stderr` or `log`.
    fn line(&self, level: LogLevel, module: &'static str, message: String);
    /// Live progress; not recorded.
    fn progress(&self, message: String, fraction: Option<f64>);
}

/// What a flow's durable calls reach.
#[async_trait]
pub trait FlowPort: Send {
    /// The result of a checkpoint call that is word for word the recorded one, which is most of them when a journal is gone over again; none
    /// where more has to be looked at.
    fn serve(&mut self, name: &str, input: &str, id: Option<&str>) -> Option<String> {
        let _ = (name, input, id);
        None
    }
    /// A checkpoint was called: serve or run it (E1), and return its outcome.
    async fn checkpoint(&mut self, request: CheckpointRequest) -> Result<Result<String, Failure>, Stop>;
    /// A call was submitted: its index was taken, and it is under way.
    async fn submit(&mut self, call: Submitted) -> Result<Result<u32, Failure>, Stop>;
    /// The outcome of a submitted call, when it has one.
    async fn result(&mut self, call: u32) -> Result<Result<String, Failure>, Stop>;
    /// The position of the first of some submitted calls that ends (E7).
    async fn first(&mut self, calls: Vec<u32>) -> Result<Result<u32, Failure>, Stop>;
    /// A submitted call is to end.
    async fn cancel(&mut self, call: u32) -> Result<(), Stop>;
    /// The guest has let go of a submitted call.
    fn forget(&mut self, call: u32);
    /// A child flow is started that goes its own way; the result is its execution ID.
    async fn start(&mut self, request: ChildRequest) -> Result<Result<String, Failure>, Stop>;
    /// How many durable calls the flow has made; refused ones do not count.
    fn made(&self) -> u32;
    /// Metadata about the execution.
    fn record(&mut self, entries: Vec<(String, serde_json::Value)>);
    /// Where the flow runs.
    fn current(&mut self) -> Current;
}

/// What a checkpoint's calls reach.
#[async_trait]
pub trait CheckpointPort: Send {
    /// An artifact is saved; the result is its ID.
    async fn save(
        &mut self,
        name: String,
        value: ArtifactValue,
        kind: String,
        tags: Vec<String>,
    ) -> Result<Result<String, Failure>, Stop>;
    /// An artifact is read.
    async fn load(&mut self, execution: String, name: String) -> Result<Result<ArtifactValue, Failure>, Stop>;
    /// Metadata about the checkpoint call.
    fn record(&mut self, entries: Vec<(String, serde_json::Value)>);
    /// Where the checkpoint runs.
    fn current(&mut self) -> Current;
    /// A secret is opened that was granted: the value of `key`, or its only one.
    async fn open_secret(&mut self, name: String, _key: Option<String>) -> Result<Result<OpenedSecret, Failure>, Stop> {
        Ok(Err(Failure::runtime("not-found", format!("there are no secrets here, and no `{name}`"))))
    }
    /// A model is asked; the result is the answer, a JSON object as text.
    async fn ask_model(&mut self, _request: serde_json::Value) -> Result<Result<String, Failure>, Stop> {
        Ok(Err(no_models()))
    }
    /// A model is asked for an answer in pieces.
    async fn open_stream(&mut self, _request: serde_json::Value) -> Result<Result<Box<dyn ModelStream>, Failure>, Stop> {
        Ok(Err(no_models()))
    }
    /// Whether a model may be asked this.
    async fn check_model(&mut self, _request: serde_json::Value) -> Result<Result<(), Failure>, Stop> {
        Ok(Err(no_models()))
    }
    /// What a model would be asked, in the words of its provider's protocol: JSON as text.
    async fn preview_model(&mut self, _request: serde_json::Value) -> Result<Result<String, Failure>, Stop> {
        Ok(Err(no_models()))
    }
    /// The body begins to ask a model by itself.
    async fn begin_span(&mut self, _request: serde_json::Value) -> Result<Result<Box<dyn ModelSpan>, Failure>, Stop> {
        Ok(Err(no_models()))
    }
}

/// What a port says that reaches no models.
fn no_models() -> Failure {
    Failure::runtime("not-configured", "there are no models here")
}

/// A model's answer in pieces. Dropped before its end, the call ends there, and is recorded as far as it came.
#[async_trait]
pub trait ModelStream: Send {
    /// The next piece of text; none after the last one.
    async fn next(&mut self) -> Result<Result<Option<String>, Failure>, Stop>;
    /// The whole answer, a JSON object as text, when everything has come.
    async fn finish(self: Box<Self>) -> Result<Result<String, Failure>, Stop>;
    /// Ends the call here.
    async fn abort(self: Box<Self>, reason: String) -> Result<(), Stop>;
}

/// A call of a model that a checkpoint body makes by itself. Dropped before its end, nobody knows how it ended.
#[async_trait]
pub trait ModelSpan: Send {
    /// It was answered.
    async fn end(self: Box<Self>, response: serde_json::Value) -> Result<Result<(), Failure>, Stop>;
    /// It failed, with an error of this class.
    async fn fail(self: Box<Self>, error_type: String) -> Result<Result<(), Failure>, Stop>;
}

/// The time that a flow reads: moved on by the engine at durable calls, and by nothing else (E6).
#[derive(Clone, Debug)]
pub struct FlowClock {
    micros: Arc<AtomicI64>,
    epoch: Timestamp,
}

impl FlowClock {
    /// A clock that reads `epoch`.
    pub fn new(epoch: Timestamp) -> Self {
        Self { micros: Arc::new(AtomicI64::new(epoch.as_micros())), epoch }
    }

    /// Moves the clock to `moment`, unless that is back in time.
    pub fn advance(&self, moment: Timestamp) {
        self.micros.fetch_max(moment.as_micros(), Ordering::Relaxed);
    }

    /// What it reads.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.load(Ordering::Relaxed))
    }

    /// Nanoseconds since it was made.
    pub(super) fn elapsed_nanos(&self) -> u64 {
        u64::try_from(self.now().since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }
}
