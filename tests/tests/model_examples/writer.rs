//! `llm-writer`: two tracked calls in two checkpoints.

use kitaru_tests::provider::{Ending, Protocol, Provider, Reaction};
use kitaru_tests::{checkpoint, example, id, names};
use serde_json::{Value, json};

use crate::scene::{KEY, Scene, said_by};

fn two_answers() -> [Reaction; 2] {
    [Reaction::text("1. The moon pulls").usage(31, 12), Reaction::text("The moon pulls the sea.").usage(64, 9)]
}

fn run<'a>(target: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["run", target, "--arg", "topic=tides"], rest].concat()
}

/// Where a protocol is spoken.
type Address = fn(&Provider) -> String;

#[test]
fn l23_an_outline_and_a_draft_by_alias() {
    let scene = Scene::answering(two_answers());
    let target = example("llm-writer");
    let execution = scene.item(&run(&target, &["--allow-llm=fast"]));
    assert_eq!(execution["result"], "The moon pulls the sea.");
    // What the provider saw.
    let [outline, draft] = scene.asked().try_into().expect("two calls");
    assert_eq!(
        (outline.protocol, outline.model().as_str(), outline.key()),
        (Some(Protocol::OpenAiChat), "gpt-4o-mini", Some(KEY))
    );
    assert!(said_by(&outline, "user")[0].contains("tides"));
    assert!(said_by(&draft, "user")[0].contains("1. The moon pulls"), "the draft follows the outline");
    assert_eq!(said_by(&draft, "system").len(), 1);
    // What the host has of it.
    for (invocation, name, tokens) in [("write_outline", "outline_call", (31, 12)), ("write_draft", "draft_call", (64, 9))] {
        let call = &checkpoint(&execution, invocation)["metadata"]["llm_calls"][name];
        assert_eq!((&call["alias"], &call["requested_model"]), (&json!("fast"), &json!("fast")), "{execution:#}");
        assert_eq!((&call["resolved_model"], &call["credential_source"]), (&json!("openai/gpt-4o-mini"), &json!("environment")));
        assert_eq!((&call["tokens_input"], &call["tokens_output"]), (&json!(tokens.0), &json!(tokens.1)));
        assert_eq!(checkpoint(&execution, invocation)["metadata"]["llm_calls"].as_object().map(serde_json::Map::len), Some(1));
    }
    let saved = names(&execution["artifacts"], "name");
    for artifact in ["outline_call_prompt", "outline_call_response", "draft_call_prompt", "draft_call_response"] {
        assert!(saved.contains(&artifact), "{artifact}: {saved:?}");
    }
    let listed = scene.host.json(["artifacts", "list", id(&execution), "--name", "draft_call_response"]).items();
    let artifact = scene.host.item(["artifacts", "get", listed[0]["artifact_id"].as_str().unwrap()]);
    assert_eq!((&artifact["kind"], &artifact["value"]), (&json!("response"), &json!("The moon pulls the sea.")));
    scene.keeps_no_key();
}

#[test]
fn a_replay_from_the_draft_asks_for_the_draft_alone() {
    let scene = Scene::answering(two_answers().into_iter().chain([Reaction::text("Written anew.")]));
    let target = example("llm-writer");
    let source = scene.item(&run(&target, &["--allow-llm"]));
    let edit = r#"checkpoint.write_outline="1. The sun helps""#;
    let replay = scene.item(&["executions", "replay", id(&source), "--from", "write_draft", "--override", edit]);
    assert_eq!(replay["result"], "Written anew.");
    let asked = scene.asked();
    assert_eq!(asked.len(), 3);
    assert!(said_by(&asked[2], "user")[0].contains("1. The sun helps"));
}

#[test]
fn every_protocol_will_do() {
    let models: [(&str, Address, Protocol); 4] = [
        ("openai/gpt-4o-mini", Provider::openai, Protocol::OpenAiChat),
        ("openai-responses/gpt-4o-mini", Provider::openai, Protocol::OpenAiResponses),
        ("anthropic/claude-3-5-haiku-latest", Provider::anthropic, Protocol::Anthropic),
        ("gemini/gemini-2.0-flash", Provider::gemini, Protocol::Gemini),
    ];
    let target = example("llm-writer");
    let scene = Scene::answering([]);
    for (number, (model, base, protocol)) in models.into_iter().enumerate() {
        scene.register("other", model, &base(&scene.provider));
        for reaction in two_answers() {
            scene.provider.then(reaction);
        }
        let execution = scene.item(&run(&target, &["--arg", "model=other", "--allow-llm"]));
        assert_eq!(execution["result"], "The moon pulls the sea.", "{model}");
        let calls = scene.provider.calls();
        assert_eq!(calls.len(), 2 * (number + 1));
        for call in &calls[2 * number..] {
            assert_eq!((call.received.protocol, call.received.key(), call.ending), (Some(protocol), Some(KEY), Ending::Whole));
            assert!(model.ends_with(&format!("/{}", call.received.model())), "{model}");
        }
    }
    scene.keeps_no_key();
}

#[test]
fn nobody_is_asked_without_a_grant() {
    let scene = Scene::answering(two_answers());
    let target = example("llm-writer");
    let too_few: [&[&str]; 3] = [&[], &["--allow-llm=slow"], &["--allow-llm=anthropic/*"]];
    for flags in too_few {
        let error = scene.reply(&run(&target, flags)).refused("KitaruExecutionError", &["--allow-llm"]);
        assert_eq!(error["failure_kind"], "capability");
    }
    assert_eq!(scene.asked().len(), 0);
    // The alias is granted, or the model that it stands for.
    for flags in [["--allow-llm=fast"], ["--allow-llm=openai/*"]] {
        let _ = scene.item(&run(&target, &flags));
        two_answers().into_iter().for_each(|reaction| scene.provider.then(reaction));
    }
}

#[test]
fn a_provider_that_is_busy_is_asked_again() {
    let [outline, draft] = two_answers();
    let limited = Reaction::status(429).header("retry-after", "0");
    let scene = Scene::answering([limited, outline, draft]);
    let target = example("llm-writer");
    let execution = scene.item(&run(&target, &["--allow-llm"]));
    assert_eq!(execution["result"], "The moon pulls the sea.");
    let asked = scene.asked();
    assert_eq!((asked.len(), &asked[0].body), (3, &asked[1].body), "the same request again");
    assert_eq!(checkpoint(&execution, "write_outline")["status"], "completed");
}

#[test]
fn a_key_that_the_provider_echoes_is_shown_nowhere() {
    let scene = Scene::with(Provider::reacting(|_| Reaction::echoed_key(401)));
    let target = example("llm-writer");
    let reply = scene.reply(&run(&target, &["--allow-llm"]));
    let error: Value = reply.error();
    assert_eq!(error["status"], "failed", "{error}");
    assert!(!reply.stderr.contains(KEY) && !reply.stdout.contains(KEY), "{reply:?}");
    assert!(!scene.asked().is_empty(), "it was asked, and said the key");
    let latest = scene.latest();
    for view in ["get", "logs", "journal"] {
        let reply = scene.reply(&["executions", view, id(&latest)]).ok();
        assert!(!reply.stdout.contains(KEY), "{reply:?}");
    }
    scene.keeps_no_key();
}
