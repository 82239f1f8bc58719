//! Model calls of flows and checkpoints: where they may be made, what they are called, what is kept of them (L1–L6, L16, L17, L21, L23), and
//! what answers them where no provider does.

use kitaru_tests::models::{entry, failed, origin, told, usage};
use kitaru_tests::provider::Reaction;
use kitaru_tests::{Models, Reply, call_ids, checkpoint, id, names};
use serde_json::{Value, json};

/// What answers every call in place of a provider.
const MOCK: &str = "KITARU_LLM_MOCK_RESPONSE";

#[test]
fn l2_a_call_of_a_flow_is_a_checkpoint_of_its_own() {
    let models = Models::always("An outline.");
    let execution = models.run("model_between", &json!({ "prompt": "Outline it." }));
    assert_eq!(execution["result"], "before An outline.");
    assert_eq!(names(&execution["checkpoints"], "invocation_id"), ["model_step", "between", "model_step_2"]);
    let call = checkpoint(&execution, "between");
    assert_eq!((&call["checkpoint_type"], &call["status"]), (&json!("llm_call"), &json!("completed")));
    assert_eq!(checkpoint(&execution, "model_step")["checkpoint_type"], Value::Null);
    assert_eq!(names(&call["attempts"], "status"), ["completed"]);
    let found = entry(call, "between");
    assert_eq!((&found["tokens_input"], &found["tokens_output"], &found["total_tokens"]), (&json!(11), &json!(7), &json!(18)));
    assert_eq!((&found["cost_usd"], &found["cost_source"]), (&json!(5.85e-6), &json!("calculator")));
    assert!(found["latency_ms"].as_f64().is_some_and(|took| took > 0.0), "{found:#}");
    let kept = journaled(&models, &execution, "between");
    assert_eq!((&kept["kind"], &kept["output"]["text"]), (&json!("llm_call"), &json!("An outline.")));
    assert_eq!(kept["input"]["prompt"], "Outline it.");
    assert_eq!(models.provider.calls()[0].received.conversation(), [("user".to_owned(), "Outline it.".to_owned())]);
}

/// A durable call as the journal shows it.
fn journaled(models: &Models, execution: &Value, invocation: &str) -> Value {
    let calls = models.host.journal(id(execution));
    calls.into_iter().find(|call| call["invocation_id"] == invocation).expect("a durable call of this name")
}

#[test]
fn l2_a_call_leaves_a_usage_record_and_says_what_governed_it() {
    let models = Models::always("An outline.");
    let execution = models.run("model_answer", &json!({ "prompt": "Outline it." }));
    let call = checkpoint(&execution, "answer");
    let records = usage(call);
    let [record] = records[..] else { panic!("one record: {records:#?}") };
    let said = ["schema_version", "call_name", "resolved_model", "provider", "status", "billing_effect", "cache_status"];
    let expected = json!([1, "answer", "openai/gpt-4o-mini", "openai", "completed", "incurred", "executed"]);
    assert_eq!(json!(said.map(|key| record[key].clone())), expected, "{record:#}");
    assert_eq!((&record["checkpoint_id"], &record["checkpoint_name"]), (&json!(call_ids(&execution)[0]), &json!("answer")));
    assert_eq!((&record["usage"]["input_tokens"], &record["usage"]["output_tokens"]), (&json!(11), &json!(7)));
    assert_eq!((&record["cost"]["estimated_cost_usd"], &record["cost"]["actual_cost_usd"]), (&json!(5.85e-6), &Value::Null));
    let kept = models.records(id(&execution));
    let [kept] = &kept[..] else { panic!("one record of the call: {kept:#?}") };
    assert_eq!((kept.name.as_str(), kept.call, kept.attempt, kept.spent), ("answer", 0, 1, Models::COST));
    assert_eq!(&kept.usage[0], record);
    assert_eq!(kept.start()["uuid"], kept.end()["uuid"]);
    let digest = kept.policies["sha256"].as_str().expect("a digest of what governed the call");
    assert_eq!(digest.len(), 64, "{digest}");
}

