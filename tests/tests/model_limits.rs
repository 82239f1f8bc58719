//! What calls may cost and how often they may be made: budgets (A8), the cache of answers (A6), rates, sizes, parameters.

use std::time::Duration;

use kitaru_tests::models::{failed, told, usage};
use kitaru_tests::provider::{Gate, Provider, Reaction};
use kitaru_tests::{Models, Reply, id, until};
use serde_json::{Value, json};

/// An answer for a dollar, whatever it has.
fn dear() -> Reaction {
    Reaction::text("Said.").cost(1.0)
}

/// A provider whose answers cost a dollar each, under these limits.
fn limited(budgets: &str) -> Models {
    let models = Models::of(Provider::reacting(|_| dear()));
    models.settings(&format!("[llm.budgets]\n{budgets}\n"));
    models
}

fn requests(count: usize) -> Value {
    json!({ "requests": vec![json!({ "prompt": "x", "max_tokens": 100 }); count] })
}

/// The kinds of what became of a run's calls; `ok` for an answer.
fn kinds(execution: &Value) -> Vec<String> {
    told(execution).iter().map(|answer| answer["kind"].as_str().unwrap_or("ok").to_owned()).collect()
}

/// The host makes so many calls at a time, whoever wants them: one, and no attempt begins before another has ended.
#[test]
fn the_host_makes_so_many_calls_at_a_time() {
    let models = Models::always("Said.");
    models.settings("[host]\nmodel_calls = 1\n");
    let done = models.run("model_beside", &json!({ "prompts": ["a", "b", "c", "d"] }));
    let mut attempts: Vec<(String, String)> = Vec::new();
    for call in done["checkpoints"].as_array().unwrap() {
        let attempt = &call["attempts"][0];
        let moment = |key: &str| attempt[key].as_str().unwrap().to_owned();
        attempts.push((moment("started_at"), moment("ended_at")));
    }
    attempts.sort();
    assert_eq!((attempts.len(), models.hits()), (4, 4));
    for pair in attempts.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "one after the other: {attempts:#?}");
    }
}

#[test]
fn a8_a_call_that_may_cost_too_much_is_refused_before_anything_is_sent() {
    let models = limited("per_call = 0.00001");
    for flow in ["model_calls", "model_body"] {
        let done = models.run(flow, &requests(1));
        failed(&told(&done)[0], "budget", &["for one call"]);
        assert!(told(&done)[0]["details"]["hint"].as_str().unwrap().contains("raise the budget"));
    }
    // A stream is a call.
    let streamed = json!({ "request": { "prompt": "x", "max_tokens": 100, "stream": true }, "most": null, "abort": false });
    failed(&models.run("model_stream", &streamed)["result"], "budget", &[]);
    assert!(models.provider.exchanges().is_empty(), "not a byte reached the provider");
    // One token is cheap enough.
    let cheap = models.run("model_calls", &json!({ "requests": [{ "prompt": "x", "max_tokens": 1 }] }));
    assert_eq!(kinds(&cheap), ["ok"]);
}

#[test]
fn a8_an_execution_spends_no_more_than_its_budget() {
    let models = limited("per_execution = 1");
    assert_eq!(kinds(&models.run("model_calls", &requests(3))), ["ok", "budget", "budget"]);
    assert_eq!(models.hits(), 1);
    assert_eq!(kinds(&models.run("model_body", &requests(2))), ["ok", "budget"], "another execution has a budget of its own");
    assert_eq!(models.hits(), 2);
}

/// An execution that is gone has spent its money all the same.
#[test]
fn a8_a_flow_has_one_budget_for_all_its_executions_also_the_deleted_ones() {
    let models = limited("per_flow = 1");
    let first = models.run("model_calls", &requests(1));
    let _ = models.host.item(["executions", "delete", id(&first)]);
    assert_eq!(kinds(&models.run("model_calls", &requests(1))), ["budget"]);
    assert_eq!(kinds(&models.run("model_body", &requests(1))), ["ok"], "another flow has a budget of its own");
    assert_eq!(models.hits(), 2);
}

