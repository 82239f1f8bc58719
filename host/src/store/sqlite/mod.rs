//! The embedded store: one SQLite database, files beside it, and nothing to install.
//!
//! Owns a data folder: `kitaru.db` (executions, journals, questions, artifacts, logs, model calls, accesses, published flows, sealed secrets, accounts and their keys, sessions, audit), `blobs/` and `components/` (bytes by content),
//! `runners/` (one locked file per living process that drives or watches executions), `wake/` (one mailbox per process that watches, into which
//! others write which executions they woke), `live/` (what models say, for processes that listen). Several processes, and several stores of one process, share a folder.
//!
//! One thread writes, and commits what has queued up with one sync (`writer`, E3); readers have connections of their own (`readers`) and
//! see every answered write. A change of an execution checks its lease in the same transaction (`fence`, E12). The data folder belongs on a
//! local disk: SQLite's WAL and the runners' locks need one.

mod accesses;
mod api_keys;
mod artifacts;
mod audit;
mod blob_uses;
mod blobs;
mod blocking;
mod briefs;
mod cache;
mod calls;
mod checkpoints;
mod columns;
#[cfg(feature = "fault-injection")]
mod counted;
mod database;
mod errors;
mod executions;
#[cfg(feature = "fault-injection")]
mod fault;
mod fence;
mod flows;
mod folder;
mod hearing;
mod imports;
mod journal;
mod kept_values;
mod leases;
mod logs;
mod mailbox;
mod model_answers;
mod model_calls;
mod one_time;
mod open;
mod queued;
mod readers;
mod records;
mod removal;
mod retire;
mod runner;
mod secrets;
mod service_accounts;
mod sessions;
mod spending;
mod starts;
#[cfg(test)]
mod tests;
mod turns;
mod waits;
mod wakeups;
mod watcher;
mod writer;

pub use database::DATA_FORMAT;
pub use retire::{Retiring, is_data_folder, strangers};

/// The embedded store on one data folder. Dropping it waits until everything that was asked of it is answered.
pub struct SqliteStore {
    // Dropped first: what is still queued is written while this runner's lock is held.
    writer: writer::Writer,
    readers: readers::Readers,
    // Its mailbox goes before the lock that shows whose it is.
    watcher: watcher::Watcher,
    runner: std::sync::Arc<runner::Runner>,
    folder: folder::Folder,
}
