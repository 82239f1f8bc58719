//! How much one instance may use. Every limit has a default and ends in a typed failure.

use std::time::Duration;

use kitaru_llm::price::NanoUsd;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::reached::reached;
use crate::journal::Failure;

/// Limits of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// What one checkpoint attempt writes to granted folders, in MiB.
    pub written_mib: u64,
    /// Files and folders that one checkpoint attempt makes.
    pub written_files: u64,
    /// Elements of all tables of an instance. A component of an interpreted language has some ten thousand.
    pub table_elements: u64,
    /// Core instances of a component, and as many memories and tables. A component of an interpreted language has some dozens.
    pub instances: u32,
    /// How long one checkpoint attempt may compute, and a flow between two durable calls, in seconds. What either waits for does not count.
    pub cpu_seconds: u64,
    /// Journal of one execution with all values that it names, in MiB.
    pub history_mib: u64,
    /// All artifacts of one execution together, in MiB.
    pub artifacts_mib: u64,
    /// What the host holds of the arguments of one call, in MiB. None: 16 MiB more than the largest value or artifact.
    pub argument_mib: Option<u64>,
    /// HTTP requests and sockets of one instance that are open at a time.
    pub requests: u32,
    /// Body of one HTTP response, in MiB.
    pub response_mib: u64,
    /// How long an HTTP request may wait for the head of its response, and then for each piece of its body, in seconds.
    pub request_seconds: u64,
    /// What the model calls of one execution may cost, in dollars. None: as much as the host's budgets allow.
    #[schemars(with = "Option<f64>")]
    pub llm_usd: Option<NanoUsd>,
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
            written_mib: 1024,
            written_files: 10_000,
            table_elements: POOLED_TABLE_ELEMENTS,
            instances: 1_000,
            cpu_seconds: 600,
            history_mib: 1024,
            artifacts_mib: 4096,
            argument_mib: None,
            requests: 64,
            response_mib: 256,
            request_seconds: 60,
            llm_usd: None,
        }
    }
}

/// Elements of a table that instances of the pool have room for. An execution that may have more gets its instances from the system.
pub(super) const POOLED_TABLE_ELEMENTS: u64 = 100_000;

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
            written_mib: self.written_mib.min(other.written_mib),
            written_files: self.written_files.min(other.written_files),
            table_elements: self.table_elements.min(other.table_elements),
            instances: self.instances.min(other.instances),
            cpu_seconds: self.cpu_seconds.min(other.cpu_seconds),
            history_mib: self.history_mib.min(other.history_mib),
            artifacts_mib: self.artifacts_mib.min(other.artifacts_mib),
            // Where neither says one, what it follows from is narrowed.
            argument_mib: self.argument_mib.or(other.argument_mib).map(|_| self.argument().min(other.argument())),
            requests: self.requests.min(other.requests),
            response_mib: self.response_mib.min(other.response_mib),
            request_seconds: self.request_seconds.min(other.request_seconds),
            llm_usd: [self.llm_usd, other.llm_usd].into_iter().flatten().min(),
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

    /// How long it may compute.
    pub(super) fn cpu_time(&self) -> Duration {
        Duration::from_secs(self.cpu_seconds.min(LONGEST_SECONDS))
    }

    /// What the host may hold of the arguments of one call, in MiB: where nobody said, the largest artifact and its surroundings.
    pub(super) fn argument(&self) -> u64 {
        self.argument_mib.unwrap_or_else(|| self.artifact_mib.max(self.value_mib).saturating_add(16))
    }

    /// The same in bytes.
    pub(super) fn argument_bytes(&self) -> usize {
        usize::try_from(self.argument().saturating_mul(Self::MIB)).unwrap_or(usize::MAX)
    }

    /// The sentence for a call whose arguments take too much.
    pub(super) fn over_argument(&self) -> String {
        format!("the arguments of a call make the host hold more than the limit `argument_mib` of {} MiB", self.argument())
    }

    /// Journal of one execution with its values, in bytes.
    pub fn history_bytes(&self) -> u64 {
        self.history_mib.saturating_mul(Self::MIB)
    }

    /// All artifacts of one execution, in bytes.
    pub fn artifacts_bytes(&self) -> u64 {
        self.artifacts_mib.saturating_mul(Self::MIB)
    }

    /// How long an HTTP request may wait for what comes next.
    pub(super) fn request_time(&self) -> Duration {
        Duration::from_secs(self.request_seconds.min(LONGEST_SECONDS))
    }

    /// Bytes that the body of one HTTP response may have.
    pub(super) fn response_bytes(&self) -> u64 {
        self.response_mib.saturating_mul(Self::MIB)
    }

    /// Log text allowed, in bytes.
    pub(super) fn log_bytes(&self) -> u64 {
        self.log_mib.saturating_mul(Self::MIB)
    }

    /// What may be written to granted folders, in bytes.
    pub(super) fn written_bytes(&self) -> u64 {
        self.written_mib.saturating_mul(Self::MIB)
    }
}

