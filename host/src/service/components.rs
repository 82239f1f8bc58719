//! Components, looked at from outside.

use super::{ComponentView, ServiceError};
use crate::engine::Engine;

pub(super) async fn inspect(engine: &Engine, component: &[u8]) -> Result<ComponentView, ServiceError> {
    let program = engine.program(component).await?;
    Ok(ComponentView {
        digest: program.digest().to_string(),
        size_bytes: program.size(),
        imports: program.imports().to_vec(),
        manifest: program.manifest().clone(),
    })
}
