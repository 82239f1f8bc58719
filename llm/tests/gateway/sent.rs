//! Each attempt's record has the digest of what it sent, byte for byte: also of what the call did not begin with.

use std::sync::Arc;

use kitaru_llm::chat::{JsonSchemaFormat, RawRequest};
use kitaru_llm::gateway::{CallRecord, CallRequest};
use kitaru_llm::pipeline::{CallInfo, Cause, FromFn, Registration};
use kitaru_llm::policy::MockRule;
use kitaru_llm::usage::UsageRecord;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::bench::*;
use crate::peer::{Peer, Seen, answer as reply};

/// The records have, in their order, the digests of what the peers got; nothing else does.
#[track_caller]
fn assert_sent(record: &CallRecord, seen: &[Seen]) {
    let sent = seen.iter().map(|seen| Sha256::digest(&seen.body).iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let recorded = record.usage.iter().map(|usage| usage.request_sha256.clone().unwrap());
    assert_eq!(recorded.collect::<Vec<_>>(), sent.collect::<Vec<_>>());
    for usage in &record.usage {
        assert_eq!(usage.to_json()["request_sha256"], json!(usage.request_sha256));
        assert_eq!(UsageRecord::from_json(&usage.to_json()).request_sha256, usage.request_sha256);
    }
}

#[tokio::test]
async fn a10_attempts_have_the_digest_of_what_they_sent_in_each_protocol() {
    for (_, alias, _) in MODELS {
        for stream in [false, true] {
            let peer = Peer::start(|number, seen| Some(if number == 0 { reply(500, &[], "") } else { answer(seen, "a") })).await;
            let record = ask(&gateway(&config()), &models(&peer), CallRequest { stream, ..request(alias) }).await;
            assert_eq!((record.usage.len(), peer.seen().len()), (2, 2), "{alias}");
            assert_sent(&record, &peer.seen());
        }
    }
}

#[tokio::test]
async fn a10_what_a_fallback_and_a_repair_send_is_on_record() {
    let gone = json!({ "error": { "message": "no such model", "code": "model_not_found" } });
    let (first, second) = (Peer::always(404, &[], gone.to_string()).await, peer("von Claude").await);
    let aliases = json!({
        "fast": { "model": "openai/gpt-4o-mini", "base_url": first.url(), "fallbacks": ["spare"] },
        "spare": { "model": "anthropic/claude-haiku-4-5", "base_url": second.url() },
    });
    let record = ask(&gateway(&config()), &models_of(aliases), request("fast")).await;
    let seen = [first.seen(), second.seen()].concat();
    assert_eq!(seen.len(), 2);
    assert_ne!(seen[0].body, seen[1].body, "in other words");
    assert_sent(&record, &seen);

    let peer = Peer::start(|number, seen| Some(answer(seen, ["drei", r#"{"n": 3}"#][number]))).await;
    let schema = json!({ "type": "object", "required": ["n"], "properties": { "n": { "type": "integer" } } });
    let schema = JsonSchemaFormat { name: "count".into(), description: None, schema, strict: Some(true) };
    let asked = CallRequest { schema: Some(schema), repairs: 1, ..request("chat") };
    let record = ask(&gateway(&config()), &models(&peer), asked).await;
    assert_eq!(record.outcome.as_ref().unwrap().value, Some(json!({ "n": 3 })));
    assert_ne!(peer.seen()[0].body, peer.seen()[1].body, "with what is wrong");
    assert_sent(&record, &peer.seen());
}

#[tokio::test]
async fn where_nothing_is_sent_there_is_no_digest() {
    let mut config = config();
    config.mocks = vec![MockRule::always("a")];
    let record = ask(&gateway(&config), &models(&peer("b").await), request("chat")).await;
    assert_eq!(record.usage.len(), 1);
    assert!(record.usage[0].request_sha256.is_none() && record.usage[0].to_json().get("request_sha256").is_none());
}

fn has_digest(record: &CallRecord) -> Vec<bool> {
    record.usage.iter().map(|usage| usage.request_sha256.is_some()).collect()
}

/// Whoever knows the rest of a body could try what was taken out of it until the digest fits.
#[tokio::test]
async fn what_is_taken_out_of_records_has_no_digest_there() {
    let redact = json!({ "redact": { "personal": ["email"] } });
    for stream in [false, true] {
        for (prompt, shown) in [("Mail an anna@example.org", false), ("Mail an Anna", true)] {
            let peer = peer("a").await;
            let asked = CallRequest { stream, ..CallRequest::text(prompt).with_model("chat") };
            let record = ask(&gateway(&config_of(redact.clone())), &models(&peer), asked).await;
            assert_eq!((has_digest(&record), peer.seen().len()), (vec![shown], 1), "{prompt}");
        }
        // A key that somebody wrote into a prompt.
        let asked = CallRequest { stream, ..CallRequest::text(format!("key {KEY}")).with_model("chat") };
        let record = ask(&gateway(&config()), &models(&peer("a").await), asked).await;
        assert_eq!(has_digest(&record), [false]);
    }
    // The repair quotes an answer that records have not.
    let peer = Peer::start(|number, seen| Some(answer(seen, ["anna@example.org", "{}"][number]))).await;
    let schema = JsonSchemaFormat { name: "n".into(), description: None, schema: json!({ "type": "object" }), strict: None };
    let asked = CallRequest { schema: Some(schema), repairs: 1, ..request("chat") };
    let record = ask(&gateway(&config_of(redact)), &models(&peer), asked).await;
    assert_eq!((has_digest(&record), peer.seen().len()), (vec![true, false], 2));
}

/// What sanitisers of one's own take out of a repair or a fallback is not known beforehand.
#[tokio::test]
async fn where_others_sanitise_there_is_no_digest() {
    let gateway = gateway(&config());
    let of_requests = FromFn(|_: &CallInfo, request: RawRequest| -> Result<Option<RawRequest>, Cause> { Ok(Some(request)) });
    let hooks = &gateway.pipeline().registrations().llm;
    hooks.request_sanitizers.register(Registration::new("own", 500), Arc::new(of_requests)).unwrap();
    let record = ask(&gateway, &models(&peer("a").await), request("chat")).await;
    assert_eq!(has_digest(&record), [false]);
}
