//! Answers in pieces.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kitaru_llm::event::otel::TIME_TO_FIRST_CHUNK;
use kitaru_llm::gateway::{CallFailure, CallRecord, CallRequest, GatewayConfig};
use kitaru_llm::policy::SpendLedger as _;
use kitaru_llm::price::NanoUsd;
use kitaru_llm::usage::{BillingEffect, RecordStatus, UsageScope};
use serde_json::{Value, json};

use crate::bench::*;
use crate::peer::{End, Peer, answer as reply, events};

const TEXT: &str = "Ein langer Satz, der in vielen kleinen Stücken ankommt, weil er so lang ist.";

#[tokio::test]
async fn a11_a_stream_makes_the_same_answer_as_one_piece_in_each_protocol() {
    let peer = peer(TEXT).await;
    let gateway = gateway(&config());
    for (api, alias, _) in MODELS {
        let whole = ask(&gateway, &models(&peer), request(alias)).await.outcome.unwrap();
        let mut stream = open(&gateway, &models(&peer), request(alias)).await.unwrap();
        let mut pieces = Vec::new();
        while let Some(piece) = stream.next().await {
            pieces.push(piece.unwrap());
        }
        assert!(pieces.len() > 2, "{api}");
        let record = stream.finish().await;
        let streamed = record.outcome.clone().unwrap();
        assert_eq!(streamed.text_pieces(), pieces, "{api}");
        assert_eq!(kitaru_llm::gateway::Answer { pieces: Vec::new(), ..streamed.clone() }, whole, "{api}");
        let drained = ask(&gateway, &models(&peer), CallRequest { stream: true, ..request(alias) }).await;
        assert_eq!(drained.outcome.unwrap(), streamed, "{api}");

        let seen = peer.seen();
        let mut recorded = record.events[0].data["content"].clone();
        if api == kitaru_llm::codec::Api::Gemini {
            // The address says both.
            recorded.as_object_mut().unwrap().shift_remove("model");
            recorded.as_object_mut().unwrap().shift_remove("stream");
        }
        assert_eq!(serde_json::to_vec(&recorded).unwrap(), seen[seen.len() - 2].body, "a10 {api}");
        assert_eq!(record.events.iter().filter(|event| event.is_end()).count(), 1);
        assert!(marks(&record).iter().filter(|name| *name == "llm.chunk").count() >= pieces.len());
        assert_eq!((record.usage.len(), record.usage[0].tokens.total), (1, Some(15)), "{api}");
        assert!(!all_of(&record).contains(KEY));
        assert_eq!(record.response, Some(json!(TEXT)));
    }
}

#[tokio::test]
async fn chunk_marks_can_be_left_out() {
    let peer = peer(TEXT).await;
    let gateway = gateway(&GatewayConfig { chunk_marks: false, ..config() });
    let record = ask(&gateway, &models(&peer), CallRequest { stream: true, ..request("chat") }).await;
    assert_eq!(record.events.len(), 2);
}

/// It ends when the chunk is there, whenever somebody takes it.
#[tokio::test]
async fn the_time_to_the_first_chunk_is_that_of_its_arrival() {
    let peer = peer(TEXT).await;
    let gateway = gateway(&GatewayConfig { chunk_marks: false, ..config() });
    let said = |record: &CallRecord| {
        let end = record.events.iter().find(|event| event.is_end()).expect("an end");
        end.metadata_member(TIME_TO_FIRST_CHUNK).and_then(Value::as_f64)
    };
    let began = Instant::now();
    let stream = open(&gateway, &models(&peer), request("chat")).await.unwrap();
    let opened = began.elapsed();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let took = said(&stream.finish().await).expect("of a stream");
    assert!(took > 0.0 && took <= opened.as_secs_f64(), "{took} s, and it was open after {opened:?}");
    assert_eq!(said(&ask(&gateway, &models(&peer), request("chat")).await), None, "nothing comes in chunks");
}

