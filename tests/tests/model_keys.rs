//! A key is in the request to the provider and nowhere else; and what is redacted is in no record (A2).

use kitaru_tests::models::told;
use kitaru_tests::provider::{Provider, Reaction};
use kitaru_tests::served::order;
use kitaru_tests::web::{Asked, Say};
use kitaru_tests::{Models, Served, Web, files, fixture, id, until};
use serde_json::{Value, json};

/// A prompt's part that no record is to have.
const CUSTOMER: &str = "customer-4711";

/// A key in the environment, or in the secret of the alias.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kept {
    InEnvironment,
    InSecret,
}

/// Streams and whole answers, successes and failures, of which some quote the key. Whatever is told of them goes out by every way that there is.
fn busy(kept: Kept) -> Models {
    let models = Models::of(Provider::reacting(|received| match received.number % 4 {
        0 => Reaction::text("Said without a key."),
        1 => Reaction::text(&format!("You came with {}.", received.key().unwrap_or_default())),
        2 => Reaction::echoed_key(401),
        _ => Reaction::status(500),
    }));
    models.settings(&format!("{}[telemetry]\ncontent = true\natof = \"events\"\n", Models::QUICK));
    if kept == Kept::InSecret {
        let _ = models.host.item(["secrets", "set", "creds", &format!("--OPENAI_API_KEY={}", Models::KEY)]);
        let _ = models.alias("fast", "openai/gpt-4o-mini", &models.provider.openai(), &["--secret", "creds"]);
    }
    models
}

/// What runs, with the key where it is, and tells these collectors of it.
fn reply(models: &Models, kept: Kept, [telemetry, lines]: [&Web; 2], words: &[&str]) -> kitaru_tests::Reply {
    let (telemetry, lines) = (telemetry.url(""), lines.url(""));
    let mut variables = vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT", telemetry.as_str()),
        ("KITARU_LOG_STORE_BACKEND", "otlp"),
        ("KITARU_LOG_STORE_ENDPOINT", lines.as_str()),
    ];
    if kept == Kept::InEnvironment {
        variables.push(("OPENAI_API_KEY", Models::KEY));
    }
    models.command_with(&variables, words).into()
}

fn has(asked: &Asked, text: &str) -> bool {
    asked.body.windows(text.len()).any(|part| part == text.as_bytes())
}

/// What went to collectors, and into the folder of events, has the calls in it, and the key nowhere.
#[track_caller]
fn is_in_no_telemetry(models: &Models, [telemetry, lines]: [&Web; 2]) {
    let (spans, logs) = (telemetry.asked(), lines.asked());
    let told = |path: &str, text: &str| spans.iter().any(|asked| asked.path == path && has(asked, text));
    assert!(told("/v1/traces", "chat gpt-4o-mini") && told("/v1/traces", "Said without a key."), "spans of calls, with content");
    assert!(told("/v1/metrics", "gen_ai.client.token.usage"), "metrics of calls");
    assert!(
        logs.iter().any(|asked| asked.path == "/v1/logs" && has(asked, "Said")),
        "log lines: what the flow with a stream says of its pieces"
    );
    for asked in spans.iter().chain(&logs) {
        assert!(!Models::PLANTED.is_in(&asked.body), "{} {}", asked.method, asked.path);
        assert!(!Models::PLANTED.is_in(format!("{:?}", asked.headers).as_bytes()), "{:?}", asked.headers);
    }
    let events: Vec<_> = std::fs::read_dir(models.host.path("events")).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(events.len() >= 3, "a file for each execution that called a model: {events:?}");
    let mut all = String::new();
    for file in events {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!Models::PLANTED.is_in(text.as_bytes()), "{}: {text}", file.display());
        all.push_str(&text);
    }
    assert!(all.contains("gpt-4o-mini") && all.contains("Said without a key."), "{all}");
}

