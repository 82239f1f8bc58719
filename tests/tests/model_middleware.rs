//! Middleware of a project, `[[llm.middleware]]`, on real calls of real flows: wired up, fail closed, recorded, and out of the way of replays.

use kitaru_host::ids::ComponentDigest;
use kitaru_tests::models::{failed, origin, told};
use kitaru_tests::provider::Reaction;
use kitaru_tests::{Models, Reply, example, fixture, id};
use serde_json::{Value, json};

/// A prompt's part that middleware looks for.
const CUSTOMER: &str = "customer-4711";

/// An entry for the fixture, which does as `config` says.
fn entry(config: &str, more: &str) -> String {
    let component = fixture("middleware");
    // Where many tests run at a time, a second may pass before anything happened.
    format!("[[llm.middleware]]\ncomponent = \"{component}\"\ntimeout_ms = 20000\n{more}\nconfig = {{ {config} }}\n")
}

/// Calls are governed so from now on, and have one attempt.
fn govern(models: &Models, config: &str, more: &str) {
    models.settings(&format!("{}{}", Models::ONCE, entry(config, more)));
}

/// Both scopes: the flow that makes calls, and the flow whose checkpoint does.
const SCOPES: [&str; 2] = ["model_calls", "model_body"];

/// What became of one call.
fn asked(models: &Models, flow: &str, request: &Value) -> Value {
    told(&models.run(flow, &json!({ "requests": [request] })))[0].clone()
}

fn prompt() -> Value {
    json!({ "prompt": format!("Write to {CUSTOMER}."), "name": "asked", "max_tokens": 500 })
}

#[test]
fn middleware_of_the_project_governs_real_calls() {
    let models = Models::always(&format!("Dear {CUSTOMER}"));
    govern(&models, "reject_words = [\"customer-\"]", "");
    for flow in SCOPES {
        let rejected = asked(&models, flow, &prompt());
        failed(&rejected, "guardrail-rejected", &["it says customer-"]);
        assert_eq!(rejected["details"]["guardrail"], "configured", "{flow}: {rejected:#}");
        assert_eq!(asked(&models, flow, &json!({ "prompt": "Hello" }))["ok"]["text"], format!("Dear {CUSTOMER}"));
    }
    assert_eq!(models.provider.exchanges().len(), 2, "of what was rejected, nothing was sent");

    govern(&models, "header = \"x-added\", most_tokens = 5", "");
    for (at, flow) in SCOPES.iter().enumerate() {
        assert!(asked(&models, flow, &prompt())["ok"].is_object());
        let sent = models.provider.calls()[2 + at].received.clone();
        let body = sent.json();
        let limit = body.get("max_tokens").or(body.get("max_completion_tokens"));
        assert_eq!((sent.header("x-added"), limit), (Some("added"), Some(&json!(5))), "{flow}: {body:#}");
        assert_eq!(sent.key(), Some(Models::KEY), "the key is where it was");
    }
}

/// The provider and the author have what was said; no record has.
#[test]
fn what_it_masks_is_in_no_record() {
    let models = Models::always(&format!("Dear {CUSTOMER}"));
    let at_all = |models: &Models, flow: &str| {
        let done = models.run(flow, &json!({ "requests": [prompt()] }));
        assert_eq!(told(&done)[0]["ok"]["text"], format!("Dear {CUSTOMER}"), "{flow}: the author gets what was said");
        let (_, sent) = models.artifact(&done, "asked_prompt");
        let (_, said) = models.artifact(&done, "asked_response");
        let records = format!("{:?}", models.records(id(&done)));
        // What the flow itself was given and gave is its own, and no record of a call.
        let all = models.host.text(["executions", "export", id(&done), "--format", "atof", "--content"]).ok().stdout;
        let events = all.lines().filter(|line| line.contains("\"category\":\"llm\"")).collect::<Vec<_>>().join("\n");
        [sent.to_string(), said.to_string(), records, events]
    };
    for flow in SCOPES {
        models.settings(Models::ONCE);
        assert!(at_all(&models, flow).iter().all(|kept| kept.contains(CUSTOMER)), "{flow}: it would be found");
        govern(&models, &format!("mask = \"{CUSTOMER}\""), "");
        for kept in at_all(&models, flow) {
            assert!(!kept.contains(CUSTOMER) && kept.contains("*************"), "{flow}: {kept}");
        }
    }
    let sent = models.provider.calls();
    assert!(sent.iter().all(|call| call.received.conversation()[0].1.contains(CUSTOMER)), "what is sent stays as it is");
}

