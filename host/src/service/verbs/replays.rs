//! Executions tried again: replays and retries.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::components::bytes_of;
use super::listing::at_most;
use super::verb;
use crate::sandbox::{Grants, LimitChanges};
use crate::service::{ExecutionView, ReplayCommand, ReplaySubmission, ServiceError};

/// What to do with sources that cannot be replayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The first one ends the batch.
    #[default]
    Fail,
    /// They are reported.
    Collect,
}

/// A replay of one or several executions.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReplayParams {
    /// The executions: IDs or unique beginnings of them.
    #[serde(alias = "executions")]
    pub exec_ids: Vec<String>,
    /// The checkpoint from which it runs live: its name, invocation ID or call ID.
    #[serde(alias = "at", alias = "from_", skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `checkpoint.<selector>` with the output to use in place of the recorded one.
    pub overrides: Map<String, Value>,
    /// Flow arguments to change.
    #[serde(alias = "flow_inputs")]
    pub flow_overrides: Map<String, Value>,
    /// By checkpoint: an object with `input` or `output`, for all of its calls.
    pub checkpoint_overrides: Map<String, Value>,
    /// By invocation ID or call ID: the same for one call.
    pub invocation_overrides: Map<String, Value>,
    /// Calls after the anchor that are served all the same.
    pub skip: Vec<String>,
    /// Serve calls after the anchor too, where they are the same as in the source.
    pub reuse_unchanged: bool,
    /// Ask answered waits before the live part again.
    pub ask_again: bool,
    /// Labels of the new executions.
    #[serde(alias = "tag", deserialize_with = "one_or_several")]
    pub tags: Vec<String>,
    /// SHA-256 of another version of the code, which is kept here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// What becomes of sources that cannot be replayed.
    pub on_error: OnError,
    /// Return when the replays have come to their next stops.
    pub wait: bool,
    /// Grants beside those that the sources had.
    #[serde(skip_serializing_if = "is_empty")]
    pub grants: Grants,
    /// Limits other than those that the sources had.
    #[serde(skip_serializing_if = "is_unchanged")]
    pub limits: LimitChanges,
}

pub(super) fn is_empty(grants: &Grants) -> bool {
    *grants == Grants::default()
}

pub(super) fn is_unchanged(limits: &LimitChanges) -> bool {
    *limits == LimitChanges::default()
}

/// A label, or several.
pub(super) fn one_or_several<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        None(()),
        One(String),
        Several(Vec<String>),
    }
    Ok(match Given::deserialize(deserializer)? {
        Given::None(()) => Vec::new(),
        Given::One(one) => vec![one],
        Given::Several(several) => several,
    })
}

verb! {
    /// Starts new executions that reuse the journals of others before a checkpoint.
    Replay = "executions.replay", Post "/replays", Author, Changes, Ok("kitaru_executions_replay"), 201;
    |service, params: ReplayParams| -> ReplaySubmission {
        at_most(&params.exec_ids, 200)?;
        if params.exec_ids.is_empty() {
            return Err(ServiceError::usage("`exec_ids` names no execution"));
        }
        let component = match &params.component {
            Some(digest) => Some(bytes_of(service, digest).await?),
            None => None,
        };
        let command = ReplayCommand {
            from: params.from,
            overrides: params.overrides.into_iter().collect(),
            checkpoint_overrides: params.checkpoint_overrides,
            invocation_overrides: params.invocation_overrides,
            skip: params.skip,
            reuse_unchanged: params.reuse_unchanged,
            tags: params.tags,
            inputs: params.flow_overrides,
            ask_again: params.ask_again,
            component,
            grants: params.grants,
            needs_in: None,
            limits: params.limits,
        };
        let collect = params.on_error == OnError::Collect;
        let mut submission = service.replay_batch(&params.exec_ids, command, collect).await?;
        if params.wait {
            service.drive_batch(&mut submission).await?;
        }
        Ok(submission)
    }
}

/// A failed execution to try again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryParams {
    /// Its ID, or a unique beginning of it.
    #[serde(alias = "exec_id")]
    pub execution: String,
    /// SHA-256 of a fixed component, which is kept here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
}

verb! {
    /// Reopens a failed execution: completed calls are served, the failed one runs again.
    Retry = "executions.retry", Post "/executions/{execution}/retry", Operator, Changes, Ok("kitaru_executions_retry"), 200;
    |service, params: RetryParams| -> ExecutionView {
        let id = service.resolve(&params.execution).await?;
        let component = match &params.component {
            Some(digest) => Some(bytes_of(service, digest).await?),
            None => None,
        };
        service.retry(id, component.as_deref()).await?;
        service.get(id).await
    }
}
