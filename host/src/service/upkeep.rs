//! Executions checked, moved, carried, removed, and looked after.

use std::collections::HashSet;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Done, FailureView, ListQuery, LocalService, ServiceError};
use crate::clock::{Clock as _, SystemClock, Timestamp};
use crate::engine::{DriveOptions, EngineError, Observer, SleepPolicy, Verdict, Verification};
use crate::ids::ExecutionId;
use crate::service::Word;
use crate::store::{ExecutionFilter, ExecutionRow, Page, Status};

/// What came of checking one execution.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct VerificationView {
    /// Which.
    pub exec_id: String,
    /// Its flow.
    pub flow_name: String,
    /// Its status.
    pub status: Word,
    /// SHA-256 of the component that it was checked against.
    pub component_digest: String,
    /// Whether it would go on as it is.
    pub holds: bool,
    /// `holds`, `diverges` or `unknown`.
    pub verdict: Word,
    /// `intact`, or the first record that does not follow from those before it.
    pub chain: String,
    /// Records of its journal.
    pub records: u64,
    /// Calls that the flow made.
    pub calls: u32,
    /// Why it does not hold.
    pub reason: Option<String>,
    /// The same with all details, where it diverges.
    pub failure: Option<FailureView>,
    /// Whether it was moved to the component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgraded: Option<bool>,
}

impl From<Verification> for VerificationView {
    fn from(verification: Verification) -> Self {
        let holds = verification.holds();
        let chain = match verification.broken_at {
            None => "intact".to_owned(),
            Some(seq) => format!("broken at record {seq}"),
        };
        let (verdict, reason, failure) = match &verification.verdict {
            Verdict::Holds => ("holds", None, None),
            Verdict::Diverges(failure) => ("diverges", Some(failure.message.clone()), Some(FailureView::from(failure))),
            Verdict::Unknown(reason) => ("unknown", Some(reason.clone()), None),
        };
        Self {
            exec_id: verification.execution.to_string(),
            flow_name: verification.row.new.flow.clone(),
            status: verification.row.status.as_str().into(),
            component_digest: verification.component.to_string(),
            holds,
            verdict: verdict.into(),
            chain,
            records: verification.records,
            calls: verification.made,
            reason,
            failure,
            upgraded: None,
        }
    }
}

/// An execution that was not removed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NotDeleted {
    /// Which.
    pub exec_id: String,
    /// Why.
    pub reason: String,
}

/// What was removed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeletedView {
    /// The execution, where one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec_id: Option<String>,
    /// Whether all are gone that were to go.
    pub deleted: bool,
    /// Those that are gone.
    pub executions: Vec<String>,
    /// Those that are not.
    pub failures: Vec<NotDeleted>,
    /// Bytes of large values and components that nothing needs any more.
    pub freed_bytes: u64,
}

impl DeletedView {
    /// Nothing so far, of what is all to go.
    pub fn nothing() -> Self {
        Self { exec_id: None, deleted: true, executions: Vec::new(), failures: Vec::new(), freed_bytes: 0 }
    }

    /// Adds what was removed after it.
    pub fn extend(&mut self, more: Self) {
        let Self { exec_id, deleted, executions, failures, freed_bytes } = more;
        (self.exec_id, self.deleted) = (exec_id, self.deleted && deleted);
        self.executions.extend(executions);
        self.failures.extend(failures);
        self.freed_bytes += freed_bytes;
    }
}

/// Files that are younger may belong to a row that is about to be written.
const GRACE: Duration = Duration::from_secs(600);

/// Checks executions against their own component or another, writing nothing.
///
/// # Errors
/// When one does not exist, or the component cannot run here; with what came of those before it.
pub(super) async fn verify(
    service: &LocalService,
    ids: &[ExecutionId],
    component: Option<&[u8]>,
) -> Result<Vec<VerificationView>, ServiceError> {
    let mut views = Vec::with_capacity(ids.len());
    for id in ids {
        let checked = match service.engine().verify(*id, component).await {
            Ok(verification) => Ok(verification.into()),
            Err(error) => refused(service, *id, error, ids.len()).await,
        };
        match checked {
            Ok(view) => views.push(view),
            Err(error) => return Err(error.after(Done::Verifications(views))),
        }
    }
    Ok(views)
}

/// Moves waiting executions to another component, where that makes the recorded calls.
///
/// # Errors
/// When one does not exist, does not wait, is being run, or the component cannot run here; with what came of those before it.
pub(super) async fn upgrade(
    service: &LocalService,
    ids: &[ExecutionId],
    component: &[u8],
) -> Result<Vec<VerificationView>, ServiceError> {
    let (mut views, mut ready) = (Vec::with_capacity(ids.len()), Vec::new());
    let moved = move_each(service, ids, component, &mut views, &mut ready).await;
    // They are moved, whatever becomes of them: whoever looks after executions drives them on if this does not.
    let sleep = SleepPolicy::Leave { longer_than: Duration::ZERO };
    if let Err(error) = super::batch::drive_all(service, &ready, DriveOptions { sleep, ..DriveOptions::default() }).await {
        tracing::warn!(error = &error as &dyn std::error::Error, "an execution could not be driven on");
    }
    match moved {
        Ok(()) => Ok(views),
        Err(error) => Err(error.after(Done::Verifications(views))),
    }
}

