//! With nothing configured the environment's keys choose who answers: asked where the providers themselves are, over TLS.

use kitaru_tests::models::{entry, told};
use kitaru_tests::{Models, Reply, Tunnel, checkpoint};
use serde_json::json;

/// Another key than [`Models::KEY`].
const OTHER: &str = "sk-other-77aa-marker";

#[test]
fn a7_who_answers_without_configuration_is_asked_where_it_is() {
    let models = Models::always("Said.");
    let _ = models.host.item(["model", "remove", "fast"]);
    let tunnel = Tunnel::to(&models.provider);
    let (proxy, authority) = (tunnel.url(), Tunnel::authority().display().to_string());
    let (router, anthropic) = (("OPENROUTER_API_KEY", Models::KEY), ("ANTHROPIC_API_KEY", OTHER));
    let cases = [
        (vec![router, anthropic], "openrouter/anthropic/claude-haiku-4-5", "openrouter.ai:443", "/api/v1/chat/completions"),
        (vec![anthropic], "anthropic/claude-haiku-4-5-20251001", "api.anthropic.com:443", "/v1/messages"),
    ];
    for (number, (keys, model, address, path)) in cases.into_iter().enumerate() {
        let key = keys[0].1;
        let trust = [("HTTPS_PROXY", proxy.as_str()), ("SSL_CERT_FILE", authority.as_str())];
        let requests = json!({ "requests": [{ "prompt": "x", "name": "asked" }, { "prompt": "x", "stream": true }] });
        let run = models.flow_with(&[&trust[..], &keys[..]].concat(), "model_calls", &requests);
        let execution = Reply::from(run).item();
        for told in told(&execution) {
            assert_eq!(told["ok"]["text"], "Said.", "{model}: {told:#}");
        }
        let found = entry(checkpoint(&execution, "asked"), "asked");
        assert_eq!((&found["resolved_model"], &found["credential_source"]), (&json!(model), &json!("environment")));
        let calls = models.provider.calls();
        assert_eq!(calls.len(), 2 * (number + 1));
        for call in &calls[2 * number..] {
            assert_eq!((call.received.path.as_str(), call.received.key()), (path, Some(key)), "{model}");
            assert_eq!(call.received.json()["max_tokens"], 1024, "{model}");
        }
        assert!(tunnel.asked().last().is_some_and(|last| last == address), "{:?}", tunnel.asked());
    }
    Models::PLANTED.is_in_no_file_of(&models.host);
}
