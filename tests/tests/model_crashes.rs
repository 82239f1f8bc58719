//! Hosts that die while a model answers, and after it has: what is recorded is served, what was under way follows the settings (K2, A9).

use kitaru_tests::models::told;
use kitaru_tests::provider::{Gate, Provider, Reaction};
use kitaru_tests::{Models, Reply, Running, checkpoint, fixture, id, names, until};
use serde_json::{Value, json};

/// An execution whose host died in the middle of its call.
fn killed_in_call(models: &Models, gate: &Gate, flow: &str) -> String {
    let running = models.start(flow, &json!({ "prompt": "x" }));
    gate.until_reached(1);
    running.kill();
    let left = models.newest();
    assert_eq!((&left["status"], &left["runner"]), (&json!("running"), &Value::Null), "{left:#}");
    id(&left).to_owned()
}

fn resume(models: &Models, exec: &str) -> Value {
    models.item(&["executions", "resume", exec])
}

#[test]
fn a9_k2_a_call_that_died_with_its_host_is_made_again_and_recorded_once() {
    let (models, gate) = Models::held_once();
    let exec = killed_in_call(&models, &gate, "model_between");
    assert!(models.records(&exec).is_empty(), "nobody knows its end");
    let done = resume(&models, &exec);
    assert_eq!((&done["result"], models.hits()), (&json!("before Answer 1."), 2));
    let call = checkpoint(&done, "between");
    assert_eq!(names(&call["attempts"], "status"), ["interrupted", "completed"]);
    let calls = models.host.journal(&exec);
    assert_eq!(calls.iter().filter(|call| call["kind"] == "llm_call").count(), 1);
    let records = models.records(&exec);
    let [record] = &records[..] else { panic!("one record: {records:#?}") };
    assert_eq!((record.attempt, record.usage.len()), (2, 1));
    assert_eq!(record.start()["metadata"]["kitaru.attempt"], 2, "the second attempt is marked: {:#}", record.start());
    assert_eq!(names(&call["artifacts"], "name"), ["between_prompt", "between_response", "output"]);
    assert_eq!(models.host.json(["executions", "verify", &exec]).items()[0]["holds"], true);
}

#[test]
fn a9_a_call_that_died_in_a_checkpoint_is_made_again_with_it() {
    let (models, gate) = Models::held_once();
    let exec = killed_in_call(&models, &gate, "model_body_answer");
    let done = resume(&models, &exec);
    assert_eq!((&done["result"], models.hits()), (&json!("Answer 1."), 2));
    let call = checkpoint(&done, "model_answer_of_body");
    assert_eq!(names(&call["attempts"], "status"), ["interrupted", "completed"]);
    let records = models.records(&exec);
    assert_eq!(records.iter().map(|record| record.attempt).collect::<Vec<_>>(), [2]);
}

#[test]
fn a9_a_call_that_died_fails_where_the_settings_say_so() {
    let (models, gate) = Models::held_once();
    models.settings("[llm]\nafter_crash = \"fail\"\n");
    let exec = killed_in_call(&models, &gate, "model_between");
    let reply = models.reply(&["executions", "resume", &exec]);
    let left = models.host.get(&exec);
    assert_eq!((&left["status"], &left["failure"]["exception_type"]), (&json!("failed"), &json!("unknown-outcome")), "{reply:?}");
    assert!(left["failure"]["message"].as_str().unwrap().contains("charged"), "{left:#}");
    assert_eq!(models.hits(), 1, "nobody pays twice");
    // Who looked into it makes it again.
    let done = models.item(&["executions", "retry", &exec]);
    assert_eq!((&done["result"], models.hits()), (&json!("before Answer 1."), 2));
}

