//! Model calls that come to no end: somebody may have been asked, so nobody knows what they cost, and that is said wherever costs are told.

use kitaru_tests::provider::{Gate, Provider, Reaction};
use kitaru_tests::{Models, Reply, checkpoint, id};
use serde_json::{Value, json};

/// How many attempts of unknown cost commands count of an execution and what they know of its cost, in billionths of a dollar: by itself, in lists
/// and in statistics, which must agree.
#[track_caller]
fn told(models: &Models, exec: &str) -> (u64, Option<i64>) {
    let whole = models.host.get(exec);
    let listed = models.host.json(["executions", "list"]).items();
    let listed = listed.iter().find(|item| id(item) == exec).expect("it is listed");
    assert_eq!(listed["cost_usd"], whole["cost_usd"], "the list tells the same: {listed:#}");
    let groups = models.host.item(["executions", "statistics", "--metric", "cost"])["groups"].clone();
    let unknown = &whole["llm_usage_summary_v1"]["records_without_cost_count"];
    assert_eq!(groups[0]["metrics"]["cost"]["unknown_count"], *unknown, "statistics tell the same: {groups:#}");
    (unknown.as_u64().unwrap_or(0), whole["cost_usd"].as_f64().map(|dollars| (dollars * 1e9).round() as i64))
}

/// The only record of an execution's calls: somebody was asked, and did not answer.
#[track_caller]
fn one_without_cost(models: &Models, exec: &str) {
    let records = models.records(exec);
    let [record] = &records[..] else { panic!("one record: {records:#?}") };
    let [usage] = &record.usage[..] else { panic!("one attempt: {record:#?}") };
    let said = ["status", "billing_effect", "resolved_model", "call_name"].map(|key| usage[key].clone());
    assert_eq!(json!(said), json!(["failed", "unknown", "openai/gpt-4o-mini", record.name]));
}

fn cancelled(models: &Models, gate: &Gate, flow: &str, input: &Value) -> String {
    let running = models.start(flow, input);
    gate.until_reached(1);
    let exec = id(&models.newest()).to_owned();
    let _ = models.host.json(["executions", "cancel", &exec]).ok();
    let _ = running.finish();
    exec
}

#[test]
fn a_call_that_is_cancelled_in_its_middle_has_an_unknown_cost() {
    let streamed = json!({ "request": { "prompt": "x", "stream": true }, "most": null, "abort": false });
    for (flow, input) in [
        ("model_between", json!({ "prompt": "x" })),
        ("model_flow_stream", json!({ "prompt": "x" })),
        ("model_body_answer", json!({ "prompt": "x" })),
        ("model_stream", streamed),
    ] {
        let (models, gate) = Models::held_once();
        let exec = cancelled(&models, &gate, flow, &input);
        one_without_cost(&models, &exec);
        assert_eq!(told(&models, &exec), (1, None), "{flow}");
        let sums = models.host.json(["model", "usage"]).items()[0].clone();
        assert_eq!((&sums["calls"], &sums["cost_usd"]), (&json!(1), &Value::Null), "{flow}: {sums:#}");
        assert!(models.host.text(["executions", "get", &exec]).ok().stdout.contains("unknown"), "{flow}");
    }
}

#[test]
fn a_call_that_its_checkpoint_has_no_more_time_for_has_an_unknown_cost() {
    let streamed = json!({ "request": { "prompt": "x", "stream": true }, "most": null, "abort": false });
    for (flow, input) in [("model_body", json!({ "requests": [{ "prompt": "x" }] })), ("model_stream", streamed)] {
        let models = Models::of(Provider::reacting(|_| Reaction::hang()));
        let mut command = models.flow_with(&[("OPENAI_API_KEY", Models::KEY)], flow, &input);
        // Its instantiation counts too.
        let _ = command.arg("--checkpoint-seconds=5");
        let exec = Reply::from(command).failed_execution();
        one_without_cost(&models, &exec);
        assert_eq!(told(&models, &exec), (1, None), "{flow}");
    }
}

/// The host dies in the middle of a call; returns the execution as it stays behind.
fn killed(models: &Models, gate: &Gate) -> String {
    let running = models.start("model_between", &json!({ "prompt": "x" }));
    gate.until_reached(1);
    running.kill();
    id(&models.newest()).to_owned()
}

#[test]
fn a_call_that_died_with_its_host_has_an_unknown_cost_beside_that_of_the_second() {
    let (models, gate) = Models::held_once();
    let exec = killed(&models, &gate);
    assert_eq!(told(&models, &exec), (0, None), "for all that is known it is under way");
    let done = models.item(&["executions", "resume", &exec]);
    assert_eq!(models.records(&exec).len(), 1, "the first attempt left none");
    assert_eq!(told(&models, &exec), (1, Some(Models::COST)));
    assert_eq!(checkpoint(&done, "between")["records_without_cost_count"], 1);
    let text = models.host.text(["executions", "get", &exec]).ok().stdout;
    assert!(text.contains("$0.00000585, and 1 unknown"), "{text}");
}

#[test]
fn a_call_that_died_with_its_host_and_is_not_made_again_has_an_unknown_cost() {
    // Nobody goes on with it.
    let (models, gate) = Models::held_once();
    let exec = killed(&models, &gate);
    let _ = models.host.json(["executions", "cancel", &exec]).ok();
    assert_eq!(told(&models, &exec), (1, None));
    // The settings say so, and whoever looked into it makes it again.
    let (models, gate) = Models::held_once();
    models.settings("[llm]\nafter_crash = \"fail\"\n");
    let exec = killed(&models, &gate);
    let _ = models.reply(&["executions", "resume", &exec]);
    assert_eq!(told(&models, &exec), (1, None));
    let _ = models.item(&["executions", "retry", &exec]);
    assert_eq!(told(&models, &exec), (1, Some(Models::COST)));
}

/// What lists keep of an execution while it waits is carried on by what comes then.
#[test]
fn a_call_that_a_person_settles_after_a_crash_has_an_unknown_cost() {
    for (answer, cost) in
        [(json!({ "action": "result", "value": "By a person." }), None), (json!({ "action": "retry" }), Some(Models::COST))]
    {
        let (models, gate) = Models::held_once();
        models.settings("[llm]\nafter_crash = \"ask\"\n");
        let exec = killed(&models, &gate);
        let asked = models.item(&["executions", "resume", &exec]);
        assert_eq!((&asked["status"], told(&models, &exec)), (&json!("waiting"), (0, None)), "{asked:#}");
        let _ = models.reply(&["executions", "input", &exec, "--value", &answer.to_string()]);
        assert_eq!(told(&models, &exec), (1, cost), "{answer}");
    }
}
