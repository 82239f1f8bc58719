//! Log lines on their way to the store: numbered so that a re-executed prefix is recognised (E11), written in batches, never in the way of
//! the guest.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::ahead::Ahead;
use super::events::Event;
use super::mutex::lock;
use super::recorder::Settling;
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
    pub(super) fn start(store: Arc<dyn Store>, settling: Settling) -> Self {
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
                // E3: what a line may tell of is durable before anybody can read it. What is not never happened.
                if count > 0
                    && settling.settled().await
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

/// So many lines of an attempt that has no record yet are held back.
const HELD: usize = 256;

/// The lines of a flow body or of one checkpoint attempt.
pub(super) struct LogLines {
    writer: LogWriter,
    clock: Arc<dyn Clock>,
    ahead: Arc<Ahead>,
    execution: ExecutionId,
    source: LogSource,
    checkpoint: Option<(String, String)>,
    /// The call that the lines are of, or come before; the attempt, or how often that stretch of the flow was gone over in another world; and
    /// the number of the next line there.
    place: Mutex<(u32, u32, u32)>,
    /// Lines before this call were shown when they were first written.
    shown_before: AtomicU32,
    /// The lines of an attempt that has no record yet: if the machine died now, it would run again, and say them again.
    held: Mutex<Option<Vec<LogRow>>>,
    /// Somebody should see what is held.
    wants_out: Notify,
    is_recorded: watch::Sender<bool>,
}

impl LogLines {
    /// The lines of a flow body whose journal has `recorded` calls.
    pub(super) fn of_flow(
        writer: LogWriter,
        clock: Arc<dyn Clock>,
        ahead: Arc<Ahead>,
        execution: ExecutionId,
        recorded: u32,
    ) -> Self {
        Self {
            writer,
            clock,
            ahead,
            execution,
            source: LogSource::Runner,
            checkpoint: None,
            place: Mutex::new((0, 0, 0)),
            shown_before: AtomicU32::new(recorded),
            held: Mutex::new(None),
            wants_out: Notify::new(),
            is_recorded: watch::Sender::new(true),
        }
    }

    /// The lines of an attempt of a checkpoint call.
    pub(super) fn of_attempt(&self, call: u32, attempt: u32, name: &str, invocation: &str) -> Self {
        Self {
            writer: self.writer.clone(),
            clock: self.clock.clone(),
            ahead: self.ahead.clone(),
            execution: self.execution,
            source: LogSource::Step,
            checkpoint: Some((name.to_owned(), invocation.to_owned())),
            place: Mutex::new((call, attempt, 0)),
            shown_before: AtomicU32::new(0),
            held: Mutex::new(Some(Vec::new())),
            wants_out: Notify::new(),
            is_recorded: watch::Sender::new(false),
        }
    }

    /// The attempt has a record.
    pub(super) fn has_record(&self) {
        self.is_recorded.send_replace(true);
    }

    /// Returns when the attempt has a record: before anything of it outlives it.
    pub(super) async fn recorded(&self) {
        self.wants_out.notify_one();
        // The sender lives as long as this does.
        let _ = self.is_recorded.subscribe().wait_for(|recorded| *recorded).await;
    }

    /// Lines are held no more: those that were, which are to be written with the next step.
    pub(super) fn let_out(&self) -> Vec<LogRow> {
        lock(&self.held).take().unwrap_or_default()
    }

    /// Returns when what is held should be let out, at the latest after `longest`.
    pub(super) async fn wants_out(&self, longest: Duration) {
        let _ = tokio::time::timeout(longest, self.wants_out.notified()).await;
    }

    /// The flow's lines from here on come before its call `next`.
    pub(super) fn before_call(&self, next: u32, generation: u32) {
        let mut place = lock(&self.place);
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
            let mut place = lock(&self.place);
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
        if let Some(held) = lock(&self.held).as_mut() {
            held.push(row);
            if held.len() >= HELD {
                self.wants_out.notify_one();
            }
            return;
        }
        if call >= self.shown_before.load(Ordering::Relaxed) {
            self.ahead.tell(|| Event::Log(row.clone()));
        }
        self.writer.send(row);
    }

    fn progress(&self, message: String, fraction: Option<f64>) {
        let invocation = self.checkpoint.as_ref().map(|(_, invocation)| invocation.clone());
        let fraction = fraction.filter(|fraction| fraction.is_finite()).map(|fraction| fraction.clamp(0.0, 1.0));
        // Whoever says how far it is takes long enough to be seen.
        self.wants_out.notify_one();
        self.ahead.tell(|| Event::Progress { invocation, message, fraction });
    }
}
