//! The text of model calls under way, for whoever watches an execution: in memory, bounded, and of calls that this process makes. When a call is
//! recorded, what it left behind says what was said: whoever comes then hears nothing of it here.
//!
//! Each execution has a lock of its own, so that whoever reads much of one holds up no other.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kitaru_llm::gateway::{CallPlace, CallRecord, CallStream, Gateway, PlannedCall, ShownText};
use tokio::sync::watch;

use super::chunk::{LiveChunk, Said};
use super::kept::Which;
use super::overheard::Overheard;
use super::relay;
use super::said::Kept;
use crate::clock::Clock;
use crate::engine::run::Run;
use crate::engine::{Engine, EngineError};
use crate::ids::{ExecutionId, Ids as _, SystemIds};
use crate::mutex::lock;

/// The text of all model calls under way. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Live(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Tells what this process listens to from what others do.
    id: String,
    /// Held to find an execution, and never while what it says is read or written.
    executions: Mutex<HashMap<ExecutionId, Arc<Told>>>,
    /// How much text is kept of all of them.
    bytes: AtomicUsize,
}

impl Default for Shared {
    fn default() -> Self {
        Self { id: SystemIds.execution().to_string(), executions: Mutex::default(), bytes: AtomicUsize::default() }
    }
}

/// What is told of one execution.
#[derive(Debug)]
struct Told {
    /// Tells numbers of this entry from those of another, before or in another process.
    run: String,
    /// The number of the last chunk.
    last: watch::Sender<u64>,
    under_way: AtomicUsize,
    /// Somebody hands it on to other processes.
    is_relayed: AtomicBool,
    kept: Mutex<Kept>,
}

impl Told {
    fn new(clock: &dyn Clock) -> Self {
        let (under_way, is_relayed, kept) = Default::default();
        let run = format!("{:x}", clock.now().since_epoch().as_nanos());
        Self { run, last: watch::Sender::new(0), under_way, is_relayed, kept }
    }

    fn push(&self, chunk: LiveChunk, in_all: &AtomicUsize) {
        let mut kept = lock(&self.kept);
        let number = kept.push(chunk, in_all);
        // Under the lock, so that numbers only grow.
        self.last.send_replace(number);
    }

    /// What has come after the chunk of this number, with its own.
    fn after(&self, number: u64, since: u64) -> Option<(u64, LiveChunk)> {
        let (number, chunk) = lock(&self.kept).after(number, since)?;
        Some((number, LiveChunk { cursor: format!("{}.{number}", self.run), ..chunk }))
    }

    fn is_needed(&self) -> bool {
        self.under_way.load(Ordering::Acquire) > 0 || self.last.receiver_count() > 0
    }
}

impl Engine {
    /// The text of an execution's model calls, as it comes, as far as this process makes them; from after `cursor`, where that is still known.
    pub fn live_text(&self, execution: ExecutionId, cursor: Option<&str>) -> LiveText {
        self.live.watch(self.clock.as_ref(), execution, cursor)
    }

    /// The same of calls that other processes of this data folder make.
    ///
    /// # Errors
    /// When there is no room for what they would say.
    pub async fn overheard(&self, execution: ExecutionId) -> Result<Overheard, EngineError> {
        Overheard::listen(self.store.relays(), execution, self.live.0.id.clone()).await
    }
}

impl Live {
    /// What is told of an execution; `take` is called while nobody can forget it.
    fn told<T>(&self, clock: &dyn Clock, execution: ExecutionId, take: impl FnOnce(&Arc<Told>) -> T) -> T {
        let mut all = lock(&self.0.executions);
        take(all.entry(execution).or_insert_with(|| Arc::new(Told::new(clock))))
    }

    /// A call of `execution` begins.
    pub(super) fn begin(&self, clock: &dyn Clock, which: Which, name: &str) -> LiveCall {
        let told = self.told(clock, which.call.execution, |told| {
            told.under_way.fetch_add(1, Ordering::AcqRel);
            told.clone()
        });
        let next = LiveChunk {
            cursor: String::new(),
            call: which.call,
            attempt: which.attempt,
            ordinal: which.ordinal,
            name: name.to_owned(),
            piece: 0,
            pieces: 1,
            said: Said::Ended,
        };
        LiveCall { live: self.clone(), told, next, shown: None }
    }

    pub(super) fn watch(&self, clock: &dyn Clock, execution: ExecutionId, cursor: Option<&str>) -> LiveText {
        let (told, last) = self.told(clock, execution, |told| (told.clone(), told.last.subscribe()));
        let known = cursor.and_then(|cursor| cursor.split_once('.')).filter(|(run, _)| *run == told.run);
        let known = known.and_then(|(_, number)| number.parse().ok());
        // Whoever comes again was there before.
        let since = known.unwrap_or_else(|| *told.last.borrow());
        LiveText { last: Some(last), live: self.clone(), told, execution, after: known.unwrap_or(0), since }
    }

    #[cfg(test)]
    pub(super) fn knows(&self, execution: ExecutionId) -> bool {
        lock(&self.0.executions).contains_key(&execution)
    }

    /// Forgets an execution that nobody watches and that makes no call.
    fn tidy(&self, execution: ExecutionId) {
        let gone = match lock(&self.0.executions).entry(execution) {
            Entry::Occupied(entry) if !entry.get().is_needed() => Some(entry.remove()),
            _ => None,
        };
        if let Some(gone) = gone {
            lock(&gone.kept).clear(&self.0.bytes);
        }
    }
}

