//! How much one instance may use. Every limit has a default and ends in a typed failure.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

use crate::journal::Failure;

/// Limits of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Linear memory of an instance, all its memories together, in MiB. Reaching it ends the instance: a refused allocation that a guest can see would be a source of
    /// nondeterminism (E6).
    pub memory_mib: u64,
    /// How long a flow may compute between two durable calls, in seconds.
    pub flow_seconds: u64,
    /// How long one checkpoint attempt may take, in seconds.
    pub checkpoint_seconds: u64,
    /// Size of one JSON value that a guest hands over (result, input, question), in MiB.
    pub value_mib: u64,
    /// Size of one artifact, in MiB.
    pub artifact_mib: u64,
    /// Log text of one flow run or checkpoint attempt, in MiB.
    pub log_mib: u64,
    /// Durable calls of one execution.
    pub calls: u32,
    /// Checkpoint bodies of one execution that run at a time.
    pub parallel: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mib: 256,
            flow_seconds: 30,
            checkpoint_seconds: 600,
            value_mib: 8,
            artifact_mib: 256,
            log_mib: 16,
            calls: 1_000_000,
            parallel: 16,
        }
    }
}

/// Ten years: further than this no clock of the host needs to reckon.
const LONGEST_SECONDS: u64 = 315_360_000;

impl Limits {
    const MIB: u64 = 1024 * 1024;

    /// These limits, where they are not over `other`'s.
    #[must_use]
    pub fn at_most(self, other: Self) -> Self {
        Self {
            memory_mib: self.memory_mib.min(other.memory_mib),
            flow_seconds: self.flow_seconds.min(other.flow_seconds),
            checkpoint_seconds: self.checkpoint_seconds.min(other.checkpoint_seconds),
            value_mib: self.value_mib.min(other.value_mib),
            artifact_mib: self.artifact_mib.min(other.artifact_mib),
            log_mib: self.log_mib.min(other.log_mib),
            calls: self.calls.min(other.calls),
            parallel: self.parallel.min(other.parallel),
        }
    }

    /// Checks one JSON value that a guest hands over.
    pub(super) fn check_value(&self, what: &str, bytes: usize) -> Result<(), Failure> {
        check(what, bytes as u64, self.value_mib, "value_mib")
    }

    /// Checks one artifact.
    pub(super) fn check_artifact(&self, bytes: usize) -> Result<(), Failure> {
        check("the artifact", bytes as u64, self.artifact_mib, "artifact_mib")
    }

    /// How long one checkpoint attempt may take.
    pub(super) fn checkpoint_time(&self) -> Duration {
        Duration::from_secs(self.checkpoint_seconds.min(LONGEST_SECONDS))
    }

    /// How long a flow may compute between two durable calls.
    pub(super) fn flow_time(&self) -> Duration {
        Duration::from_secs(self.flow_seconds.min(LONGEST_SECONDS))
    }

    /// Bytes that one call of the host may make it hold: the largest artifact and its surroundings.
    pub(super) fn hostcall_bytes(&self) -> usize {
        let mib = self.artifact_mib.max(self.value_mib).saturating_add(16);
        usize::try_from(mib.saturating_mul(Self::MIB)).unwrap_or(usize::MAX)
    }

    /// Log text allowed, in bytes.
    pub(super) fn log_bytes(&self) -> u64 {
        self.log_mib.saturating_mul(Self::MIB)
    }
}

fn check(what: &str, bytes: u64, limit_mib: u64, key: &str) -> Result<(), Failure> {
    if bytes <= limit_mib.saturating_mul(Limits::MIB) {
        return Ok(());
    }
    Err(Failure::runtime("limit", format!("{what} has {bytes} bytes, and the limit `{key}` is {limit_mib} MiB")))
}

/// Limits that somebody wants other than they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LimitChanges {
    /// See [`Limits::memory_mib`].
    pub memory_mib: Option<u64>,
    /// See [`Limits::flow_seconds`].
    pub flow_seconds: Option<u64>,
    /// See [`Limits::checkpoint_seconds`].
    pub checkpoint_seconds: Option<u64>,
    /// See [`Limits::value_mib`].
    pub value_mib: Option<u64>,
    /// See [`Limits::artifact_mib`].
    pub artifact_mib: Option<u64>,
    /// See [`Limits::log_mib`].
    pub log_mib: Option<u64>,
    /// See [`Limits::calls`].
    pub calls: Option<u32>,
    /// See [`Limits::parallel`].
    pub parallel: Option<u32>,
}

impl LimitChanges {
    /// `limits` with the changes.
    pub fn over(self, limits: Limits) -> Limits {
        Limits {
            memory_mib: self.memory_mib.unwrap_or(limits.memory_mib),
            flow_seconds: self.flow_seconds.unwrap_or(limits.flow_seconds),
            checkpoint_seconds: self.checkpoint_seconds.unwrap_or(limits.checkpoint_seconds),
            value_mib: self.value_mib.unwrap_or(limits.value_mib),
            artifact_mib: self.artifact_mib.unwrap_or(limits.artifact_mib),
            log_mib: self.log_mib.unwrap_or(limits.log_mib),
            calls: self.calls.unwrap_or(limits.calls),
            parallel: self.parallel.unwrap_or(limits.parallel),
        }
    }
}

/// A limit that ended an instance.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct LimitReached(pub(super) String);

/// Watches an instance's memory and tables: the sums over all that its component has.
#[derive(Debug)]
pub(super) struct InstanceLimiter {
    memory_left: usize,
    table_left: usize,
    limit_mib: u64,
}

/// Elements of all tables of an instance. A component of an interpreted language has some ten thousand.
pub(super) const TABLE_ELEMENTS: usize = 100_000;
/// Core instances, memories and tables that one component may have. A component of an interpreted language has some dozens.
const PARTS: usize = 1_000;

impl InstanceLimiter {
    pub(super) fn new(limits: &Limits) -> Self {
        let bytes = limits.memory_mib.saturating_mul(Limits::MIB);
        let memory_left = usize::try_from(bytes).unwrap_or(usize::MAX);
        Self { memory_left, table_left: TABLE_ELEMENTS, limit_mib: limits.memory_mib }
    }
}

impl ResourceLimiter for InstanceLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        match self.memory_left.checked_sub(desired.saturating_sub(current)) {
            Some(left) => self.memory_left = left,
            None => {
                let text = format!("it needs more memory than the limit `memory_mib` of {} MiB", self.limit_mib);
                return Err(LimitReached(text).into());
            }
        }
        Ok(true)
    }

    /// The machine refuses: a guest that saw it could act on it, and another run would not see it (E6).
    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error.context("the machine has no memory for it"))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        match self.table_left.checked_sub(desired.saturating_sub(current)) {
            Some(left) => self.table_left = left,
            None => return Err(LimitReached(format!("it needs tables of more than {TABLE_ELEMENTS} elements")).into()),
        }
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        Err(error.context("the machine has no memory for it"))
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }
}
