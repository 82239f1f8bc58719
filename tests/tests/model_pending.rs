//! Calls that nobody can answer yet, with `llm.on_missing = "pending"`: they wait, durably, for a model, a key, or somebody who answers (A7).

use kitaru_tests::models::{failed, told};
use kitaru_tests::provider::Reaction;
use kitaru_tests::{Models, Reply, checkpoint, id, until};
use serde_json::{Value, json};

const KEYED: [(&str, &str); 1] = [("OPENAI_API_KEY", Models::KEY)];

/// A host whose calls wait. `fast` is registered, and there is no key for it.
fn pending() -> Models {
    let models = Models::always("Said at last.");
    models.settings("[llm]\non_missing = \"pending\"\n");
    models
}

/// An execution whose call waits.
fn waiting(models: &Models, flow: &str) -> Value {
    let before = models.provider.exchanges().len();
    let execution = Reply::from(models.flow_with(&[], flow, &json!({ "prompt": "x" }))).item();
    assert_eq!((&execution["status"], &execution["runner"]), (&json!("waiting"), &Value::Null), "{execution:#}");
    assert_eq!(models.provider.exchanges().len(), before, "nobody was asked");
    execution
}

/// Answers in the model's place, without a key.
fn answer(models: &Models, execution: &Value, value: &Value) -> Value {
    models.host.item(["executions", "input", id(execution), "--value", &value.to_string()])
}

/// Waits until somebody has driven an execution to its end.
fn ended(models: &Models, execution: &Value) -> Value {
    until("the end", || Some(models.host.get(id(execution))).filter(|found| found["status"] == "completed"))
}

#[test]
fn a7_without_a_key_a_call_fails_or_waits_as_the_settings_say() {
    let models = Models::always("Said.");
    let failing = Reply::from(models.flow_with(&[], "model_answer", &json!({ "prompt": "x" })));
    assert_eq!(failing.error()["failure_kind"], "credentials", "{failing:?}");
    models.settings("[llm]\non_missing = \"pending\"\n");
    let execution = waiting(&models, "model_answer");
    let wait = &execution["pending_wait"];
    assert_eq!(wait["name"], "answer");
    let question = wait["question"].as_str().unwrap();
    assert!(question.contains("openai/gpt-4o-mini") && question.contains("OPENAI_API_KEY"), "{question}");
    assert_eq!(checkpoint(&execution, "answer")["status"], "running");
}

#[test]
fn a7_a_person_answers_in_the_models_place() {
    let models = pending();
    for (value, text) in [(json!("By a person."), "By a person."), (json!({ "text": "Whole." }), "Whole.")] {
        let execution = waiting(&models, "model_between");
        let done = answer(&models, &execution, &value);
        assert_eq!(done["result"], format!("before {text}"));
        assert_eq!(checkpoint(&done, "between")["status"], "completed");
        assert_eq!(done["waits"][0]["status"], "answered");
        // What a person said is a record like others.
        let again = models.host.item(["executions", "replay", id(&done), "--from", "model_step_2"]);
        assert_eq!(again["result"], done["result"]);
    }
    assert!(models.provider.exchanges().is_empty());
}

#[test]
fn a7_a_call_that_waits_can_be_given_up() {
    let models = pending();
    let execution = waiting(&models, "model_answer");
    let _ = models.host.json(["executions", "input", id(&execution), "--abort"]);
    let left = models.host.get(id(&execution));
    assert_eq!((&left["status"], &left["failure"]["exception_type"]), (&json!("failed"), &json!("aborted")));
    let cancelled = waiting(&models, "model_answer");
    let _ = models.host.json(["executions", "cancel", id(&cancelled)]);
    assert_eq!(models.host.get(id(&cancelled))["status"], "cancelled");
}

/// The environment of whoever drives it on has the key.
#[test]
fn a7_a_key_in_the_environment_lets_a_call_go_on() {
    let models = pending();
    for (flow, invocation) in [("model_answer", "answer"), ("model_body_answer", "model_answer_of_body")] {
        let execution = waiting(&models, flow);
        let done = models.item(&["executions", "resume", id(&execution)]);
        assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!("Said at last.")), "{flow}");
        assert_eq!(checkpoint(&done, invocation)["status"], "completed");
        assert!(done["waits"].as_array().unwrap().iter().all(|wait| wait["status"] != "pending"), "{done:#}");
    }
    assert_eq!(models.hits(), 2);
}

#[test]
fn a7_without_a_key_a_call_that_waits_goes_on_waiting() {
    let models = pending();
    let both = [waiting(&models, "model_answer"), waiting(&models, "model_body_answer")];
    let _ = models.host.json(["executions", "resume", id(&both[0])]);
    let server = models.serving(&[]);
    let _ = models.host.item(["secrets", "set", "unrelated", "--KEY=1"]);
    for execution in &both {
        let open = models.host.json(["executions", "pending-waits", id(execution)]).items();
        assert_eq!(open.len(), 1, "asked once: {open:#?}");
        assert_eq!(models.host.get(id(execution))["status"], "waiting");
    }
    assert!(models.provider.exchanges().is_empty());
    server.kill();
}

