//! Model calls in replays and retries: what is served is asked of nobody and costs nothing (L22, E9, A9).

use kitaru_tests::models::{entry, failed, usage};
use kitaru_tests::provider::{Provider, Reaction};
use kitaru_tests::{Models, checkpoint, id, names};
use serde_json::{Value, json};

/// A step, a call that was answered with `Original.`, and a step; each further answer is numbered.
fn between() -> (Models, Value) {
    let numbered = |received: &kitaru_tests::provider::Received| match received.number {
        0 => Reaction::text("Original."),
        number => Reaction::text(&format!("Answer {number}.")),
    };
    let models = Models::of(Provider::reacting(numbered));
    let source = models.run("model_between", &json!({ "prompt": "x" }));
    assert_eq!((&source["result"], models.hits()), (&json!("before Original."), 1));
    (models, source)
}

fn replay(models: &Models, source: &Value, flags: &[&str]) -> Value {
    models.item(&[&["executions", "replay", id(source)], flags].concat())
}

#[test]
fn l22_a_call_before_the_anchor_is_served_and_costs_nothing() {
    let (models, source) = between();
    let again = replay(&models, &source, &["--from", "model_step_2"]);
    assert_eq!((&again["result"], models.hits()), (&source["result"], 1), "nobody is asked");
    let (call, original) = (checkpoint(&again, "between"), checkpoint(&source, "between"));
    assert_eq!((&call["provenance"], &call["original_call_id"]), (&json!("served"), &original["call_id"]));
    assert_eq!(call["checkpoint_type"], "llm_call");
    let (record, paid) = (usage(call)[0], usage(original)[0]);
    assert_eq!((&record["billing_effect"], &record["cache_status"]), (&json!("reused_not_incurred"), &json!("replay_reused")));
    assert_eq!((&record["cost"]["estimated_cost_usd"], &record["cost"]["actual_cost_usd"]), (&Value::Null, &Value::Null));
    assert_eq!(record["cost"]["saved_cost_usd"], paid["cost"]["estimated_cost_usd"]);
    assert_eq!(models.artifact(&again, "between_response").1, "Original.", "its artifacts are shown");
    let spent: i64 = models.records(id(&again)).iter().map(|record| record.spent).sum();
    assert_eq!(spent, 0);
    assert_eq!(usage(checkpoint(&models.host.get(id(&source)), "between")), usage(original), "the source keeps what it paid");
}

#[test]
fn l22_a_call_at_the_anchor_or_after_it_is_made_anew() {
    let (models, source) = between();
    for (anchor, hits) in [("between", 2), (":0", 3)] {
        let again = replay(&models, &source, &["--from", anchor]);
        assert_eq!((&again["result"], models.hits()), (&json!(format!("before Answer {}.", hits - 1)), hits), "{anchor}");
        let call = checkpoint(&again, "between");
        assert_eq!((&call["provenance"], &usage(call)[0]["billing_effect"]), (&json!("ran"), &json!("incurred")));
    }
}

#[test]
fn a_call_is_overridden_with_a_text_or_a_whole_answer() {
    let (models, source) = between();
    let whole = json!({ "text": "Whole.", "tool_calls": [], "usage": { "input_tokens": 1 } });
    for (value, text) in [(json!("Edited."), "Edited."), (json!({ "text": "Short." }), "Short."), (whole, "Whole.")] {
        let again = replay(&models, &source, &["--override", &format!("checkpoint.between={value}")]);
        assert_eq!(again["result"], format!("before {text}"));
        assert_eq!(names(&again["checkpoints"], "provenance"), ["served", "overridden", "ran"]);
        assert!(models.records(id(&again)).is_empty(), "no call was made: {again:#}");
    }
    assert_eq!(models.hits(), 1);
    // A stream comes from an override as from a record.
    let story = models.run("model_flow_stream", &json!({ "prompt": "x" }));
    let again = replay(&models, &story, &["--override", "checkpoint.story=\"One piece.\""]);
    assert_eq!(again["result"], json!(["One piece.", "One piece."]));
    assert_eq!(models.hits(), 2);
}

#[test]
fn a_call_is_made_with_the_request_that_a_replay_gives() {
    let (models, source) = between();
    let given = json!({ "between": { "input": { "prompt": "Something else.", "name": "between" } } }).to_string();
    let again = replay(&models, &source, &["--checkpoint-overrides", &given]);
    assert_eq!((&again["result"], models.hits()), (&json!("before Answer 1."), 2));
    assert_eq!(names(&again["checkpoints"], "provenance"), ["served", "ran", "ran"]);
    assert_eq!(models.provider.calls()[1].received.conversation(), [("user".to_owned(), "Something else.".to_owned())]);
}

