//! Leases. A runner is proved dead by its free lock, so that nobody waits for a lease to run out.

use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::SqliteStore;
use super::blocking::blocking;
use super::columns;
use super::errors::DbError;
use super::executions;
use super::runner::{Runner, RunnerId};
use super::turns::Turn;
use crate::ids::ExecutionId;
use crate::store::{Appending, Durability, Lease, Leases, NewExecution, StoreError};

pub(super) const RUNNER: &str = "SELECT runner FROM executions WHERE exec_id = ?1";
pub(super) const TAKE: &str = "UPDATE executions SET epoch = epoch + 1, runner = ?2 WHERE exec_id = ?1 RETURNING epoch";
pub(super) const ABANDON: &str = "UPDATE executions SET runner = NULL, wake_at = iif(status = 'waiting', NULL, wake_at),
         status = iif(status = 'waiting', 'running', status)
     WHERE exec_id = ?1 AND epoch = ?2 AND runner = ?3";
pub(super) const GIVE_BACK: &str = "UPDATE executions SET runner = NULL WHERE exec_id = ?1 AND epoch = ?2 AND runner = ?3";

#[async_trait]
impl Leases for SqliteStore {
    async fn claim(&self, execution: ExecutionId) -> Result<Lease, StoreError> {
        let me = self.registered().await?;
        // Kept until the claim is settled: no other claim of this process gets to the database meanwhile.
        let claim = Runner::reserve(&self.runner, execution)?;
        let runner = Arc::clone(&self.runner);
        // Relaxed: if the machine dies, every runner of this data folder dies with it, and a forgotten lease fences nobody.
        let lease = self.writer.write_of(execution, Durability::Relaxed, move |db| take(db, &runner, &me, execution)).await?;
        claim.keep(lease.epoch);
        Ok(lease)
    }

    async fn begin(&self, execution: NewExecution) -> Result<(Lease, Appending), StoreError> {
        let me = self.registered().await?;
        let lease = Lease { execution: execution.id, epoch: 1, inherited: false };
        Runner::reserve(&self.runner, execution.id)?.keep(lease.epoch);
        let create = move |db: &Connection| executions::insert(db, &execution, Some(&me));
        let creating = self.writer.append(Turn::Of(lease.execution), Durability::Full, false, create);
        Ok((lease, creating))
    }

    fn was_given_back(&self, lease: &Lease) {
        drop(Runner::end_of_drive(&self.runner, lease));
    }

    async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.give_back(lease, GIVE_BACK).await
    }

    async fn abandon(&self, lease: &Lease) -> Result<(), StoreError> {
        self.give_back(lease, ABANDON).await
    }
}

impl SqliteStore {
    /// This store's identifier as a runner, which others know from now on.
    pub(super) async fn registered(&self) -> Result<RunnerId, StoreError> {
        let runner = Arc::clone(&self.runner);
        match runner.id() {
            Some(me) => Ok(me),
            None => blocking(move || runner.register()).await,
        }
    }

    async fn give_back(&self, lease: &Lease, update: &'static str) -> Result<(), StoreError> {
        // Also if the write fails or is not waited for: this process no longer drives it, and its next claim takes it.
        let _end = Runner::end_of_drive(&self.runner, lease);
        let Some(me) = self.runner.id() else { return Ok(()) };
        let Lease { execution, epoch, .. } = *lease;
        self.writer
            .write_of(execution, Durability::Relaxed, move |db| {
                db.prepare_cached(update)?.execute(params![execution.as_bytes(), columns::integer(epoch), &*me])?;
                Ok(())
            })
            .await
    }
}

fn take(db: &Connection, runner: &Runner, me: &RunnerId, execution: ExecutionId) -> Result<Lease, DbError> {
    let holder: Option<String> = db
        .prepare_cached(RUNNER)?
        .query_row([execution.as_bytes()], |row| row.get(0))
        .optional()?
        .ok_or_else(|| StoreError::not_found("execution", execution))?;
    // A lease of our own that nobody here drives was left behind by a claim or a release that was not waited for.
    if let Some(holder) = holder.as_ref().filter(|holder| ***holder != **me) {
        if let Some(living) = runner.living(holder) {
            return Err(StoreError::Owned { execution, runner: living }.into());
        }
        runner.bury(holder);
    }
    let mut statement = db.prepare_cached(TAKE)?;
    let mut rows = statement.query(params![execution.as_bytes(), &**me])?;
    let epoch = rows.next()?.map_or(Ok(0), |row| columns::count(row, "epoch"))?;
    Ok(Lease { execution, epoch, inherited: holder.is_some() })
}
