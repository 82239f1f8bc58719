//! A key is in the request to the provider and nowhere else; and what is redacted is in no record (A2).

use kitaru_tests::models::told;
use kitaru_tests::provider::{Provider, Reaction};
use kitaru_tests::{Models, files, fixture, id};
use serde_json::{Value, json};

/// A prompt's part that no record is to have.
const CUSTOMER: &str = "customer-4711";

/// A key in the environment, or in the secret of the alias.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kept {
    InEnvironment,
    InSecret,
}

/// Streams and whole answers, successes and failures, of which one quotes the key.
fn busy(kept: Kept) -> Models {
    let models = Models::of(Provider::reacting(|received| match received.number % 4 {
        0 | 1 => Reaction::text("Said without a key."),
        2 => Reaction::echoed_key(401),
        _ => Reaction::status(500),
    }));
    models.settings(Models::QUICK);
    if kept == Kept::InSecret {
        let _ = models.host.item(["secrets", "set", "creds", &format!("--OPENAI_API_KEY={}", Models::KEY)]);
        let _ = models.alias("fast", "openai/gpt-4o-mini", &models.provider.openai(), &["--secret", "creds"]);
    }
    models
}

/// What runs, with the key where it is.
fn reply(models: &Models, kept: Kept, words: &[&str]) -> kitaru_tests::Reply {
    match kept {
        Kept::InEnvironment => models.reply(words),
        Kept::InSecret => models.host.json(words),
    }
}

fn is_nowhere(kept: Kept) {
    let models = busy(kept);
    let asks = json!({ "requests": vec![json!({ "prompt": "x", "raw": true }); 3] }).to_string();
    let stream = json!({ "request": { "prompt": "x", "stream": true }, "most": null, "abort": false }).to_string();
    let first = json!({ "request": { "prompt": "x" } }).to_string();
    let runs = [("model_calls", &asks), ("model_body", &asks), ("model_stream", &stream), ("model_asked_first", &first)];
    let mut executions = Vec::new();
    for (flow, input) in runs {
        let target = fixture(&format!("conformance:{flow}"));
        let ran = reply(&models, kept, &["-vv", "run", &target, "--input", input, "--allow-llm"]);
        Models::PLANTED.is_not_shown_in(&ran);
        executions.push(id(&ran.item()).to_owned());
    }
    let keys: Vec<_> = models.provider.calls().iter().map(|call| call.received.key().map(str::to_owned)).collect();
    assert!(keys.len() > 6 && keys.iter().all(|key| key.as_deref() == Some(Models::KEY)), "the provider got it: {keys:?}");
    let export = models.host.path("export.tar");
    for execution in &executions {
        let mut commands = ["get", "journal", "logs", "verify"].map(|verb| vec!["executions", verb, execution]).to_vec();
        commands.push(vec!["executions", "export", execution, "--to", &export]);
        commands.push(vec!["executions", "export", execution, "--format", "atof", "--content"]);
        commands.push(vec!["executions", "export", execution, "--format", "atif", "--content"]);
        commands.push(vec!["artifacts", "list", execution]);
        for words in &commands {
            for reply in [models.host.text(words), models.host.text([&["-vv"], &words[..]].concat())] {
                Models::PLANTED.is_not_shown_in(&reply.ok());
            }
        }
        assert!(!Models::PLANTED.is_in(&std::fs::read(&export).unwrap()), "in the export of {execution}");
    }
    for words in [&["status"][..], &["doctor"], &["model", "list"], &["model", "show", "fast"], &["info"]] {
        Models::PLANTED.is_not_shown_in(&reply(&models, kept, words));
    }
    Models::PLANTED.is_in_no_file_of(&models.host);
}

#[test]
fn l11_a_key_of_the_environment_is_nowhere_but_in_requests() {
    is_nowhere(Kept::InEnvironment);
}

#[test]
fn l11_a_key_of_a_secret_is_nowhere_but_in_requests() {
    is_nowhere(Kept::InSecret);
}

/// A text's letters as numbers, so that whoever is given them has it nowhere.
fn letters(text: &str) -> Value {
    json!({ "letters": text.bytes().collect::<Vec<_>>() })
}

#[test]
fn l11_no_guest_has_a_key_in_its_memory() {
    let models = Models::always("An answer with a quokka in it.");
    assert_eq!(models.run("model_remembers", &letters(Models::KEY))["result"], json!([false, false]));
    // What it does have is found: what it asks, and what was answered.
    assert_eq!(models.run("model_remembers", &letters("quokka"))["result"], json!([true, true]));
    assert_eq!(models.hits(), 4);
}

/// The provider gets what the author wrote; artifacts, metadata, events and exports have what the settings leave of it.
#[test]
fn a2_what_is_redacted_is_sent_and_recorded_nowhere_but_in_the_journal() {
    let models = Models::of(Provider::reacting(|_| Reaction::text(&format!("Dear {CUSTOMER}, write to a@example.com."))));
    models.settings("[llm.redact]\npersonal = [\"key\", \"email\"]\npatterns = [{ pattern = \"customer-[0-9]+\", replacement = \"[customer]\" }]\n");
    let prompt = format!("Write to {CUSTOMER}.");
    let request = json!({ "prompt": prompt, "name": "asked", "correlation": CUSTOMER });
    let tools = json!([{ "type": "function", "function": { "name": "look_up", "description": CUSTOMER, "parameters": { "type": "object" } } }]);
    let mut with_tools = request.clone();
    with_tools["tools"] = tools;
    for (flow, requests) in [("model_calls", json!([request, with_tools])), ("model_body", json!([request, with_tools]))] {
        let done = models.run(flow, &json!({ "requests": requests }));
        assert!(told(&done)[0]["ok"]["text"].as_str().unwrap().contains(CUSTOMER), "the author gets what was answered");
        let (_, asked) = models.artifact(&done, "asked_prompt");
        assert_eq!(asked[0]["content"], "Write to [customer].");
        let (_, said) = models.artifact(&done, "asked_response");
        let said = said.as_str().unwrap();
        assert!(said.starts_with("Dear [customer], write to ") && !said.contains("example.com"), "{said}");
        let records = format!("{:?}", models.records(id(&done)));
        assert!(!records.contains(CUSTOMER) && !records.contains("a@example.com"), "{flow}: {records}");
        let events = models.host.text(["executions", "export", id(&done), "--format", "atof"]).ok().stdout;
        assert!(!events.contains(CUSTOMER) && !events.contains("a@example.com"), "{flow}: {events}");
    }
    let sent = models.provider.calls();
    assert!(sent.iter().all(|call| call.received.conversation()[0].1 == prompt), "what is sent stays as it is");
}

#[test]
fn the_marker_would_be_found() {
    let models = Models::always(Models::KEY);
    let run =
        models.host.json(["run", &fixture("conformance:echo_value"), "--input", &json!({ "value": Models::KEY }).to_string()]);
    assert!(Models::PLANTED.is_in(run.ok().stdout.as_bytes()));
    assert!(files(&models.host).iter().any(|(_, bytes)| Models::PLANTED.is_in(bytes)), "a value that a flow got");
}
