//! What model calls cost, as commands tell it: sums per checkpoint, execution, flow, day and model; what nobody knows is said as that, and what
//! is replayed costs nothing.

use kitaru_tests::provider::{Provider, Reaction, Received};
use kitaru_tests::{Models, checkpoint, id};
use serde_json::{Value, json};

/// Settings of a cache; only calls without chance in them are kept.
const CACHE: &str = "[llm.cache]\nrules = { namespace = \"test\" }\n";
/// What an answer of `smart` costs, as its provider says, in billionths of a dollar.
const SMART: i64 = 100_000;

/// Two models of one provider: `fast`, whose cost is computed, and `smart`, whose provider says it. And `odd`, whose price nobody knows.
fn two_models() -> Models {
    let models = Models::of(Provider::reacting(|received: &Received| match received.model().as_str() {
        "gpt-4o" => Reaction::text("Smart.").cost(0.0001),
        _ => Reaction::text("Fast."),
    }));
    for (alias, model) in [("smart", "openai/gpt-4o"), ("odd", "openai/nobody-knows")] {
        let _ = models.alias(alias, model, &models.provider.openai(), &[]);
    }
    models
}

/// Two of `fast`, the second of which the cache answers, and one of `smart`.
fn three_calls(models: &Models) -> Value {
    models.settings(CACHE);
    let call = |name: &str| json!({ "prompt": "x", "temperature": 0, "name": name });
    let smart = json!({ "prompt": "y", "model": "smart", "name": "third" });
    models.run("model_calls", &json!({ "requests": [call("first"), call("second"), smart] }))
}

/// Dollars in billionths; none for null.
#[track_caller]
fn nanos(dollars: &Value) -> Option<i64> {
    assert!(dollars.is_null() || dollars.is_number(), "an amount: {dollars}");
    dollars.as_f64().map(|dollars| (dollars * 1e9).round() as i64)
}

/// Of an execution: what it cost, what it saved, how many records were paid for and how many were not.
#[track_caller]
fn roll_up(execution: &Value) -> (i64, i64, u64, u64) {
    let summary = &execution["llm_usage_summary_v1"];
    let amount = |key: &str| nanos(&summary[key]).unwrap_or_else(|| panic!("`{key}` in {summary:#}"));
    let count = |key: &str| summary[key].as_u64().unwrap_or_else(|| panic!("`{key}` in {summary:#}"));
    (
        amount("display_cost_usd"),
        amount("saved_cost_usd"),
        count("incurred_usage_record_count"),
        count("reused_usage_record_count"),
    )
}

fn usage(models: &Models, flags: &[&str]) -> Vec<Value> {
    models.host.json([&["model", "usage"], flags].concat()).items()
}

/// Name, calls, what they cost, and what budgets count, in billionths of a dollar.
type Group = (String, u64, Option<i64>, Option<i64>);

/// Name, calls, cost, and what budgets count by records, of each group.
fn groups(models: &Models, flags: &[&str]) -> Vec<Group> {
    let group = |item: &Value| {
        let name = item["name"].as_str().unwrap_or("all").to_owned();
        (name, item["calls"].as_u64().unwrap(), nanos(&item["cost_usd"]), nanos(&item["budget"]["recorded_usd"]))
    };
    usage(models, flags).iter().map(group).collect()
}

#[test]
fn sums_per_checkpoint_and_execution_are_those_of_their_records() {
    let models = two_models();
    let done = three_calls(&models);
    let costs = ["first", "second", "third"].map(|name| nanos(&checkpoint(&done, name)["cost_usd"]));
    assert_eq!(costs, [Some(Models::COST), Some(0), Some(SMART)]);
    let saved = ["first", "second", "third"].map(|name| nanos(&checkpoint(&done, name)["saved_cost_usd"]));
    assert_eq!(saved, [Some(0), Some(Models::COST), Some(0)]);
    let counts = ["input_tokens", "output_tokens", "total_tokens"].map(|key| checkpoint(&done, "second")[key].clone());
    assert_eq!(json!(counts), json!([11, 7, 18]));
    assert_eq!(roll_up(&done), (Models::COST + SMART, Models::COST, 2, 1));
    let summary = &done["llm_usage_summary_v1"];
    assert_eq!((nanos(&summary["estimated_cost_usd"]), nanos(&summary["actual_cost_usd"])), (Some(Models::COST), Some(SMART)));
    let counts = ["total_tokens", "incurred_total_tokens", "reused_total_tokens", "records_without_cost_count"];
    assert_eq!(json!(counts.map(|key| summary[key].clone())), json!([54, 36, 18, 0]));
    assert_eq!(summary["models"].as_array().map(Vec::len), Some(2), "{summary:#}");
    assert_eq!(models.host.get(id(&done))["llm_usage_summary_v1"], *summary, "`get` tells the same");
    let text = models.host.text(["executions", "get", id(&done)]).ok().stdout;
    assert!(text.contains("$0.00010585; 36 tokens; saved $0.00000585"), "{text}");
}

