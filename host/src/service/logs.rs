//! Log lines: as they are, and as they come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::watching::until_due;
use super::{LogEntry, ServiceError};
use crate::clock::Timestamp;
use crate::engine::Engine;
use crate::ids::ExecutionId;
use crate::store::{LogFilter, LogSource, Status, StoredLog};

/// Which lines to read.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// Only this checkpoint's.
    pub checkpoint: Option<String>,
    /// Only of this source.
    pub source: Option<LogSource>,
    /// At most so many: the last ones, or with `after` the next ones. Whoever follows has it for the first look.
    pub limit: Option<u64>,
    /// Only lines after the one of this number.
    pub after: Option<u64>,
}

impl LogQuery {
    fn filter(&self, after: Option<u64>) -> LogFilter {
        LogFilter {
            after,
            checkpoint: self.checkpoint.clone(),
            source: self.source,
            limit: self.limit.filter(|_| after.is_none()),
        }
    }
}

pub(super) async fn read(engine: &Engine, id: ExecutionId, query: &LogQuery) -> Result<Vec<LogEntry>, ServiceError> {
    if query.limit == Some(0) {
        return Err(ServiceError::usage("`--limit` must be >= 1."));
    }
    engine.execution(id).await?;
    // The last ones, or after a line the next ones.
    let filter = LogFilter { limit: query.limit, ..query.filter(query.after) };
    Ok(engine.store().logs(id, &filter).await?.into_iter().map(entry).collect())
}

fn entry(stored: StoredLog) -> LogEntry {
    let row = stored.row;
    LogEntry {
        message: row.message,
        level: row.level.as_str().into(),
        timestamp: row.at.to_rfc3339(),
        source: row.source.as_str().into(),
        checkpoint_name: row.checkpoint,
        module: row.module.to_owned(),
        line: stored.id,
    }
}

/// What somebody who follows an execution is told.
#[derive(Clone, Debug)]
pub enum FollowEvent {
    /// A line.
    Log {
        /// Its number among the execution's lines; to go on after it.
        line: u64,
        /// What it says.
        entry: LogEntry,
    },
    /// An answer is needed. Told once for each wait.
    Waiting {
        /// The wait.
        wait_id: String,
        /// Its name.
        name: String,
        /// What is asked.
        question: Option<String>,
    },
    /// The execution ended; nothing follows.
    Terminal {
        /// How.
        status: Status,
        /// Why.
        message: String,
    },
}

/// Somebody who follows an execution to its end, and is told every line once, in order.
#[async_trait::async_trait]
pub trait Following: Send {
    /// The next event; none after the end.
    ///
    /// # Errors
    /// When the store cannot be read, or the server not be reached.
    async fn next(&mut self) -> Result<Option<FollowEvent>, ServiceError>;
}

/// What follows an execution.
pub type Follow = Box<dyn Following>;

/// Follows an execution of this data folder.
struct LocalFollow {
    engine: Arc<dyn FollowSource>,
    id: ExecutionId,
    query: LogQuery,
    wakeups: watch::Receiver<u64>,
    ready: VecDeque<FollowEvent>,
    /// The last line that was told; none before the first look, which is the one that a limit is for.
    after: Option<u64>,
    told: Vec<String>,
    over: bool,
}

/// The part of the engine that following needs, kept alive by the follower.
#[async_trait::async_trait]
trait FollowSource: Send + Sync {
    async fn look(&self, id: ExecutionId, filter: &LogFilter) -> Result<Look, ServiceError>;
}

struct Look {
    status: Status,
    wakes_at: Option<Timestamp>,
    reason: Option<String>,
    lines: Vec<StoredLog>,
    waits: Vec<(String, String, Option<String>)>,
}

struct Source(Arc<dyn crate::store::Store>);

#[async_trait::async_trait]
impl FollowSource for Source {
    async fn look(&self, id: ExecutionId, filter: &LogFilter) -> Result<Look, ServiceError> {
        // The status first: lines are written before it, so an end that is seen has no lines to come.
        let row = self.0.execution(id).await?;
        let lines = self.0.logs(id, filter).await?;
        let open = if row.status == Status::Waiting { self.0.waits(id).await? } else { Vec::new() };
        let waits = open.into_iter().filter(|wait| wait.resolution.is_none());
        let waits = waits.map(|wait| (wait.id.to_string(), wait.wait.name, wait.wait.question)).collect();
        Ok(Look { status: row.status, wakes_at: row.wake_at, reason: row.status_reason, lines, waits })
    }
}

/// Lines do not wake anybody, so that writing them costs nothing; a follower looks this often while an execution runs, or is about to.
const LOOK: Duration = Duration::from_millis(200);
/// And this often while it waits: that a child ended, or a call beside a question goes on, wakes its runner alone.
const QUIET: Duration = Duration::from_secs(2);

pub(super) async fn follow(engine: &Engine, id: ExecutionId, query: &LogQuery) -> Result<Follow, ServiceError> {
    engine.execution(id).await?;
    Ok(Box::new(LocalFollow {
        engine: Arc::new(Source(engine.store().clone())),
        id,
        query: query.clone(),
        wakeups: engine.store().watch(id).await?,
        ready: VecDeque::new(),
        after: query.after,
        told: Vec::new(),
        over: false,
    }))
}

#[async_trait::async_trait]
impl Following for LocalFollow {
    async fn next(&mut self) -> Result<Option<FollowEvent>, ServiceError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if self.over {
                return Ok(None);
            }
            let look = self.engine.look(self.id, &self.query.filter(self.after)).await?;
            self.after = self.after.or(Some(0));
            for line in look.lines {
                self.after = self.after.max(Some(line.id));
                self.ready.push_back(FollowEvent::Log { line: line.id, entry: entry(line) });
            }
            for (wait_id, name, question) in look.waits {
                if !self.told.contains(&wait_id) {
                    self.told.push(wait_id.clone());
                    self.ready.push_back(FollowEvent::Waiting { wait_id, name, question });
                }
            }
            if look.status.is_terminal() {
                self.over = true;
                let message = look.reason.unwrap_or_else(|| format!("Execution {}", look.status));
                self.ready.push_back(FollowEvent::Terminal { status: look.status, message });
            } else if self.ready.is_empty() {
                // What waits writes nothing, and answers wake: many can follow it for nothing.
                let pause = if look.status == Status::Waiting { until_due(look.wakes_at, LOOK, QUIET) } else { LOOK };
                let _ = tokio::time::timeout(pause, self.wakeups.changed()).await;
            }
        }
    }
}
