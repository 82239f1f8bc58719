//! Answers of models that may be given again.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::errors::DbError;
use super::turns::Turn;
use super::{SqliteStore, blob_uses, columns, kept_values};
use crate::clock::Timestamp;
use crate::journal::{Payload, PayloadHash};
use crate::store::{AnswerBounds, AnswerKey, Durability, ModelAnswer, ModelAnswers, StoreError};

pub(super) const ANSWER: &str = "SELECT answer FROM model_answers WHERE key = ?1 AND (expires_at IS NULL OR expires_at > ?2)";
pub(super) const OF_KEY: &str = "SELECT id FROM model_answers WHERE key = ?1";
pub(super) const USE: &str = "UPDATE model_answers SET last_use = ?2 WHERE key = ?1";
pub(super) const NEXT_USE: &str = "UPDATE model_answers_size SET uses = uses + 1 WHERE id = 1 RETURNING uses";
pub(super) const EXPIRED: &str = "SELECT id FROM model_answers WHERE expires_at <= ?1 LIMIT ?2";
pub(super) const OLDEST: &str = "SELECT id FROM model_answers ORDER BY last_use LIMIT 1";
pub(super) const REMOVE: &str = "DELETE FROM model_answers WHERE id = ?1 RETURNING bytes, blob";
pub(super) const SIZE: &str = "SELECT entries, bytes FROM model_answers_size WHERE id = 1";
pub(super) const GROW: &str = "UPDATE model_answers_size SET entries = entries + ?1, bytes = bytes + ?2 WHERE id = 1";

/// So many that are too old make room for a new one at most, so that no write takes long.
const FEW: i64 = 64;

#[async_trait]
impl ModelAnswers for SqliteStore {
    async fn answer(&self, key: AnswerKey, now: Timestamp) -> Result<Option<Payload>, StoreError> {
        let found = self
            .readers
            .look(|db| {
                let mut statement = db.prepare_cached(ANSWER)?;
                let mut rows = statement.query(params![key, now.as_micros()])?;
                rows.next()?.map(|row| columns::required_payload(row, "answer")).transpose()
            })
            .await?;
        if found.is_some() {
            // Nobody waits for it: at worst the answer makes room too early.
            drop(self.writer.append(Turn::Free, Durability::Relaxed, false, move |db| {
                db.prepare_cached(USE)?.execute(params![key, next_use(db)?])?;
                Ok(())
            }));
            self.writer.call();
        }
        Ok(found)
    }

    async fn keep_answer(&self, answer: ModelAnswer, bounds: AnswerBounds, now: Timestamp) -> Result<(), StoreError> {
        self.writer.write(Durability::Relaxed, move |db| keep(db, &answer, bounds, now)).await
    }

    async fn forget_answers(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.writer.write(Durability::Relaxed, move |db| forget(db, now, -1)).await
    }
}

fn next_use(db: &Connection) -> Result<i64, DbError> {
    Ok(db.prepare_cached(NEXT_USE)?.query_row([], |row| row.get(0))?)
}

fn keep(db: &Connection, answer: &ModelAnswer, bounds: AnswerBounds, now: Timestamp) -> Result<(), DbError> {
    let before: Option<i64> = db.prepare_cached(OF_KEY)?.query_row([answer.key], |row| row.get(0)).optional()?;
    if let Some(id) = before {
        remove(db, id)?;
    }
    forget(db, now, FEW)?;
    let bytes = match &answer.answer {
        Payload::Inline(bytes) => bytes.len() as u64,
        Payload::Blob { len, .. } => *len,
    };
    if bytes > bounds.bytes || bounds.entries == 0 {
        return Ok(());
    }
    let blob = blob_uses::of(&answer.answer);
    db.prepare_cached(
        "INSERT INTO model_answers (key, bytes, last_use, expires_at, blob, answer) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        answer.key,
        columns::integer(bytes),
        next_use(db)?,
        answer.expires_at.map(Timestamp::as_micros),
        blob.as_ref().map(PayloadHash::as_bytes),
        columns::payload(&answer.answer)?,
    ])?;
    db.prepare_cached(GROW)?.execute(params![1, columns::integer(bytes)])?;
    // It was used last, and fits alone: it is not among those that make room.
    while is_over(db, bounds)? {
        let oldest: Option<i64> = db.prepare_cached(OLDEST)?.query_row([], |row| row.get(0)).optional()?;
        match oldest {
            Some(id) => remove(db, id)?,
            None => break,
        }
    }
    Ok(())
}

fn is_over(db: &Connection, bounds: AnswerBounds) -> Result<bool, DbError> {
    let mut statement = db.prepare_cached(SIZE)?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(false) };
    Ok(columns::count(row, "entries")? > bounds.entries || columns::count(row, "bytes")? > bounds.bytes)
}

/// Removes at most so many that are too old, all of them for -1; tells how many.
fn forget(db: &Connection, now: Timestamp, limit: i64) -> Result<u64, DbError> {
    let mut statement = db.prepare_cached(EXPIRED)?;
    let expired = columns::collect(statement.query([now.as_micros(), limit])?, |row| Ok(row.get::<_, i64>("id")?))?;
    for id in &expired {
        remove(db, *id)?;
    }
    Ok(expired.len() as u64)
}

fn remove(db: &Connection, id: i64) -> Result<(), DbError> {
    let (bytes, blob): (i64, Option<Vec<u8>>) =
        db.prepare_cached(REMOVE)?.query_row([id], |row| Ok((row.get("bytes")?, row.get("blob")?)))?;
    db.prepare_cached(GROW)?.execute(params![-1, -bytes])?;
    match blob {
        Some(hash) => kept_values::drop_unneeded(db, &hash),
        None => Ok(()),
    }
}
