//! Answers that fit a schema, and answers that are mended.

use kitaru_llm::chat::JsonSchemaFormat;
use kitaru_llm::gateway::{CallFailure, CallRequest};
use kitaru_llm::usage::UsageSummary;
use serde_json::{Value, json};

use crate::bench::*;
use crate::peer::Peer;

fn structured(alias: &str, repairs: u32) -> CallRequest {
    let schema = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
    let schema = JsonSchemaFormat { name: "count".into(), description: None, schema, strict: Some(true) };
    CallRequest { schema: Some(schema), repairs, ..request(alias) }
}

async fn peer_of(answers: &'static [&'static str]) -> Peer {
    Peer::start(move |number, seen| Some(answer(seen, answers[number.min(answers.len() - 1)]))).await
}

#[tokio::test]
async fn an_answer_that_fits_has_a_value_in_each_protocol() {
    for (api, alias, _) in MODELS {
        let peer = peer_of(&[r#"{"n": 3}"#]).await;
        for stream in [false, true] {
            let asked = CallRequest { stream, ..structured(alias, 0) };
            let record = ask(&gateway(&config()), &models(&peer), asked).await;
            assert_eq!(record.outcome.unwrap().value, Some(json!({ "n": 3 })), "{api}");
            assert_eq!(record.response, Some(json!({ "n": 3 })), "{api}");
        }
        let body = String::from_utf8(peer.seen()[0].body.to_vec()).unwrap();
        assert!(body.contains(r#""required":["n"]"#), "{api}: the provider is told");
    }
}

#[tokio::test]
async fn a_faulty_answer_is_sent_back_with_what_is_wrong() {
    let peer = peer_of(&["drei", r#"{"n": "drei"}"#, r#"{"n": 3}"#]).await;
    let record = ask(&gateway(&config()), &models(&peer), structured("chat", 2)).await;
    let answer = record.outcome.clone().unwrap();
    assert_eq!(answer.value, Some(json!({ "n": 3 })));
    assert_eq!(answer.usage.unwrap().total_tokens, Some(45), "all three count");
    let summary = UsageSummary::of(&record.usage);
    assert_eq!((summary.usage_record_count, summary.display_cost_usd.as_nanos()), (3, 3 * PRICE));
    assert_eq!(answer.cost_usd.unwrap().as_nanos(), 3 * PRICE);
    assert_eq!(marks(&record), ["llm.repair", "llm.repair"]);
    let last: Value = serde_json::from_slice(&peer.seen()[2].body).unwrap();
    let messages = last["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 5);
    assert_eq!(messages[1], json!({ "role": "assistant", "content": "drei" }));
    assert!(messages[4]["content"].as_str().unwrap().contains("/n"));
    assert_eq!(record.prompt.unwrap().as_array().unwrap().len(), 1, "the prompt is the author's");
}

#[tokio::test]
async fn an_answer_that_cannot_be_mended_is_a_failure() {
    let peer = peer_of(&["drei"]).await;
    let record = ask(&gateway(&config()), &models(&peer), structured("claude", 1)).await;
    let failure = record.outcome.clone().unwrap_err();
    assert_eq!((failure.kind, peer.seen().len(), record.usage.len()), (CallFailure::SCHEMA, 2, 2));
    assert!(failure.message.contains("after one repair"), "{failure}");
    assert_eq!(record.events.last().unwrap().error_type(), Some("schema"));
    let streamed = ask(&gateway(&config()), &models(&peer), CallRequest { stream: true, ..structured("claude", 0) }).await;
    assert_eq!(streamed.outcome.unwrap_err().kind, CallFailure::SCHEMA);
}

#[tokio::test]
async fn a_misfit_is_not_kept_in_the_cache() {
    let peer = peer_of(&["drei", r#"{"n": 3}"#]).await;
    let gateway = gateway(&config_of(json!({ "cache": { "rules": { "namespace": "n" } } })));
    assert!(ask(&gateway, &models(&peer), structured("chat", 0)).await.outcome.is_err());
    assert!(!ask(&gateway, &models(&peer), structured("chat", 0)).await.outcome.unwrap().cached);
    assert!(ask(&gateway, &models(&peer), structured("chat", 0)).await.outcome.unwrap().cached);
}

#[tokio::test]
async fn a_budget_of_a_call_is_one_for_all_its_repairs() {
    let peer = peer_of(&["drei"]).await;
    // Enough for what one call can cost, and not for one more after it.
    let gateway = gateway(&config_of(json!({ "budgets": { "per_call": 0.00008, "default_max_tokens": 10 } })));
    let record = ask(&gateway, &models(&peer), structured("chat", 5)).await;
    assert_eq!(record.outcome.unwrap_err().kind, CallFailure::BUDGET);
    assert!(!peer.seen().is_empty() && peer.seen().len() < 6, "{}", peer.seen().len());
}
