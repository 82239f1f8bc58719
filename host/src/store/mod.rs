//! Where executions, journals, answers, artifacts, logs, components, records of model calls and accesses, published flows, sealed secrets, and those
//! who come over the network live.
//!
//! Traits per concern in [`traits`], one folder per backend, one set of contract tests that every backend passes. The engine names traits
//! only. Whoever returns from a call that promises durability has it: a `Full` append is on the disk (E3), or committed, where the store was
//! opened with [`DurabilityMode::Process`]. Every change of an execution is fenced by the epoch of its lease (E12).

#[cfg(test)]
mod contract;
mod error;
mod options;
mod payloads;
pub mod sqlite;
pub mod traits;

pub use error::StoreError;
pub use options::{DurabilityMode, StoreOptions, UnknownDurability};
pub use payloads::{get_bytes, get_text, put_bytes};
pub use traits::{
    AccessRow, Accesses, AccountChange, AccountRow, AnswerBounds, AnswerKey, ApiKeyChange, ApiKeyRow, ApiKeys, Append, Appending,
    ArtifactRow, Artifacts, AuditBounds, AuditEntry, AuditFilter, AuditLog, AuditRow, BesideCalls, Blobs, BriefRow, Briefs,
    Cache, CacheEntry, CacheKey, Calls, Components, DEFAULT_TAG, Deaths, DeploymentRow, Durability, ExecutionFilter,
    ExecutionRow, Executions, FlowTag, Flows, Hurry, ImportedExecution, Imports, Journal, Lease, Leases, LogFilter, LogRow,
    LogSource, LoginCodes, Logs, MISSING_MODEL, ModelAnswer, ModelAnswers, ModelCallRow, ModelCalls, ModelUsage, NewApiKey,
    NewBrief, NewDeployment, NewExecution, NewReservation, NewSession, NewWait, Page, Reader, Reading, Reserved, Resolution,
    RetainedSecret, SavedBy, SealedValue, SecretHash, SecretRow, Secrets, ServiceAccounts, SessionRow, Sessions, SpendAccount,
    SpendScope, Spending, Spent, SpentUses, StartKey, Started, StartedAs, Starts, Status, StatusChange, Store, StoredEntry,
    StoredLog, UsageQuery, WaitRow, Waits, Wakeups,
};
