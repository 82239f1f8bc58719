//! The check that keeps a runner that lost its lease from writing anything (E12).

use rusqlite::{Connection, OptionalExtension as _};

use super::errors::DbError;
use super::runner::RunnerId;
use crate::store::{Lease, StoreError};

pub(super) const HOLDER: &str = "SELECT id, epoch, runner FROM executions WHERE exec_id = ?1";

/// A lease, and who says that it is theirs.
pub(super) struct Fence {
    lease: Lease,
    runner: Option<RunnerId>,
}

impl Fence {
    /// For `lease`, held by `runner`.
    pub(super) fn new(lease: &Lease, runner: Option<RunnerId>) -> Self {
        Self { lease: lease.clone(), runner }
    }

    /// The key of the execution, if the lease is the execution's latest and was not given back. In the transaction of the change itself.
    pub(super) fn check(&self, db: &Connection) -> Result<i64, DbError> {
        let Lease { execution, epoch, .. } = self.lease;
        let (key, latest, runner) = db
            .prepare_cached(HOLDER)?
            .query_row([execution.as_bytes()], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<String>>(2)?))
            })
            .optional()?
            .ok_or_else(|| StoreError::not_found("execution", execution))?;
        let ours = runner.is_some() && runner.as_deref() == self.runner.as_deref();
        if ours && u64::try_from(latest) == Ok(epoch) { Ok(key) } else { Err(StoreError::LeaseLost { execution }.into()) }
    }
}
