//! What the engine refuses or cannot do, split by what a caller can do about it.

use std::sync::Arc;

use kitaru_llm::gateway::CallFailure;

use crate::ids::ExecutionId;
use crate::journal::{CodecError, HistoryError, ReplayError};
use crate::sandbox::{ComponentError, PrivateFolder, UnusableFolder};
use crate::secrets::{Keys, SecretsError};
use crate::signing::Untrusted;
use crate::store::{Status, StoreError};

use super::archive::TransferError;
use super::schema::SchemaProblem;

/// An engine operation failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The component cannot run here.
    #[error("the component cannot run")]
    Component(#[from] ComponentError),
    /// Nobody whom this host trusts has signed the component.
    #[error(transparent)]
    Signature(#[from] Untrusted),
    /// The component has no such flow.
    #[error("the component has no flow `{name}`; it has {available}")]
    UnknownFlow {
        /// What was asked for.
        name: String,
        /// What there is.
        available: String,
    },
    /// The component has several flows and none was named.
    #[error("the component has several flows: {0}")]
    WhichFlow(String),
    /// The input does not fit the flow's schema.
    #[error("the input does not fit the flow `{flow}`: {problem}")]
    Input {
        /// The flow.
        flow: String,
        /// In what it does not fit.
        problem: SchemaProblem,
    },
    /// An answer does not fit the wait's schema.
    #[error("Wait input failed validation for '{wait}' on execution '{execution}': {problem}")]
    WaitInput {
        /// The wait.
        wait: String,
        /// Whose.
        execution: ExecutionId,
        /// In what it does not fit.
        problem: SchemaProblem,
    },
    /// The key of a start stands for another request.
    #[error("the idempotency key '{key}' was used for another request, which started execution '{execution}'")]
    KeyTaken {
        /// The key.
        key: String,
        /// What it started.
        execution: ExecutionId,
    },
    /// The execution's status does not allow it.
    #[error("{message}")]
    State {
        /// What was asked and what the status is.
        message: String,
        /// What to do instead.
        hint: Option<String>,
    },
    /// Models cannot be called as this host is configured.
    #[error("models cannot be called")]
    Models(#[source] kitaru_llm::gateway::GatewaySetupError),
    /// Middleware of model calls cannot be used, and no call goes past it.
    #[error("the middleware of model calls could not be loaded")]
    Middleware(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// It cannot be told which models there are.
    #[error("the model aliases cannot be read")]
    Aliases(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// This host was given nothing to call models with.
    #[error("this host calls no models")]
    NoModels,
    /// A grant that is never given.
    #[error("the grant cannot be given")]
    Grant(#[from] PrivateFolder),
    /// A folder that is to be granted is not there.
    #[error(transparent)]
    Folder(#[from] UnusableFolder),
    /// The key of all secrets is never granted.
    #[error("the environment variable `{name}` holds the key of all secrets, and is not granted", name = Keys::VARIABLE)]
    KeyGrant,
    /// A secret cannot be sealed or opened.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// An export cannot be read or written.
    #[error("the export cannot be used")]
    Transfer(#[from] TransferError),
    /// A label cannot be used.
    #[error("an execution has at most 64 tags, each of 1 to 100 bytes without control characters")]
    Tags,
    /// The replay cannot be planned.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A replay gives a model call what cannot be asked.
    #[error("the override of '{call}' cannot be used: {}", .failure.message)]
    GivenCall {
        /// The call.
        call: String,
        /// Why.
        failure: Box<CallFailure>,
    },
    /// A replay gives a model call a model that is not granted.
    #[error("the override of '{call}' asks for the model `{model}`, which is not granted")]
    GivenModel {
        /// The call.
        call: String,
        /// An alias, or `provider/model`.
        model: String,
    },
    /// A journal record cannot be read (E13).
    #[error("journal entry {seq} of execution `{execution}` cannot be read")]
    Record {
        /// Whose journal.
        execution: ExecutionId,
        /// Which record.
        seq: u64,
        /// Why.
        #[source]
        source: CodecError,
    },
    /// The journal's records do not follow from each other (E13).
    #[error("the journal of execution `{execution}` is not consistent")]
    History {
        /// Whose journal.
        execution: ExecutionId,
        /// In what.
        #[source]
        source: HistoryError,
    },
    /// What the store holds for an execution cannot be read.
    #[error("the stored {what} of execution `{execution}` cannot be read")]
    StoredJson {
        /// Which text.
        what: &'static str,
        /// Whose.
        execution: ExecutionId,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl EngineError {
    /// A state refusal without a hint.
    pub(super) fn state(message: impl Into<String>) -> Self {
        Self::State { message: message.into(), hint: None }
    }

    /// `verb` needs another status than the execution's.
    pub(super) fn only(wanted: &str, verb: &str, execution: ExecutionId, status: Status) -> Self {
        Self::state(format!("Only {wanted} executions can be {verb}. Execution '{execution}' is currently '{status}'."))
    }

    /// Whether the same may succeed a while later, with nothing done about it: a store that is busy or out of reach comes back. What is stored and cannot
    /// be read stays so.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Store(error) if error.may_pass())
    }

    /// A hint that tells a person what to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Component(error) => error.hint(),
            Self::Aliases(_) => Some("mend the file that the message names: kitaru-host model list".into()),
            Self::Signature(error) => Some(error.hint()),
            Self::Grant(error) => Some(error.hint()),
            Self::Secrets(error) => error.hint(),
            Self::Input { .. } => {
                Some("`kitaru-host inspect` shows what a flow takes; --arg NAME=VALUE gives one argument, --input all of them as JSON".into())
            }
            Self::WaitInput { .. } => Some("`kitaru-host executions pending-waits` shows the schema of the answer".into()),
            Self::WhichFlow(_) => Some("name one: <component>:<flow>".into()),
            Self::State { hint, .. } => hint.clone(),
            Self::KeyTaken { .. } => Some("a key stands for one request: repeat that one as it was, or choose another key".into()),
            Self::GivenCall { failure, .. } => failure.hint.clone(),
            Self::GivenModel { model, .. } => Some(format!("grant it: --allow-llm={model}")),
            Self::Replay(ReplayError::NoModel(_)) => Some(
                "the calls in a checkpoint's body choose their models by themselves: give it another input, or register the alias that they use anew"
                    .into(),
            ),
            Self::Replay(ReplayError::NoAnchor) => Some("name the checkpoint from which to run live: --from <checkpoint>".into()),
            _ => None,
        }
    }
}