/// Another model for a call that is made anew: what an experiment with models is.
#[test]
fn a_call_is_made_with_the_model_that_a_replay_gives() {
    let (models, source) = between();
    let _ = models.alias("strong", "openai/gpt-4o", &models.provider.openai(), &[]);
    let before = models.host.get(id(&source));
    for (number, given) in
        [json!({ "model": "strong" }), json!({ "model": "openai/gpt-4o", "input": { "prompt": "Else.", "model": "fast" } })]
            .into_iter()
            .enumerate()
    {
        let named = given["model"].clone();
        let flag = json!({ "between": given }).to_string();
        let scope = if number == 0 { "--checkpoint-overrides" } else { "--invocation-overrides" };
        let again = match number {
            0 => replay(&models, &source, &[scope, &flag]),
            // By its own name there is no address of the test's own: whoever runs it answers by a script.
            _ => {
                let words = ["executions", "replay", id(&source), scope, &flag];
                let reply: kitaru_tests::Reply = models.command_with(&[("KITARU_LLM_MOCK_RESPONSE", "Mocked.")], &words).into();
                reply.item()
            }
        };
        assert_eq!(names(&again["checkpoints"], "provenance"), ["served", "ran", "ran"]);
        let call = checkpoint(&again, "between");
        assert_eq!(
            (&entry(call, "between")["requested_model"], &entry(call, "between")["resolved_model"]),
            (&named, &json!("openai/gpt-4o"))
        );
    }
    let asked = models.provider.calls();
    assert_eq!((asked.len(), &asked[1].received.json()["model"]), (2, &json!("gpt-4o")));
    assert_eq!(models.host.get(id(&source)), before, "the source is as it was");
}

