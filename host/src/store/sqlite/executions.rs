//! Executions as rows.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{OptionalExtension as _, Row, params, params_from_iter};

use super::SqliteStore;
use super::columns;
use super::errors::{self, DbError};
use super::runner::Runner;
use crate::ids::ExecutionId;
use crate::store::{Durability, ExecutionFilter, ExecutionRow, Executions, NewExecution, Page, Status, StoreError};

#[async_trait]
impl Executions for SqliteStore {
    async fn create(&self, execution: NewExecution) -> Result<(), StoreError> {
        let insert = move |db: &rusqlite::Connection| {
            let inserted = db
                .prepare_cached(
                    "INSERT INTO executions (exec_id, flow, component, input, seed, created_at, flow_epoch, original, replay_plan,
                         frozen_spec, status)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'running')",
                )?
                .execute(params![
                    execution.id.as_bytes(),
                    execution.flow,
                    execution.component.as_bytes(),
                    columns::payload(&execution.input)?,
                    execution.seed,
                    execution.created_at.as_micros(),
                    execution.flow_epoch.as_micros(),
                    execution.original.as_ref().map(ExecutionId::as_bytes),
                    execution.replay_plan,
                    execution.frozen_spec,
                ])
                .map_err(DbError::from);
            match inserted {
                Err(error) if error.is_duplicate() => {
                    Err(StoreError::Conflict { message: format!("execution `{}` exists already", execution.id) }.into())
                }
                other => other.map(|_| ()),
            }
        };
        self.writer.write(Durability::Full, insert).await
    }

    async fn execution(&self, id: ExecutionId) -> Result<ExecutionRow, StoreError> {
        let mut living = Living::new(&self.runner);
        self.readers
            .read(move |db| {
                let mut statement = db.prepare_cached("SELECT * FROM executions WHERE exec_id = ?1")?;
                let mut rows = statement.query([id.as_bytes()])?;
                let row = rows.next()?.ok_or_else(|| StoreError::not_found("execution", id))?;
                execution(row, &mut living)
            })
            .await
    }

    async fn executions_by_prefix(&self, prefix: &str, limit: u64) -> Result<Vec<ExecutionId>, StoreError> {
        let Some((low, high)) = range_of(prefix) else { return Ok(Vec::new()) };
        self.readers
            .read(move |db| {
                let mut statement = db
                    .prepare_cached("SELECT exec_id FROM executions WHERE exec_id BETWEEN ?1 AND ?2 ORDER BY exec_id LIMIT ?3")?;
                let rows = statement.query(params![low.as_bytes(), high.as_bytes(), columns::integer(limit)])?;
                columns::collect(rows, |row| columns::bytes(row, "exec_id").map(ExecutionId::from_bytes))
            })
            .await
    }

    async fn list(&self, filter: &ExecutionFilter, page: Page) -> Result<Vec<ExecutionRow>, StoreError> {
        let (condition, mut values) = condition(filter);
        values.extend([Value::Integer(columns::integer(page.limit)), Value::Integer(columns::integer(page.offset))]);
        let mut living = Living::new(&self.runner);
        self.readers
            .read(move |db| {
                let mut statement =
                    db.prepare_cached(&format!("SELECT * FROM executions {condition} ORDER BY id DESC LIMIT ? OFFSET ?"))?;
                columns::collect(statement.query(params_from_iter(values))?, |row| execution(row, &mut living))
            })
            .await
    }

    async fn count(&self, filter: &ExecutionFilter) -> Result<u64, StoreError> {
        let (condition, values) = condition(filter);
        self.readers
            .read(move |db| {
                let mut statement = db.prepare_cached(&format!("SELECT count(*) AS n FROM executions {condition}"))?;
                let mut rows = statement.query(params_from_iter(values))?;
                rows.next()?.map_or(Ok(0), |row| columns::count(row, "n"))
            })
            .await
    }

    async fn request_cancel(&self, id: ExecutionId) -> Result<(), StoreError> {
        self.writer
            .write(Durability::Full, move |db| {
                let found = db
                    .prepare_cached("UPDATE executions SET cancel_requested = 1 WHERE exec_id = ?1 RETURNING id")?
                    .query_row([id.as_bytes()], |_| Ok(()))
                    .optional()?;
                found.ok_or_else(|| StoreError::not_found("execution", id).into())
            })
            .await?;
        self.notify(id).await;
        Ok(())
    }
}

/// The first and the last identifier whose text starts with `prefix`.
fn range_of(prefix: &str) -> Option<(ExecutionId, ExecutionId)> {
    let fill = |rest: &str| {
        let text = format!("{prefix}{}", rest.get(prefix.len()..)?);
        // Parsing takes other spellings too, which no identifier's text starts with.
        text.parse::<ExecutionId>().ok().filter(|id| id.to_string() == text)
    };
    Some((fill("00000000-0000-0000-0000-000000000000")?, fill("ffffffff-ffff-ffff-ffff-ffffffffffff")?))
}

fn condition(filter: &ExecutionFilter) -> (String, Vec<Value>) {
    let mut conditions = Vec::new();
    let mut values = Vec::new();
    if !filter.statuses.is_empty() {
        conditions.push(format!("status IN ({})", vec!["?"; filter.statuses.len()].join(", ")));
        values.extend(filter.statuses.iter().map(|status| Value::Text(status.as_str().to_owned())));
    }
    if let Some(flow) = &filter.flow {
        conditions.push("flow = ?".into());
        values.push(Value::Text(flow.clone()));
    }
    if let Some(original) = filter.original {
        conditions.push("original = ?".into());
        values.push(Value::Blob(original.as_bytes().to_vec()));
    }
    let condition = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    (condition, values)
}

/// Which runners live, asked once per runner and query.
struct Living {
    runner: Arc<Runner>,
    known: HashMap<String, Option<String>>,
}

impl Living {
    fn new(runner: &Arc<Runner>) -> Self {
        Self { runner: Arc::clone(runner), known: HashMap::new() }
    }

    fn describe(&mut self, execution: ExecutionId, runner: String) -> Option<String> {
        if self.runner.is_me(&runner) {
            return self.runner.drives(execution).then(Runner::describe_me);
        }
        let Self { runner: asked, known } = self;
        known.entry(runner).or_insert_with_key(|id| asked.living(id)).clone()
    }
}

fn execution(row: &Row<'_>, living: &mut Living) -> Result<ExecutionRow, DbError> {
    let id = ExecutionId::from_bytes(columns::bytes(row, "exec_id")?);
    let status: String = row.get("status")?;
    let status = Status::parse(&status).ok_or_else(|| errors::malformed(format!("the status of execution `{id}`")))?;
    let runner: Option<String> = row.get("runner")?;
    Ok(ExecutionRow {
        new: NewExecution {
            id,
            flow: row.get("flow")?,
            component: columns::component(row, "component")?,
            input: columns::required_payload(row, "input")?,
            seed: columns::bytes(row, "seed")?,
            created_at: columns::time(row, "created_at")?,
            flow_epoch: columns::time(row, "flow_epoch")?,
            original: columns::optional_execution(row, "original")?,
            replay_plan: row.get("replay_plan")?,
            frozen_spec: row.get("frozen_spec")?,
        },
        status,
        status_reason: row.get("status_reason")?,
        ended_at: columns::optional_time(row, "ended_at")?,
        result: columns::optional_payload(row, "result")?,
        failure: columns::optional_failure(row, "failure")?,
        metadata: row.get("metadata")?,
        cancel_requested: row.get("cancel_requested")?,
        epoch: columns::count(row, "epoch")?,
        runner: runner.and_then(|runner| living.describe(id, runner)),
    })
}
