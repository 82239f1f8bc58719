//! What lists say of executions.

use async_trait::async_trait;
use rusqlite::{OptionalExtension as _, params};

use super::turns::Turn;
use super::{SqliteStore, columns, model_calls};
use crate::ids::ExecutionId;
use crate::store::{Appending, BriefRow, Briefs, Durability, ModelUsage, NewBrief, SavedBy, StoreError};

/// The lengths are the ends of two indexes: no record is read.
pub(super) const ONE: &str = "SELECT brief,
         coalesce((SELECT seq FROM journal WHERE execution = executions.id ORDER BY seq DESC LIMIT 1) + 1, 0) AS records,
         coalesce((SELECT id FROM model_calls INDEXED BY model_calls_by_execution WHERE execution = executions.id ORDER BY id DESC LIMIT 1), 0)
             AS model_calls
     FROM executions LEFT JOIN briefs ON briefs.execution = executions.id WHERE exec_id = ?1";
pub(super) const KEEP: &str = "INSERT INTO briefs (execution, records, model_calls, brief)
     SELECT id, ?2, ?3, ?4 FROM executions WHERE exec_id = ?1
     ON CONFLICT (execution) DO UPDATE SET records = excluded.records, model_calls = excluded.model_calls, brief = excluded.brief
     WHERE (excluded.records, excluded.model_calls) >= (briefs.records, briefs.model_calls)";
pub(super) const IS_KNOWN: &str = "SELECT 1 FROM executions WHERE exec_id = ?1";
pub(super) const SAVED: &str = "SELECT count(*) FROM artifacts
     WHERE execution = (SELECT id FROM executions WHERE exec_id = ?1) AND call = ?2 AND attempt BETWEEN ?3 AND ?4";
pub(super) const USAGE_AFTER: &str = "SELECT id, call, attempt, ordinal, name, flow, day, at, spent, usage
     FROM model_calls INDEXED BY model_calls_by_execution WHERE execution = ?1 AND id > ?2 ORDER BY id";

#[async_trait]
impl Briefs for SqliteStore {
    async fn briefs(&self, executions: &[ExecutionId]) -> Result<Vec<BriefRow>, StoreError> {
        let executions = executions.to_vec();
        self.readers
            .read(move |db| {
                let mut statement = db.prepare_cached(ONE)?;
                let mut found = Vec::with_capacity(executions.len());
                for execution in executions {
                    let mut rows = statement.query([execution.as_bytes()])?;
                    let Some(row) = rows.next()? else { continue };
                    let (records, model_calls) = (columns::count(row, "records")?, columns::count(row, "model_calls")?);
                    found.push(BriefRow { execution, records, model_calls, kept: row.get("brief")? });
                }
                Ok(found)
            })
            .await
    }

    fn keep_briefs(&self, briefs: Vec<NewBrief>) -> Appending {
        let keeping = self.writer.append(Turn::Free, Durability::Relaxed, false, move |db| {
            let mut keep = db.prepare_cached(KEEP)?;
            for new in &briefs {
                let (records, model_calls) = (columns::integer(new.records), columns::integer(new.model_calls));
                keep.execute(params![new.execution.as_bytes(), records, model_calls, new.brief])?;
            }
            Ok(())
        });
        self.writer.call();
        keeping
    }

    async fn known(&self, executions: Vec<ExecutionId>) -> Result<Vec<ExecutionId>, StoreError> {
        self.readers
            .read(move |db| {
                let mut statement = db.prepare_cached(IS_KNOWN)?;
                let mut known = Vec::with_capacity(executions.len());
                for execution in executions {
                    if statement.exists([execution.as_bytes()])? {
                        known.push(execution);
                    }
                }
                Ok(known)
            })
            .await
    }

    async fn count_saved(&self, by: Vec<SavedBy>) -> Result<u64, StoreError> {
        self.readers
            .read(move |db| {
                let mut statement = db.prepare_cached(SAVED)?;
                let mut saved: i64 = 0;
                for SavedBy { execution, call, attempt } in by {
                    let (from, to) = attempt.map_or((0, u32::MAX), |attempt| (attempt, attempt));
                    let some = statement.query_row(params![execution.as_bytes(), call, from, to], |row| row.get::<_, i64>(0));
                    saved = saved.saturating_add(some.optional()?.unwrap_or(0));
                }
                Ok(u64::try_from(saved).unwrap_or(0))
            })
            .await
    }

    async fn model_usage_after(&self, execution: ExecutionId, position: u64) -> Result<Vec<ModelUsage>, StoreError> {
        self.readers
            .read(move |db| {
                let key = columns::execution_key(db, execution)?;
                let mut statement = db.prepare_cached(USAGE_AFTER)?;
                let rows = statement.query([key, columns::integer(position)])?;
                columns::collect(rows, |row| model_calls::usage(row, execution))
            })
            .await
    }
}