#[test]
fn it_wraps_the_execution_of_a_call() {
    let models =
        Models::answering([Reaction::status(500), Reaction::text("Said."), Reaction::status(500), Reaction::text("Said.")]);
    govern(&models, "execute = \"retry\"", "");
    for flow in SCOPES {
        assert_eq!(asked(&models, flow, &prompt())["ok"]["text"], "Said.", "it asks again");
    }
    assert_eq!(models.hits(), 4);
    govern(&models, "execute = \"own\"", "");
    for flow in SCOPES {
        let refused = asked(&models, flow, &prompt());
        failed(&refused, "middleware", &["middleware `configured` (execute): the quota is used up"]);
        assert_eq!((origin(&refused), &refused["details"]["error_type"]), ("Runtime", &json!("quota")), "{refused:#}");
    }
    assert_eq!(models.hits(), 4, "it did not call `next`");
}

/// A failure says whose it is: the provider's own, where it was only passed on.
#[test]
fn what_goes_wrong_around_a_call_is_told_as_its_own() {
    let models = Models::answering([Reaction::status(500), Reaction::status(500)]);
    govern(&models, "", "");
    for flow in SCOPES {
        failed(&asked(&models, flow, &prompt()), "provider", &["500"]);
    }
    for how in ["trap", "error"] {
        govern(&models, &format!("misbehave = {{ surface = \"execute\", how = \"{how}\" }}"), "");
        for flow in SCOPES {
            let refused = asked(&models, flow, &prompt());
            failed(&refused, "middleware", &["middleware `configured` (execute): "]);
            assert_eq!((origin(&refused), &refused["details"]["error_type"]), ("Runtime", &json!("middleware")), "{how}");
        }
    }
    assert_eq!(models.hits(), 2, "nobody was asked behind it");
}

/// A flow chooses whether it streams. It does not choose by that whether it is governed.
#[test]
fn a_streamed_call_does_not_go_past_what_wraps_calls() {
    let models = Models::always("Said.");
    let stream = json!({ "request": { "prompt": "x", "name": "asked", "stream": true }, "most": null, "abort": false });
    let story = json!({ "prompt": "x" });
    // The component of the fixture says the same of itself; here the operator does, over what it says.
    for more in ["", "streams = \"refuse\""] {
        govern(&models, "execute = \"own\"", more);
        let refused = models.run("model_stream", &stream)["result"].clone();
        failed(&refused, "guardrail-rejected", &["configured", "refuses calls whose response is streamed"]);
        assert!(refused["details"]["hint"].as_str().unwrap().contains("streams = \"pass\""), "{refused:#}");
        assert_eq!(models.try_run("model_flow_stream", &story).error()["failure_kind"], "guardrail-rejected");
        assert_eq!(models.hits(), 0, "{more}");
        let whole = models.run("model_calls", &json!({ "requests": [prompt()] }));
        let policies = &models.host.json(["executions", "journal", id(&whole), "--policies"]).items()[0]["policies"];
        assert!(version(policies, "execution_intercepts").ends_with(" streams:refuse"), "{policies:#}");
    }
    govern(&models, "execute = \"own\"", "streams = \"pass\"");
    let done = models.run("model_stream", &stream);
    assert_eq!((&done["result"]["end"]["ok"]["text"], models.hits()), (&json!("Said."), 1), "{done:#}");
    let policies = &models.host.json(["executions", "journal", id(&done), "--policies"]).items()[0]["policies"];
    assert!(version(policies, "guardrails").ends_with(" streams:pass"), "the record says so: {policies:#}");
    assert!(
        names(policies, "execution_intercepts").iter().all(|name| name != "configured"),
        "and that it went past: {policies:#}"
    );
    // Elsewhere it governs streams as well.
    govern(&models, "reject_words = [\"x\"]", "streams = \"pass\"");
    failed(&models.run("model_stream", &stream)["result"], "guardrail-rejected", &["it says x"]);
    assert_eq!(models.hits(), 1);
}

