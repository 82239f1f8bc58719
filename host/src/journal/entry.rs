//! What an execution's journal is made of.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Failure, InputHash};
use crate::clock::Timestamp;
use crate::ids::{CallId, ExecutionId};

/// A kind of durable call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// A unit of work in an instance of its own.
    Checkpoint,
    /// A question to somebody outside.
    Wait,
    /// A point in time.
    Sleep,
    /// Which of several calls ended first (E7).
    First,
    /// A child flow: an execution of its own.
    Flow,
    /// A call of a model.
    #[serde(rename = "llm_call")]
    Llm,
}

impl CallKind {
    /// Whether it is work that is listed, selected and given other results as a checkpoint.
    pub fn is_checkpoint(self) -> bool {
        matches!(self, Self::Checkpoint | Self::Llm)
    }

    /// The word used in JSON and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Wait => "wait",
            Self::Sleep => "sleep",
            Self::First => "first",
            Self::Flow => "flow",
            Self::Llm => "llm_call",
        }
    }
}

impl fmt::Display for CallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// BLAKE3 of a blob's bytes: its address in the blob store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PayloadHash([u8; 32]);

impl PayloadHash {
    /// The address of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::str::FromStr for PayloadHash {
    type Err = blake3::HexError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        blake3::Hash::from_hex(text).map(|hash| Self(*hash.as_bytes()))
    }
}

impl fmt::Display for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for PayloadHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A value, in the entry or, where it is large, named by its address in the blob store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// The bytes themselves (JSON text is UTF-8).
    Inline(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The bytes are in the blob store.
    Blob {
        /// Where.
        hash: PayloadHash,
        /// How many, in bytes.
        len: u64,
    },
}

impl Payload {
    /// Values over this size, in bytes, go to the blob store.
    pub const INLINE_LIMIT: usize = 2 * 1024;

    /// Size in bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Blob { len, .. } => *len,
        }
    }

    /// Whether the value has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(bytes) => write!(f, "{}", String::from_utf8_lossy(bytes)),
            Self::Blob { hash, len } => write!(f, "blob {hash} ({len} bytes)"),
        }
    }
}

/// What makes one durable call this call and no other (E1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Descriptor {
    /// Kind of call.
    pub kind: CallKind,
    /// Name that the author gave the checkpoint or wait.
    pub name: String,
    /// `name`, `name_2` …, or the author's own identifier.
    pub invocation: String,
    /// Canonical JSON input.
    pub input: Payload,
    /// Hash of the canonical input.
    pub input_hash: InputHash,
    /// The checkpoint's declared type, such as `tool_call`.
    pub checkpoint_type: Option<String>,
}

/// How a durable call ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// With this JSON value.
    Success(Payload),
    /// With this failure.
    Failure(Failure),
}

/// Where a recorded outcome came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Provenance {
    /// It happened in this execution.
    Ran,
    /// It was served from the execution that this one replays (E10).
    Served {
        /// The execution in which the call really ran.
        source: ExecutionId,
        /// The call there.
        call: u32,
        /// The time that the flow's clock read after the call when it really ran (E6).
        recorded_at: Timestamp,
        /// The recorded outcome belongs to another input, because flow inputs were changed.
        other_input: bool,
    },
    /// The person who started the replay gave it; the call did not run.
    Overridden,
    /// It was served from the cache: an earlier call of the same checkpoint of the same component with the same input (E14).
    Cached {
        /// The execution in which the call really ran.
        source: ExecutionId,
        /// The call there.
        call: u32,
    },
    /// The flow ended while the call was under way. What it would have come to, nobody knows.
    Cancelled,
    /// The flow itself ended the call, and went on knowing that.
    Withdrawn,
}

impl Provenance {
    /// The call that really ran, where its outcome was taken over from another execution.
    pub fn source(&self) -> Option<CallId> {
        match self {
            Self::Served { source, call, .. } | Self::Cached { source, call } => {
                Some(CallId { execution: *source, index: *call })
            }
            Self::Ran | Self::Overridden | Self::Cancelled | Self::Withdrawn => None,
        }
    }
}

/// One record of the journal, which is only ever appended to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Position in the execution's journal: 0, 1, 2 …
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// What happened.
    pub body: EntryBody,
}

/// What a record says. Variants are only ever added, at the end: their position is part of the encoding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EntryBody {
    /// An attempt of a call started. Needs no commit of its own (E3), unless the call has an effect that may happen once (E5).
    CallStarted {
        /// Call index.
        call: u32,
        /// 1 for the first attempt.
        attempt: u32,
        /// Present on the first record of a call.
        descriptor: Option<Descriptor>,
        /// When a sleep is over, or a wait ends by itself.
        deadline: Option<Timestamp>,
        /// The execution that a child flow is.
        child: Option<ExecutionId>,
    },
    /// An attempt failed and another follows.
    AttemptFailed {
        /// Call index.
        call: u32,
        /// Which attempt.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// What the attempt logged about itself: a JSON object as text.
        metadata: Option<String>,
        /// When the next attempt is due.
        retry_at: Timestamp,
    },
    /// A call ended. Whatever the world can see next waits until this is durable (E3).
    CallEnded {
        /// Call index.
        call: u32,
        /// The attempt that decided it; 0 where nothing ran.
        attempt: u32,
        /// Present when this is the first record of the call.
        descriptor: Option<Descriptor>,
        /// How it ended.
        outcome: Outcome,
        /// Where the outcome came from.
        provenance: Provenance,
        /// What the checkpoint logged about itself: a JSON object as text.
        metadata: Option<String>,
        /// When its last attempt began, where no record of its own says so: nobody could see it (E3).
        started_at: Option<Timestamp>,
    },
    /// The flow ended: its result or its failure.
    Finished {
        /// How.
        outcome: Outcome,
        /// Calls that had ended in a failure which the flow never asked for.
        unseen: Vec<u32>,
        /// How many calls the flow had made when it learnt of the failure that it ended with, where that was a call's: those do not depend
        /// on it (E9).
        learnt_after: Option<u32>,
    },
    /// A failed execution was reopened (E9). `rerun` run again; calls that the flow made knowing the failure no longer count.
    Reopened {
        /// The call whose failure the flow returned, then failed calls that the flow never asked about.
        rerun: Vec<u32>,
        /// The component that takes over, by digest, where it is another one.
        component: Option<[u8; 32]>,
        /// The flow's own retries did it, and not a person.
        automatic: bool,
    },
    /// A call was issued and waits for a free place to run. Taking its index is what orders it (E7).
    CallIssued {
        /// Call index.
        call: u32,
        /// What was called.
        descriptor: Descriptor,
    },
    /// A waiting execution was moved to another component, which makes the same calls up to here.
    Upgraded {
        /// The component that takes over, by digest.
        component: [u8; 32],
    },
}

impl EntryBody {
    /// The values that the record names.
    pub fn payloads(&self) -> impl Iterator<Item = &Payload> {
        let (descriptor, outcome) = match self {
            Self::CallStarted { descriptor, .. } => (descriptor.as_ref(), None),
            Self::CallIssued { descriptor, .. } => (Some(descriptor), None),
            Self::CallEnded { descriptor, outcome, .. } => (descriptor.as_ref(), Some(outcome)),
            Self::Finished { outcome, .. } => (None, Some(outcome)),
            Self::AttemptFailed { .. } | Self::Reopened { .. } | Self::Upgraded { .. } => (None, None),
        };
        let output = outcome.and_then(|outcome| if let Outcome::Success(value) = outcome { Some(value) } else { None });
        descriptor.map(|descriptor| &descriptor.input).into_iter().chain(output)
    }
}
