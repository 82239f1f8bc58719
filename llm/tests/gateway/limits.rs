//! Budgets and rates of calls in one piece.

use kitaru_llm::chat::Tool;
use kitaru_llm::codec::Api;
use kitaru_llm::gateway::{CallFailure, CallPlace, CallRequest};
use kitaru_llm::policy::SpendLedger as _;
use kitaru_llm::price::NanoUsd;
use kitaru_llm::usage::UsageScope;
use serde_json::{Value, json};

use crate::bench::*;
use crate::peer::{End, Peer, answer as reply, events};

#[tokio::test]
async fn a8_a_budget_refuses_before_any_byte_is_sent() {
    let peer = peer("a").await;
    for (scope, most) in
        [("per_call", 1e-6), ("per_execution", 1e-6), ("per_flow", 1e-6), ("per_day", 1e-6), ("per_execution", 0.0)]
    {
        let gateway = gateway(&config_of(json!({ "budgets": { scope: most } })));
        let record = ask(&gateway, &models(&peer), request("chat")).await;
        assert_eq!(was_asked(&record), None, "{scope}");
        let failure = record.outcome.clone().unwrap_err();
        assert_eq!((failure.kind, failure.retryable), (CallFailure::BUDGET, false), "{scope}");
        assert!(failure.hint.is_some() && record.usage.is_empty());
        assert_eq!(record.events.last().unwrap().error_type(), Some("budget"));
    }
    assert!(peer.seen().is_empty());
}

#[tokio::test]
async fn a_budget_counts_what_was_spent_and_sets_the_limit_that_it_needs() {
    let peer = peer("a").await;
    let (gateway, ledger) = with_ledger(&config_of(json!({ "budgets": { "per_execution": 0.01, "default_max_tokens": 100 } })));
    let record = ask(&gateway, &models(&peer), request("chat")).await;
    record.outcome.unwrap();
    let execution = UsageScope::Execution("e1".into());
    assert_eq!(ledger.used(&execution).await.unwrap(), NanoUsd::from_nanos(PRICE));
    let body: Value = serde_json::from_slice(&peer.seen()[0].body).unwrap();
    assert_eq!(body["max_tokens"], 100);
    assert_eq!(record.events[0].data["content"], body, "a10: what is recorded has the limit too");
}

#[tokio::test]
async fn a_budget_of_one_execution_counts_where_the_settings_have_none() {
    let peer = peer("a").await;
    let (gateway, ledger) = with_ledger(&config());
    let with = |budget: u64| CallPlace { budget: Some(NanoUsd::from_nanos(budget)), ..place() };
    let failure = ask_at(&gateway, &models(&peer), request("chat"), with(1_000)).await.outcome.unwrap_err();
    assert_eq!((failure.kind, failure.details), (CallFailure::BUDGET, Some(json!({ "budget": "execution" }))));
    assert!(peer.seen().is_empty(), "before a byte is sent");
    ask_at(&gateway, &models(&peer), request("chat"), with(10_000_000)).await.outcome.unwrap();
    let body: Value = serde_json::from_slice(&peer.seen()[0].body).unwrap();
    assert_eq!(body["max_tokens"], 4096, "there has to be a most that it can cost");
    assert_eq!(ledger.used(&UsageScope::Execution("e1".into())).await.unwrap(), NanoUsd::from_nanos(PRICE));

    // Of two limits the lower counts, and a call without any is as it is.
    let strict = with_ledger(&config_of(json!({ "budgets": { "per_execution": 1e-6 } }))).0;
    let failure = ask_at(&strict, &models(&peer), request("chat"), with(10_000_000)).await.outcome.unwrap_err();
    assert_eq!(failure.kind, CallFailure::BUDGET);
    ask(&gateway, &models(&peer), request("chat")).await.outcome.unwrap();
    let body: Value = serde_json::from_slice(&peer.seen()[1].body).unwrap();
    assert!(body.get("max_tokens").is_none(), "{body}");
}

