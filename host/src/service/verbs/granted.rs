//! What components were granted for good.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::listing::{Nothing, Plain};
use super::verb;
use crate::service::{ForgottenGrants, RememberedGrantsView};

verb! {
    /// Lists what components were granted for good.
    GrantsList = "grants.list", Get "/grants", Viewer, Reads, Ok("kitaru_grants_list"), 200;
    |service, _params: Nothing| -> Plain<RememberedGrantsView> { Ok(service.remembered_grants().await?.into()) }
}

/// Whose grants.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantParams {
    /// SHA-256 of the component, or a unique beginning of it; `all` for all.
    pub digest: String,
}

verb! {
    /// Takes back what a component was granted for good; executions that were created before keep what they have.
    ForgetGrants = "grants.forget", Delete "/grants/{digest}", Admin, Destroys, Ok("kitaru_grants_forget"), 200;
    |service, params: GrantParams| -> Plain<RememberedGrantsView> {
        let which = if params.digest == "all" { ForgottenGrants::All } else { ForgottenGrants::Of(params.digest) };
        Ok(service.forget_grants(which).await?.into())
    }
}
