//! Mocks, the cache, guardrails, and what is hidden in records.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kitaru_llm::chat::RawRequest;
use kitaru_llm::gateway::{CallFailure, CallRequest, Gateway, GatewayConfig, Services};
use kitaru_llm::models::{CallNames, FrozenModels};
use kitaru_llm::pipeline::{CallInfo, Cause, FromFn, Registration};
use kitaru_llm::price::NanoUsd;
use kitaru_llm::usage::{BillingEffect, CacheStatus};
use serde_json::{Value, json};

use crate::bench::*;

fn cached() -> GatewayConfig {
    config_of(json!({ "cache": { "rules": { "namespace": "n" } } }))
}

#[tokio::test]
async fn a6_a_second_identical_call_asks_nobody_and_costs_nothing() {
    for (api, alias, _) in MODELS {
        let peer = peer("Gefragt und gleich noch einmal gefragt, aber nur einmal bezahlt.").await;
        let (gateway, models) = (gateway(&cached()), models(&peer));
        let first = ask(&gateway, &models, request(alias)).await;
        let second = ask(&gateway, &models, request(alias)).await;
        let mut stream = open(&gateway, &models, request(alias)).await.unwrap();
        let mut pieces = 0;
        while let Some(piece) = stream.next().await {
            piece.unwrap();
            pieces += 1;
        }
        let third = stream.finish().await;
        assert_eq!(peer.seen().len(), 1, "{api}");
        assert!(pieces > 1, "a hit comes in pieces too");
        assert_eq!(was_asked(&first), Some(true));
        let cost = first.outcome.clone().unwrap().cost_usd;
        for hit in [second, third] {
            let answer = hit.outcome.clone().unwrap();
            assert_eq!((answer.text, answer.cached), (first.outcome.clone().unwrap().text, true));
            assert_eq!((answer.cost_usd, hit.spent()), (Some(NanoUsd::ZERO), NanoUsd::ZERO));
            let [usage] = hit.usage.as_slice() else { panic!("one record") };
            assert_eq!(
                (usage.billing_effect, usage.cache_status),
                (BillingEffect::ReusedNotIncurred, CacheStatus::ResponseCacheHit)
            );
            assert_eq!(usage.saved, cost);
            assert!(marks(&hit).contains(&"response_cache".to_owned()));
            assert_eq!(hit.events.last().unwrap().metadata_member("kitaru.llm.cache"), Some(&json!("hit")));
            assert_eq!(was_asked(&hit), None);
        }
    }
}

#[tokio::test]
async fn a6_a_completed_stream_fills_the_cache() {
    let peer = peer("Ein Satz.").await;
    let (gateway, models) = (gateway(&cached()), models(&peer));
    ask(&gateway, &models, CallRequest { stream: true, ..request("chat") }).await.outcome.unwrap();
    let hit = ask(&gateway, &models, request("chat")).await.outcome.unwrap();
    assert!(hit.cached && hit.text == "Ein Satz.");
    let other = ask(&gateway, &models, CallRequest { temperature: None, ..request("chat") }).await.outcome.unwrap();
    assert!(!other.cached, "what may be another answer every time is asked for");
    assert_eq!(peer.seen().len(), 2);
}

fn scripted(mocks: Value) -> Gateway {
    let services = Services::local(Arc::new(std::collections::BTreeMap::new()));
    Gateway::new(&config_of(json!({ "mocks": mocks })), services).unwrap()
}

#[tokio::test]
async fn a4_a_script_answers_between_a_start_and_an_end() {
    let gateway =
        scripted(json!([{ "replies": [{ "text": "scripted", "tokens_input": 3, "tokens_output": 4, "cost_usd": 0.5 }] }]));
    let models = FrozenModels::default();
    for stream in [false, true] {
        let record = ask(&gateway, &models, CallRequest { stream, ..request("openai/gpt-4o-mini") }).await;
        let answer = record.outcome.clone().unwrap();
        assert_eq!((answer.text.as_str(), answer.cost_usd), ("scripted", Some(NanoUsd::from_nanos(500_000_000))));
        assert_eq!(answer.usage.unwrap().total_tokens, Some(7));
        let scopes: Vec<_> = record.events.iter().filter(|event| !event.is_mark()).collect();
        assert!(scopes.len() == 2 && scopes[0].is_start() && scopes[1].is_end());
        assert_eq!(record.events.last().unwrap().metadata_member("kitaru.llm.mock"), Some(&json!(true)));
        assert_eq!(was_asked(&record), None);
        assert_eq!(record.entry.unwrap()["credential_source"], "environment");
    }
}

