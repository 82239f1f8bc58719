//! Work that blocks, off the async threads.

use super::errors::DbError;
use crate::store::StoreError;

/// Runs `work` on a thread that may block. It runs to its end even if nobody waits for it any more.
///
/// `spawn_blocking` and not `block_in_place`: the latter is faster, but panics on a single-threaded runtime and stalls what else the calling task
/// does. Only a commit that somebody waits for is worth that (`writer`).
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(DbError::stopped(error)))
}
