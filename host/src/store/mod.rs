//! Where executions, journals, answers, artifacts, logs, components, records of model calls and accesses, and sealed secrets live.
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
    AccessRow, Accesses, AnswerBounds, AnswerKey, Append, Appending, ArtifactRow, Artifacts, Blobs, Cache, CacheEntry, CacheKey,
    Components, Durability, ExecutionFilter, ExecutionRow, Executions, Hurry, ImportedExecution, Imports, Journal, Lease, Leases,
    LogFilter, LogRow, LogSource, Logs, MISSING_MODEL, ModelAnswer, ModelAnswers, ModelCallRow, ModelCalls, ModelUsage,
    NewExecution, NewReservation, NewWait, Page, Reserved, Resolution, SealedValue, SecretRow, Secrets, SpendAccount, SpendScope,
    Spending, Spent, Status, StatusChange, Store, StoredEntry, StoredLog, UsageQuery, WaitRow, Waits, Wakeups,
};