#[test]
fn a8_a_day_has_one_budget_for_all_flows() {
    let models = limited("per_day = 1");
    let first = models.run("model_calls", &requests(1));
    assert_eq!(kinds(&first), ["ok"]);
    let _ = models.host.item(["executions", "delete", id(&first)]);
    for flow in ["model_calls", "model_body"] {
        let refused = models.run(flow, &requests(1));
        failed(&told(&refused)[0], "budget", &["today"]);
    }
    assert_eq!(models.hits(), 1);
}

/// What is set aside for a call that goes on in one process is not there for another.
#[test]
fn a8_two_processes_share_a_budget_while_calls_are_under_way() {
    let gate = Gate::new();
    let held = gate.clone();
    let models = Models::of(Provider::reacting(move |received| match received.number {
        0 => Reaction::text("Held.").held(&held),
        _ => Reaction::text("Said."),
    }));
    // A thousand tokens of the answer alone are $0.0006.
    models.settings("[llm.budgets]\nper_day = 0.001\n");
    let request = json!({ "requests": [{ "prompt": "x", "max_tokens": 1000 }] });
    let running = models.start("model_calls", &request);
    gate.until_reached(1);
    assert_eq!(kinds(&models.run("model_body", &request)), ["budget"]);
    assert_eq!(models.hits(), 1);
    gate.open();
    assert_eq!(kinds(&running.finish().item()), ["ok"]);
    assert_eq!(kinds(&models.run("model_body", &request)), ["ok"], "it cost far less than was set aside");
    assert_eq!(models.hits(), 2);
}

/// A call that died with its host may have been charged: what was set aside for it counts as spent.
#[test]
fn a8_a_call_that_a_crash_cut_off_counts_as_spent() {
    let gate = Gate::new();
    let held = gate.clone();
    let models = Models::of(Provider::reacting(move |_| Reaction::text("Held.").held(&held)));
    models.settings("[llm.budgets]\nper_execution = 0.001\n");
    let running = models.start("model_calls", &json!({ "requests": [{ "prompt": "x", "max_tokens": 1000 }] }));
    gate.until_reached(1);
    running.kill();
    let done = models.item(&["executions", "resume", id(&models.newest())]);
    assert_eq!((kinds(&done), models.hits()), (vec!["budget".to_owned()], 1));
}

#[test]
fn a8_a_call_whose_price_nobody_knows_is_refused_where_there_is_a_budget() {
    let models = limited("per_day = 1");
    let unknown = json!({ "requests": [{ "prompt": "x", "model": "openai/nobody-knows" }] });
    failed(&told(&models.run("model_calls", &unknown))[0], "budget", &["openai/nobody-knows"]);
    assert!(models.provider.exchanges().is_empty());
}

#[test]
fn a8_what_a_model_finds_by_itself_or_by_a_setting_is_refused_where_there_is_a_budget() {
    let models = limited("per_day = 10");
    let setting = json!({ "extra_body": { "google": { "cached_content": "c" } } });
    let asked = json!([
        { "prompt": "x", "max_tokens": 1, "model": "openai/gpt-4o-mini-search-preview" },
        { "prompt": "x", "max_tokens": 1, "extra": setting },
        { "prompt": "x", "max_tokens": 1, "extra": { "reasoning_effort": "low" } },
    ]);
    for answers in [models.ask(&asked), models.ask_in_body(&asked)] {
        failed(&answers[0], "budget", &["`openai/gpt-4o-mini-search-preview` searches by itself"]);
        failed(&answers[1], "budget", &["`extra_body.google.cached_content`"]);
        for refused in &answers[..2] {
            assert!(refused["details"]["hint"].as_str().unwrap().contains("unknown_price = \"allow\""), "{refused:#}");
        }
        assert_eq!(answers[2]["ok"]["text"], "Said.");
    }
    assert_eq!(models.hits(), 2, "nothing of the others was sent");
}

