//! The one connection that writes, and its group commit (E3).
//!
//! Writes queue up while the disk syncs; whoever commits next takes what is there, runs each write in a savepoint of its own, so that one that
//! is refused harms no other, commits once, and answers all of them. That is a thread of the store; or whoever waits for a write while nobody
//! else does, because waking two threads takes longer than many a disk. Log lines let the others go first (`turns`).
//!
//! A batch with a [`Durability::Full`] write commits under `synchronous=FULL`, any other under `synchronous=NORMAL`. As SQLite documents the
//! pragma for WAL mode: FULL syncs the WAL file after each commit; a transaction committed under NORMAL might roll back after a power loss,
//! and survives the death of the application under any setting. The WAL is one file that only grows between checkpoints, and a sync is of a
//! file and not of a transaction: a FULL commit makes everything durable that was committed before it, whoever committed it.
//!
//! Why not OFF for relaxed batches, which costs the same: a commit may run a checkpoint, and under OFF that copies an unsynced WAL into the
//! database, syncs neither, and lets the next commit overwrite the WAL, whose sync then says nothing about what was copied. Under NORMAL a
//! checkpoint syncs the WAL before it and the database after it, so no order of durabilities breaks the promise.
//!
//! With [`DurabilityMode::Process`] a full write is committed like any other. What a power cut takes is then the end of the WAL, whole commits of
//! whichever process: those that are left are all that came before, in order.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use rusqlite::{Connection, ErrorCode, ffi};
use tokio::runtime::RuntimeFlavor;
use tokio::sync::oneshot;

use super::checkpoints::{self, LogHealth};
use super::errors::{self, DbError};
use super::folder::Folder;
use super::queued::{Queued, Write};
use super::runner::Runner;
use super::turns::{Turn, Turns};
use crate::ids::ExecutionId;
use crate::mutex::{lock, try_lock};
use crate::store::{Appending, Durability, DurabilityMode, Hurry, StoreError};

/// How many writes share a commit at most. Bounds how long the first of them waits, and how much a failed commit takes with it.
const BATCH: usize = 1024;

/// A handle on what writes. Dropping it waits until everything queued is answered.
pub(super) struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    mode: DurabilityMode,
}

/// What is queued, and who commits it: the thread that writes, or whoever waits for it while nobody else writes.
struct Shared {
    committer: Mutex<Committer>,
    queue: Mutex<Queue>,
    /// Something was queued that nobody waits for right away, or the queue is closed.
    news: Condvar,
    runner: Arc<Runner>,
}

