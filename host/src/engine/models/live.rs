//! The text of model calls under way, for whoever watches an execution: in memory, bounded, and of calls that this process makes. When a call is
//! recorded, what it left behind says what was said, and its text here is gone.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use kitaru_llm::gateway::{CallPlace, CallRecord, CallStream, Gateway, PlannedCall, ShownText};
use tokio::sync::watch;

use super::kept::Which;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::engine::run::Run;
use crate::ids::{CallId, ExecutionId};
use crate::mutex::lock;

/// How much text of one execution is kept for those who come later or fell behind.
const KEPT_BYTES: usize = 256 * 1024;
/// In so many pieces, at most.
const KEPT_PIECES: usize = 4_096;

/// What somebody who watches is told of a model call under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveChunk {
    /// Where to go on after it, for [`LiveText`].
    pub cursor: String,
    /// The durable call: the model call itself, or the checkpoint whose body makes it.
    pub call: CallId,
    /// The attempt of it.
    pub attempt: u32,
    /// Position among the model calls of the attempt.
    pub ordinal: u32,
    /// The model call's name.
    pub name: String,
    /// The number of its first piece among those of the call. 0 begins anew; after a gap pieces were lost.
    pub piece: u64,
    /// How many pieces it is.
    pub pieces: u64,
    /// What it says.
    pub said: Said,
}

/// What a chunk says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// More of the text.
    Text(String),
    /// The text is not shown while it comes, because what records are to leave out is told by looking at all of it.
    Withheld,
    /// The call has ended, and is recorded.
    Ended,
}

/// The text of all model calls under way. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Live(Arc<Mutex<HashMap<ExecutionId, Told>>>);

/// What is told of one execution.
#[derive(Debug)]
struct Told {
    /// Tells numbers of this entry from those of another, before or in another process.
    run: String,
    /// The number of the last chunk.
    last: watch::Sender<u64>,
    kept: VecDeque<(u64, LiveChunk)>,
    bytes: usize,
    under_way: usize,
}

impl Told {
    fn new(clock: &dyn Clock) -> Self {
        let (kept, bytes, under_way) = Default::default();
        let run = format!("{:x}", clock.now().since_epoch().as_nanos());
        Self { run, last: watch::Sender::new(0), kept, bytes, under_way }
    }

    fn push(&mut self, mut chunk: LiveChunk) {
        let number = self.last.borrow().saturating_add(1);
        chunk.cursor = format!("{}.{number}", self.run);
        self.bytes = self.bytes.saturating_add(chunk.said.bytes());
        self.kept.push_back((number, chunk));
        while self.bytes > KEPT_BYTES || self.kept.len() > KEPT_PIECES {
            let Some((_, gone)) = self.kept.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(gone.said.bytes());
        }
        self.last.send_replace(number);
    }

    /// What has come after the chunk of this number: with its own number, the next, and what goes on with it.
    fn after(&self, number: u64) -> Option<(u64, LiveChunk)> {
        let from = self.kept.partition_point(|(kept, _)| *kept <= number);
        let mut later = self.kept.range(from..);
        let (mut last, mut chunk) = later.next().cloned()?;
        for (number, next) in later {
            if !chunk.takes(next) {
                break;
            }
            last = *number;
        }
        Some((last, chunk))
    }
}

impl Said {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Withheld | Self::Ended => 0,
        }
    }
}

impl LiveChunk {
    fn is_of(&self, other: &Self) -> bool {
        (self.call, self.attempt, self.ordinal) == (other.call, other.attempt, other.ordinal)
    }

    /// Takes in what follows, if it is the same call's next text.
    fn takes(&mut self, next: &Self) -> bool {
        let is_next = self.is_of(next) && self.piece.checked_add(self.pieces) == Some(next.piece);
        let (Said::Text(text), Said::Text(more), true) = (&mut self.said, &next.said, is_next) else { return false };
        text.push_str(more);
        self.pieces = self.pieces.saturating_add(next.pieces);
        self.cursor.clone_from(&next.cursor);
        true
    }
}

