//! Journals: append, read.

use async_trait::async_trait;

use super::{CacheEntry, Lease, NewExecution, NewWait, Status};
use crate::clock::Timestamp;
use crate::ids::{ComponentDigest, ExecutionId};
use crate::journal::{EncodedEntry, Failure, Payload, PayloadHash};
use crate::store::StoreError;

/// How safe an append must be before the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It survives the death of the machine: committed with a disk sync, shared with other appends (E3).
    Full,
    /// It survives the death of this process; the next full append makes it as durable as itself. For start records and logs.
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
    /// A failed execution goes on, possibly with another component (E9): clears failure, result and end.
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
    /// Another component takes over; nothing else changes.
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
    /// A result that may be served again.
    pub cache: Option<CacheEntry>,
    /// Large values that the entries name.
    pub blobs: Vec<PayloadHash>,
    /// The moment of the change.
    pub at: Timestamp,
    /// How safe it must be before the call returns.
    pub durability: Durability,
}

/// A stored record.
#[derive(Clone, Debug)]
pub struct StoredEntry {
    /// Its position.
    pub seq: u64,
    /// The encoded entry.
    pub bytes: Vec<u8>,
    /// Its link in the hash chain (E15).
    pub link: [u8; 32],
}

/// Journals.
#[async_trait]
pub trait Journal {
    /// Makes one step of the execution that `lease` is for. Steps of one lease are made in the order in which these calls are first polled.
    ///
    /// # Errors
    /// [`StoreError::LeaseLost`] when another runner took over: nothing was written (E12).
    async fn append(&self, lease: &Lease, append: Append) -> Result<(), StoreError>;
    /// The records from position `from` on, in order, at most `limit`.
    async fn entries(&self, execution: ExecutionId, from: u64, limit: u64) -> Result<Vec<StoredEntry>, StoreError>;
}