fn check(what: &str, bytes: u64, limit_mib: u64, key: &'static str) -> Result<(), Failure> {
    if bytes <= limit_mib.saturating_mul(Limits::MIB) {
        return Ok(());
    }
    reached(key);
    Err(Failure::runtime("limit", format!("{what} has {bytes} bytes, and the limit `{key}` is {limit_mib} MiB")))
}

/// Limits that somebody wants other than they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LimitChanges {
    /// See [`Limits::memory_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// See [`Limits::flow_seconds`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow_seconds: Option<u64>,
    /// See [`Limits::checkpoint_seconds`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_seconds: Option<u64>,
    /// See [`Limits::value_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_mib: Option<u64>,
    /// See [`Limits::artifact_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_mib: Option<u64>,
    /// See [`Limits::log_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_mib: Option<u64>,
    /// See [`Limits::calls`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u32>,
    /// See [`Limits::parallel`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<u32>,
    /// See [`Limits::written_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_mib: Option<u64>,
    /// See [`Limits::written_files`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub written_files: Option<u64>,
    /// See [`Limits::table_elements`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_elements: Option<u64>,
    /// See [`Limits::instances`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<u32>,
    /// See [`Limits::cpu_seconds`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<u64>,
    /// See [`Limits::history_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_mib: Option<u64>,
    /// See [`Limits::artifacts_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifacts_mib: Option<u64>,
    /// See [`Limits::argument_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub argument_mib: Option<u64>,
    /// See [`Limits::requests`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// See [`Limits::response_mib`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_mib: Option<u64>,
    /// See [`Limits::request_seconds`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_seconds: Option<u64>,
    /// See [`Limits::llm_usd`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<f64>")]
    pub llm_usd: Option<NanoUsd>,
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
            written_mib: self.written_mib.unwrap_or(limits.written_mib),
            written_files: self.written_files.unwrap_or(limits.written_files),
            table_elements: self.table_elements.unwrap_or(limits.table_elements),
            instances: self.instances.unwrap_or(limits.instances),
            cpu_seconds: self.cpu_seconds.unwrap_or(limits.cpu_seconds),
            history_mib: self.history_mib.unwrap_or(limits.history_mib),
            artifacts_mib: self.artifacts_mib.unwrap_or(limits.artifacts_mib),
            argument_mib: self.argument_mib.or(limits.argument_mib),
            requests: self.requests.unwrap_or(limits.requests),
            response_mib: self.response_mib.unwrap_or(limits.response_mib),
            request_seconds: self.request_seconds.unwrap_or(limits.request_seconds),
            llm_usd: self.llm_usd.or(limits.llm_usd),
        }
    }
}

