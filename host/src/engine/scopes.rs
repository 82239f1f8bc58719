//! What each scope of an execution has of the operator's grants: the flow, and each of its checkpoints.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::mutex::lock;
use crate::sandbox::{Grants, Manifest};

/// The grants of one drive, narrowed to what is declared.
pub(super) struct Scopes {
    flow: Arc<Grants>,
    /// Worked out when a checkpoint first runs.
    checkpoints: Mutex<HashMap<String, Arc<Grants>>>,
}

impl Scopes {
    /// Of an execution of this component that was granted `operator`.
    pub(super) fn new(operator: &Grants, manifest: &Manifest) -> Self {
        Self { flow: Arc::new(operator.for_flow(manifest.needs.as_ref())), checkpoints: Mutex::default() }
    }

    /// What flow bodies have.
    pub(super) fn flow(&self) -> &Arc<Grants> {
        &self.flow
    }

    /// What bodies of a checkpoint have.
    pub(super) fn checkpoint(&self, name: &str, operator: &Grants, manifest: &Manifest) -> Arc<Grants> {
        let mut known = lock(&self.checkpoints);
        if let Some(grants) = known.get(name) {
            return grants.clone();
        }
        let grants = Arc::new(operator.for_checkpoint(name, manifest.needs_of(name)));
        known.insert(name.to_owned(), grants.clone());
        grants
    }
}