/// Tells what came of each, and which can go on.
async fn move_each(
    service: &LocalService,
    ids: &[ExecutionId],
    component: &[u8],
    views: &mut Vec<VerificationView>,
    ready: &mut Vec<ExecutionId>,
) -> Result<(), ServiceError> {
    for id in ids {
        match service.engine().upgrade(*id, component).await {
            Ok(verification) => {
                let holds = verification.holds();
                let moved = holds && verification.component != verification.row.new.component;
                views.push(VerificationView { upgraded: Some(moved), ..verification.into() });
                // What came while it was being moved found a runner, and left the driving to it.
                if holds && service.engine().is_ready(*id).await? {
                    ready.push(*id);
                }
            }
            Err(error) => {
                let view = refused(service, *id, error, ids.len()).await?;
                views.push(VerificationView { upgraded: Some(false), ..view });
            }
        }
    }
    Ok(())
}

/// One of several executions that could not be looked at or moved: the others are, all the same.
async fn refused(
    service: &LocalService,
    id: ExecutionId,
    error: EngineError,
    of: usize,
) -> Result<VerificationView, ServiceError> {
    if of == 1 {
        return Err(error.into());
    }
    let row = service.store().execution(id).await?;
    Ok(VerificationView {
        exec_id: id.to_string(),
        flow_name: row.new.flow.clone(),
        status: row.status.as_str().into(),
        component_digest: row.new.component.to_string(),
        holds: false,
        verdict: "unknown".into(),
        chain: "unchecked".into(),
        records: 0,
        calls: 0,
        reason: Some(error.to_string()),
        failure: None,
        upgraded: None,
    })
}

/// All executions that pass `query`, newest first.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn ids(service: &LocalService, query: &ListQuery) -> Result<Vec<ExecutionId>, ServiceError> {
    let rows = service.store().list(&super::executions::filter(query), Page { offset: 0, limit: u64::MAX }).await?;
    Ok(rows.into_iter().map(|row| row.new.id).collect())
}

/// Removes ended executions, and what only they needed; and answers of models that are too old.
///
/// # Errors
/// When the only one does not exist, has not ended or is needed. Of several, the others are removed all the same. When what they alone needed cannot be
/// removed; with those that are gone.
pub(super) async fn delete(service: &LocalService, ids: &[ExecutionId]) -> Result<DeletedView, ServiceError> {
    let mut deleted = DeletedView::nothing();
    for id in ids {
        match service.store().delete(*id).await {
            Ok(()) => deleted.executions.push(id.to_string()),
            Err(error) if ids.len() == 1 => return Err(EngineError::from(error).into()),
            Err(error) => deleted.failures.push(NotDeleted { exec_id: id.to_string(), reason: error.to_string() }),
        }
    }
    if let [only] = ids {
        deleted.exec_id = Some(only.to_string());
    }
    deleted.deleted = deleted.failures.is_empty();
    match free(service).await {
        Ok(bytes) => Ok(DeletedView { freed_bytes: bytes, ..deleted }),
        Err(error) => Err(error.after(Done::Deletion(deleted))),
    }
}

/// Removes what nothing needs any more. How many bytes that were.
async fn free(service: &LocalService) -> Result<u64, ServiceError> {
    service.store().forget_answers(SystemClock.now()).await?;
    service.store().close_reservations().await?;
    for digest in service.middleware.iter() {
        // It is as young as a component that is about to be named.
        let _ = service.store().keep_component(*digest).await?;
    }
    Ok(service.store().sweep(GRACE).await?)
}

/// Executions that ended before the last `days` days.
///
/// # Errors
/// When the store cannot be read.
pub(super) async fn ended_before(service: &LocalService, days: u32) -> Result<Vec<ExecutionId>, ServiceError> {
    let micros = i64::from(days).saturating_mul(86_400_000_000);
    let before = Timestamp::from_micros(SystemClock.now().as_micros().saturating_sub(micros));
    let filter = ExecutionFilter {
        statuses: vec![Status::Completed, Status::Failed, Status::Cancelled],
        ended_before: Some(before),
        ..ExecutionFilter::default()
    };
    let rows = service.store().list(&filter, Page { offset: 0, limit: u64::MAX }).await?;
    // Not those that others still need: the sources of replays, and children whose parents have not taken their results.
    let statuses = vec![Status::Running, Status::Waiting];
    let open = ExecutionFilter { statuses, ..ExecutionFilter::default() };
    let open = service.store().list(&open, Page { offset: 0, limit: u64::MAX }).await?;
    let needed: HashSet<ExecutionId> = open.iter().filter_map(|row| row.new.original).collect();
    let open: HashSet<ExecutionId> = open.iter().map(|row| row.new.id).collect();
    let free = |row: &ExecutionRow| {
        !needed.contains(&row.new.id) && row.new.parent.is_none_or(|parent| !open.contains(&parent.execution))
    };
    Ok(rows.into_iter().filter(free).map(|row| row.new.id).collect())
}

impl LocalService {
    /// Drives whatever can go on, until [`LocalService::stop`] is called.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn look_after(&self, observer: Observer) -> Result<(), ServiceError> {
        Ok(self.engine().look_after(observer).await?)
    }

    /// Begins a graceful stop: bodies that run come to their end, and every drive leaves its execution to the store.
    pub fn stop(&self) {
        self.engine().stop();
    }
}
