//! Calls in each protocol, and what is recorded of them.

use kitaru_llm::codec::Api;
use kitaru_llm::gateway::{CallFailure, CallRequest, FailureOrigin, PlaceOfCheckpoint};
use kitaru_llm::price::{CostSource, NanoUsd};
use kitaru_llm::usage::{BillingEffect, RecordStatus};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::bench::*;
use crate::peer::{Peer, Seen};

fn sent(seen: &Seen) -> Value {
    serde_json::from_slice(&seen.body).unwrap()
}

#[tokio::test]
async fn a10_what_is_recorded_is_what_was_sent_in_each_protocol() {
    let peer = peer("Hallo du").await;
    let gateway = gateway(&config());
    for (position, (api, alias, model)) in MODELS.into_iter().enumerate() {
        let record = ask(&gateway, &models(&peer), CallRequest { max_tokens: Some(20), ..request(alias) }).await;
        let answer = record.outcome.clone().unwrap();
        assert_eq!((answer.text.as_str(), answer.model.as_deref()), ("Hallo du", Some("answering-model")), "{api}");
        let usage = answer.usage.unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.total_tokens), (Some(10), Some(5), Some(15)));

        let seen = &peer.seen()[position];
        let mut recorded = record.events[0].data["content"].clone();
        if api == Api::Gemini {
            // The address has it.
            recorded.as_object_mut().unwrap().shift_remove("model");
        }
        assert_eq!(serde_json::to_vec(&recorded).unwrap(), seen.body, "{api}");

        assert_eq!(record.events.len(), 2, "a start and an end");
        assert_eq!(record.events[0].uuid, record.events[1].uuid);
        assert_eq!(record.selected.as_ref().unwrap().resolved_model, model);
        let entry = record.entry.clone().unwrap();
        assert_eq!((&entry["alias"], &entry["resolved_model"]), (&json!(alias), &json!(model)));
        assert_eq!((&entry["credential_source"], &entry["total_tokens"]), (&json!("environment"), &json!(15)));
        assert_eq!(record.usage.len(), 1);
        assert_eq!(record.usage[0].status, RecordStatus::Completed);
        assert_eq!(record.usage[0].record_id, record.events[0].uuid.to_string());

        let header = seen.headers.iter().any(|(_, value)| value.contains(KEY));
        assert!(header && !all_of(&record).contains(KEY), "{api}");
        assert_eq!(record.response, Some(json!("Hallo du")));
        assert_eq!(record.prompt, Some(json!([{ "role": "user", "content": "Grüße \u{1f980}" }])), "l21");
        assert_eq!(record.policies["sha256"].as_str().unwrap().len(), 64);
    }
}

#[tokio::test]
async fn costs_are_computed_and_records_know_their_place() {
    let peer = peer("a").await;
    let event = Uuid::from_u128(7);
    let mut place = place();
    place.uuid = Some(event);
    place.attempt = 2;
    place.checkpoint = Some(PlaceOfCheckpoint { id: "c1".into(), name: "write".into() });
    let record = ask_at(&gateway(&config()), &models(&peer), request("chat"), place).await;
    let answer = record.outcome.clone().unwrap();
    assert_eq!((answer.cost_usd, answer.cost_source), (Some(NanoUsd::from_nanos(PRICE)), Some(CostSource::Calculator)));
    assert_eq!(record.spent(), NanoUsd::from_nanos(PRICE));
    assert_eq!(record.events[0].uuid, event);
    assert_eq!(record.usage[0].record_id, format!("{event}@2"), "a repeated attempt is another record of the same event");
    assert_eq!(record.usage[0].checkpoint_name.as_deref(), Some("write"));
    let end = record.events.last().unwrap();
    assert_eq!(end.metadata_member("kitaru.llm.cost_usd").and_then(Value::as_f64), Some(NanoUsd::from_nanos(PRICE).as_dollars()));
    assert_eq!(end.metadata_member("server.address"), Some(&json!("127.0.0.1")));
}

/// An attempt that may have been charged, and whose cost nobody knows, stands before the answer: the answer's own cost is not the call's.
#[tokio::test]
async fn a_cost_is_unknown_where_an_attempt_before_the_answer_may_have_been_charged() {
    for stream in [false, true] {
        for lost in [Some(504), None] {
            let peer = Peer::start(move |number, seen| match (number, lost) {
                (0, Some(status)) => Some(crate::peer::answer(status, &[], "")),
                (0, None) => None,
                _ => Some(answer(seen, "a")),
            })
            .await;
            // Short only where the end of it is waited for.
            let first_byte = if lost.is_none() { 1_000 } else { 20_000 };
            let gateway = gateway(&config_of(json!({ "timeouts": { "first_byte_ms": first_byte, "total_ms": 30_000 } })));
            let record = ask(&gateway, &models(&peer), CallRequest { stream, ..request("chat") }).await;
            let told = record.outcome.as_ref().unwrap();
            assert_eq!((told.cost_usd, told.cost_source, peer.seen().len()), (None, None, 2));
            let entry = record.entry.clone().unwrap();
            assert!(!entry.contains_key("cost_usd") && !entry.contains_key("cost_source"), "{entry:?}");
            assert_eq!(record.events.last().unwrap().metadata_member("kitaru.llm.cost_usd").and_then(Value::as_f64), None);
            assert_eq!(record.spent(), NanoUsd::from_nanos(PRICE), "what is known of it");
        }
    }
}