#[test]
fn lists_tell_what_executions_used() {
    let models = two_models();
    let (three, quiet) = (three_calls(&models), models.host.flow("no_calls", &json!({}), &[]));
    let odd = models.run("model_calls", &json!({ "requests": [{ "prompt": "x", "model": "odd" }] }));
    let replay = models.item(&["executions", "replay", id(&three), "--from", "third"]);
    let listed = models.host.json(["executions", "list"]).items();
    let of = |execution: &Value| {
        let found = listed.iter().find(|item| id(item) == id(execution)).expect("it is listed");
        (nanos(&found["cost_usd"]), found["total_tokens"].as_u64())
    };
    assert_eq!(of(&three), (Some(Models::COST + SMART), Some(54)));
    assert_eq!(of(&replay), (Some(SMART), Some(54)), "what was served was paid for once");
    assert_eq!(of(&odd), (None, Some(18)), "nobody knows what it cost, and that is no zero");
    assert_eq!(of(&quiet), (None, None));
    for execution in [&three, &quiet, &odd] {
        let whole = models.host.get(id(execution));
        assert_eq!((nanos(&whole["cost_usd"]), whole["total_tokens"].as_u64()), of(execution), "`get` tells the same");
    }
    let text = models.host.text(["executions", "list"]).ok().stdout;
    let head = text.lines().next().unwrap();
    assert!(head.contains("COST") && head.contains("TOKENS"), "{text}");
    assert!(text.contains("$0.00010585") && text.contains("unknown"), "{text}");
    let without = models.host.text(["executions", "list", "--flow", "no_calls"]).ok().stdout;
    assert!(!without.contains("COST"), "a column is for something: {without}");
}

/// Tokens of what is the same make no difference, whoever paid for them; what was not paid for again does.
#[test]
fn executions_are_compared_by_what_they_used() {
    let models = two_models();
    let source = models.run("model_between", &json!({ "prompt": "x" }));
    let served = models.item(&["executions", "replay", id(&source), "--from", "model_step_2"]);
    let other = json!({ "between": { "model": "smart" } }).to_string();
    let smart = models.item(&["executions", "replay", id(&source), "--checkpoint-overrides", &other]);
    let odd = json!({ "between": { "model": "odd" } }).to_string();
    let odd = models.item(&["executions", "replay", id(&source), "--checkpoint-overrides", &odd]);
    let given = models.item(&["executions", "replay", id(&source), "--override", "checkpoint.between=Given."]);
    let diffs = models.host.json(["executions", "diff", id(&source)]).items();
    let ids: Vec<_> = diffs.iter().map(|diff| diff["replay_exec_id"].as_str().unwrap()).collect();
    assert_eq!(ids, [id(&served), id(&smart), id(&odd), id(&given)]);
    let nothing = json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 });
    let all_of_it = json!({ "prompt_tokens": -11, "completion_tokens": -7, "total_tokens": -18 });
    let expected = [
        (&nothing, Some(-Models::COST)),
        (&nothing, Some(SMART - Models::COST)),
        // Nobody knows what it cost, and that is no zero.
        (&nothing, None),
        (&all_of_it, Some(-Models::COST)),
    ];
    for (diff, (tokens, cost)) in diffs.iter().zip(expected) {
        let call = diff["checkpoints"].as_array().unwrap().iter().find(|call| call["name"] == "between").unwrap();
        for of in [diff, call] {
            assert_eq!((&of["token_delta"], nanos(&of["cost_delta_usd"])), (tokens, cost), "{diff:#}");
        }
        let step = &diff["checkpoints"][0];
        assert_eq!((&step["token_delta"], &step["cost_delta_usd"]), (&Value::Null, &Value::Null), "it calls no model");
    }
    let text = models.host.text(["executions", "diff", id(&source), id(&given)]).ok().stdout;
    assert!(text.contains("-18 tokens, -$0.00000585") && text.contains("TOKENS"), "{text}");
    let matrix = models.host.json(["executions", "diff-matrix", id(&served), id(&source)]).items();
    assert_eq!((&matrix[0]["token_delta"], nanos(&matrix[0]["cost_delta_usd"])), (&nothing, Some(Models::COST)));
}

