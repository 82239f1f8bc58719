//! Writes the journal of the execution that is driven: numbers and chains the entries, under the lease.
//!
//! A step has its place in the journal when it is handed over, and need not be on the disk before the flow goes on: what nobody can see may
//! run ahead of the disk. Whatever the world can see, and be it an event for whoever watches, waits until everything before it is durable
//! (E3, external synchrony). If the machine dies, what had run ahead was never seen, and runs again.
//!
//! Such steps are not even handed to the store one by one: they are corked, and go with the next step that somebody waits for, or after a
//! millisecond. Log lines go the same way, so that they stand in the log as they were written, and after everything that they may tell of.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;

use super::ahead::{Ahead, Size};
use super::corks::{Corked, Corks};
use super::events::{Event, Observer};
use super::journals::size;
use super::{Engine, EngineError};
use crate::clock::{Clock, Timestamp};
use crate::journal::{Entry, EntryBody, Payload, encode};
use crate::mutex::lock;
use crate::store::{
    AccessRow, Append, Appending, CacheEntry, Durability, Lease, LogRow, ModelCallRow, NewExecution, NewWait, StatusChange, Store,
};

/// One step to write.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) entries: Vec<EntryBody>,
    pub(super) status: Option<StatusChange>,
    pub(super) metadata: Option<String>,
    pub(super) wait: Option<NewWait>,
    pub(super) child: Option<Box<NewExecution>>,
    pub(super) cache: Option<CacheEntry>,
    pub(super) logs: Vec<LogRow>,
    pub(super) model_calls: Vec<ModelCallRow>,
    pub(super) accesses: Vec<AccessRow>,
    /// The lease is given back with it: it is the last one.
    pub(super) gives_back: bool,
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

/// The writing end of one execution's journal.
pub(super) struct Recorder {
    inner: Arc<Inner>,
    corks: Corks,
    /// Goes with this: then nobody has anything to record any more.
    _alive: oneshot::Sender<()>,
}

/// What is left to do when the last who could record something is gone.
pub(super) struct Rest {
    inner: Arc<Inner>,
    gone: oneshot::Receiver<()>,
}

impl Rest {
    /// Returns when everything was handed over that ever will be.
    pub(super) async fn handed_over(self) {
        let _ = self.gone.await;
        self.inner.uncork();
    }
}

/// The way of log lines: after all steps that were recorded before them.
#[derive(Clone)]
pub(super) struct Lines {
    inner: Arc<Inner>,
    corks: Corks,
}

impl Lines {
    /// Records a line, and tells it to whoever watches, if it is to be shown.
    pub(super) fn write(&self, row: LogRow, is_shown: bool) {
        let Self { inner, corks } = self;
        let shown = (is_shown && inner.ahead.is_watched()).then(|| row.clone());
        let step = Step { logs: vec![row], ..Step::default() };
        let mut chain = lock(&inner.chain);
        // Whoever records the next step is told of a fault; then the line is of something that did not happen.
        if inner.add(&mut chain, step, Durability::Relaxed).is_err() {
            return;
        }
        inner.keep_corked(chain, corks);
        inner.show(shown);
    }

    /// Whether so much waits for the disk that whoever writes more should wait too.
    pub(super) fn is_behind(&self) -> bool {
        self.inner.ahead.is_too_far()
    }

    /// Returns when lines are welcome again.
    pub(super) async fn catch_up(&self) {
        // Whoever records the next step is told of a fault.
        let _ = self.inner.ahead.keep_within_bounds().await;
    }

    /// Tells what is no line.
    pub(super) fn tell(&self, event: impl FnOnce() -> Event) {
        self.inner.ahead.tell(event);
    }
}

struct Inner {
    lease: Lease,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    chain: Mutex<Chain>,
    ahead: Arc<Ahead>,
}

/// Where the journal stands.
struct Chain {
    next_seq: u64,
    link: [u8; 32],
    /// When the step before happened: of two that are handed over at once, the one that is written later is not the earlier one.
    last: Timestamp,
    /// Steps that wait for others to go with.
    corked: Option<Append>,
    /// What they take, in bytes.
    corked_bytes: usize,
    /// What the journal takes with its values, in bytes.
    history_bytes: u64,
    /// Somebody will see to it that they are handed over.
    is_corked: bool,
    /// Something was handed over that what follows must not go without.
    has_begun: bool,
}

/// So many entries are corked at a time.
const MOST_CORKED: usize = 64;
/// The same in bytes, with all that goes with them.
const MOST_CORKED_BYTES: usize = 256 * 1024;
/// So many log lines are, where there is nothing else: then others need not wait for many.
const MOST_LINES: usize = 64;
/// What a log line takes beside its text, about.
const LINE: usize = 200;

