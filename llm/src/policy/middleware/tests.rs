//! The policies in a pipeline: what is refused, what is answered, what is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::*;
use crate::chat::{FinishReason, Message, Usage};
use crate::codec::{Codec, ResponseCodec, StreamAggregator, StreamCodec};
use crate::pipeline::{CallError, ExecutionIntercept, FromFn, LlmCall, Pipeline, Registration};
use crate::policy::*;
use crate::price::{NanoUsd, Pricing};
use crate::usage::UsageScope;

/// A protocol whose requests and responses are the shapes of this crate.
struct Plain;

impl Codec for Plain {
    fn decode(&self, request: &RawRequest) -> Result<ChatRequest, CodecError> {
        Ok(serde_json::from_value(request.content.clone()).unwrap())
    }

    fn encode(&self, request: &ChatRequest, original: &RawRequest) -> Result<RawRequest, CodecError> {
        Ok(RawRequest { headers: original.headers.clone(), content: serde_json::to_value(request).unwrap() })
    }
}

impl ResponseCodec for Plain {
    fn decode_response(&self, response: &Value) -> Result<ChatResponse, CodecError> {
        Ok(serde_json::from_value(response.clone()).unwrap_or_default())
    }
}

impl StreamCodec for Plain {
    fn aggregator(&self) -> Box<dyn StreamAggregator> {
        unreachable!()
    }

    fn text_delta(&self, _: &Value) -> Option<String> {
        None
    }

    fn chunk_summary(&self, _: u64, _: &Value) -> Value {
        Value::Null
    }
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_790_000_000_000_000)
    }
}

fn context() -> Arc<dyn CallContext> {
    Arc::new(|_: &CallInfo| CallFacts {
        requested_model: "fast".into(),
        resolved_model: "openai/gpt-4o-mini".into(),
        execution: Some("e".into()),
        ..CallFacts::default()
    })
}

/// A pipeline, and a model that counts its calls.
struct Bench {
    pipeline: Pipeline,
    calls: Arc<AtomicUsize>,
}

impl Bench {
    fn new() -> Self {
        Self { pipeline: Pipeline::default(), calls: Arc::default() }
    }

    fn wrap(self, item: impl ExecutionIntercept<RawRequest> + 'static) -> Self {
        self.pipeline.registrations().llm.execution_intercepts.register(Registration::new("policy", 1), Arc::new(item)).unwrap();
        self
    }

    async fn call(&self, text: &str) -> Result<Value, CallError> {
        let mut request = ChatRequest::new("gpt-4o-mini", vec![Message::user(text)]);
        request.params.temperature = Some(0.0);
        let calls = Arc::clone(&self.calls);
        let model = FromFn(move |request: RawRequest| {
            let calls = Arc::clone(&calls);
            async move {
                calls.fetch_add(1, Ordering::Relaxed);
                let usage =
                    Usage { prompt_tokens: Some(100), completion_tokens: Some(10), total_tokens: Some(110), ..Usage::default() };
                let limit = request.content.pointer("/params/max_tokens").cloned();
                let response = ChatResponse {
                    message: Some(format!("limit {}", limit.unwrap_or_default()).into()),
                    finish_reason: Some(FinishReason::Complete),
                    usage: Some(usage),
                    ..ChatResponse::default()
                };
                Ok(serde_json::to_value(response).unwrap())
            }
        });
        let mut call = LlmCall::new("test", RawRequest::new(serde_json::to_value(request).unwrap()));
        call = call.protocol(Arc::new(Plain));
        call.run(&self.pipeline.stack(), Arc::new(model)).await
    }

