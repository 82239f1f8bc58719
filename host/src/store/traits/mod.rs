//! What the engine asks of a store, one trait per concern. Dates, statuses and identifiers are the domain's own; no backend type shows.

mod accesses;
mod api_keys;
mod artifacts;
mod audit;
mod blobs;
mod briefs;
mod cache;
mod calls;
mod executions;
mod flows;
mod journal;
mod leases;
mod logs;
mod models;
mod one_time;
mod reading;
mod secrets;
mod service_accounts;
mod sessions;
mod starts;
mod transfer;
mod waits;

pub use accesses::{AccessRow, Accesses};
pub use api_keys::{ApiKeyChange, ApiKeyRow, ApiKeys, NewApiKey, RetainedSecret, SecretHash};
pub use artifacts::{ArtifactRow, Artifacts};
pub use audit::{AuditBounds, AuditEntry, AuditFilter, AuditLog, AuditRow};
pub use blobs::{Blobs, Components};
pub use briefs::{BriefRow, Briefs, NewBrief, SavedBy};
pub use cache::{Cache, CacheEntry, CacheKey};
pub use calls::{BesideCalls, Calls};
pub use executions::{ExecutionFilter, ExecutionRow, Executions, NewExecution, Page, StartedAs, Status};
pub use flows::{DEFAULT_TAG, DeploymentRow, FlowTag, Flows, NewDeployment};
pub use journal::{Append, Appending, Durability, Hurry, Journal, StatusChange, StoredEntry};
pub use leases::{Deaths, Lease, Leases, Wakeups};
pub use logs::{LogFilter, LogRow, LogSource, Logs, StoredLog};
pub use models::{
    AnswerBounds, AnswerKey, ModelAnswer, ModelAnswers, ModelCallRow, ModelCalls, ModelUsage, NewReservation, Reserved,
    SpendAccount, SpendScope, Spending, Spent, UsageQuery,
};
pub use one_time::{LoginCodes, SpentUses};
pub use reading::{Reader, Reading};
pub use secrets::{SealedValue, SecretRow, Secrets};
pub use service_accounts::{AccountChange, AccountRow, ServiceAccounts};
pub use sessions::{NewSession, SessionRow, Sessions};
pub use starts::{StartKey, Started, Starts};
pub use transfer::{ImportedExecution, Imports};
pub use waits::{MISSING_MODEL, NewWait, Resolution, WaitRow, Waits};

/// A whole store.
pub trait Store:
    Executions
    + Journal
    + Leases
    + Wakeups
    + Waits
    + Artifacts
    + Cache
    + Imports
    + Blobs
    + Components
    + Logs
    + Secrets
    + ModelCalls
    + Briefs
    + Calls
    + Spending
    + ModelAnswers
    + Accesses
    + ServiceAccounts
    + ApiKeys
    + Sessions
    + LoginCodes
    + SpentUses
    + AuditLog
    + Flows
    + Starts
    + Send
    + Sync
{
}

impl<T> Store for T where
    T: Executions
        + Journal
        + Leases
        + Wakeups
        + Waits
        + Artifacts
        + Cache
        + Imports
        + Blobs
        + Components
        + Logs
        + Secrets
        + ModelCalls
        + Briefs
        + Calls
        + Spending
        + ModelAnswers
        + Accesses
        + ServiceAccounts
        + ApiKeys
        + Sessions
        + LoginCodes
        + SpentUses
        + AuditLog
        + Flows
        + Starts
        + Send
        + Sync
{
}
