//! The provider: sends what is left of a call after all policies, and keeps what each attempt used.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::core::Core;
use super::failing;
use super::outgoing::{Incoming, Outgoing};
use super::state::CallState;
use crate::chat::{ChatResponse, RawRequest};
use crate::clock::Timestamp;
use crate::codec::StreamAggregator;
use crate::pipeline::{CallInfo, ChunkSource, Chunks, Execute, Failure};
use crate::policy::middleware::{CallContext as _, cost_of, system_time};
use crate::price::Cost;
use crate::provider::{Delivery, TransportError};
use crate::usage::{BillingEffect, RecordStatus, TokenCounts};

use super::failure::CallFailure;
use super::state::Context;

/// Sends requests to their provider.
pub(super) struct Provider(pub(super) Arc<Core>);

impl Provider {
    async fn prepare(
        &self,
        call: &Arc<CallInfo>,
        request: &RawRequest,
        delivery: Delivery,
    ) -> Result<(Meter, Outgoing), Failure> {
        let missing = || failing::unsent(CallFailure::usage("the call is not a gateway's"));
        let state = CallState::of(call).ok_or_else(missing)?;
        let endpoint = state.endpoint().ok_or_else(missing)?;
        let outgoing = Outgoing::of(&endpoint, state.current(), request, delivery).await.map_err(failing::unsent)?;
        // Whoever knows the rest of a text finds what was taken out of it by its digest.
        let sent = state.is_recorded_whole(&self.0.redactor, &request.content).then(|| outgoing.prepared().body_sha256());
        if let Some(mut translation) = outgoing.translation() {
            if let (None, Some(translation)) = (&sent, translation.as_object_mut()) {
                translation.shift_remove("sha256");
            }
            call.note("kitaru.llm.translated", translation);
        }
        // Whatever stands before the provider may have answered or refused; now nothing is left.
        call.note("kitaru.llm.asked", json!(true));
        let (number, started) = (state.next_attempt(), self.0.services.clock.now());
        let meter = Meter { core: Arc::clone(&self.0), call: Arc::clone(call), state, number, sent, started, done: false };
        Ok((meter, outgoing))
    }
}

#[async_trait]
impl Execute<RawRequest> for Provider {
    async fn execute(&self, call: &Arc<CallInfo>, request: RawRequest) -> Result<Value, Failure> {
        let (mut meter, outgoing) = self.prepare(call, &request, Delivery::Whole).await?;
        match outgoing.send(&self.0.transport).await {
            Ok(answer) => {
                meter.complete(&answer);
                Ok(answer)
            }
            Err(error) => Err(meter.fail(error, None)),
        }
    }
}

#[async_trait]
impl Execute<RawRequest, Chunks> for Provider {
    async fn execute(&self, call: &Arc<CallInfo>, request: RawRequest) -> Result<Chunks, Failure> {
        let (mut meter, outgoing) = self.prepare(call, &request, Delivery::Stream).await?;
        match outgoing.open(&self.0.transport).await {
            Ok(events) => {
                let aggregator = Some(meter.state.current().api.protocol().aggregator());
                Ok(Box::new(Wire { events, meter, aggregator }))
            }
            Err(error) => Err(meter.fail(error, None)),
        }
    }
}

/// A streamed answer on its way from the provider.
struct Wire {
    events: Incoming,
    meter: Meter,
    aggregator: Option<Box<dyn StreamAggregator>>,
}

impl Wire {
    fn whole(&mut self) -> Option<Value> {
        let whole = self.aggregator.take().map(StreamAggregator::finish)?;
        Some(self.meter.state.without_key(whole))
    }
}

#[async_trait]
impl ChunkSource for Wire {
    async fn next(&mut self) -> Option<Result<Value, Failure>> {
        match self.events.next().await {
            Some(Ok(chunk)) => {
                // What cannot be put in its place is told by whoever puts the answer together.
                if let Some(aggregator) = &mut self.aggregator {
                    let _ = aggregator.push(&chunk);
                }
                Some(Ok(chunk))
            }
            Some(Err(error)) => {
                let whole = self.whole();
                Some(Err(self.meter.fail(error, whole.as_ref())))
            }
            None => {
                if let Some(whole) = self.whole() {
                    self.meter.complete(&whole);
                }
                None
            }
        }
    }
}

/// Given up half way: what came so far may be charged.
impl Drop for Wire {
    fn drop(&mut self) {
        let whole = self.whole();
        self.meter.cut(whole.as_ref());
    }
}

/// Keeps what one attempt used, once.
struct Meter {
    core: Arc<Core>,
    call: Arc<CallInfo>,
    state: Arc<CallState>,
    number: u32,
    /// The digest of what is sent, where records may have it.
    sent: Option<String>,
    started: Timestamp,
    done: bool,
}

impl Meter {
    fn complete(&mut self, response: &Value) {
        let read = self.read(response);
        let facts = Context.facts(&self.call);
        let cost = cost_of(&self.core.pricing, &facts, &read, system_time(self.started), false);
        let tokens = TokenCounts::from_response(&read);
        self.keep(response, read, tokens.clone(), cost.clone(), RecordStatus::Completed, BillingEffect::Incurred);
        self.state.count_answer(&self.call, tokens, cost);
    }

    fn fail(&mut self, error: TransportError, response: Option<&Value>) -> Failure {
        let failure = Failure::new(error.kind(), error);
        let (cost, billing) = if response.is_some() || Context.may_be_charged(&failure) {
            (Cost::unknown("the attempt failed"), BillingEffect::Unknown)
        } else {
            // Nobody charges for what never arrived or was turned away.
            (Cost::nothing(), BillingEffect::Incurred)
        };
        self.keep_failed(response, cost, billing);
        failure
    }

    fn cut(&mut self, response: Option<&Value>) {
        if !self.done {
            self.keep_failed(response, Cost::unknown("the stream was ended early"), BillingEffect::Unknown);
        }
    }

    fn keep_failed(&mut self, response: Option<&Value>, cost: Cost, billing: BillingEffect) {
        let read = response.map(|response| self.read(response)).unwrap_or_default();
        let tokens = TokenCounts::from_response(&read);
        self.keep(response.unwrap_or(&Value::Null), read, tokens, cost, RecordStatus::Failed, billing);
        self.state.count_failure(&self.call);
    }

    fn read(&self, response: &Value) -> ChatResponse {
        self.state.current().api.protocol().decode_response(response).unwrap_or_default()
    }

    fn keep(
        &mut self,
        response: &Value,
        read: ChatResponse,
        tokens: TokenCounts,
        cost: Cost,
        status: RecordStatus,
        billing_effect: BillingEffect,
    ) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let mut record = self.state.usage_record(self.call.uuid(), self.number, read.model, tokens, cost);
        let raw = ["usage", "usageMetadata"].into_iter().find_map(|key| response.get(key));
        record.request_sha256 = self.sent.take();
        record.raw_usage = raw.filter(|usage| !usage.is_null()).cloned();
        record.latency_ms = Some(failing::milliseconds(self.core.services.clock.now().since(self.started)));
        record.status = status;
        record.billing_effect = billing_effect;
        self.state.keep_usage(record);
    }
}

/// Given up while nobody had answered yet.
impl Drop for Meter {
    fn drop(&mut self) {
        self.cut(None);
    }
}
