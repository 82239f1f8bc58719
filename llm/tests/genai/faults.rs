//! Providers that refuse, echo, flood and lead elsewhere.

use std::time::{Duration, Instant};

use kitaru_llm::gateway::{CallFailure, CallRequest};
use serde_json::{Value, json};

use crate::bench::{KEY, all_of, ask, config, config_of};
use crate::peer::{Peer, answer, json as json_answer};
use crate::scenes::*;

fn request(scene: &Scene, stream: bool) -> CallRequest {
    CallRequest { stream, ..CallRequest::text("q").with_model(scene.alias) }
}

#[tokio::test]
async fn who_is_asked_to_wait_waits_and_asks_again() {
    for scene in SCENES {
        for stream in [false, true] {
            let peer = Peer::start(move |number, seen| {
                Some(match number {
                    0 => answer(429, &[("retry-after", "0.2")], json!({ "message": "Too many requests" }).to_string()),
                    _ => scene.answer(seen, &["Now."]),
                })
            })
            .await;
            let started = Instant::now();
            let record = ask(&gateway(&config()), &models(&peer), request(&scene, stream)).await;
            assert_eq!(record.outcome.unwrap().text, "Now.", "{}", scene.protocol);
            assert!(started.elapsed() >= Duration::from_millis(200));
            let seen = peer.seen();
            assert_eq!((seen.len(), record.usage.len()), (2, 2));
            assert_eq!(seen[0].body, seen[1].body, "each attempt is the same request");
        }
    }
}

#[tokio::test]
async fn a_key_that_comes_back_is_kept_from_everybody() {
    for scene in [BEDROCK, COHERE] {
        for stream in [false, true] {
            let said = json!({ "message": format!("The key {KEY} is not known.") }).to_string();
            let peer = Peer::always(403, &[("content-type", "application/json")], said).await;
            let record = ask(&gateway(&config()), &models(&peer), request(&scene, stream)).await;
            assert!(!all_of(&record).contains(KEY));
            let failure = record.outcome.unwrap_err();
            assert!(failure.message.contains("is not known"), "{failure}");
            assert_eq!((failure.retryable, peer.seen().len()), (false, 1));

            // And in an answer that is one.
            let peer = Peer::start(move |_, _| {
                let text = format!("Bearer {KEY}");
                Some(if stream { scene.streamed(scene.pieces(&[&text])) } else { json_answer(&scene.document(&text)) })
            })
            .await;
            let record = ask(&gateway(&config()), &models(&peer), request(&scene, stream)).await;
            assert!(!all_of(&record).contains(KEY));
            assert_eq!(record.outcome.unwrap().text, "Bearer [redacted]", "{} {stream}", scene.protocol);
        }
    }
}

#[tokio::test]
async fn a_key_that_comes_back_in_pieces_is_kept_from_everybody() {
    for scene in [BEDROCK, COHERE] {
        let (begins, ends) = KEY.split_at(9);
        let pieces = scene.pieces(&["It is ", begins, ends, "."]);
        let peer = Peer::start(move |_, _| Some(scene.streamed(pieces.clone()))).await;
        let record = ask(&gateway(&config()), &models(&peer), request(&scene, true)).await;
        assert!(!all_of(&record).contains(begins), "{}", scene.protocol);
        assert_eq!(record.outcome.unwrap().text, "It is [redacted].", "{}", scene.protocol);
    }
}

#[tokio::test]
async fn what_is_too_large_is_not_read() {
    for scene in SCENES {
        let text = "x".repeat(4_000);
        let (whole, pieces) = (scene.document(&text.repeat(10)), scene.pieces(&[text.as_str(); 10]));
        let peer = Peer::start(move |_, seen| {
            Some(if asks_for_a_stream(seen) { scene.streamed(pieces.clone()) } else { json_answer(&whole) })
        })
        .await;
        let limits =
            |answer: u64, event: usize| config_of(json!({ "answers": { "answer_bytes": answer, "event_bytes": event } }));
        for (limits, stream) in [(limits(20_000, 10_000), false), (limits(20_000, 10_000), true), (limits(200_000, 1_000), true)]
        {
            let failure = ask(&gateway(&limits), &models(&peer), request(&scene, stream)).await.outcome.unwrap_err();
            assert_eq!(failure.kind, CallFailure::TOO_LARGE, "{} {stream} {failure}", scene.protocol);
        }
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Peer::start(|_, seen| Some(OLLAMA.answer(seen, &["trapped"]))).await;
    let to = elsewhere.url();
    let peer = Peer::start(move |_, _| Some(answer(307, &[("location", &to)], ""))).await;
    for scene in SCENES {
        for stream in [false, true] {
            let failure = ask(&gateway(&config()), &models(&peer), request(&scene, stream)).await.outcome.unwrap_err();
            assert!(failure.message.contains("redirect"), "{failure}");
        }
    }
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn addresses_are_held_to_the_policy() {
    let peer = Peer::start(|_, _| None).await;
    let gateway = gateway(&config_of(json!({ "private_addresses": false })));
    for scene in SCENES {
        let failure = ask(&gateway, &models(&peer), request(&scene, false)).await.outcome.unwrap_err();
        assert!(failure.message.contains("llm.private_addresses"), "{failure}");
    }
    assert!(peer.seen().is_empty());
}

/// The translator looks into the environment where it is not told; here it is told everything.
#[tokio::test]
async fn an_address_is_the_aliass_alone() {
    let gateway = gateway(&config());
    let models = crate::bench::models_of(json!({ "nowhere": { "model": BEDROCK.model } }));
    let failure = ask(&gateway, &models, CallRequest::text("q").with_model("nowhere")).await.outcome.unwrap_err();
    assert!(failure.message.contains("has no address of its own: name a base URL"), "{failure}");
}

#[tokio::test]
async fn a_fallback_between_protocols_is_asked_in_its_own_words() {
    let peer = Peer::start(|_, seen| {
        Some(match seen.path.as_str() {
            "/chat/completions" => answer(500, &[], "{}"),
            _ => OLLAMA.answer(seen, &["From the other one."]),
        })
    })
    .await;
    let first = json!({ "model": "openai/gpt-4o-mini", "base_url": peer.url(), "fallbacks": ["ollama"] });
    let second = json!({ "model": OLLAMA.model, "base_url": peer.url() });
    let models = crate::bench::models_of(json!({ "first": first, "ollama": second }));
    let call = CallRequest { seed: Some(7), ..CallRequest::text("q").with_model("first") };
    let answer = ask(&gateway(&config()), &models, call).await.outcome.unwrap();
    assert_eq!((answer.text.as_str(), answer.model.as_deref()), ("From the other one.", Some("llama3.2:3b")));
    let seen = peer.seen();
    let body: Value = body_of(seen.last().unwrap());
    assert_eq!((&body["model"], &body["options"]["seed"]), (&json!("llama3.2:3b"), &json!(7)));
}