/// What governed a call stands beside the journal, whose chain has the digest of it: a check holds the one against the other.
#[test]
fn e15_what_governed_a_call_is_held_against_the_journal() {
    let models = Models::always("Said.");
    let in_flow = models.run("model_between", &json!({ "prompt": "x" }));
    let in_body = models.run("model_body", &json!({ "requests": [{ "prompt": "x", "name": "asked" }] }));
    let served = models.item(&["executions", "replay", id(&in_flow), "--from", "model_step_2"]);
    let verify = |execution: &Value| models.host.json(["executions", "verify", id(execution)]);
    for (execution, invocation, name) in [(&in_flow, "between", "between"), (&in_body, "model_calls_of_body", "asked")] {
        let digest = &entry(checkpoint(execution, invocation), name)["policies_sha256"];
        assert_eq!(digest, &models.records(id(execution))[0].policies["sha256"], "{execution:#}");
    }
    for execution in [&in_flow, &in_body, &served] {
        assert_eq!(verify(execution).items()[0]["holds"], true, "{execution:#}");
    }
    let store = rusqlite::Connection::open(models.host.database()).unwrap();
    store.execute_batch("CREATE TEMP TABLE kept AS SELECT * FROM model_calls").unwrap();
    // The digest that stands in the record itself stays: it counts for nothing.
    for forgery in [
        "UPDATE model_calls SET policies = replace(policies, 'kitaru.retry', 'kitaru.other')",
        "UPDATE model_calls SET name = 'other'",
        "DELETE FROM model_calls",
    ] {
        assert_eq!(store.execute(forgery, []).unwrap(), 2);
        for (execution, name) in [(&in_flow, "`between`"), (&in_body, "`asked`")] {
            let reply = verify(execution);
            let view = &reply.envelope()["items"][0];
            assert_eq!(
                (reply.code, &view["verdict"], &view["chain"]),
                (Some(1), &json!("unknown"), &json!("intact")),
                "{forgery}: {view:#}"
            );
            assert!(view["reason"].as_str().unwrap().contains(name), "{forgery}: {view:#}");
        }
        assert_eq!(verify(&served).items()[0]["holds"], true, "nothing was governed there");
        // Each forgery by itself: the records are again what they were.
        store.execute_batch("BEGIN; DELETE FROM model_calls; INSERT INTO model_calls SELECT * FROM kept; COMMIT").unwrap();
        for execution in [&in_flow, &in_body] {
            assert_eq!(verify(execution).items()[0]["holds"], true, "after {forgery}");
        }
    }
}

/// What governed a call is for the host to say, whatever a body logs.
#[test]
fn e15_what_an_author_logs_of_model_calls_accuses_no_record() {
    let models = Models::always("Said.");
    let logged = json!({ "mine": { "policies_sha256": "x", "note": 1 }, "asked": { "policies_sha256": "x" } });
    let request = json!({ "prompt": "x", "name": "asked" });
    let execution = models.run("model_body_logs", &json!({ "request": request, "calls": logged }));
    let call = checkpoint(&execution, "model_logs_of_body");
    assert_eq!(entry(call, "mine"), &json!({ "note": 1 }));
    assert_eq!(entry(call, "asked")["policies_sha256"], models.records(id(&execution))[0].policies["sha256"]);
    assert_eq!(models.host.json(["executions", "verify", id(&execution)]).items()[0]["holds"], true);
}

#[test]
fn l3_l23_calls_of_a_checkpoint_stand_in_its_metadata_and_make_no_checkpoint() {
    let models = Models::always("Said.");
    let execution = models.run("model_outline_and_draft", &json!({ "topic": "tides" }));
    assert_eq!(names(&execution["checkpoints"], "name"), ["model_named", "model_named"]);
    for (invocation, call) in [("model_named", "outline_call"), ("model_named_2", "draft_call")] {
        let found = checkpoint(&execution, invocation);
        let calls = found["metadata"]["llm_calls"].as_object().expect("calls of the checkpoint");
        assert_eq!(calls.keys().collect::<Vec<_>>(), [call]);
        assert_eq!(found["checkpoint_type"], Value::Null);
        assert_eq!(usage(found)[0]["checkpoint_id"], found["call_id"]);
    }
    let again = models.run("model_outline_and_draft", &json!({ "topic": "rivers" }));
    assert_eq!(entry(checkpoint(&again, "model_named_2"), "draft_call")["alias"], "fast");
    assert_eq!(models.hits(), 4, "nothing is kept for another run");
}

