//! What can go wrong in a store, split by what a caller can do about it.

use std::path::PathBuf;

use crate::ids::ExecutionId;

/// A store operation failed. Nothing was half written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such execution, artifact, blob or component.
    #[error("{what} `{id}` does not exist")]
    NotFound {
        /// What was looked for, such as `execution`.
        what: &'static str,
        /// Its identifier.
        id: String,
    },
    /// Another live runner drives the execution (E12).
    #[error("execution `{execution}` is being run by {runner}")]
    Owned {
        /// Which execution.
        execution: ExecutionId,
        /// Who runs it, for people.
        runner: String,
    },
    /// This runner's lease was taken over; it must stop and can write nothing (E12).
    #[error("this process no longer runs execution `{execution}`")]
    LeaseLost {
        /// Which execution.
        execution: ExecutionId,
    },
    /// The record was changed by somebody else in between, or is not in the state that the change needs.
    #[error("{message}")]
    Conflict {
        /// What was found.
        message: String,
    },
    /// The data folder is locked by another program for longer than the store waits.
    #[error("the data folder is locked by another process")]
    Locked,
    /// No space left.
    #[error("the disk is full")]
    DiskFull,
    /// The disk refused to read or write.
    #[error("the disk failed under `{path}`")]
    DiskError {
        /// Which file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The data folder cannot be written.
    #[error("`{path}` is read-only")]
    ReadOnly {
        /// Which file or folder.
        path: PathBuf,
    },
    /// A later version of the host made the data folder.
    #[error("the data folder `{path}` has format {found}, and this version reads formats up to {supported}")]
    NewerFormat {
        /// Which folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that this version reads.
        supported: u32,
    },
    /// Stored bytes are damaged.
    #[error("{what} is damaged")]
    Damaged {
        /// Which record or file, with its position.
        what: String,
        /// Why it cannot be read.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Files or folders could not be used.
    #[error("cannot use `{path}`")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database failed in a way that has no name of its own above.
    #[error("the store failed")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    /// A missing thing.
    pub fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }

    /// Whether the same may succeed a while later, with nothing done about it here.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Locked | Self::DiskFull | Self::DiskError { .. } | Self::Io { .. } | Self::Backend(_))
    }

    /// A hint that tells a person what to do, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Owned { .. } => Some("stop that process first, or let it go on".into()),
            Self::LeaseLost { execution } => Some(format!("see who took over: kitaru-host executions get {execution}")),
            Self::Locked => Some("another program holds the database; try again, or look for a backup or sync tool".into()),
            Self::DiskFull => Some(
                "free some space; nothing was lost, and executions go on with `kitaru-host executions resume <execution>`".into(),
            ),
            Self::DiskError { .. } => Some(
                "look at the system's log and at limits on file sizes; nothing was lost, and once the disk works executions go on with \
                 `kitaru-host executions resume <execution>`"
                    .into(),
            ),
            Self::ReadOnly { .. } => Some("choose another data folder with KITARU_HOME, or mend its permissions".into()),
            Self::NewerFormat { .. } => Some("use the newer kitaru-host, or another data folder with KITARU_HOME".into()),
            _ => None,
        }
    }
}
