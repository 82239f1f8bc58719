//! The pipeline itself: where registrations, time and identifiers come from, and how events reach their subscribers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use super::registrations::Registrations;
use super::registry::{Chain, Registered};
use super::scope::ScopeStack;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::event::{Event, Subscriber};
use crate::ids::{Ids, SystemIds};

/// Everything that calls share: registrations that count for all of them, time and identifiers. Cheap to clone; clones are the same
/// pipeline. Several in one process know nothing of each other.
#[derive(Clone)]
pub struct Pipeline {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    registrations: Arc<Registrations>,
    failures: AtomicU64,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock), Arc::new(SystemIds))
    }
}

impl Pipeline {
    /// A pipeline in which nothing is registered.
    pub fn new(clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        let registrations = Arc::new(Registrations::default());
        Self { inner: Arc::new(Inner { clock, ids, registrations, failures: AtomicU64::new(0) }) }
    }

    /// What counts for every call.
    pub fn registrations(&self) -> &Arc<Registrations> {
        &self.inner.registrations
    }

    /// An empty stack of scopes: for one run, one task, one agent.
    pub fn stack(&self) -> ScopeStack {
        ScopeStack::new(self.clone())
    }

    /// How often anything failed whose failures do not fail a call: subscribers that did not take an event, and sanitisers.
    pub fn isolated_failures(&self) -> u64 {
        self.inner.failures.load(Ordering::Relaxed)
    }

    pub(super) fn count_failure(&self) {
        self.inner.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    pub(super) fn uuid(&self) -> Uuid {
        self.inner.ids.uuid()
    }
}

/// Sends events to the subscribers that were there when a call or an operation on scopes began: who sees a start sees its end.
#[derive(Clone)]
pub(super) struct Emitter {
    pub(super) pipeline: Pipeline,
    pub(super) subscribers: Chain<dyn Subscriber>,
}

impl Emitter {
    /// The same, and one more subscriber after all others.
    pub(super) fn with_observer(mut self, observer: Option<Arc<dyn Subscriber>>) -> Self {
        if let Some(observer) = observer {
            let last = Arc::new(Registered::last("observer", observer));
            self.subscribers = self.subscribers.iter().cloned().chain([last]).collect();
        }
        self
    }

    /// To every subscriber, one after the other. What one does wrong, even a panic, is counted and stays with it.
    pub(super) fn emit(&self, event: &Event) {
        for subscriber in &*self.subscribers {
            let taken = catch_unwind(AssertUnwindSafe(|| subscriber.item.on_event(event)));
            if !matches!(taken, Ok(Ok(()))) {
                subscriber.failures.fetch_add(1, Ordering::Relaxed);
                self.pipeline.count_failure();
            }
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.pipeline.now()
    }

    pub(super) fn uuid(&self) -> Uuid {
        self.pipeline.uuid()
    }
}

/// When a scope ended that began at `start`: as the caller says, or now; but in any case later than its start by at least one in whole
/// microseconds, which is what the event format asks.
pub(super) fn end_time(start: Timestamp, said: Option<Timestamp>, now: impl FnOnce() -> Timestamp) -> Timestamp {
    let end = said.unwrap_or_else(now);
    if end.as_micros() > start.as_micros() { end } else { start.after(std::time::Duration::from_micros(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_later_than_its_start_in_whole_microseconds() {
        let start = Timestamp::from_nanos(5_500);
        let end = |now: i128| end_time(start, None, || Timestamp::from_nanos(now)).as_nanos();
        assert_eq!(end(5_999), 6_500);
        assert_eq!(end(5_000), 6_500);
        assert_eq!(end(6_000), 6_000);
        assert_eq!(end_time(start, Some(Timestamp::from_nanos(1)), || start).as_nanos(), 6_500);
    }
}
