//! Journals: append, read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::{AccessRow, CacheEntry, Lease, LogRow, ModelCallRow, NewExecution, NewWait, Reading, Status};
use crate::clock::Timestamp;
use crate::ids::{ComponentDigest, ExecutionId};
use crate::journal::{EncodedEntry, Failure, Payload, PayloadHash};
use crate::store::StoreError;

/// How safe an append must be before the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives the death of the machine: committed with a disk sync, shared with other appends (E3). In a store that was opened with
    /// [`DurabilityMode::Process`](crate::store::DurabilityMode::Process) only that of this process.
    Full,
    /// It survives the death of this process; the next full append makes it as durable as itself. One that is
    /// [only log lines](Append::is_only_lines) and not written yet may be passed by those of other executions. For start records and logs.
    Relaxed,
}

/// A change of the execution's row, made in one step with the append.
#[derive(Clone, Debug)]
pub enum StatusChange {
    /// It goes on.
    Running,
    /// It needs an answer, a time or a child.
    Waiting {
        /// When it goes on by itself.
        wake_at: Option<Timestamp>,
    },
    /// It ended with a result.
    Completed {
        /// The result.
        result: Payload,
    },
    /// It ended with a failure.
    Failed {
        /// The failure.
        failure: Failure,
    },
    /// Somebody ended it.
    Cancelled,
    /// A failed execution goes on, possibly with another component (E9): clears failure, result and end. Another component does not get the trees that
    /// the starter of the frozen configuration may look into.
    Reopened {
        /// The component that takes over.
        component: Option<ComponentDigest>,
        /// Questions of this call and later ones no longer count.
        from_call: Option<u32>,
        /// Nor do those of these calls, which run again.
        rerun: Vec<u32>,
        /// Nobody asked for it: a request to end the execution still counts.
        automatic: bool,
    },
    /// Another component takes over, without those trees; nothing else changes.
    Upgraded {
        /// Which.
        component: ComponentDigest,
    },
}

impl StatusChange {
    /// The status after the change.
    pub fn status(&self) -> Status {
        match self {
            Self::Running | Self::Reopened { .. } => Status::Running,
            Self::Waiting { .. } | Self::Upgraded { .. } => Status::Waiting,
            Self::Completed { .. } => Status::Completed,
            Self::Failed { .. } => Status::Failed,
            Self::Cancelled => Status::Cancelled,
        }
    }
}

/// Everything that one step of an execution changes. All of it happens, or nothing.
#[derive(Debug)]
pub struct Append {
    /// Records to add, in order; their `seq` continues the journal's.
    pub entries: Vec<EncodedEntry>,
    /// The new status, if it changes.
    pub status: Option<StatusChange>,
    /// The flow's metadata, if it changed: a JSON object.
    pub metadata: Option<String>,
    /// A wait that begins.
    pub wait: Option<NewWait>,
    /// A child that is created. Boxed: few steps have one.
    pub child: Option<Box<NewExecution>>,
    /// Results that may be served again.
    pub cache: Vec<CacheEntry>,
    /// Records of model calls that ended.
    pub model_calls: Vec<ModelCallRow>,
    /// What bodies used and were denied.
    pub accesses: Vec<AccessRow>,
    /// Lines for the execution's log.
    pub logs: Vec<LogRow>,
    /// Large values that the entries name.
    pub blobs: Vec<PayloadHash>,
    /// Where the journal must stand, if that matters beside the entries' own positions: what goes before must be there.
    pub follows: Option<u64>,
    /// The moment of the change.
    pub at: Timestamp,
    /// The lease is given back in the same step, which is the last one under it.
    pub gives_back: bool,
    /// How safe it must be before the call returns.
    pub durability: Durability,
}

