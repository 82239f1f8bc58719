//! All registrations of one owner, and what one call sees of them.

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::middleware::{Chunks, ExecutionIntercept, Guardrail, Payload, RequestIntercept, Sanitizer};
use super::registry::{Chain, Registry, merge};
use crate::chat::RawRequest;
use crate::event::Subscriber;

/// Middleware of one family of calls: of models ([`RawRequest`]) or of tools ([`Value`]).
pub struct Hooks<R: Payload> {
    /// Decide whether a call may happen.
    pub guardrails: Registry<dyn Guardrail<R>>,
    /// Rewrite requests.
    pub request_intercepts: Registry<dyn RequestIntercept<R>>,
    /// Change what is recorded of requests.
    pub request_sanitizers: Registry<dyn Sanitizer<R>>,
    /// Change what is recorded of responses.
    pub response_sanitizers: Registry<dyn Sanitizer<Value>>,
    /// Change what is recorded of the reasons that guardrails give, which may quote what they object to.
    pub reason_sanitizers: Registry<dyn Sanitizer<String>>,
    /// Wrap executions.
    pub execution_intercepts: Registry<dyn ExecutionIntercept<R>>,
}

impl<R: Payload> Default for Hooks<R> {
    fn default() -> Self {
        Self {
            guardrails: Registry::default(),
            request_intercepts: Registry::default(),
            request_sanitizers: Registry::default(),
            response_sanitizers: Registry::default(),
            reason_sanitizers: Registry::default(),
            execution_intercepts: Registry::default(),
        }
    }
}

impl<R: Payload> Hooks<R> {
    fn end(&self, scope: Uuid) {
        self.guardrails.end(scope);
        self.request_intercepts.end(scope);
        self.request_sanitizers.end(scope);
        self.response_sanitizers.end(scope);
        self.reason_sanitizers.end(scope);
        self.execution_intercepts.end(scope);
    }
}

/// All registrations of one owner: of the pipeline, which count for every call, or of a scope, which count for calls inside it.
#[derive(Default)]
pub struct Registrations {
    /// For calls of models.
    pub llm: Hooks<RawRequest>,
    /// Wrap the opening of streams; these and not `llm.execution_intercepts` run when a model's response is streamed.
    pub llm_stream_intercepts: Registry<dyn ExecutionIntercept<RawRequest, Chunks>>,
    /// For calls of tools.
    pub tool: Hooks<Value>,
    /// Receive events, in the order of their registration; priorities do not count.
    pub subscribers: Registry<dyn Subscriber>,
}

impl Registrations {
    pub(super) fn end(&self, scope: Uuid) {
        self.llm.end(scope);
        self.llm_stream_intercepts.end(scope);
        self.tool.end(scope);
        self.subscribers.end(scope);
    }
}

/// The middleware that one call sees from its beginning to its end.
pub(super) struct Chains<R: Payload> {
    pub(super) guardrails: Chain<dyn Guardrail<R>>,
    pub(super) request_intercepts: Chain<dyn RequestIntercept<R>>,
    pub(super) request_sanitizers: Chain<dyn Sanitizer<R>>,
    pub(super) response_sanitizers: Chain<dyn Sanitizer<Value>>,
    pub(super) reason_sanitizers: Chain<dyn Sanitizer<String>>,
    pub(super) execution_intercepts: Chain<dyn ExecutionIntercept<R>>,
}

impl<R: Payload> Chains<R> {
    /// Of the owners, outermost first.
    pub(super) fn of(owners: &[Arc<Registrations>], hooks: fn(&Registrations) -> &Hooks<R>) -> Self {
        let hooks = || owners.iter().map(|owner| hooks(owner));
        Self {
            guardrails: merge(hooks().map(|hooks| &hooks.guardrails)),
            request_intercepts: merge(hooks().map(|hooks| &hooks.request_intercepts)),
            request_sanitizers: merge(hooks().map(|hooks| &hooks.request_sanitizers)),
            response_sanitizers: merge(hooks().map(|hooks| &hooks.response_sanitizers)),
            reason_sanitizers: merge(hooks().map(|hooks| &hooks.reason_sanitizers)),
            execution_intercepts: merge(hooks().map(|hooks| &hooks.execution_intercepts)),
        }
    }
}

/// The subscribers of the owners, in the order in which they were registered.
pub(super) fn subscribers(owners: &[Arc<Registrations>]) -> Chain<dyn Subscriber> {
    let mut entries: Vec<_> = owners.iter().flat_map(|owner| owner.subscribers.entries()).collect();
    entries.sort_by_key(|entry| entry.order);
    entries.into()
}