#[tokio::test]
async fn nothing_is_repeated_once_a_chunk_was_delivered() {
    let peer = Peer::start(|_, seen| {
        let (api, _) = asked(seen);
        let mut pieces = wire(api, &document(api, TEXT));
        pieces.truncate(3);
        Some(events(pieces, End::Cut))
    })
    .await;
    let gateway = gateway(&config());
    let mut stream = open(&gateway, &models(&peer), request("chat")).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    let mut last = None;
    while let Some(piece) = stream.next().await {
        last = Some(piece);
    }
    assert_eq!(last.unwrap().unwrap_err().kind, CallFailure::PROVIDER);
    let record = stream.finish().await;
    let failure = record.outcome.clone().unwrap_err();
    assert!(failure.retryable && failure.message.contains("ended its answer early"), "{failure}");
    assert_eq!(peer.seen().len(), 1);
    let [usage] = record.usage.as_slice() else { panic!("one attempt") };
    assert_eq!((usage.status, usage.billing_effect), (RecordStatus::Failed, BillingEffect::Unknown));
    let ends: Vec<_> = record.events.iter().filter(|event| event.is_end()).collect();
    assert_eq!((ends.len(), ends[0].error_type()), (1, Some("cut_off")));
    assert!(TEXT.starts_with(record.response.unwrap().as_str().unwrap()), "what came is recorded");
}

#[tokio::test]
async fn before_the_first_chunk_a_stream_is_opened_again() {
    let peer = Peer::start(|number, seen| match number {
        0 => Some(reply(503, &[], "")),
        1 => Some(events(vec![": nothing yet\n\n".into()], End::Clean)),
        _ => Some(answer(seen, TEXT)),
    })
    .await;
    let record = ask(&gateway(&config()), &models(&peer), CallRequest { stream: true, ..request("chat") }).await;
    assert_eq!(record.outcome.clone().unwrap().text, TEXT);
    assert_eq!(peer.seen().len(), 3);
    assert_eq!(record.usage.len(), 3);
    assert_eq!(record.usage.iter().filter(|usage| usage.status == RecordStatus::Completed).count(), 1);
    assert_eq!(marks(&record).iter().filter(|name| *name == "llm.retry").count(), 2);
}

fn limited(per_execution: f64) -> GatewayConfig {
    config_of(json!({ "budgets": { "per_execution": per_execution, "default_max_tokens": 100 } }))
}

#[tokio::test]
async fn a8_a_budget_refuses_a_stream_before_a_byte_is_sent_and_settles_what_it_cost() {
    let peer = peer(TEXT).await;
    let refused = open(&gateway(&limited(1e-9)), &models(&peer), request("chat")).await.unwrap_err();
    let failure = refused.outcome.unwrap_err();
    assert_eq!((failure.kind, failure.retryable), (CallFailure::BUDGET, false));
    assert!(peer.seen().is_empty() && refused.usage.is_empty());

    let (gateway, ledger) = with_ledger(&limited(1.0));
    open(&gateway, &models(&peer), request("chat")).await.unwrap().finish().await.outcome.unwrap();
    assert_eq!(ledger.used(&UsageScope::Execution("e1".into())).await.unwrap(), NanoUsd::from_nanos(PRICE));
}

#[tokio::test]
async fn a5_a_stream_that_is_dropped_ends_once_and_its_reservation_stays_spent() {
    let peer = Peer::start(|_, seen| {
        let (api, _) = asked(seen);
        let mut pieces = wire(api, &document(api, TEXT));
        pieces.truncate(3);
        Some(events(pieces, End::Hang))
    })
    .await;
    let (gateway, ledger) = with_ledger(&limited(1.0));
    let events = watch(&gateway);
    let mut stream = open(&gateway, &models(&peer), request("chat")).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    let seen = events.lock().unwrap().clone();
    let ends: Vec<_> = seen.iter().filter(|event| event.is_end()).collect();
    assert_eq!(ends.len(), 1);
    assert_eq!(ends[0].metadata_member("kitaru.llm.stream"), Some(&json!("closed_early")));
    let spent = ledger.used(&UsageScope::Execution("e1".into())).await.unwrap();
    assert!(spent > NanoUsd::from_nanos(PRICE), "{spent}");
}