/// All of them as they are, whatever they are over.
impl From<Limits> for LimitChanges {
    fn from(limits: Limits) -> Self {
        Self {
            memory_mib: Some(limits.memory_mib),
            flow_seconds: Some(limits.flow_seconds),
            checkpoint_seconds: Some(limits.checkpoint_seconds),
            value_mib: Some(limits.value_mib),
            artifact_mib: Some(limits.artifact_mib),
            log_mib: Some(limits.log_mib),
            calls: Some(limits.calls),
            parallel: Some(limits.parallel),
            written_mib: Some(limits.written_mib),
            written_files: Some(limits.written_files),
            table_elements: Some(limits.table_elements),
            instances: Some(limits.instances),
            cpu_seconds: Some(limits.cpu_seconds),
            history_mib: Some(limits.history_mib),
            artifacts_mib: Some(limits.artifacts_mib),
            argument_mib: limits.argument_mib,
            requests: Some(limits.requests),
            response_mib: Some(limits.response_mib),
            request_seconds: Some(limits.request_seconds),
            llm_usd: limits.llm_usd,
        }
    }
}

/// A limit that ended an instance.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct LimitReached(pub(super) String);

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(change: impl FnOnce(&mut Limits)) -> Limits {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    }

    #[test]
    fn what_was_recorded_before_a_limit_was_known_has_its_default() {
        let text = r#"{"memory_mib":64,"flow_seconds":1,"checkpoint_seconds":2,"value_mib":3,"artifact_mib":400,"log_mib":5,"calls":6,"parallel":7}"#;
        let limits: Limits = serde_json::from_str(text).unwrap();
        assert_eq!((limits.memory_mib, limits.parallel), (64, 7));
        assert_eq!((limits.cpu_seconds, limits.table_elements), (600, POOLED_TABLE_ELEMENTS));
        assert_eq!(limits.argument(), 416, "arguments have room for the artifact that was allowed");
        assert!(serde_json::from_str::<Limits>(r#"{"memory":1}"#).is_err());
        let again: Limits = serde_json::from_str(&serde_json::to_string(&limits).unwrap()).unwrap();
        assert_eq!(again, limits);
    }

    #[test]
    fn nobody_has_more_than_another_allows() {
        let (small, large) = (changed(|limits| limits.history_mib = 1), changed(|limits| limits.cpu_seconds = 10_000));
        assert_eq!(large.at_most(small), small);
        assert_eq!(small.at_most(large), small);
        let wide = changed(|limits| (limits.artifact_mib, limits.argument_mib) = (9_000, Some(20_000)));
        let narrowed = wide.at_most(Limits::default());
        assert_eq!((narrowed.artifact_mib, narrowed.argument_mib), (256, Some(272)));
        let asked = changed(|limits| limits.argument_mib = Some(20));
        assert_eq!(Limits::default().at_most(asked), asked, "also where only the other says it");
        let dollars = |dollars| changed(|limits| limits.llm_usd = Some(NanoUsd::from_dollars(dollars)));
        assert_eq!(dollars(2).at_most(dollars(1)), dollars(1));
        assert_eq!((dollars(2).at_most(Limits::default()), Limits::default().at_most(dollars(2))), (dollars(2), dollars(2)));
    }

    #[test]
    fn changes_are_made_over_what_there_is() {
        let changes = LimitChanges { cpu_seconds: Some(1), argument_mib: Some(2), ..LimitChanges::default() };
        let limits = changes.over(changed(|limits| limits.instances = 7));
        assert_eq!((limits.cpu_seconds, limits.argument(), limits.instances), (1, 2, 7));
        assert_eq!(LimitChanges::default().over(limits), limits);
        assert_eq!(LimitChanges::from(limits).over(Limits::default()), limits);
    }

    #[test]
    fn a_limit_without_bounds_is_no_overflow() {
        let limits = changed(|limits| {
            (limits.cpu_seconds, limits.argument_mib, limits.history_mib) = (u64::MAX, Some(u64::MAX), u64::MAX)
        });
        assert!(limits.cpu_time() > Duration::from_secs(1_000_000));
        assert_eq!((limits.argument_bytes(), limits.history_bytes()), (usize::MAX, u64::MAX));
        assert!(limits.check_value("x", usize::MAX).is_err());
    }
}
