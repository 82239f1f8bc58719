//! What models say, for those who may see the execution.

use async_trait::async_trait;

use super::GuardedService;
use crate::access::Role;
use crate::ids::ExecutionId;
use crate::service::{ChunkFollow, LiveVerbs, ServiceError};

#[async_trait]
impl LiveVerbs for GuardedService {
    async fn follow_chunks(&self, id: ExecutionId) -> Result<ChunkFollow, ServiceError> {
        self.need_for(Role::Viewer, id).await?;
        self.inner.follow_chunks(id).await
    }
}