#[tokio::test]
async fn every_attempt_reserves_and_what_was_turned_away_is_given_back() {
    let peer = Peer::start(|number, seen| match number {
        0 | 1 => Some(reply(503, &[], "")),
        _ => Some(answer(seen, "a")),
    })
    .await;
    let (gateway, ledger) = with_ledger(&config_of(json!({ "budgets": { "per_execution": 0.01 } })));
    ask(&gateway, &models(&peer), request("chat")).await.outcome.unwrap();
    assert_eq!(peer.seen().len(), 3);
    assert_eq!(ledger.used(&UsageScope::Execution("e1".into())).await.unwrap(), NanoUsd::from_nanos(PRICE));
}

#[tokio::test]
async fn a_missing_key_spends_nothing() {
    let peer = peer("a").await;
    let (gateway, ledger) = with_ledger(&config_of(json!({ "budgets": { "per_execution": 0.01, "unknown_price": "allow" } })));
    let models = models_of(json!({ "x": { "model": "groq/m", "base_url": peer.url() } }));
    assert_eq!(ask(&gateway, &models, request("x")).await.outcome.unwrap_err().kind, CallFailure::CREDENTIALS);
    assert_eq!(ledger.used(&UsageScope::Execution("e1".into())).await.unwrap(), NanoUsd::ZERO);
}

#[tokio::test]
async fn an_unknown_price_is_refused_where_there_is_a_budget() {
    let peer = peer("a").await;
    let models = models_of(json!({ "x": { "model": "openai/no-such-model", "base_url": peer.url() } }));
    let limited = gateway(&config_of(json!({ "budgets": { "per_day": 1.0 } })));
    let failure = ask(&limited, &models, request("x")).await.outcome.unwrap_err();
    assert!(failure.kind == CallFailure::BUDGET && failure.message.contains("price"), "{failure}");
    let free = ask(&gateway(&config()), &models, request("x")).await;
    assert_eq!(free.outcome.unwrap().cost_usd, None, "unknown stays unknown");
}

#[tokio::test]
async fn a_catalog_of_ones_own_goes_before_the_table() {
    let peer = peer("a").await;
    let gateway = gateway(&config_of(json!({ "prices": { "catalog": { "version": "v", "entries": [
        { "provider": "openai", "model_id": "gpt-4o-mini", "rates": { "input_per_million": 1.0, "output_per_million": 2.0 } }
    ] } } })));
    let record = ask(&gateway, &models(&peer), request("chat")).await;
    assert_eq!(record.outcome.unwrap().cost_usd, Some(NanoUsd::from_nanos(10 * 1_000 + 5 * 2_000)));
    assert_eq!(record.usage[0].cost.source_label.as_deref(), Some("catalog"));
}

#[tokio::test]
async fn rates_limit_calls() {
    let peer = peer("a").await;
    let gateway = gateway(&config_of(json!({ "rates": { "calls": { "amount": 1, "per_seconds": 60 } } })));
    ask(&gateway, &models(&peer), request("chat")).await.outcome.unwrap();
    let failure = ask(&gateway, &models(&peer), request("chat")).await.outcome.unwrap_err();
    assert_eq!((failure.kind, failure.retryable), (CallFailure::RATE_LIMITED, true));
    assert!(failure.details.unwrap()["retry_after_ms"].as_f64().unwrap() > 0.0);
    ask(&gateway, &models(&peer), request("claude")).await.outcome.unwrap();
    assert_eq!(peer.seen().len(), 2);
}

/// A peer that answers so many requests with this status, and then with an answer.
async fn turned_away(times: usize, status: u16) -> Peer {
    Peer::start(move |number, seen| Some(if number < times { reply(status, &[], "") } else { answer(seen, "a") })).await
}

#[tokio::test]
async fn every_attempt_takes_a_turn_of_the_rate() {
    let peer = turned_away(2, 500).await;
    let limited = |amount: u64| gateway(&config_of(json!({ "rates": { "calls": { "amount": amount, "per_seconds": 3600 } } })));
    for stream in [false, true] {
        peer.seen.lock().unwrap().clear();
        let asked = || CallRequest { stream, ..request("chat") };
        let record = ask(&limited(2), &models(&peer), asked()).await;
        let failure = record.outcome.unwrap_err();
        assert_eq!(failure.kind, CallFailure::RATE_LIMITED, "the third attempt has no turn");
        let details = failure.details.unwrap();
        let before = &details["last_error"];
        assert_eq!(
            (&details["attempts"], &before["kind"], &before["details"]["status"]),
            (&json!(2), &json!("provider"), &json!(500))
        );
        assert!(details["retry_after_ms"].is_number(), "{details}");
        assert_eq!(peer.seen().len(), 2);
        peer.seen.lock().unwrap().clear();
        ask(&limited(3), &models(&peer), asked()).await.outcome.unwrap();
        assert_eq!(peer.seen().len(), 3);
    }
}

