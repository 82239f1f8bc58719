//! Opening a data folder.

use std::path::Path;
use std::sync::Arc;

use super::SqliteStore;
use super::database;
use super::folder::Folder;
use super::readers::Readers;
use super::runner::Runner;
use super::watcher::Watcher;
use super::writer::Writer;
use crate::store::{DurabilityMode, StoreError, StoreOptions};

impl SqliteStore {
    /// Opens the store in `folder` with the default options.
    ///
    /// # Errors
    /// Those of [`SqliteStore::open_with`].
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_with(folder, StoreOptions::default())
    }

    /// Opens the store in `folder`, which is created if it is not there, readable by its owner only.
    ///
    /// # Errors
    /// [`StoreError::NewerFormat`], [`StoreError::Damaged`], [`StoreError::ReadOnly`], [`StoreError::Locked`], [`StoreError::DiskFull`] or
    /// [`StoreError::Io`].
    pub fn open_with(folder: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let folder = Folder::create(folder)?;
        let connection = database::open_writer(&folder)?;
        if options.durability == DurabilityMode::Full {
            // A process that was killed between writing to the log and syncing it left behind what can be seen, and what we promise may depend on.
            folder.sync_log()?;
        }
        let runner = Arc::new(Runner::new(folder.runners()));
        Ok(Self {
            writer: Writer::start(connection, &folder, Arc::clone(&runner), options.durability)?,
            readers: Readers::new(folder.clone()),
            runner,
            watcher: Watcher::new(folder.wake(), folder.runners()),
            folder,
        })
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("folder", &self.folder.path()).finish_non_exhaustive()
    }
}
