//! Components that are kept here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::verb;
use crate::service::flows::parse_digest;
use crate::service::{ComponentView, Service, ServiceError};

/// A component.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ComponentParams {
    /// Its SHA-256, in hexadecimal digits.
    pub digest: String,
}

verb! {
    /// Says what a component is: flows, checkpoints, what it imports and needs, who has signed it.
    Component = "components.inspect", Get "/components/{digest}", Viewer, Reads, Ok("kitaru_components_inspect"), 200;
    |service, params: ComponentParams| -> ComponentView { service.component(parse_digest(&params.digest)?).await }
}

/// The component of a digest.
pub(super) async fn bytes_of(service: &dyn Service, text: &str) -> Result<Vec<u8>, ServiceError> {
    service.component_bytes(parse_digest(text)?).await
}