/// A call under way. It has ended, and is recorded, when this is dropped.
pub(super) struct LiveCall {
    live: Live,
    told: Arc<Told>,
    next: LiveChunk,
    shown: Option<ShownText>,
}

impl LiveCall {
    pub(super) fn begin(run: &Run, which: Which, name: &str) -> Self {
        run.engine.live.begin(run.clock.as_ref(), which, name)
    }

    /// It is answered in pieces.
    pub(super) fn streams(&mut self, run: &Run, stream: &CallStream) {
        self.hand_on(run.clock.as_ref(), run.store.relays());
        self.shown = stream.shown();
        if self.shown.is_none() {
            self.tell(Said::Withheld);
        }
    }

    /// Others may hear it who listen below `folder`.
    pub(super) fn hand_on(&self, clock: &dyn Clock, folder: PathBuf) {
        if !self.told.is_relayed.swap(true, Ordering::AcqRel) {
            relay::start(folder, self.live.watch(clock, self.next.call.execution, None));
        }
    }

    /// A piece has come.
    pub(super) fn piece(&mut self, piece: &str) {
        let Some(shown) = &mut self.shown else { return };
        let text = shown.push(piece);
        if shown.is_withheld() {
            self.shown = None;
            self.tell(Said::Withheld);
        } else {
            self.text(text);
        }
    }

    /// No more pieces come.
    pub(super) fn whole(&mut self) {
        let text = self.shown.as_mut().map(ShownText::finish).unwrap_or_default();
        self.text(text);
    }

    pub(super) fn text(&mut self, text: String) {
        if !text.is_empty() {
            self.tell(Said::Text(text));
        }
    }

    fn tell(&mut self, said: Said) {
        self.told.push(LiveChunk { said, ..self.next.clone() }, &self.live.0.bytes);
        self.next.piece = self.next.piece.saturating_add(1);
    }
}

impl Drop for LiveCall {
    fn drop(&mut self) {
        let in_all = &self.live.0.bytes;
        // Of a call that said nothing there is nothing to end.
        if self.next.piece > 0 {
            lock(&self.told.kept).end(&self.next, in_all);
            self.told.push(LiveChunk { said: Said::Ended, ..self.next.clone() }, in_all);
        }
        self.told.under_way.fetch_sub(1, Ordering::AcqRel);
        self.live.tidy(self.next.call.execution);
    }
}

/// The text of an execution's model calls, as it comes.
#[derive(Debug)]
pub struct LiveText {
    /// None only while it is dropped.
    last: Option<watch::Receiver<u64>>,
    live: Live,
    told: Arc<Told>,
    execution: ExecutionId,
    after: u64,
    /// The last chunk when this began.
    since: u64,
}

impl LiveText {
    /// The execution.
    pub(super) fn execution(&self) -> ExecutionId {
        self.execution
    }

    /// What has come already.
    fn at_once(&mut self) -> Option<LiveChunk> {
        let (number, chunk) = self.told.after(self.after, self.since)?;
        self.after = number;
        Some(chunk)
    }

    /// Which process this is, among those that listen.
    pub(super) fn process(&self) -> &str {
        &self.live.0.id
    }

    /// The same from the beginning, as far as that is kept.
    pub(super) fn anew(&self) -> Self {
        let (told, live) = (self.told.clone(), self.live.clone());
        let (last, since) = (Some(told.last.subscribe()), *told.last.borrow());
        Self { last, live, told, execution: self.execution, after: 0, since }
    }

    /// Whether anybody still speaks.
    pub(super) fn goes_on(&self) -> bool {
        self.told.under_way.load(Ordering::Acquire) > 0
    }

    /// Leaves handing it on to whoever speaks next; unless somebody speaks already, who thinks that it is handed on.
    pub(super) fn leaves_relaying(&self) -> bool {
        self.told.is_relayed.store(false, Ordering::Release);
        !self.goes_on() || self.told.is_relayed.swap(true, Ordering::AcqRel)
    }

    /// What comes next. A call that is not waited for to its end loses nothing.
    pub async fn next(&mut self) -> LiveChunk {
        loop {
            if let Some(chunk) = self.at_once() {
                return chunk;
            }
            // Whatever came before was looked at.
            let is_woken = match &mut self.last {
                Some(last) => last.changed().await.is_ok(),
                None => false,
            };
            if !is_woken {
                // Nothing will ever come.
                std::future::pending::<()>().await;
            }
        }
    }
}

impl Drop for LiveText {
    fn drop(&mut self) {
        self.last = None;
        self.live.tidy(self.execution);
    }
}

/// Makes a call; its pieces, if it is answered in pieces, are told as they come.
pub(super) async fn complete(
    run: &Run,
    gateway: &Gateway,
    planned: PlannedCall,
    place: CallPlace,
    live: &mut LiveCall,
) -> CallRecord {
    if !planned.request().stream {
        return gateway.complete(planned, place).await;
    }
    let mut stream = match gateway.stream(planned, place).await {
        Ok(stream) => stream,
        Err(record) => return *record,
    };
    live.streams(run, &stream);
    while let Some(Ok(piece)) = stream.next().await {
        live.piece(&piece);
    }
    live.whole();
    stream.finish().await
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
