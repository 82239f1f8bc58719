//! Connections that read, each used by one query at a time.

use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::blocking::blocking;
use super::database;
use super::errors::DbError;
use super::folder::Folder;
use crate::mutex::lock;
use crate::store::{Reader, StoreError};

/// How many queries run at once. More would only queue for the processors, and each costs three open files.
const CONNECTIONS: usize = 8;

/// Readers. In WAL mode they never wait for the writer, and a query sees all that was committed before it began: every answered write.
pub(super) struct Readers {
    shared: Arc<Shared>,
    turns: Arc<Semaphore>,
}

struct Shared {
    folder: Folder,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Readers of the database in `folder`. Connections are opened when they are needed, and kept.
    pub(super) fn new(folder: Folder) -> Self {
        let shared = Shared { folder, idle: Mutex::default() };
        Self { shared: Arc::new(shared), turns: Arc::new(Semaphore::new(CONNECTIONS)) }
    }

    /// Runs `query` on a connection, off the async threads.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = self.turn().await?;
        let shared = Arc::clone(&self.shared);
        blocking(move || {
            let answer = shared.read(query);
            drop(turn);
            answer.map_err(|error| error.into_store(shared.folder.path()))
        })
        .await
    }
}

impl Readers {
    /// Runs a query that hands on what it reads while it reads more, off the async threads. This returns when it has its turn.
    pub(super) async fn go_through(
        &self,
        reader: Reader,
        query: impl FnOnce(&Connection, &Reader) -> Result<(), DbError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let turn = self.turn().await?;
        let shared = Arc::clone(&self.shared);
        // Whoever takes the pages hears its end from the reader.
        drop(tokio::task::spawn_blocking(move || {
            let end = shared.read(|db| query(db, &reader));
            drop(turn);
            reader.end(end.map_err(|error| error.into_store(shared.folder.path())));
        }));
        Ok(())
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        Arc::clone(&self.turns).acquire_owned().await.map_err(DbError::stopped)
    }

    /// Runs a query for some rows by their key, on the calling thread: that takes some microseconds, and another thread would take longer to
    /// wake up.
    pub(super) async fn look<T>(&self, query: impl FnOnce(&Connection) -> Result<T, DbError>) -> Result<T, StoreError> {
        let _turn = self.turn().await?;
        self.shared.read(query).map_err(|error| error.into_store(self.shared.folder.path()))
    }
}

impl Shared {
    fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T, DbError>) -> Result<T, DbError> {
        let kept = lock(&self.idle).pop();
        let db = kept.map_or_else(|| database::open_reader(&self.folder), Ok)?;
        let answer = query(&db);
        // A connection on which SQLite failed is not kept: whatever state it is in ends with it.
        if !matches!(answer, Err(DbError::Sqlite(_))) {
            lock(&self.idle).push(db);
        }
        answer
    }
}