#[tokio::test]
async fn a_fallback_takes_a_turn_of_its_own_model() {
    let (first, second) = (turned_away(usize::MAX, 404).await, peer("a").await);
    let models = models_of(json!({
        "fast": { "model": "openai/gpt-4o-mini", "base_url": first.url(), "fallbacks": ["spare"] },
        "spare": { "model": "anthropic/claude-haiku-4-5", "base_url": second.url() },
    }));
    let gateway = gateway(&config_of(json!({ "rates": { "calls": { "amount": 1, "per_seconds": 3600 } } })));
    ask(&gateway, &models, request("fast")).await.outcome.unwrap();
    for (alias, peer) in [("spare", &second), ("fast", &first)] {
        let failure = ask(&gateway, &models, request(alias)).await.outcome.unwrap_err();
        assert_eq!((failure.kind, peer.seen().len()), (CallFailure::RATE_LIMITED, 1), "{alias}");
    }
}

#[tokio::test]
async fn what_was_turned_away_or_never_sent_takes_no_tokens_of_the_rate() {
    let rates = json!({ "tokens": { "amount": 1000, "per_seconds": 3600 } });
    let asked = || CallRequest { max_tokens: Some(900), ..request("chat") };
    let once = json!({ "attempts": 1 });
    for stream in [false, true] {
        let peer = turned_away(1, 500).await;
        let gateway = gateway(&config_of(json!({ "rates": rates, "retry": once })));
        let asked = || CallRequest { stream, ..asked() };
        assert_ne!(ask(&gateway, &models(&peer), asked()).await.outcome.unwrap_err().kind, CallFailure::RATE_LIMITED);
        ask(&gateway, &models(&peer), asked()).await.outcome.unwrap();
    }
    // No budget has room for the first, and nothing was sent; the second is cheaper.
    let peer = peer("a").await;
    let limited = json!({ "tokens": { "amount": 1000, "per_seconds": 3600 }, "calls": { "amount": 1, "per_seconds": 3600 } });
    let gateway = gateway(&config_of(json!({ "rates": limited, "retry": once, "budgets": { "per_call": 0.0003 } })));
    assert_eq!(ask(&gateway, &models(&peer), asked()).await.outcome.unwrap_err().kind, CallFailure::BUDGET);
    ask(&gateway, &models(&peer), CallRequest { max_tokens: Some(10), ..asked() }).await.outcome.unwrap();
    // What may have been charged keeps what it was taken to need.
    let lost = turned_away(1, 504).await;
    let gateway = crate::bench::gateway(&config_of(json!({ "rates": rates, "retry": once })));
    assert_ne!(ask(&gateway, &models(&lost), asked()).await.outcome.unwrap_err().kind, CallFailure::RATE_LIMITED);
    assert_eq!(ask(&gateway, &models(&lost), asked()).await.outcome.unwrap_err().kind, CallFailure::RATE_LIMITED);
}

/// What a provider searches by itself is read and charged for, and stands in no request.
#[tokio::test]
async fn tools_of_the_providers_own_are_refused_where_there_is_a_budget() {
    let peer = peer("a").await;
    let tool: Tool = serde_json::from_value(json!({ "type": "web_search_20250305", "name": "web_search" })).unwrap();
    let searching = || CallRequest { tools: vec![tool.clone()], ..request("claude") };
    let online = || {
        let mut online = request("chat");
        online.extra.insert("web_search_options".into(), json!({}));
        online
    };
    let kept = || {
        let mut kept = request("chat");
        kept.extra.insert("extra_body".into(), json!({ "google": { "cached_content": "c" } }));
        kept
    };
    let strict = gateway(&config_of(json!({ "budgets": { "per_day": 1.0 } })));
    let keys = ["`tools`", "`web_search_options`", "`extra_body.google.cached_content`"];
    for (asked, key) in [searching(), online(), kept()].into_iter().zip(keys) {
        let failure = ask(&strict, &models(&peer), asked).await.outcome.unwrap_err();
        assert!(failure.kind == CallFailure::BUDGET && failure.message.contains(key), "{failure}");
        assert!(failure.hint.is_some_and(|hint| hint.contains("unknown_price")));
    }
    assert!(peer.seen().is_empty(), "before a byte is sent");
    let lenient = gateway(&config_of(json!({ "budgets": { "per_day": 1.0, "unknown_price": "allow" } })));
    for gateway in [&lenient, &gateway(&config())] {
        ask(gateway, &models(&peer), searching()).await.outcome.unwrap();
        ask(gateway, &models(&peer), online()).await.outcome.unwrap();
    }
}

