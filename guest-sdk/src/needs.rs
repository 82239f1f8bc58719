//! What the body that runs declares: a path, a variable or a host that it does not declare is out of reach whatever is granted, and the errors
//! say so.

use std::cell::Cell;
use std::path::Path;

use crate::registry::{self, CheckpointEntry, Needs};

thread_local! {
    static RUNNING: Cell<Option<&'static CheckpointEntry>> = const { Cell::new(None) };
}

/// A body of this checkpoint is about to run on this thread.
pub(crate) fn begin(checkpoint: &'static CheckpointEntry) {
    RUNNING.set(Some(checkpoint));
}

/// What is declared for the body that runs: its own needs, or the component's. None where nothing is.
pub(crate) fn declared() -> Vec<Needs> {
    match RUNNING.get().and_then(|checkpoint| checkpoint.needs) {
        Some(own) => vec![own],
        None => registry::component_needs(),
    }
}

/// Whether the body may reach a variable, as far as it declares anything.
pub(crate) fn declares_variable(name: &str) -> bool {
    let declared = declared();
    declared.is_empty() || declared.iter().any(|needs| needs.env.contains(&name))
}

/// Whether the body declares needs, and no folder among them.
pub(crate) fn declares_no_folder() -> bool {
    let declared = declared();
    !declared.is_empty() && declared.iter().all(|needs| needs.read.is_empty() && needs.write.is_empty())
}

/// Whether the body may `read` or `write` there, as far as it declares anything.
pub(crate) fn declares_path(access: &str, path: &Path) -> bool {
    let declared = declared();
    let Some(path) = crate::files::plain(path) else { return true };
    let covers = |folder: &&str| crate::files::plain(Path::new(folder)).is_some_and(|folder| path.starts_with(folder));
    declared.is_empty()
        || declared.iter().any(|needs| {
            let writes = needs.write.iter().any(&covers);
            writes || (access == "read" && needs.read.iter().any(&covers))
        })
}
