//! Executions that go on in the background.

use std::time::Duration;

use super::{LocalService, Service as _, ServiceError, batch};
use crate::engine::{DriveOptions, SleepPolicy};
use crate::ids::ExecutionId;

/// How long an execution may sleep and be kept at hand by whoever only lets it go on.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lets an execution go on. Whoever looks after all executions may be quicker: then there is nothing to do.
pub(super) async fn resume(service: &LocalService, id: ExecutionId) -> Result<(), ServiceError> {
    service.check_resumable(id).await?;
    let service = service.clone();
    tokio::spawn(async move {
        let options = DriveOptions { sleep: SleepPolicy::Leave { longer_than: PATIENCE }, ..DriveOptions::default() };
        if let Err(error) = batch::drive_all(&service, &[id], options).await {
            tracing::warn!(execution = %id, error = &error as &dyn std::error::Error, "an execution could not be driven on");
        }
    });
    Ok(())
}
