//! What happens in an execution while it goes on, for those who may see it.

use async_trait::async_trait;
use tokio::sync::watch;

use super::GuardedService;
use crate::access::Role;
use crate::ids::ExecutionId;
use crate::service::{ChunkFollow, ExecutionChangesView, LiveVerbs, ServiceError};

#[async_trait]
impl LiveVerbs for GuardedService {
    async fn follow_chunks(&self, id: ExecutionId) -> Result<ChunkFollow, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.follow_chunks(id).await
    }

    async fn changes(&self, id: ExecutionId, cursor: Option<&str>) -> Result<ExecutionChangesView, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.changes(id, cursor).await
    }

    async fn news(&self) -> Result<Option<watch::Receiver<u64>>, ServiceError> {
        self.need_all(Role::Viewer)?;
        self.inner.news().await
    }
}
