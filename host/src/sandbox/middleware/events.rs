//! Events on their way to a component: in order, behind the calls that make them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use kitaru_llm::event::{DeliveryError, Event, Subscriber, atof};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::component::MiddlewareComponent;
use super::error::{MiddlewareError, MiddlewareProblem};
use super::manifest::Surface;
use super::one_use::MiddlewarePort;
use super::register::FlowOfEvent;
use crate::mutex::lock;

/// Events that wait at a time. More are not delivered, and counted: who sends an event does not wait.
const WAITING: usize = 1_024;
/// Bytes of events that wait at a time: an event has a whole prompt or answer in it.
const WAITING_BYTES: usize = 16 << 20;
/// Scopes of calls that are remembered for their marks. More are forgotten, the marks in them with them.
const SCOPES: usize = 4_096;

enum Item {
    Event(String),
    /// Somebody waits for all that is before it.
    Flush(oneshot::Sender<()>),
}

/// The way to a component, with a task at its end that ends when nobody sends any more.
#[derive(Clone)]
pub(super) struct EventQueue {
    items: mpsc::Sender<Item>,
    /// Of the events that wait, and of the one that is being delivered.
    bytes: Arc<AtomicUsize>,
    failures: Arc<AtomicU64>,
}

impl EventQueue {
    pub(super) fn start(component: MiddlewareComponent, runtime: &Handle) -> Self {
        let (items, mut waiting) = mpsc::channel(WAITING);
        let failures = Arc::new(AtomicU64::new(0));
        let bytes = Arc::new(AtomicUsize::new(0));
        let (counted, waiting_bytes) = (failures.clone(), bytes.clone());
        runtime.spawn(async move {
            while let Some(item) = waiting.recv().await {
                match item {
                    Item::Event(event) => {
                        let size = event.len();
                        if let Err(error) = deliver(&component, event).await {
                            counted.fetch_add(1, Ordering::Relaxed);
                            tracing::warn!(%error, "an event was not taken");
                        }
                        waiting_bytes.fetch_sub(size, Ordering::Relaxed);
                    }
                    // Whoever asked may have gone.
                    Item::Flush(done) => {
                        let _ = done.send(());
                    }
                }
            }
        });
        Self { items, bytes, failures }
    }

    /// Puts an event at the end, if there is room. One that is larger than all room is taken when nothing else waits.
    fn send(&self, event: String) -> Result<(), Full> {
        let size = event.len();
        let before = self.bytes.fetch_add(size, Ordering::Relaxed);
        let has_room = before == 0 || before.saturating_add(size) <= WAITING_BYTES;
        if has_room && self.items.try_send(Item::Event(event)).is_ok() {
            return Ok(());
        }
        self.bytes.fetch_sub(size, Ordering::Relaxed);
        Err(Full)
    }

    /// Waits until everything that was sent before is delivered, or could not be.
    pub(super) async fn flush(&self) {
        let (done, all_done) = oneshot::channel();
        if self.items.send(Item::Flush(done)).await.is_ok() {
            // An end without an answer is one too.
            let _ = all_done.await;
        }
    }

