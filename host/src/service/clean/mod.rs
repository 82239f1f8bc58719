//! Deletes data folders: that of a project, that of a user, or both. What would go is shown first, its database is copied before anything is
//! touched, and a folder goes as a whole, by another name before its files do, or not at all.

mod backup;
mod check;
mod looking;
mod preview;
mod removal;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::EnvironmentVariable;
use crate::store::StoreError;
pub use looking::CleanPreviewer;
pub use preview::{PreviewEntry, PreviewNode};

/// Which data folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanScope {
    /// That of the project.
    Project,
    /// That of the user, and the user's own configuration file.
    Global,
    /// Both.
    All,
}

impl CleanScope {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Global => "global",
            Self::All => "all",
        }
    }

    /// The one that a word names.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Project, Self::Global, Self::All].into_iter().find(|scope| scope.as_str() == word)
    }
}

/// Where things are, as whoever asks has found out.
#[derive(Clone, Debug)]
pub struct Places {
    /// The folder in which the command runs.
    pub current: PathBuf,
    /// The user's home, which is never deleted.
    pub user_home: Option<PathBuf>,
    /// The project's data folder, if there is one that `init` made here.
    pub project: Option<PathBuf>,
    /// The user's data folder: the one that was named, else the platform's.
    pub global: Option<PathBuf>,
    /// The platform's data folder, where projects are noted.
    pub platform: Option<PathBuf>,
    /// The user's own configuration file, at its usual place.
    pub user_file: Option<PathBuf>,
}

/// A folder or file cannot be deleted, or nothing can.
#[derive(Debug, thiserror::Error)]
pub enum CleanError {
    /// There is no project here.
    #[error("No Kitaru project found. Run `kitaru-host init` to create one.")]
    NoProject,
    /// There is no such folder.
    #[error("There is nothing to delete: `{}` does not exist.", .0.display())]
    Nothing(PathBuf),
    /// The machine names no home for its user.
    #[error("there is no data folder")]
    NoFolder,
    /// A folder that must stay.
    #[error("`{}` is not deleted: {why}", .folder.display())]
    Refused {
        /// Which.
        folder: PathBuf,
        /// Why.
        why: String,
        /// What to do.
        hint: &'static str,
    },
    /// Something that is easily missed.
    #[error("`{}` has {what}; give --force to delete it", .file.display())]
    NeedsForce {
        /// Which file.
        file: PathBuf,
        /// What is in it.
        what: &'static str,
    },
    /// A data folder is in use, or cannot be read.
    #[error("nothing was deleted")]
    Store(#[from] StoreError),
    /// Files could not be read, copied or moved.
    #[error("nothing was deleted: cannot {what} `{}`", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl CleanError {
    /// A hint that tells a person what to do, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Refused { hint, .. } => Some((*hint).to_owned()),
            Self::NoFolder => Some("name one with --home or KITARU_HOME".into()),
            Self::Store(StoreError::Conflict { .. }) => Some("stop that process first; `serve` ends with Ctrl-C".into()),
            Self::Store(StoreError::Damaged { .. }) => Some("it cannot be copied; --force copies its files as they are".into()),
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }

    fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

/// What goes.
#[derive(Clone, Debug)]
struct Target {
    folder: PathBuf,
    /// `project` or `global`.
    name: &'static str,
}

/// What would be deleted.
#[derive(Clone, Debug)]
pub struct Plan {
    scope: CleanScope,
    targets: Vec<Target>,
    user_file: Option<PathBuf>,
    platform: Option<PathBuf>,
    backups: PathBuf,
    force: bool,
    preview: Vec<PreviewEntry>,
}

impl Plan {
    /// Finds out what would go, and refuses what must not. Changes nothing.
    ///
    /// # Errors
    /// When there is nothing to delete, or something that is not to be deleted, or not without `force`.
    pub fn make(scope: CleanScope, places: &Places, force: bool) -> Result<Self, CleanError> {
        check::plan(scope, places, force)
    }

    /// What would go, with sizes.
    pub fn preview(&self) -> &[PreviewEntry] {
        &self.preview
    }

    /// How large all of it is.
    pub fn total_bytes(&self) -> u64 {
        self.preview.iter().map(|entry| entry.node.size_bytes).sum()
    }

    /// Copies, then deletes.
    ///
    /// # Errors
    /// When a data folder is in use or cannot be copied, or cannot be moved out of the way: then nothing was deleted.
    pub fn carry_out(&self) -> Result<Cleaned, CleanError> {
        removal::carry_out(self)
    }

    /// What is said of the plan, and of what became of it.
    pub fn view(&self, dry_run: bool, cleaned: Option<Cleaned>, overrides: Vec<EnvironmentVariable>) -> CleanView {
        let aborted = !dry_run && cleaned.is_none();
        let Cleaned { backup, deleted, warnings } = cleaned.unwrap_or_default();
        CleanView {
            scope: self.scope.as_str(),
            dry_run,
            aborted,
            backup_path: backup,
            deleted_paths: deleted,
            local_server_stopped: false,
            local_server_force_killed_pid: None,
            local_server_status: "not running",
            reinitialized_project: false,
            warnings,
            active_environment_overrides: overrides,
            preview: self.preview.clone(),
            total_bytes: self.total_bytes(),
        }
    }
}

/// What was deleted.
#[derive(Clone, Debug, Default)]
pub struct Cleaned {
    /// The folder with the copies.
    pub backup: Option<PathBuf>,
    /// What is not there any more.
    pub deleted: Vec<PathBuf>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// What was, or would be, deleted.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CleanView {
    /// `project`, `global` or `all`.
    pub scope: &'static str,
    /// Nothing was to be deleted.
    pub dry_run: bool,
    /// A person said no.
    pub aborted: bool,
    /// The folder with the copies.
    pub backup_path: Option<PathBuf>,
    /// What is not there any more.
    pub deleted_paths: Vec<PathBuf>,
    /// Whether a server was stopped for it: never, a data folder in use is refused.
    pub local_server_stopped: bool,
    /// Which one was killed.
    pub local_server_force_killed_pid: Option<u32>,
    /// How it stands with servers on these data folders.
    pub local_server_status: &'static str,
    /// Whether the project was made anew.
    pub reinitialized_project: bool,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// Variables that are set and say where things are.
    pub active_environment_overrides: Vec<EnvironmentVariable>,
    /// What goes, or would.
    pub preview: Vec<PreviewEntry>,
    /// How large all of it is.
    pub total_bytes: u64,
}
