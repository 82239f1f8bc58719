//! What to compare, to know that something has changed: cheap to read, and with nothing in it that anybody would show.

use std::time::Duration;

use tokio::sync::watch;

use super::{LocalService, ServiceError};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::engine::LiveText;
use crate::ids::ExecutionId;
use crate::store::{ExecutionFilter, ExecutionRow, Page, Status, WaitRow};

/// At most so many executions are looked at for news of all.
const MOST: u64 = 2_000;
/// So many of the newest are looked at, whatever they do.
const NEWEST: u64 = 50;
/// Records of a journal that are read at a time to find its end.
const RECORDS: u64 = 256;

/// How far an execution is. Another one means that something of it has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecutionMark {
    /// What it does.
    pub status: Status,
    /// Records of its journal.
    records: u64,
    epoch: u64,
    open_waits: usize,
    is_cancelled: bool,
}

impl std::fmt::Display for ExecutionMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { status, records, epoch, open_waits, is_cancelled } = self;
        write!(f, "{status}-{records}-{epoch}-{open_waits}-{}", u8::from(*is_cancelled))
    }
}

/// An execution, as far as it matters for news of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenExecution {
    /// Which.
    pub id: ExecutionId,
    /// Of which flow.
    pub flow: String,
    /// What it does.
    pub status: Status,
    /// Its open questions.
    pub waits: Vec<String>,
}

/// Nobody drives an execution that could go on for so long.
const OVERDUE: Duration = Duration::from_secs(5);

/// How long whoever watches an execution that waits leaves it alone, `least` at least and `most` at most: that its time has come tells its runner alone,
/// and an answer that has come makes it due. One that nobody takes up when it is due is looked at as rarely as any that waits.
pub(super) fn until_due(wakes_at: Option<Timestamp>, least: Duration, most: Duration) -> Duration {
    let now = SystemClock.now();
    match wakes_at {
        Some(due) if now.since(due) < OVERDUE => due.since(now).clamp(least, most),
        _ => most,
    }
}

impl LocalService {
    /// Wakes when something may have happened to an execution. Steps do not wake.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn watch(&self, id: ExecutionId) -> Result<watch::Receiver<u64>, ServiceError> {
        Ok(self.store().watch(id).await?)
    }

    /// Wakes when something may have happened to any execution.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn watch_all(&self) -> Result<watch::Receiver<u64>, ServiceError> {
        Ok(self.store().watch_all().await?)
    }

    /// What models say to an execution that this process drives, while they say it; from after `cursor`, where that is still known.
    pub fn live_text(&self, id: ExecutionId, cursor: Option<&str>) -> LiveText {
        self.engine().live_text(id, cursor)
    }

    /// How far an execution is; `before` is the mark of the last look, after which only what is new is read.
    ///
    /// # Errors
    /// When there is no such execution, or the store cannot be read.
    pub async fn mark(&self, id: ExecutionId, before: Option<ExecutionMark>) -> Result<ExecutionMark, ServiceError> {
        let row = self.engine().execution(id).await?;
        let mut records = before.map_or(0, |mark| mark.records);
        loop {
            let new = self.store().entries(id, records, RECORDS).await?.len() as u64;
            records += new;
            if new < RECORDS {
                break;
            }
        }
        let waits = self.store().waits(id).await?;
        let open_waits = waits.iter().filter(|wait| wait.resolution.is_none()).count();
        Ok(ExecutionMark { status: row.status, records, epoch: row.epoch, open_waits, is_cancelled: row.cancel_requested })
    }

    /// Executions that have not ended, and the newest of all.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open_executions(&self) -> Result<Vec<OpenExecution>, ServiceError> {
        let open = ExecutionFilter { statuses: vec![Status::Running, Status::Waiting], ..ExecutionFilter::default() };
        let mut rows = self.store().list(&open, Page { offset: 0, limit: MOST }).await?;
        rows.extend(self.store().list(&ExecutionFilter::default(), Page { offset: 0, limit: NEWEST }).await?);
        let mut found: Vec<OpenExecution> = Vec::with_capacity(rows.len());
        for row in rows {
            found.push(self.open(row).await?);
        }
        found.sort_by_key(|one| one.id);
        found.dedup_by_key(|one| one.id);
        Ok(found)
    }

    /// One execution; none where there is none any more.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open_execution(&self, id: ExecutionId) -> Result<Option<OpenExecution>, ServiceError> {
        match self.store().execution(id).await {
            Ok(row) => Ok(Some(self.open(row).await?)),
            Err(crate::store::StoreError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn open(&self, row: ExecutionRow) -> Result<OpenExecution, ServiceError> {
        let id = row.new.id;
        let waits = if row.status == Status::Waiting { self.store().waits(id).await? } else { Vec::new() };
        let asked = |wait: &WaitRow| wait.resolution.is_none().then(|| format!("{}@{}", wait.id, wait.entered_at.as_micros()));
        Ok(OpenExecution { id, flow: row.new.flow, status: row.status, waits: waits.iter().filter_map(asked).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_is_looked_at_soon_and_what_only_waits_is_not() {
        const LEAST: Duration = Duration::from_millis(200);
        const MOST: Duration = Duration::from_secs(20);
        let in_seconds = |seconds| SystemClock.now().after(Duration::from_secs(seconds));
        assert_eq!(until_due(None, LEAST, MOST), MOST);
        assert_eq!(until_due(Some(SystemClock.now()), LEAST, MOST), LEAST);
        assert_eq!(until_due(Some(Timestamp::from_micros(0)), LEAST, MOST), MOST, "nobody takes it up");
        assert_eq!(until_due(Some(in_seconds(3_600)), LEAST, MOST), MOST);
        let soon = until_due(Some(in_seconds(10)), LEAST, MOST);
        assert!(soon > LEAST && soon <= Duration::from_secs(10), "{soon:?}");
    }
}