/// An answer that is sent back to be mended was paid for; what became of the repair, nobody knows.
#[tokio::test]
async fn a_cost_is_unknown_where_a_repair_may_have_been_charged() {
    let peer = Peer::start(|number, seen| (number == 0).then(|| answer(seen, "no JSON"))).await;
    let gateway = gateway(&config_of(json!({
        "timeouts": { "first_byte_ms": 1_000, "total_ms": 30_000 }, "retry": { "attempts": 1 }
    })));
    let schema = json!({ "name": "n", "schema": { "type": "object" } });
    let schema = Some(serde_json::from_value(schema).unwrap());
    let record = ask(&gateway, &models(&peer), CallRequest { schema, repairs: 1, ..request("chat") }).await;
    assert_eq!(record.outcome.unwrap_err().kind, CallFailure::TIMEOUT);
    assert!(!record.entry.unwrap().contains_key("cost_usd"));
    assert_eq!(record.events.last().unwrap().metadata_member("kitaru.llm.cost_usd").and_then(Value::as_f64), None);
}

#[tokio::test]
async fn l20_a_key_that_the_provider_echoes_is_redacted() {
    let body = json!({ "error": { "message": format!("Incorrect API key provided: {KEY}."), "code": "invalid_api_key" } });
    let peer = Peer::always(401, &[("content-type", "application/json")], body.to_string()).await;
    let record = ask(&gateway(&config()), &models(&peer), request("chat")).await;
    let failure = record.outcome.clone().unwrap_err();
    assert_eq!((failure.kind, failure.origin), (CallFailure::CREDENTIALS, FailureOrigin::Backend));
    assert!(failure.message.starts_with("kitaru.llm() failed while calling `openai/gpt-4o-mini`: "), "{failure}");
    assert!(failure.message.contains("[redacted]") && !failure.retryable);
    assert!(!all_of(&record).contains(KEY));
    let [usage] = record.usage.as_slice() else { panic!("one attempt") };
    assert_eq!((usage.status, usage.billing_effect), (RecordStatus::Failed, BillingEffect::Incurred));
    assert_eq!(record.events.last().unwrap().error_type(), Some("401"));
    assert_eq!(peer.seen().len(), 1, "another attempt would not help");
}

#[tokio::test]
async fn extra_parameters_and_all_of_a_request_arrive() {
    let peer = peer("a").await;
    let mut request = request("chat");
    request.system = Some("Be brief.".into());
    request.top_p = Some(0.5);
    request.stop = vec!["END".into()];
    request.seed = Some(7);
    request.extra.insert("top_k".into(), json!(5));
    request.correlation = Some("c-1".into());
    request.raw = true;
    let record = ask(&gateway(&config()), &models(&peer), request).await;
    let body = sent(&peer.seen()[0]);
    assert_eq!((&body["top_k"], &body["seed"], &body["stop"]), (&json!(5), &json!(7), &json!(["END"])));
    assert_eq!(body["messages"][0], json!({ "role": "system", "content": "Be brief." }), "l17");
    let answer = record.outcome.unwrap();
    assert_eq!(answer.correlation.as_deref(), Some("c-1"));
    assert_eq!(answer.raw.unwrap()["id"], "id-1");
}

#[tokio::test]
async fn tools_are_offered_and_asked_for() {
    let answer = json!({ "id": "x", "model": "m", "choices": [{ "index": 0, "finish_reason": "tool_calls", "message": {
        "role": "assistant", "content": null,
        "tool_calls": [{ "id": "t1", "type": "function", "function": { "name": "search", "arguments": "{\"q\":\"x\"}" } }]
    } }] });
    let peer = Peer::start(move |_, _| Some(crate::peer::json(&answer))).await;
    let tool = kitaru_llm::chat::Tool::function("search", Some("Finds files".into()), json!({ "type": "object" }));
    let record = ask(&gateway(&config()), &models(&peer), CallRequest { tools: vec![tool], ..request("chat") }).await;
    let answer = record.outcome.unwrap();
    assert_eq!((answer.text.as_str(), answer.tool_calls[0].name.as_str()), ("", "search"));
    assert_eq!(answer.tool_calls[0].arguments, json!({ "q": "x" }));
    assert_eq!(sent(&peer.seen()[0])["tools"][0]["function"]["name"], "search");
    assert_eq!(record.response.unwrap()["tool_calls"][0]["name"], "search");
}

#[tokio::test]
async fn an_answer_without_text_or_tools_is_a_failure() {
    let nothing = json!({ "id": "x", "choices": [{ "index": 0, "message": { "role": "assistant", "content": null }, "finish_reason": "content_filter" }] });
    let peer = Peer::start(move |_, _| Some(crate::peer::json(&nothing))).await;
    let record = ask(&gateway(&config()), &models(&peer), request("chat")).await;
    let failure = record.outcome.unwrap_err();
    assert_eq!((failure.kind, failure.origin), (CallFailure::PROVIDER, FailureOrigin::Runtime));
    assert!(failure.message.contains("content_filter"), "{failure}");
    assert_eq!(record.usage.len(), 1, "it was charged all the same");
}

#[tokio::test]
async fn a12_gen_ai_attributes_count_cached_tokens_as_read() {
    let mut answer = document(Api::AnthropicMessages, "a");
    answer["usage"] =
        json!({ "input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 6, "cache_creation_input_tokens": 1 });
    let peer = Peer::start(move |_, _| Some(crate::peer::json(&answer))).await;
    let record = ask(&gateway(&config()), &models(&peer), request("claude")).await;
    let answer = record.outcome.clone().unwrap();
    assert_eq!(answer.usage.unwrap().input_tokens, Some(17));
    let end = record.events.last().unwrap().profile.as_ref().unwrap().response().unwrap();
    assert_eq!(end.input_tokens(), Some(17));
    assert_eq!(record.usage[0].to_json()["usage"]["raw"]["cache_read_input_tokens"], 6);
    assert_eq!(record.events[0].name, "anthropic");
    assert_eq!(record.events[0].profile.as_ref().unwrap().model_name.as_deref(), Some("claude-haiku-4-5"));
}
