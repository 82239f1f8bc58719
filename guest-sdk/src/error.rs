//! The one error type of flows and checkpoints, and the failure record that it carries to and from the host.

use std::fmt;

use serde_json::Value;

/// A result whose error is [`Error`] unless another one is named.
///
/// ```
/// fn half(n: u32) -> kitaru::Result<u32> {
///     if n % 2 == 1 {
///         kitaru::bail!("{n} is odd");
///     }
///     Ok(n / 2)
/// }
/// assert!(half(3).is_err());
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a flow or a checkpoint cannot go on, split by what its author can do about it.
///
/// Every variant carries a [`Failure`], which [`Error::failure`] reads without a `match`. An error that a flow or checkpoint
/// returns reaches the host with everything that it carries: a checkpoint's failure that a flow passes on with `?` keeps its
/// kind, its origin and the call that caused it.
///
/// `?` turns any `std::error::Error` into an `Error::Author`. For that to be possible this type does not implement
/// `std::error::Error` itself.
///
/// ```no_run
/// use kitaru::prelude::*;
///
/// #[checkpoint]
/// fn risky(cx: &Checkpoint) -> Result<String> {
///     bail!("no luck")
/// }
///
/// #[flow]
/// fn careful(cx: &Flow) -> Result<String> {
///     match risky(cx) {
///         Ok(text) => Ok(text),
///         Err(Error::Failed(failure)) => Ok(format!("went on without it: {}", failure.message)),
///         Err(other) => Err(other),
///     }
/// }
/// # fn main() {}
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The host answered with a failure: a checkpoint failed after its retries, or the call itself was refused. A flow can take
    /// another branch, which is then recorded and taken again on every replay, or pass the failure on.
    Failed(Box<Failure>),
    /// A person aborted the wait: there will be no answer. A flow can clean up and return a result, or pass it on and end
    /// `failed`.
    Aborted {
        /// The wait's name; empty where it had none.
        wait: String,
        /// What the host said.
        failure: Box<Failure>,
    },
    /// The checkpoint reached for something that it was not granted. Another attempt cannot help: the person who runs the flow
    /// must add the flag.
    Capability {
        /// The flag of `kitaru-host run` that grants it. Empty where no flag does, because the checkpoint does not declare that it needs it.
        flag: String,
        /// The same in words.
        failure: Box<Failure>,
    },
    /// The host died, or the flow failed, while a checkpoint with `effect = "once"` ran: it may have happened, or not, and it is not
    /// repeated. Find out from the other side; the failure's details have the idempotency key.
    UnknownOutcome(Box<Failure>),
    /// A value could not become JSON, or JSON did not fit the expected type. Change the type or the value.
    Serialization(Box<Failure>),
    /// Made by the author, with [`Error::new`], [`err!`](crate::err) or [`bail!`](crate::bail), or out of another error with `?`.
    Author(Box<Failure>),
}

/// What a failed call tells, in the same shape in which it is recorded.
///
/// ```
/// let error = kitaru::err!("no seats left").kind("sold_out").retryable(false);
/// let failure = error.failure();
/// assert_eq!(failure.kind, "sold_out");
/// assert!(!failure.retryable);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Failure {
    /// A short stable word to branch on. The host's own: `context`, `usage`, `not-found`, `ambiguous`, `aborted`,
    /// `cancelled`, `capability`, `limit`, `timeout`, `trap`, `serialization`, `unknown-outcome`, `internal`, `exit`, `divergence`, `damaged`; of model
    /// calls also `not-configured`, `credentials`, `provider`, `guardrail-rejected`, `middleware`, `budget`, `rate-limited`, `too-large`, `schema`,
    /// `mock`. An author's: free, and `error` where none was given.
    pub kind: String,
    /// One sentence for a person.
    pub message: String,
    /// Where it came from.
    pub origin: Origin,
    /// False where another attempt cannot end differently: the host then spends no retries on it.
    pub retryable: bool,
    /// The durable call that failed first, counted from 0 in the order of the flow's calls.
    pub call_index: Option<u32>,
    /// Whatever else helps: free JSON.
    pub details: Option<Value>,
}

/// Where a failure came from.
///
/// ```
/// assert_eq!(kitaru::err!("mine").failure().origin, kitaru::Origin::UserCode);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The code of a flow or checkpoint returned an error or panicked.
    UserCode,
    /// The host could not run it: a limit, a missing grant, a value that does not serialise.
    Runtime,
    /// A store, a provider or the network failed.
    Backend,
    /// The code no longer makes the calls that its journal records.
    Divergence,
    /// None of these is certain.
    Unknown,
}