#[test]
fn a9_a_person_is_asked_about_a_call_that_died_where_the_settings_say_so() {
    let answers = [
        (json!({ "action": "result", "value": "By a person." }), json!("before By a person."), 1),
        (json!({ "action": "result", "value": { "text": "Whole." } }), json!("before Whole."), 1),
        (json!({ "action": "retry" }), json!("before Answer 1."), 2),
        (json!({ "action": "fail" }), Value::Null, 1),
    ];
    for (answer, result, hits) in answers {
        let (models, gate) = Models::held_once();
        models.settings("[llm]\nafter_crash = \"ask\"\n");
        let exec = killed_in_call(&models, &gate, "model_between");
        let asked = resume(&models, &exec);
        assert_eq!((&asked["status"], &asked["pending_wait"]["name"]), (&json!("waiting"), &json!("between")), "{asked:#}");
        assert!(asked["pending_wait"]["question"].as_str().unwrap().contains("model"), "{asked:#}");
        let _ = models.reply(&["executions", "input", &exec, "--value", &answer.to_string()]);
        let done = models.host.get(&exec);
        assert_eq!((&done["result"], models.hits()), (&result, hits), "{answer}: {done:#}");
        if result.is_null() {
            assert_eq!(done["failure"]["exception_type"], "unknown-outcome", "{done:#}");
        }
    }
}

#[test]
fn a9_k2_a_stream_that_died_in_the_middle_comes_again_from_its_beginning() {
    let gate = Gate::new();
    let held = gate.clone();
    let models = Models::of(Provider::reacting(move |received| match received.number {
        0 => Reaction::pieces(["Old one ", "old two."]).held_after(1, &held),
        _ => Reaction::pieces(["New one ", "new two."]),
    }));
    let input = json!({ "request": { "prompt": "x", "name": "asked", "stream": true }, "most": null, "abort": false });
    let running = models.start("model_stream", &input);
    let exec = models.begun();
    until("the first piece", || (models.heard(&exec) == ["Old one"]).then_some(()));
    running.kill();
    let done = resume(&models, &exec);
    assert_eq!(done["result"]["pieces"], json!(["New one ", "new two."]));
    assert_eq!((&done["result"]["end"]["ok"]["text"], models.hits()), (&json!("New one new two."), 2));
    let records = models.records(&exec);
    assert_eq!(records.iter().map(|record| record.attempt).collect::<Vec<_>>(), [2], "one record, of the second attempt");
    assert_eq!(names(&checkpoint(&done, "model_stream_of_body")["attempts"], "status"), ["interrupted", "completed"]);
}

#[test]
fn a9_a_stream_of_a_flow_that_died_follows_the_settings_too() {
    let gate = Gate::new();
    let held = gate.clone();
    let models = Models::of(Provider::reacting(move |_| Reaction::pieces(["One ", "two."]).held_after(1, &held)));
    models.settings("[llm]\nafter_crash = \"fail\"\n");
    let exec = killed_in_call(&models, &gate, "model_flow_stream");
    let reply = models.reply(&["executions", "resume", &exec]);
    let left = models.host.get(&exec);
    assert_eq!(left["failure"]["exception_type"], "unknown-outcome", "{reply:?}");
    assert_eq!(left["checkpoints"].as_array().unwrap().len(), 1, "the flow saw no piece of it: {left:#}");
    assert_eq!(models.hits(), 1);
}

/// A stream of a flow of which the host had one piece when it died; then the provider answers at once.
fn killed_in_stream(after_crash: &str) -> (Models, String) {
    let gate = Gate::new();
    let held = gate.clone();
    let models = Models::of(Provider::reacting(move |received| match received.number {
        0 => Reaction::pieces(["Old one ", "old two."]).held_after(1, &held),
        _ => Reaction::pieces(["New one ", "new two."]),
    }));
    models.settings(&format!("[llm]\nafter_crash = \"{after_crash}\"\n"));
    let exec = killed_in_call(&models, &gate, "model_flow_stream");
    (models, exec)
}

