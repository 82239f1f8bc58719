//! What is on its way to the disk while the flow goes on, and what may be told when it is there (E3).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::EngineError;
use super::events::{Event, Observer};
use crate::mutex::lock;
use crate::store::{Appending, StoreError};

/// Records that may be on their way while the flow goes on. Bounds what runs again after a crash, and the memory that it takes.
const MOST_AHEAD: usize = 4096;
/// The same in bytes, with log lines and all else that goes with them.
const MOST_BYTES_AHEAD: usize = 4 << 20;
/// And log lines that go without a step, by their [weight](crate::store::Append::line_weight). The next step takes them into its commit, which others
/// may share.
const MOST_LINES_AHEAD: usize = 512;

/// The place of a step among those that were handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

enum Item {
    Step { appending: Appending, size: Size },
    Event(Box<Event>),
}

/// What is on its way with one step.
#[derive(Clone, Copy)]
pub(super) struct Size {
    pub(super) records: usize,
    /// What log lines take, where it is nothing else.
    pub(super) lines: usize,
    pub(super) bytes: usize,
}

/// Steps and events in the order in which they came. Whoever needs one to be durable waits for all before it.
pub(super) struct Ahead {
    observer: Observer,
    incoming: Mutex<Incoming>,
    /// What is waited for, by one at a time.
    waiting: tokio::sync::Mutex<VecDeque<Item>>,
    /// How many of the items are settled.
    settled: AtomicU64,
    records: AtomicUsize,
    lines: AtomicUsize,
    bytes: AtomicUsize,
    /// Somebody sees to it that events are told even if nobody waits for anything.
    is_attended: AtomicBool,
    fault: Mutex<Fault>,
}

#[derive(Default)]
struct Incoming {
    items: VecDeque<Item>,
    /// How many there were in all.
    count: u64,
}

#[derive(Default)]
enum Fault {
    #[default]
    None,
    /// A step was not written. Whoever asks first is told all about it.
    Fresh(StoreError),
    /// The others are told what was said.
    Known(String),
}

impl Ahead {
    pub(super) fn new(observer: Observer) -> Self {
        Self {
            observer,
            incoming: Mutex::default(),
            waiting: tokio::sync::Mutex::default(),
            settled: AtomicU64::new(0),
            records: AtomicUsize::new(0),
            lines: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            is_attended: AtomicBool::new(false),
            fault: Mutex::default(),
        }
    }

