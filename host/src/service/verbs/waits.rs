//! Questions and answers, and executions that go on or end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::executions::ExecutionParams;
use super::listing::Plain;
use super::verb;
use crate::service::{ExecutionView, PendingWaitView};

/// Whose questions.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PendingWaitsParams {
    /// Only of this execution.
    #[serde(alias = "exec_id", skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
}

verb! {
    /// Lists the questions that wait for an answer, of one execution or of all.
    PendingWaits = "executions.pending-waits", Get "/waits", Viewer, Reads, Ok("kitaru_executions_pending_waits"), 200;
    |service, params: PendingWaitsParams| -> Plain<PendingWaitView> {
        let id = match &params.execution {
            Some(text) => Some(service.resolve(text).await?),
            None => None,
        };
        Ok(service.pending_waits(id).await?.into())
    }
}

/// An answer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InputParams {
    /// The execution's ID, or a unique beginning of it.
    #[serde(alias = "exec_id")]
    pub execution: String,
    /// Name or ID of the wait; the only open one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
    /// The answer, as the wait's schema wants it.
    pub value: Value,
}

verb! {
    /// Answers a wait; the execution goes on at once.
    Input = "executions.input", Post "/executions/{execution}/input", Operator, Changes, Ok("kitaru_executions_input"), 200;
    |service, params: InputParams| -> ExecutionView {
        let id = service.resolve(&params.execution).await?;
        service.input(id, params.wait.as_deref(), &params.value).await?;
        service.get(id).await
    }
}

/// A wait of an execution.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitParams {
    /// The execution's ID, or a unique beginning of it.
    #[serde(alias = "exec_id")]
    pub execution: String,
    /// Name or ID of the wait; the only open one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<String>,
}

verb! {
    /// Ends a wait without an answer.
    AbortWait = "executions.abort-wait", Post "/executions/{execution}/abort-wait", Operator, Destroys,
    Ok("kitaru_executions_abort_wait"), 200;
    |service, params: WaitParams| -> ExecutionView {
        let id = service.resolve(&params.execution).await?;
        service.abort_wait(id, params.wait.as_deref()).await?;
        service.get(id).await
    }
}

verb! {
    /// Lets an execution go on that nobody drives: after a crash, or an answer that nobody followed.
    Resume = "executions.resume", Post "/executions/{execution}/resume", Operator, Changes, Ok("kitaru_executions_resume"), 200;
    |service, params: ExecutionParams| -> ExecutionView {
        let id = service.resolve(&params.execution).await?;
        service.resume(id).await?;
        service.get(id).await
    }
}

verb! {
    /// Ends an execution.
    Cancel = "executions.cancel", Post "/executions/{execution}/cancel", Operator, Destroys, Ok("kitaru_executions_cancel"), 200;
    |service, params: ExecutionParams| -> ExecutionView {
        let id = service.resolve(&params.execution).await?;
        service.cancel(id).await?;
        service.get(id).await
    }
}
