//! The one thread that writes, and its group commit (E3).
//!
//! Writes queue up while the disk syncs; the thread takes what is there, runs each write in a savepoint of its own, so that one that is refused
//! harms no other, commits once, and answers all of them.
//!
//! A batch with a [`Durability::Full`] write commits under `synchronous=FULL`, any other under `synchronous=NORMAL`. As SQLite documents the
//! pragma for WAL mode: FULL syncs the WAL file after each commit; a transaction committed under NORMAL might roll back after a power loss,
//! and survives the death of the application under any setting. The WAL is one file that only grows between checkpoints, and a sync is of a
//! file and not of a transaction: a FULL commit makes everything durable that was committed before it, whoever committed it.
//!
//! Why not OFF for relaxed batches, which costs the same: a commit may run a checkpoint, and under OFF that copies an unsynced WAL into the
//! database, syncs neither, and lets the next commit overwrite the WAL, whose sync then says nothing about what was copied. Under NORMAL a
//! checkpoint syncs the WAL before it and the database after it, so no order of durabilities breaks the promise.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode, ffi};
use tokio::sync::oneshot;

use super::errors::{self, DbError};
use super::folder::Folder;
use crate::store::{Durability, StoreError};

/// How many writes share a commit at most. Bounds how long the first of them waits, and how much a failed commit takes with it.
const BATCH: usize = 256;

/// A write that waits for its turn.
trait Write: Send {
    /// How safe its commit must be.
    fn durability(&self) -> Durability;
    /// Makes its changes in the open transaction. Called once.
    fn run(&mut self, db: &Connection) -> Result<(), DbError>;
    /// Tells whoever waits how it went. `outcome` is an error where its changes are not in the database.
    fn answer(self: Box<Self>, outcome: Result<(), StoreError>);
    /// Whether it appends to a journal: what the crash suites count.
    #[cfg(feature = "fault-injection")]
    fn appends(&self) -> bool;
}

struct Queued<T, F> {
    durability: Durability,
    work: Option<F>,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
    #[cfg(feature = "fault-injection")]
    appends: bool,
}

impl<T: Send, F: FnOnce(&Connection) -> Result<T, DbError> + Send> Write for Queued<T, F> {
    fn durability(&self) -> Durability {
        self.durability
    }

    fn run(&mut self, db: &Connection) -> Result<(), DbError> {
        if let Some(work) = self.work.take() {
            self.value = Some(work(db)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: Result<(), StoreError>) {
        let answer = match (outcome, self.value) {
            (Err(error), _) => Err(error),
            (Ok(()), Some(value)) => Ok(value),
            (Ok(()), None) => Err(StoreError::Backend("a write did not run".into())),
        };
        // Nobody waits any more if the caller was cancelled; what is written stays written.
        let _ = self.reply.send(answer);
    }

    #[cfg(feature = "fault-injection")]
    fn appends(&self) -> bool {
        self.appends
    }
}

/// A handle on the thread that writes. Dropping it waits until everything queued is answered.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Write>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which owns `db`.
    pub(super) fn start(db: Connection, folder: &Folder) -> Result<Self, StoreError> {
        let (queue, writes) = mpsc::channel();
        let folder = folder.path().to_owned();
        let mut committer = Committer { db, syncs: None, folder: folder.clone() };
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || committer.serve(&writes));
        let thread = thread.map_err(|error| errors::of_read(folder, error))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs `work` in a transaction and returns when that is committed as safely as `durability` says. Nothing of a failed write remains.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.queue(durability, false, work).await
    }

    /// The same, for a write that appends to a journal if `appends`.
    pub(super) async fn append(
        &self,
        durability: Durability,
        appends: bool,
        work: impl FnOnce(&Connection) -> Result<(), DbError> + Send + 'static,
    ) -> Result<(), StoreError> {
        self.queue(durability, appends, work).await
    }

