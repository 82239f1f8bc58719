//! Models among what executions used and were denied; and what one execution may spend on them.

use std::collections::BTreeMap;

use kitaru_tests::models::told;
use kitaru_tests::provider::{Provider, Reaction};
use kitaru_tests::{Models, checkpoint, fixture, id};
use serde_json::{Value, json};

const MODEL: &str = "openai/gpt-4o-mini";

fn run(models: &Models, flow: &str, requests: &Value, flags: &[&str]) -> Value {
    let (target, input) = (fixture(&format!("conformance:{flow}")), json!({ "requests": requests }).to_string());
    models.item(&[&["run", &target, "--input", &input], flags].concat())
}

fn access(models: &Models, execution: &Value, flags: &[&str]) -> Vec<Value> {
    models.host.json([&["executions", "access", id(execution)], flags].concat()).items()
}

fn sum(target: &str, count: u64, detail: Option<&str>) -> Value {
    json!({ "kind": "llm", "target": target, "count": count, "detail": detail })
}

/// A grant is of an alias by its name: the model behind it by another name is denied, and each of both is a record.
#[test]
fn every_use_and_denial_of_a_model_is_a_record() {
    let models = Models::always("Said.");
    let requests =
        json!([{ "prompt": "x", "model": "fast" }, { "prompt": "x", "model": MODEL }, { "prompt": "y", "model": "fast" }]);
    let done = run(&models, "model_body", &requests, &["--allow-llm=fast"]);
    assert_eq!(models.hits(), 2);
    let capabilities = &checkpoint(&done, "model_calls_of_body")["capabilities"];
    assert_eq!(capabilities["used"], json!([sum("fast", 2, Some(MODEL))]));
    assert_eq!(capabilities["denied"], json!([sum(MODEL, 1, None)]));
    let records = access(&models, &done, &["--kind=llm"]);
    // A body that takes long is recorded in parts.
    let mut seen = BTreeMap::new();
    for record in &records {
        assert_eq!(record["attempt"], 1);
        let key = (record["target"].as_str().unwrap(), record["allowed"].as_bool().unwrap());
        *seen.entry(key).or_insert(0) += record["count"].as_u64().unwrap();
    }
    assert_eq!(seen, BTreeMap::from([(("fast", true), 2), ((MODEL, false), 1)]));

    // In a flow each call is a durable call of its own, and has its own records.
    let done = run(&models, "model_calls", &requests, &["--allow-llm=fast"]);
    let calls = done["checkpoints"].as_array().unwrap();
    let of = |call: &Value| (call["capabilities"]["used"].clone(), call["capabilities"]["denied"].clone());
    assert_eq!(of(&calls[0]), (json!([sum("fast", 1, Some(MODEL))]), json!([])));
    assert_eq!(of(&calls[1]), (json!([]), json!([sum(MODEL, 1, None)])));
    assert_eq!(calls[0]["capabilities"]["granted"]["llm"], json!(["fast"]));
    assert_eq!(access(&models, &done, &["--denied"]).len(), 1);
    let shown = models.host.text(["executions", "get", id(&done)]).ok().stdout;
    assert!(shown.contains("llm fast") && shown.contains(&format!("llm {MODEL}")), "{shown}");
    // What a replay is served was used by its source.
    let replay = models.item(&["executions", "replay", id(&done), "--from", ":2"]);
    assert_eq!(access(&models, &replay, &[]).len(), 1);
}

/// A fallback is asked for as well, and one that is not granted is passed over: that it was wanted stays to be seen.
#[test]
fn a_fallback_that_is_not_granted_is_a_denial() {
    let models = Models::answering([Reaction::status(500), Reaction::text("Said.")]);
    models.settings(Models::ONCE);
    let base = models.provider.openai();
    let _ = models.alias("strong", "openai/gpt-4o", &base, &[]);
    let _ = models.alias("safe", MODEL, &base, &["--fallback", "strong"]);
    let done = run(&models, "model_body", &json!([{ "prompt": "x", "model": "safe" }]), &["--allow-llm=safe"]);
    assert_eq!(told(&done)[0]["kind"], "provider", "{done:#}");
    let capabilities = &checkpoint(&done, "model_calls_of_body")["capabilities"];
    assert_eq!(capabilities["used"], json!([sum("safe", 1, Some(MODEL))]));
    assert_eq!(capabilities["denied"], json!([sum("strong", 1, Some("openai/gpt-4o"))]));
}

/// The budget of an execution is one of its limits, wherever the settings have none: kept with it, told by its name, and higher in a replay.
#[test]
fn a8_an_execution_has_a_budget_of_its_own() {
    let models = Models::of(Provider::reacting(|_| Reaction::text("Said.").cost(1.0)));
    let requests = json!(vec![json!({ "prompt": "x", "max_tokens": 100, "model": "fast" }); 3]);
    for flow in ["model_body", "model_calls"] {
        let before = models.hits();
        let done = run(&models, flow, &requests, &["--allow-llm", "--max-llm-cost=0.50"]);
        let kinds: Vec<_> = told(&done).iter().map(|told| told["kind"].as_str().unwrap_or("ok").to_owned()).collect();
        assert_eq!((kinds.join(" ").as_str(), models.hits() - before), ("ok budget budget", 1), "{flow}");
        let refused = &told(&done)[1];
        assert!(refused["message"].as_str().unwrap().contains("$0.50"), "{refused}");
        assert_eq!(refused["details"]["budget"], "execution");
        assert_eq!(models.host.get(id(&done))["frozen_execution_spec"]["limits"]["llm_usd"], 0.5);
        let denied = access(&models, &done, &["--denied", "--kind=llm"]);
        let times: u64 = denied.iter().map(|record| record["count"].as_u64().unwrap()).sum();
        assert!(times == 2 && denied.iter().all(|record| record["detail"] == "budget"), "{denied:#?}");
    }
    // Nothing may be spent, and nothing is sent.
    let before = models.hits();
    let done = run(&models, "model_body", &requests, &["--allow-llm", "--max-llm-cost=0"]);
    assert!(told(&done).iter().all(|told| told["kind"] == "budget") && models.hits() == before);
    let asked = |of: &Value| {
        models.records(id(of)).iter().map(|record| record.end()["metadata"]["kitaru.llm.asked"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(asked(&done), [Value::Null, Value::Null, Value::Null], "no provider's operation");
    let replay = models.item(&["executions", "replay", id(&done), "--from", "model_calls_of_body", "--max-llm-cost", "10"]);
    assert!(told(&replay).iter().all(|told| told["ok"]["text"] == "Said."), "{replay:#}");
    assert_eq!(asked(&replay), [json!(true), json!(true), json!(true)]);
}

#[test]
fn an_amount_is_dollars() {
    let models = Models::always("Said.");
    let target = fixture("conformance:no_calls");
    for amount in ["-1", "free", "NaN"] {
        let reply = models.reply(&["run", &target, &format!("--max-llm-cost={amount}")]);
        assert!(reply.code == Some(1) && reply.stderr.contains("amount of dollars"), "{reply:?}");
    }
}