#[tokio::test]
async fn what_the_providers_own_tools_cost_is_unknown_unless_it_says_so() {
    for (uses, reported) in [(false, None), (true, None), (true, Some(0.25))] {
        let mut searched = document(Api::AnthropicMessages, "a");
        if uses {
            let block = json!({ "type": "server_tool_use", "id": "s", "name": "web_search", "input": { "query": "q" } });
            searched["content"].as_array_mut().unwrap().insert(0, block);
            searched["usage"]["server_tool_use"] = json!({ "web_search_requests": 1 });
        }
        if let Some(dollars) = reported {
            searched["usage"]["cost"] = json!(dollars);
        }
        let peer = Peer::start(move |_, _| Some(crate::peer::json(&searched))).await;
        let record = ask(&gateway(&config()), &models(&peer), request("claude")).await;
        let told = record.outcome.unwrap().cost_usd;
        assert_eq!(told, record.usage[0].cost.amount);
        match reported {
            Some(_) => assert_eq!(told, Some(NanoUsd::from_nanos(250_000_000))),
            None => assert_eq!(told.is_some(), !uses, "{told:?}"),
        }
    }
}

/// What an answer shows of tools: in each protocol once of one that the provider ran, and once of one that it left to the caller.
fn with_tools(api: Api, by_provider: bool) -> Value {
    let mut document = document(api, "a");
    match (api, by_provider) {
        (Api::OpenAiChat, true) => {
            let found = json!([{ "type": "url_citation", "url_citation": { "url": "https://example.org" } }]);
            document["choices"][0]["message"]["annotations"] = found;
        }
        (Api::OpenAiChat, false) => document["choices"][0]["message"]["annotations"] = json!([]),
        (Api::OpenAiResponses, _) => {
            let kind = if by_provider { "web_search_call" } else { "shell_call" };
            let call = json!({ "type": kind, "id": "w", "call_id": "w", "status": "completed" });
            document["output"].as_array_mut().unwrap().insert(0, call);
        }
        (Api::AnthropicMessages, _) => {
            let kind = if by_provider { "server_tool_use" } else { "tool_use" };
            let block = json!({ "type": kind, "id": "s", "name": "bash", "input": { "command": "ls" } });
            document["content"].as_array_mut().unwrap().insert(0, block);
        }
        (Api::Gemini, _) => {
            let queries = if by_provider { json!({ "webSearchQueries": ["q"] }) } else { json!({}) };
            document["candidates"][0]["groundingMetadata"] = queries;
        }
    }
    document
}

#[tokio::test]
async fn tools_of_the_providers_own_make_a_cost_unknown_in_each_protocol() {
    for (api, alias, _) in MODELS {
        for (by_provider, stream) in [(true, false), (true, true), (false, false), (false, true)] {
            let document = with_tools(api, by_provider);
            let peer = Peer::start(move |_, seen| {
                let (api, streams) = asked(seen);
                Some(if streams { events(wire(api, &document), End::Clean) } else { crate::peer::json(&document) })
            })
            .await;
            let record = ask(&gateway(&config()), &models(&peer), CallRequest { stream, ..request(alias) }).await;
            let told = record.outcome.unwrap().cost_usd;
            assert_eq!(told.is_some(), !by_provider, "{api}, streamed: {stream}: {told:?}");
            assert_eq!(told, record.usage[0].cost.amount);
        }
    }
}
