//! Executions as rows.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::types::Value;
use rusqlite::{Connection, Row, Rows, params, params_from_iter};

use super::SqliteStore;
use super::errors::{self, DbError};
use super::runner::Runner;
use super::{blob_uses, columns, removal, waits};
use crate::clock::Timestamp;
use crate::ids::{CallId, ExecutionId};
use crate::store::{Durability, ExecutionFilter, ExecutionRow, Executions, NewExecution, Page, StartedAs, Status, StoreError};

// What is read is named, so that the tests of its plans ask about the statements that run.
pub(super) const ONE: &str = "SELECT * FROM executions WHERE exec_id = ?1";
pub(super) const BY_PREFIX: &str = "SELECT exec_id FROM executions WHERE exec_id BETWEEN ?1 AND ?2 ORDER BY exec_id LIMIT ?3";
pub(super) const DUE: &str = "SELECT exec_id, runner FROM executions WHERE wake_at <= ?1 ORDER BY wake_at";
pub(super) const UNCLAIMED: &str =
    "SELECT exec_id FROM executions WHERE status = 'running' AND runner IS NULL ORDER BY id LIMIT ?1";
pub(super) const ABANDONED: &str = "SELECT exec_id, runner FROM executions WHERE runner IS NOT NULL";
pub(super) const NEXT_WAKE: &str = "SELECT min(wake_at) AS wake_at FROM executions WHERE wake_at > ?1";

#[async_trait]
impl Executions for SqliteStore {
    async fn create(&self, execution: NewExecution) -> Result<(), StoreError> {
        let id = execution.id;
        self.writer.write(Durability::Full, move |db| create(db, &execution)).await?;
        self.notify(id).await;
        Ok(())
    }

    async fn execution(&self, id: ExecutionId) -> Result<ExecutionRow, StoreError> {
        let mut living = Living::new(&self.runner);
        self.readers
            .look(move |db| {
                let mut statement = db.prepare_cached(ONE)?;
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
                let mut statement = db.prepare_cached(BY_PREFIX)?;
                let rows = statement.query(params![low.as_bytes(), high.as_bytes(), columns::integer(limit)])?;
                columns::collect(rows, |row| columns::bytes(row, "exec_id").map(ExecutionId::from_bytes))
            })
            .await
    }

    async fn list(&self, filter: &ExecutionFilter, page: Page) -> Result<Vec<ExecutionRow>, StoreError> {
        let (sql, mut values) = list_of(filter);
        values.extend([Value::Integer(columns::integer(page.limit)), Value::Integer(columns::integer(page.offset))]);
        let mut living = Living::new(&self.runner);
        self.readers
            .read(move |db| {
                let mut statement = db.prepare_cached(&sql)?;
                columns::collect(statement.query(params_from_iter(values))?, |row| execution(row, &mut living))
            })
            .await
    }

    async fn count(&self, filter: &ExecutionFilter) -> Result<u64, StoreError> {
        let (sql, values) = count_of(filter);
        self.readers
            .read(move |db| {
                let mut statement = db.prepare_cached(&sql)?;
                let mut rows = statement.query(params_from_iter(values))?;
                rows.next()?.map_or(Ok(0), |row| columns::count(row, "n"))
            })
            .await
    }

    async fn due(&self, now: Timestamp, limit: u64) -> Result<Vec<ExecutionId>, StoreError> {
        let mut living = Living::new(&self.runner);
        self.readers
            .read(move |db| {
                let mut statement = db.prepare_cached(DUE)?;
                living.free(statement.query([now.as_micros()])?, limit)
            })
            .await
    }

    async fn unclaimed(&self, limit: u64) -> Result<Vec<ExecutionId>, StoreError> {
        self.readers
            .read(move |db| {
                let mut statement = db.prepare_cached(UNCLAIMED)?;
                let rows = statement.query([columns::integer(limit)])?;
                columns::collect(rows, |row| columns::bytes(row, "exec_id").map(ExecutionId::from_bytes))
            })
            .await
    }

    async fn abandoned(&self, limit: u64) -> Result<Vec<ExecutionId>, StoreError> {
        let mut living = Living::new(&self.runner);
        self.readers
            .read(move |db| {
                let mut statement = db.prepare_cached(ABANDONED)?;
                living.free(statement.query([])?, limit)
            })
            .await
    }

    async fn next_wake(&self, after: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.readers
            .read(move |db| {
                let mut statement = db.prepare_cached(NEXT_WAKE)?;
                let mut rows = statement.query([after.as_micros()])?;
                rows.next()?.map_or(Ok(None), |row| columns::optional_time(row, "wake_at"))
            })
            .await
    }

