//! The contract on SQLite, and what is SQLite's own.

mod crash;
mod deaths;
mod durability;
#[cfg(feature = "fault-injection")]
mod fault;
mod formats;
mod lines;
mod mailboxes;
mod plans;
mod plans_of_access;
mod readers;
mod refusals;
mod runners;
mod scenes;
mod spending;
mod sweep;

use tempfile::TempDir;

use super::SqliteStore;
use crate::store::contract::{Place, contract_tests};

impl Place for TempDir {
    type Store = SqliteStore;

    fn new() -> Self {
        tempfile::tempdir().unwrap()
    }

    fn open(&self) -> SqliteStore {
        SqliteStore::open(self.path()).unwrap()
    }
}

contract_tests!(TempDir);