fn is_nowhere(kept: Kept) {
    let models = busy(kept);
    let (telemetry, lines) = (Web::always(Say::text("")), Web::always(Say::text("")));
    let collectors = [&telemetry, &lines];
    let asks = json!({ "requests": vec![json!({ "prompt": "x", "raw": true }); 3] }).to_string();
    let stream = json!({ "request": { "prompt": "x", "stream": true }, "most": null, "abort": false }).to_string();
    let first = json!({ "request": { "prompt": "x" } }).to_string();
    let runs = [("model_calls", &asks), ("model_body", &asks), ("model_stream", &stream), ("model_asked_first", &first)];
    let mut executions = Vec::new();
    for (flow, input) in runs {
        let target = fixture(&format!("conformance:{flow}"));
        let ran = reply(&models, kept, collectors, &["-vv", "run", &target, "--input", input, "--allow-llm"]);
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
        Models::PLANTED.is_not_shown_in(&reply(&models, kept, collectors, words));
    }
    is_in_no_telemetry(&models, collectors);
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

/// A text's letters as numbers, so that whoever is given them has it nowhere, and whether the answers come in pieces.
fn letters(text: &str, stream: bool) -> Value {
    json!({ "letters": text.bytes().collect::<Vec<_>>(), "stream": stream })
}

#[test]
fn l11_no_guest_has_a_key_in_its_memory() {
    let models = Models::always("An answer with a quokka in it.");
    assert_eq!(models.run("model_remembers", &letters(Models::KEY, false))["result"], json!([false, false]));
    // What it does have is found: what it asks, and what was answered.
    assert_eq!(models.run("model_remembers", &letters("quokka", false))["result"], json!([true, true]));
    assert_eq!(models.hits(), 4);
}

/// A provider that says the key back gives it to nobody: not where it answers, and not where it fails.
#[test]
fn l11_no_guest_has_a_key_in_its_memory_that_was_said_back() {
    let echo = |received: &kitaru_tests::provider::Received| match received.number % 2 {
        // It fails first, and is asked again.
        0 => Reaction::echoed_key(500),
        _ => Reaction::text(&format!("A quokka, and {}", received.key().unwrap_or_default())),
    };
    let models = Models::of(Provider::reacting(echo));
    models.settings(Models::QUICK);
    assert_eq!(models.run("model_remembers", &letters(Models::KEY, false))["result"], json!([false, false]));
    assert_eq!(models.run("model_remembers", &letters("quokka", false))["result"], json!([true, true]), "the answer came");
    assert_eq!(models.hits(), 8);
    let keys = models.provider.calls();
    assert!(keys.iter().all(|call| call.received.key() == Some(Models::KEY)), "there was something to say back");
    Models::PLANTED.is_in_no_file_of(&models.host);
}

/// Nor where it is said back in pieces, each of which is harmless.
#[test]
fn l11_no_guest_has_a_key_in_its_memory_that_was_said_back_in_pieces() {
    let models = Models::of(Provider::reacting(|received| {
        let key = received.key().unwrap_or_default();
        let (first, second) = key.split_at(key.len() / 2);
        Reaction::pieces(["A quokka, and ", first, second, "."])
    }));
    assert_eq!(models.run("model_remembers", &letters(Models::KEY, true))["result"], json!([false, false]));
    assert_eq!(models.run("model_remembers", &letters(&Models::KEY[11..], true))["result"], json!([false, false]), "nor its end");
    assert_eq!(models.run("model_remembers", &letters("quokka", true))["result"], json!([true, true]), "the answer came");
    assert_eq!(models.hits(), 6);
    Models::PLANTED.is_in_no_file_of(&models.host);
}

/// The same of a server, by all that it answers about executions that called models: whole answers, chunks as they came, failures.
#[test]
fn l11_a_key_is_in_no_answer_of_a_server() {
    let models = busy(Kept::InSecret);
    let served = Served::start(&models.host);
    let admin = served.account(&models.host, "root", "admin", &[]);
    let bytes = std::fs::read(fixture("conformance")).unwrap();
    let kept = admin.send("PUT", "/api/v1/components", Some("application/wasm"), &bytes).expect(200);
    let component = kept["digest"].as_str().unwrap();
    let asks = json!({ "requests": vec![json!({ "prompt": "x", "raw": true }); 3] });
    let stream = json!({ "request": { "prompt": "x", "stream": true }, "most": null, "abort": false });
    for (flow, input) in [("model_calls", &asks), ("model_body", &asks), ("model_stream", &stream), ("model_stream", &stream)] {
        let mut order = order(component, flow, input);
        order["grants"] = json!({ "llm": ["*"] });
        let begun = admin.post("/api/v1/executions", &order).expect(201);
        let path = format!("/api/v1/executions/{}", id(&begun));
        until("its end", || Some(admin.get_in_time(&path).expect(200)).filter(|view| view["ended_at"].is_string()));
        let all = admin.everything_of(id(&begun));
        assert!(all.windows(11).any(|part| part == b"gpt-4o-mini"), "{flow}: the call is in it");
        assert!(!Models::PLANTED.is_in(&all), "{flow}: {}", String::from_utf8_lossy(&all));
    }
    let calls = models.provider.calls();
    assert!(calls.len() > 6 && calls.iter().all(|call| call.received.key() == Some(Models::KEY)));
    for path in ["secrets", "models", "executions", "audit?limit=1000"].map(|part| format!("/api/v1/{part}")) {
        let answer = admin.get_in_time(&path);
        assert!(answer.status == 200 && !Models::PLANTED.is_in(&answer.body), "{path}: {}", answer.status);
    }
    assert!(!Models::PLANTED.is_in(&admin.get_in_time("/metrics").body));
    Models::PLANTED.is_in_no_file_of(&models.host);
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