impl Engine {
    /// The text of an execution's model calls, as it comes, as far as this process makes them; from after `cursor`, where that is still known.
    pub fn live_text(&self, execution: ExecutionId, cursor: Option<&str>) -> LiveText {
        self.live.watch(self.clock.as_ref(), execution, cursor)
    }
}

impl Live {
    /// A call of `execution` begins.
    fn begin(&self, clock: &dyn Clock, which: Which, name: &str) -> LiveCall {
        lock(&self.0).entry(which.call.execution).or_insert_with(|| Told::new(clock)).under_way += 1;
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
        LiveCall { live: self.clone(), next, shown: None }
    }

    fn push(&self, chunk: LiveChunk) {
        if let Some(told) = lock(&self.0).get_mut(&chunk.call.execution) {
            told.push(chunk);
        }
    }

    fn watch(&self, clock: &dyn Clock, execution: ExecutionId, cursor: Option<&str>) -> LiveText {
        let mut all = lock(&self.0);
        let told = all.entry(execution).or_insert_with(|| Told::new(clock));
        let known = cursor.and_then(|cursor| cursor.split_once('.')).filter(|(run, _)| *run == told.run);
        let after = known.and_then(|(_, number)| number.parse().ok()).unwrap_or(0);
        LiveText { last: Some(told.last.subscribe()), live: self.clone(), execution, after }
    }

    /// Forgets an execution that nobody watches and that makes no call.
    fn tidy(&self, execution: ExecutionId) {
        let mut all = lock(&self.0);
        if all.get(&execution).is_some_and(|told| told.under_way == 0 && told.last.receiver_count() == 0) {
            all.remove(&execution);
        }
    }
}

/// A call under way. It has ended, and is recorded, when this is dropped.
pub(super) struct LiveCall {
    live: Live,
    next: LiveChunk,
    shown: Option<ShownText>,
}

impl LiveCall {
    pub(super) fn begin(run: &Run, which: Which, name: &str) -> Self {
        run.engine.live.begin(run.clock.as_ref(), which, name)
    }

    /// It is answered in pieces.
    pub(super) fn streams(&mut self, stream: &CallStream) {
        self.shown = stream.shown();
        if self.shown.is_none() {
            self.tell(Said::Withheld);
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

    fn text(&mut self, text: String) {
        if !text.is_empty() {
            self.tell(Said::Text(text));
        }
    }

    fn tell(&mut self, said: Said) {
        self.live.push(LiveChunk { said, ..self.next.clone() });
        self.next.piece = self.next.piece.saturating_add(1);
    }
}

impl Drop for LiveCall {
    fn drop(&mut self) {
        let execution = self.next.call.execution;
        if let Some(told) = lock(&self.live.0).get_mut(&execution) {
            told.kept.retain(|(_, chunk)| !chunk.is_of(&self.next));
            told.bytes = told.kept.iter().map(|(_, chunk)| chunk.said.bytes()).sum();
            // Of a call that said nothing there is nothing to end.
            if self.next.piece > 0 {
                told.push(LiveChunk { said: Said::Ended, ..self.next.clone() });
            }
            told.under_way = told.under_way.saturating_sub(1);
        }
        self.live.tidy(execution);
    }
}

/// The text of an execution's model calls, as it comes.
#[derive(Debug)]
pub struct LiveText {
    /// None only while it is dropped.
    last: Option<watch::Receiver<u64>>,
    live: Live,
    execution: ExecutionId,
    after: u64,
}

impl LiveText {
    /// What comes next. A call that is not waited for to its end loses nothing.
    pub async fn next(&mut self) -> LiveChunk {
        loop {
            let found = lock(&self.live.0).get(&self.execution).and_then(|told| told.after(self.after));
            if let Some((number, chunk)) = found {
                self.after = number;
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
pub(super) async fn complete(gateway: &Gateway, planned: PlannedCall, place: CallPlace, live: &mut LiveCall) -> CallRecord {
    if !planned.request().stream {
        return gateway.complete(planned, place).await;
    }
    let mut stream = match gateway.stream(planned, place).await {
        Ok(stream) => stream,
        Err(record) => return *record,
    };
    live.streams(&stream);
    while let Some(Ok(piece)) = stream.next().await {
        live.piece(&piece);
    }
    live.whole();
    stream.finish().await
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
