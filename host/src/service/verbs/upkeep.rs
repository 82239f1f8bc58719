//! Executions checked, moved and removed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::components::bytes_of;
use super::executions::ExecutionParams;
use super::listing::{Plain, at_most};
use super::verb;
use crate::service::{DeletedView, ServiceError, VerificationView};

/// Executions to check.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyParams {
    /// Which: IDs or unique beginnings of them.
    #[serde(alias = "exec_ids")]
    pub executions: Vec<String>,
    /// SHA-256 of another component to check them against, which is kept here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
}

verb! {
    /// Checks executions: the hash chain of their journals, and whether their code, or another component, still makes the recorded calls.
    Verify = "executions.verify", Post "/verifications", Viewer, Reads, Ok("kitaru_executions_verify"), 200;
    |service, params: VerifyParams| -> Plain<VerificationView> {
        let ids = service.resolve_all(at_most(&params.executions, 200)?).await?;
        let component = match &params.component {
            Some(digest) => Some(bytes_of(service, digest).await?),
            None => None,
        };
        Ok(service.verify(&ids, component.as_deref()).await?.into())
    }
}

/// Executions to move.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpgradeParams {
    /// Which: IDs or unique beginnings of them.
    #[serde(alias = "exec_ids")]
    pub executions: Vec<String>,
    /// SHA-256 of the component to move them to, which is kept here.
    pub component: String,
}

verb! {
    /// Moves waiting executions to another component, where that makes the recorded calls.
    Upgrade = "executions.upgrade", Post "/upgrades", Admin, Changes, Ok("kitaru_executions_upgrade"), 200;
    |service, params: UpgradeParams| -> Plain<VerificationView> {
        let ids = service.resolve_all(at_most(&params.executions, 200)?).await?;
        Ok(service.upgrade(&ids, &bytes_of(service, &params.component).await?).await?.into())
    }
}

verb! {
    /// Removes an ended execution with all that only it needed.
    Delete = "executions.delete", Delete "/executions/{execution}", Admin, Destroys, Ok("kitaru_executions_delete"), 200;
    |service, params: ExecutionParams| -> DeletedView {
        service.delete(&[service.resolve(&params.execution).await?]).await
    }
}

/// Which ended executions.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndedBeforeParams {
    /// Those that ended before the last so many days.
    pub days: u32,
}

verb! {
    /// Lists the IDs of executions that ended before some days and that nothing needs any more: what could be removed.
    EndedBefore = "executions.ended-before", Get "/ended-executions", Admin, Reads,
    Err("it is for those who remove many at a time"), 200;
    |service, params: EndedBeforeParams| -> Plain<String> {
        Ok(service.ended_before(params.days).await?.iter().map(ToString::to_string).collect::<Vec<_>>().into())
    }
}

/// Executions to remove.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DeleteManyParams {
    /// Which: IDs or unique beginnings of them.
    #[serde(alias = "exec_ids", skip_serializing_if = "Vec::is_empty")]
    pub executions: Vec<String>,
    /// All that ended before so many days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_before_days: Option<u32>,
}

verb! {
    /// Removes ended executions with all that only they needed.
    DeleteMany = "executions.delete-many", Post "/deletions", Admin, Destroys,
    Err("one at a time: an assistant removes what it was asked to"), 200;
    |service, params: DeleteManyParams| -> DeletedView {
        let ids = match (params.executions.is_empty(), params.ended_before_days) {
            (false, None) => service.resolve_all(at_most(&params.executions, 1_000)?).await?,
            (true, Some(days)) => service.ended_before(days).await?,
            _ => return Err(ServiceError::usage("give either `executions` or `ended_before_days`")),
        };
        service.delete(&ids).await
    }
}