#[tokio::test]
async fn scripts_know_names_fail_and_take_their_time() {
    let gateway = scripted(json!([
        { "name": "slow", "replies": [{ "text": "at last", "delay_ms": 60 }] },
        { "name": "broken", "replies": [{ "error": { "message": "down", "status": 503 } }, { "error": { "message": "slower", "status": 429 } }], "then": "fail" },
        { "model": "openai/*", "prompt": "Gr.+e", "replies": [{ "json": { "a": 1 } }] },
    ]));
    let models = FrozenModels::default();
    let named = |name: &str| CallRequest { name: Some(name.into()), ..request("openai/m") };
    let before = Instant::now();
    let slow = ask(&gateway, &models, named("slow")).await;
    assert!(before.elapsed() >= Duration::from_millis(60));
    assert_eq!(slow.entry.unwrap()["latency_ms"], 60.0);
    let failure = ask(&gateway, &models, named("broken")).await.outcome.unwrap_err();
    assert_eq!((failure.kind, failure.retryable), (CallFailure::PROVIDER, true));
    let failure = ask(&gateway, &models, CallRequest { stream: true, ..named("broken") }).await.outcome.unwrap_err();
    assert_eq!(failure.kind, CallFailure::RATE_LIMITED);
    assert_eq!(ask(&gateway, &models, named("broken")).await.outcome.unwrap_err().kind, CallFailure::MOCK);
    assert_eq!(ask(&gateway, &models, named("other")).await.outcome.unwrap().text, r#"{"a":1}"#);
    // Nobody scripted this model, and nobody has its key.
    assert_eq!(ask(&gateway, &models, request("anthropic/m")).await.outcome.unwrap_err().kind, CallFailure::CREDENTIALS);
    assert_eq!(ask(&gateway, &models, request("nobody/m")).await.outcome.unwrap_err().kind, CallFailure::USAGE, "l14");
}

#[tokio::test]
async fn a_guardrail_rejects_before_there_is_a_call() {
    let peer = peer("a").await;
    let config = config_of(json!({ "allow": ["openai/*"], "deny": ["openai/gpt-5*"], "size": { "max_messages": 1 } }));
    let gateway = gateway(&config);
    let models = models(&peer);
    let record = ask(&gateway, &models, request("claude")).await;
    let failure = record.outcome.clone().unwrap_err();
    assert_eq!(failure.kind, CallFailure::GUARDRAIL_REJECTED);
    assert_eq!(failure.message, "guardrail rejected: model `anthropic/claude-haiku-4-5` is not allowed here");
    assert_eq!(failure.details, Some(json!({ "guardrail": "kitaru.models" })));
    assert_eq!(record.events.len(), 3, "a guardrail's scope and a mark: {}", lines(&record.events));
    assert!(record.response.is_none() && record.prompt.is_some());
    let long = CallRequest { system: Some("s".into()), ..request("chat") };
    let name = CallNames::new().next(None).unwrap();
    let call = gateway.plan(long, name, &models).unwrap();
    let failure = gateway.check(&call, &place()).await.unwrap_err();
    assert!(failure.message.contains("2 messages"), "{failure}");
    assert!(ask(&gateway, &models, request("chat")).await.outcome.is_ok());
    assert_eq!(peer.seen().len(), 1);
}

#[tokio::test]
async fn parameter_rules_change_what_is_sent_and_satisfy_the_limits() {
    let peer = peer("a").await;
    let config = config_of(json!({
        "parameters": [{ "models": ["openai/*"], "default": { "max_tokens": 50 }, "set": { "temperature": 0.5 } }],
        "size": { "max_output_tokens": 60 },
    }));
    ask(&gateway(&config), &models(&peer), request("chat")).await.outcome.unwrap();
    let body: Value = serde_json::from_slice(&peer.seen()[0].body).unwrap();
    assert_eq!((&body["max_tokens"], &body["temperature"]), (&json!(50), &json!(0.5)));
}

#[tokio::test]
async fn a2_what_is_redacted_is_in_no_record() {
    for stream in [false, true] {
        let peer = peer("Mail an anna@example.org schicken, bitte sehr bald.").await;
        let gateway = gateway(&config_of(json!({
            "redact": { "personal": ["email", "ssn"], "patterns": [{ "pattern": "geheim" }] }
        })));
        let prompt = CallRequest { stream, ..CallRequest::text("geheim 123-45-6789").with_model("chat") };
        let record = ask(&gateway, &models(&peer), prompt).await;
        assert!(record.outcome.clone().unwrap().text.contains("anna@example.org"), "the author gets the original");
        let kept = format!("{} {:?} {:?}", lines(&record.events), record.prompt, record.response);
        for secret in ["anna@example.org", "123-45-6789", "geheim"] {
            assert!(!kept.contains(secret), "{secret} in {kept}");
        }
        assert_eq!(record.prompt.unwrap()[0]["content"], "[redacted] [ssn]");
        assert!(record.response.unwrap().as_str().unwrap().contains("[email]"));
        let body = String::from_utf8(peer.seen()[0].body.to_vec()).unwrap();
        assert!(body.contains("123-45-6789"), "and so does the provider");
    }
}

#[tokio::test]
async fn a_sanitiser_that_fails_leaves_everything_out() {
    let peer = peer("antwort").await;
    let gateway = gateway(&config());
    let hooks = &gateway.pipeline().registrations().llm;
    let of_requests = FromFn(|_: &CallInfo, _: RawRequest| -> Result<Option<RawRequest>, Cause> { Err("broken".into()) });
    hooks.request_sanitizers.register(Registration::new("own", 500), Arc::new(of_requests)).unwrap();
    let of_responses = FromFn(|_: &CallInfo, _: Value| -> Result<Option<Value>, Cause> { Err("broken".into()) });
    hooks.response_sanitizers.register(Registration::new("own", 500).version("7"), Arc::new(of_responses)).unwrap();
    let record = ask(&gateway, &models(&peer), request("chat")).await;
    assert_eq!(record.outcome.unwrap().text, "antwort");
    assert_eq!((record.prompt, record.response), (None, None));
    assert!(!lines(&record.events).contains("antwort"));
    let listed = record.policies["response_sanitizers"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(listed, json!({ "name": "own", "version": "7" }));
}

#[tokio::test]
async fn policies_are_recorded_in_their_order_and_have_one_digest() {
    let peer = peer("a").await;
    let config = config_of(json!({ "mocks": [{ "name": "x", "replies": [{ "text": "" }] }], "budgets": { "per_day": 1.0 } }));
    let first = ask(&gateway(&config), &models(&peer), request("chat")).await.policies;
    let again = ask(&gateway(&config), &models(&peer), request("chat")).await.policies;
    assert_eq!(first, again);
    let names: Vec<_> = first["execution_intercepts"].as_array().unwrap().iter().map(|entry| entry["name"].clone()).collect();
    assert_eq!(names, ["kitaru.schema", "kitaru.mock", "kitaru.retry", "kitaru.budget"]);
    let other = ask(&gateway(&crate::bench::config()), &models(&peer), request("chat")).await.policies;
    assert_ne!(first["sha256"], other["sha256"]);
}

#[tokio::test]
async fn private_addresses_can_be_refused() {
    let peer = peer("a").await;
    let gateway = gateway(&config_of(json!({ "private_addresses": false })));
    let failure = ask(&gateway, &models(&peer), request("chat")).await.outcome.unwrap_err();
    assert!(failure.message.contains("llm.private_addresses"), "{failure}");
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = peer("a").await;
    let to: &'static str = Box::leak(target.url().into_boxed_str());
    let peer = crate::peer::Peer::start(move |_, _| Some(crate::peer::answer(302, &[("location", to)], ""))).await;
    let failure = ask(&gateway(&config()), &models(&peer), request("chat")).await.outcome.unwrap_err();
    assert!(failure.message.contains("redirect") && target.seen().is_empty(), "{failure}");
}
