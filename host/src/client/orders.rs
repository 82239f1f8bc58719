//! Orders that name code: replays, retries, checks, moves. The code is sent first, and then named.

use serde_json::Map;

use super::RemoteService;
use crate::ids::ExecutionId;
use crate::service::verbs::{
    DeleteMany, DeleteManyParams, Diff, DiffParams, OnError, Replay, ReplayParams, Retry, RetryParams, Upgrade, UpgradeParams,
    Verify, VerifyParams,
};
use crate::service::{DeletedView, Done, ExecutionDiff, ReplayCommand, ReplaySubmission, ServiceError, VerificationView};

/// So many executions one request may name where each is run again.
const MOST_CHECKED: usize = 200;
/// And where each is compared.
const MOST_COMPARED: usize = 100;
/// And where each is removed.
const MOST_REMOVED: usize = 1_000;

/// IDs as they are written.
pub(super) fn texts(ids: &[ExecutionId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// As few parts as there have to be, all about as large: what is refused of one execution is reported of several, and so none may be left alone.
fn parts(ids: &[ExecutionId], most: usize) -> impl Iterator<Item = &[ExecutionId]> {
    let size = ids.len().div_ceil(ids.len().div_ceil(most).max(1)).max(1);
    ids.chunks(size)
}

impl RemoteService {
    pub(super) async fn order(
        &self,
        sources: &[String],
        command: ReplayCommand,
        on_error: OnError,
    ) -> Result<ReplaySubmission, ServiceError> {
        if command.needs_in.is_some() {
            return Err(ServiceError::folder_only("a replay with all that its component declares"));
        }
        let component = self.kept(command.component.as_deref()).await?;
        let params = ReplayParams {
            exec_ids: sources.to_vec(),
            from: command.from,
            overrides: Map::from_iter(command.overrides),
            flow_overrides: command.inputs,
            checkpoint_overrides: command.checkpoint_overrides,
            invocation_overrides: command.invocation_overrides,
            skip: command.skip,
            reuse_unchanged: command.reuse_unchanged,
            ask_again: command.ask_again,
            tags: command.tags,
            component,
            on_error,
            wait: false,
            grants: command.grants,
            limits: command.limits,
        };
        let submission = self.call::<Replay>(params).await?;
        for result in &submission.results {
            self.started(&result.replay_exec_id)?;
        }
        Ok(submission)
    }

    pub(super) async fn replay_one(&self, source: ExecutionId, command: ReplayCommand) -> Result<ExecutionId, ServiceError> {
        let submission = self.order(&[source.to_string()], command, OnError::Fail).await?;
        let made = submission.results.first().ok_or_else(|| ServiceError::state("The server made no replay."))?;
        self.id(&made.replay_exec_id)
    }

    pub(super) async fn retry_with(&self, id: ExecutionId, component: Option<&[u8]>) -> Result<(), ServiceError> {
        let component = self.kept(component).await?;
        self.call::<Retry>(RetryParams { execution: id.to_string(), component }).await.map(drop)
    }

    pub(super) async fn verified(
        &self,
        ids: &[ExecutionId],
        component: Option<&[u8]>,
    ) -> Result<Vec<VerificationView>, ServiceError> {
        let component = self.kept(component).await?;
        let mut views = Vec::with_capacity(ids.len());
        for some in parts(ids, MOST_CHECKED) {
            let params = VerifyParams { executions: texts(some), component: component.clone() };
            match self.call::<Verify>(params).await {
                Ok(checked) => views.extend(checked.items),
                Err(error) => return Err(error.after(Done::Verifications(views))),
            }
        }
        Ok(views)
    }

    pub(super) async fn upgraded(&self, ids: &[ExecutionId], component: &[u8]) -> Result<Vec<VerificationView>, ServiceError> {
        let component = self.keep_component(component).await?.digest;
        let mut views = Vec::with_capacity(ids.len());
        for some in parts(ids, MOST_CHECKED) {
            let params = UpgradeParams { executions: texts(some), component: component.clone() };
            match self.call::<Upgrade>(params).await {
                Ok(moved) => views.extend(moved.items),
                Err(error) => return Err(error.after(Done::Verifications(views))),
            }
        }
        Ok(views)
    }

    pub(super) async fn compared(
        &self,
        original: ExecutionId,
        others: &[ExecutionId],
    ) -> Result<Vec<ExecutionDiff>, ServiceError> {
        let ask = |with: &[ExecutionId]| self.call::<Diff>(DiffParams { execution: original.to_string(), with: texts(with) });
        // None named are its replays.
        let mut diffs = if others.is_empty() { ask(others).await?.items } else { Vec::new() };
        for some in parts(others, MOST_COMPARED) {
            diffs.extend(ask(some).await?.items);
        }
        Ok(diffs)
    }

    pub(super) async fn removed(&self, ids: &[ExecutionId]) -> Result<DeletedView, ServiceError> {
        let mut removed = DeletedView::nothing();
        for some in parts(ids, MOST_REMOVED) {
            let params = DeleteManyParams { executions: texts(some), ended_before_days: None };
            match self.call::<DeleteMany>(params).await {
                Ok(more) => removed.extend(more),
                Err(error) => return Err(error.after(Done::Deletion(DeletedView { deleted: false, ..removed }))),
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Ids as _, SystemIds};

    #[test]
    fn many_are_asked_about_in_parts_of_which_none_is_one_alone() {
        for (count, expected) in [(0, vec![]), (1, vec![1]), (200, vec![200]), (201, vec![101, 100]), (600, vec![200, 200, 200])]
        {
            let ids: Vec<ExecutionId> = (0..count).map(|_| SystemIds.execution()).collect();
            assert_eq!(parts(&ids, 200).map(<[_]>::len).collect::<Vec<_>>(), expected, "{count}");
        }
    }
}
