//! What would go, for whoever may look and deletes nothing: an assistant that works on a folder of this machine.

use schemars::{Schema, schema_for};

use super::{CleanError, CleanScope, CleanView, Places, Plan};
use crate::config::EnvironmentVariable;
use crate::service::ServiceError;

/// Shows what `clean` would delete, and has no way to delete it.
#[derive(Clone, Debug)]
pub struct CleanPreviewer {
    /// Where things are.
    pub places: Places,
    /// Variables that are set and say where things are.
    pub overrides: Vec<EnvironmentVariable>,
}

impl CleanPreviewer {
    /// What would go. It says the same as `clean` with `--dry-run`.
    ///
    /// # Errors
    /// When there is nothing to delete, or something that is not deleted, or not without `--force`.
    pub fn preview(&self, scope: CleanScope) -> Result<CleanView, ServiceError> {
        let plan = Plan::make(scope, &self.places, false).map_err(refused)?;
        Ok(plan.view(true, None, self.overrides.clone()))
    }

    /// What [`CleanPreviewer::preview`] gives, as a JSON Schema.
    pub fn schema() -> Schema {
        schema_for!(CleanView)
    }
}

fn refused(error: CleanError) -> ServiceError {
    let hint = error.hint();
    match error {
        CleanError::Store(error) => error.into(),
        CleanError::Io { ref source, .. } => ServiceError::State { message: format!("{error}: {source}"), hint },
        error => ServiceError::Usage { message: error.to_string(), hint },
    }
}
