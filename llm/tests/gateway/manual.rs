//! Calls that somebody else makes.

use kitaru_llm::codec::Api;
use kitaru_llm::gateway::{CallFailure, SpanEnd};
use kitaru_llm::models::{CallNames, FrozenModels};
use kitaru_llm::price::{CostSource, NanoUsd};
use kitaru_llm::usage::{BillingEffect, TokenCounts};
use serde_json::json;

use crate::bench::*;

async fn span(gateway: &kitaru_llm::gateway::Gateway) -> kitaru_llm::gateway::ManualSpan {
    let call = gateway.plan(request("openai/gpt-4o-mini"), CallNames::new().next(Some("own")).unwrap(), &FrozenModels::default());
    gateway.begin_span(call.unwrap(), place()).await
}

#[tokio::test]
async fn a_call_that_somebody_else_makes_is_recorded_like_one_of_ours() {
    let gateway = gateway(&config());
    let record = span(&gateway).await.end(document(Api::OpenAiChat, "von Hand"), SpanEnd::default()).await;
    let answer = record.outcome.clone().unwrap();
    assert_eq!((answer.text.as_str(), answer.cost_usd), ("von Hand", Some(NanoUsd::from_nanos(PRICE))));
    assert_eq!((record.events.len(), record.usage.len()), (2, 1));
    assert_eq!(record.response, Some(json!("von Hand")));
    assert!(record.prompt.is_some() && record.entry.unwrap()["total_tokens"] == 15);
    let end = record.events.last().unwrap();
    assert_eq!(end.metadata_member("kitaru.llm.manual"), Some(&json!(true)));
}

#[tokio::test]
async fn what_the_caller_says_of_it_counts() {
    let gateway = gateway(&config());
    let end = SpanEnd { tokens: Some(TokenCounts::of(1, 2)), cost: Some(NanoUsd::from_nanos(9)) };
    let record = span(&gateway).await.end(json!("nur Text"), end).await;
    let answer = record.outcome.unwrap();
    assert_eq!((answer.text.as_str(), answer.usage.unwrap().total_tokens), ("nur Text", Some(3)));
    assert_eq!((answer.cost_usd, answer.cost_source), (Some(NanoUsd::from_nanos(9)), Some(CostSource::ProviderReported)));
    assert_eq!(record.response, Some(json!("nur Text")));
}

#[tokio::test]
async fn it_fails_or_is_forgotten_and_ends_once() {
    let gateway = gateway(&config());
    let record = span(&gateway).await.fail("timeout").await;
    assert_eq!(record.outcome.unwrap_err().kind, CallFailure::PROVIDER);
    assert_eq!(record.events.last().unwrap().error_type(), Some("timeout"));
    assert_eq!(record.usage[0].billing_effect, BillingEffect::Unknown);
    let events = watch(&gateway);
    drop(span(&gateway).await);
    let events = events.lock().unwrap();
    assert_eq!((events.len(), events.last().unwrap().error_type()), (2, Some("not_ended")));
}