    /// How many events the component did not take.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}

async fn deliver(component: &MiddlewareComponent, event: String) -> Result<(), MiddlewareError> {
    let taken = async {
        let mut one = component.begin(MiddlewarePort::default(), component.timeout()).await?;
        let (hooks, store) = one.hooks();
        let said = hooks.call_on_event(store, &event, component.config()).await;
        one.end(said).map(drop)
    };
    taken.await.map_err(|problem: MiddlewareProblem| component.error(Surface::OnEvent, problem))
}

/// Sends events of the flows that are the component's business.
pub(super) struct Sending {
    pub(super) component: MiddlewareComponent,
    pub(super) queue: EventQueue,
    pub(super) flow_of: Option<FlowOfEvent>,
    pub(super) scopes: FlowsOfScopes,
}

/// The flows of calls that are under way: a mark says only in which scope it is.
#[derive(Debug, Default)]
pub(super) struct FlowsOfScopes(Mutex<HashMap<Uuid, String>>);

impl FlowsOfScopes {
    /// The flow of an event that says `own` by itself.
    fn of(&self, event: &Event, own: Option<String>) -> Option<String> {
        let mut scopes = lock(&self.0);
        if event.is_end() {
            let ended = scopes.remove(&event.uuid);
            return own.or(ended);
        }
        if let (Some(flow), true) = (&own, event.is_start() && scopes.len() < SCOPES) {
            scopes.insert(event.uuid, flow.clone());
        }
        own.or_else(|| event.parent.and_then(|parent| scopes.get(&parent).cloned()))
    }
}

/// More events wait than may.
#[derive(Debug, thiserror::Error)]
#[error("{WAITING} events, or {WAITING_BYTES} bytes of them, wait for the middleware already")]
struct Full;

impl Subscriber for Sending {
    fn on_event(&self, event: &Event) -> Result<(), DeliveryError> {
        if !self.component.flows().is_empty() {
            let own = self.flow_of.as_ref().and_then(|flow_of| flow_of(event));
            if !self.component.is_for(self.scopes.of(event, own).as_deref()) {
                return Ok(());
            }
        }
        self.queue.send(atof::to_json(event).to_string()).map_err(|full| DeliveryError(Box::new(full)))
    }
}

#[cfg(test)]
mod tests {
    use kitaru_llm::clock::Timestamp;
    use kitaru_llm::event::{Attributes, Category, Kind, Phase};
    use serde_json::Value;

    use super::*;

    fn event(uuid: u128, parent: Option<u128>, phase: Option<Phase>) -> Event {
        Event {
            uuid: Uuid::from_u128(uuid),
            parent: parent.map(Uuid::from_u128),
            timestamp: Timestamp::from_nanos(0),
            name: "x".into(),
            kind: match phase {
                Some(phase) => Kind::Scope { phase, category: Category::Llm, attributes: Attributes::none() },
                None => Kind::Mark { category: None },
            },
            profile: None,
            data: Value::Null,
            data_schema: None,
            metadata: Value::Null,
        }
    }

    #[test]
    fn a_mark_is_of_the_flow_of_its_scope_until_that_ends() {
        let (scopes, writer) = (FlowsOfScopes::default(), || Some("writer".to_owned()));
        let mark = || event(9, Some(1), None);
        assert_eq!(scopes.of(&mark(), None), None);
        assert_eq!(scopes.of(&event(1, None, Some(Phase::Start)), writer()), writer());
        assert_eq!(scopes.of(&mark(), None), writer());
        assert_eq!(scopes.of(&event(8, Some(2), None), None), None, "in another scope");
        assert_eq!(scopes.of(&event(1, None, Some(Phase::End)), None), writer());
        assert_eq!(scopes.of(&mark(), None), None);
        assert!(lock(&scopes.0).is_empty());
    }

    #[tokio::test]
    async fn what_waits_is_bounded_by_bytes_too() {
        let (items, mut waiting) = mpsc::channel(WAITING);
        let queue = EventQueue { items, bytes: Arc::default(), failures: Arc::default() };
        let large = || "x".repeat(WAITING_BYTES / 2);
        assert!(queue.send(large()).is_ok() && queue.send(large()).is_ok());
        assert!(queue.send("one more".into()).is_err());
        // As the task at the end does.
        let Some(Item::Event(event)) = waiting.recv().await else { panic!("an event") };
        queue.bytes.fetch_sub(event.len(), Ordering::Relaxed);
        assert!(queue.send("one more".into()).is_ok());
        let alone = EventQueue { items: queue.items.clone(), bytes: Arc::default(), failures: Arc::default() };
        assert!(alone.send("x".repeat(WAITING_BYTES + 1)).is_ok(), "an event of any size gets through where nothing else waits");
    }
}