#[test]
fn l4_calls_without_names_are_counted_anew_in_each_scope() {
    let models = Models::always("Said.");
    let execution = models.run("model_unnamed", &json!({}));
    assert_eq!(names(&execution["checkpoints"], "invocation_id"), ["llm_1", "model_pair", "model_pair_2", "llm_2"]);
    for pair in ["model_pair", "model_pair_2"] {
        let found = checkpoint(&execution, pair);
        let calls: Vec<_> = found["metadata"]["llm_calls"].as_object().expect("two calls").keys().collect();
        assert_eq!(calls, ["llm_1", "llm_2"]);
        let kept = names(&found["artifacts"], "name");
        assert_eq!(kept, ["llm_1_prompt", "llm_1_response", "llm_2_prompt", "llm_2_response", "output"], "{pair}");
    }
}

#[test]
fn l5_other_characters_become_underscores() {
    let models = Models::always("Said.");
    let requests = json!([{ "prompt": "x", "name": "2nd call!" }, { "prompt": "x", "name": " " }]);
    let in_flow = models.run("model_calls", &json!({ "requests": requests }));
    let _ = entry(checkpoint(&in_flow, "llm_2nd_call_"), "llm_2nd_call_");
    let in_body = models.run("model_body", &json!({ "requests": requests }));
    let _ = entry(checkpoint(&in_body, "model_calls_of_body"), "llm_2nd_call_");
    for execution in [&in_flow, &in_body] {
        assert_eq!(models.artifact(execution, "llm_2nd_call__response").1, "Said.");
        failed(&told(execution)[1], "usage", &["LLM call name cannot be empty."]);
    }
    assert_eq!(models.hits(), 2);
}

#[test]
fn l6_an_alias_is_recorded_with_what_it_stands_for() {
    let models = Models::always("Said.");
    let execution = models.run("model_calls", &json!({ "requests": [{ "prompt": "x", "model": "fast", "name": "asked" }] }));
    let found = entry(checkpoint(&execution, "asked"), "asked");
    let said = ["requested_model", "alias", "resolved_model", "credential_source"].map(|key| found[key].clone());
    assert_eq!(json!(said), json!(["fast", "fast", "openai/gpt-4o-mini", "environment"]));
    assert_eq!(models.provider.calls()[0].received.model(), "gpt-4o-mini");
}

#[test]
fn l16_what_is_no_prompt_is_refused_before_anybody_is_asked() {
    let models = Models::always("Said.");
    let cases = [
        (json!({ "prompt": " \n" }), "Prompt cannot be empty."),
        (json!({ "prompt": "x", "system": " " }), "System prompt cannot be empty when provided."),
        (json!({ "prompt": [] }), "Prompt message list cannot be empty."),
        (json!({ "prompt": [{ "content": "x" }] }), "Each prompt message must contain `role` and `content` keys."),
        (json!({ "prompt": [{ "role": "user" }] }), "Each prompt message must contain `role` and `content` keys."),
        (json!({ "prompt": "x", "model": " " }), "Model identifier cannot be empty."),
        (json!({ "prompt": "x", "temprature": 1 }), "temprature"),
        (json!(["x"]), "object"),
    ];
    let requests: Vec<&Value> = cases.iter().map(|(request, _)| request).collect();
    for answers in [models.ask(&json!(requests)), models.ask_in_body(&json!(requests))] {
        for ((_, message), answer) in cases.iter().zip(&answers) {
            failed(answer, "usage", &[message]);
            assert_eq!(origin(answer), "UserCode", "{answer:#}");
        }
    }
    assert!(models.provider.exchanges().is_empty());
}

#[test]
fn l17_the_system_message_comes_first() {
    let models = Models::always("Said.");
    let prompt = json!([{ "role": "user", "content": " a " }, { "role": "assistant", "content": "b" }, { "role": "user", "content": "c" }]);
    let requests = json!([{ "prompt": prompt, "system": " Be brief. ", "name": "asked" }]);
    let execution = models.run("model_calls", &json!({ "requests": requests }));
    let (_, kept) = models.artifact(&execution, "asked_prompt");
    assert_eq!(kept[0], json!({ "role": "system", "content": "Be brief." }));
    assert_eq!(names(&kept, "role"), ["system", "user", "assistant", "user"]);
    let sent = models.provider.calls()[0].received.conversation();
    assert_eq!(sent[0], ("system".to_owned(), "Be brief.".to_owned()));
    assert_eq!(sent.len(), 4);
}