/// A secret that an alias names appears while a host looks after everything: nobody has to do anything else.
#[test]
fn a7_a_secret_that_appears_lets_calls_go_on() {
    let models = pending();
    let assignment = format!("--OPENAI_API_KEY={}", Models::KEY);
    let _ = models.host.item(["secrets", "set", "creds", &assignment]);
    let _ = models.alias("fast", "openai/gpt-4o-mini", &models.provider.openai(), &["--secret", "creds"]);
    let _ = models.host.item(["secrets", "delete", "creds"]);
    let (in_flow, in_body) = (waiting(&models, "model_answer"), waiting(&models, "model_body_answer"));
    let server = models.serving(&[]);
    let _ = models.host.item(["secrets", "set", "creds", &assignment]);
    for execution in [&in_flow, &in_body] {
        assert_eq!(ended(&models, execution)["result"], "Said at last.");
    }
    assert!(models.provider.calls().iter().all(|call| call.received.key() == Some(Models::KEY)));
    assert_eq!(models.hits(), 2);
    server.kill();
}

/// Of two processes that look after everything only one has the key: the other one asks, leaves the execution, and is not quicker again.
#[test]
fn a7_whoever_has_the_key_takes_over_from_whoever_has_not() {
    let models = pending();
    let (keyless, keyed) = (models.serving(&[]), models.serving(&KEYED));
    for flow in ["model_answer", "model_body_answer"] {
        let detached = Reply::from(models.command_with(
            &[],
            &[
                "run",
                &kitaru_tests::fixture(&format!("conformance:{flow}")),
                "--input",
                r#"{"prompt":"x"}"#,
                "--allow-llm",
                "--detach",
            ],
        ))
        .item();
        assert_eq!(ended(&models, &detached)["result"], "Said at last.", "{flow}");
    }
    assert_eq!(models.hits(), 2);
    drop((keyless, keyed));
}

/// Nothing was configured when the execution was created: what is registered afterwards counts.
#[test]
fn a7_an_alias_that_appears_lets_calls_go_on() {
    let models = pending();
    let _ = models.host.item(["model", "remove", "fast"]);
    let execution = waiting(&models, "model_answer");
    let question = execution["pending_wait"]["question"].as_str().unwrap();
    assert!(question.contains("OPENROUTER_API_KEY") && question.contains("ANTHROPIC_API_KEY"), "{question}");
    let server = models.serving(&KEYED);
    let _ = models.alias("late", "openai/gpt-4o", &models.provider.openai(), &[]);
    assert_eq!(ended(&models, &execution)["result"], "Said at last.");
    assert_eq!(models.provider.calls()[0].received.model(), "gpt-4o");
    server.kill();
}

#[test]
fn a7_a_checkpoint_whose_call_waits_is_answered_with_its_result() {
    let models = pending();
    let execution = waiting(&models, "model_body_answer");
    assert_eq!(execution["pending_wait"]["name"], "model_answer_of_body");
    let done = answer(&models, &execution, &json!("By a person."));
    assert_eq!(done["result"], "By a person.");
    assert!(models.provider.exchanges().is_empty());
}

/// Whoever drives it on has a key by then: what a person said counts all the same, and nobody is paid.
#[test]
fn a7_what_a_person_said_is_not_asked_of_a_model() {
    let models = pending();
    for flow in ["model_answer", "model_body_answer"] {
        let execution = waiting(&models, flow);
        let value = json!("By a person.").to_string();
        let done = models.item(&["executions", "input", id(&execution), "--value", &value]);
        assert_eq!(done["result"], "By a person.", "{flow}");
    }
    assert!(models.provider.exchanges().is_empty());
}

/// What may happen once does not run again when a key appears: it may have done more than ask (E5).
#[test]
fn a7_what_may_happen_once_does_not_wait_to_run_again() {
    let models = pending();
    let failing = Reply::from(models.flow_with(&[], "model_once_answer", &json!({ "prompt": "x" })));
    assert_eq!(failing.error()["failure_kind"], "credentials", "{failing:?}");
}

/// Waiting for a key is no failed attempt: the checkpoint's two retries are left.
#[test]
fn a7_waiting_uses_up_no_retry() {
    let models = Models::answering([Reaction::status(503), Reaction::status(503), Reaction::text("Said at last.")]);
    models.settings("[llm]\non_missing = \"pending\"\n[llm.retry]\nattempts = 1\n");
    let execution = waiting(&models, "model_body_answer");
    let done = models.item(&["executions", "resume", id(&execution)]);
    assert_eq!((&done["result"], models.hits()), (&json!("Said at last."), 3), "{done:#}");
}

