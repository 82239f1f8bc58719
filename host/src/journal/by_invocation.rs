//! Where the calls of a journal stand, by their invocation IDs.

use std::collections::HashMap;
use std::sync::OnceLock;

use super::CallRecord;

/// Invocation IDs, which are unique in an execution, and the positions of their calls: made when somebody asks, because few do.
#[derive(Clone, Debug, Default)]
pub(super) struct ByInvocation(OnceLock<HashMap<String, u32>>);

impl ByInvocation {
    /// The positions of these calls, which must be those of the last time unless it was told to forget them.
    pub(super) fn of(&self, calls: &[CallRecord]) -> &HashMap<String, u32> {
        self.0.get_or_init(|| (0..).zip(calls).map(|(index, call)| (call.descriptor.invocation.clone(), index)).collect())
    }

    /// Other calls are there now.
    pub(super) fn forget(&mut self) {
        if self.0.get().is_some() {
            self.0 = OnceLock::new();
        }
    }
}

impl PartialEq for ByInvocation {
    /// It follows from the calls.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
