//! What a guest logs, without the values that were revealed to it.

use std::sync::Arc;

use async_trait::async_trait;

use super::Secrets;
use crate::journal::LogLevel;
use crate::sandbox::port::LogSink;

/// Takes revealed values out of whole lines. A value that a guest spreads over several, or writes in another way, stays: this is for mistakes.
pub(in crate::sandbox) struct MaskedLog {
    inner: Arc<dyn LogSink>,
    secrets: Arc<Secrets>,
}

impl MaskedLog {
    /// `log`, or, where values may be revealed, what takes them out on their way there.
    pub(in crate::sandbox) fn over(log: Arc<dyn LogSink>, secrets: &Arc<Secrets>) -> Arc<dyn LogSink> {
        match secrets.may_reveal() {
            true => Arc::new(Self { inner: log, secrets: secrets.clone() }),
            false => log,
        }
    }
}

#[async_trait]
impl LogSink for MaskedLog {
    fn is_behind(&self) -> bool {
        self.inner.is_behind()
    }

    async fn catch_up(&self) {
        self.inner.catch_up().await;
    }

    fn line(&self, level: LogLevel, module: &'static str, message: String) {
        self.inner.line(level, module, self.secrets.revealed().text(message));
    }

    fn progress(&self, message: String, fraction: Option<f64>) {
        self.inner.progress(self.secrets.revealed().text(message), fraction);
    }
}