    fn made(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

fn failure_type(error: &CallError) -> &str {
    error.error_type()
}

#[tokio::test]
async fn a_model_that_is_not_allowed_is_rejected_before_anything_is_made() {
    let bench = Bench::new();
    let list = ModelAllowList::only(["anthropic/*"]);
    let guardrails = &bench.pipeline.registrations().llm.guardrails;
    guardrails.register(Registration::new("models", 0), Arc::new(AllowedModels { list, context: context() })).unwrap();
    let error = bench.call("q").await.unwrap_err();
    assert_eq!(error.to_string(), "guardrail rejected: model `openai/gpt-4o-mini` is not allowed here");
    assert_eq!(bench.made(), 0);
}

#[tokio::test]
async fn parameters_are_rewritten_on_their_way() {
    let bench = Bench::new();
    let rules: Vec<ParameterRule> = serde_json::from_value(json!([{ "default": { "max_tokens": 7 } }])).unwrap();
    let rewriting = RewrittenParameters { rules: ParameterRules::new(rules).unwrap(), context: context() };
    bench.pipeline.registrations().llm.request_intercepts.register(Registration::new("p", 0), Arc::new(rewriting)).unwrap();
    assert_eq!(bench.call("q").await.unwrap()["message"], "limit 7");
}

#[tokio::test]
async fn l2_a_script_answers_and_the_provider_is_not_called() {
    let rules = serde_json::from_value(
        json!([{ "prompt": "hello", "replies": [{ "text": "hi" }, { "error": { "message": "m", "status": 503 } }] }]),
    );
    let script = MockScript::new(MockTable::new(rules.unwrap()).unwrap());
    let bench = Bench::new().wrap(Mocked { script: Arc::new(script), context: context() });
    assert_eq!(bench.call("hello").await.unwrap()["choices"][0]["message"]["content"], "hi");
    assert_eq!(failure_type(&bench.call("hello").await.unwrap_err()), "503");
    assert_eq!(bench.made(), 0);
    bench.call("other").await.unwrap();
    assert_eq!(bench.made(), 1);
}

#[tokio::test]
async fn a6_a_second_identical_call_does_not_reach_the_provider() {
    let policy = CachePolicy { rules: KeyRules::of("n"), ttl_seconds: 60, aliases: Vec::new() };
    let cache = Arc::new(ResponseCache::new(policy, Arc::new(MemoryCache::default())).unwrap());
    let pricing = Arc::new(Pricing::default());
    let bench =
        Bench::new().wrap(Cached { cache, context: context(), pricing, clock: Arc::new(Stopped), chance: Arc::new(|| 0.5) });
    let first = bench.call("q").await.unwrap();
    assert_eq!(bench.call("q").await.unwrap(), first);
    assert_eq!(bench.made(), 1);
}

#[tokio::test]
async fn a8_a_budget_refuses_before_the_call_and_counts_what_it_cost() {
    let ledger = Arc::new(MemoryLedger::default());
    let pricing = Arc::new(Pricing::default());
    let limits =
        BudgetLimits { per_execution: Some(NanoUsd::from_nanos(700_000)), default_max_tokens: 1000, ..BudgetLimits::default() };
    let budget = Budget::new(limits, TokenEstimate::SURE, Arc::clone(&pricing), ledger.clone());
    let bench = Bench::new().wrap(Budgeted::new(budget, pricing, context(), Arc::new(Stopped)));
    assert_eq!(bench.call("q").await.unwrap()["message"], "limit 1000");
    let execution = UsageScope::Execution("e".into());
    assert_eq!(ledger.used(&execution).await.unwrap(), NanoUsd::from_nanos(100 * 150 + 10 * 600));
    ledger.restore(execution, NanoUsd::from_nanos(200_000));
    assert_eq!(failure_type(&bench.call("q").await.unwrap_err()), "budget");
    assert_eq!(bench.made(), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_their_turn() {
    let calls = Some(Quota { amount: 1, per_seconds: 10 });
    let limiter = Arc::new(RateLimiter::new(RateLimits { calls, tokens: None, max_wait_seconds: 15 }));
    let bench = Bench::new().wrap(RateLimitedCalls { limiter, context: context(), clock: Arc::new(Stopped) });
    let start = tokio::time::Instant::now();
    bench.call("q").await.unwrap();
    bench.call("q").await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 10);
    assert_eq!(failure_type(&bench.call("q").await.unwrap_err()), "rate_limited");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_while_it_waits_takes_no_turn() {
    let calls = Some(Quota { amount: 1, per_seconds: 10 });
    let limiter = Arc::new(RateLimiter::new(RateLimits { calls, tokens: None, max_wait_seconds: 15 }));
    let bench = Bench::new().wrap(RateLimitedCalls { limiter, context: context(), clock: Arc::new(Stopped) });
    bench.call("q").await.unwrap();
    for _ in 0..5 {
        assert!(tokio::time::timeout(std::time::Duration::from_secs(1), bench.call("q")).await.is_err());
    }
    bench.call("q").await.unwrap();
    assert_eq!(bench.made(), 2);
}