#[test]
fn statistics_tell_tokens_and_costs_of_groups() {
    let models = two_models();
    let _ = three_calls(&models);
    let _ = models.run("model_between", &json!({ "prompt": "z", }));
    let _ = models.run("no_calls", &json!({}));
    let group = |flow: &str| {
        let words = ["executions", "statistics", "--flow", flow, "--metric", "tokens", "--metric", "cost"];
        models.host.item(words)["groups"][0]["metrics"].clone()
    };
    let three = group("model_calls");
    assert_eq!(three["tokens"], json!({ "input": 22, "output": 14, "total": 36 }), "what the cache answered reached nobody");
    assert_eq!((nanos(&three["cost"]["total_usd"]), &three["cost"]["unknown_count"]), (Some(Models::COST + SMART), &json!(0)));
    assert_eq!(nanos(&three["cost"]["mean_usd"]), nanos(&three["cost"]["total_usd"]), "of one execution");
    assert_eq!(group("no_calls"), json!({ "cost": null, "tokens": null }));
    let text = models.host.text(["executions", "statistics", "--group-by", "flow", "--metric", "cost"]).ok().stdout;
    assert!(text.contains("total $0.00010585"), "{text}");
}

/// What governed a call is told as it was recorded, whatever governs now.
#[test]
fn what_governed_a_call_is_told() {
    let models = two_models();
    let done = three_calls(&models);
    models.settings("");
    let calls = models.host.json(["executions", "journal", id(&done), "--policies"]).items();
    let recorded = models.records(id(&done));
    assert_eq!((calls.len(), recorded.len()), (3, 3));
    for (call, record) in calls.iter().zip(&recorded) {
        assert_eq!((&call["name"], &call["policies"]), (&json!(record.name), &record.policies));
    }
    let names = calls[0]["policies"]["execution_intercepts"].to_string();
    assert!(names.contains("cache"), "{names}");
    let text = models.host.text(["executions", "journal", id(&done), "--policies"]).ok().stdout;
    let digest = calls[0]["policies"]["sha256"].as_str().unwrap();
    assert!(text.contains(&digest[..12]) && text.contains("third"), "{text}");
    let none = models.run("no_calls", &json!({}));
    let text = models.host.text(["executions", "journal", id(&none), "--policies"]).ok().stdout;
    assert!(text.contains("has called no model"), "{text}");
}

#[test]
fn where_no_model_is_called_there_are_no_costs() {
    let models = two_models();
    let done = models.run("model_between", &json!({ "prompt": "x" }));
    let step = checkpoint(&done, "model_step");
    for key in ["cost_usd", "saved_cost_usd", "input_tokens", "output_tokens", "total_tokens", "records_without_cost_count"] {
        assert_eq!(step[key], Value::Null, "`{key}` of a checkpoint that asks nobody: {step:#}");
    }
    let none = models.run("no_calls", &json!({}));
    assert_eq!(none["llm_usage_summary_v1"], Value::Null);
    assert!(!models.host.text(["executions", "get", id(&none)]).ok().stdout.contains("Cost:"));
}

#[test]
fn l22_a_replay_costs_nothing_and_tells_what_it_saved() {
    let models = two_models();
    let source = models.run("model_between", &json!({ "prompt": "x" }));
    let before = groups(&models, &["--by", "flow"]);
    let again = models.item(&["executions", "replay", id(&source), "--from", "model_step_2"]);
    assert_eq!((roll_up(&again), models.hits()), ((0, Models::COST, 0, 1), 1));
    let served = checkpoint(&again, "between");
    assert_eq!((nanos(&served["cost_usd"]), nanos(&served["saved_cost_usd"])), (Some(0), Some(Models::COST)));
    assert_eq!(served["total_tokens"], 18);
    assert_eq!(groups(&models, &["--by", "flow"]), before, "no record was written, and nothing was spent");
    assert_eq!(roll_up(&models.host.get(id(&source))), (Models::COST, 0, 1, 0), "the source keeps what it paid");
    // What is made anew is paid for anew.
    let again = models.item(&["executions", "replay", id(&source), "--from", "between"]);
    assert_eq!(roll_up(&again), (Models::COST, 0, 1, 0));
}

/// Every attempt counts, and one that was turned away costs nothing: that is known.
#[test]
fn e9_a_retry_adds_to_what_was_paid() {
    let models = Models::answering([Reaction::text("First."), Reaction::status(400)]);
    let exec = models.try_run("model_outline_and_draft", &json!({ "topic": "tides" })).failed_execution();
    assert_eq!(roll_up(&models.host.get(&exec)), (Models::COST, 0, 2, 0));
    models.provider.then(Reaction::text("Second."));
    let done = models.item(&["executions", "retry", &exec]);
    assert_eq!(roll_up(&done), (2 * Models::COST, 0, 3, 0));
    assert_eq!(done["llm_usage_summary_v1"]["records_without_cost_count"], 0);
    let costs = ["model_named", "model_named_2"].map(|name| nanos(&checkpoint(&done, name)["cost_usd"]));
    assert_eq!(costs, [Some(Models::COST); 2]);
}