#[tokio::test]
async fn a_stream_is_aborted_for_a_reason() {
    let peer = Peer::start(|_, seen| {
        let (api, _) = asked(seen);
        let mut pieces = wire(api, &document(api, TEXT));
        pieces.truncate(3);
        Some(events(pieces, End::Hang))
    })
    .await;
    let gateway = gateway(&config());
    let mut stream = open(&gateway, &models(&peer), request("claude")).await.unwrap();
    stream.next().await.unwrap().unwrap();
    let record = stream.abort("the reader had enough").await;
    let failure = record.outcome.clone().unwrap_err();
    assert_eq!(failure.kind, CallFailure::CANCELLED);
    assert!(failure.message.ends_with("the reader had enough"));
    assert_eq!(record.events.iter().filter(|event| event.is_end()).count(), 1);
    assert_eq!(record.events.last().unwrap().error_type(), Some("aborted"));
    assert_eq!(record.usage[0].billing_effect, BillingEffect::Unknown);
}

#[tokio::test]
async fn a_stream_waits_for_the_rate_and_is_refused_where_it_may_not() {
    let peer = peer(TEXT).await;
    let gateway = gateway(&config_of(json!({ "rates": { "calls": { "amount": 1, "per_seconds": 60 } } })));
    open(&gateway, &models(&peer), request("chat")).await.unwrap().finish().await.outcome.unwrap();
    let failure = open(&gateway, &models(&peer), request("chat")).await.unwrap_err().outcome.unwrap_err();
    assert_eq!((failure.kind, failure.retryable), (CallFailure::RATE_LIMITED, true));
    assert_eq!(peer.seen().len(), 1);
}

#[tokio::test]
async fn a_provider_that_hangs_is_a_timeout() {
    let peer = Peer::start(|_, _| None).await;
    let gateway = gateway(&config_of(json!({
        "timeouts": { "first_byte_ms": 50, "total_ms": 200 }, "retry": { "attempts": 1 }
    })));
    let models = Arc::new(models(&peer));
    let work = async {
        let whole = ask(&gateway, &models, request("chat")).await.outcome.unwrap_err();
        let stream = open(&gateway, &models, request("chat")).await.unwrap_err().outcome.unwrap_err();
        (whole.kind, stream.kind)
    };
    let kinds = tokio::time::timeout(Duration::from_secs(10), work).await.unwrap();
    assert_eq!(kinds, (CallFailure::TIMEOUT, CallFailure::TIMEOUT));
}

/// Each event is without it, and what they make together is not: a chunk that calls itself an event of another protocol, a thought where there are none.
#[tokio::test]
async fn a_key_that_only_the_whole_answer_has_is_in_no_record() {
    let (first, second) = KEY.split_at(6);
    let chunk = |more: Value, delta: Value| {
        let mut chunk = json!({ "id": "c", "model": "m", "choices": [{ "index": 0, "delta": delta }] });
        chunk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        chunk
    };
    let text = |piece: &str| json!({ "content": piece });
    let thought = |piece: &str| json!({ "content": piece, "thought": true });
    // Nor what is put together and given to nobody.
    let unread = |piece: &str, more: Value| {
        let mut delta = json!({ "content": "x", "reasoning_content": piece });
        delta.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        delta
    };
    let pairs = [
        ([chunk(json!({}), text(first)), chunk(json!({ "type": "response.x" }), text(second))], "[redacted]"),
        ([chunk(json!({}), text(first)), chunk(json!({}), thought(second))], "[redacted]"),
        ([chunk(json!({}), unread(first, json!({}))), chunk(json!({}), unread(second, json!({ "thought": true })))], "xx"),
    ];
    for ([one, other], said) in pairs {
        let end = json!({ "id": "c", "model": "m", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
        let wire: Vec<String> = [&one, &other, &end].map(|event| format!("data: {event}\n\n")).to_vec();
        let peer = Peer::start(move |_, _| Some(events(wire.clone(), End::Clean))).await;
        let gateway = gateway(&config_of(json!({ "cache": { "rules": { "namespace": "n" } } })));
        for _ in 0..2 {
            let record = ask(&gateway, &models(&peer), CallRequest { stream: true, ..request("chat") }).await;
            let answer = record.outcome.clone().unwrap();
            assert!(!answer.cached && answer.text == said, "{}", answer.text);
            assert!(!all_of(&record).contains(KEY), "{}", all_of(&record));
        }
    }
}