/// The names of what stood on a surface, in order.
fn names(policies: &Value, surface: &str) -> Vec<String> {
    policies[surface].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

/// What tells the fixture's version on a surface.
#[track_caller]
fn version(policies: &Value, surface: &str) -> String {
    let all = policies[surface].as_array().unwrap();
    let own = all.iter().find(|one| one["name"] == "configured").unwrap_or_else(|| panic!("it is not there: {policies:#}"));
    own["version"].as_str().unwrap().to_owned()
}

#[test]
fn what_governed_names_the_component() {
    let models = Models::always("Said.");
    let policies = |config: &str, more: &str| {
        govern(&models, config, more);
        let done = models.run("model_calls", &json!({ "requests": [prompt()] }));
        models.host.json(["executions", "journal", id(&done), "--policies"]).items()[0]["policies"].clone()
    };
    let first = policies("mask = \"never\"", "");
    let digest = ComponentDigest::of(&std::fs::read(fixture("middleware")).unwrap());
    for surface in ["guardrails", "request_intercepts", "execution_intercepts", "request_sanitizers", "response_sanitizers"] {
        let version = version(&first, surface);
        assert!(version.starts_with(&format!("1.2.3 sha256:{digest} config sha256:")), "{surface}: {version}");
    }
    let around = names(&first, "execution_intercepts");
    let at = |names: &[String], name: &str| names.iter().position(|one| one == name).unwrap();
    assert!(at(&around, "configured") < at(&around, "kitaru.retry"), "by its own priority: {around:?}");

    let other = policies("mask = \"nobody\"", "priority = 450");
    assert_ne!(version(&first, "guardrails"), version(&other, "guardrails"), "another configuration");
    assert_ne!(first["sha256"], other["sha256"]);
    let around = names(&other, "execution_intercepts");
    let place = at(&around, "configured");
    assert!(at(&around, "kitaru.retry") < place && place < at(&around, "kitaru.budget"), "by the operator's: {around:?}");

    let some = policies("mask = \"never\"", "surfaces = [\"check\"]");
    assert_eq!(names(&some, "request_intercepts").iter().filter(|name| *name == "configured").count(), 0, "{some:#}");
    assert!(names(&some, "guardrails").contains(&"configured".to_owned()));
}

/// What is recorded is served, by whatever it would be governed now: rejected, or by something that is not even there.
#[test]
fn a_replay_runs_no_middleware() {
    let models = Models::always("Said.");
    govern(&models, "header = \"x-added\"", "");
    let source = models.run("model_between", &json!({ "prompt": "quokka" }));
    let waiting = models.run("model_before_wait", &json!({ "prompt": "quokka" }));
    assert_eq!((&waiting["status"], models.hits()), (&json!("waiting"), 2));
    let records = models.record_bytes(id(&waiting));

    govern(&models, "reject_words = [\"quokka\"]", "");
    let served = models.item(&["executions", "replay", id(&source), "--from", "model_step_2"]);
    assert_eq!(served["result"], source["result"]);
    let verified = models.host.json(["executions", "verify", id(&source)]).items();
    assert_eq!(verified[0]["holds"], true, "{verified:#?}");
    // It goes on in another process, over what it has recorded.
    let done = models.item(&["executions", "input", id(&waiting), "--value", "true"]);
    assert_eq!((&done["status"], &done["result"]), (&json!("completed"), &json!("Said.")), "{done:#}");
    assert_eq!(models.record_bytes(id(&waiting)), records, "byte for byte");
    // What is made anew is governed.
    let anew: Reply = models.reply(&["executions", "replay", id(&source), "--from", "between"]);
    let error = anew.error();
    assert_eq!(error["failure_kind"], "guardrail-rejected", "{error:#}");
    assert!(error["message"].as_str().unwrap().contains("it says quokka"), "{error:#}");

    models.settings("[[llm.middleware]]\ncomponent = \"gone.wasm\"\n");
    let verified = models.host.json(["executions", "verify", id(&source)]).items();
    assert_eq!(verified[0]["holds"], true, "{verified:#?}");
    let served = models.item(&["executions", "replay", id(&source), "--from", "model_step_2"]);
    assert_eq!((&served["result"], models.hits()), (&source["result"], 2), "nobody was asked again");
}

#[test]
fn what_cannot_be_loaded_lets_no_call_pass() {
    let models = Models::always("Said.");
    let core = models.host.file("core.wasm", wat::parse_str("(module)").unwrap());
    let entries = [
        ("gone.wasm".to_owned(), "cannot be read"),
        ("ab".repeat(32), "the store does not give it"),
        (core, "entry 1"),
        (fixture("conformance"), "entry 1"),
    ];
    for (component, part) in &entries {
        // What could be loaded does not run without what could not.
        let more = entry("", "name = \"good\"");
        models.settings(&format!("{}[[llm.middleware]]\ncomponent = \"{component}\"\n{more}", Models::ONCE));
        for flow in SCOPES {
            let refused = asked(&models, flow, &prompt());
            failed(&refused, "middleware", &[component, part]);
        }
        // It concerns calls of models, and nothing else.
        assert_eq!(models.run("no_calls", &json!({}))["status"], "completed");
    }
    for how in ["trap", "error", "spin"] {
        let entry = entry(&format!("misbehave = {{ surface = \"check\", how = \"{how}\" }}"), "");
        let entry = if how == "spin" { entry.replace("20000", "300") } else { entry };
        models.settings(&format!("{}{entry}", Models::ONCE));
        for flow in SCOPES {
            let refused = asked(&models, flow, &prompt());
            assert!(matches!(refused["kind"].as_str(), Some("guardrail-rejected" | "timeout")), "{how}: {refused:#}");
            assert!(refused["message"].as_str().unwrap().contains("configured"), "{how}: {refused:#}");
        }
    }
    assert_eq!(models.provider.exchanges().len(), 0, "nothing goes past what cannot be asked");
}

#[test]
fn calls_of_other_flows_go_past_it() {
    let models = Models::always("Said.");
    govern(&models, "reject_words = [\"customer-\"]", "flows = [\"model_body\"]");
    assert_eq!(asked(&models, "model_calls", &prompt())["ok"]["text"], "Said.");
    failed(&asked(&models, "model_body", &prompt()), "guardrail-rejected", &["it says customer-"]);
    assert_eq!(models.hits(), 1);
}

/// `examples/no-secret-projects`, which docs/middleware.md shows.
#[test]
fn the_example_refuses_a_name_and_masks_it() {
    let models = Models::always("Bluebird flies at night.");
    let component = example("no-secret-projects");
    let entry =
        format!("[[llm.middleware]]\ncomponent = \"{component}\"\ntimeout_ms = 20000\nconfig = {{ words = [\"Bluebird\"] }}\n");
    models.settings(&format!("{}{entry}", Models::ONCE));
    for flow in SCOPES {
        let refused = asked(&models, flow, &json!({ "prompt": "What is Bluebird?", "name": "asked" }));
        failed(&refused, "guardrail-rejected", &["it names a secret project, number 1 of `words`"]);
    }
    let streamed = json!({ "request": { "prompt": "x", "name": "asked", "stream": true }, "most": null, "abort": false });
    failed(&models.run("model_stream", &streamed)["result"], "guardrail-rejected", &["no-secret-projects"]);
    assert_eq!(models.hits(), 0);
    for flow in SCOPES {
        let done = models.run(flow, &json!({ "requests": [prompt()] }));
        assert_eq!(told(&done)[0]["ok"]["text"], "******** flies at night.", "{flow}: {done:#}");
        assert_eq!(models.artifact(&done, "asked_response").1, "******** flies at night.", "{flow}");
    }
    assert_eq!(models.hits(), 2);
}
