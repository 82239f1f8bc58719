//! Log lines, each once (E11).

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};

use super::SqliteStore;
use super::columns;
use super::errors::{self, DbError};
use crate::ids::ExecutionId;
use crate::journal::LogLevel;
use crate::store::{Durability, LogFilter, LogRow, LogSource, Logs, StoreError, StoredLog};

#[async_trait]
impl Logs for SqliteStore {
    async fn log(&self, rows: Vec<LogRow>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        self.writer.write(Durability::Relaxed, move |db| add(db, &rows)).await
    }

    async fn logs(&self, execution: ExecutionId, filter: &LogFilter) -> Result<Vec<StoredLog>, StoreError> {
        let filter = filter.clone();
        self.readers.read(move |db| find(db, execution, &filter)).await
    }
}

pub(super) fn add(db: &Connection, rows: &[LogRow]) -> Result<(), DbError> {
    let mut insert = db.prepare_cached(
        "INSERT OR IGNORE INTO logs (execution, call, attempt, ordinal, at, level, source, checkpoint, module, message)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let mut known: Option<(ExecutionId, i64)> = None;
    for row in rows {
        let key = match known {
            Some((execution, key)) if execution == row.execution => key,
            _ => columns::execution_key(db, row.execution)?,
        };
        known = Some((row.execution, key));
        insert.execute(params![
            key,
            row.call,
            row.attempt,
            row.ordinal,
            row.at.as_micros(),
            row.level.as_str(),
            row.source.as_str(),
            row.checkpoint,
            row.module,
            row.message
        ])?;
    }
    Ok(())
}

/// The statement of `logs` for the execution with this key, and its values.
pub(super) fn lines_of(key: i64, filter: &LogFilter) -> (String, Vec<Value>) {
    let mut condition = String::from("execution = ?");
    let mut values = vec![Value::Integer(key)];
    if let Some(after) = filter.after {
        condition.push_str(" AND id > ?");
        values.push(Value::Integer(columns::integer(after)));
    }
    if let Some(checkpoint) = &filter.checkpoint {
        condition.push_str(" AND checkpoint = ?");
        values.push(Value::Text(checkpoint.clone()));
    }
    if let Some(source) = filter.source {
        condition.push_str(" AND source = ?");
        values.push(Value::Text(source.as_str().to_owned()));
    }
    values.push(Value::Integer(filter.limit.map_or(-1, columns::integer)));
    let order = if from_the_end(filter) { "DESC" } else { "ASC" };
    // INDEXED BY: the other index of the table begins with the execution too, but does not give this order.
    (format!("SELECT * FROM logs INDEXED BY logs_by_execution WHERE {condition} ORDER BY id {order} LIMIT ?"), values)
}

/// The last lines are found from the end, and put in order afterwards.
fn from_the_end(filter: &LogFilter) -> bool {
    filter.after.is_none() && filter.limit.is_some()
}

fn find(db: &Connection, execution: ExecutionId, filter: &LogFilter) -> Result<Vec<StoredLog>, DbError> {
    let (sql, values) = lines_of(columns::execution_key(db, execution)?, filter);
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = columns::collect(statement.query(params_from_iter(values))?, |row| line(row, execution))?;
    if from_the_end(filter) {
        found.reverse();
    }
    Ok(found)
}

fn line(row: &Row<'_>, execution: ExecutionId) -> Result<StoredLog, DbError> {
    let id = columns::count(row, "id")?;
    let (level, source, module): (String, String, String) = (row.get("level")?, row.get("source")?, row.get("module")?);
    let unknown = |column: &str| errors::malformed(format!("the {column} of log line {id}"));
    Ok(StoredLog {
        id,
        row: LogRow {
            execution,
            call: columns::index(row, "call")?,
            attempt: columns::index(row, "attempt")?,
            ordinal: columns::index(row, "ordinal")?,
            at: columns::time(row, "at")?,
            level: LogLevel::parse(&level).ok_or_else(|| unknown("level"))?,
            source: LogSource::parse(&source).ok_or_else(|| unknown("source"))?,
            checkpoint: row.get("checkpoint")?,
            module: ["stdout", "stderr", "log"].into_iter().find(|it| *it == module).ok_or_else(|| unknown("module"))?,
            message: row.get("message")?,
        },
    })
}
