//! Verbs about many things that fail in their middle: what they had done until then is told with the error.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{DeletedView, ReplaySubmission, ServiceError, VerificationView};

/// What a verb had done when it failed, as it would have answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// Executions that were checked or moved.
    Verifications(Vec<VerificationView>),
    /// What was removed.
    Deletion(DeletedView),
    /// Replays that were made.
    Replays(Box<ReplaySubmission>),
}

impl Done {
    fn is_nothing(&self) -> bool {
        match self {
            Self::Verifications(views) => views.is_empty(),
            Self::Deletion(deleted) => deleted.executions.is_empty() && deleted.failures.is_empty(),
            Self::Replays(submission) => submission.results.is_empty(),
        }
    }

    /// The same with what was done after it.
    fn and(self, more: Self) -> Self {
        match (self, more) {
            (Self::Verifications(mut views), Self::Verifications(more)) => {
                views.extend(more);
                Self::Verifications(views)
            }
            (Self::Deletion(mut deleted), Self::Deletion(more)) => {
                deleted.extend(more);
                Self::Deletion(deleted)
            }
            // One batch, as it stands now.
            (done, _) => done,
        }
    }
}

/// An error, and what was done before it. It says what the error says.
#[derive(Debug)]
pub struct Unfinished {
    done: Done,
    error: ServiceError,
}

impl Unfinished {
    /// The error itself.
    pub fn error(&self) -> &ServiceError {
        &self.error
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Unfinished {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl ServiceError {
    /// The same, of a verb that had done this before. Where that is nothing, there is nothing more to tell.
    #[must_use]
    pub fn after(self, done: Done) -> Self {
        let (more, error) = self.parted();
        let done = match more {
            Some(more) => done.and(more),
            None => done,
        };
        if done.is_nothing() { error } else { Self::Unfinished(Box::new(Unfinished { done, error })) }
    }

    /// What was done before it, if anything was.
    pub fn done(&self) -> Option<&Done> {
        match self {
            Self::Unfinished(unfinished) => Some(&unfinished.done),
            _ => None,
        }
    }

    /// What was done before it, and the error itself.
    pub fn parted(self) -> (Option<Done>, Self) {
        match self {
            Self::Unfinished(unfinished) => (Some(unfinished.done), unfinished.error),
            error => (None, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::RemoteError;

    fn deleted(ids: &[&str]) -> Done {
        let executions = ids.iter().map(|id| (*id).to_owned()).collect();
        Done::Deletion(DeletedView { executions, freed_bytes: 7, ..DeletedView::nothing() })
    }

    #[test]
    fn an_error_is_what_it_is_whatever_was_done_before() {
        let refused = || ServiceError::from(RemoteError::refused(404, "LookupError", "no").because(["why".into()]).hint("do"));
        let plain = refused();
        let error = refused().after(deleted(&["a"]));
        assert!(error.done().is_some() && error.is_missing());
        assert_eq!((error.to_string(), error.class(), error.hint()), (plain.to_string(), plain.class(), plain.hint()));
        assert_eq!(error.source().map(ToString::to_string), Some("why".into()));
        let (done, error) = error.parted();
        assert!(done.is_some() && error.done().is_none());
    }

    #[test]
    fn what_parts_have_done_is_told_together_and_nothing_is_not_told() {
        let error = ServiceError::state("no").after(deleted(&["b"])).after(deleted(&["a"]));
        let Some(Done::Deletion(both)) = error.done() else { panic!("{error:?}") };
        assert_eq!((&both.executions[..], both.freed_bytes), (&["a".to_owned(), "b".to_owned()][..], 14));
        assert!(ServiceError::state("no").after(deleted(&[])).done().is_none());
        assert!(ServiceError::state("no").after(Done::Verifications(Vec::new())).done().is_none());
    }

    #[test]
    fn it_goes_over_the_network_and_back() {
        let text = serde_json::to_string(&deleted(&["a"])).unwrap();
        assert!(text.starts_with(r#"{"deletion":{"#), "{text}");
        let Done::Deletion(back) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
        assert_eq!(back.executions, ["a"]);
    }
}
