//! What access refuses, split by what a caller can do about it.

use std::path::PathBuf;
use std::time::Duration;

use super::{Full, Role};
use crate::secrets::SecretsError;
use crate::store::StoreError;

/// Somebody may not.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// What somebody brought along is no credential that counts. Why not is told to nobody.
    #[error("the credential is not valid")]
    Unauthenticated,
    /// It was a good one, and its time is over.
    #[error("the {what} has expired")]
    Expired {
        /// What kind of credential.
        what: &'static str,
    },
    /// It is a good one, and not for this.
    #[error("{needs}")]
    Forbidden {
        /// What it would take.
        needs: Needs,
    },
    /// Too often.
    #[error("too many {what}; try again in {} s", .retry_after.as_secs().max(1))]
    TooMany {
        /// What was too often.
        what: &'static str,
        /// When it makes sense again.
        retry_after: Duration,
    },
    /// All of something is taken, or as much as one gets.
    #[error("{}", taken(.what, *.full))]
    Full {
        /// Of what.
        what: &'static str,
        /// Who has it.
        full: Full,
    },
    /// A request that changes something does not show that it comes from the page.
    #[error("the request does not carry the session's CSRF token")]
    Csrf,
    /// The link answers nothing.
    #[error("{0}")]
    Link(#[from] LinkProblem),
    /// There is no such thing.
    #[error("{what} `{name}` was not found.")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// By which name.
        name: String,
    },
    /// What was asked for cannot be.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// The key that signs tokens and links cannot be used.
    #[error("tokens and links cannot be signed with `{path}`")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: SecretsError,
    },
    /// The process ends.
    #[error("the key could not be looked for")]
    Interrupted(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn taken(what: &str, full: Full) -> String {
    match full {
        Full::All => format!("there are as many {what} as this host takes on at a time"),
        Full::Own => format!("you have as many {what} as one gets at a time"),
    }
}

/// What it would take to be allowed something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Needs {
    /// Another role.
    #[error("this needs the role `{needed}`, and the caller has `{has}`")]
    Role {
        /// Which is needed.
        needed: Role,
        /// Which is there.
        has: Role,
    },
    /// Another flow's scope.
    #[error("the caller's scope has no flow `{0}`")]
    Flow(String),
    /// A scope of all flows.
    #[error("this is about all flows, and the caller's scope is some")]
    AllFlows,
    /// All that an execution may start and read.
    #[error("execution '{execution}' may start and read what the caller's scope does not have, and other code in it would")]
    ScopeOf {
        /// Which.
        execution: String,
    },
    /// More than a link to answer one question.
    #[error("the link answers one question, and does nothing else")]
    MoreThanALink,
}

/// Why a link to answer a question answers nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkProblem {
    /// It is none of ours, or who made it may not any more.
    #[error("the link is not valid")]
    NotValid,
    /// Its time is over.
    #[error("the link has expired")]
    Expired,
    /// It was used.
    #[error("the link was used already")]
    Used,
    /// There is no question any more.
    #[error("the question is not open any more")]
    Settled,
}

/// What cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A name.
    #[error("`{0}` cannot be the name of {1}")]
    Name(String, &'static str),
    /// A description.
    #[error("a description has at most {0} characters")]
    Description(usize),
    /// A scope.
    #[error(transparent)]
    Scope(#[from] super::InvalidScope),
    /// A time that is too long, or none.
    #[error("{what} must be from {least} to {most}")]
    Span {
        /// Which time.
        what: &'static str,
        /// The least.
        least: u64,
        /// The most.
        most: u64,
    },
    /// A token that could do more than what it is made with.
    #[error("a token has no more than the credential it is made with: {0}")]
    MoreThanIts(String),
    /// A change that changes nothing.
    #[error("there is nothing to change")]
    Nothing,
}

impl AccessError {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unauthenticated => {
                Some("log in again, or make an API key where the data folder is: kitaru-host auth api-keys create".into())
            }
            Self::Expired { .. } => Some("log in again, or make a new token: kitaru-host auth token".into()),
            Self::Forbidden { needs: Needs::Role { needed, .. } } => {
                Some(format!("an admin can change it: kitaru-host auth service-accounts update <account> --role {needed}"))
            }
            Self::Forbidden { needs: Needs::Flow(_) | Needs::AllFlows | Needs::ScopeOf { .. } } => Some(
                "an admin can change it: kitaru-host auth service-accounts update <account> --flow <flow>, or --all-flows".into(),
            ),
            Self::NotFound { what: "Service account", .. } => Some("list them: kitaru-host auth service-accounts list".into()),
            Self::NotFound { .. } => Some("list them: kitaru-host auth api-keys list <account>".into()),
            Self::Invalid(Invalid::Name(..)) => Some(
                "a name has 1 to 100 letters, digits, `.`, `_` and `-`, begins with a letter or a digit, and is not `owner`"
                    .into(),
            ),
            Self::Csrf => Some("reload the page".into()),
            Self::Link(_) => Some("ask for another link, or answer on the page".into()),
            Self::Key { path, source: SecretsError::Exposed { .. } } => Some(format!(
                "if nobody has read it: chmod 600 {}; otherwise remove it, which ends all tokens and links",
                path.display()
            )),
            Self::Key { path, source: SecretsError::NotAKey(_) } => {
                Some(format!("put back what `{}` was, or remove it, which ends all tokens and links", path.display()))
            }
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }
}