impl Error {
    /// An author's error of kind `error`, worth a retry.
    ///
    /// ```
    /// let error = kitaru::Error::new("the supplier is closed").kind("closed");
    /// assert_eq!(error.to_string(), "the supplier is closed");
    /// ```
    pub fn new(message: impl Into<String>) -> Self {
        Self::Author(Failure::new("error", message, Origin::UserCode, true))
    }

    /// Sets the word that callers, people and reports can branch on.
    ///
    /// ```
    /// assert_eq!(kitaru::err!("empty shelf").kind("out_of_stock").failure().kind, "out_of_stock");
    /// ```
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.failure_mut().kind = kind.into();
        self
    }

    /// Says whether another attempt may end differently. With `false` a checkpoint's remaining retries are not used.
    ///
    /// ```
    /// assert!(!kitaru::err!("the card was refused").retryable(false).failure().retryable);
    /// ```
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.failure_mut().retryable = retryable;
        self
    }

    /// Adds JSON for whoever handles the failure.
    ///
    /// ```
    /// use kitaru::prelude::*;
    /// let error = err!("too dear").details(json!({ "price": 90, "limit": 50 }));
    /// assert_eq!(error.failure().details, Some(json!({ "price": 90, "limit": 50 })));
    /// ```
    #[must_use]
    pub fn details(mut self, details: Value) -> Self {
        self.failure_mut().details = Some(details);
        self
    }

    /// What the error carries, whichever variant it is.
    ///
    /// ```
    /// assert_eq!(kitaru::err!("no").failure().message, "no");
    /// ```
    pub fn failure(&self) -> &Failure {
        match self {
            Self::Aborted { failure, .. } | Self::Capability { failure, .. } => failure,
            Self::Failed(failure) | Self::UnknownOutcome(failure) | Self::Serialization(failure) | Self::Author(failure) => {
                failure
            }
        }
    }

    fn failure_mut(&mut self) -> &mut Failure {
        match self {
            Self::Aborted { failure, .. } | Self::Capability { failure, .. } => failure,
            Self::Failed(failure) | Self::UnknownOutcome(failure) | Self::Serialization(failure) | Self::Author(failure) => {
                failure
            }
        }
    }

    /// A value and JSON that do not fit each other.
    pub(crate) fn serialization(message: impl Into<String>) -> Self {
        Self::Serialization(Failure::new("serialization", message, Origin::Runtime, false))
    }

    /// An input that the flow or checkpoint does not take.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Failed(Failure::new("usage", message, Origin::UserCode, false))
    }

    /// A grant that is missing.
    pub(crate) fn capability(flag: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Capability { flag: flag.into(), failure: Failure::new("capability", message, Origin::Runtime, false) }
    }

    /// The failure by value, to hand it back to the host.
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Self::Aborted { failure, .. } | Self::Capability { failure, .. } => *failure,
            Self::Failed(failure) | Self::UnknownOutcome(failure) | Self::Serialization(failure) | Self::Author(failure) => {
                *failure
            }
        }
    }
}

impl Failure {
    pub(crate) fn new(kind: impl Into<String>, message: impl Into<String>, origin: Origin, retryable: bool) -> Box<Self> {
        Box::new(Self { kind: kind.into(), message: message.into(), origin, retryable, call_index: None, details: None })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.failure().fmt(f)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Makes an [`Error`] with a formatted message.
///
/// ```
/// let error = kitaru::err!("no stock of {}", "tea").kind("out_of_stock");
/// assert_eq!(error.to_string(), "no stock of tea");
/// ```
#[macro_export]
macro_rules! err {
    ($($message:tt)+) => {
        $crate::Error::new(::std::format!($($message)+))
    };
}

/// Returns early with an [`Error`] that has a formatted message.
///
/// ```
/// fn positive(n: i64) -> kitaru::Result<i64> {
///     if n <= 0 {
///         kitaru::bail!("{n} is not positive");
///     }
///     Ok(n)
/// }
/// assert!(positive(-1).is_err());
/// ```
#[macro_export]
macro_rules! bail {
    ($($message:tt)+) => {
        return ::std::result::Result::Err($crate::err!($($message)+))
    };
}
