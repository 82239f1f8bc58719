//! `model test`: whether a model works, told without a call where the provider's list tells, and with a small one where it does not.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use kitaru_tests::provider::{Provider, Reaction};
use kitaru_tests::{Host, Reply};
use serde_json::{Value, json};

/// A key, as a provider would give one. It may be in no answer.
const KEY: &str = "sk-planted-9c41-marker";

fn register(host: &Host, alias: &str, rest: &[&str]) -> Value {
    host.item([&["model", "register", alias, "--model"], rest].concat())
}

/// A command with variables in its environment.
fn with(host: &Host, variables: &[(&str, &str)], arguments: &[&str]) -> Reply {
    let mut command = host.json_command(arguments);
    command.envs(variables.iter().copied());
    Reply::from(command)
}

/// The outcome of each check of a model, by name.
fn checks(item: &Value) -> Vec<(&str, bool)> {
    let checks = item["checks"].as_array().expect("a test has checks");
    checks.iter().map(|check| (check["name"].as_str().unwrap(), check["ok"].as_bool().unwrap())).collect()
}

/// The item of a test that found something wrong.
#[track_caller]
fn broken(reply: &Reply) -> Value {
    assert_eq!(reply.code, Some(1), "{reply:?}");
    let item = reply.envelope()["item"].clone();
    assert_eq!(item["works"], false, "{reply:?}");
    item
}

#[track_caller]
fn shows_no_key(reply: &Reply) {
    assert!(!reply.stdout.contains(KEY) && !reply.stderr.contains(KEY), "{reply:?}");
}

#[test]
fn a_model_that_its_provider_lists_works_and_the_test_costs_nothing() {
    let (host, provider) = (Host::new(), Provider::answering([]));
    let _ = host.item(["secrets", "set", "creds", &format!("--OPENAI_API_KEY={KEY}")]);
    let _ = register(&host, "fast", &["openai/gpt-4o-mini", "--secret", "creds", "--base-url", &provider.openai()]);
    // The default, an alias, and the same by an environment that has another key.
    for (arguments, variables) in
        [(&["model", "test"][..], &[][..]), (&["model", "test", "fast"][..], &[("OPENAI_API_KEY", "sk-other")][..])]
    {
        let reply = with(&host, variables, arguments);
        shows_no_key(&reply);
        let item = reply.item();
        assert_eq!(checks(&item), [("key", true), ("address", true), ("model", true)], "{item:#}");
        assert_eq!((&item["works"], &item["key_source"], &item["cost_usd"]), (&json!(true), &json!("secret"), &Value::Null));
        assert_eq!((&item["alias"], &item["resolved_model"]), (&json!("fast"), &json!("openai/gpt-4o-mini")));
    }
    assert!(provider.calls().is_empty(), "nobody was asked for an answer");
    let asked = provider.exchanges();
    assert_eq!(asked.len(), 2);
    assert!(asked.iter().all(|exchange| exchange.received.key() == Some(KEY)), "with the alias's own key");
    let text = host.text(["model", "test", "fast"]).ok().stdout;
    assert!(text.contains("fast: openai/gpt-4o-mini at") && text.contains("✓ key: from the secret `creds`"), "{text}");
}

#[test]
fn where_the_list_does_not_tell_a_small_call_does() {
    let (host, provider) = (Host::new(), Provider::answering([Reaction::text("ok"), Reaction::text("ok")]));
    let _ = register(&host, "own", &["vllm/my-model", "--base-url", &provider.openai()]);
    // A list with others only; and one that has the model, where somebody wants to know for sure.
    for (models, arguments) in
        [(&["my-model-2"][..], &["model", "test", "own"][..]), (&["my-model"][..], &["model", "test", "own", "--call"][..])]
    {
        provider.set_models(models);
        let item = host.item(arguments);
        assert_eq!(item["works"], true, "{item:#}");
        assert_eq!(checks(&item).last(), Some(&("call", true)), "{item:#}");
    }
    let calls = provider.calls();
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|call| call.received.model() == "my-model"));
    assert_ne!(calls[0].received.json(), calls[1].received.json(), "so that no cache answers");
}

