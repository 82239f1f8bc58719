//! One write on its way to the database.

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::errors::DbError;
use crate::store::{Durability, StoreError};

/// A write that waits for its turn.
pub(super) trait Write: Send {
    /// How safe its commit must be.
    fn durability(&self) -> Durability;
    /// Makes its changes in the open transaction. Called once.
    fn run(&mut self, db: &Connection) -> Result<(), DbError>;
    /// Tells whoever waits how it went. `outcome` is an error where its changes are not in the database.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
    /// Whether it appends to a journal, or creates an execution by a key: what the crash suites count.
    #[cfg(feature = "fault-injection")]
    fn appends(&self) -> bool;
}

/// Work to be done in a transaction, and who waits for what comes of it.
pub(super) struct Queued<T, F> {
    pub(super) durability: Durability,
    /// None once it was done.
    pub(super) work: Option<F>,
    /// What came of it.
    pub(super) value: Option<T>,
    pub(super) reply: oneshot::Sender<Result<T, StoreError>>,
    #[cfg(feature = "fault-injection")]
    pub(super) appends: bool,
}

impl<T: Send, F: FnOnce(&Connection) -> Result<T, DbError> + Send> Write for Queued<T, F> {
    fn durability(&self) -> Durability {
        self.durability
    }

    fn run(&mut self, db: &Connection) -> Result<(), DbError> {
        if let Some(work) = self.work.take() {
            self.value = Some(work(db)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let answer = match (outcome, self.value) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(value)) => Ok(value),
            (Ok(()), None) => Err(StoreError::Backend("a write did not run".into())),
        };
        // Nobody waits any more if the caller was cancelled; what is written stays written.
        let _ = self.reply.send(answer);
    }

    #[cfg(feature = "fault-injection")]
    fn appends(&self) -> bool {
        self.appends
    }
}