#[test]
fn l21_prompt_and_response_are_artifacts() {
    let river = r#"{"name":"Nile","kilometres":6650}"#;
    let tool = Reaction::tool_call("call_1", "look_up", json!({ "word": "Nile" })).and_text("Let me look.");
    let models = Models::answering([Reaction::text("Said."), Reaction::text(river), tool]);
    let schema = json!({ "name": "River", "schema": { "type": "object", "required": ["name"] } });
    let tools = json!([{ "type": "function", "function": { "name": "look_up", "parameters": { "type": "object" } } }]);
    let requests = json!([
        { "prompt": "x", "name": "plain" }, { "prompt": "x", "name": "typed", "schema": schema }, { "prompt": "x", "name": "asks", "tools": tools },
    ]);
    let execution = models.run("model_body", &json!({ "requests": requests }));
    assert_eq!(models.artifact(&execution, "plain_prompt"), (json!("prompt"), json!([{ "role": "user", "content": "x" }])));
    assert_eq!(models.artifact(&execution, "plain_response"), (json!("response"), json!("Said.")));
    assert_eq!(models.artifact(&execution, "typed_response").1, json!({ "name": "Nile", "kilometres": 6650 }));
    let (_, asked) = models.artifact(&execution, "asks_response");
    assert_eq!((&asked["text"], &asked["tool_calls"][0]["name"]), (&json!("Let me look."), &json!("look_up")));
    let saved = names(&execution["artifacts"], "save_type");
    assert_eq!(saved.iter().filter(|kind| **kind == "manual").count(), 6, "{saved:?}");
}

/// Answers come from the variable: nobody is asked, no key is needed, and any provider will do.
#[test]
fn l2_l14_a_mocked_call_needs_neither_key_nor_provider() {
    let models = Models::answering([]);
    for text in ["Mocked.", ""] {
        let requests = json!([{ "prompt": "x", "name": "asked" }, { "prompt": "x", "model": "acme/big" }]);
        for flow in ["model_calls", "model_body"] {
            let run = models.flow_with(&[(MOCK, text)], flow, &json!({ "requests": requests }));
            let execution = Reply::from(run).item();
            let answers = told(&execution);
            assert_eq!((&answers[0]["ok"]["text"], &answers[1]["ok"]["text"]), (&json!(text), &json!(text)), "{answers:#?}");
            let found = entry(&execution["checkpoints"][0], "asked");
            assert_eq!((&found["credential_source"], &found["latency_ms"]), (&json!("environment"), &json!(0.0)));
            assert_eq!((&found["alias"], &found["tokens_input"]), (&json!("fast"), &Value::Null), "{found:#}");
            assert_eq!(models.artifact(&execution, "asked_response").1, text);
        }
    }
    // The model has to be told all the same.
    let blank = [(MOCK, "Mocked."), ("KITARU_DEFAULT_MODEL", " ")];
    let run = models.flow_with(&blank, "model_calls", &json!({ "requests": [{ "prompt": "x" }] }));
    failed(&told(&Reply::from(run).item())[0], "usage", &["`KITARU_DEFAULT_MODEL` is set but empty."]);
    assert!(models.provider.exchanges().is_empty());
}

#[test]
fn scripted_answers_fit_by_name_model_and_prompt() {
    let models = Models::always("The provider's.");
    models.settings(
        r#"
[[llm.mocks]]
name = "counted"
replies = [{ text = "One." }, { error = { message = "busy", status = 503 } }, { text = "Two." }]
then = "pass"
[[llm.mocks]]
prompt = "rain(y|ing)"
replies = [{ text = "Take an umbrella.", tokens_input = 3, tokens_output = 4, cost_usd = 0.25 }]
[[llm.mocks]]
model = "acme/*"
replies = [{ json = { fits = true } }]
"#,
    );
    let counted = json!({ "prompt": "x", "name": "counted" });
    let answers = models.ask_in_body(&json!([{ "prompt": "It is raining." }, { "prompt": "x", "model": "acme/big" }]));
    assert_eq!((&answers[0]["ok"]["text"], &answers[0]["ok"]["cost_usd"]), (&json!("Take an umbrella."), &json!(0.25)));
    assert_eq!(answers[1]["ok"]["text"], r#"{"fits":true}"#);
    let in_flow = models.ask(&json!([counted, counted, counted, counted]));
    assert_eq!((&in_flow[0]["ok"]["text"], &in_flow[2]["ok"]["text"]), (&json!("One."), &json!("Two.")));
    failed(&in_flow[1], "provider", &["busy"]);
    assert_eq!(in_flow[3]["ok"]["text"], "The provider's.", "the script is used up");
}
