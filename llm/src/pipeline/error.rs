//! What can go wrong in the pipeline, split by what a caller can do about it.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use crate::codec::CodecError;

/// Why a callback failed: any error.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Something could not be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The owner has something of that kind under that name.
    #[error("already exists: `{name}`")]
    AlreadyExists {
        /// The name.
        name: String,
    },
    /// The scope that owned the registrations has ended.
    #[error("scope {scope} has ended")]
    ScopeEnded {
        /// Which scope.
        scope: Uuid,
    },
}

/// A scope could not be opened, closed or found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// The scope is not open in this stack.
    #[error("scope {scope} not found")]
    NotFound {
        /// Which scope.
        scope: Uuid,
    },
    /// Scopes end in the reverse order of their beginning.
    #[error("scope {scope} is not at the top of the stack: {top} is")]
    NotAtTop {
        /// The scope that was to end.
        scope: Uuid,
        /// The one that must end first.
        top: Uuid,
    },
    /// The scope was opened by the stack that this one was forked from, and must be closed there.
    #[error("scope {scope} belongs to the stack that this one was forked from")]
    Inherited {
        /// Which scope.
        scope: Uuid,
    },
    /// Exactly the scopes of the category `custom` have a subtype.
    #[error("a scope has a subtype if, and only if, its category is `custom`")]
    Subtype,
}

/// A step of the pipeline in which somebody else's code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Decides whether the call may happen.
    Guardrail,
    /// Rewrites the request.
    RequestIntercept,
    /// Wraps the execution.
    ExecutionIntercept,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Guardrail => "guardrail",
            Self::RequestIntercept => "request intercept",
            Self::ExecutionIntercept => "execution intercept",
        })
    }
}

/// A callback took longer than its registration allows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{stage} `{name}` took longer than {limit:?}")]
pub struct TimedOut {
    /// What it is.
    pub stage: Stage,
    /// Under which name it is registered.
    pub name: String,
    /// The limit.
    pub limit: Duration,
}

/// A call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// A guardrail refused it; nothing else ran.
    #[error("guardrail rejected: {reason}")]
    Rejected {
        /// Which guardrail.
        guardrail: String,
        /// Its reason.
        reason: String,
    },
    /// A guardrail or a request intercept failed; so nothing was sent.
    #[error("{stage} `{name}` failed")]
    Middleware {
        /// What it is.
        stage: Stage,
        /// Under which name it is registered.
        name: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// A guardrail or a request intercept took too long; so nothing was sent.
    #[error(transparent)]
    TimedOut(TimedOut),
    /// A request intercept changed the body although the call has a codec. What is sent is made from the annotation, so the change
    /// would be lost.
    #[error("request intercept `{name}` changed the body of an annotated request")]
    BodyEdited {
        /// Which intercept; it is to change the annotation instead, or return none.
        name: String,
    },
    /// A request intercept returned no annotation although one before it had changed it. That change would be lost.
    #[error("request intercept `{name}` dropped an annotation that was changed before it")]
    AnnotationDropped {
        /// Which intercept.
        name: String,
    },
    /// The request has not the form that the codec expects, or the annotation cannot be written in it.
    #[error("the request does not fit its codec")]
    Codec(#[source] CodecError),
    /// The provider, or an execution intercept around it, failed.
    #[error(transparent)]
    Execution(Failure),
    /// The caller's collector refused a chunk, which ended the stream.
    #[error("the collector refused a chunk")]
    Collector(#[source] Cause),
}

impl CallError {
    /// The class of the error, for the metadata `error.type` of events. Few different values, and nothing of a payload in them.
    pub fn error_type(&self) -> &str {
        match self {
            Self::Rejected { .. } => "guardrail_rejected",
            Self::Middleware { .. } => "middleware",
            Self::TimedOut(_) => "timeout",
            Self::BodyEdited { .. } | Self::AnnotationDropped { .. } => "intercept",
            Self::Codec(_) => "codec",
            Self::Execution(failure) => failure.error_type(),
            Self::Collector(_) => "collector",
        }
    }
}

/// An execution failed.
#[derive(Debug, thiserror::Error)]
#[error("the call failed")]
pub struct Failure {
    error_type: Cow<'static, str>,
    of_middleware: bool,
    #[source]
    cause: Cause,
}

impl Failure {
    /// A failure of the class `error_type` (such as `timeout`, or an HTTP status). The class is shown in events: few different values,
    /// and nothing of a payload or a credential in them. The cause is not shown there.
    pub fn new(error_type: impl Into<Cow<'static, str>>, cause: impl Into<Cause>) -> Self {
        Self { error_type: error_type.into(), of_middleware: false, cause: cause.into() }
    }

    /// The same of an execution intercept that failed by itself, and does not pass on what became of the call behind it.
    pub fn of_middleware(error_type: impl Into<Cow<'static, str>>, cause: impl Into<Cause>) -> Self {
        Self { of_middleware: true, ..Self::new(error_type, cause) }
    }

    /// Whether an execution intercept failed by itself.
    pub fn is_of_middleware(&self) -> bool {
        self.of_middleware
    }

    /// The class of the error.
    pub fn error_type(&self) -> &str {
        &self.error_type
    }

    /// Why.
    pub fn cause(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.cause
    }

    /// The cause, if it is an `E`.
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        self.cause.downcast_ref()
    }

    /// The cause.
    pub fn into_cause(self) -> Cause {
        self.cause
    }
}
