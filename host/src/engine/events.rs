//! What a person who watches sees happen.

use std::sync::Arc;

use super::measures::Measures;
use crate::ids::{CallId, ExecutionId};
use crate::journal::{CallKind, Failure};
use crate::store::{LogRow, Status};

/// Where a served call's outcome came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServedFrom {
    /// This execution's own journal.
    Journal,
    /// The replayed execution.
    Source(ExecutionId),
    /// The person who started the replay.
    Override,
    /// The cache.
    Cache,
}

/// Something happened in an execution.
#[derive(Clone, Debug)]
pub enum Event {
    /// The flow body starts, from the top; `recorded` calls are known from before.
    Started {
        /// Which execution.
        execution: ExecutionId,
        /// Which flow.
        flow: String,
        /// Calls that its journal, or the replayed one before the live part, has.
        recorded: u32,
    },
    /// A call was served; nothing ran.
    Served {
        /// Call index.
        index: u32,
        /// Kind of call.
        kind: CallKind,
        /// Its invocation ID.
        invocation: String,
        /// From where.
        from: ServedFrom,
    },
    /// An attempt runs.
    Running {
        /// Which execution: the driven one, or a child or parent of it.
        execution: ExecutionId,
        /// Call index.
        index: u32,
        /// The checkpoint's invocation ID.
        invocation: String,
        /// Which attempt.
        attempt: u32,
    },
    /// An attempt ended, or was ended.
    Ran {
        /// Which execution.
        execution: ExecutionId,
        /// Call index.
        index: u32,
        /// The checkpoint's invocation ID.
        invocation: String,
        /// Why it failed, if it did.
        failure: Option<Failure>,
        /// Whether another attempt follows.
        again: bool,
    },
    /// An answer is needed.
    Waiting {
        /// The wait.
        id: CallId,
    },
    /// The answer came, or none is needed any more.
    Answered {
        /// The wait.
        id: CallId,
    },
    /// A log line.
    Log(LogRow),
    /// Live progress.
    Progress {
        /// The checkpoint's invocation ID, or none for the flow body.
        invocation: Option<String>,
        /// What it says.
        message: String,
        /// Completed part, 0 to 1.
        fraction: Option<f64>,
    },
    /// The flow failed, and runs again from the top.
    FlowRetry {
        /// Why it failed.
        failure: Failure,
        /// The number of this retry.
        retry: u32,
        /// How many there are.
        retries: u32,
    },
    /// An execution ended, or waits without a runner.
    Stopped {
        /// Which: the driven one, or a child or parent of it.
        execution: ExecutionId,
        /// How it stands.
        status: Status,
    },
}

/// Is told what happens, once everything that it may depend on is durable (E3).
#[derive(Clone, Default)]
pub struct Observer {
    told: Option<Arc<dyn Fn(Event) + Send + Sync>>,
    sees_all: bool,
}

impl Observer {
    /// One that calls `told`, which must return at once.
    pub fn new(told: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self { told: Some(Arc::new(told)), sees_all: true }
    }

    /// One that is told only where executions start ([`Event::Started`]) and stop ([`Event::Stopped`]), and what is asked and answered ([`Event::Waiting`],
    /// [`Event::Answered`]). Steps run ahead of the disk as if nobody watched.
    pub fn of_stops(told: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self { told: Some(Arc::new(told)), sees_all: false }
    }

    /// One that ignores everything, which costs nothing.
    pub fn silent() -> Self {
        Self::default()
    }

    /// Whether anybody watches every step.
    pub fn watches(&self) -> bool {
        self.told.is_some() && self.sees_all
    }

    /// Whether anybody wants to be told of stops.
    pub fn watches_stops(&self) -> bool {
        self.told.is_some()
    }

    /// Tells it.
    pub fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(told) = &self.told {
            told(event());
        }
    }
}

/// Is told which executions this process drives, so that it can read from the store what happens to them. It must return at once.
pub trait Monitor: Send + Sync {
    /// An execution is driven from now on. Its journal had so many records when that began.
    fn begun(&self, execution: ExecutionId, records: u64);
    /// It is not driven any more. What it came to is stored.
    fn stopped(&self, execution: ExecutionId);
    /// Who tells what the process does, whenever somebody wants to know.
    fn measured_by(&self, _measure: Box<dyn Fn() -> Measures + Send + Sync>) {}
}