impl Append {
    /// Whether it adds lines to the execution's log and does nothing else: those of other executions may be made before it.
    pub fn is_only_lines(&self) -> bool {
        let Self {
            entries,
            status,
            metadata,
            wait,
            child,
            cache,
            model_calls,
            accesses,
            logs,
            blobs,
            follows: _,
            at: _,
            gives_back,
            durability,
        } = self;
        let is_more = status.is_some() || metadata.is_some() || wait.is_some() || child.is_some() || *gives_back;
        let has_rows = entries.len() + cache.len() + model_calls.len() + accesses.len() + blobs.len() > 0;
        !logs.is_empty() && !is_more && !has_rows && *durability == Durability::Relaxed
    }

    /// How much its lines take to write: each counts once, and long ones once for each KiB of text.
    pub fn line_weight(&self) -> usize {
        self.logs.iter().map(|row| 1 + row.message.len() / 1024).sum()
    }

    /// One that changes nothing yet.
    pub fn new(at: Timestamp, durability: Durability) -> Self {
        let (entries, cache, model_calls, accesses, logs, blobs) = Default::default();
        let (status, metadata, wait, child, follows) = Default::default();
        Self {
            entries,
            status,
            metadata,
            wait,
            child,
            cache,
            model_calls,
            accesses,
            logs,
            blobs,
            follows,
            gives_back: false,
            at,
            durability,
        }
    }
}

/// A stored record.
#[derive(Clone, Debug)]
pub struct StoredEntry {
    /// Its position.
    pub seq: u64,
    /// The encoded entry: a part of what was read with it, so that a long journal is not one allocation for each record.
    pub bytes: Bytes,
    /// Its link in the hash chain (E15).
    pub link: [u8; 32],
}

/// Sees to it that what was handed over is written now, perhaps by the caller itself.
pub trait Hurry: Send + Sync {
    /// Somebody waits.
    fn hurry(&self);
}

/// A step that was handed over, and is as safe as was asked when this completes. Dropping it withdraws nothing.
pub struct Appending {
    answer: oneshot::Receiver<Result<(), StoreError>>,
    hurry: Option<Arc<dyn Hurry>>,
}

impl std::fmt::Debug for Appending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Appending").finish_non_exhaustive()
    }
}

impl Appending {
    /// One that completes with what is sent. The first one to wait for it says so to `hurry`.
    pub fn new(hurry: Option<Arc<dyn Hurry>>) -> (oneshot::Sender<Result<(), StoreError>>, Self) {
        let (sender, answer) = oneshot::channel();
        (sender, Self { answer, hurry })
    }

    /// The answer, if it has come.
    pub fn answer(&mut self) -> Option<Result<(), StoreError>> {
        match self.answer.try_recv() {
            Ok(answer) => Some(answer),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(error) => Some(Err(StoreError::Backend(error.into()))),
        }
    }
}

impl Future for Appending {
    type Output = Result<(), StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = Pin::new(&mut self.answer).poll(context);
        if answer.is_pending()
            && let Some(hurry) = self.hurry.take()
        {
            hurry.hurry();
            answer = Pin::new(&mut self.answer).poll(context);
        }
        answer.map(|answer| answer.unwrap_or_else(|error| Err(StoreError::Backend(error.into()))))
    }
}

/// Journals.
#[async_trait]
pub trait Journal {
    /// Makes one step of the execution that `lease` is for. It has its place when this returns: the steps of one lease are made in the order
    /// of these calls, and a release of the lease comes after them. Those of other leases may pass [lines](Append::is_only_lines). It is written when somebody waits for the answer, or says
    /// [`Journal::write_out`]; the answer may be waited for later or never.
    ///
    /// # Errors
    /// In the answer: [`StoreError::LeaseLost`] when another runner took over: nothing was written (E12).
    fn append(&self, lease: &Lease, append: Append) -> Appending;
    /// Has everything written that was handed over, while nobody waits for it.
    fn write_out(&self);
    /// The records from position `from` on, in order, at most `limit`.
    async fn entries(&self, execution: ExecutionId, from: u64, limit: u64) -> Result<Vec<StoredEntry>, StoreError>;
    /// The same, in pages that come while more is read.
    async fn read_ahead(&self, execution: ExecutionId, from: u64, limit: u64) -> Result<Reading, StoreError>;
}