    async fn delete(&self, id: ExecutionId) -> Result<(), StoreError> {
        self.writer.write_of(id, Durability::Full, move |db| removal::delete(db, id)).await
    }

    async fn sweep(&self, grace: Duration) -> Result<u64, StoreError> {
        Ok(self.sweep_files(grace).await? + self.sweep_values(grace).await?)
    }

    async fn request_cancel(&self, id: ExecutionId, at: Timestamp) -> Result<(), StoreError> {
        self.writer
            .write(Durability::Full, move |db| {
                let key = columns::execution_key(db, id)?;
                db.prepare_cached("UPDATE executions SET cancel_requested = 1 WHERE id = ?1")?.execute([key])?;
                db.prepare_cached(waits::IS_DUE)?.execute(params![key, at.as_micros()])?;
                Ok(())
            })
            .await?;
        self.notify(id).await;
        Ok(())
    }
}

/// Creates an execution that nobody drives yet.
pub(super) fn create(db: &Connection, execution: &NewExecution) -> Result<(), DbError> {
    if let Some(original) = execution.original {
        // It may have been deleted since it was read.
        columns::execution_key(db, original)?;
    }
    insert(db, execution, None)
}

/// Adds an execution, in a transaction of its own or in that of the parent's append: with its first lease, if that is somebody's already.
pub(super) fn insert(db: &Connection, execution: &NewExecution, runner: Option<&str>) -> Result<(), DbError> {
    let tags = serde_json::to_string(&execution.tags).map_err(|error| StoreError::Backend(Box::new(error)))?;
    let inserted = db
        .prepare_cached(
            "INSERT INTO executions (exec_id, flow, component, input, seed, created_at, flow_epoch, original, replay_plan,
                 frozen_spec, parent, parent_call, depth, tags, epoch, runner, root, status)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, 'running') RETURNING id",
        )?
        .query_row(
            params![
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
                execution.parent.as_ref().map(|call| call.execution.as_bytes()),
                execution.parent.map(|call| call.index),
                execution.depth,
                tags,
                u32::from(runner.is_some()),
                runner,
                execution.root.as_ref().map(ExecutionId::as_bytes),
            ],
            |row| row.get::<_, i64>(0),
        )
        .map_err(DbError::from);
    let key = match inserted {
        Err(error) if error.is_duplicate() => {
            return Err(StoreError::Conflict { message: format!("execution `{}` exists already", execution.id) }.into());
        }
        other => other?,
    };
    for tag in &execution.tags {
        db.prepare_cached("INSERT OR IGNORE INTO tags (tag, execution) VALUES (?1, ?2)")?.execute(params![tag, key])?;
    }
    blob_uses::note(db, key, blob_uses::of(&execution.input))
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

/// The statement of `list`, and its values but for the last two: limit and offset.
pub(super) fn list_of(filter: &ExecutionFilter) -> (String, Vec<Value>) {
    let (condition, values) = condition(filter);
    (format!("SELECT * FROM executions {condition} ORDER BY id DESC LIMIT ? OFFSET ?"), values)
}

/// The statement of `count`, and its values.
pub(super) fn count_of(filter: &ExecutionFilter) -> (String, Vec<Value>) {
    let (condition, values) = condition(filter);
    (format!("SELECT count(*) AS n FROM executions {condition}"), values)
}

/// What is searched for words. A failed execution's reason is its failure's message.
const TEXT_HAS: &str =
    "instr(lower(flow || char(10) || status || char(10) || tags || char(10) || coalesce(status_reason, '')), ?) > 0";
