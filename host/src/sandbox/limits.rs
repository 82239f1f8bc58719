//! How much one instance may use. Every limit has a default and ends in a typed failure.

use serde::{Deserialize, Serialize};
use wasmtime::ResourceLimiter;

use crate::journal::Failure;

/// Limits of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Linear memory of an instance, in MiB. Reaching it ends the instance: a refused allocation that a guest can see would be a source of
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
        }
    }
}

impl Limits {
    const MIB: u64 = 1024 * 1024;

    /// Checks one JSON value that a guest hands over.
    pub(super) fn check_value(&self, what: &str, bytes: usize) -> Result<(), Failure> {
        check(what, bytes as u64, self.value_mib, "value_mib")
    }

    /// Checks one artifact.
    pub(super) fn check_artifact(&self, bytes: usize) -> Result<(), Failure> {
        check("the artifact", bytes as u64, self.artifact_mib, "artifact_mib")
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
    /// See [`Limits::log_mib`].
    pub log_mib: Option<u64>,
}

impl LimitChanges {
    /// `limits` with the changes.
    pub fn over(self, limits: Limits) -> Limits {
        Limits {
            memory_mib: self.memory_mib.unwrap_or(limits.memory_mib),
            flow_seconds: self.flow_seconds.unwrap_or(limits.flow_seconds),
            checkpoint_seconds: self.checkpoint_seconds.unwrap_or(limits.checkpoint_seconds),
            value_mib: self.value_mib.unwrap_or(limits.value_mib),
            log_mib: self.log_mib.unwrap_or(limits.log_mib),
            ..limits
        }
    }
}

/// A limit that ended an instance.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct LimitReached(pub(super) String);

/// Watches an instance's memory and tables.
#[derive(Debug)]
pub(super) struct InstanceLimiter {
    memory_bytes: usize,
    limit_mib: u64,
}

impl InstanceLimiter {
    pub(super) fn new(limits: &Limits) -> Self {
        let bytes = limits.memory_mib.saturating_mul(Limits::MIB);
        Self { memory_bytes: usize::try_from(bytes).unwrap_or(usize::MAX), limit_mib: limits.memory_mib }
    }
}

impl ResourceLimiter for InstanceLimiter {
    fn memory_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        if desired <= self.memory_bytes {
            return Ok(true);
        }
        Err(LimitReached(format!("it needs more memory than the limit `memory_mib` of {} MiB", self.limit_mib)).into())
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        const ELEMENTS: usize = 1_000_000;
        if desired <= ELEMENTS {
            return Ok(true);
        }
        Err(LimitReached(format!("it needs a table of more than {ELEMENTS} elements")).into())
    }
}