#[derive(Default)]
struct Queue {
    writes: Turns<Box<dyn Write>>,
    is_closed: bool,
    /// The thread is to look.
    is_called: bool,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(
        mut db: Connection,
        folder: &Folder,
        runner: Arc<Runner>,
        mode: DurabilityMode,
    ) -> Result<Self, StoreError> {
        let folder = folder.path().to_owned();
        let log = checkpoints::keep_log_short(&mut db).map_err(|error| DbError::from(error).into_store(&folder))?;
        let committer = Mutex::new(Committer { db, log, syncs: None, is_suspect: false, folder: folder.clone() });
        let shared = Arc::new(Shared { committer, queue: Mutex::default(), news: Condvar::new(), runner });
        let ours = shared.clone();
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || ours.serve());
        let thread = thread.map_err(|error| errors::of_read(folder, error))?;
        Ok(Self { shared, thread: Some(thread), mode })
    }

    /// Runs `work` in a transaction and returns when that is committed as safely as `durability` says in this store. Nothing of a failed write
    /// remains.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.answered(Turn::Free, durability, false, work).await
    }

    /// The same, after what was queued before of an execution.
    pub(super) async fn write_of<T: Send + 'static>(
        &self,
        execution: ExecutionId,
        durability: Durability,
        work: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.answered(Turn::Of(execution), durability, false, work).await
    }

    /// The same, for what the crash suites count as they count appends.
    pub(super) async fn write_counted<T: Send + 'static>(
        &self,
        durability: Durability,
        work: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.answered(Turn::Free, durability, true, work).await
    }

    async fn answered<T: Send + 'static>(
        &self,
        turn: Turn,
        durability: Durability,
        counts: bool,
        work: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.queue(turn, durability, counts, work, reply);
        self.shared.hurry();
        answer.await.unwrap_or_else(|error| Err(DbError::stopped(error)))
    }

    /// The same for a step of an execution, which appends to its journal if `appends`. It is queued when this returns, and written when
    /// somebody waits for it, or [`Writer::call`]s.
    pub(super) fn append(
        &self,
        turn: Turn,
        durability: Durability,
        appends: bool,
        work: impl FnOnce(&Connection) -> Result<(), DbError> + Send + 'static,
    ) -> Appending {
        let (reply, appending) = Appending::new(Some(self.shared.clone()));
        self.queue(turn, durability, appends, work, reply);
        appending
    }

    /// Has the thread write what is queued.
    pub(super) fn call(&self) {
        self.shared.call();
    }

    /// How safe a commit must be for a write that asks for this.
    fn needed(&self, durability: Durability) -> Durability {
        match self.mode {
            DurabilityMode::Full => durability,
            DurabilityMode::Process => Durability::Relaxed,
        }
    }

    #[cfg_attr(not(feature = "fault-injection"), expect(unused_variables, reason = "only fault points count the appends"))]
    fn queue<T: Send + 'static>(
        &self,
        turn: Turn,
        durability: Durability,
        appends: bool,
        work: impl FnOnce(&Connection) -> Result<T, DbError> + Send + 'static,
        reply: oneshot::Sender<Result<T, StoreError>>,
    ) {
        let queued = Queued {
            durability: self.needed(durability),
            work: Some(work),
            value: None,
            reply,
            #[cfg(feature = "fault-injection")]
            appends,
        };
        // If the queue is closed, the reply's sender is dropped with the write, and the answer says so.
        let mut queue = lock(&self.shared.queue);
        if !queue.is_closed {
            queue.writes.push(turn, Box::new(queued));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        lock(&self.shared.queue).is_closed = true;
        self.shared.news.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Whoever waits may commit by itself while no more executions are driven here than this, so that it need not wait for another thread to wake
/// up. More of them share a commit of the thread's.
const FEW: usize = 2;

impl Hurry for Shared {
    /// Sees to it that what is queued is written now: by the caller, if nobody else writes and there is little.
    fn hurry(&self) {
        let flavor = tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor());
        // Elsewhere the caller's thread may have others to serve meanwhile.
        let may_block = flavor.is_ok_and(|flavor| flavor == RuntimeFlavor::MultiThread);
        if may_block
            && self.runner.drives_few(FEW)
            && let Some(mut committer) = try_lock(&self.committer)
        {
            tokio::task::block_in_place(|| self.commit(&mut committer));
            drop(committer);
            if lock(&self.queue).writes.is_empty() {
                return;
            }
        }
        self.call();
    }
}

impl Shared {
    fn call(&self) {
        let mut queue = lock(&self.queue);
        if !queue.writes.is_empty() && !queue.is_called {
            queue.is_called = true;
            self.news.notify_one();
        }
    }

    fn serve(&self) {
        loop {
            let mut queue = lock(&self.queue);
            while !queue.is_called && !queue.is_closed {
                queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
            queue.is_called = false;
            let is_over = queue.is_closed && queue.writes.is_empty();
            drop(queue);
            if is_over {
                return;
            }
            let mut committer = lock(&self.committer);
            while self.commit(&mut committer) {}
        }
    }

    /// Commits one batch. Whether there was one.
    fn commit(&self, committer: &mut Committer) -> bool {
        // Under the lock of the committer: what was taken first is written first.
        let mut batch = lock(&self.queue).writes.take(BATCH, Instant::now());
        if batch.is_empty() {
            return false;
        }
        let outcomes = committer.commit(&mut batch, || lock(&self.queue).writes.more_lines());
        for (write, outcome) in batch.into_iter().zip(outcomes) {
            write.answer(outcome.map_err(|error| error.into_store(&committer.folder)));
        }
        true
    }
}

/// Writes that share a commit.
type Batch = Vec<Box<dyn Write>>;

/// What commits.
struct Committer {
    db: Connection,
    log: LogHealth,
    /// What `PRAGMA synchronous` was last set to.
    syncs: Option<Durability>,
    /// Something could not be written or synced, and it is not certain what is on the disk.
    is_suspect: bool,
    folder: PathBuf,
}

impl Committer {
    /// Commits the batch, and `more` with it as long as there is some, and tells for each write whether its changes are in the database.
    fn commit(&mut self, batch: &mut Batch, more: impl FnMut() -> Option<Box<dyn Write>>) -> Vec<Result<(), DbError>> {
        match self.transact(batch, more) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                self.is_suspect |= error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure);
                if !self.db.is_autocommit() {
                    // It cannot fail in a way that keeps the transaction; SQLite rolls it back when it is reset.
                    let _ = self.execute("ROLLBACK");
                }
                batch.iter().map(|_| Err(errors::again(&error).into())).collect()
            }
        }
    }

    fn transact(
        &mut self,
        batch: &mut Batch,
        mut more: impl FnMut() -> Option<Box<dyn Write>>,
    ) -> Result<Vec<Result<(), DbError>>, rusqlite::Error> {
        self.recover()?;
        let full = batch.iter().any(|write| write.durability() == Durability::Full);
        self.set_durability(if full { Durability::Full } else { Durability::Relaxed })?;
        // Immediate: it waits here for other processes, where nothing was read yet that could have changed meanwhile.
        self.execute("BEGIN IMMEDIATE")?;
        let mut outcomes = Vec::with_capacity(batch.len());
        for write in batch.iter_mut() {
            outcomes.push(self.run(&mut **write)?);
        }
        while let Some(write) = more() {
            let write = batch.push_mut(write);
            outcomes.push(self.run(&mut **write)?);
        }
        #[cfg(feature = "fault-injection")]
        let appends = batch.iter().zip(&outcomes).filter(|(write, outcome)| write.appends() && outcome.is_ok()).count();
        #[cfg(feature = "fault-injection")]
        let point = super::fault::Point::before_commit(appends as u64);
        self.execute("COMMIT")?;
        // It may have been copied right after.
        self.is_suspect |= self.log.has_failed();
        #[cfg(feature = "fault-injection")]
        point.after_commit();
        Ok(outcomes)
    }

    /// Makes the changes of one write, or none of them.
    fn run(&self, write: &mut dyn Write) -> Result<Result<(), DbError>, rusqlite::Error> {
        self.execute("SAVEPOINT write")?;
        let outcome = write.run(&self.db);
        if outcome.is_err() {
            if self.db.is_autocommit() {
                return Err(rolled_back(outcome));
            }
            self.execute("ROLLBACK TO write")?;
        }
        self.execute("RELEASE write")?;
        Ok(outcome)
    }

    /// After a failed sync the system takes what it could not write for written, and a later sync of the log says nothing about it. So before
    /// anything else is promised, all that is committed is copied into the database, which is synced itself.
    fn recover(&mut self) -> Result<(), rusqlite::Error> {
        if self.is_suspect {
            self.set_durability(Durability::Full)?;
            let is_busy = self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))?;
            if is_busy {
                return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None));
            }
            self.is_suspect = false;
        }
        Ok(())
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
