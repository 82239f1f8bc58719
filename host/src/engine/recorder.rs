//! Writes the journal of the execution that is driven: numbers and chains the entries, under the lease.
//!
//! Steps are written in the order in which they are handed over, by a task of their own: whoever waits for one may go away, and it is
//! written all the same, so that the numbers have no gap. Several may be on their way to the disk at a time, and share its sync.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::EngineError;
use crate::clock::{Clock, Timestamp};
use crate::journal::{Entry, EntryBody, Payload, encode};
use crate::store::{Append, CacheEntry, Durability, Lease, NewExecution, NewWait, StatusChange, Store};

/// One step to write.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) entries: Vec<EntryBody>,
    pub(super) status: Option<StatusChange>,
    pub(super) metadata: Option<String>,
    pub(super) wait: Option<NewWait>,
    pub(super) child: Option<Box<NewExecution>>,
    pub(super) cache: Option<CacheEntry>,
    /// When it happened, if not when it is handed over.
    pub(super) at: Option<Timestamp>,
}

impl Step {
    pub(super) fn entry(body: EntryBody) -> Self {
        Self { entries: vec![body], ..Self::default() }
    }

    pub(super) fn status(change: StatusChange) -> Self {
        Self { status: Some(change), ..Self::default() }
    }

    #[must_use]
    pub(super) fn with_status(mut self, change: StatusChange) -> Self {
        self.status = Some(change);
        self
    }

    #[must_use]
    pub(super) fn with_metadata(mut self, metadata: Option<String>) -> Self {
        self.metadata = metadata;
        self
    }
}

/// When a step was recorded, and where its last entry stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorded {
    pub(super) at: Timestamp,
    pub(super) seq: u64,
}

type Reply = oneshot::Sender<Result<Recorded, EngineError>>;

/// A step on its way to the disk.
pub(super) struct Writing(oneshot::Receiver<Result<Recorded, EngineError>>);

impl Writing {
    /// Waits until the step is as safe as was asked.
    pub(super) async fn done(self) -> Result<Recorded, EngineError> {
        self.0.await.unwrap_or_else(|_| Err(EngineError::state("the journal's writer has ended")))
    }
}

/// The writing end of one execution's journal.
pub(super) struct Recorder {
    lease: Lease,
    clock: Arc<dyn Clock>,
    steps: mpsc::UnboundedSender<Handed>,
}

/// A step as it was handed over. It happened then, however long the disk takes.
struct Handed {
    step: Step,
    at: Timestamp,
    durability: Durability,
    reply: Reply,
}

/// The task behind a [`Recorder`]: it ends when that is gone and everything is written.
pub(super) type RecorderTask = JoinHandle<()>;

impl Recorder {
    /// Goes on after the entry with number `next_seq - 1` and link `link`.
    pub(super) fn start(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        lease: Lease,
        next_seq: u64,
        link: [u8; 32],
    ) -> (Self, RecorderTask) {
        let (steps, mut queue) = mpsc::unbounded_channel::<Handed>();
        let last = Timestamp::from_micros(0);
        let mut writer = Writer { store, lease: lease.clone(), next_seq, link, last, broken: Arc::default() };
        let task = tokio::spawn(async move {
            let mut under_way = JoinSet::new();
            while let Some(handed) = queue.recv().await {
                writer.write(handed, &mut under_way).await;
                while under_way.try_join_next().is_some() {}
            }
            while under_way.join_next().await.is_some() {}
        });
        (Self { lease, clock, steps }, task)
    }

    pub(super) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// Hands a step over. It is written after those that were handed over before.
    pub(super) fn hand_over(&self, step: Step, durability: Durability) -> Writing {
        let (reply, answer) = oneshot::channel();
        let at = step.at.unwrap_or_else(|| self.clock.now());
        // If the writer is gone the reply goes with the step, and `done` says so.
        let _ = self.steps.send(Handed { step, at, durability, reply });
        Writing(answer)
    }

    /// Writes a step and returns when it is as safe as asked.
    pub(super) async fn write(&self, step: Step, durability: Durability) -> Result<Recorded, EngineError> {
        self.hand_over(step, durability).done().await
    }
}

struct Writer {
    store: Arc<dyn Store>,
    lease: Lease,
    next_seq: u64,
    link: [u8; 32],
    /// When the step before happened: of two that are handed over at once, the one that is written later is not the earlier one.
    last: Timestamp,
    /// A step was not written: what follows would leave a gap.
    broken: Arc<AtomicBool>,
}

impl Writer {
    async fn write(&mut self, handed: Handed, under_way: &mut JoinSet<()>) {
        let Handed { step, at, durability, reply } = handed;
        if self.broken.load(Ordering::Acquire) {
            let _ = reply.send(Err(EngineError::state("an earlier step of the execution could not be written")));
            return;
        }
        let at = at.max(self.last);
        self.last = at;
        let append = match self.encode(step, durability, at) {
            Ok(append) => append,
            Err(error) => {
                self.broken.store(true, Ordering::Release);
                let _ = reply.send(Err(error));
                return;
            }
        };
        let recorded = Recorded { at, seq: self.next_seq.saturating_sub(1) };
        let (store, lease, broken) = (self.store.clone(), self.lease.clone(), self.broken.clone());
        let mut appending = Box::pin(async move { store.append(&lease, append).await });
        // The first poll gives it its place among the store's writes.
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(appending.as_mut().poll(context))).await;
        let answer = move |result: Result<(), crate::store::StoreError>| {
            if result.is_err() {
                broken.store(true, Ordering::Release);
            }
            let _ = reply.send(result.map(|()| recorded).map_err(EngineError::from));
        };
        match polled {
            std::task::Poll::Ready(result) => answer(result),
            std::task::Poll::Pending => {
                under_way.spawn(async move { answer(appending.await) });
            }
        }
    }

    fn encode(&mut self, step: Step, durability: Durability, at: Timestamp) -> Result<Append, EngineError> {
        let mut entries = Vec::with_capacity(step.entries.len());
        let mut blobs = Vec::new();
        for body in step.entries {
            blobs.extend(
                body.payloads().filter_map(|payload| if let Payload::Blob { hash, .. } = payload { Some(*hash) } else { None }),
            );
            let encoded = encode(&Entry { seq: self.next_seq, at, body }, &self.link).map_err(|source| EngineError::Record {
                execution: self.lease.execution,
                seq: self.next_seq,
                source,
            })?;
            (self.next_seq, self.link) = (self.next_seq + 1, encoded.link);
            entries.push(encoded);
        }
        let Step { status, metadata, wait, child, cache, .. } = step;
        Ok(Append { entries, status, metadata, wait, child, cache, blobs, at, durability })
    }
}