const QUESTION_HAS: &str = "(status = 'waiting' AND EXISTS (SELECT 1 FROM waits WHERE waits.execution = executions.id
     AND resolution IS NULL AND instr(lower(question), ?) > 0))";

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
    if let Some(deployment) = &filter.deployment {
        // What somebody else wrote there, and nobody can read, was started as nothing.
        let field = |name: &str| format!("CASE WHEN json_valid(frozen_spec) THEN frozen_spec ->> '$.deployment.{name}' END = ?");
        let (condition, value) = match deployment {
            StartedAs::Deployment(id) => (field("deployment_id"), Value::Text(id.to_string())),
            StartedAs::Version(number) => (field("version"), Value::Integer(columns::integer(*number))),
        };
        conditions.push(condition);
        values.push(value);
    }
    if let Some(flows) = &filter.flows {
        let one = |name: &String| match name.strip_suffix('*') {
            Some(beginning) => ("substr(flow, 1, length(?)) = ?", beginning.to_owned()),
            None => ("flow = ?", name.clone()),
        };
        let mut any = vec!["0"];
        for (condition, name) in flows.iter().map(one) {
            any.push(condition);
            values.extend(std::iter::repeat_n(Value::Text(name), condition.matches('?').count()));
        }
        conditions.push(format!("({})", any.join(" OR ")));
    }
    if let Some(original) = filter.original {
        conditions.push("original = ?".into());
        values.push(Value::Blob(original.as_bytes().to_vec()));
    }
    if let Some(parent) = filter.parent {
        conditions.push("parent = ?".into());
        values.push(Value::Blob(parent.as_bytes().to_vec()));
    }
    for tag in &filter.tags {
        conditions.push("id IN (SELECT execution FROM tags WHERE tag = ?)".into());
        values.push(Value::Text(tag.clone()));
    }
    let moments = [("created_at >= ?", filter.since), ("created_at < ?", filter.until), ("ended_at < ?", filter.ended_before)];
    for (text, moment) in moments.into_iter().filter_map(|(text, moment)| Some((text, moment?))) {
        conditions.push(text.into());
        values.push(Value::Integer(moment.as_micros()));
    }
    for (key, wanted) in &filter.metadata {
        // `->` gives a value as JSON text, which is compared as text: keys of objects in the order in which they were logged.
        conditions.push("metadata -> ? = ?".into());
        values.push(Value::Text(format!("$.\"{}\"", key.replace('"', ""))));
        values.push(Value::Text(wanted.to_string()));
    }
    for word in &filter.words {
        let mut any = vec![TEXT_HAS, QUESTION_HAS];
        values.extend([Value::Text(word.clone()), Value::Text(word.clone())]);
        // An identifier is kept without its hyphens.
        let digits = word.replace('-', "");
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            any.push("instr(lower(hex(exec_id)), ?) > 0");
            values.push(Value::Text(digits));
        }
        conditions.push(format!("({})", any.join(" OR ")));
    }
    if let Some(after) = filter.after {
        conditions.push("id > ?".into());
        values.push(Value::Integer(columns::integer(after)));
    }
    if let Some(before) = filter.before {
        conditions.push("id < ?".into());
        values.push(Value::Integer(columns::integer(before)));
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

    /// Those of these executions that no living runner holds.
    fn free(&mut self, mut rows: Rows<'_>, limit: u64) -> Result<Vec<ExecutionId>, DbError> {
        let mut free = Vec::new();
        // The limit is on those that are found: however many living runners hold others, they hide none.
        while let Some(row) = rows.next()?.filter(|_| (free.len() as u64) < limit) {
            let id = ExecutionId::from_bytes(columns::bytes(row, "exec_id")?);
            let runner: Option<String> = row.get("runner")?;
            if runner.is_none_or(|runner| self.describe(id, runner).is_none()) {
                free.push(id);
            }
        }
        Ok(free)
    }
}

fn execution(row: &Row<'_>, living: &mut Living) -> Result<ExecutionRow, DbError> {
    let id = ExecutionId::from_bytes(columns::bytes(row, "exec_id")?);
    let status: String = row.get("status")?;
    let status = Status::parse(&status).ok_or_else(|| errors::malformed(format!("the status of execution `{id}`")))?;
    let runner: Option<String> = row.get("runner")?;
    let held = runner.is_some();
    let runner = runner.and_then(|runner| living.describe(id, runner));
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
            parent: parent(row)?,
            root: columns::optional_execution(row, "root")?,
            depth: columns::index(row, "depth")?,
            tags: serde_json::from_str(&row.get::<_, String>("tags")?)
                .map_err(|error| errors::damaged(format!("the tags of execution `{id}`"), error))?,
            replay_plan: row.get("replay_plan")?,
            frozen_spec: row.get("frozen_spec")?,
        },
        position: columns::count(row, "id")?,
        status,
        wake_at: columns::optional_time(row, "wake_at")?,
        status_reason: row.get("status_reason")?,
        ended_at: columns::optional_time(row, "ended_at")?,
        result: columns::optional_payload(row, "result")?,
        failure: columns::optional_failure(row, "failure")?,
        metadata: row.get("metadata")?,
        cancel_requested: row.get("cancel_requested")?,
        epoch: columns::count(row, "epoch")?,
        abandoned: held && runner.is_none(),
        runner,
    })
}

fn parent(row: &Row<'_>) -> Result<Option<CallId>, DbError> {
    match columns::optional_execution(row, "parent")? {
        Some(execution) => Ok(Some(CallId { execution, index: columns::index(row, "parent_call")? })),
        None => Ok(None),
    }
}