impl Recorder {
    /// Goes on after the entry with number `next_seq - 1` and link `link`.
    pub(super) fn new(engine: &Engine, observer: Observer, lease: Lease, next_seq: u64, link: [u8; 32]) -> (Self, Rest) {
        let last = Timestamp::from_micros(0);
        let chain = Mutex::new(Chain {
            next_seq,
            link,
            last,
            corked: None,
            corked_bytes: 0,
            history_bytes: 0,
            is_corked: false,
            has_begun: false,
        });
        let (store, clock, ahead) = (engine.store.clone(), engine.clock.clone(), Arc::new(Ahead::new(observer)));
        let inner = Arc::new(Inner { lease, store, clock, chain, ahead });
        let (alive, gone) = oneshot::channel();
        let rest = Rest { inner: inner.clone(), gone };
        (Self { inner, corks: engine.corks.clone(), _alive: alive }, rest)
    }

    pub(super) fn lease(&self) -> &Lease {
        &self.inner.lease
    }

    /// The journal has so many bytes already, with its values.
    pub(super) fn has_history(&self, bytes: u64) {
        lock(&self.inner.chain).history_bytes = bytes;
    }

    /// What the journal takes with its values, in bytes.
    pub(super) fn history_bytes(&self) -> u64 {
        lock(&self.inner.chain).history_bytes
    }

    /// Where log lines go.
    pub(super) fn lines(&self) -> Lines {
        Lines { inner: self.inner.clone(), corks: self.corks.clone() }
    }

    /// Hands a step over, with what is corked. It is written after those that were handed over before, when somebody waits for it.
    ///
    /// # Errors
    /// When it cannot be encoded, or an earlier one could not be written: then this one would leave a gap.
    pub(super) fn hand_over(&self, step: Step, durability: Durability) -> Result<Recorded, EngineError> {
        let lines = self.shown(&step);
        let mut chain = lock(&self.inner.chain);
        let recorded = self.inner.add(&mut chain, step, durability)?;
        self.inner.flush(&mut chain);
        drop(chain);
        self.inner.show(lines);
        Ok(recorded)
    }

    /// The lines of a step, for whoever watches.
    fn shown(&self, step: &Step) -> Vec<LogRow> {
        if self.inner.ahead.is_watched() { step.logs.clone() } else { Vec::new() }
    }

    /// Writes a step and returns when it is as safe as asked, and all before it.
    pub(super) async fn write(&self, step: Step, durability: Durability) -> Result<Recorded, EngineError> {
        let recorded = self.hand_over(step, durability)?;
        self.settle().await?;
        Ok(recorded)
    }

    /// Corks a step that nobody can see yet.
    pub(super) fn cork(&self, step: Step, durability: Durability) -> Result<Recorded, EngineError> {
        // A status is for others to see, and a question or a child for somebody to find.
        if step.status.is_some() || step.wait.is_some() || step.child.is_some() {
            let recorded = self.hand_over(step, durability);
            self.inner.store.write_out();
            return recorded;
        }
        let lines = self.shown(&step);
        let mut chain = lock(&self.inner.chain);
        let recorded = self.inner.add(&mut chain, step, durability)?;
        self.inner.keep_corked(chain, &self.corks);
        self.inner.show(lines);
        Ok(recorded)
    }

    /// Corks two steps of which the journal has both or none.
    pub(super) fn cork_both(&self, first: Step, second: Step) -> Result<Recorded, EngineError> {
        let lines = [self.shown(&first), self.shown(&second)].concat();
        let mut chain = lock(&self.inner.chain);
        self.inner.add(&mut chain, first, Durability::Full)?;
        let recorded = self.inner.add(&mut chain, second, Durability::Full)?;
        self.inner.keep_corked(chain, &self.corks);
        self.inner.show(lines);
        Ok(recorded)
    }

    /// Corks a step, and waits if the flow is too far ahead of the disk.
    pub(super) async fn run_ahead(&self, step: Step, durability: Durability) -> Result<Recorded, EngineError> {
        let recorded = self.cork(step, durability)?;
        self.keep_within_bounds().await?;
        Ok(recorded)
    }

    /// Waits if the flow is too far ahead of the disk.
    pub(super) async fn keep_within_bounds(&self) -> Result<(), EngineError> {
        self.inner.ahead.keep_within_bounds().await
    }

    /// Returns when all steps so far are as safe as was asked. Before anything that the world can see.
    pub(super) async fn settle(&self) -> Result<(), EngineError> {
        self.inner.flush(&mut lock(&self.inner.chain));
        let ahead = &self.inner.ahead;
        ahead.settle(ahead.latest()).await
    }