#[test]
fn a9_k2_a_stream_of_a_flow_that_died_in_the_middle_is_made_again_and_recorded_once() {
    let (models, exec) = killed_in_stream("retry");
    let done = resume(&models, &exec);
    assert_eq!((&done["result"], models.hits()), (&json!(["New one ", "new two.", "New one new two."]), 2));
    assert_eq!(names(&checkpoint(&done, "story")["attempts"], "status"), ["interrupted", "completed"]);
    let records = models.records(&exec);
    let [record] = &records[..] else { panic!("one record: {records:#?}") };
    assert_eq!((record.attempt, &record.start()["metadata"]["kitaru.attempt"]), (2, &json!(2)), "the second attempt is marked");
    assert!(record.events.iter().any(|event| event["name"] == "llm.chunk"), "with its pieces: {:#?}", record.events);
    assert_eq!(models.host.json(["executions", "verify", &exec]).items()[0]["holds"], true);
}

#[test]
fn a9_a_person_is_asked_about_a_stream_of_a_flow_that_died() {
    let by_person = json!(["By a person.", "By a person."]);
    for (answer, result, hits) in [
        (json!({ "action": "result", "value": { "text": "By a person." } }), by_person, 1),
        (json!({ "action": "retry" }), json!(["New one ", "new two.", "New one new two."]), 2),
        (json!({ "action": "fail" }), Value::Null, 1),
    ] {
        let (models, exec) = killed_in_stream("ask");
        let asked = resume(&models, &exec);
        assert_eq!((&asked["status"], &asked["pending_wait"]["name"]), (&json!("waiting"), &json!("story")), "{asked:#}");
        assert_eq!(models.hits(), 1, "nobody is asked before somebody has said so");
        let _ = models.reply(&["executions", "input", &exec, "--value", &answer.to_string()]);
        let done = models.host.get(&exec);
        assert_eq!((&done["result"], models.hits()), (&result, hits), "{answer}: {done:#}");
        if result.is_null() {
            assert_eq!(done["failure"]["exception_type"], "unknown-outcome", "{done:#}");
        }
    }
}

/// The flow waits for a person, its host dies, another one goes on: the model is not asked again.
#[test]
fn a9_a_recorded_answer_is_served_to_whoever_goes_on() {
    let models = Models::always("Said.");
    let (target, input) = (fixture("conformance:model_before_wait"), json!({ "prompt": "x" }).to_string());
    let words = ["run", &target, "--input", &input, "--allow-llm", "--wait"];
    let running: Running = models.host.spawn(models.command_with(&[("OPENAI_API_KEY", Models::KEY)], &words));
    let exec = until("the question", || {
        let waits = models.host.json(["executions", "pending-waits"]).items();
        waits.first().map(|wait| wait["exec_id"].as_str().unwrap().to_owned())
    });
    running.kill();
    let records = models.record_bytes(&exec);
    assert_eq!((records.len(), models.hits()), (1, 1));
    let uuids: Vec<Value> = models.records(&exec)[0].events.iter().map(|event| event["uuid"].clone()).collect();
    // Whoever answers has no key, and needs none.
    let done = models.host.item(["executions", "input", &exec, "--value", "true"]);
    assert_eq!((&done["result"], models.hits()), (&json!("Said."), 1));
    assert_eq!(models.record_bytes(&exec), records, "byte for byte");
    let after: Vec<Value> = models.records(&exec)[0].events.iter().map(|event| event["uuid"].clone()).collect();
    assert_eq!(after, uuids, "the same events");
}

/// Kills a flow before and after each of its appends in turn, and resumes it; the provider always answers with `One two.`.
fn killed_everywhere(flow: &str, check: impl Fn(&Models, &Value, &str)) {
    for side in ["KITARU_FAULT_KILL_BEFORE", "KITARU_FAULT_KILL_AT"] {
        for append in 1.. {
            assert!(append < 100, "the run never gets past its fault point");
            let models = Models::always("One two.");
            let number = append.to_string();
            let variables = [("OPENAI_API_KEY", Models::KEY), (side, number.as_str())];
            let reply = Reply::from(models.flow_with(&variables, flow, &json!({ "prompt": "x" })));
            let place = format!("{flow}, {side}={append}");
            if reply.code == Some(0) {
                assert!(append > 2, "this host has no fault points");
                check(&models, &reply.item(), &place);
                break;
            }
            assert_eq!(reply.code, None, "{place}: it dies or it works{reply:?}");
            let left = models.newest();
            let done = if left["status"] == "completed" { left } else { resume(&models, id(&left)) };
            check(&models, &done, &place);
        }
    }
}

