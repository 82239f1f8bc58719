//! What works once.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::SqliteStore;
use super::errors::DbError;
use crate::clock::Timestamp;
use crate::store::{Durability, LoginCodes, SecretHash, SpentUses, StoreError};

pub(super) const IS_THERE: &str = "SELECT 1 FROM login_codes WHERE hash = ?1";
pub(super) const TAKE: &str = "DELETE FROM login_codes WHERE hash = ?1 RETURNING expires_at";
pub(super) const EXPIRED_CODES: &str = "DELETE FROM login_codes WHERE expires_at <= ?1";
pub(super) const SPENT: &str = "SELECT 1 FROM spent_uses WHERE hash = ?1";
pub(super) const UNSPEND: &str = "DELETE FROM spent_uses WHERE hash = ?1";
pub(super) const EXPIRED_USES: &str = "DELETE FROM spent_uses WHERE expires_at <= ?1";

#[async_trait]
impl LoginCodes for SqliteStore {
    async fn put_login_code(&self, hash: SecretHash, now: Timestamp, expires_at: Timestamp) -> Result<(), StoreError> {
        self.writer
            .write(Durability::Full, move |db| {
                db.execute(EXPIRED_CODES, [now.as_micros()])?;
                db.execute("INSERT INTO login_codes (hash, expires_at) VALUES (?1, ?2)", params![hash, expires_at.as_micros()])?;
                Ok(())
            })
            .await
    }

    async fn take_login_code(&self, hash: SecretHash, now: Timestamp) -> Result<bool, StoreError> {
        // Nothing is written, and nobody waits for the disk, for a code that is not there.
        let is_there = self.readers.look(|db| Ok(db.prepare_cached(IS_THERE)?.exists([hash])?)).await?;
        if !is_there {
            return Ok(false);
        }
        self.writer
            .write(Durability::Full, move |db| {
                let expires_at: Option<i64> = db.query_row(TAKE, [hash], |row| row.get(0)).optional()?;
                Ok(expires_at.is_some_and(|at| at > now.as_micros()))
            })
            .await
    }
}

#[async_trait]
impl SpentUses for SqliteStore {
    async fn spend(&self, hash: SecretHash, now: Timestamp, expires_at: Timestamp) -> Result<bool, StoreError> {
        self.writer
            .write(Durability::Full, move |db| {
                db.execute(EXPIRED_USES, [now.as_micros()])?;
                spend(db, hash, expires_at)
            })
            .await
    }

    async fn is_spent(&self, hash: SecretHash) -> Result<bool, StoreError> {
        self.readers.look(|db| Ok(db.prepare_cached(SPENT)?.exists([hash])?)).await
    }

    async fn unspend(&self, hash: SecretHash) -> Result<(), StoreError> {
        self.writer.write(Durability::Full, move |db| Ok(db.execute(UNSPEND, [hash]).map(|_| ())?)).await
    }
}

fn spend(db: &Connection, hash: SecretHash, expires_at: Timestamp) -> Result<bool, DbError> {
    let inserted = db.execute("INSERT INTO spent_uses (hash, expires_at) VALUES (?1, ?2)", params![hash, expires_at.as_micros()]);
    match inserted.map_err(DbError::from) {
        Err(error) if error.is_duplicate() => Ok(false),
        inserted => inserted.map(|_| true),
    }
}