#[test]
fn a_model_that_the_provider_does_not_have_is_told_with_those_that_are_like_it() {
    let (host, provider) = (Host::new(), Provider::answering([Reaction::status(404)]));
    provider.set_models(&["gpt-4o", "gpt-4o-mini"]);
    let _ = register(&host, "fast", &["vllm/gpt-4o-mni", "--base-url", &provider.openai()]);
    let item = broken(&host.json(["model", "test", "fast"]));
    assert_eq!(checks(&item), [("key", true), ("address", true), ("call", false)], "{item:#}");
    let hint = item["checks"][2]["hint"].as_str().unwrap();
    assert!(hint.contains("lists 2 models") && hint.contains("gpt-4o-mini"), "{hint}");
}

#[test]
fn a_key_that_is_not_taken_is_told_and_not_shown() {
    let host = Host::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut key = String::new();
            // To the end of the head; what came with it comes back, as some providers do it.
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                key.extend(line.strip_prefix("authorization: "));
                line.clear();
            }
            let body = json!({ "error": { "message": format!("wrong key: {}", key.trim()) } }).to_string();
            let head =
                format!("HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", body.len());
            let _ = reader.get_mut().write_all(format!("{head}connection: close\r\n\r\n{body}").as_bytes());
        }
    });
    let _ = register(&host, "fast", &["openai/a", "--base-url", &format!("http://{address}/v1")]);
    let reply = with(&host, &[("OPENAI_API_KEY", KEY)], &["model", "test", "fast"]);
    shows_no_key(&reply);
    let item = broken(&reply);
    assert_eq!(checks(&item), [("key", true), ("address", true), ("key", false)], "{item:#}");
    assert!(item["checks"][2]["detail"].as_str().unwrap().contains("wrong key"), "{item:#}");
}

#[test]
fn what_keeps_a_model_from_working_is_told_before_anybody_is_asked() {
    let host = Host::new();
    let item = broken(&host.json(["model", "test", "anthropic/claude-haiku-4-5"]));
    assert_eq!(checks(&item), [("key", false)]);
    let check = &item["checks"][0];
    assert!(
        check["detail"].as_str().unwrap().starts_with("No provider credentials found for `anthropic/claude-haiku-4-5`."),
        "{check:#}"
    );
    assert!(check["hint"].as_str().unwrap().contains("secrets set anthropic-creds --from-prompt ANTHROPIC_API_KEY"), "{check:#}");
    let text = host.text(["model", "test", "anthropic/claude-haiku-4-5"]);
    assert!(text.code == Some(1) && text.stdout.contains("✗ key:"), "{text:?}");
    // Nobody listens.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let _ = register(&host, "own", &["vllm/m", "--base-url", &format!("http://{free}/v1")]);
    let item = broken(&host.json(["model", "test", "own"]));
    assert_eq!(checks(&item), [("key", true), ("address", false)], "{item:#}");
    assert!(item["checks"][1]["detail"].as_str().unwrap().contains("cannot reach"), "{item:#}");
    // A key that everybody on the way could read.
    let _ = register(&host, "plain", &["openai/a", "--base-url", "http://gateway.example/v1"]);
    let item = broken(&with(&host, &[("OPENAI_API_KEY", KEY)], &["model", "test", "plain"]));
    assert!(item["checks"][1]["detail"].as_str().unwrap().contains("not encrypted"), "{item:#}");
    host.json(["model", "test", "nobody"]).refused("KitaruRuntimeError", &["Model alias `nobody` is not registered."]);
    host.json(["model", "test", "acme/big"]).refused("KitaruUsageError", &["Provider `acme`"]);
    let empty = Host::new();
    empty.json(["model", "test"]).refused("KitaruUsageError", &["OPENROUTER_API_KEY", "ANTHROPIC_API_KEY"]);
}