/// Settings of a cache; only calls without chance in them are kept.
const CACHE: &str = "[llm.cache]\nrules = { namespace = \"test\" }\n";

#[test]
fn a6_a_second_identical_call_asks_nobody_and_costs_nothing() {
    let models = Models::answering([Reaction::text("Said once.")]);
    models.settings(CACHE);
    let call = |name: &str| json!({ "prompt": "x", "temperature": 0, "name": name });
    let done = models.run("model_calls", &json!({ "requests": [call("first"), call("second")] }));
    let answers = told(&done);
    assert_eq!((&answers[1]["ok"]["text"], models.hits()), (&json!("Said once."), 1));
    assert_eq!((&answers[0]["ok"]["cached"], &answers[1]["ok"]["cached"]), (&Value::Null, &json!(true)));
    assert_eq!((&answers[0]["ok"]["cost_usd"], &answers[1]["ok"]["cost_usd"]), (&json!(5.85e-6), &json!(0.0)));
    let record = usage(&done["checkpoints"][1])[0];
    let said = ["billing_effect", "cache_status"].map(|key| record[key].clone());
    assert_eq!(json!(said), json!(["reused_not_incurred", "response_cache_hit"]));
    assert_eq!(record["cost"]["saved_cost_usd"], 5.85e-6);
    let spent: Vec<_> = models.records(id(&done)).iter().map(|record| record.spent).collect();
    assert_eq!(spent, [Models::COST, 0]);
    // Another process, the other scope, and in pieces.
    assert_eq!(models.ask_in_body(&json!([call("third")]))[0]["ok"]["cached"], true);
    let streamed = json!({ "request": { "prompt": "x", "temperature": 0, "stream": true }, "most": null, "abort": false });
    let streamed = models.run("model_stream", &streamed)["result"].clone();
    assert_eq!((&streamed["end"]["ok"]["cached"], &streamed["end"]["ok"]["text"]), (&json!(true), &json!("Said once.")));
    assert_eq!(models.hits(), 1);
}

#[test]
fn a6_a_replay_takes_its_own_record_and_no_cached_answer_of_another() {
    let models = Models::of(Provider::reacting(|received| Reaction::text(&format!("Answer {}.", received.number))));
    models.settings(CACHE);
    let asks = json!({ "requests": [{ "prompt": "x", "temperature": 0, "name": "asked" }] });
    let source = models.run("model_calls", &asks);
    let again = models.item(&["executions", "replay", id(&source), "--from", "asked"]);
    assert_eq!((&told(&again)[0]["ok"]["text"], models.hits()), (&json!("Answer 0."), 1), "the same call, from the cache");
    models.settings("");
    let made = models.item(&["executions", "replay", id(&source), "--from", "asked"]);
    assert_eq!((&told(&made)[0]["ok"]["text"], models.hits()), (&json!("Answer 1."), 2));
}

#[test]
fn a6_what_is_another_call_or_a_matter_of_chance_is_asked_again() {
    let models = Models::always("Said.");
    models.settings(CACHE);
    let call = |text: &str, temperature: f64| json!({ "prompt": text, "temperature": temperature });
    let _ = models
        .ask(&json!([call("x", 0.0), call("y", 0.0), call("x", 0.5), call("x", 0.5), { "prompt": "x" }, { "prompt": "x" }]));
    assert_eq!(models.hits(), 6);
    let _ = models
        .ask(&json!([{ "prompt": "x", "temperature": 0, "max_tokens": 5 }, { "prompt": "x", "temperature": 0, "seed": 5 }]));
    assert_eq!(models.hits(), 8);
    // A failure is no answer.
    let broken = Models::answering([Reaction::status(400), Reaction::text("Mended.")]);
    broken.settings(CACHE);
    let answers = broken.ask(&json!([call("x", 0.0), call("x", 0.0)]));
    failed(&answers[0], "provider", &[]);
    assert_eq!((&answers[1]["ok"]["text"], broken.hits()), (&json!("Mended."), 2));
}

