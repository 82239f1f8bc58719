//! Browsers that are logged in.

use async_trait::async_trait;
use rusqlite::{Connection, params};

use super::errors::DbError;
use super::{SqliteStore, api_keys, columns};
use crate::clock::Timestamp;
use crate::store::{Durability, NewSession, SecretHash, SessionRow, Sessions, StoreError};

pub(super) const BY_HASH: &str = "SELECT * FROM sessions WHERE hash = ?1";
pub(super) const USE: &str = "UPDATE sessions SET used_at = ?2, expires_at = ?3 WHERE hash = ?1";
pub(super) const END: &str = "DELETE FROM sessions WHERE hash = ?1";
pub(super) const EXPIRED: &str = "DELETE FROM sessions WHERE expires_at <= ?1";
pub(super) const TOO_MANY: &str = "DELETE FROM sessions WHERE api_key IS ?1 AND id <=
         (SELECT id FROM sessions WHERE api_key IS ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";

#[async_trait]
impl Sessions for SqliteStore {
    async fn begin_session(&self, session: NewSession, most: u64) -> Result<(), StoreError> {
        self.writer.write(Durability::Full, move |db| begin(db, &session, most)).await
    }

    async fn session(&self, hash: SecretHash) -> Result<Option<SessionRow>, StoreError> {
        self.readers.look(|db| find(db, hash)).await
    }

    async fn note_session_use(&self, hash: SecretHash, at: Timestamp, expires_at: Timestamp) -> Result<(), StoreError> {
        self.writer
            .write(Durability::Relaxed, move |db| {
                db.prepare_cached(USE)?.execute(params![hash, at.as_micros(), expires_at.as_micros()])?;
                Ok(())
            })
            .await
    }

    async fn end_session(&self, hash: SecretHash) -> Result<bool, StoreError> {
        self.writer.write(Durability::Full, move |db| Ok(db.execute(END, [hash])? > 0)).await
    }
}

fn begin(db: &Connection, new: &NewSession, most: u64) -> Result<(), DbError> {
    let key = new.api_key.map(|id| api_keys::row_of(db, id)).transpose()?;
    db.execute(EXPIRED, [new.created_at.as_micros()])?;
    db.execute(
        "INSERT INTO sessions (hash, api_key, source, created_at, used_at, expires_at, ends_at) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)",
        params![
            new.hash,
            key,
            new.source,
            new.created_at.as_micros(),
            new.expires_at.as_micros(),
            new.ends_at.as_micros(),
        ],
    )?;
    db.execute(TOO_MANY, params![key, columns::integer(most)])?;
    Ok(())
}

fn find(db: &Connection, hash: SecretHash) -> Result<Option<SessionRow>, DbError> {
    // Both statements see the same moment.
    let moment = db.unchecked_transaction()?;
    let mut statement = moment.prepare_cached(BY_HASH)?;
    let mut rows = statement.query([hash])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let api_key = match row.get::<_, Option<i64>>("api_key")? {
        Some(key) => match api_keys::by_row(&moment, key)? {
            Some(key) => Some(key),
            // Its key is what lets a session in.
            None => return Ok(None),
        },
        None => None,
    };
    Ok(Some(SessionRow {
        api_key,
        created_at: columns::time(row, "created_at")?,
        used_at: columns::time(row, "used_at")?,
        expires_at: columns::time(row, "expires_at")?,
        ends_at: columns::time(row, "ends_at")?,
    }))
}
