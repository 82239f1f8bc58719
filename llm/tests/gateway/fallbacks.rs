//! Further attempts, and other models.

use std::sync::Arc;

use kitaru_llm::gateway::{CallFailure, CallRequest};
use kitaru_llm::models::{FrozenModels, SelectedModel};
use kitaru_llm::usage::{RecordStatus, UsageSummary};
use serde_json::{Value, json};

use crate::bench::*;
use crate::peer::{Peer, answer as reply};

/// `fast` at one peer, with these fallbacks; `spare` is Claude at another.
fn with_fallbacks(first: &Peer, second: &Peer, fallbacks: &[&str]) -> FrozenModels {
    models_of(json!({
        "fast": { "model": "openai/gpt-4o-mini", "base_url": first.url(), "fallbacks": fallbacks },
        "spare": { "model": "anthropic/claude-haiku-4-5", "base_url": second.url() },
    }))
}

async fn gone() -> Peer {
    Peer::always(404, &[], json!({ "error": { "message": "no such model", "code": "model_not_found" } }).to_string()).await
}

#[tokio::test]
async fn each_attempt_has_a_record_and_counts_once() {
    let peer = Peer::start(|number, seen| match number {
        0 => Some(reply(500, &[], "")),
        1 => Some(reply(429, &[("retry-after-ms", "1")], "")),
        _ => Some(answer(seen, "a")),
    })
    .await;
    let record = ask(&gateway(&config()), &models(&peer), request("chat")).await;
    assert_eq!(record.outcome.as_ref().unwrap().text, "a");
    let ids: Vec<_> = record.usage.iter().map(|usage| usage.record_id.clone()).collect();
    let event = record.events[0].uuid.to_string();
    assert_eq!(ids, [event.clone(), format!("{event}::2"), format!("{event}::3")]);
    let summary = UsageSummary::of(&record.usage);
    assert_eq!((summary.usage_record_count, summary.display_cost_usd.as_nanos()), (3, PRICE));
    assert_eq!(summary.records_without_cost_count, 0, "nobody charges for what is turned away");
    assert_eq!(marks(&record), ["llm.retry", "llm.retry"]);
    assert_eq!(record.events.iter().filter(|event| event.is_end()).count(), 1, "one span for all attempts");
    assert_eq!(record.events.last().unwrap().metadata_member("kitaru.llm.attempts"), Some(&json!(3)));
}

#[tokio::test]
async fn a_fallback_of_another_protocol_answers_and_is_recorded() {
    for stream in [false, true] {
        let (first, second) = (gone().await, peer("von Claude").await);
        let models = with_fallbacks(&first, &second, &["spare"]);
        let asked = CallRequest { stream, system: Some("Kurz.".into()), max_tokens: Some(9), ..request("fast") };
        let record = ask(&gateway(&config()), &models, asked).await;
        let answer = record.outcome.clone().unwrap();
        assert_eq!(answer.text, "von Claude");
        let body: Value = serde_json::from_slice(&second.seen()[0].body).unwrap();
        assert_eq!(
            (&body["model"], &body["system"], &body["max_tokens"]),
            (&json!("claude-haiku-4-5"), &json!("Kurz."), &json!(9))
        );
        assert!(body.get("stream_options").is_none());
        let entry = record.entry.clone().unwrap();
        assert_eq!(
            (&entry["resolved_model"], &entry["effective_model"]),
            (&json!("openai/gpt-4o-mini"), &json!("anthropic/claude-haiku-4-5"))
        );
        assert_eq!(record.usage.len(), 2);
        assert_eq!((record.usage[0].status, record.usage[1].status), (RecordStatus::Failed, RecordStatus::Completed));
        assert_eq!(record.usage[1].resolved_model.as_deref(), Some("anthropic/claude-haiku-4-5"));
        assert_eq!(record.usage[1].requested_model.as_deref(), Some("fast"));
        let end = record.events.last().unwrap();
        assert_eq!(end.metadata_member("kitaru.llm.effective_model"), Some(&json!("anthropic/claude-haiku-4-5")));
        let annotated = end.profile.as_ref().unwrap().response().unwrap();
        assert_eq!(annotated.text(), "von Claude", "read in the protocol of who answered");
        assert_eq!(answer.cost_usd, record.usage[1].cost.amount);
    }
}

#[tokio::test]
async fn fallbacks_are_asked_for_like_models() {
    let (first, second) = (gone().await, peer("a").await);
    let models = with_fallbacks(&first, &second, &["spare"]);
    let mut place = place();
    place.allowed = Arc::new(|model: &SelectedModel| model.requested_model == "fast");
    let record = ask_at(&gateway(&config()), &models, request("fast"), place).await;
    assert!(record.outcome.is_err() && second.seen().is_empty(), "not granted");
    let refused = record.events[0].metadata_member("kitaru.llm.fallbacks_refused").unwrap();
    assert_eq!(refused[0], json!({ "model": "spare", "reason": "capability" }));

    let listed = gateway(&config_of(json!({ "allow": ["openai/*"] })));
    assert!(ask(&listed, &models, request("fast")).await.outcome.is_err() && second.seen().is_empty(), "not allowed");

    // Claude knows no seed, and no parameter is dropped in silence.
    let record = ask(&gateway(&config()), &models, CallRequest { seed: Some(1), ..request("fast") }).await;
    assert!(record.outcome.is_err() && second.seen().is_empty());
    assert!(marks(&record).contains(&"llm.fallback_skipped".to_owned()));

    let small = gateway(&config_of(json!({ "size": { "max_output_tokens": 10 } })));
    let within = CallRequest { max_tokens: Some(10), ..request("fast") };
    assert_eq!(ask(&small, &models, within).await.outcome.unwrap().text, "a");
}

#[tokio::test]
async fn an_answer_of_a_fallback_is_not_kept() {
    let (first, second) = (gone().await, peer("a").await);
    let models = with_fallbacks(&first, &second, &["spare"]);
    let gateway = gateway(&config_of(json!({ "cache": { "rules": { "namespace": "n" } } })));
    for _ in 0..2 {
        ask(&gateway, &models, request("fast")).await.outcome.unwrap();
    }
    assert_eq!((first.seen().len(), second.seen().len()), (2, 2));
}

#[tokio::test]
async fn what_is_not_granted_is_not_called() {
    let peer = peer("a").await;
    let mut place = place();
    place.allowed = Arc::new(|_| false);
    let record = ask_at(&gateway(&config()), &models(&peer), request("chat"), place).await;
    let failure = record.outcome.unwrap_err();
    assert_eq!(failure.kind, CallFailure::CAPABILITY);
    assert!(failure.message.contains("`chat` (openai/gpt-4o-mini)") && failure.message.contains("--allow-llm=chat"), "{failure}");
    assert!(peer.seen().is_empty() && record.events.is_empty());
}
