//! What an execution's journal is made of.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Failure, InputHash};
use crate::clock::Timestamp;
use crate::ids::ExecutionId;

/// A kind of durable call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// A unit of work in an instance of its own.
    Checkpoint,
    /// A question to somebody outside.
    Wait,
}

impl CallKind {
    /// The word used in JSON and text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Wait => "wait",
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
    Inline(Vec<u8>),
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
    pub const INLINE_LIMIT: usize = 32 * 1024;

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
    /// An attempt of a call started. Needs no commit of its own (E3).
    CallStarted {
        /// Call index.
        call: u32,
        /// 1 for the first attempt.
        attempt: u32,
        /// Present on the first record of a call.
        descriptor: Option<Descriptor>,
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
    },
    /// A call ended. The flow goes on only after this is durable (E3).
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
    },
    /// The flow ended: its result or its failure.
    Finished {
        /// How.
        outcome: Outcome,
    },
    /// A failed execution was reopened (E9). Calls after `rerun` no longer count; `rerun` itself runs again.
    Reopened {
        /// The call whose failure the flow returned.
        rerun: Option<u32>,
        /// The component that takes over, by digest, where it is another one.
        component: Option<[u8; 32]>,
    },
}