    #[cfg_attr(not(feature = "fault-injection"), expect(unused_variables, reason = "only fault points count the appends"))]
    async fn queue<T: Send + 'static>(
        &self,
        durability: Durability,
        appends: bool,
        work: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let queued = Queued {
            durability,
            work: Some(work),
            value: None,
            reply,
            #[cfg(feature = "fault-injection")]
            appends,
        };
        if let Some(queue) = &self.queue {
            // If the thread is gone, the reply's sender was dropped with the write, and the answer says so.
            let _ = queue.send(Box::new(queued));
        }
        answer.await.unwrap_or_else(|error| Err(DbError::stopped(error)))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the thread owns.
struct Committer {
    db: Connection,
    /// What `PRAGMA synchronous` was last set to.
    syncs: Option<Durability>,
    folder: PathBuf,
}

impl Committer {
    fn serve(&mut self, writes: &mpsc::Receiver<Box<dyn Write>>) {
        let mut batch = Vec::new();
        while let Ok(first) = writes.recv() {
            batch.push(first);
            batch.extend(writes.try_iter().take(BATCH - 1));
            let outcomes = self.commit(&mut batch);
            for (write, outcome) in batch.drain(..).zip(outcomes) {
                write.answer(outcome.map_err(|error| error.into_store(&self.folder)));
            }
        }
    }

    /// Commits the batch and tells for each write whether its changes are in the database.
    fn commit(&mut self, batch: &mut [Box<dyn Write>]) -> Vec<Result<(), DbError>> {
        match self.transact(batch) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                if !self.db.is_autocommit() {
                    // It cannot fail in a way that keeps the transaction; SQLite rolls it back when it is reset.
                    let _ = self.execute("ROLLBACK");
                }
                batch.iter().map(|_| Err(errors::again(&error).into())).collect()
            }
        }
    }

    fn transact(&mut self, batch: &mut [Box<dyn Write>]) -> Result<Vec<Result<(), DbError>>, rusqlite::Error> {
        let full = batch.iter().any(|write| write.durability() == Durability::Full);
        self.set_durability(if full { Durability::Full } else { Durability::Relaxed })?;
        // Immediate: it waits here for other processes, where nothing was read yet that could have changed meanwhile.
        self.execute("BEGIN IMMEDIATE")?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for write in batch.iter_mut() {
            self.execute("SAVEPOINT write")?;
            let outcome = write.run(&self.db);
            if outcome.is_err() {
                if self.db.is_autocommit() {
                    return Err(rolled_back(outcome));
                }
                self.execute("ROLLBACK TO write")?;
            }
            self.execute("RELEASE write")?;
            outcomes.push(outcome);
        }
        #[cfg(feature = "fault-injection")]
        let appends = batch.iter().zip(&outcomes).filter(|(write, outcome)| write.appends() && outcome.is_ok()).count();
        #[cfg(feature = "fault-injection")]
        let point = super::fault::Point::before_commit(appends as u64);
        self.execute("COMMIT")?;
        #[cfg(feature = "fault-injection")]
        point.after_commit();
        Ok(outcomes)
    }

    /// Between transactions only, where SQLite lets the setting change.
    fn set_durability(&mut self, wanted: Durability) -> Result<(), rusqlite::Error> {
        if self.syncs != Some(wanted) {
            self.db.execute_batch(match wanted {
                Durability::Full => "PRAGMA synchronous = FULL",
                Durability::Relaxed => "PRAGMA synchronous = NORMAL",
            })?;
            self.syncs = Some(wanted);
        }
        Ok(())
    }

    fn execute(&self, statement: &str) -> Result<(), rusqlite::Error> {
        self.db.prepare_cached(statement)?.execute([]).map(|_| ())
    }
}

/// Some errors (a full disk, a failed read) make SQLite roll the whole transaction back: the other writes of the batch are gone with the
/// one that met the error, and get it as their answer too.
fn rolled_back(outcome: Result<(), DbError>) -> rusqlite::Error {
    match outcome {
        Err(DbError::Sqlite(error)) if error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) => error,
        _ => rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ABORT_ROLLBACK), None),
    }
}
