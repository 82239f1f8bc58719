//! Records of model calls.

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use uuid::Uuid;

use super::errors::DbError;
use super::{SqliteStore, columns, spending};
use crate::ids::ExecutionId;
use crate::store::{ModelCallRow, ModelCalls, ModelUsage, StoreError, UsageQuery};

pub(super) const OF_EXECUTION: &str = "SELECT * FROM model_calls WHERE execution = ?1 ORDER BY call, attempt, ordinal, id";
pub(super) const USAGE: &str = "SELECT id, call, attempt, ordinal, name, flow, day, at, spent, usage FROM model_calls
     WHERE execution = ?1 ORDER BY call, attempt, ordinal, id";

#[async_trait]
impl ModelCalls for SqliteStore {
    async fn model_calls(&self, execution: ExecutionId) -> Result<Vec<ModelCallRow>, StoreError> {
        self.of_execution(OF_EXECUTION, execution, record).await
    }

    async fn model_calls_of(&self, execution: ExecutionId, calls: &[u32]) -> Result<Vec<ModelCallRow>, StoreError> {
        let calls = calls.to_vec();
        self.readers
            .read(move |db| {
                let key = columns::execution_key(db, execution)?;
                let mut found: Vec<(u64, ModelCallRow)> = Vec::new();
                for some in calls.chunks(AT_A_TIME) {
                    let mut statement = db.prepare(&of_calls(some.len()))?;
                    let rows =
                        statement.query(params_from_iter([key].into_iter().chain(some.iter().map(|call| i64::from(*call)))))?;
                    found.extend(columns::collect(rows, |row| Ok((columns::count(row, "id")?, record(row, execution)?)))?);
                }
                found.sort_by_key(|(id, row)| (row.call, row.attempt, row.ordinal, *id));
                found.dedup_by_key(|(id, _)| *id);
                Ok(found.into_iter().map(|(_, row)| row).collect())
            })
            .await
    }

    async fn model_usage(&self, execution: ExecutionId) -> Result<Vec<ModelUsage>, StoreError> {
        self.of_execution(USAGE, execution, usage).await
    }

    async fn model_usage_of(&self, query: &UsageQuery) -> Result<Vec<ModelUsage>, StoreError> {
        let (sql, values) = usage_of(query);
        self.readers
            .read(move |db| {
                let mut statement = db.prepare(&sql)?;
                columns::collect(statement.query(params_from_iter(values))?, |row| {
                    usage(row, ExecutionId::from_bytes(columns::bytes(row, "exec_id")?))
                })
            })
            .await
    }
}

impl SqliteStore {
    /// The rows that a statement about one execution gives.
    async fn of_execution<T: Send + 'static>(
        &self,
        sql: &'static str,
        execution: ExecutionId,
        read: fn(&Row<'_>, ExecutionId) -> Result<T, DbError>,
    ) -> Result<Vec<T>, StoreError> {
        self.readers
            .read(move |db| {
                let key = columns::execution_key(db, execution)?;
                let mut statement = db.prepare(sql)?;
                columns::collect(statement.query([key])?, |row| read(row, execution))
            })
            .await
    }
}

/// Values in one statement.
const AT_A_TIME: usize = 500;

/// The statement of `model_calls_of`, for so many calls.
pub(super) fn of_calls(count: usize) -> String {
    format!("SELECT * FROM model_calls WHERE execution = ? AND call IN ({})", columns::placeholders(count))
}

/// The statement of `model_usage_of`, and its values.
pub(super) fn usage_of(query: &UsageQuery) -> (String, Vec<Value>) {
    let day = |day: u64| Value::Integer(columns::integer(day));
    let mut conditions = vec!["day >= ?", "day < ?"];
    let mut values = vec![day(query.since.unwrap_or(0)), day(query.until.unwrap_or(u64::MAX))];
    if let Some(flow) = &query.flow {
        conditions.push("model_calls.flow = ?");
        values.push(Value::Text(flow.clone()));
    }
    if let Some((last, position)) = query.after {
        conditions.push("(day, model_calls.id) > (?, ?)");
        values.extend([day(last), Value::Integer(columns::integer(position))]);
    }
    values.push(Value::Integer(query.limit.map_or(-1, columns::integer)));
    let index = if query.flow.is_some() { "model_calls_by_flow" } else { "model_calls_by_day" };
    // INDEXED BY, and CROSS JOIN: this order, so that a page is read and no more.
    let sql = format!(
        "SELECT model_calls.id, exec_id, call, attempt, ordinal, name, model_calls.flow, day, at, spent, usage
         FROM model_calls INDEXED BY {index} CROSS JOIN executions ON executions.id = model_calls.execution
         WHERE {} ORDER BY day, model_calls.id LIMIT ?",
        conditions.join(" AND ")
    );
    (sql, values)
}

/// Adds records to the execution with this key, in the transaction of the step that ends their calls, and what they tell to the accounts. Each takes
/// the place of what `runner` had set aside for its call.
pub(super) fn keep(
    db: &Connection,
    key: i64,
    execution: ExecutionId,
    runner: Option<&str>,
    rows: &[ModelCallRow],
) -> Result<(), DbError> {
    if rows.is_empty() {
        return Ok(());
    }
    let tree = spending::tree_of(db, key)?;
    for row in rows {
        insert(db, key, execution, row)?;
        spending::record(db, runner, tree, row)?;
    }
    Ok(())
}

/// Adds a record as it is.
pub(super) fn insert(db: &Connection, key: i64, execution: ExecutionId, row: &ModelCallRow) -> Result<(), DbError> {
    if row.execution != execution {
        let message = format!("a record of a model call of execution `{}` is none of execution `{execution}`", row.execution);
        return Err(StoreError::Conflict { message }.into());
    }
    db.prepare_cached(
        "INSERT INTO model_calls (execution, call, attempt, ordinal, name, flow, day, at, spent, event, usage, policies, events)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        key,
        row.call,
        row.attempt,
        row.ordinal,
        row.name,
        row.flow,
        columns::integer(row.day),
        row.at.as_micros(),
        spending::amount(row.spent),
        row.event.as_ref().map(Uuid::as_bytes),
        row.usage,
        row.policies,
        row.events,
    ])?;
    Ok(())
}

fn record(row: &Row<'_>, execution: ExecutionId) -> Result<ModelCallRow, DbError> {
    let event = row.get::<_, Option<Vec<u8>>>("event")?.map(|_| columns::bytes(row, "event")).transpose()?;
    Ok(ModelCallRow {
        execution,
        call: columns::index(row, "call")?,
        attempt: columns::index(row, "attempt")?,
        ordinal: columns::index(row, "ordinal")?,
        name: row.get("name")?,
        flow: row.get("flow")?,
        day: columns::count(row, "day")?,
        at: columns::time(row, "at")?,
        event: event.map(Uuid::from_bytes),
        usage: row.get("usage")?,
        events: row.get("events")?,
        policies: row.get("policies")?,
        spent: columns::count(row, "spent")?,
    })
}

pub(super) fn usage(row: &Row<'_>, execution: ExecutionId) -> Result<ModelUsage, DbError> {
    Ok(ModelUsage {
        position: columns::count(row, "id")?,
        execution,
        call: columns::index(row, "call")?,
        attempt: columns::index(row, "attempt")?,
        ordinal: columns::index(row, "ordinal")?,
        name: row.get("name")?,
        flow: row.get("flow")?,
        day: columns::count(row, "day")?,
        at: columns::time(row, "at")?,
        usage: row.get("usage")?,
        spent: columns::count(row, "spent")?,
    })
}
