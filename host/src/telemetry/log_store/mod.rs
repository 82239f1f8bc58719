//! Log lines of executions that are driven here, sent to a collector of OpenTelemetry: each once it is stored.
//!
//! The store is the queue. Lines are read from it where the last request that was taken ended, a request at a time, so that a collector that is
//! slow or away for a while costs no memory and loses nothing as long as the process lives; nothing in an execution waits for it. Lines that are
//! not sent by the end of the process are in the data folder, where all lines are.

mod shipper;
mod tail;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::{mpsc, oneshot};

use super::otlp::LogSender;
use crate::clock::{Clock, Timestamp};
use crate::config::LogCollector;
use crate::ids::ExecutionId;
use crate::store::Store;
use shipper::Shipper;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Beginnings and ends of drives that wait to be noticed.
const QUEUE: usize = 16 * 1024;
/// How long the end of the process waits for the collector.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who has the collector's key: asked anew for each request, so that a key that was changed meanwhile counts.
#[async_trait]
pub trait LogKey: Send + Sync {
    /// The key; none where none is needed.
    ///
    /// # Errors
    /// Why there is none, for people, without the key.
    async fn key(&self) -> Result<Option<SecretString>, String>;
}

/// Where lines go.
pub struct LogStoreSettings {
    /// The collector.
    pub collector: LogCollector,
    /// Who has its key.
    pub key: Arc<dyn LogKey>,
    /// What is said of this host with all lines.
    pub resource: BTreeMap<String, String>,
}

/// What became of lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogStoreReport {
    /// Lines that the collector took.
    pub sent: u64,
    /// Lines that it refused, and that are not offered again.
    pub refused: u64,
    /// Executions of which lines may be missing there: they were not followed, could not be read, or the process ended first.
    pub unfinished: u64,
    /// The first thing that went wrong, for people.
    pub first_error: Option<String>,
}

impl LogStoreReport {
    /// What a person should know: nothing, where everything went well.
    pub(super) fn problem(&self) -> Option<String> {
        if self.refused == 0 && self.unfinished == 0 {
            return None;
        }
        let mut parts = Vec::new();
        if self.refused > 0 {
            parts.push(format!("{} were refused", counted(self.refused, "line")));
        }
        if self.unfinished > 0 {
            parts.push(format!("lines of {} were not sent", counted(self.unfinished, "execution")));
        }
        let why = self.first_error.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        Some(format!("log store: {}{why}; the data folder has them all", parts.join(", ")))
    }
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

enum News {
    /// Somebody here drives it from this moment on.
    Begun(ExecutionId, Timestamp),
    Stopped(ExecutionId),
    Finish(oneshot::Sender<LogStoreReport>),
}

/// Sends lines until it is told to finish.
pub(super) struct LogShipping {
    news: mpsc::Sender<News>,
    clock: Arc<dyn Clock>,
    unfollowed: AtomicU64,
}

impl LogShipping {
    /// Starts a task that sends.
    ///
    /// # Errors
    /// Why nothing can be sent, for people.
    pub(super) fn start(store: Arc<dyn Store>, clock: Arc<dyn Clock>, settings: LogStoreSettings) -> Result<Self, String> {
        let LogStoreSettings { collector, key, resource } = settings;
        let sender = LogSender::new(&collector, &resource, TIMEOUT)?;
        let (news, received) = mpsc::channel(QUEUE);
        tokio::spawn(Shipper::new(store, sender, key).run(received));
        Ok(Self { news, clock, unfollowed: AtomicU64::new(0) })
    }

    /// An execution is driven here from now on.
    pub(super) fn begun(&self, execution: ExecutionId) {
        if self.news.try_send(News::Begun(execution, self.clock.now())).is_err() {
            self.unfollowed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It is not driven here any more.
    pub(super) fn stopped(&self, execution: ExecutionId) {
        // If this is lost, it is noticed at the end of the process.
        let _ = self.news.try_send(News::Stopped(execution));
    }

    /// Sends what is left to send, as far as that can be done in five seconds.
    pub(super) async fn finish(&self) -> LogStoreReport {
        let finished = async {
            let (done, wait) = oneshot::channel();
            self.news.send(News::Finish(done)).await.ok()?;
            wait.await.ok()
        };
        // The shipper keeps to its time by itself; a little more is for one that cannot.
        let report = tokio::time::timeout(PATIENCE + TIMEOUT, finished).await.ok().flatten();
        let mut report = report.unwrap_or_else(|| LogStoreReport {
            unfinished: 1,
            first_error: Some("the collector took too long".into()),
            ..LogStoreReport::default()
        });
        report.unfinished = report.unfinished.saturating_add(self.unfollowed.load(Ordering::Relaxed));
        report
    }
}

/// Asks a collector whether it would take lines, with a request that has none.
///
/// # Errors
/// Why it would not, for people.
pub async fn probe(settings: LogStoreSettings) -> Result<(), String> {
    let LogStoreSettings { collector, key, resource } = settings;
    let sender = LogSender::new(&collector, &resource, TIMEOUT)?;
    let key = key.key().await?;
    sender.send(&[], key.as_ref()).await.map(drop).map_err(|refusal| refusal.why)
}