    /// The execution itself is on its way to the disk: everything under its lease comes after that.
    pub(super) fn follow(&self, creating: Appending) {
        self.inner.ahead.push(creating, Size { records: 1, lines: 0, bytes: 0 });
    }

    /// Tells what happened, as soon as everything that it may depend on is durable.
    pub(super) fn tell(&self, event: impl FnOnce() -> Event) {
        self.inner.ahead.tell(event);
    }

    /// The same for questions and answers.
    pub(super) fn tell_stop(&self, event: impl FnOnce() -> Event) {
        self.inner.ahead.tell_stop(event);
    }
}

impl Inner {
    /// Adds a step to what is corked.
    fn add(&self, chain: &mut Chain, step: Step, durability: Durability) -> Result<Recorded, EngineError> {
        self.ahead.check()?;
        let at = step.at.unwrap_or_else(|| self.clock.now().max(chain.last));
        chain.last = chain.last.max(at);
        let first = chain.next_seq;
        let mut append = chain.corked.take().unwrap_or_else(|| Append::new(at, durability));
        for body in step.entries {
            append.blobs.extend(
                body.payloads().filter_map(|payload| if let Payload::Blob { hash, .. } = payload { Some(*hash) } else { None }),
            );
            let entry = Entry { seq: chain.next_seq, at, body };
            let encoded = encode(&entry, &chain.link).map_err(|source| {
                // Those after it would leave a gap.
                self.ahead.give_up();
                EngineError::Record { execution: self.lease.execution, seq: chain.next_seq, source }
            })?;
            (chain.next_seq, chain.link) = (chain.next_seq + 1, encoded.link);
            chain.history_bytes = chain.history_bytes.saturating_add(size(&encoded.bytes, &entry.body));
            chain.corked_bytes += encoded.bytes.len();
            append.entries.push(encoded);
        }
        chain.corked_bytes += step.logs.iter().map(|row| row.message.len() + LINE).sum::<usize>();
        chain.corked_bytes += step.metadata.as_ref().map_or(0, String::len);
        chain.corked_bytes += step.cache.as_ref().map_or(0, |cached| match &cached.result {
            Payload::Inline(bytes) => bytes.len(),
            Payload::Blob { .. } => 0,
        });
        if durability == Durability::Full {
            append.durability = durability;
        }
        append.at = at;
        append.metadata = step.metadata.or(append.metadata);
        append.cache.extend(step.cache);
        append.logs.extend(step.logs);
        chain.corked_bytes += step.model_calls.iter().map(ModelCallRow::bytes).sum::<usize>();
        append.model_calls.extend(step.model_calls);
        chain.corked_bytes += step.accesses.iter().map(AccessRow::bytes).sum::<usize>();
        append.accesses.extend(step.accesses);
        (append.status, append.wait, append.child) = (step.status, step.wait, step.child);
        append.gives_back = step.gives_back;
        append.follows = append.follows.or_else(|| chain.has_begun.then_some(first));
        chain.corked = Some(append);
        Ok(Recorded { at, seq: chain.next_seq.saturating_sub(1) })
    }

    /// Hands over what is corked. Under the lock of the chain: steps are queued in the order of their numbers.
    fn flush(&self, chain: &mut Chain) {
        let Some(append) = chain.corked.take() else { return };
        chain.has_begun = true;
        let size = Size {
            records: append.entries.len(),
            lines: if append.is_only_lines() { append.line_weight() } else { 0 },
            bytes: std::mem::take(&mut chain.corked_bytes),
        };
        self.ahead.push(self.store.append(&self.lease, append), size);
    }

    /// Shows lines to whoever watches, after all that was handed over.
    fn show(&self, lines: impl IntoIterator<Item = LogRow>) {
        for row in lines {
            self.ahead.tell(|| Event::Log(row));
        }
    }

    /// What is corked stays so, unless it is much, or somebody watches.
    fn keep_corked(self: &Arc<Self>, mut chain: MutexGuard<'_, Chain>, corks: &Corks) {
        let many = chain.corked.as_ref().is_some_and(|corked| match corked.entries.len() {
            0 => corked.logs.len() >= MOST_LINES,
            entries => entries >= MOST_CORKED,
        });
        if many || chain.corked_bytes >= MOST_CORKED_BYTES || self.ahead.is_watched() {
            self.flush(&mut chain);
            self.store.write_out();
        } else if !std::mem::replace(&mut chain.is_corked, true) {
            let corked: Arc<dyn Corked> = self.clone();
            corks.add(Arc::downgrade(&corked));
        }
    }
}

impl Corked for Inner {
    fn uncork(&self) {
        let mut chain = lock(&self.chain);
        chain.is_corked = false;
        self.flush(&mut chain);
        drop(chain);
        self.store.write_out();
    }
}