#[test]
fn sums_per_flow_day_and_model_are_those_of_their_records() {
    let models = two_models();
    let _ = three_calls(&models);
    let between = models.run("model_between", &json!({ "prompt": "z" }));
    let (fast, all) = (Models::COST, 2 * Models::COST + SMART);
    let flows = [
        ("model_between".to_owned(), 1, Some(fast), Some(fast)),
        ("model_calls".to_owned(), 3, Some(fast + SMART), Some(fast + SMART)),
    ];
    assert_eq!(groups(&models, &["--by", "flow"]), flows);
    // Budgets have no account of a model.
    let named = [("openai/gpt-4o".to_owned(), 1, Some(SMART), None), ("openai/gpt-4o-mini".to_owned(), 3, Some(2 * fast), None)];
    assert_eq!(groups(&models, &["--by", "model"]), named);
    // Midnight may pass in between.
    let days = groups(&models, &["--by", "day"]);
    assert!((1..=2).contains(&days.len()), "{days:?}");
    let sum = |of: fn(&Group) -> Option<i64>| days.iter().filter_map(of).sum::<i64>();
    assert_eq!((sum(|day| day.2), sum(|day| day.3)), (all, all));
    assert!(days.iter().all(|(day, ..)| day.len() == 10 && day.starts_with("20")), "{days:?}");
    let together = ("all".to_owned(), 4, Some(all), Some(all));
    assert_eq!(groups(&models, &[]), std::slice::from_ref(&together));
    assert_eq!(groups(&models, &["--since", "2d"]), [together]);
    assert_eq!(groups(&models, &["--until", "2020-01-01"]), [("all".to_owned(), 0, Some(0), Some(0))]);
    assert_eq!(groups(&models, &["--flow", "model_between"]), [("all".to_owned(), 1, Some(fast), Some(fast))]);
    assert_eq!(groups(&models, &["--flow", "model_calls", "--by", "model"]).len(), 2);
    let item = &usage(&models, &[])[0];
    assert_eq!((&item["by"], &item["name"]), (&Value::Null, &Value::Null));
    assert_eq!(item["llm_usage_summary_v1"]["reused_usage_record_count"], 1);
    let text = models.host.text(["model", "usage", "--by", "flow"]).ok().stdout;
    assert!(text.lines().any(|line| line.starts_with("model_calls") && line.contains("$0.00010585")), "{text}");
    assert!(text.lines().any(|line| line.starts_with("all") && line.contains("$0.0001117")), "{text}");
    // What is deleted was spent all the same.
    let _ = models.host.json(["executions", "delete", id(&between)]).ok();
    assert_eq!(groups(&models, &["--by", "flow"])[0], ("model_between".to_owned(), 0, Some(0), Some(fast)));
}

#[test]
fn a_cost_that_nobody_knows_is_said_as_that() {
    let models = two_models();
    assert_eq!(models.host.text(["model", "usage"]).ok().stdout.trim(), "No model calls.");
    let odd = models.run("model_calls", &json!({ "requests": [{ "prompt": "x", "model": "odd", "name": "odd" }] }));
    let call = checkpoint(&odd, "odd");
    assert_eq!((&call["cost_usd"], &call["records_without_cost_count"]), (&Value::Null, &json!(1)));
    assert_eq!(odd["llm_usage_summary_v1"]["records_without_cost_count"], 1);
    assert!(models.host.text(["executions", "get", id(&odd)]).ok().stdout.contains("unknown; 18 tokens"));
    assert_eq!(usage(&models, &[])[0]["cost_usd"], Value::Null);
    let text = |flags: &[&str]| models.host.text([&["model", "usage"], flags].concat()).ok().stdout;
    assert!(text(&[]).contains("unknown"), "{}", text(&[]));
    let _ = models.run("model_between", &json!({ "prompt": "x" }));
    assert!(text(&["--by", "flow"]).contains("$0.00000585, and 1 unknown"), "{}", text(&["--by", "flow"]));
    // Neither word nor day is guessed.
    for wrong in [["--by", "week"], ["--since", "yesterday"]] {
        assert_ne!(models.host.text([&["model", "usage"], &wrong[..]].concat()).code, Some(0));
    }
}