#[test]
fn a7_a_call_that_waits_survives_its_host() {
    let models = pending();
    let mut command = models.flow_with(&[], "model_between", &json!({ "prompt": "x" }));
    command.arg("--wait");
    let running = models.host.spawn(command);
    let exec = until("the question", || {
        let waits = models.host.json(["executions", "pending-waits"]).items();
        waits.first().map(|wait| wait["exec_id"].as_str().unwrap().to_owned())
    });
    running.kill();
    let left = models.host.get(&exec);
    assert_eq!((&left["status"], left["waits"].as_array().unwrap().len()), (&json!("waiting"), 1), "{left:#}");
    let done = answer(&models, &left, &json!("By a person."));
    assert_eq!((&done["result"], models.hits()), (&json!("before By a person."), 0));
}

/// Aliases that cannot be read are not the same as none: whoever needs them is told, and everybody else works, with a warning.
#[test]
fn aliases_that_became_unreadable_are_told() {
    let models = pending();
    let _ = models.host.item(["model", "remove", "fast"]);
    let execution = waiting(&models, "model_answer");
    std::fs::write(models.host.home().join("models.toml"), "aliases = 1").unwrap();
    let listed = models.host.text(["executions", "list"]).ok();
    assert!(listed.stderr.contains("warning:") && listed.stderr.contains("models.toml"), "{listed:?}");
    let _ = models.reply(&["executions", "resume", id(&execution)]);
    let failed = models.host.text(["executions", "get", id(&execution), "-o", "json"]).ok();
    let failed: Value = serde_json::from_str(&failed.stdout).unwrap();
    let failure = &failed["item"]["failure"];
    assert_eq!(failure["exception_type"], "not-configured", "{failed:#}");
    assert!(failure["message"].as_str().unwrap().contains("models.toml"), "{failure:#}");
    assert_eq!(models.provider.exchanges().len(), 0);
}

/// Only a missing model or key is waited for: what is wrong is told at once, and so is a missing grant.
#[test]
fn a7_what_no_key_mends_does_not_wait() {
    let models = pending();
    let requests = json!({ "requests": [{ "prompt": " " }, { "prompt": "x", "model": "acme/big" }] });
    let done = Reply::from(models.flow_with(&[], "model_calls", &requests)).item();
    assert!(told(&done).iter().all(|answer| answer["kind"] == "usage"), "{done:#}");
    let target = kitaru_tests::fixture("conformance:model_calls");
    let input = json!({ "requests": [{ "prompt": "x" }] }).to_string();
    let ungranted = models.item(&["run", &target, "--input", &input]);
    failed(&told(&ungranted)[0], "capability", &["--allow-llm"]);
    // Nor does a call wait for the key of a model that it may not call.
    let keyless =
        Reply::from(models.command_with(&[], &["run", &target, "--input", &input, "--allow-llm=openai/another"])).item();
    failed(&told(&keyless)[0], "capability", &["--allow-llm"]);
}

/// Nothing is configured at all: a call that no model is granted for fails at once all the same, in a flow and in a checkpoint, and whatever else
/// is granted to others.
#[test]
fn a7_what_is_not_granted_does_not_wait_for_a_model() {
    let models = pending();
    let _ = models.host.item(["model", "remove", "fast"]);
    let ask = |flow: &str, flags: &[&str]| {
        let (target, input) = (kitaru_tests::fixture(&format!("conformance:{flow}")), json!({ "prompt": "x" }).to_string());
        Reply::from(models.command_with(&[], &[&["run", &target, "--input", &input], flags].concat()))
    };
    for of_another in ["", "[grants.checkpoints.model_step]\nllm = [\"*\"]\n"] {
        models.settings(&format!("[llm]\non_missing = \"pending\"\n{of_another}"));
        for flow in ["model_answer", "model_body_answer"] {
            let failing = ask(flow, &[]);
            assert_eq!(failing.error()["failure_kind"], "capability", "{flow} {of_another:?}: {failing:?}");
        }
    }
    for flow in ["model_answer", "model_body_answer"] {
        let waiting = ask(flow, &["--allow-llm=openai/gpt-4o"]).item();
        assert_eq!(waiting["status"], "waiting", "an alias may come that is one of these: {waiting:#}");
    }
}

/// The model that appears is another than those that are granted: the call fails with that, and does not ask for its key too.
#[test]
fn a7_a_model_that_appears_and_is_not_granted_is_not_waited_for() {
    let models = pending();
    let _ = models.host.item(["model", "remove", "fast"]);
    let target = kitaru_tests::fixture("conformance:model_answer");
    let words = ["run", &target, "--input", r#"{"prompt":"x"}"#, "--allow-llm=openai/another"];
    let execution = Reply::from(models.command_with(&[], &words)).item();
    assert_eq!(execution["status"], "waiting");
    let _ = models.alias("late", "openai/gpt-4o", &models.provider.openai(), &[]);
    let _ = models.reply(&["executions", "resume", id(&execution)]);
    let failed = until("the end", || Some(models.host.get(id(&execution))).filter(|found| found["status"] == "failed"));
    assert_eq!(failed["failure"]["exception_type"], "capability", "{failed:#}");
    assert!(models.provider.exchanges().is_empty());
}