/// One record of the call, and one call more than that only where its host died before it could be written.
fn asked_once_or_interrupted(models: &Models, done: &Value, invocation: &str, place: &str) {
    let records = models.records(id(done));
    assert_eq!(records.len(), 1, "{place}: {records:#?}");
    let statuses = names(&checkpoint(done, invocation)["attempts"], "status");
    let interrupted = statuses.iter().filter(|status| **status == "interrupted").count();
    assert!(matches!(statuses[..], ["completed"] | ["interrupted", "completed"]), "{place}: {statuses:?}");
    // The host may have died between the record that it begins and the call itself.
    assert!((1..=1 + interrupted).contains(&models.hits()), "{place}: {} calls, {statuses:?}", models.hits());
    let spent: i64 = records.iter().map(|record| record.spent).sum();
    assert_eq!(spent, Models::COST, "{place}");
}

#[test]
fn k1_k2_a_call_of_a_flow_survives_death_at_every_append() {
    killed_everywhere("model_between", |models, done, place| {
        assert_eq!(done["result"], "before One two.", "{place}");
        asked_once_or_interrupted(models, done, "between", place);
    });
}

#[test]
fn k1_k2_pieces_of_a_flow_are_the_same_after_death_at_every_append() {
    killed_everywhere("model_flow_stream", |models, done, place| {
        assert_eq!(done["result"], json!(["One ", "two.", "One two."]), "{place}");
        asked_once_or_interrupted(models, done, "story", place);
    });
}

#[test]
fn k1_k2_a_call_of_a_checkpoint_survives_death_at_every_append() {
    killed_everywhere("model_body_answer", |models, done, place| {
        assert_eq!(done["result"], "One two.", "{place}");
        // An attempt that was interrupted after its call has a record of it: that was paid for.
        let records = models.records(id(done));
        assert!(records.iter().filter(|record| record.name == "answer").count() <= models.hits(), "{place}: {records:#?}");
        let call = checkpoint(done, "model_answer_of_body");
        let attempts = call["attempts"].as_array().unwrap().len();
        assert!(attempts <= 2 && (1..=attempts).contains(&models.hits()), "{place}: {call:#}");
        assert_eq!(told_once(done), 1, "{place}: {done:#}");
    });
}

/// How many responses an execution shows.
fn told_once(done: &Value) -> usize {
    names(&done["artifacts"], "name").iter().filter(|name| **name == "answer_response").count()
}

/// Calls beside each other: those that were answered are served, those under way are made again.
#[test]
fn a9_of_calls_beside_each_other_only_those_under_way_are_made_again() {
    let gate = Gate::new();
    let held = gate.clone();
    let models = Models::of(Provider::reacting(move |received| {
        let prompt = received.conversation()[0].1.clone();
        let answer = Reaction::text(&format!("To {prompt}."));
        if prompt == "slow" { answer.held(&held) } else { answer }
    }));
    let running = models.start("model_beside", &json!({ "prompts": ["quick", "slow"] }));
    gate.until_reached(1);
    let exec = id(&models.newest()).to_owned();
    until("the quick answer", || (models.records(&exec).len() == 1).then_some(()));
    running.kill();
    gate.open();
    let done = resume(&models, &exec);
    assert_eq!(told(&done), ["To quick.", "To slow."]);
    let asked: Vec<String> = models.provider.calls().iter().map(|call| call.received.conversation()[0].1.clone()).collect();
    assert_eq!(asked.iter().filter(|prompt| *prompt == "quick").count(), 1, "{asked:?}");
    assert_eq!(asked.iter().filter(|prompt| *prompt == "slow").count(), 2, "{asked:?}");
}
