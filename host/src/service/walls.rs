//! What executions were granted altogether, for a host that gives away everything else before it drives them.

use super::{ServiceError, resolve};
use crate::engine::FrozenSpec;
use crate::ids::ExecutionId;
use crate::sandbox::Grants;
use crate::store::{ExecutionFilter, ExecutionRow, Page, Status, Store, StoreError};

/// What these executions were granted, and the ones that wait for their end: those are driven on when a child ends. None means all that have not
/// ended.
///
/// # Errors
/// When one does not exist, or the store cannot be read.
pub async fn granted(store: &dyn Store, executions: Option<&[String]>) -> Result<Grants, ServiceError> {
    let mut grants = Grants::default();
    match executions {
        None => {
            let filter = ExecutionFilter { statuses: vec![Status::Running, Status::Waiting], ..ExecutionFilter::default() };
            for row in store.list(&filter, Page { offset: 0, limit: u64::MAX }).await? {
                grants.extend(of(&row));
            }
        }
        Some(executions) => {
            for text in executions {
                let mut next = Some(resolve::execution(store, text).await?);
                while let Some(id) = next {
                    next = add(store, id, &mut grants).await?;
                }
            }
        }
    }
    Ok(grants)
}

/// Adds what one was granted. Its parent, if it has one.
async fn add(store: &dyn Store, id: ExecutionId, grants: &mut Grants) -> Result<Option<ExecutionId>, ServiceError> {
    match store.execution(id).await {
        Ok(row) => {
            grants.extend(of(&row));
            Ok(row.new.parent.map(|call| call.execution))
        }
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A configuration that cannot be read grants nothing, here as everywhere.
fn of(row: &ExecutionRow) -> Grants {
    serde_json::from_str::<FrozenSpec>(&row.new.frozen_spec).map(|spec| spec.grants).unwrap_or_default()
}
