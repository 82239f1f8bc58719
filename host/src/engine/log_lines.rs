//! Log lines on their way to the store: numbered so that a re-executed prefix is recognised (E11), written in batches, never in the way of
//! the guest.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc, oneshot};

use super::events::{Event, Observer};
use crate::clock::Clock;
use crate::ids::ExecutionId;
use crate::journal::LogLevel;
use crate::sandbox::LogSink;
use crate::store::{LogRow, LogSource, Store};

enum Message {
    Row(LogRow),
    Flush(oneshot::Sender<()>),
}

/// More lines than this wait for the store only because a guest wrote them in one go.
const BEHIND: u64 = 4096;

/// The way to the store for all log lines of one drive.
#[derive(Clone)]
pub(super) struct LogWriter {
    channel: mpsc::UnboundedSender<Message>,
    pending: Arc<AtomicU64>,
    written: Arc<Notify>,
}

impl LogWriter {
    pub(super) fn start(store: Arc<dyn Store>) -> Self {
        let (channel, mut messages) = mpsc::unbounded_channel();
        let pending = Arc::new(AtomicU64::new(0));
        let written = Arc::new(Notify::new());
        let (left, news) = (pending.clone(), written.clone());
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while messages.recv_many(&mut batch, 512).await > 0 {
                let (mut rows, mut waiting) = (Vec::new(), Vec::new());
                for message in batch.drain(..) {
                    match message {
                        Message::Row(row) => rows.push(row),
                        Message::Flush(done) => waiting.push(done),
                    }
                }
                let count = rows.len() as u64;
                if count > 0
                    && let Err(error) = store.log(rows).await
                {
                    // A full disk must not end a flow for the sake of its log; the next journal append reports it.
                    tracing::warn!(%error, "log lines were lost");
                }
                left.fetch_sub(count, Ordering::AcqRel);
                news.notify_waiters();
                for done in waiting {
                    let _ = done.send(());
                }
            }
        });
        Self { channel, pending, written }
    }

    fn is_behind(&self) -> bool {
        self.pending.load(Ordering::Acquire) > BEHIND
    }

    async fn catch_up(&self) {
        while self.is_behind() {
            let news = self.written.notified();
            if self.is_behind() {
                news.await;
            }
        }
    }

    fn send(&self, row: LogRow) {
        self.pending.fetch_add(1, Ordering::AcqRel);
        let _ = self.channel.send(Message::Row(row));
    }

    /// Returns when all lines so far are written.
    pub(super) async fn flush(&self) {
        if self.pending.load(Ordering::Acquire) == 0 {
            return;
        }
        let (done, flushed) = oneshot::channel();
        if self.channel.send(Message::Flush(done)).is_ok() {
            let _ = flushed.await;
        }
    }
}

/// The lines of a flow body or of one checkpoint attempt.
pub(super) struct LogLines {
    writer: LogWriter,
    clock: Arc<dyn Clock>,
    observer: Observer,
    execution: ExecutionId,
    source: LogSource,
    checkpoint: Option<(String, String)>,
    /// The call that the lines are of, or come before; the attempt, or how often that stretch of the flow was gone over in another world; and
    /// the number of the next line there.
    place: Mutex<(u32, u32, u32)>,
    /// Lines before this call were shown when they were first written.
    shown_before: AtomicU32,
}

impl LogLines {
    /// The lines of a flow body whose journal has `recorded` calls.
    pub(super) fn of_flow(
        writer: LogWriter,
        clock: Arc<dyn Clock>,
        observer: Observer,
        execution: ExecutionId,
        recorded: u32,
    ) -> Self {
        Self {
            writer,
            clock,
            observer,
            execution,
            source: LogSource::Runner,
            checkpoint: None,
            place: Mutex::new((0, 0, 0)),
            shown_before: AtomicU32::new(recorded),
        }
    }

    /// The lines of an attempt of a checkpoint call.
    pub(super) fn of_attempt(&self, call: u32, attempt: u32, name: &str, invocation: &str) -> Self {
        Self {
            writer: self.writer.clone(),
            clock: self.clock.clone(),
            observer: self.observer.clone(),
            execution: self.execution,
            source: LogSource::Step,
            checkpoint: Some((name.to_owned(), invocation.to_owned())),
            place: Mutex::new((call, attempt, 0)),
            shown_before: AtomicU32::new(0),
        }
    }

    /// The flow's lines from here on come before its call `next`.
    pub(super) fn before_call(&self, next: u32, generation: u32) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        if (place.0, place.1) != (next, generation) {
            *place = (next, generation, 0);
        }
    }
}

#[async_trait]
impl LogSink for LogLines {
    fn is_behind(&self) -> bool {
        self.writer.is_behind()
    }

    async fn catch_up(&self) {
        self.writer.catch_up().await;
    }

    fn line(&self, level: LogLevel, module: &'static str, message: String) {
        let (call, attempt, ordinal) = {
            let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
            let here = *place;
            place.2 = place.2.saturating_add(1);
            here
        };
        let row = LogRow {
            execution: self.execution,
            call,
            attempt,
            ordinal,
            at: self.clock.now(),
            level,
            source: self.source,
            checkpoint: self.checkpoint.as_ref().map(|(name, _)| name.clone()),
            module,
            message,
        };
        if call >= self.shown_before.load(Ordering::Relaxed) {
            (self.observer)(Event::Log(row.clone()));
        }
        self.writer.send(row);
    }

    fn progress(&self, message: String, fraction: Option<f64>) {
        let invocation = self.checkpoint.as_ref().map(|(_, invocation)| invocation.clone());
        let fraction = fraction.filter(|fraction| fraction.is_finite()).map(|fraction| fraction.clamp(0.0, 1.0));
        (self.observer)(Event::Progress { invocation, message, fraction });
    }
}