    /// # Errors
    /// When a step could not be written: nothing may follow it.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        let mut fault = lock(&self.fault);
        match std::mem::take(&mut *fault) {
            Fault::None => Ok(()),
            Fault::Fresh(error) => {
                *fault = Fault::Known(error.to_string());
                Err(error.into())
            }
            Fault::Known(text) => {
                let message = format!("an earlier step of the execution could not be written: {text}");
                *fault = Fault::Known(text);
                Err(EngineError::state(message))
            }
        }
    }

    fn is_faulty(&self) -> bool {
        !matches!(*lock(&self.fault), Fault::None)
    }

    /// No step may follow: one has no place in the journal.
    pub(super) fn give_up(&self) {
        let mut fault = lock(&self.fault);
        if matches!(*fault, Fault::None) {
            *fault = Fault::Known("it cannot be encoded".into());
        }
    }

    /// A step that was handed to the store.
    pub(super) fn push(&self, appending: Appending, size: Size) {
        self.records.fetch_add(size.records, Ordering::AcqRel);
        self.lines.fetch_add(size.lines, Ordering::AcqRel);
        self.bytes.fetch_add(size.bytes, Ordering::AcqRel);
        self.add(Item::Step { appending, size });
    }

    fn add(&self, item: Item) -> Ticket {
        let mut incoming = lock(&self.incoming);
        incoming.items.push_back(item);
        incoming.count += 1;
        Ticket(incoming.count)
    }

    /// The last one that there is.
    pub(super) fn latest(&self) -> Ticket {
        Ticket(lock(&self.incoming).count)
    }

    fn is_settled(&self, ticket: Ticket) -> bool {
        self.settled.load(Ordering::Acquire) >= ticket.0
    }

    /// Returns when a step is as safe as was asked, and all before it.
    ///
    /// # Errors
    /// When one of them could not be written.
    pub(super) async fn settle(&self, ticket: Ticket) -> Result<(), EngineError> {
        self.drain(ticket).await;
        self.check()
    }

    /// Settles one after the other, up to this one.
    async fn drain(&self, ticket: Ticket) {
        while !self.is_settled(ticket) {
            let mut waiting = self.waiting.lock().await;
            // Somebody else may have done it meanwhile.
            let Some(first) = self.first(&mut waiting).filter(|_| !self.is_settled(ticket)) else { continue };
            let answer = match first {
                // In its place while it is waited for: whoever waits may go away.
                Item::Step { appending, .. } => appending.await,
                Item::Event(_) => Ok(()),
            };
            self.settled_first(&mut waiting, answer);
        }
    }

    fn first<'a>(&self, waiting: &'a mut VecDeque<Item>) -> Option<&'a mut Item> {
        if waiting.is_empty() {
            std::mem::swap(waiting, &mut lock(&self.incoming).items);
        }
        waiting.front_mut()
    }

    fn settled_first(&self, waiting: &mut VecDeque<Item>, answer: Result<(), StoreError>) {
        match waiting.pop_front() {
            Some(Item::Step { size, .. }) => {
                self.records.fetch_sub(size.records, Ordering::AcqRel);
                self.lines.fetch_sub(size.lines, Ordering::AcqRel);
                self.bytes.fetch_sub(size.bytes, Ordering::AcqRel);
            }
            // What could not be written did not happen.
            Some(Item::Event(event)) if !self.is_faulty() => self.observer.tell(|| *event),
            _ => {}
        }
        if let Err(error) = answer {
            let mut fault = lock(&self.fault);
            if matches!(*fault, Fault::None) {
                *fault = Fault::Fresh(error);
            }
        }
        self.settled.fetch_add(1, Ordering::AcqRel);
    }

    /// Lets go of what is settled, and waits if too much is not.
    pub(super) async fn keep_within_bounds(&self) -> Result<(), EngineError> {
        if let Ok(mut waiting) = self.waiting.try_lock() {
            while let Some(first) = self.first(&mut waiting) {
                let answer = match first {
                    Item::Step { appending, .. } => appending.answer(),
                    Item::Event(_) => Some(Ok(())),
                };
                let Some(answer) = answer else { break };
                self.settled_first(&mut waiting, answer);
            }
        }
        if self.is_too_far() {
            let Ticket(latest) = self.latest();
            // Half of it, so that the disk has something to do while the flow catches up.
            let settled = self.settled.load(Ordering::Acquire).min(latest);
            return self.settle(Ticket(settled + (latest - settled) / 2)).await;
        }
        self.check()
    }

    /// Whether so much is on its way that whoever adds to it should wait.
    pub(super) fn is_too_far(&self) -> bool {
        self.records.load(Ordering::Acquire) > MOST_AHEAD
            || self.lines.load(Ordering::Acquire) > MOST_LINES_AHEAD
            || self.bytes.load(Ordering::Acquire) > MOST_BYTES_AHEAD
    }

    /// Whether anybody wants to be told what happens.
    pub(super) fn is_watched(&self) -> bool {
        self.observer.watches()
    }

    /// Tells what happened: at once where nothing is on its way, and otherwise after that.
    pub(super) fn tell(self: &Arc<Self>, event: impl FnOnce() -> Event) {
        if self.is_watched() {
            self.tell_in_turn(event);
        }
    }

    /// The same for what those are told too who want to know of stops only.
    pub(super) fn tell_stop(self: &Arc<Self>, event: impl FnOnce() -> Event) {
        if self.observer.watches_stops() {
            self.tell_in_turn(event);
        }
    }

    fn tell_in_turn(self: &Arc<Self>, event: impl FnOnce() -> Event) {
        if self.is_faulty() {
            return;
        }
        if self.is_settled(self.latest()) {
            return self.observer.tell(event);
        }
        let ticket = self.add(Item::Event(Box::new(event())));
        // Without a runtime the process is about to end.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !self.is_attended.swap(true, Ordering::AcqRel) {
            let attending = Attending(self.clone());
            runtime.spawn(async move { attending.attend(ticket).await });
        }
    }
}

/// Sees to it that events are told, until there are none. However it ends, the next event finds that nobody does.
struct Attending(Arc<Ahead>);

impl Attending {
    async fn attend(self, mut ticket: Ticket) {
        let Self(ahead) = &self;
        loop {
            // Whoever hands the next step over is told of a fault.
            ahead.drain(ticket).await;
            ahead.is_attended.store(false, Ordering::Release);
            let latest = ahead.latest();
            if ahead.is_settled(latest) || ahead.is_attended.swap(true, Ordering::AcqRel) {
                return;
            }
            ticket = latest;
        }
    }
}

impl Drop for Attending {
    fn drop(&mut self) {
        self.0.is_attended.store(false, Ordering::Release);
    }
}