#[test]
fn a6_a_cache_has_its_aliases_and_its_time() {
    let models = Models::always("Said.");
    let _ = models.alias("smart", "openai/gpt-4o", &models.provider.openai(), &[]);
    models.settings("[llm.cache]\naliases = [\"smart\"]\nttl_seconds = 2\nrules = { namespace = \"test\" }\n");
    let call = |model: &str| json!({ "prompt": "x", "temperature": 0, "model": model });
    let _ = models.ask(&json!([call("fast"), call("fast"), call("smart"), call("smart")]));
    assert_eq!(models.hits(), 3);
    until("the answer's end", || {
        let _ = models.ask(&json!([call("smart")]));
        (models.hits() == 4).then_some(())
    });
}

#[test]
fn a_rate_limit_refuses_what_would_have_to_wait_too_long() {
    let models = Models::always("Said.");
    let _ = models.alias("smart", "openai/gpt-4o", &models.provider.openai(), &[]);
    models.settings("[llm.rates]\ncalls = { amount = 1, per_seconds = 3600 }\nmax_wait_seconds = 0\n");
    let answers = models.ask(&json!([{ "prompt": "x" }, { "prompt": "x" }, { "prompt": "x", "model": "smart" }]));
    failed(&answers[1], "rate-limited", &[]);
    assert_eq!(answers[1]["retryable"], true);
    assert!(answers[1]["details"]["retry_after_ms"].as_f64().is_some_and(|wait| wait > 3_000_000.0), "{:#}", answers[1]);
    assert_eq!((&answers[2]["ok"]["text"], models.hits()), (&json!("Said."), 2), "each model has a rate of its own");
    models.settings("[llm.rates]\ncalls = { amount = 1, per_seconds = 1 }\nmax_wait_seconds = 30\n");
    let answers = models.ask(&json!([{ "prompt": "x" }, { "prompt": "x" }]));
    assert!(answers.iter().all(|answer| answer["ok"].is_object()), "{answers:#?}");
    let calls = models.provider.calls();
    assert!(calls[3].received.at.duration_since(calls[2].received.at) > Duration::from_millis(500), "it waited for its turn");
}

#[test]
fn what_is_too_large_is_refused_and_parameters_are_kept_in_bounds() {
    let models = Models::always("Said.");
    models.settings("[llm.size]\nmax_messages = 2\nmax_request_bytes = 2000\nmax_output_tokens = 50\n");
    let messages = vec![json!({ "role": "user", "content": "x" }); 3];
    let answers = models.ask(&json!([
        { "prompt": messages, "max_tokens": 5 }, { "prompt": "x".repeat(3000), "max_tokens": 5 }, { "prompt": "x", "max_tokens": 51 },
        { "prompt": "x" }, { "prompt": "x", "max_tokens": 50 },
    ]));
    for answer in &answers[..4] {
        failed(answer, "guardrail-rejected", &[]);
    }
    assert_eq!((&answers[4]["ok"]["text"], models.hits()), (&json!("Said."), 1));
    models.settings(
        "[[llm.parameters]]\nmodels = [\"openai/*\"]\ndefault = { max_tokens = 33 }\nat_most = { temperature = 1.0 }\n",
    );
    let _ = models.ask(&json!([{ "prompt": "x", "temperature": 1.7 }]));
    let body = models.provider.calls()[1].received.json();
    let limit = body.get("max_tokens").or(body.get("max_completion_tokens"));
    assert_eq!((body["temperature"].as_f64(), limit), (Some(1.0), Some(&json!(33))), "{body:#}");
}

/// A setting that makes no sense keeps every command from calling a model, and says where it stands.
#[test]
fn settings_that_make_no_sense_are_told_before_anybody_is_asked() {
    let models = Models::always("Said.");
    models.settings("[llm.budgets]\nper_day = -1\n");
    let reply: Reply = models.try_run("model_calls", &requests(1));
    assert!(reply.code == Some(1) && reply.error()["message"].as_str().unwrap().contains("kitaru.toml"), "{reply:?}");
    assert!(models.provider.exchanges().is_empty());
}
