//! Spans and metrics for a collector of OpenTelemetry, over OTLP/HTTP.
//!
//! The spans are those of [`kitaru_llm::event::otel`]; here they get identifiers of W3C's trace context and the protocol's form. Messages are
//! written down with `prost`, because the part of the protocol that is used is small and fixed, and OpenTelemetry's own library would bring a
//! second random generator and executor to make spans that are made already. The queue is bounded: what does not fit is counted, and what a
//! collector does not take is counted too. Nothing waits for a collector but the end of the process, and that not for long.

mod distribution;
mod http;
mod limits;
mod logs;
mod message;
mod metrics;
mod spans;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use super::OtlpSettings;
use super::feed::Lineage;
use crate::clock::Clock;
use crate::engine::Measures;
use crate::mutex::lock;
use http::Collector;
use kitaru_llm::event::otel::Attribute;
use limits::LimitMetrics;
pub(super) use logs::{LogSender, Place, Refusal};
use message::{InstrumentationScope, Metrics, Resource, ResourceMetrics, ResourceSpans, ScopeMetrics, ScopeSpans, Span, Traces};
use metrics::{Measured, unix_nanos};
pub(super) use spans::{EndedSpan, OpenSpans};

/// Spans that wait to be sent.
const QUEUE: usize = 2048;
/// Spans of one request.
const BATCH: usize = 512;
/// The longest that a span waits for company.
const DELAY: Duration = Duration::from_secs(5);

/// What became of what was to be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtlpReport {
    /// Spans that the collector took.
    pub sent: u64,
    /// Spans that found the queue full.
    pub dropped: u64,
    /// Spans that the collector did not take.
    pub refused: u64,
    /// The first thing that went wrong, for people.
    pub first_error: Option<String>,
}

#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    dropped: AtomicU64,
    refused: AtomicU64,
    first_error: Mutex<Option<String>>,
}

impl Counts {
    fn failed(&self, why: String) {
        let mut first = lock(&self.first_error);
        if first.is_none() {
            tracing::warn!(why, "the collector of OpenTelemetry does not take what is sent");
            *first = Some(why);
        }
    }

    fn report(&self) -> OtlpReport {
        OtlpReport {
            sent: self.sent.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            first_error: lock(&self.first_error).clone(),
        }
    }
}

enum Order {
    Span(Box<(EndedSpan, Lineage)>),
    Flush(oneshot::Sender<()>),
}

/// Sends spans, and what they say of model calls as metrics.
pub(super) struct Exporter {
    orders: mpsc::Sender<Order>,
    counts: Arc<Counts>,
    measure: Arc<OnceLock<Measure>>,
}

/// Who tells what the process does.
type Measure = Box<dyn Fn() -> Measures + Send + Sync>;

impl Exporter {
    /// Starts a task that sends.
    ///
    /// # Errors
    /// Why nothing can be sent, for people.
    pub(super) fn start(settings: OtlpSettings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let collector = Collector::new(&settings)?;
        let (orders, received) = mpsc::channel(QUEUE);
        let counts = Arc::<Counts>::default();
        let (now, measure) = (unix_nanos(clock.now()), Arc::<OnceLock<Measure>>::default());
        let (measured, limits) = (Measured::new(now, settings.delta), LimitMetrics::new(now, settings.delta));
        let sender = Sender {
            collector,
            settings,
            clock,
            counts: counts.clone(),
            measured,
            measure: measure.clone(),
            limits,
            batch: Vec::new(),
        };
        tokio::spawn(sender.run(received));
        Ok(Self { orders, counts, measure })
    }

    /// From now on it is told too what the process does. The first who is told of counts.
    pub(super) fn measured_by(&self, measure: Measure) {
        let _ = self.measure.set(measure);
    }

    /// Hands a span over; where there is no room it is counted as dropped.
    pub(super) fn hand_over(&self, ended: EndedSpan, lineage: &Lineage) {
        if self.orders.try_send(Order::Span(Box::new((ended, lineage.clone())))).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Has everything sent that was handed over, within this time.
    pub(super) async fn flush(&self, within: Duration) {
        let flushed = async {
            let (done, wait) = oneshot::channel();
            if self.orders.send(Order::Flush(done)).await.is_ok() {
                let _ = wait.await;
            }
        };
        if tokio::time::timeout(within, flushed).await.is_err() {
            self.counts.failed(format!("the collector took longer than {} s", within.as_secs()));
        }
    }

    pub(super) fn report(&self) -> OtlpReport {
        self.counts.report()
    }
}

struct Sender {
    collector: Collector,
    settings: OtlpSettings,
    clock: Arc<dyn Clock>,
    counts: Arc<Counts>,
    measured: Measured,
    measure: Arc<OnceLock<Measure>>,
    limits: LimitMetrics,
    batch: Vec<Span>,
}

impl Sender {
    async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut tick = tokio::time::interval_at(Instant::now() + DELAY, DELAY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Span(span)) => {
                        let (ended, lineage) = *span;
                        self.measured.count(&ended);
                        self.batch.push(spans::message(ended, &lineage));
                        if self.batch.len() >= BATCH {
                            self.send_spans().await;
                        }
                    }
                    Some(Order::Flush(done)) => {
                        self.send().await;
                        // Nobody may wait any more.
                        let _ = done.send(());
                    }
                    None => return self.send().await,
                },
                _ = tick.tick() => self.send().await,
            }
        }
    }

    async fn send(&mut self) {
        self.send_spans().await;
        let now = unix_nanos(self.clock.now());
        let mut metrics = self.measured.report(now);
        if let Some(measure) = self.measure.get() {
            metrics.extend(self.limits.report(&measure(), now));
        }
        let Some(url) = self.settings.metrics.as_ref().filter(|_| !metrics.is_empty()) else { return };
        let scope_metrics = vec![ScopeMetrics { scope: Some(scope()), metrics }];
        let body = Metrics { resource_metrics: vec![ResourceMetrics { resource: Some(self.resource()), scope_metrics }] };
        if let Err(why) = self.collector.send(url, &body).await {
            self.counts.failed(format!("metrics: {why}"));
        }
    }

    async fn send_spans(&mut self) {
        let spans = std::mem::take(&mut self.batch);
        let Some(url) = self.settings.traces.as_ref().filter(|_| !spans.is_empty()) else { return };
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans }];
        let body = Traces { resource_spans: vec![ResourceSpans { resource: Some(self.resource()), scope_spans }] };
        let refused = match self.collector.send(url, &body).await {
            Ok(refused) => refused.min(count),
            Err(why) => {
                self.counts.failed(why);
                count
            }
        };
        self.counts.refused.fetch_add(refused, Ordering::Relaxed);
        self.counts.sent.fetch_add(count.saturating_sub(refused), Ordering::Relaxed);
    }

    fn resource(&self) -> Resource {
        resource(&self.settings.resource)
    }
}

fn resource(attributes: &BTreeMap<String, String>) -> Resource {
    let attributes = attributes.iter().map(|(name, value)| (name.clone(), Attribute::from(value.as_str())));
    Resource { attributes: spans::key_values(attributes.collect()) }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope { name: "kitaru-host".into(), version: env!("CARGO_PKG_VERSION").into() }
}
