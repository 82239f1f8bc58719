//! Who did what.

use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use super::errors::DbError;
use super::{SqliteStore, columns};
use crate::store::{AuditBounds, AuditEntry, AuditFilter, AuditLog, AuditRow, Durability, StoreError};

/// From the newest on, through as many as it takes: there are never more than the bounds allow.
pub(super) const NEWEST: &str = "SELECT * FROM audit WHERE id < ?1 AND (?2 IS NULL OR who = ?2)
         AND (?3 IS NULL OR verb = ?3 OR substr(verb, 1, length(?3) + 1) = ?3 || '.') AND (?4 IS NULL OR subject = ?4)
         AND (?5 IS NULL OR outcome = ?5) ORDER BY id DESC LIMIT ?6";
/// Whoever writes makes room with their own entries where they have more than a part of all, and otherwise whoever has the most; of those go first what
/// tells of nothing that was done. So nobody pushes out the others' with more than their part.
pub(super) const TOO_MANY: &str = "DELETE FROM audit WHERE id IN (SELECT id FROM audit
         WHERE who = CASE WHEN (SELECT count(*) FROM audit WHERE who = ?2) > ?3 THEN ?2
             ELSE (SELECT who FROM audit GROUP BY who ORDER BY count(*) DESC, who LIMIT 1) END ORDER BY outcome = 'done', id LIMIT ?1)";
const COUNT: &str = "SELECT count(*) FROM audit";
/// It is counted whether there are too many after each so many-th part of the most.
const LOOKS: u64 = 256;
/// What one may fill of the most, at other's cost.
const PART: u64 = 4;
pub(super) const TOO_OLD: &str = "DELETE FROM audit WHERE at < ?1";

#[async_trait]
impl AuditLog for SqliteStore {
    async fn note(&self, entry: AuditEntry, keep: AuditBounds) -> Result<(), StoreError> {
        self.writer.write(Durability::Full, move |db| add(db, &entry, keep)).await
    }

    async fn audit(&self, filter: AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        self.readers
            .read(move |db| {
                let AuditFilter { who, verb, subject, outcome, before, limit } = filter;
                let (before, limit) = (before.map_or(i64::MAX, columns::integer), columns::integer(limit));
                let mut statement = db.prepare(NEWEST)?;
                columns::collect(statement.query(params![before, who, verb, subject, outcome, limit])?, row)
            })
            .await
    }
}

fn add(db: &Connection, new: &AuditEntry, keep: AuditBounds) -> Result<(), DbError> {
    let AuditEntry { at, who, via, verb, subject, outcome, source, detail } = new;
    db.prepare_cached(
        "INSERT INTO audit (at, who, via, verb, subject, outcome, source, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![at.as_micros(), who, via, verb, subject, outcome, source, detail])?;
    let newest = db.last_insert_rowid();
    db.prepare_cached(TOO_OLD)?.execute([keep.since.as_micros()])?;
    if newest % columns::integer((keep.entries / LOOKS).max(1)) == 0 {
        let count: i64 = db.prepare_cached(COUNT)?.query_row([], |row| row.get(0))?;
        let beyond = count.saturating_sub(columns::integer(keep.entries));
        if beyond > 0 {
            db.prepare_cached(TOO_MANY)?.execute(params![beyond, who, columns::integer(keep.entries / PART)])?;
        }
    }
    Ok(())
}

fn row(row: &Row<'_>) -> Result<AuditRow, DbError> {
    Ok(AuditRow {
        number: columns::count(row, "id")?,
        entry: AuditEntry {
            at: columns::time(row, "at")?,
            who: row.get("who")?,
            via: row.get("via")?,
            verb: row.get("verb")?,
            subject: row.get("subject")?,
            outcome: row.get("outcome")?,
            source: row.get("source")?,
            detail: row.get("detail")?,
        },
    })
}
