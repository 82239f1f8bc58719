//! Events on their way to a component: in order, behind the calls that make them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kitaru_llm::event::{DeliveryError, Event, Subscriber, atof};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::component::MiddlewareComponent;
use super::error::{MiddlewareError, MiddlewareProblem};
use super::manifest::Surface;
use super::one_use::MiddlewarePort;
use super::register::FlowOfEvent;

/// Events that wait at a time. More are not delivered, and counted: who sends an event does not wait.
const WAITING: usize = 1_024;

enum Item {
    Event(String),
    /// Somebody waits for all that is before it.
    Flush(oneshot::Sender<()>),
}

/// The way to a component, with a task at its end that ends when nobody sends any more.
#[derive(Clone)]
pub(super) struct EventQueue {
    items: mpsc::Sender<Item>,
    failures: Arc<AtomicU64>,
}

impl EventQueue {
    pub(super) fn start(component: MiddlewareComponent, runtime: &Handle) -> Self {
        let (items, mut waiting) = mpsc::channel(WAITING);
        let failures = Arc::new(AtomicU64::new(0));
        let counted = failures.clone();
        runtime.spawn(async move {
            while let Some(item) = waiting.recv().await {
                match item {
                    Item::Event(event) => {
                        if let Err(error) = deliver(&component, event).await {
                            counted.fetch_add(1, Ordering::Relaxed);
                            tracing::warn!(%error, "an event was not taken");
                        }
                    }
                    // Whoever asked may have gone.
                    Item::Flush(done) => {
                        let _ = done.send(());
                    }
                }
            }
        });
        Self { items, failures }
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
}

/// More events wait than may.
#[derive(Debug, thiserror::Error)]
#[error("{WAITING} events wait for the middleware already")]
struct Full;

impl Subscriber for Sending {
    fn on_event(&self, event: &Event) -> Result<(), DeliveryError> {
        let flow = self.flow_of.as_ref().and_then(|flow_of| flow_of(event));
        if !self.component.is_for(flow.as_deref()) {
            return Ok(());
        }
        let item = Item::Event(atof::to_json(event).to_string());
        self.queue.items.try_send(item).map_err(|_| DeliveryError(Box::new(Full)))
    }
}
