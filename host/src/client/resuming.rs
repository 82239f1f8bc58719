//! Executions that go on without an answer: which can, and letting them.

use super::RemoteService;
use super::following::known;
use crate::ids::ExecutionId;
use crate::service::verbs::{ExecutionParams, Resume};
use crate::service::{ExecutionView, PendingWaitView, ServiceError, WaitView};
use crate::store::{MISSING_MODEL, Status, StoreError};

/// Lets an execution go on that nobody drives. Somebody may have been quicker.
pub(super) async fn resume(remote: &RemoteService, id: ExecutionId) -> Result<(), ServiceError> {
    match remote.call::<Resume>(ExecutionParams { execution: id.to_string() }).await {
        Err(error) if error.class() != "KitaruStateError" => Err(error),
        _ => Ok(()),
    }
}

/// Whether an execution can go on now without an answer.
pub(super) fn resumable(id: ExecutionId, view: &ExecutionView) -> Result<(), ServiceError> {
    let status = known(&view.summary.status)?;
    match status {
        Status::Waiting if view.summary.is_due => Ok(()),
        Status::Waiting => {
            let is_open = |wait: &&WaitView| wait.status == "pending" && !asks_for_a_model(&wait.wait);
            match view.waits.iter().find(is_open) {
                None => Ok(()),
                Some(wait) => Err(ServiceError::State {
                    message: format!("Resolve pending wait input before resuming execution '{id}'."),
                    hint: Some(format!("kitaru-host executions input {id} --wait {} --value <JSON>", wait.wait.name)),
                }),
            }
        }
        Status::Running => match &view.runner {
            Some(runner) => Err(StoreError::Owned { execution: id, runner: runner.clone() }.into()),
            None => Ok(()),
        },
        Status::Completed | Status::Failed | Status::Cancelled => Err(ServiceError::State {
            message: format!("Only paused executions can be resumed. Execution '{id}' is currently '{status}'."),
            hint: (status == Status::Failed).then(|| format!("kitaru-host executions retry {id}")),
        }),
    }
}

/// A model may be there by now.
pub(super) fn asks_for_a_model(wait: &PendingWaitView) -> bool {
    wait.metadata.as_ref().is_some_and(|metadata| metadata.get(MISSING_MODEL) == Some(&serde_json::Value::Bool(true)))
}