/// All of it is looked at before anything is created.
#[test]
fn a_model_that_cannot_be_asked_is_refused_before_anything_starts() {
    let (models, _) = between();
    let target = kitaru_tests::fixture("conformance:model_between");
    let source = models.item(&["run", &target, "--input", r#"{"prompt":"x"}"#, "--allow-llm=fast"]);
    let before = models.host.json(["executions", "list"]).items().len();
    let refused =
        |given: Value| models.reply(&["executions", "replay", id(&source), "--checkpoint-overrides", &given.to_string()]).error();
    for (given, part) in [
        (json!({ "model_step": { "model": "fast" } }), "is not an LLM checkpoint and cannot honor a model swap"),
        (json!({ "between": { "model": "openai/gpt-4o" } }), "is not granted"),
        (json!({ "between": { "model": "no-such-alias" } }), "provider"),
        (json!({ "between": { "model": "fast", "output": "x" } }), "cannot include both output and model"),
        (json!({ "between": { "input": { "prompt": " " } } }), "Prompt cannot be empty"),
    ] {
        let error = refused(given.clone());
        assert!(error["message"].as_str().is_some_and(|message| message.contains(part)), "{given}: {error:#}");
    }
    let hint = refused(json!({ "between": { "model": "openai/gpt-4o" } }));
    assert_eq!(hint["hint"], "grant it: --allow-llm=openai/gpt-4o");
    assert_eq!(models.host.json(["executions", "list"]).items().len(), before, "nothing was created");
    let given = json!({ "between": { "model": "openai/gpt-4o" } }).to_string();
    let words = ["executions", "replay", id(&source), "--checkpoint-overrides", &given, "--allow-llm=openai/gpt-4o"];
    let granted: kitaru_tests::Reply = models.command_with(&[("KITARU_LLM_MOCK_RESPONSE", "Mocked.")], &words).into();
    assert_eq!(granted.item()["result"], "before Mocked.");
}

/// The checkpoint is what a replay goes over again, with all calls of its body.
#[test]
fn l3_l22_calls_of_a_checkpoint_are_served_or_made_with_it() {
    let models = Models::always("Said.");
    let source = models.run("model_outline_and_draft", &json!({ "topic": "tides" }));
    let again = replay(&models, &source, &["--from", "model_named_2"]);
    assert_eq!((names(&again["checkpoints"], "provenance"), models.hits()), (vec!["served", "ran"], 3));
    let (served, made) = (checkpoint(&again, "model_named"), checkpoint(&again, "model_named_2"));
    assert_eq!(usage(served)[0]["billing_effect"], "reused_not_incurred");
    assert_eq!(usage(made)[0]["billing_effect"], "incurred");
    assert_eq!(entry(served, "outline_call")["resolved_model"], "openai/gpt-4o-mini");
    // An override of the checkpoint is one of its calls too.
    let again = replay(&models, &source, &["--override", "checkpoint.:0=Edited."]);
    let asked = models.provider.calls().last().unwrap().received.conversation();
    assert_eq!((asked[0].1.as_str(), models.hits()), ("Write it: Edited.", 4), "{again:#}");
}

#[test]
fn a9_going_over_a_record_again_asks_nobody_and_changes_nothing() {
    let (models, source) = between();
    let (rows, records) = (models.host.rows(id(&source)), models.record_bytes(id(&source)));
    assert_eq!(records.len(), 1);
    let verified = models.host.json(["executions", "verify", id(&source)]).items();
    assert_eq!(verified[0]["holds"], true, "{verified:#?}");
    let _ = replay(&models, &source, &["--from", "model_step_2"]);
    assert_eq!(models.hits(), 1);
    assert_eq!((models.host.rows(id(&source)), models.record_bytes(id(&source))), (rows, records), "byte for byte");
}

/// Every export has the same events, of the source as of its replay, and the replay's model call is there as one that was served.
#[test]
fn a9_an_export_has_the_same_events_every_time() {
    let (models, source) = between();
    let events = |execution: &str| {
        let reply = models.host.text(["executions", "export", execution, "--format", "atof"]).ok();
        (reply.json_lines(), reply.stdout)
    };
    let (lines, before) = events(id(&source));
    let again = replay(&models, &source, &["--from", "model_step_2"]);
    assert_eq!(events(id(&source)).1, before, "the replay changes nothing of its source");
    let (served, text) = events(id(&again));
    assert_eq!(events(id(&again)).1, text);
    let of_models = |lines: &[Value]| lines.iter().filter(|line| line["category"] == "llm").cloned().collect::<Vec<_>>();
    let (made, served) = (of_models(&lines), of_models(&served));
    assert_eq!((made.len(), served.len()), (2, 2), "one start and one end in each");
    let recorded = models.records(id(&source));
    assert_eq!(made[0]["uuid"], recorded[0].start()["uuid"]);
    assert_eq!(
        (&served[1]["metadata"]["kitaru.replayed"], served[1]["metadata"]["kitaru.llm.cost_usd"].as_f64()),
        (&json!(true), Some(0.0))
    );
    assert_eq!(models.hits(), 1);
}

#[test]
fn e9_a_retry_serves_what_was_answered_and_makes_what_failed() {
    let models = Models::answering([Reaction::text("First."), Reaction::status(400)]);
    let requests = json!({ "topic": "tides" });
    let reply = models.try_run("model_outline_and_draft", &requests);
    let exec = reply.failed_execution();
    assert_eq!(reply.error()["failure_kind"], "provider");
    models.provider.then(Reaction::text("Second."));
    let done = models.item(&["executions", "retry", &exec]);
    assert_eq!((&done["result"], models.hits()), (&json!("Second."), 3));
    assert_eq!(names(&checkpoint(&done, "model_named_2")["attempts"], "status"), ["failed", "completed"]);
    let records = models.records(&exec);
    assert_eq!(
        records.iter().map(|record| (record.name.as_str(), record.call)).collect::<Vec<_>>(),
        [("outline_call", 0), ("draft_call", 1), ("draft_call", 1)]
    );
}

#[test]
fn e9_a_failed_call_of_a_flow_is_made_again_by_a_retry() {
    let models = Models::answering([Reaction::status(400)]);
    let reply = models.try_run("model_between", &json!({ "prompt": "x" }));
    let exec = reply.failed_execution();
    assert_eq!((&reply.error()["origin"], &reply.error()["failure_kind"]), (&json!("backend"), &json!("provider")));
    let failed_call = models.host.get(&exec);
    assert_eq!(checkpoint(&failed_call, "between")["status"], "failed");
    models.provider.then(Reaction::text("Mended."));
    let done = models.item(&["executions", "retry", &exec]);
    assert_eq!((&done["result"], models.hits()), (&json!("before Mended."), 2));
    assert_eq!(models.host.journal(&exec).len(), 3, "one call, however often it was made");
}

/// A checkpoint's own retries make its calls again. Each attempt has its record, and all of it was paid for.
#[test]
fn a_checkpoint_that_is_tried_again_makes_its_calls_again() {
    let models = Models::answering([Reaction::status(503), Reaction::status(503), Reaction::text("At last.")]);
    models.settings(Models::ONCE);
    let done = models.run("model_body_answer", &json!({ "prompt": "x" }));
    assert_eq!((&done["result"], models.hits()), (&json!("At last."), 3));
    let call = checkpoint(&done, "model_answer_of_body");
    assert_eq!(names(&call["attempts"], "status"), ["failed", "failed", "completed"]);
    let records = models.records(id(&done));
    assert_eq!(records.iter().map(|record| record.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    let ids: std::collections::HashSet<_> =
        records.iter().flat_map(|record| &record.usage).map(|usage| usage["record_id"].to_string()).collect();
    assert_eq!(ids.len(), 3, "each attempt's usage is a record of its own: {records:#?}");
    assert_eq!(models.artifact(&done, "answer_response").1, "At last.");
}

/// What a failed call left stays where it can be read: the failure, and what was asked.
#[test]
fn a_failed_call_keeps_its_prompt_and_its_failure() {
    let models = Models::answering([Reaction::status(400)]);
    let done = models.run("model_calls", &json!({ "requests": [{ "prompt": "x", "name": "asked" }] }));
    failed(&done["result"][0], "provider", &["status 400"]);
    let call = checkpoint(&done, "asked");
    assert_eq!((&call["status"], &call["failure"]["exception_type"]), (&json!("failed"), &json!("provider")));
    assert_eq!(entry(call, "asked")["resolved_model"], "openai/gpt-4o-mini");
    assert_eq!(usage(call)[0]["status"], "failed");
    assert_eq!(models.artifact(&done, "asked_prompt").1, json!([{ "role": "user", "content": "x" }]));
    assert!(models.records(id(&done))[0].end()["metadata"]["error.type"].is_string());
}
