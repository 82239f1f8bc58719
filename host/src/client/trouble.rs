//! How long somebody who watches bears with a server that cannot be asked.

use std::time::Duration;

use tokio::time::Instant;

use crate::service::ServiceError;

/// A server that cannot be asked for a while, which is no news of an execution.
pub(super) struct Trouble {
    since: Option<Instant>,
    patience: Duration,
}

impl Trouble {
    pub(super) fn new(patience: Duration) -> Self {
        Self { since: None, patience }
    }

    pub(super) fn is_over(&mut self) {
        self.since = None;
    }

    /// Bears with an error that may pass, for some time.
    pub(super) fn bear(&mut self, error: ServiceError) -> Result<(), ServiceError> {
        let may_pass = match &error {
            ServiceError::Remote(error) => error.status().is_none_or(|status| matches!(status, 429 | 502..=504)),
            _ => false,
        };
        if !may_pass || self.since.get_or_insert_with(Instant::now).elapsed() >= self.patience {
            return Err(error);
        }
        tracing::debug!(error = &error as &dyn std::error::Error, "an execution could not be looked at");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::RemoteError;

    #[test]
    fn what_may_pass_is_borne_for_some_time_and_nothing_else_is() {
        let gone = || ServiceError::from(RemoteError::unreachable("gone"));
        let mut trouble = Trouble::new(Duration::from_secs(60));
        assert!(trouble.bear(gone()).is_ok());
        assert!(trouble.bear(RemoteError::refused(503, "KitaruBackendError", "busy").into()).is_ok());
        assert!(trouble.bear(RemoteError::refused(401, "KitaruAuthenticationError", "no").into()).is_err());
        assert!(trouble.bear(ServiceError::state("no")).is_err());
        assert!(Trouble::new(Duration::ZERO).bear(gone()).is_err(), "its time is over");
    }
}
