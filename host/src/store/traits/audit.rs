//! Who did what.

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::store::StoreError;

/// Something that somebody did, or was refused. It has no value and no secret in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub who: String,
    /// With which kind of credential.
    pub via: String,
    /// What, by the name of the verb.
    pub verb: String,
    /// To what.
    pub subject: Option<String>,
    /// The word of its outcome.
    pub outcome: String,
    /// From which address; none on this machine.
    pub source: Option<String>,
    /// What else is to be said.
    pub detail: Option<String>,
}

/// An entry as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// Its place in the order of writing.
    pub number: u64,
    /// The entry.
    pub entry: AuditEntry,
}

/// What is kept. The rest goes, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditBounds {
    /// So many entries, and some more until it is looked again. Whoever has the most makes room with their own, first with what was not done.
    pub entries: u64,
    /// None from before this moment.
    pub since: Timestamp,
}

/// Which entries to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only of this one.
    pub who: Option<String>,
    /// Only of this verb, or of all that begin with it and a dot.
    pub verb: Option<String>,
    /// Only about this.
    pub subject: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<String>,
    /// Only those written before the one with this number.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: u64,
}

/// The record of who did what.
#[async_trait]
pub trait AuditLog {
    /// Adds an entry, durably, and removes what is beyond the bounds.
    async fn note(&self, entry: AuditEntry, keep: AuditBounds) -> Result<(), StoreError>;
    /// Entries, the newest first.
    async fn audit(&self, filter: AuditFilter) -> Result<Vec<AuditRow>, StoreError>;
}
